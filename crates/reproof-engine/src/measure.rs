//! One metric of a record, and of a recipe that is run for it.

use std::sync::Arc;

use reproof_learn::{Estimate, SliceMetrics};
use reproof_record::{Isolation, Recipe, Record, RecordId};
use reproof_table::Threads;

use crate::observer::Observer;
use crate::program::all_reported;
use crate::programs::{granted, of_recipe};
use crate::schedule::{Mode, execute};
use crate::undeclared::Tracing;
use crate::{Cancel, EngineError, Project, evaluation};

/// Which metric is looked at.
#[derive(Clone, Debug)]
pub struct WantedMetric {
    /// Its name: one of an evaluation, else one that a program reported.
    pub name: String,
    /// The slice that it is of, such as `contract=One year`; none for all rows.
    pub slice: Option<String>,
}

/// How a metric is found where nothing is recorded.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// The project.
    pub project: &'a Project,
    /// The metric.
    pub wanted: &'a WantedMetric,
    /// How many threads operations may use; changes no result.
    pub threads: Threads,
    /// How far programs are kept from the machine.
    pub isolation: Isolation,
    /// Listens.
    pub observer: &'a dyn Observer,
    /// Stops it.
    pub cancel: &'a Cancel,
}

impl Trial<'_> {
    /// The estimate of the metric in a record, which must have a value.
    ///
    /// # Errors
    /// A record without it, and trouble of the storage.
    pub(crate) fn required(
        &self,
        id: &RecordId,
        record: &Record,
    ) -> Result<(Estimate, f64), EngineError> {
        let problem = match self.estimate(record)? {
            Ok(found) => match self.defined(&found) {
                Ok(value) => return Ok((found, value)),
                Err(problem) => problem,
            },
            Err(problem) => problem,
        };
        Err(EngineError::Usage {
            message: format!("record {}: {problem}", id.short()),
            hint: Some(format!(
                "'reproof show {}' lists its metrics and slices",
                id.short()
            )),
        })
    }

    /// The value of the metric in a record, or why there is none.
    pub(crate) fn value(&self, record: &Record) -> Result<Result<f64, String>, EngineError> {
        let found = self.estimate(record)?;
        Ok(found.and_then(|found| self.defined(&found)))
    }

    fn defined(&self, found: &Estimate) -> Result<f64, String> {
        let undefined = || format!("'{}' is not defined", self.wanted.name);
        found.value.ok_or_else(undefined)
    }

    /// Runs a recipe, with the cache, for the value of the metric; or says why there is none. No record
    /// is kept of it.
    pub(crate) fn measure(&self, recipe: &Recipe) -> Result<Result<f64, String>, EngineError> {
        if self.cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        // A record may come from anywhere: only a person lets what it brings run unconfined.
        let isolation = granted(self.project, recipe, "the record", self.isolation)?;
        let programs = of_recipe(self.project, recipe, isolation, false, self.observer)?;
        let programs = match programs {
            Ok(programs) => programs,
            Err(reason) => return Ok(Err(reason)),
        };
        let mode = Mode {
            use_cache: true,
            threads: self.threads,
            tracing: Tracing::Off,
            programs: Arc::new(programs),
            pinned_keys: std::collections::BTreeMap::new(),
        };
        let ran = execute(self.project, recipe, &mode, self.observer, self.cancel)?;
        if ran.interrupted {
            return Err(EngineError::Interrupted);
        }
        let Some(results) = ran.results(recipe) else {
            let failure = ran.failures.iter().next();
            return Ok(Err(failure.map_or_else(
                || "the run gave no results".to_owned(),
                |(step, error)| {
                    let error = error.to_string();
                    format!(
                        "step '{step}' failed: {}",
                        error.lines().next().unwrap_or_default()
                    )
                },
            )));
        };
        self.value(&Record::new(recipe.clone(), results))
    }

    fn estimate(&self, record: &Record) -> Result<Result<Estimate, String>, EngineError> {
        let name = self.wanted.name.as_str();
        if let Some((_, metrics)) = evaluation(self.project, record)? {
            let found = match &self.wanted.slice {
                None => metrics.overall.get(name),
                Some(wanted) => {
                    let mut slices = metrics.slices.iter();
                    let Some(slice) = slices.find(|slice| slice.name() == *wanted) else {
                        let known: Vec<_> = metrics.slices.iter().map(SliceMetrics::name).collect();
                        return Ok(Err(no_slice(wanted, &known)));
                    };
                    slice.metrics.get(name)
                }
            };
            if let Some(found) = found {
                return Ok(Ok(*found));
            }
        }
        let value = all_reported(self.project, record)?.remove(name);
        Ok(match value.filter(|_| self.wanted.slice.is_none()) {
            Some(value) => Ok(Estimate::exact(value)),
            None => Err(format!("there is no metric '{name}'")),
        })
    }
}

fn no_slice(wanted: &str, known: &[String]) -> String {
    let near = reproof_config::nearest(wanted, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
    format!("there is no slice '{wanted}'{near}")
}
