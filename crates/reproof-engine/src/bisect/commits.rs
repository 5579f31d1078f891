//! The commits between two results: what is recorded of each, and running one that nothing is recorded
//! of.

use std::path::PathBuf;

use reproof_capture::{Commit, check_out, clone_repository, commits_between, file_at};
use reproof_catalog::ExecutionFilter;
use reproof_record::{Digest, Execution, ExecutionKind, RecordId};
use reproof_store::WorkFolder;

use super::search::first_bad;
use super::{Bisection, FirstCommit, Limit, NamedCommit, Tried};
use crate::measure::Trial;
use crate::observer::Event;
use crate::project::{LOCK_FILE, PROJECT_FILE, exists, read_text};
use crate::{Class, EngineError, Outcome, Project, Request, RunOptions, read_record, run};

pub(super) struct Commits<'a> {
    trial: Trial<'a>,
    limit: Limit,
    between: Vec<Commit>,
    /// The run of the bad record, whose pipeline is run.
    bad: &'a Execution,
    copy: Option<Copy>,
}

/// A copy of the repository.
struct Copy {
    folder: WorkFolder,
    /// The way from its root to the project.
    prefix: PathBuf,
}

impl Copy {
    fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }
}

impl<'a> Commits<'a> {
    pub fn new(
        trial: Trial<'a>,
        limit: Limit,
        [good, bad]: &'a [Execution; 2],
    ) -> Result<Self, EngineError> {
        let ends = [good, bad].map(|run| run.code.commit.clone().unwrap_or_default());
        if good.pipeline != bad.pipeline || good.final_look != bad.final_look {
            return Err(EngineError::usage(format!(
                "the records are of '{}' and of '{}': those of one pipeline are compared, both of the \
                 part 'eval' or both of 'test'",
                good.pipeline, bad.pipeline
            )));
        }
        let project = trial.project;
        let runner = project.services.runner.as_ref();
        let commits = commits_between(&project.root, runner, &ends[0], &ends[1])?;
        let commits = commits.ok_or_else(|| EngineError::Usage {
            message: format!(
                "the commit {} of the good record does not lead to {} of the bad one",
                short(&ends[0]),
                short(&ends[1])
            ),
            hint: Some(
                "name a good record that is earlier in the history of the bad one".to_owned(),
            ),
        })?;
        Ok(Self {
            trial,
            limit,
            between: commits,
            bad,
            copy: None,
        })
    }

    /// Looks for the first bad commit.
    pub fn search(&mut self, found: &mut Bisection) -> Result<(), EngineError> {
        let count = self.between.len();
        if count == 0 {
            return Ok(());
        }
        let mut sides = [None; 2];
        let candidates = first_bad(count, |index| {
            if self.trial.cancel.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            let (tried, record) = self.judge(index)?;
            let bad = tried.bad;
            if let (Some(bad), Some(record)) = (bad, record) {
                sides[usize::from(bad)] = Some(record);
            }
            self.trial
                .observer
                .event(&Event::Note(&told(&tried, &self.between[index])));
            found.tried.push(tried);
            Ok(bad)
        })?;
        // Those that were judged last are next to what was found.
        for (side, judged) in found.sides.iter_mut().zip(sides) {
            *side = judged.unwrap_or(*side);
        }
        found.commit = Some(FirstCommit {
            candidates: self.between[candidates]
                .iter()
                .map(NamedCommit::from)
                .collect(),
            of: count,
        });
        Ok(())
    }

    fn judge(&mut self, index: usize) -> Result<(Tried, Option<RecordId>), EngineError> {
        let commit = self.between[index].id.clone();
        let recorded = self.recorded(&commit)?;
        let ran = recorded.is_none();
        let record = match recorded {
            Some(record) => Ok(record),
            None => self.run(&commit)?,
        };
        let value = match &record {
            Err(problem) => Err(problem.clone()),
            Ok(id) => {
                let record = read_record(self.trial.project, id)?;
                self.trial.value(&record)?
            }
        };
        let tried = Tried {
            commit: Some(commit),
            version: None,
            value: value.as_ref().ok().copied(),
            bad: value.as_ref().ok().map(|value| self.limit.is_bad(*value)),
            problem: value.err(),
            ran,
        };
        Ok((tried, record.ok()))
    }

    /// The record of a run of this commit, with nothing changed and the data that its lock file pins.
    fn recorded(&self, commit: &str) -> Result<Option<RecordId>, EngineError> {
        let filter = ExecutionFilter {
            pipeline: Some(self.bad.pipeline.clone()),
            commit: Some(commit.to_owned()),
            kind: Some(ExecutionKind::Run),
            with_record: true,
            ..ExecutionFilter::default()
        };
        let runner = self.trial.project.services.runner.as_ref();
        let lock = file_at(&self.trial.project.root, runner, commit, LOCK_FILE)?;
        let lock = lock.map(|lock| Digest::of(&lock));
        let runs = self.trial.project.catalog.executions(&filter)?;
        let found = runs.into_iter().find(|run| {
            run.code.dirty == Some(false)
                && run.overrides.is_empty()
                && run.final_look == self.bad.final_look
                && (lock.is_none() || run.lock == lock)
        });
        Ok(found.and_then(|run| run.record))
    }

    /// Runs the pipeline as it is in a commit; gives the record, or why there is none.
    fn run(&mut self, commit: &str) -> Result<Result<RecordId, String>, EngineError> {
        let outcome = self.laid_out(commit).and_then(|there| {
            let options = RunOptions {
                request: Request {
                    pipeline_file: self.bad.pipeline_file.clone().unwrap_or_default(),
                    final_look: self.bad.final_look,
                    isolation: self.trial.isolation,
                    data_of_lock: true,
                    ..Request::default()
                },
                use_cache: true,
                threads: self.trial.threads,
                trace: false,
            };
            run(&there, &options, self.trial.observer, self.trial.cancel)
        });
        match outcome {
            Ok(outcome) if outcome.trouble() == Some(Class::Interrupted) => {
                Err(EngineError::Interrupted)
            }
            Ok(outcome) => Ok(outcome.execution.record.ok_or_else(|| failure(&outcome))),
            // What is wrong with a commit keeps only that commit from being judged.
            Err(error) => match error.class() {
                Class::Usage | Class::Refused | Class::Environment | Class::Impossible => {
                    Ok(Err(first_line(&error.to_string())))
                }
                _ => Err(error),
            },
        }
    }

    /// The project as it is in a commit, with the store and the catalogue of this one.
    fn laid_out(&mut self, commit: &str) -> Result<Project, EngineError> {
        let runner = self.trial.project.services.runner.as_ref();
        let copy = match self.copy.take() {
            Some(copy) => copy,
            None => {
                let folder = self.trial.project.store.work_folder()?;
                let into = folder.path().join("repository");
                let prefix = clone_repository(&self.trial.project.root, runner, &into)?;
                Copy { folder, prefix }
            }
        };
        let copy = self.copy.insert(copy);
        copy.folder.mark();
        check_out(&copy.root(), runner, commit)?;
        let root = copy.root().join(&copy.prefix);
        let settings = root.join(PROJECT_FILE);
        if !exists(self.trial.project.io(), &settings)? {
            return Err(EngineError::usage(format!(
                "there is no {PROJECT_FILE} yet"
            )));
        }
        let text = read_text(self.trial.project.io(), &settings)?;
        let mut there = self.trial.project.clone();
        there.settings = reproof_config::parse_project(PROJECT_FILE, &text)?;
        there.root = root;
        Ok(there)
    }
}

fn failure(outcome: &Outcome) -> String {
    match outcome.failures.iter().next() {
        Some((step, error)) => format!("step '{step}' failed: {}", first_line(&error.to_string())),
        None => "the run gave no record".to_owned(),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

fn told(tried: &Tried, commit: &Commit) -> String {
    let verdict = match (tried.value, tried.bad, &tried.problem) {
        (Some(value), Some(true), _) => format!("{value}, bad"),
        (Some(value), _, _) => format!("{value}, good"),
        (None, _, Some(problem)) => format!("cannot be judged: {problem}"),
        (None, ..) => "cannot be judged".to_owned(),
    };
    format!("{} {}: {verdict}", short(&commit.id), commit.subject)
}
