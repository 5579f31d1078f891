//! What a person sees while the engine works, and what the closing summary needs to know of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reproof_engine::{DataChange, Event, Observer, Stage};
use reproof_record::StepName;

use crate::format;
use crate::printer::Printer;

/// Shows a spinner on a terminal after a moment, and remembers how the data changed.
pub struct Progress {
    spinner: ProgressBar,
    state: Mutex<State>,
    printer: Printer,
}

#[derive(Default)]
struct State {
    running: Vec<String>,
    data: BTreeMap<StepName, DataChange>,
    /// What steps wrote since their last line break.
    lines: BTreeMap<StepName, Vec<u8>>,
}

impl Progress {
    /// A progress display, silent where nobody watches.
    pub fn new(printer: &Printer) -> Self {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if printer.watched && !printer.quiet {
            show_later(spinner.clone());
        }
        Self {
            spinner,
            state: Mutex::default(),
            printer: printer.clone(),
        }
    }

    /// Takes the display away.
    pub fn clear(&self) {
        self.spinner.finish_and_clear();
    }

    /// How the data source of this name compares with the lock file.
    pub fn data_change(&self, name: &str) -> Option<DataChange> {
        self.state().data.get(name).cloned()
    }

    /// Whether any data source is not the version that the lock file pinned.
    pub fn data_changed(&self) -> bool {
        self.state()
            .data
            .values()
            .any(|change| *change != DataChange::Unchanged)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrote(&self, step: &StepName, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.spinner
            .suspend(|| self.printer.error_lines(step.as_str(), &text));
    }

    fn show(&self, running: &[String]) {
        self.spinner.set_message(running.join(", "));
    }
}

/// Shows the spinner once the work has taken a moment: what is over by then needs none.
fn show_later(spinner: ProgressBar) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        if spinner.is_finished() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(style.tick_chars("|/-\\ "));
        }
        spinner.set_draw_target(ProgressDrawTarget::stderr());
        spinner.enable_steady_tick(Duration::from_millis(120));
    });
}

/// Shows what is fetched because it is not here, if anything is.
pub struct Fetching {
    printer: Printer,
    progress: OnceLock<Progress>,
}

impl Fetching {
    /// Nothing is shown until something is fetched.
    pub fn new(printer: Printer) -> Self {
        Self {
            printer,
            progress: OnceLock::new(),
        }
    }
}

impl Observer for Fetching {
    fn event(&self, event: &Event<'_>) {
        let progress = self.progress.get_or_init(|| Progress::new(&self.printer));
        progress.event(event);
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(progress) = self.progress.get() {
            progress.clear();
        }
    }
}

fn stage_text(stage: Stage) -> &'static str {
    match stage {
        Stage::Find => "looking for uv and Python",
        Stage::Resolve => "resolving versions",
        Stage::Install => "fetching and installing packages",
        Stage::Collect => "collecting files and libraries",
        Stage::Write => "writing and hashing",
        _ => "working",
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state();
        match event {
            Event::DataStarted { name, source } => {
                self.show(&[format!("{name}: reading {source}")]);
            }
            Event::Data { name, change, .. } => {
                state.data.insert((*name).clone(), (*change).clone());
            }
            Event::StepStarted { name, .. } => {
                state.running.push(name.to_string());
                self.show(&state.running);
            }
            Event::Output { name, bytes } if self.printer.shows_output() => {
                let line = state.lines.entry((*name).clone()).or_default();
                line.extend_from_slice(bytes);
                if let Some(end) = line.iter().rposition(|byte| *byte == b'\n') {
                    let whole: Vec<u8> = line.drain(..=end).collect();
                    self.wrote(name, &whole);
                }
            }
            Event::EnvironmentStarted { name } => {
                self.show(&[format!("environment {name}: building")]);
            }
            Event::EnvironmentStage(stage) => {
                self.show(&[format!("environment: {}", stage_text(*stage))]);
            }
            Event::Environment {
                name, description, ..
            } => {
                let packages = description.packages.len() as u64;
                let text = format!(
                    "environment '{name}' was built: {}, {}, {} MB",
                    format::counted(packages, "package"),
                    format::counted(description.files, "file"),
                    format::count(description.bytes / 1_000_000),
                );
                self.spinner.suspend(|| self.printer.note(&text));
            }
            Event::StepFinished { name, .. } => {
                if let Some(rest) = state.lines.remove(*name) {
                    self.wrote(name, &rest);
                }
                state.running.retain(|running| running != name.as_str());
                self.show(&state.running);
            }
            Event::Moved { text, done, total } => {
                self.show(&[format!(
                    "{text} {} of {}",
                    format::bytes(*done),
                    format::bytes(*total)
                )]);
            }
            Event::Note(text) => self.spinner.suspend(|| self.printer.note(text)),
            _ => {}
        }
    }
}
