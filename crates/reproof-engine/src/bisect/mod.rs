//! `bisect`: the first commit, and the first version of data, at which a metric went beyond what is
//! still good.
//!
//! Nothing of the working folder is touched: commits are laid out in a temporary copy of the
//! repository, with the data that their lock files pin, and share the store, so that steps which they have in common
//! come from the cache.

mod commits;
mod search;
mod versions;

use reproof_capture::Commit;
use reproof_catalog::ExecutionFilter;
use reproof_learn::Estimate;
use reproof_record::{Execution, ExecutionKind, Isolation, Record, RecordId, StepName, VersionId};
use reproof_table::Threads;
use serde::Serialize;

use crate::measure::{Trial, WantedMetric};
use crate::observer::Observer;
use crate::seeds::Pair;
use crate::{Cancel, EngineError, Project, read_record};
use commits::Commits;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct BisectOptions {
    /// The metric.
    pub metric: WantedMetric,
    /// A record with a good value.
    pub good: RecordId,
    /// A later record with a bad one.
    pub bad: RecordId,
    /// The last value that is good. None for the end of the interval of the good one or what another seed
    /// may give, whichever is further, as far as they are known; else the middle between both.
    pub threshold: Option<f64>,
    /// How many threads operations may use; changes no result.
    pub threads: Threads,
    /// How far programs are kept from the machine.
    pub isolation: Isolation,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Bisection {
    /// The metric.
    pub metric: String,
    /// Its slice.
    pub slice: Option<String>,
    /// The value at both ends.
    pub ends: [Point; 2],
    /// The last value that is good.
    pub threshold: f64,
    /// What it was taken from.
    pub judged_by: JudgedBy,
    /// What was looked at, in this order.
    pub tried: Vec<Tried>,
    /// The first bad commit; none if both ends are of one.
    pub commit: Option<FirstCommit>,
    /// The data that differs between the last good and the first bad result.
    pub data: Vec<StepName>,
    /// Whether anything but data differs between them.
    pub more_than_data: bool,
    /// The first bad version of data, where only one named data differs and has versions between.
    pub version: Option<FirstVersion>,
    /// The records on both sides of what was found.
    pub sides: [RecordId; 2],
}

/// What the last value that is good is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// It was given.
    Threshold,
    /// The end of the interval of the good record.
    Interval,
    /// What another seed gives in 95 of 100 cases.
    Seeds,
    /// The middle between both records.
    Middle,
}

/// A record with the value.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// The record.
    pub record: RecordId,
    /// Its value.
    pub value: f64,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// The commit, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The version of data, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// The value; none if there is none.
    pub value: Option<f64>,
    /// Whether it is bad; none if it cannot be told.
    pub bad: Option<bool>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Whether it was run for this; else a recorded result told.
    pub ran: bool,
}

/// The first bad commit.
#[derive(Debug, Serialize)]
pub struct FirstCommit {
    /// It; or, where commits before it could not be judged, all that may be the first.
    pub candidates: Vec<NamedCommit>,
    /// How many commits lie between the ends.
    pub of: usize,
}

/// A commit as a person knows it.
#[derive(Clone, Debug, Serialize)]
pub struct NamedCommit {
    /// Its ID.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// The day on which it was made.
    pub day: String,
    /// The first line of its message.
    pub subject: String,
}

impl From<&Commit> for NamedCommit {
    fn from(commit: &Commit) -> Self {
        let commit = commit.clone();
        Self {
            id: commit.id,
            author: commit.author,
            day: commit.day,
            subject: commit.subject,
        }
    }
}

/// The first bad version of data.
#[derive(Debug, Serialize)]
pub struct FirstVersion {
    /// The data's name.
    pub name: StepName,
    /// The version; or all that may be the first.
    pub candidates: Vec<VersionId>,
    /// The message of the first of them.
    pub message: String,
    /// How many versions lie between.
    pub of: usize,
}

/// What of a value is bad.
#[derive(Clone, Copy)]
struct Limit {
    threshold: f64,
    judged_by: JudgedBy,
    lower_is_bad: bool,
}

impl Limit {
    fn is_bad(self, value: f64) -> bool {
        if self.lower_is_bad {
            value < self.threshold
        } else {
            value > self.threshold
        }
    }
}

/// Looks for the first commit between two records at which a metric is bad, and, where data alone makes
/// the difference, for the first version of it.
///
/// # Errors
/// Records without the metric, or whose values do not differ enough; records that no commits lie
/// between; and trouble of the storage.
pub fn bisect(
    project: &Project,
    options: &BisectOptions,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<Bisection, EngineError> {
    let records = [
        read_record(project, &options.good)?,
        read_record(project, &options.bad)?,
    ];
    let trial = Trial {
        project,
        wanted: &options.metric,
        threads: options.threads,
        isolation: options.isolation,
        observer,
        cancel,
    };
    let estimates = [
        trial.required(&options.good, &records[0])?,
        trial.required(&options.bad, &records[1])?,
    ];
    let limit = limit(&trial, options, &estimates, [&records[0], &records[1]])?;
    let runs = [
        run_of(project, &options.good)?,
        run_of(project, &options.bad)?,
    ];
    let mut found = Bisection {
        metric: options.metric.name.clone(),
        slice: options.metric.slice.clone(),
        ends: [
            Point {
                record: options.good,
                value: estimates[0].1,
            },
            Point {
                record: options.bad,
                value: estimates[1].1,
            },
        ],
        threshold: limit.threshold,
        judged_by: limit.judged_by,
        tried: Vec::new(),
        commit: None,
        data: Vec::new(),
        more_than_data: false,
        version: None,
        sides: [options.good, options.bad],
    };
    let mut commits = Commits::new(trial, limit, &runs)?;
    commits.search(&mut found)?;
    let sides = [
        read_record(project, &found.sides[0])?,
        read_record(project, &found.sides[1])?,
    ];
    versions::search(&trial, limit, &sides, &mut found)?;
    Ok(found)
}

fn limit(
    trial: &Trial<'_>,
    options: &BisectOptions,
    [(good, good_value), (_, bad_value)]: &[(Estimate, f64); 2],
    records: [&Record; 2],
) -> Result<Limit, EngineError> {
    let lower_is_bad = bad_value < good_value;
    let end = if lower_is_bad { good.low } else { good.high };
    let wanted = trial.wanted;
    let (threshold, judged_by) = if let Some(threshold) = options.threshold {
        (threshold, JudgedBy::Threshold)
    } else {
        let pair = Pair::of(trial.project, records)?;
        let values = [*good_value, *bad_value];
        let seeds = pair.judge(wanted.slice.as_deref(), &wanted.name, values);
        let sign = if lower_is_bad { -1.0 } else { 1.0 };
        let seeds = seeds.map(|seeds| good_value + sign * seeds.limit);
        let known = [(end, JudgedBy::Interval), (seeds, JudgedBy::Seeds)];
        let known = known.into_iter().filter_map(|(end, by)| Some((end?, by)));
        let furthest = known.max_by(|(one, _), (other, _)| (sign * one).total_cmp(&(sign * other)));
        furthest.unwrap_or((f64::midpoint(*good_value, *bad_value), JudgedBy::Middle))
    };
    let limit = Limit {
        threshold,
        judged_by,
        lower_is_bad,
    };
    if limit.is_bad(*bad_value) && !limit.is_bad(*good_value) {
        return Ok(limit);
    }
    let (what, hint) = match judged_by {
        JudgedBy::Threshold => (
            "the threshold does not lie between them",
            "name one that does",
        ),
        JudgedBy::Seeds => (
            "what differs is within what another seed may give",
            "'--threshold VALUE' says what is still good",
        ),
        JudgedBy::Interval | JudgedBy::Middle => (
            "what differs is within the interval of the good one",
            "'--threshold VALUE' says what is still good",
        ),
    };
    Err(EngineError::Usage {
        message: format!(
            "'{}' is {good_value} in the good record and {bad_value} in the bad one: {what}",
            options.metric.name
        ),
        hint: Some(hint.to_owned()),
    })
}

/// The newest run of a record that a commit stands for.
fn run_of(project: &Project, id: &RecordId) -> Result<Execution, EngineError> {
    let filter = ExecutionFilter {
        record: Some(*id),
        kind: Some(ExecutionKind::Run),
        ..ExecutionFilter::default()
    };
    let runs = project.catalog.executions(&filter)?;
    let stands = |run: &&Execution| {
        run.code.commit.is_some() && run.code.dirty == Some(false) && run.overrides.is_empty()
    };
    if let Some(run) = runs.iter().find(stands) {
        return Ok(run.clone());
    }
    let why = match runs.first() {
        None => "was not run here",
        Some(run) if !run.overrides.is_empty() => "was run with values that --set gave",
        Some(run) if run.code.commit.is_none() => "was run without a commit",
        Some(_) => "was run with changes that were not committed",
    };
    Err(EngineError::Usage {
        message: format!("record {} {why}: no commit stands for it", id.short()),
        hint: Some(
            "name a record that was run on a commit with nothing changed; 'reproof log' lists them"
                .to_owned(),
        ),
    })
}
