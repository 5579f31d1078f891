//! One step that runs a program: what it gets, and what is said where it fails.

use std::collections::BTreeMap;

use reproof_capture::closure::undeclared_paths;
use reproof_record::{Artifact, Program, RecipeStep, StepName, Tree};
use reproof_sandbox::Traced;
use reproof_store::Store;

use super::Outputs;
use crate::program::{self, ProgramJob, Told};
use crate::programs::Programs;
use crate::undeclared::{Surroundings, code_hint};
use crate::{Cancel, OperationError};

/// How many lines of a log are shown when a program fails.
const LAST_LINES: usize = 30;

/// One step that runs a program.
pub(super) struct ProgramStep<'a> {
    pub store: &'a Store,
    pub name: &'a StepName,
    pub step: &'a RecipeStep,
    pub program: &'a Program,
    pub inputs: &'a BTreeMap<StepName, Artifact>,
    pub programs: &'a Programs,
    pub watched: Vec<String>,
    pub cancel: &'a Cancel,
}

impl ProgramStep<'_> {
    /// Runs it; `wrote` gets what it writes. Also what it told beside its outputs.
    pub fn run(&self, wrote: &(dyn Fn(&[u8]) + Sync)) -> (Result<Outputs, OperationError>, Told) {
        let environment = &self.program.environment;
        let Some(root) = self.programs.roots.get(environment) else {
            let missing = format!("the environment {} is not laid out", environment.short());
            return (Err(OperationError::Contract(missing)), Told::default());
        };
        let secrets = self.program.secrets.iter().filter_map(|name| {
            let value = self.programs.secrets.get(name)?;
            Some((name.clone(), value.clone()))
        });
        let resources = self.programs.resources.get(self.name).copied();
        let (result, mut told) = program::run(&ProgramJob {
            store: self.store,
            step: self.step,
            inputs: self.inputs,
            root,
            resources: resources.unwrap_or_default(),
            secrets: &secrets.collect(),
            watched: self.watched.clone(),
            altered: &self.programs.altered,
            output: wrote,
            cancel: self.cancel,
        });
        if let (Traced::Missed(missed), Some((surroundings, closure))) =
            (&told.traced, self.surroundings())
        {
            told.undeclared = surroundings.judge(missed, &closure, self.store.io().as_ref());
        }
        let explain = |error| self.explain(error, &told);
        (result.map_err(explain), told)
    }

    /// The project and what the step sees of its code, where both are known.
    fn surroundings(&self) -> Option<(&Surroundings, Tree)> {
        let surroundings = self.programs.surroundings.as_ref()?;
        Some((surroundings, self.store.tree(&self.program.code).ok()?))
    }

    /// Adds the end of the log to a failure, and which files of the project the program may have
    /// missed.
    fn explain(&self, error: OperationError, told: &Told) -> OperationError {
        let OperationError::Failed { message, .. } = error else {
            return error;
        };
        let text = String::from_utf8_lossy(&told.log);
        let named = self.surroundings().map(|(surroundings, closure)| {
            undeclared_paths(&text, &surroundings.captured, &closure)
        });
        OperationError::Failed {
            message,
            log: last_lines(&text),
            hint: code_hint(named.unwrap_or_default(), &told.undeclared),
        }
    }
}

/// The end of a log, as much as helps.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines[from..].join("\n")
}
