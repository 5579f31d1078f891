//! What a step asked for of the project and was not given: seen while it ran, judged afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use reproof_capture::closure::has_path;
use reproof_record::{Digest, Program, RelativePath, Tree, to_canonical};
use reproof_sandbox::Missed;
use reproof_store::fs::{Io, write_atomic};

use crate::Project;
use crate::closures::remembered;
use crate::program::CODE;

/// Folders in which programs look by themselves, and from which no step should get anything.
const NEVER: [&str; 3] = [".git", ".reproof", "__pycache__"];
/// How many paths are named at once.
const NAMED: usize = 5;

/// How a step would get a path that it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Declare {
    /// It is code: `code:` of the step names it.
    Code,
    /// It is a file that was not captured as code: an input of the step.
    Input,
    /// It was asked for by its path on this machine, which no isolated step sees: another path in
    /// the program.
    RelativePath,
}

impl Declare {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Input => "input",
            Self::RelativePath => "relative_path",
        }
    }
}

/// Paths inside the project that a step asked for and did not see, each with how it would get it.
pub type Undeclared = BTreeMap<RelativePath, Declare>;

/// Which steps are watched for paths that they do not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    /// None.
    Off,
    /// Those whose code, environment and command have no result yet.
    New,
    /// All that run.
    All,
}

/// What is known of a project to judge what its steps ask for.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Its folder, as it was given and without links.
    roots: BTreeSet<PathBuf>,
    /// All the code of the project.
    pub captured: Tree,
}

impl Surroundings {
    pub fn new(project: &Project, captured: Tree) -> Self {
        let roots = [
            Ok(project.root.clone()),
            project.io().canonicalize(&project.root),
        ];
        Self {
            roots: roots.into_iter().flatten().collect(),
            captured,
        }
    }

    /// The paths at and below which a step is watched.
    pub fn watched(&self) -> Vec<String> {
        let roots = self.roots.iter().filter_map(|root| {
            let root = root.to_str()?.trim_end_matches('/');
            // A project that is the whole machine cannot be told from the rest of it.
            let plain = root.starts_with('/') && !root.split('/').any(|part| part == "..");
            plain.then(|| root.to_owned())
        });
        roots.chain([CODE.to_owned()]).collect()
    }

    /// What of the project is among the paths that a step missed.
    pub fn judge(&self, missed: &Missed, closure: &Tree, io: &dyn Io) -> Undeclared {
        let mut found = Undeclared::new();
        for path in &missed.paths {
            if let Some((inside, declare)) = self.judge_one(path, closure, io) {
                // Both ways to one file: the step needs both said, and the rarer one comes last.
                let kept = found.entry(inside).or_insert(declare);
                *kept = declare.max(*kept);
            }
        }
        // Who resolves a path asks for each of its folders.
        let all: BTreeSet<_> = found.keys().map(ToString::to_string).collect();
        found.retain(|path, _| {
            let folder = format!("{path}/");
            let next = all.range(folder.clone()..).next();
            !next.is_some_and(|other| other.starts_with(&folder))
        });
        found
    }

    fn judge_one(
        &self,
        path: &str,
        closure: &Tree,
        io: &dyn Io,
    ) -> Option<(RelativePath, Declare)> {
        let in_code = Path::new(path).strip_prefix(CODE).ok();
        let mut roots = self.roots.iter();
        let in_project = || roots.find_map(|root| Path::new(path).strip_prefix(root).ok());
        let absolute = in_code.is_none();
        let inside = in_code.or_else(in_project)?.to_str()?;
        let inside = RelativePath::new(inside).ok()?;
        let text = inside.as_str();
        if text.split('/').any(|part| NEVER.contains(&part)) {
            return None;
        }
        let declare = if has_path(&self.captured, text) {
            match (absolute, has_path(closure, text)) {
                (true, _) => Declare::RelativePath,
                (false, false) => Declare::Code,
                (false, true) => return None,
            }
        } else {
            let mut roots = self.roots.iter();
            if !roots.any(|root| io.metadata(&root.join(text)).is_ok()) {
                return None;
            }
            Declare::Input
        };
        Some((inside, declare))
    }
}

/// What a person is told of what a step asked for, for each way to get it but `code`.
pub(crate) fn advice(undeclared: &Undeclared) -> Vec<String> {
    let input = Named::of(of(undeclared, Declare::Input)).map(|named| {
        format!(
            "it asked for files of the project that are no code, or too large for it: {named} (name \
             them under 'data' and take them as inputs if it needs them)"
        )
    });
    let relative = Named::of(of(undeclared, Declare::RelativePath)).map(|named| {
        format!(
            "it asked for files of the project by their paths on this machine, which no isolated step \
             sees: {named} (use paths relative to the project's folder, and {} if it needs them)",
            named.code()
        )
    });
    input.into_iter().chain(relative).collect()
}

/// What a person is told of the code that a step asked for and did not see.
pub(crate) fn code_advice(undeclared: &Undeclared) -> Option<String> {
    let named = Named::of(of(undeclared, Declare::Code))?;
    Some(format!(
        "it asked for files of the project that are not in its code closure: {named} (add {} if it \
         needs them)",
        named.code()
    ))
}

/// What may help a step that failed: its code closure lacks what the end of its output names, and
/// what it asked for.
pub(crate) fn code_hint(mut named: Vec<RelativePath>, undeclared: &Undeclared) -> Option<String> {
    let asked = undeclared.iter();
    let asked = asked.filter(|(path, found)| **found == Declare::Code && !named.contains(path));
    let asked: Vec<_> = asked.map(|(path, _)| path.clone()).collect();
    named.extend(asked);
    let named = Named::of(named.iter().map(RelativePath::as_str))?;
    let code = named.code();
    Some(format!(
        "the step sees only its code closure: add {code} to it"
    ))
}

fn of(undeclared: &Undeclared, declare: Declare) -> impl Iterator<Item = &str> {
    let paths = undeclared.iter();
    let paths = paths.filter(move |(_, found)| **found == declare);
    paths.map(|(path, _)| path.as_str())
}

/// Paths as a person is told them: the first, and how many more there are.
struct Named {
    first: String,
    more: usize,
}

impl Named {
    /// None if there are no paths.
    fn of<'p>(paths: impl Iterator<Item = &'p str>) -> Option<Self> {
        let paths: Vec<&str> = paths.collect();
        let first = &paths[..paths.len().min(NAMED)];
        (!first.is_empty()).then(|| Self {
            first: first.join(", "),
            more: paths.len() - first.len(),
        })
    }

    /// The line that adds them to a step's closure.
    fn code(&self) -> String {
        format!("'code: [{}]'", self.first)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.first)?;
        match self.more {
            0 => Ok(()),
            more => write!(out, ", and {more} more"),
        }
    }
}

/// Whether a program with this code, environment and command had a result while it was watched.
pub(crate) fn was_traced(project: &Project, program: &Program) -> bool {
    mark(project, program).is_some_and(|path| project.io().metadata(&path).is_ok())
}

/// Remembers that it had. Failing to costs time and nothing else.
pub(crate) fn remember_traced(project: &Project, program: &Program) {
    if let Some(path) = mark(project, program) {
        let folder = path
            .parent()
            .map(|folder| project.io().create_dir_all(folder));
        let _ = folder.transpose();
        let _ = write_atomic(project.io(), &path, b"");
    }
}

fn mark(project: &Project, program: &Program) -> Option<PathBuf> {
    let document = (&program.code, &program.environment, &program.run);
    let name = Digest::of(&to_canonical(&document).ok()?).to_hex();
    Some(remembered(project).join(format!("{name}.traced")))
}
