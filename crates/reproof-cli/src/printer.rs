//! All output passes here: text for a person, one JSON document, or nothing but the answer.

use std::io::{IsTerminal, Write};

use serde_json::json;

use reproof_engine::EngineError;

use crate::arguments::Global;

/// Prints to standard output and standard error.
#[derive(Clone, Debug)]
pub struct Printer {
    /// Whether one JSON document is wanted.
    pub json: bool,
    /// Whether notes and progress are unwanted.
    pub quiet: bool,
    out_colour: bool,
    err_colour: bool,
    /// Whether somebody watches standard error.
    pub watched: bool,
}

/// How a piece of text stands out, where colours are shown.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Bold.
    Strong,
    /// Green.
    Good,
    /// Red.
    Bad,
    /// Yellow.
    Warning,
    /// Grey.
    Dim,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warning => "33",
            Self::Dim => "2",
        }
    }
}

impl Printer {
    /// A printer as the options and the terminal want it.
    pub fn new(global: &Global) -> Self {
        // See no-color.org: any value but the empty one turns colours off.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let watched = std::io::stderr().is_terminal();
        Self {
            json: global.json,
            quiet: global.quiet,
            out_colour: !plain && !global.json && std::io::stdout().is_terminal(),
            err_colour: !plain && watched,
            watched,
        }
    }

    /// Text in a style, if standard output shows colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.out_colour, style, text)
    }

    /// One line of the answer.
    pub fn line(&self, text: &str) {
        write_out(&format!("{text}\n"));
    }

    /// A text of the answer, as it is.
    pub fn text(&self, text: &str) {
        write_out(text);
    }

    /// One JSON document as the answer.
    pub fn document(&self, value: &serde_json::Value) {
        write_out(&format!("{value:#}\n"));
    }

    /// What was found, as one JSON document, as the answer.
    ///
    /// # Errors
    /// A value that has no JSON, which is a bug.
    pub fn found(&self, found: &impl serde::Serialize) -> Result<(), EngineError> {
        let document = serde_json::to_value(found);
        self.document(&document.map_err(|error| EngineError::Bug(error.to_string()))?);
        Ok(())
    }

    /// Whether what steps write is shown as it comes: to whoever watches.
    pub fn shows_output(&self) -> bool {
        self.watched && !self.quiet
    }

    /// Lines that a step wrote, on standard error, each after the step's name.
    pub fn error_lines(&self, step: &str, text: &str) {
        for line in text.lines() {
            let name = paint(self.err_colour, Style::Dim, &format!("{step} |"));
            write_err(&format!("{name} {}\n", crate::format::visible(line)));
        }
    }

    /// Something a person should know, on standard error.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            write_err(&format!(
                "{} {text}\n",
                paint(self.err_colour, Style::Warning, "note:")
            ));
        }
    }

    /// An error with its causes and hint, on standard error; with `--json` also as a document.
    pub fn error(&self, error: &EngineError) {
        if let EngineError::Configuration(diagnostics) = error {
            for diagnostic in diagnostics {
                self.error_text(&diagnostic.to_string(), None);
            }
        } else {
            self.error_text(&chain(error), error.hint().as_deref());
        }
        if self.json {
            let exit = crate::exit::Exit::from(error.class()) as u8;
            self.document(&json!({
                "error": { "message": chain(error), "hint": error.hint(), "exit_code": exit }
            }));
        }
    }

    /// An error that is only a text.
    pub fn error_text(&self, message: &str, hint: Option<&str>) {
        write_err(&format!(
            "{} {message}\n",
            paint(self.err_colour, Style::Bad, "error:")
        ));
        if let Some(hint) = hint {
            write_err(&format!(
                "{} {hint}\n",
                paint(self.err_colour, Style::Strong, "hint:")
            ));
        }
    }

    /// The last words after a panic.
    pub fn bug(&self) {
        self.error_text(
            "this is a bug in reproof",
            Some("please report it with the command that you ran"),
        );
    }
}

/// An error's message, followed by those of its causes that it does not repeat itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour {
        format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// A reader that went away (`reproof log | head`) is no error.
fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn write_err(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
