//! Pipelines that are written in Python: the file is run once, isolated and without data, to see
//! the graph that it stands for. From there on it is a pipeline like any other.
//!
//! What a file gives follows from its code, the environment and the profile alone, so it is
//! remembered by them, and an unchanged file is not run again.

use std::collections::BTreeMap;
use std::path::Path;

use reproof_capture::closure::{Argument, decorator_argument, undeclared_paths};
use reproof_capture::{Capture, ProjectFiles};
use reproof_config::{
    LineOrigin, Lock, OutputSpec, Pipeline, ProgramSpec, Resources, parse_written_pipeline,
};
use reproof_record::{
    ArtifactKind, Digest, Operation, Profile, RecipeStep, StepName, Tree, to_canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::closures::{
    Closures, StepCode, python_path, read_remembered, remembered, write_remembered,
};
use crate::environments::{Environments, Ready, ReadyEnvironments};
use crate::observer::Observer;
use crate::prepare::{Request, capture_code};
use crate::program::{self, Altered, ProgramJob};
use crate::{Cancel, EngineError, OperationError, Project, sdk};

/// Raised whenever the same file may give another graph.
const VERSION: u32 = 1;
/// The most bytes of a graph with its places.
const MAX_GRAPH: u64 = 64 << 20;
/// The environment that such files run in, where they name no other.
const ENVIRONMENT: &str = "default";
/// Their one output, and its file.
const GRAPH: &str = "graph";
const GRAPH_FILE: &str = "graph.json";

/// What `python -m reproof.graph` writes: `docs/formats/program.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// [`Written::FORMAT`].
    format: String,
    /// The pipeline, as YAML.
    pipeline: String,
    /// For each of its lines the file, the line in it, and what stands there.
    places: Vec<(String, usize, String)>,
}

impl Written {
    /// The format's name and version.
    const FORMAT: &str = "reproof.graph/1";
}

/// A pipeline that was written in Python.
pub(crate) struct Read {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The environment that its file ran in, by its name.
    pub environment: (StepName, Ready),
}

/// Whether a pipeline file is written in Python.
pub(crate) fn is_python(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|ending| ending == "py")
}

/// Reads such a pipeline: runs its file, or remembers what it gave.
///
/// # Errors
/// If the file fails, with the end of its traceback; all that is wrong in the graph, by the lines of
/// the file.
pub(crate) fn read(
    project: &Project,
    request: &Request,
    lock: &Lock,
    locked: bool,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Read, EngineError> {
    let file = &request.pipeline_file;
    let captured = capture_code(project, None)?;
    let spec = spec(file, environment(project, file, &captured)?)?;
    let environments = Environments::new(project, observer)?.at(request.isolation);
    let mut environments = ReadyEnvironments::new(environments, None);
    let ready = environments.get(&spec.environment, lock, locked)?;
    let own = || environments.has_module(&ready, sdk::MODULE);
    let (code, _) = Closures::new(project, &captured).find(&spec, &ready.closure, &own)?;
    let step = step(&spec, &code, &ready, request)?;
    let key = Digest::of(&to_canonical(&(VERSION, &step))?);
    let path = remembered(project).join(format!("graph-{key}.json"));
    let written = match read_remembered(project.io(), &path) {
        Some(written) => written,
        None => {
            keep(project, &captured, &code)?;
            let run = Run {
                project,
                file,
                captured: &captured.tree,
                code: &code,
                cancel,
            };
            let written = run.perform(&step, &ready)?;
            write_remembered(project.io(), &path, &written);
            written
        }
    };
    let origin = |(file, line, text)| LineOrigin { file, line, text };
    let origins = written.places.into_iter().map(origin).collect();
    let pipeline = parse_written_pipeline(file, &written.pipeline, origins, &request.overrides)?;
    Ok(Read {
        pipeline,
        environment: (spec.environment, ready),
    })
}

fn bug(error: impl std::fmt::Display) -> EngineError {
    EngineError::Bug(error.to_string())
}

/// The environment that a pipeline file runs in: what its decorator says, which is read before it runs.
fn environment(project: &Project, file: &str, captured: &Capture) -> Result<StepName, EngineError> {
    let mut entries = captured.tree.files.iter();
    let entry = entries.find(|entry| entry.path.as_str() == file);
    let entry = entry.ok_or_else(|| {
        EngineError::usage(format!(
            "the pipeline file {file} is not part of the captured code: neither git nor .reproofignore may \
             ignore it"
        ))
    })?;
    let files = ProjectFiles::new(&project.root, project.io(), &captured.links);
    let name = match decorator_argument(&files.blob(entry)?, "pipeline", "environment") {
        None => ENVIRONMENT.to_owned(),
        Some(Argument::Text(name)) => name,
        Some(Argument::Computed { line }) => {
            return Err(EngineError::Usage {
                message: format!("{file}:{line}: the environment of a pipeline is computed"),
                hint: Some(
                    "write its name, as in environment=\"default\": it is read before the file is run"
                        .to_owned(),
                ),
            });
        }
    };
    name.parse().map_err(|error| {
        EngineError::usage(format!(
            "{file}: '{name}' is no name of an environment: {error}"
        ))
    })
}

/// The program that writes the graph of a file.
fn spec(file: &str, environment: StepName) -> Result<ProgramSpec, EngineError> {
    let run = ["python", "-m", "reproof.graph", file];
    let output = OutputSpec {
        path: GRAPH_FILE.parse().map_err(bug)?,
        kind: ArtifactKind::Files,
        compared: true,
    };
    Ok(ProgramSpec {
        notebook: None,
        run: run.map(str::to_owned).to_vec(),
        environment,
        code: Vec::new(),
        threads: 1,
        profile: Profile::default(),
        variables: BTreeMap::new(),
        secrets: std::collections::BTreeSet::new(),
        network: false,
        cache: false,
        resources: Resources::default(),
        outputs: BTreeMap::from([(GRAPH.parse().map_err(bug)?, output)]),
    })
}

fn step(
    spec: &ProgramSpec,
    code: &StepCode,
    ready: &Ready,
    request: &Request,
) -> Result<RecipeStep, EngineError> {
    let path = python_path(&code.roots).map(|path| ("PYTHONPATH".to_owned(), path));
    let variables = path.into_iter().collect();
    let program = spec.resolve(code.tree, ready.closure, request.isolation, variables);
    let outputs = spec.outputs.iter();
    Ok(RecipeStep {
        operation: "program@1".parse::<Operation>().map_err(bug)?,
        program: Some(program),
        inputs: BTreeMap::new(),
        parameters: Map::new(),
        seed: None,
        outputs: outputs
            .map(|(name, output)| (name.clone(), output.kind))
            .collect(),
        pinned: BTreeMap::new(),
        tolerance: BTreeMap::new(),
    })
}

/// Keeps the files of a closure in the store, from which they are laid out.
fn keep(project: &Project, captured: &Capture, code: &StepCode) -> Result<(), EngineError> {
    let files = ProjectFiles::new(&project.root, project.io(), &captured.links);
    let mut batch = project.store.batch();
    for entry in project.store.tree(&code.tree)?.files {
        if !entry.path.as_str().starts_with(sdk::ROOT) {
            batch.put(&files.blob(&entry)?)?;
        }
    }
    Ok(batch.commit()?)
}

/// One run of a pipeline file.
struct Run<'a> {
    project: &'a Project,
    file: &'a str,
    captured: &'a Tree,
    code: &'a StepCode,
    cancel: &'a Cancel,
}

impl Run<'_> {
    fn perform(&self, step: &RecipeStep, ready: &Ready) -> Result<Written, EngineError> {
        let store = &self.project.store;
        let (result, told) = program::run(&ProgramJob {
            store,
            step,
            inputs: &BTreeMap::new(),
            root: &ready.root,
            resources: Resources::default(),
            secrets: &BTreeMap::new(),
            watched: Vec::new(),
            altered: &Altered::default(),
            output: &|_| {},
            cancel: self.cancel,
        });
        if self.cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let outputs = result.map_err(|error| self.failed(error, &told.log))?;
        let outputs = outputs.iter().find(|(name, _)| name.as_str() == GRAPH);
        let Some((_, output)) = outputs else {
            return Err(bug("a pipeline file wrote no graph"));
        };
        let tree = store.tree(&output.artifact.digest)?;
        let file = tree.files.first();
        let file = file.ok_or_else(|| bug("a pipeline file wrote no graph"))?;
        let text = store.read(&file.digest, MAX_GRAPH)?;
        let written: Written = serde_json::from_slice(&text)
            .map_err(|error| self.usage(&format!("what it wrote is no graph: {error}"), None))?;
        if written.format != Written::FORMAT {
            let message = format!(
                "what it wrote has the format '{}', and this version reads '{}'",
                written.format,
                Written::FORMAT
            );
            let hint = "the environment's own package 'reproof' is too old or too new";
            return Err(self.usage(&message, Some(hint.to_owned())));
        }
        Ok(written)
    }

    fn usage(&self, message: &str, hint: Option<String>) -> EngineError {
        EngineError::Usage {
            message: format!("{} gives no pipeline: {message}", self.file),
            hint,
        }
    }

    /// Says why there is no graph, with the file's own traceback.
    fn failed(&self, error: OperationError, log: &[u8]) -> EngineError {
        let message = match error {
            OperationError::Failed { message, .. } => message,
            OperationError::Unsupported(error) => return EngineError::Unsupported(error),
            OperationError::Sandbox(error) => return EngineError::Sandbox(error),
            OperationError::Store(error) => return error.into(),
            OperationError::Io(error) => return error.into(),
            other => return bug(other),
        };
        let log = String::from_utf8_lossy(log);
        let log = log.trim_end();
        let closure = self.project.store.tree(&self.code.tree).ok();
        let missed = closure.map(|closure| undeclared_paths(log, self.captured, &closure));
        let missed = missed.unwrap_or_default();
        let hint = (!missed.is_empty()).then(|| {
            let paths: Vec<_> = missed.iter().map(ToString::to_string).collect();
            format!(
                "a pipeline file sees the modules that it imports, and no other file: {} can be a \
                 module, or be read by a step",
                paths.join(", ")
            )
        });
        let message = if log.is_empty() {
            message
        } else {
            format!("{message}\n{log}")
        };
        self.usage(&message, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that promises these bytes.
    const PAGE: &str = include_str!("../../../docs/formats/program.md");

    #[test]
    fn the_graph_is_that_of_the_page() {
        let line = PAGE
            .lines()
            .find(|line| line.starts_with("{\"format\":\"reproof.graph/1\""));
        let written: Written = serde_json::from_str(line.unwrap()).unwrap();
        assert_eq!(written.format, Written::FORMAT);
        assert_eq!(serde_json::to_string(&written).unwrap(), line.unwrap());
        assert_eq!(written.places.len(), written.pipeline.lines().count());
    }

    #[test]
    fn files_are_told_by_their_ending() {
        let python = ["a.py", "b/a.b.py", "a.yaml", "py", "a.pyc"].map(is_python);
        assert_eq!(python, [true, true, false, false, false]);
    }
}
