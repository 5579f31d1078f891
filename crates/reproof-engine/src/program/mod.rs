//! Steps that run a program of the user's: from a recipe's step and its inputs to stored outputs.
//!
//! A folder of its own holds what the program sees beside its environment: code, inputs and
//! `step.json`, laid out from the store and verified, and empty folders for outputs and reports.
//! Nothing of the project's working folder is in sight.

mod outputs;
mod places;
mod profile;
mod protocol;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reproof_catalog::StepOutput;
use reproof_config::Resources;
use reproof_record::{Artifact, ArtifactKind, Isolation, Program, RecipeStep, Record, StepName};
use reproof_sandbox::{End, Finished, Limits, Mount, Sandbox, Stream, Traced};
use reproof_store::fs::{FileKind, Io, IoError};
use reproof_store::{LayOut, SOURCE_DATE_EPOCH, Store, WorkFolder, lay_out};
use reproof_table::{read_table, write_parquet};

pub(crate) use places::Outside;
pub(crate) use profile::variables;
pub(crate) use protocol::CODE;
pub use protocol::{Reported, ReportedValue};

use crate::operations::read_document;
use crate::{Cancel, EngineError, OperationError, Project, Undeclared};
use places::Places;
use protocol::REPORTED_FILE;

type Outputs = BTreeMap<StepName, StepOutput>;

/// How often a work folder is marked as in use. What is not marked for a day is swept.
const MARK: Duration = Duration::from_mins(10);
/// The most bytes of a program's standard output and error that are kept: the first half and the
/// last half of it.
const MAX_LOG: usize = 16 << 20;
/// The most bytes of a file of metrics or observations.
const MAX_REPORT: u64 = 256 << 20;
/// The largest executed copy of a notebook that failed that is kept.
const MAX_EXECUTED: u64 = 64 << 20;

/// One program step with its inputs, about to be run.
pub(crate) struct ProgramJob<'a> {
    /// Where inputs, code and closures lie and outputs go.
    pub store: &'a Store,
    /// The step, which has a program.
    pub step: &'a RecipeStep,
    /// Its inputs by content.
    pub inputs: &'a BTreeMap<StepName, Artifact>,
    /// The folder with the closure of its environment.
    pub root: &'a Path,
    /// When it is ended.
    pub resources: Resources,
    /// The values of its secrets.
    pub secrets: &'a BTreeMap<String, String>,
    /// The paths at and below which is told what it asked for in vain.
    pub watched: Vec<String>,
    /// What is made to differ of how it is run.
    pub altered: &'a Altered,
    /// Told each piece of what it writes to its standard output and error, secrets masked.
    pub output: &'a (dyn Fn(&[u8]) + Sync),
    /// Asks it to stop.
    pub cancel: &'a Cancel,
}

/// What is made to differ of how a program is run, to see whether its results do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Altered {
    /// Whether its files are laid out from the last to the first.
    pub reversed: bool,
    /// A module that Python imports before anything else.
    pub first_module: Option<String>,
}

/// The name of that module: Python imports it by itself.
const FIRST_MODULE: &str = "sitecustomize.py";

/// What came of running a program, beside its outputs.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What it wrote to its standard output and error, in the order in which it came.
    pub log: Vec<u8>,
    /// The executed copy of a notebook that failed; empty if there is none.
    pub executed: Vec<u8>,
    /// What it and the machine observed: no results.
    pub observations: BTreeMap<String, f64>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What it asked for in vain.
    pub traced: Traced,
    /// What of that is in the project, for whoever knows the project to say.
    pub undeclared: Undeclared,
}

/// The metrics that a program reported, from the artifact that holds them.
pub fn reported(project: &Project, artifact: &Artifact) -> Result<Reported, EngineError> {
    let read = read_document(&project.store, artifact, REPORTED_FILE);
    read.map_err(crate::run::unreadable)
}

/// The metrics that a program reported, each by its last value; left out where that is not finite.
pub(crate) fn last_reported(
    project: &Project,
    artifact: &Artifact,
) -> Result<BTreeMap<String, f64>, EngineError> {
    let all = reported(project, artifact)?.metrics;
    // They are sorted by name and step: of each name this keeps the last step.
    let last: BTreeMap<_, _> = all
        .into_iter()
        .map(|metric| (metric.name, metric.value))
        .collect();
    let finite = last.into_iter();
    Ok(finite
        .filter_map(|(name, value)| Some((name, value?.as_f64()?)))
        .collect())
}

/// The metrics that the programs of a record reported; of equal names those of the first step.
pub(crate) fn all_reported(
    project: &Project,
    record: &Record,
) -> Result<BTreeMap<String, f64>, EngineError> {
    let mut found = BTreeMap::new();
    for outputs in record.results.values() {
        let mut outputs = outputs.iter();
        let own = outputs.find(|(output, artifact)| {
            output.as_str() == Program::REPORTED && artifact.kind == ArtifactKind::Metrics
        });
        let Some((_, artifact)) = own else { continue };
        for (name, value) in last_reported(project, artifact)? {
            found.entry(name).or_insert(value);
        }
    }
    Ok(found)
}

/// The variables for compiling the bytecode of an environment.
pub(crate) fn compile_variables() -> BTreeMap<String, String> {
    profile::variables(reproof_record::Profile::Portable1, 1)
}

/// Runs a program and stores its outputs.
pub(crate) fn run(job: &ProgramJob<'_>) -> (Result<Outputs, OperationError>, Told) {
    let mut told = Told::default();
    let outputs = job.run(&mut told);
    for note in &mut told.notes {
        *note = job.masked(note);
    }
    let outputs = outputs.map_err(|error| match error {
        OperationError::Failed { message, .. } => OperationError::failed(job.masked(&message)),
        other => other,
    });
    (outputs, told)
}

impl ProgramJob<'_> {
    fn run(&self, told: &mut Told) -> Result<Outputs, OperationError> {
        let program = self.program()?;
        let work = self.store.work_folder()?;
        let outside = match program.isolation {
            Isolation::Full => None,
            Isolation::None => Some(Outside::new(self.io(), self.root, work.path())?),
        };
        let places = outside
            .as_ref()
            .map_or_else(Places::inside, Outside::places);
        self.lay_out(program, work.path(), &places)?;
        let mut sandbox = self.sandbox(program, work.path());
        if let Some(outside) = &outside {
            self.move_outside(&mut sandbox, outside)?;
        }
        let finished = self.execute(&sandbox, program.isolation, &work, told)?;
        observe(&finished, &mut told.observations);
        self.read_observations(work.path(), told)?;
        if let Err(error) = self.refuse_end(&finished, program, work.path()) {
            self.keep_executed(program, work.path(), told);
            return Err(error);
        }
        self.collect(program, work.path(), told)
    }

    fn program(&self) -> Result<&Program, OperationError> {
        let program = self.step.program.as_ref();
        program.ok_or_else(|| OperationError::Contract("there is no program to run".to_owned()))
    }

    fn io(&self) -> &dyn Io {
        self.store.io().as_ref()
    }

    /// Lays out what the program sees.
    fn lay_out(
        &self,
        program: &Program,
        work: &Path,
        places: &Places,
    ) -> Result<(), OperationError> {
        let options = LayOut {
            mtime: Some(SOURCE_DATE_EPOCH),
            reversed: self.altered.reversed,
            ..LayOut::default()
        };
        let code = self.store.tree(&program.code)?;
        lay_out(&code, self.store, self.io(), &work.join("code"), options)?;
        let inputs = work.join("in");
        self.make(&inputs)?;
        let mut all: Vec<_> = self.inputs.iter().collect();
        if self.altered.reversed {
            all.reverse();
        }
        for (name, artifact) in all {
            let path = inputs.join(protocol::input_file(name, artifact.kind));
            if artifact.kind == ArtifactKind::Table {
                let table = read_table(self.store, &artifact.digest, None)?;
                self.write(&path, |file| Ok(write_parquet(file, &table)?))?;
                self.io().set_mtime(&path, SOURCE_DATE_EPOCH)?;
            } else {
                let tree = self.store.tree(&artifact.digest)?;
                lay_out(&tree, self.store, self.io(), &path, options)?;
            }
        }
        self.io().set_mtime(&inputs, SOURCE_DATE_EPOCH)?;
        let step = protocol::step_file(self.step, self.inputs, places)?;
        let path = work.join("step.json");
        self.write(&path, |file| {
            let written = file.write_all(&step);
            Ok(written.map_err(|source| IoError::new("write", &path, source))?)
        })?;
        self.io().set_mtime(&path, SOURCE_DATE_EPOCH)?;
        let report = work.join("report");
        self.make(&report)?;
        if let Some(text) = &self.altered.first_module {
            let path = report.join(FIRST_MODULE);
            self.write(&path, |file| {
                let written = file.write_all(text.as_bytes());
                Ok(written.map_err(|source| IoError::new("write", &path, source))?)
            })?;
        }
        for path in program.outputs.values() {
            let path = work.join("out").join(path.as_str());
            self.make(path.parent().unwrap_or(work))?;
        }
        self.make(&work.join("out"))
    }

    fn make(&self, folder: &Path) -> Result<(), OperationError> {
        Ok(self.io().create_dir_all(folder)?)
    }

    fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), OperationError>,
    ) -> Result<(), OperationError> {
        let mut file = self.io().create_new(path)?;
        let mut buffered = std::io::BufWriter::new(&mut file);
        write(&mut buffered)?;
        let flushed = buffered.flush();
        Ok(flushed.map_err(|source| IoError::new("write", path, source))?)
    }

    /// Runs the program to its end.
    fn execute(
        &self,
        sandbox: &Sandbox,
        isolation: Isolation,
        work: &WorkFolder,
        told: &mut Told,
    ) -> Result<Finished, OperationError> {
        let mut log = Log::new(longest_first(self.secrets.values()));
        let marked = Mutex::new(Instant::now());
        let run = match isolation {
            Isolation::Full => reproof_sandbox::run,
            Isolation::None => reproof_sandbox::run_unconfined,
        };
        let finished = run(
            sandbox,
            &mut |_: Stream, bytes: &[u8]| {
                if let Some(piece) = log.take(bytes) {
                    (self.output)(&piece);
                }
            },
            &|| {
                mark(work, &marked);
                self.cancel.is_cancelled()
            },
        );
        if let Some(piece) = log.end() {
            (self.output)(&piece);
        }
        told.log = log.kept();
        let mut finished = finished?;
        told.traced = std::mem::take(&mut finished.traced);
        if let Traced::Missed(missed) = &mut told.traced {
            // Whoever judges it knows the code by its fixed place alone.
            let paths = std::mem::take(&mut missed.paths).into_iter();
            let fixed = |path: String| match path.strip_prefix(sandbox.folder.as_str()) {
                Some(inside) if inside.is_empty() || inside.starts_with('/') => {
                    format!("{CODE}{inside}")
                }
                _ => path,
            };
            missed.paths = paths.map(fixed).collect();
        }
        Ok(finished)
    }

    fn sandbox(&self, program: &Program, work: &Path) -> Sandbox {
        let mount = |from: PathBuf, to: &str, writable| Mount {
            from,
            to: to.to_owned(),
            writable,
        };
        let mut variables = profile::variables(program.profile, program.threads);
        variables.insert("REPROOF_STEP".to_owned(), protocol::STEP.to_owned());
        variables.extend(program.variables.clone());
        if self.altered.first_module.is_some() {
            let after = variables.get("PYTHONPATH").map(|path| format!(":{path}"));
            let path = format!("{}{}", protocol::REPORT, after.unwrap_or_default());
            variables.insert("PYTHONPATH".to_owned(), path);
        }
        variables.extend(
            self.secrets
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Sandbox {
            mounts: vec![
                mount(self.root.to_owned(), "/", false),
                mount(work.join("code"), protocol::CODE, false),
                mount(work.join("in"), protocol::INPUTS, false),
                mount(work.join("step.json"), protocol::STEP, false),
                mount(work.join("out"), protocol::OUTPUTS, true),
                mount(work.join("report"), protocol::REPORT, true),
            ],
            argv: program.run.clone(),
            variables,
            folder: protocol::CODE.to_owned(),
            threads: program.threads,
            network: program.network,
            limits: Limits {
                memory: self.resources.memory,
                cpu_seconds: self.resources.cpu_seconds,
                wall: self.resources.wall_seconds.map(Duration::from_secs),
                processes: None,
            },
            watched: self.watched.clone(),
        }
    }

    /// The same without isolation: nothing is mounted, and everything is where it lies. A folder of
    /// its own stands for what is empty and private inside.
    fn move_outside(
        &self,
        sandbox: &mut Sandbox,
        outside: &Outside<'_>,
    ) -> Result<(), OperationError> {
        let temporary = PathBuf::from(outside.temporary());
        self.make(&temporary.join("home"))?;
        sandbox.mounts.push(Mount {
            from: temporary,
            to: outside.temporary(),
            writable: true,
        });
        sandbox.argv = outside.command(&sandbox.argv)?;
        sandbox.variables = outside.variables(std::mem::take(&mut sandbox.variables));
        let secrets = self.secrets.clone().into_iter();
        sandbox.variables.extend(secrets);
        let code = outside.places().code;
        for watched in &mut sandbox.watched {
            if watched == CODE {
                watched.clone_from(&code);
            }
        }
        sandbox.folder = code;
        Ok(())
    }

    /// A text without the values of secrets.
    fn masked(&self, text: &str) -> String {
        let masked = mask(text.as_bytes(), &longest_first(self.secrets.values()));
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// The bytes of a file that the program may have written. A link may lead out of the folder,
    /// and a pipe never end: only a file is read.
    fn read_report(&self, work: &Path, file: &str) -> Result<Vec<u8>, OperationError> {
        let path = work.join("report").join(file);
        let facts = match self.io().metadata(&path) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            facts => facts?,
        };
        if facts.kind != FileKind::File {
            return Err(OperationError::failed(format!("{file} is not a file")));
        }
        match self.io().read(&path, MAX_REPORT) {
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(
                OperationError::failed(format!("{file} has more than {} MB", MAX_REPORT >> 20)),
            ),
            read => Ok(read?),
        }
    }

    /// Refuses every end but that by itself with code 0.
    fn refuse_end(
        &self,
        finished: &Finished,
        program: &Program,
        work: &Path,
    ) -> Result<(), OperationError> {
        // Whoever runs a notebook says which cell failed.
        if let (End::Exited(1), Some(notebook)) = (&finished.end, program.notebook()) {
            let why = self.read_report(work, protocol::FAILURE)?;
            if !why.is_empty() {
                let why = String::from_utf8_lossy(&why);
                return Err(OperationError::failed(format!("{notebook}: {why}")));
            }
        }
        refuse_end(finished, program)
    }

    /// Keeps the executed copy of a notebook that failed. What is wrong with it is a note, since the
    /// failure is what a person is to see.
    fn keep_executed(&self, program: &Program, work: &Path, told: &mut Told) {
        let mut outputs = program.outputs.iter();
        let own = outputs.find(|(name, _)| name.as_str() == Program::EXECUTED);
        let (Some(_), Some((_, path))) = (program.notebook(), own) else {
            return;
        };
        let path = work.join("out").join(path.as_str());
        // A link may lead out of the folder.
        let facts = self.io().metadata(&path);
        if !facts.is_ok_and(|facts| facts.kind == FileKind::File) {
            return;
        }
        let why = match self.io().read(&path, MAX_EXECUTED) {
            Ok(bytes) => match holds_secret(&bytes, self.secrets) {
                None => {
                    told.executed = bytes;
                    return;
                }
                Some(name) => format!("it holds the value of the secret {name}"),
            },
            Err(error) => error.to_string(),
        };
        told.notes
            .push(format!("the executed notebook is not kept: {why}"));
    }

    /// Observations are no results: what is wrong with them is a note.
    fn read_observations(&self, work: &Path, told: &mut Told) -> Result<(), OperationError> {
        let text = match self.read_report(work, protocol::OBSERVATIONS) {
            Err(OperationError::Failed { message, .. }) => {
                told.notes.push(message);
                return Ok(());
            }
            read => read?,
        };
        if let Some(name) = holds_secret(&text, self.secrets) {
            told.notes.push(format!(
                "{} holds the value of the secret {name} and is not kept",
                protocol::OBSERVATIONS
            ));
            return Ok(());
        }
        match protocol::read_lines(protocol::OBSERVATIONS, &text, true) {
            Err(wrong) => told.notes.push(wrong),
            Ok(values) => {
                let last = values.into_iter().filter_map(|observed| {
                    let value = observed.value?.as_f64()?;
                    Some((observed.name, value))
                });
                told.observations.extend(last);
            }
        }
        Ok(())
    }
}

/// Marks a work folder as in use, now and then.
fn mark(work: &WorkFolder, marked: &Mutex<Instant>) {
    let mut marked = marked
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if marked.elapsed() > MARK {
        *marked = Instant::now();
        work.mark();
    }
}

fn observe(finished: &Finished, observations: &mut BTreeMap<String, f64>) {
    let usage = &finished.usage;
    let cpu = usage.user + usage.system;
    observations.insert("cpu_seconds".to_owned(), cpu.as_secs_f64());
    observations.insert("peak_memory_bytes".to_owned(), usage.peak_memory as f64);
}

/// Refuses every end but that by itself with code 0.
fn refuse_end(finished: &Finished, program: &Program) -> Result<(), OperationError> {
    let name = &program.run[0];
    let why = match finished.end {
        End::Exited(0) => return Ok(()),
        End::Exited(code) => format!("'{name}' ended with code {code}"),
        End::Signalled(signal) => format!("'{name}' was ended by signal {signal}"),
        End::Memory { limit, used } => format!(
            "it was ended: it used {} MB of memory, and may use {} (resources.memory)",
            used / 1_000_000,
            limit / 1_000_000
        ),
        End::Cpu { limit } => {
            format!("it was ended after {limit} s of CPU time (resources.cpu_seconds)")
        }
        End::Wall { limit } => format!(
            "it was ended after {} s (resources.wall_seconds)",
            limit.as_secs()
        ),
        End::Processes { limit } => format!("it was ended: it had more than {limit} processes"),
        End::Cancelled => "interrupted".to_owned(),
    };
    Err(OperationError::failed(why))
}

/// What a program writes to its standard output and error: secrets are masked, and of very much the
/// middle is left out.
struct Log {
    secrets: Vec<Vec<u8>>,
    /// What came last and may be the beginning of a secret.
    held: Vec<u8>,
    first: Vec<u8>,
    last: std::collections::VecDeque<u8>,
    left_out: u64,
}

impl Log {
    fn new(secrets: Vec<Vec<u8>>) -> Self {
        Self {
            secrets,
            held: Vec::new(),
            first: Vec::new(),
            last: std::collections::VecDeque::new(),
            left_out: 0,
        }
    }

    /// Takes what was written, and gives what can be shown now.
    fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.held.extend_from_slice(bytes);
        let longest = self.secrets.iter().map(Vec::len).max().unwrap_or(1);
        // A secret may be cut where this piece ends: so much of its end waits for the next.
        let masked = mask(&self.held, &self.secrets);
        let ready = masked.len().saturating_sub(longest - 1);
        self.held = masked[ready..].to_vec();
        self.keep(&masked[..ready])
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.held);
        let rest = mask(&rest, &self.secrets);
        self.keep(&rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.is_empty() {
            return None;
        }
        let room = (MAX_LOG / 2)
            .saturating_sub(self.first.len())
            .min(bytes.len());
        self.first.extend_from_slice(&bytes[..room]);
        self.last.extend(&bytes[room..]);
        let over = self.last.len().saturating_sub(MAX_LOG / 2);
        self.last.drain(..over);
        self.left_out += over as u64;
        Some(bytes.to_vec())
    }

    /// All that is kept.
    fn kept(&mut self) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.first);
        if self.left_out > 0 {
            all.extend(format!("\n[{} bytes left out]\n", self.left_out).into_bytes());
        }
        all.extend(std::mem::take(&mut self.last));
        all
    }
}

/// The values of secrets, so that one that holds another is masked first.
fn longest_first<'s>(secrets: impl Iterator<Item = &'s String>) -> Vec<Vec<u8>> {
    let filled = secrets.filter(|secret| !secret.is_empty());
    let mut secrets: Vec<_> = filled.map(|secret| secret.clone().into_bytes()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// The bytes with every secret in them replaced.
fn mask(bytes: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        match secrets.iter().find(|secret| rest.starts_with(secret)) {
            Some(secret) => {
                out.extend_from_slice(b"***");
                rest = &rest[secret.len()..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Whether any of the secrets is in these bytes.
pub(super) fn holds_secret(bytes: &[u8], secrets: &BTreeMap<String, String>) -> Option<String> {
    let found = secrets.iter().find(|(_, value)| {
        value.len() >= 4 && memchr::memmem::find(bytes, value.as_bytes()).is_some()
    });
    found.map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secrets: &[&str], pieces: &[&str]) -> (String, String) {
        let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        let mut log = Log::new(longest_first(secrets.iter()));
        let mut shown = Vec::new();
        for piece in pieces {
            shown.extend(log.take(piece.as_bytes()).unwrap_or_default());
        }
        shown.extend(log.end().unwrap_or_default());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(shown), text(log.kept()))
    }

    #[test]
    fn secrets_are_masked_wherever_the_pieces_are_cut() {
        for pieces in [
            vec!["a s3cret b"],
            vec!["a s3", "cret b"],
            vec!["a ", "s", "3", "c", "r", "e", "t", " b"],
        ] {
            let (shown, kept) = shown(&["s3cret", "cret", ""], &pieces);
            assert_eq!(shown, "a *** b", "{pieces:?}");
            assert_eq!(kept, shown);
        }
        assert_eq!(shown(&[], &["a", "b"]).0, "ab");
        assert_eq!(shown(&["s3cret"], &["s3cre"]).0, "s3cre");
    }

    #[test]
    fn of_a_very_long_log_the_middle_is_left_out() {
        let mut log = Log::new(Vec::new());
        let piece = vec![b'x'; MAX_LOG / 2];
        for _ in 0..3 {
            log.take(&piece);
        }
        log.take(b"the end");
        let kept = String::from_utf8(log.kept()).unwrap();
        assert!(kept.ends_with("the end"));
        assert!(kept.contains("bytes left out]"));
        assert!(kept.len() < MAX_LOG + 100);
    }
}
