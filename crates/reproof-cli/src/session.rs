//! What a command needs from the machine: the folder, the project, the account, the signals.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_engine::{
    Cancel, EngineError, HostRunner, Project, Services, SystemClock, exists, host, read_text,
};
use reproof_store::fs::RealIo;
use reproof_table::Threads;

use crate::arguments::Global;
use crate::printer::Printer;
use crate::progress::Fetching;

/// The services of this machine.
pub fn services() -> Services {
    let io = Arc::new(RealIo);
    Services {
        host: host::describe(io.as_ref()),
        io,
        runner: Arc::new(HostRunner),
        clock: Arc::new(SystemClock),
        user: account(),
        data_home: home_folder("XDG_DATA_HOME", ".local/share"),
        cache_home: home_folder("XDG_CACHE_HOME", ".cache"),
        search_path: search_path(),
        uv: uv(),
        variables: Arc::new(variables()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The folder a command works in.
pub fn folder(global: &Global) -> Result<PathBuf, EngineError> {
    let here = std::env::current_dir().map_err(|error| {
        EngineError::usage(format!("the current folder cannot be used: {error}"))
    })?;
    Ok(match &global.directory {
        Some(folder) => here.join(folder),
        None => here,
    })
}

/// Opens the project that the command works in.
pub fn project(global: &Global) -> Result<Project, EngineError> {
    let services = services();
    let root = Project::find(services.io.as_ref(), &folder(global)?)?;
    let mut project = Project::open(&root, services)?;
    if !project.settings.remotes.is_empty() {
        // What is not here may be fetched, which takes a while.
        project.observer = Arc::new(Fetching::new(Printer::new(global)));
    }
    Ok(project)
}

fn account() -> String {
    let mut named = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    named
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", host::user_id()))
}

/// A folder of the user's: what the variable says, or this one in the home folder.
fn home_folder(name: &str, below_home: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    variable(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(below_home)))
}

/// The folders in which programs are searched.
fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map_or(Vec::new(), |path| std::env::split_paths(&path).collect())
}

/// Where uv may lie: where a variable says, and beside this binary, where a wheel puts both.
fn uv() -> Vec<PathBuf> {
    let said = std::env::var_os("REPROOF_UV").map(PathBuf::from);
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join("uv")));
    said.into_iter().chain(beside).collect()
}

/// The environment variables that are texts.
fn variables() -> BTreeMap<String, String> {
    let texts = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(texts).collect()
}

/// How many threads to use: as many as were asked for, or as the machine has.
pub fn threads(asked: Option<NonZeroUsize>) -> Threads {
    let available = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Threads::new(asked.unwrap_or_else(available))
}

/// Turns the signals that ask to stop into a request to the engine. A second one ends at once.
pub fn stop_on_signals() -> Result<Cancel, EngineError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let cancel = Cancel::default();
    let failed = |error: std::io::Error| EngineError::Bug(format!("signals: {error}"));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let flag = cancel.flag();
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .map_err(failed)?;
        signal_hook::flag::register(signal, flag).map_err(failed)?;
    }
    Ok(cancel)
}

/// The pipeline file that a command means: the one that is named, by its path or its name, or the
/// project's only one.
pub fn pipeline_file(
    project: &Project,
    global: &Global,
    named: Option<&str>,
) -> Result<String, EngineError> {
    let io = project.io();
    let Some(named) = named else {
        return only_pipeline(project);
    };
    let candidates = [
        folder(global)?.join(named),
        project.root.join(named),
        project.root.join("pipelines").join(format!("{named}.yaml")),
        project.root.join("pipelines").join(format!("{named}.py")),
    ];
    for path in candidates {
        if !exists(io, &path)? {
            continue;
        }
        let inside = io.canonicalize(&path)?;
        let root = io.canonicalize(&project.root)?;
        return match inside.strip_prefix(&root).ok().and_then(Path::to_str) {
            Some(inside) => Ok(inside.to_owned()),
            None => Err(EngineError::usage(format!(
                "{} is outside the project {}",
                path.display(),
                project.root.display()
            ))),
        };
    }
    Err(EngineError::Usage {
        message: format!("there is no pipeline file '{named}'"),
        hint: Some(list_pipelines(project)?),
    })
}

fn only_pipeline(project: &Project) -> Result<String, EngineError> {
    let mut names = pipelines(project)?;
    match names.len() {
        1 => Ok(format!("pipelines/{}", names.remove(0))),
        0 => Err(EngineError::Usage {
            message: "the project has no pipeline".to_owned(),
            hint: Some(
                "'reproof init --data FILE.csv --label COLUMN' writes a first one".to_owned(),
            ),
        }),
        _ => Err(EngineError::Usage {
            message: "the project has several pipelines: say which".to_owned(),
            hint: Some(list_pipelines(project)?),
        }),
    }
}

fn list_pipelines(project: &Project) -> Result<String, EngineError> {
    let names = pipelines(project)?;
    Ok(match names.len() {
        0 => "the folder pipelines/ holds none".to_owned(),
        _ => format!("pipelines/ holds {}", names.join(", ")),
    })
}

/// The names of the files in the project's folder of pipelines, sorted.
pub fn pipelines(project: &Project) -> Result<Vec<String>, EngineError> {
    let folder = project.root.join("pipelines");
    if !exists(project.io(), &folder)? {
        return Ok(Vec::new());
    }
    let entries = project.io().read_dir(&folder)?;
    let names = entries
        .into_iter()
        .filter_map(|entry| entry.name.into_string().ok());
    let mut found = Vec::new();
    for name in names {
        let ending = Path::new(&name).extension().and_then(OsStr::to_str);
        let is_pipeline = match ending {
            Some("yaml" | "yml") => true,
            Some("py") => {
                read_text(project.io(), &folder.join(&name)).is_ok_and(|text| has_pipeline(&text))
            }
            _ => false,
        };
        if is_pipeline {
            found.push(name);
        }
    }
    Ok(found)
}

/// Whether a function of a Python file is decorated as a pipeline. Other modules may lie beside it.
fn has_pipeline(text: &str) -> bool {
    text.lines().any(|line| {
        let decorator = line.strip_prefix('@').unwrap_or_default();
        let name = decorator.split('(').next().unwrap_or_default();
        name.trim_end().rsplit('.').next() == Some("pipeline")
    })
}

/// A file that is to be written, as the caller's folder has it; it must not be there, unless `replace`.
pub fn new_file(
    project: &Project,
    global: &Global,
    file: &Path,
    replace: bool,
) -> Result<PathBuf, EngineError> {
    let file = folder(global)?.join(file);
    if !replace && exists(project.io(), &file)? {
        return Err(EngineError::Usage {
            message: format!("{} is there already", file.display()),
            hint: Some("name another file, or replace it with --force".to_owned()),
        });
    }
    Ok(file)
}
