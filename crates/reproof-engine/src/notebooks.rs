//! Notebooks of a project: which there are, what keeps them from being repeated, and the filter by
//! which git sees them without their outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reproof_capture::notebook::{
    Converted, Declared, MAX_NOTEBOOK, Notebook, NotebookError, Surroundings, check, convert,
    is_notebook, project_files,
};
use reproof_capture::rules::{Context, Finding};
use reproof_config::EnvironmentSource;
use reproof_record::StepName;
use reproof_store::fs::{FileKind, Io, write_atomic};

use crate::observer::Silent;
use crate::project::{exists, read_text};
use crate::{EngineError, Environments, Project, Services};

/// Folders of copies that Jupyter makes by itself.
const CHECKPOINTS: &str = ".ipynb_checkpoints";

/// A notebook that was looked at.
#[derive(Debug)]
pub struct CheckedNotebook {
    /// Its path, as it was asked for or inside the project.
    pub path: String,
    /// What was found, or why it is no notebook.
    pub report: Result<NotebookReport, NotebookError>,
}

/// What was found in a notebook, however a person runs it.
#[derive(Debug)]
pub struct NotebookReport {
    /// What the rules found, by cell and line.
    pub findings: Vec<Finding>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

/// What was found in notebooks.
#[derive(Debug)]
pub struct CheckedNotebooks {
    /// By path.
    pub notebooks: Vec<CheckedNotebook>,
    /// What was not looked at.
    pub notes: Vec<String>,
}

/// Where notebooks are looked for.
#[derive(Clone, Debug)]
pub struct NotebookScope<'a> {
    /// The folder that paths are seen from.
    pub folder: &'a Path,
    /// Files and folders; all of the project if there are none.
    pub paths: &'a [PathBuf],
    /// The environment whose packages are compared with what is imported.
    pub environment: Option<&'a StepName>,
}

/// Looks for what keeps notebooks from running from top to bottom or from giving the same results.
/// Nothing is run.
pub fn check_notebooks(
    services: &Services,
    project: Option<&Project>,
    scope: &NotebookScope<'_>,
) -> Result<CheckedNotebooks, EngineError> {
    let io = services.io.as_ref();
    let files = notebooks(services, project, scope)?;
    let mut notes = Vec::new();
    let declared = match project {
        Some(project) => declared(project, scope.environment)?,
        None => None,
    };
    if declared.is_none() && !files.is_empty() {
        notes.push(
            "what is imported is not compared with requirements: there is no requirements.txt or \
             pyproject.toml of a project"
                .to_owned(),
        );
    }
    let own = match project {
        Some(project) => own_names(services, &project.root)?,
        None => BTreeSet::new(),
    };
    // How many threads there are is not known.
    let context = Context {
        threads: u32::MAX,
        ..Context::default()
    };
    let mut checked = Vec::new();
    for (shown, path) in files {
        let mut own = own.clone();
        if project.is_none() {
            own.extend(names_beside(io, &path));
        }
        let parsed = Notebook::parse(&io.read(&path, MAX_NOTEBOOK)?);
        let around = Surroundings {
            declared: declared.as_ref(),
            own: &own,
            given: &BTreeSet::new(),
            context: &context,
        };
        let report = |notebook| {
            let report = check(&notebook, around);
            let others = BTreeSet::new();
            let findings = report.checked.findings(&others, |_| false);
            let findings = findings.cloned().collect();
            NotebookReport {
                findings,
                notes: report.notes,
            }
        };
        checked.push(CheckedNotebook {
            path: shown,
            report: parsed.map(report),
        });
    }
    Ok(CheckedNotebooks {
        notebooks: checked,
        notes,
    })
}

/// The notebooks that are meant: how they are shown, and where they lie.
fn notebooks(
    services: &Services,
    project: Option<&Project>,
    scope: &NotebookScope<'_>,
) -> Result<BTreeMap<String, PathBuf>, EngineError> {
    let mut found = BTreeMap::new();
    if scope.paths.is_empty() {
        let Some(project) = project else {
            return Err(EngineError::Usage {
                message: "this folder is in no project: which notebooks are meant?".to_owned(),
                hint: Some("name files or folders: reproof notebook check .".to_owned()),
            });
        };
        for path in listed(services, &project.root)? {
            found.insert(path.clone(), project.root.join(path));
        }
        return Ok(found);
    }
    let io = services.io.as_ref();
    for named in scope.paths {
        let path = scope.folder.join(named);
        // A link is followed.
        let place = io.canonicalize(&path)?;
        if io.metadata(&place)?.kind == FileKind::Folder {
            for inside in listed(services, &place)? {
                let shown = named.join(&inside).display().to_string();
                found.insert(shown, place.join(inside));
            }
        } else {
            found.insert(named.display().to_string(), place);
        }
    }
    Ok(found)
}

/// The paths of the notebooks in a folder that git does not ignore.
fn listed(services: &Services, folder: &Path) -> Result<Vec<String>, EngineError> {
    let files = project_files(folder, services.io.as_ref(), services.runner.as_ref())?;
    let meant = |path: &String| {
        let mut folders = path.split('/');
        is_notebook(path) && !folders.any(|folder| folder == CHECKPOINTS)
    };
    Ok(files.into_iter().filter(meant).collect())
}

/// The names of all folders and modules of a project: what an import may mean.
pub(crate) fn own_names(services: &Services, root: &Path) -> Result<BTreeSet<String>, EngineError> {
    let files = project_files(root, services.io.as_ref(), services.runner.as_ref())?;
    let mut names = BTreeSet::new();
    for path in &files {
        let mut parts: Vec<&str> = path.split('/').collect();
        let file = parts.pop().unwrap_or_default();
        names.extend(parts.into_iter().map(str::to_owned));
        names.insert(file.split('.').next().unwrap_or_default().to_owned());
    }
    Ok(names)
}

/// The names of the files and folders beside a notebook.
fn names_beside(io: &dyn Io, notebook: &Path) -> Vec<String> {
    let folder = notebook.parent().unwrap_or(Path::new("."));
    let entries = io.read_dir(folder).unwrap_or_default().into_iter();
    let names = entries.filter_map(|entry| entry.name.into_string().ok());
    names
        .map(|name| name.split('.').next().unwrap_or_default().to_owned())
        .collect()
}

/// The packages that an environment's files declare; none if they are not known.
pub(crate) fn declared(
    project: &Project,
    environment: Option<&StepName>,
) -> Result<Option<Declared>, EngineError> {
    let environments = Environments::new(project, &Silent)?;
    let source = match environment {
        Some(name) => Some(environments.source(name)?),
        None => {
            let mut sources = environments.sources()?;
            let default = sources
                .keys()
                .find(|name| name.as_str() == "default")
                .cloned();
            default.and_then(|name| sources.remove(&name))
        }
    };
    let io = project.io();
    let text = |file: &str| read_text(io, &project.root.join(file));
    Ok(match source {
        Some(EnvironmentSource::Requirements { file, .. }) => {
            let file = file.as_str();
            Some(Declared::of_requirements(file, &text(file)?))
        }
        Some(EnvironmentSource::Pyproject { file, .. }) => {
            let file = file.as_str();
            let lock = Path::new(file).with_file_name("uv.lock");
            let lock = project.root.join(lock);
            let lock = if exists(io, &lock)? {
                Some(read_text(io, &lock)?)
            } else {
                None
            };
            Some(Declared::of_pyproject(file, &text(file)?, lock.as_deref()))
        }
        Some(EnvironmentSource::System { .. }) | None => None,
    })
}

/// Proposes a pipeline for a notebook of the project; nothing is written.
///
/// # Errors
/// If it is no notebook of the project, or what it defines is not certain.
pub fn convert_notebook(
    project: &Project,
    path: &Path,
    name: &str,
) -> Result<Converted, EngineError> {
    let io = project.io();
    let root = io.canonicalize(&project.root)?;
    let place = io.canonicalize(path)?;
    let shown = path.display();
    let outside = || EngineError::usage(format!("{shown} is outside of the project"));
    let inside = place.strip_prefix(&root).ok().and_then(Path::to_str);
    let inside = inside.ok_or_else(outside)?;
    let folder = inside.rsplit_once('/').map_or("", |(folder, _)| folder);
    let notebook = Notebook::parse(&io.read(&place, MAX_NOTEBOOK)?);
    let notebook = notebook.map_err(|error| EngineError::Usage {
        message: format!("{shown}: {error}"),
        hint: error.hint().map(str::to_owned),
    })?;
    let services = &project.services;
    let files = project_files(&project.root, io, services.runner.as_ref())?;
    convert(&notebook, name, folder, &files)
        .map_err(|error| EngineError::usage(format!("{shown}: {error}")))
}

/// The name of the filter in git's settings.
const FILTER: &str = "reproof-notebook";
/// The file that says which files are filtered.
const ATTRIBUTES: &str = ".gitattributes";
/// The line in it.
const LINE: &str = "*.ipynb filter=reproof-notebook";
/// The largest `.gitattributes` that is read.
const MAX_ATTRIBUTES: u64 = 4 << 20;

/// What was done to a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct FilterChange {
    /// The root of the repository.
    pub repository: PathBuf,
    /// What was done, a line each; empty if all was so already.
    pub done: Vec<String>,
}

/// Has git see the notebooks of the repository around a folder without their outputs: `program` strips
/// them whenever git looks at a file. With `remove` git sees them as they are again.
pub fn notebook_filter(
    services: &Services,
    folder: &Path,
    program: &Path,
    remove: bool,
) -> Result<FilterChange, EngineError> {
    let git = FilterGit { services, folder };
    let root = git
        .call(&["rev-parse", "--show-toplevel"])?
        .ok_or_else(|| EngineError::Usage {
            message: format!("{} is in no git repository", folder.display()),
            hint: Some("'git init' makes one".to_owned()),
        })?;
    let root = PathBuf::from(root);
    let mut change = FilterChange {
        done: Vec::new(),
        repository: root.clone(),
    };
    let program = program.display().to_string().replace('\'', "'\\''");
    let settings = [
        ("clean", format!("'{program}' notebook strip")),
        ("smudge", "cat".to_owned()),
    ];
    for (key, value) in &settings {
        let name = format!("filter.{FILTER}.{key}");
        let now = git.call(&["config", "--local", "--get", &name])?;
        if !remove && now.as_deref() != Some(value) {
            git.must(&["config", "--local", &name, value])?;
            change
                .done
                .push(format!("set {name} in git's settings of this repository"));
        } else if remove && now.is_some() {
            git.must(&["config", "--local", "--unset-all", &name])?;
            change.done.push(format!(
                "took {name} out of git's settings of this repository"
            ));
        }
    }
    attributes(services.io.as_ref(), &root, remove, &mut change)?;
    Ok(change)
}

/// Adds the line to `.gitattributes`, or takes it out.
fn attributes(
    io: &dyn Io,
    root: &Path,
    remove: bool,
    change: &mut FilterChange,
) -> Result<(), EngineError> {
    let path = root.join(ATTRIBUTES);
    let there = exists(io, &path)?;
    let text = if there {
        let bytes = io.read(&path, MAX_ATTRIBUTES)?;
        let text = String::from_utf8(bytes);
        text.map_err(|_| EngineError::usage(format!("{} is not UTF-8", path.display())))?
    } else {
        String::new()
    };
    let has_line = text.lines().any(|line| line.trim() == LINE);
    if has_line != remove {
        return Ok(());
    }
    if remove {
        let others = text
            .split_inclusive('\n')
            .filter(|line| line.trim() != LINE);
        let left: String = others.collect();
        if left.trim().is_empty() {
            io.remove_file(&path)?;
            change
                .done
                .push(format!("removed {ATTRIBUTES}, which held nothing else"));
        } else {
            write_atomic(io, &path, left.as_bytes())?;
            change
                .done
                .push(format!("took '{LINE}' out of {ATTRIBUTES}"));
        }
        return Ok(());
    }
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    write_atomic(io, &path, format!("{text}{end}{LINE}\n").as_bytes())?;
    change
        .done
        .push(format!("added '{LINE}' to {ATTRIBUTES}: commit it"));
    Ok(())
}

/// Git in a folder.
struct FilterGit<'a> {
    services: &'a Services,
    folder: &'a Path,
}

impl FilterGit<'_> {
    /// The line that git prints; none if it fails.
    fn call(&self, arguments: &[&str]) -> Result<Option<String>, EngineError> {
        let runner = self.services.runner.as_ref();
        let output = runner.run("git", arguments, self.folder, &[("LC_ALL", "C")], &[]);
        let output = output.map_err(|error| {
            EngineError::Environment(format!("the program git cannot be started: {error}"))
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(output.success.then(|| text.trim_end().to_owned()))
    }

    fn must(&self, arguments: &[&str]) -> Result<(), EngineError> {
        let done = self.call(arguments)?;
        done.map(|_| ()).ok_or_else(|| {
            EngineError::Environment(format!("'git {}' failed", arguments.join(" ")))
        })
    }
}
