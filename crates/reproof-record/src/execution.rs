//! The execution: the event that produced or verified a record. Nothing in it is hashed into a
//! recipe or record.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Artifact, Digest, Distance, ExpectationOutcome, RecipeId, RecordId, ResultsId, Seed, StepKey,
    StepName,
};

/// Identifies an execution: a UUID of version 7, so that newer ones sort later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExecutionId(Uuid);

impl ExecutionId {
    /// The identifier of an event at this time with these random bits.
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.0 / 1000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// How it is shown to a person: `x:` and the last 12 digits, because the first are the clock.
    pub fn short(&self) -> String {
        let digits = self.0.simple().to_string();
        format!("x:{}", &digits[digits.len() - 12..])
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ExecutionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Uuid::parse_str(text) {
            Ok(uuid) if uuid.get_version_num() == 7 => Ok(Self(uuid)),
            _ => Err(format!(
                "'{text}' is not an execution's ID: a UUID of version 7 is wanted"
            )),
        }
    }
}

impl TryFrom<String> for ExecutionId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ExecutionId> for String {
    fn from(id: ExecutionId) -> Self {
        id.to_string()
    }
}

/// Microseconds since 1970-01-01 00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Why something was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionKind {
    /// `reproof run`.
    Run,
    /// `reproof verify`.
    Verify,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Every step has its outputs, and every gate passed or was not judged.
    Succeeded,
    /// Every step has its outputs; a gate failed.
    GateFailed,
    /// A step failed.
    Failed,
    /// Stopped from outside.
    Interrupted,
    /// The data did not meet an expectation: no step ran.
    DataRefused,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It ran.
    Ran,
    /// Its outputs were there already, and were right.
    Cached,
    /// It is not run again: its outputs are those that the recipe pins.
    Pinned,
    /// It failed.
    Failed,
    /// It did not run, because a step before it failed or the run was interrupted.
    Skipped,
}

/// The verdict of a verification, over everything or on one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same bits.
    Identical,
    /// Within a tolerance that was declared beforehand.
    Equivalent,
    /// Something else came out.
    Diverged,
    /// A step could not be run to its end.
    Failed,
    /// Something that is needed is gone.
    Impossible,
}

impl Verdict {
    /// Its name, as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Equivalent => "equivalent",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Impossible => "impossible",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The state of the code when something was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeState {
    /// The digest of the tree of code, whether or not there is a repository.
    pub tree: Option<Digest>,
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// The branch that is checked out; none on a detached head.
    pub branch: Option<String>,
    /// The repository's address, without credentials.
    pub remote: Option<String>,
    /// Whether files differ from the commit. None without a repository.
    pub dirty: Option<bool>,
    /// The paths that differ from the commit, at most a hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The blob that holds the changes against the commit as a patch.
    pub patch: Option<Digest>,
    /// What else a person should know: why no commit ties to the code, or what a patch lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that were not captured, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
}

/// Where something was executed: what is outside the closure and may still change bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The operating system, such as `linux`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The architecture, such as `x86_64`.
    pub architecture: String,
    /// The processor's model.
    pub cpu: String,
    /// The processor's features that are known to change bits, sorted.
    pub cpu_features: Vec<String>,
}

impl Host {
    /// Whether nothing that may change bits is known to differ.
    pub fn same_platform(&self, other: &Self) -> bool {
        (&self.os, &self.architecture, &self.cpu, &self.cpu_features)
            == (
                &other.os,
                &other.architecture,
                &other.cpu,
                &other.cpu_features,
            )
    }
}

/// A data source as one execution read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataUse {
    /// Where it was read from, as the pipeline says it.
    pub source: String,
    /// The version that was read.
    pub version: Artifact,
    /// The manifest of its stored files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: u64,
}

/// One step of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepExecution {
    /// What became of it.
    pub status: StepStatus,
    /// Its key; none if it never had all its inputs.
    pub key: Option<StepKey>,
    /// How long it took, in microseconds of wall time.
    pub micros: u64,
    /// What it produced.
    pub outputs: BTreeMap<StepName, Artifact>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was observed and may differ without being wrong, such as `cpu_seconds`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observations: BTreeMap<String, f64>,
    /// The blob that holds what a program wrote to its standard output and error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Digest>,
    /// The blob that holds the executed copy of a notebook that failed. That of one that did not is an
    /// output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Digest>,
}

impl StepExecution {
    /// The blobs that it keeps beside its outputs.
    pub fn kept(&self) -> impl Iterator<Item = Digest> {
        self.log.into_iter().chain(self.executed)
    }
}

/// What became of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// The metric keeps its bound.
    Passed,
    /// The metric misses its bound.
    Failed,
    /// The slice is too small, or the metric is not defined on it.
    NotJudged,
}

/// A gate, judged on one slice or on everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// The requirement as a person reads it, such as `roc_auc >= 0.8`.
    pub requirement: String,
    /// The slice it was judged on, such as `contract=One year`; none for everything.
    pub slice: Option<String>,
    /// The metric's value there.
    pub value: Option<f64>,
    /// What became of it.
    pub verdict: GateVerdict,
    /// Why it was not judged, or by how much it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One output of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputVerdict {
    /// The step.
    pub step: StepName,
    /// The output.
    pub output: StepName,
    /// What the record says.
    pub expected: Artifact,
    /// What came out this time, if anything did.
    pub found: Option<Artifact>,
    /// The verdict.
    pub verdict: Verdict,
    /// How far it is from what the record says, where a tolerance was declared and it is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
}

/// How much of a record was made anew to verify it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every step ran again, in the closures that the recipe names.
    #[default]
    Rerun,
    /// So it did, and the environments were built again from their specifications, and came to the
    /// same closures.
    Fresh,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rerun, Self::Fresh];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rerun => "rerun",
            Self::Fresh => "fresh",
        }
    }

    /// Whether it is the level of verifications that say none.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_rerun(&self) -> bool {
        *self == Self::Rerun
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The record that was verified.
    pub record: RecordId,
    /// The verdict over everything.
    pub verdict: Verdict,
    /// How much of it was made anew, as it was observed.
    #[serde(default, skip_serializing_if = "Level::is_rerun")]
    pub level: Level,
    /// What else was made to differ from the run, in words, so that it is known not to matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Another record whose results were those that were expected; none for its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<RecordId>,
    /// Which of how many runs again this is, from 1; none if it was the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<[u32; 2]>,
    /// What is missing or went wrong, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Each output.
    pub outputs: Vec<OutputVerdict>,
}

/// The event: who, when, where, which pipeline, on which commit, how long each step took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// [`Execution::FORMAT`].
    pub format: String,
    /// Its identifier.
    pub id: ExecutionId,
    /// Why it was executed.
    pub kind: ExecutionKind,
    /// How it ended.
    pub status: ExecutionStatus,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file, inside the project; none for a verification.
    pub pipeline_file: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Who started it: the name of the account.
    pub user: String,
    /// Where.
    pub host: Host,
    /// The version of Reproof.
    pub version: String,
    /// The recipe, once every data version was known.
    pub recipe: Option<RecipeId>,
    /// The record, if every step has its outputs.
    pub record: Option<RecordId>,
    /// The results of that record.
    pub results: Option<ResultsId>,
    /// The code.
    pub code: CodeState,
    /// The digest of the lock file after the run; none if it was not written.
    pub lock: Option<Digest>,
    /// Values set on the command line, as `path=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// The pipeline's seed, where it was run under another one than its own for the spread over seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub further_seed: Option<Seed>,
    /// Whether the test part was scored.
    pub final_look: bool,
    /// The data that was read, by name.
    pub data: BTreeMap<StepName, DataUse>,
    /// The steps.
    pub steps: BTreeMap<StepName, StepExecution>,
    /// What the data had to meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ExpectationOutcome>,
    /// The gates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateOutcome>,
    /// What a verification found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

impl Execution {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.execution/1";

    /// How many steps came to this end.
    pub fn count(&self, status: StepStatus) -> usize {
        self.steps
            .values()
            .filter(|step| step.status == status)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_sort_by_time_and_are_shown_by_their_end() {
        let early = ExecutionId::new(Timestamp(1_700_000_000_000_000), [255; 10]);
        let late = ExecutionId::new(Timestamp(1_700_000_000_001_000), [0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.short(), "x:ffffffffffff");
        assert_eq!(early.to_string().parse::<ExecutionId>().unwrap(), early);
    }

    #[test]
    fn only_version_7_is_an_execution_id() {
        assert!(
            "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
                .parse::<ExecutionId>()
                .is_err()
        );
        assert!("x".parse::<ExecutionId>().is_err());
    }
}
