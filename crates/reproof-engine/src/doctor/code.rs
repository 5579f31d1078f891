//! What in the code of a pipeline, and in what it says of its programs, would keep its results from
//! being repeated. Nothing is run but a pipeline that is written in Python, to see its graph.

use std::collections::{BTreeMap, BTreeSet};

use reproof_capture::closure::{Closure, Entry, Origin, Start, has_path};
use reproof_capture::notebook::{self, Notebook, Surroundings, is_notebook};
use reproof_capture::rules::{self, Checked, Context, Finding, Generator, Rule, Severity};
use reproof_capture::{Capture, NoCache, ProjectFiles};
use reproof_config::{Lock, Pipeline, ProgramSpec, parse_pipeline};
use reproof_record::{Profile, RelativePath, StepName, TreeEntry};
use serde::Serialize;

use crate::closures::{Closures, suggestion};
use crate::environments::Environments;
use crate::notebooks::{declared, own_names};
use crate::observer::Silent;
use crate::prepare::{Request, capture_with, read_lock};
use crate::project::read_text;
use crate::{Cancel, EngineError, Project, program, written};

/// Something that would keep results from being repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeFinding {
    /// The file, inside the project; none for what is in no file.
    pub path: Option<String>,
    /// The cell of a notebook, from 1, counted over all cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<usize>,
    /// The line, from 1, of the cell or the file; none for a file as a whole.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// The name of the rule.
    pub rule: &'static str,
    /// `error`, or `warning` for what repeats in Reproof alone.
    pub severity: &'static str,
    /// What was found.
    pub text: String,
    /// What to do.
    pub advice: String,
    /// Whether `--fix` does it.
    pub fixable: bool,
    /// The steps that it is about; none where it is about all.
    pub steps: BTreeSet<StepName>,
}

impl CodeFinding {
    /// Whether it keeps results from being repeated in Reproof, too.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error.name()
    }

    fn order(&self) -> impl Ord + '_ {
        let place = (self.cell, self.line, self.column);
        (
            self.path.is_none(),
            &self.path,
            place,
            self.rule,
            &self.text,
        )
    }
}

/// What was found in a pipeline.
#[derive(Debug)]
pub struct CodeCheck {
    /// The pipeline file.
    pub pipeline_file: String,
    /// What was found, by file and line.
    pub findings: Vec<CodeFinding>,
    /// How many files of Python were read.
    pub files: usize,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
    /// What can be put into which file, by path.
    pub(super) fixes: BTreeMap<RelativePath, Vec<u8>>,
    /// The paths that git says differ from the commit; none without git.
    pub(super) changed: Option<Vec<String>>,
}

/// Checks the code of a pipeline's steps, and what the pipeline says of them.
///
/// # Errors
/// If the pipeline, the lock file or the code cannot be read.
pub fn check_code(project: &Project, pipeline_file: &str) -> Result<CodeCheck, EngineError> {
    let text = read_text(project.io(), &project.root.join(pipeline_file))?;
    let lock = read_lock(project)?;
    let pipeline = if written::is_python(pipeline_file) {
        let request = Request {
            pipeline_file: pipeline_file.to_owned(),
            ..Request::default()
        };
        let (observer, cancel) = (project.observer.as_ref(), Cancel::default());
        written::read(project, &request, &lock, false, observer, &cancel)?.pipeline
    } else {
        parse_pipeline(pipeline_file, &text, &[])?
    };
    // Whoever only looks writes nothing.
    let captured = capture_with(project, Some(&pipeline), &NoCache)?;
    let mut look = Look {
        project,
        pipeline: &pipeline,
        file: pipeline_file,
        text: &text,
        captured: &captured,
        found: Vec::new(),
        read: BTreeSet::from([pipeline_file.to_owned()]),
        fixes: BTreeMap::new(),
        notes: Vec::new(),
        files: BTreeSet::new(),
    };
    let programs = pipeline.programs();
    let closures = Closures::new(project, &captured);
    let mut environments = BTreeSet::new();
    for (step, spec) in &programs {
        look.step(step, spec);
        look.code(step, spec, &closures)?;
        if environments.insert(&spec.environment) {
            look.environment(step, spec, &lock)?;
        }
    }
    look.commit();
    Ok(look.finish())
}

/// What was found in a file, with its path and bytes; or in code that stands in none.
type CheckedCode<'f> = (Option<(&'f RelativePath, Vec<u8>)>, Checked);

struct Look<'a> {
    project: &'a Project,
    pipeline: &'a Pipeline,
    /// The pipeline file, and its text.
    file: &'a str,
    text: &'a str,
    captured: &'a Capture,
    found: Vec<CodeFinding>,
    /// The files that what is looked at depends on.
    read: BTreeSet<String>,
    fixes: BTreeMap<RelativePath, Vec<u8>>,
    notes: Vec<String>,
    files: BTreeSet<RelativePath>,
}

impl Look<'_> {
    /// Something about a step, at a key of it in the pipeline file.
    fn say(&mut self, step: &StepName, key: &str, rule: Rule, text: String, advice: &str) {
        let place = self.pipeline.program_place(step, key);
        let line = place.and_then(|(line, _)| self.text.lines().nth(line.checked_sub(1)?));
        if line.is_some_and(|line| rules::suppressed_in(line, rule)) {
            return;
        }
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.found.push(CodeFinding {
            path: Some(self.file.to_owned()),
            cell: None,
            line: place.map(|(line, _)| number(line)),
            column: place.map(|(_, column)| number(column)),
            rule: rule.name(),
            severity: rule.severity().name(),
            text,
            advice: advice.to_owned(),
            fixable: false,
            steps: BTreeSet::from([step.clone()]),
        });
    }

    /// What the pipeline says of a step.
    fn step(&mut self, step: &StepName, spec: &ProgramSpec) {
        if spec.network {
            let text =
                format!("step '{step}' may use the network: what it gets there no recipe pins");
            let advice = "keep it to fetching; its outputs are pinned in reproof.lock, and '--locked' \
                          takes those";
            self.say(step, "network", Rule::NetworkStep, text, advice);
        } else if !spec.secrets.is_empty() {
            let text =
                format!("step '{step}' gets a secret, so it may depend on what no recipe pins");
            let advice = "keep it to fetching; its outputs are pinned in reproof.lock, and '--locked' \
                          takes those";
            self.say(step, "secrets", Rule::NetworkStep, text, advice);
        }
        if spec.threads > 1 {
            let text = format!(
                "step '{step}' has {} threads: some libraries then add numbers up in another order each \
                 time (KMeans, large matrix products)",
                spec.threads
            );
            let advice = "'reproof verify --times 3' tells whether it repeats";
            self.say(step, "threads", Rule::Threads, text, advice);
        }
        if spec.profile == Profile::Native1 {
            let text = format!(
                "step '{step}' uses whatever instructions the processor has: another one may give other bits"
            );
            let advice = "leave 'profile' out: 'portable' gives the same bits on other processors";
            self.say(step, "profile", Rule::NativeProfile, text, advice);
        }
    }

    /// The environment of a step: whether others would have the same.
    fn environment(
        &mut self,
        step: &StepName,
        spec: &ProgramSpec,
        lock: &Lock,
    ) -> Result<(), EngineError> {
        let name = &spec.environment;
        let environments = Environments::new(self.project, &Silent)?;
        self.pipeline.check_environments(&environments.sources()?)?;
        match environments.specification(name) {
            Ok(spec) if lock.closures(&spec.digest()?).is_empty() => {
                let text = format!(
                    "reproof.lock names no closure of the environment '{name}': another machine may build another one"
                );
                let advice = "'reproof run' builds it and writes it down; commit reproof.lock";
                self.say(step, "environment", Rule::UnpinnedEnvironment, text, advice);
            }
            Ok(_) => {}
            Err(EngineError::Usage { message, hint }) => {
                let advice = hint.unwrap_or_default();
                self.say(
                    step,
                    "environment",
                    Rule::UnpinnedEnvironment,
                    message,
                    &advice,
                );
            }
            Err(error) => self.notes.push(format!(
                "the environment '{name}' was not looked at: {error}"
            )),
        }
        Ok(())
    }

    /// The code of a step.
    fn code(
        &mut self,
        step: &StepName,
        spec: &ProgramSpec,
        closures: &Closures<'_>,
    ) -> Result<(), EngineError> {
        let (entry, closure) = closures.follow(spec)?;
        self.notes_of(step, &closure);
        let context = context(spec);
        let mut checked: Vec<CheckedCode<'_>> = Vec::new();
        let reader = ProjectFiles::new(&self.project.root, self.project.io(), &self.captured.links);
        for file in sources(&entry, &closure, self.captured) {
            let bytes = reader.blob(file)?;
            self.files.insert(file.path.clone());
            let found = if is_notebook(file.path.as_str()) {
                self.notebook((step, spec), &file.path, &bytes, &context)?
            } else {
                rules::check(&bytes, &context)
            };
            checked.extend(found.map(|found| (Some((&file.path, bytes)), found)));
        }
        for start in &entry.starts {
            if let Start::Code(code) = start {
                checked.extend(rules::check(code.as_bytes(), &context).map(|found| (None, found)));
            }
        }
        self.read
            .extend(closure.tree.files.iter().map(|file| file.path.to_string()));
        if checked.is_empty() {
            self.notes.push(format!(
                "step '{step}' runs no Python: its code was not looked at"
            ));
        }
        let mut seeded: BTreeMap<Generator, usize> = BTreeMap::new();
        for generator in checked.iter().flat_map(|(_, found)| &found.seeds) {
            *seeded.entry(*generator).or_default() += 1;
        }
        // What is no code, such as data, may be there all the same.
        let (io, root) = (self.project.io(), &self.project.root);
        let there = |path: &str| io.metadata(&root.join(path)).is_ok();
        let unseen = |path: &str| {
            (has_path(&self.captured.tree, path) || there(path)) && !has_path(&closure.tree, path)
        };
        let modules: Vec<_> = checked
            .iter()
            .map(|(file, found)| {
                let module = file.as_ref().map(|(path, bytes)| (*path, bytes.as_slice()));
                let elsewhere = |generator: &&Generator| {
                    let own = usize::from(found.seeds.contains(generator));
                    seeded.get(generator).is_some_and(|count| *count > own)
                };
                let others: BTreeSet<_> = seeded.keys().filter(elsewhere).copied().collect();
                (module, found.findings(&others, unseen).collect::<Vec<_>>())
            })
            .collect();
        for (module, findings) in modules {
            self.module(step, module, &findings);
        }
        Ok(())
    }

    /// A notebook of a step: that which it runs, or one that this runs in turn.
    fn notebook(
        &mut self,
        (step, spec): (&StepName, &ProgramSpec),
        path: &RelativePath,
        bytes: &[u8],
        context: &Context,
    ) -> Result<Option<Checked>, EngineError> {
        let notebook = match Notebook::parse(bytes) {
            Ok(notebook) => notebook,
            Err(error) => {
                self.notes
                    .push(format!("{path} was not looked at: {error}"));
                return Ok(None);
            }
        };
        let is_own = spec.notebook.as_ref() == Some(path);
        let declared = match declared(self.project, Some(&spec.environment)) {
            Ok(declared) => declared,
            // What is wrong with the environment is told by itself.
            Err(EngineError::Usage { .. }) => None,
            Err(error) => return Err(error),
        };
        let own = own_names(&self.project.services, &self.project.root)?;
        let given = if is_own {
            self.pipeline.program_parameters(step)
        } else {
            BTreeSet::new()
        };
        let around = Surroundings {
            declared: declared.as_ref(),
            own: &own,
            given: &given,
            context,
        };
        let report = notebook::check(&notebook, around);
        let notes = report.notes.iter().map(|note| format!("{path}: {note}"));
        self.notes.extend(notes);
        Ok(Some(report.checked))
    }

    /// What was found in one module or notebook, or in the code on the command line.
    fn module(
        &mut self,
        step: &StepName,
        file: Option<(&RelativePath, &[u8])>,
        findings: &[&Finding],
    ) {
        for finding in findings {
            let place = match file {
                Some((path, _)) => Some((path.to_string(), finding.line, finding.column)),
                None => self
                    .pipeline
                    .program_place(step, "run")
                    .map(|(line, column)| (self.file.to_owned(), line as u32, column as u32)),
            };
            self.found.push(CodeFinding {
                path: place.as_ref().map(|(path, ..)| path.clone()),
                cell: finding.cell,
                line: place.as_ref().map(|(_, line, _)| *line),
                column: place.as_ref().map(|(.., column)| *column),
                rule: finding.rule.name(),
                severity: finding.severity.name(),
                text: finding.text.clone(),
                advice: finding.advice.clone(),
                fixable: file.is_some() && !finding.fix.is_empty(),
                steps: BTreeSet::from([step.clone()]),
            });
        }
        if let Some((path, bytes)) = file
            && let Some(fixed) = rules::fixed(bytes, findings.iter().copied())
        {
            self.fixes.insert(path.clone(), fixed);
        }
    }

    /// What could not be followed.
    fn notes_of(&mut self, step: &StepName, closure: &Closure) {
        for note in &closure.notes {
            let rule = Rule::DynamicImport;
            self.found.push(CodeFinding {
                path: note.site.path.as_ref().map(ToString::to_string),
                cell: None,
                line: note.site.path.as_ref().map(|_| note.site.line),
                column: None,
                rule: rule.name(),
                severity: rule.severity().name(),
                text: note.text.clone(),
                advice: suggestion(note).unwrap_or_else(|| {
                    "name it plainly, or see that the step does not need it".to_owned()
                }),
                fixable: false,
                steps: BTreeSet::from([step.clone()]),
            });
        }
    }

    /// Whether a commit names what was looked at.
    fn commit(&mut self) {
        let state = &self.captured.state;
        let rule = Rule::Uncommitted;
        let mut say = |path: Option<String>, text: String, advice: &str| {
            self.found.push(CodeFinding {
                path,
                cell: None,
                line: None,
                column: None,
                rule: rule.name(),
                severity: rule.severity().name(),
                text,
                advice: advice.to_owned(),
                fixable: false,
                steps: BTreeSet::new(),
            });
        };
        if state.dirty.is_none() || state.commit.is_none() {
            let text = "no commit names this code: a record keeps its bytes, and nothing says where they came from".to_owned();
            say(None, text, "'git init' and commit");
            return;
        }
        for path in &state.changed {
            if self.read.contains(path) {
                let text =
                    "differs from the commit: a record keeps its bytes, but no commit names them";
                say(
                    Some(path.clone()),
                    text.to_owned(),
                    "commit it before a run that counts",
                );
            }
        }
    }

    fn finish(mut self) -> CodeCheck {
        self.found
            .sort_by(|one, other| one.order().cmp(&other.order()));
        let mut findings: Vec<CodeFinding> = Vec::new();
        for finding in self.found {
            // Two steps may share a module.
            match findings.last_mut() {
                Some(last) if last.order() == finding.order() => {
                    last.steps.extend(finding.steps);
                }
                _ => findings.push(finding),
            }
        }
        let state = &self.captured.state;
        CodeCheck {
            pipeline_file: self.file.to_owned(),
            findings,
            files: self.files.len(),
            notes: self.notes,
            fixes: self.fixes,
            changed: state.dirty.map(|_| state.changed.clone()),
        }
    }
}

/// What is known of a step.
fn context(spec: &ProgramSpec) -> Context {
    let own = spec.variables.keys().chain(&spec.secrets).cloned();
    let set = program::variables(spec.profile, spec.threads).into_keys();
    let always = ["HOSTNAME", "PWD", "PYTHONPATH", "REPROOF_STEP"].map(str::to_owned);
    Context {
        is_step: true,
        variables: own.chain(set).chain(always).collect(),
        threads: spec.threads,
        network: spec.network,
    }
}

/// The files of Python in a closure, and the notebooks that are run; not the links to them.
fn sources<'t>(entry: &Entry, closure: &'t Closure, captured: &Capture) -> Vec<&'t TreeEntry> {
    let starts = |path: &RelativePath| {
        entry
            .starts
            .iter()
            .any(|start| matches!(start, Start::Script(script) if script == path))
    };
    let is_run = |path: &RelativePath| {
        let origin = closure.followed.get(path);
        matches!(origin, Some(Origin::Entry | Origin::Import(_)))
    };
    // Python imports no module of another ending.
    let is_python = |path: &RelativePath| {
        let ending = path.as_str().rsplit_once('.').map(|(_, ending)| ending);
        ending == Some("py") || starts(path) || is_notebook(path.as_str()) && is_run(path)
    };
    closure
        .tree
        .files
        .iter()
        .filter(|file| is_python(&file.path) && !captured.links.contains_key(&file.path))
        .collect()
}
