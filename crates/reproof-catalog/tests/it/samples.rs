//! Things to put into a catalogue, always the same for the same arguments.

use std::collections::BTreeMap;

use reproof_catalog::{
    FileDigest, KnownBlob, KnownFacts, RecordEntry, SourceSnapshot, StepOutput, StepResult,
    VersionRow,
};
use reproof_record::{
    Artifact, ArtifactKind, CodeState, Column, DataUse, Digest, Execution, ExecutionId,
    ExecutionKind, ExecutionStatus, Host, Level, LogicalType, RecipeId, RecordId, ResultsId,
    Schema, StepExecution, StepKey, StepName, StepStatus, Timestamp, Verdict, Verification,
    VersionId,
};
use reproof_store::fs::{Facts, FileKind};
use serde_json::json;

/// The time all samples begin at: 2026-01-01.
const EPOCH: i64 = 1_767_225_600_000_000;

pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub fn name(text: &str) -> StepName {
    text.parse().unwrap()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp(EPOCH + second * 1_000_000)
}

pub fn key(text: &str) -> StepKey {
    StepKey::from_digest(digest(text))
}

pub fn recipe(text: &str) -> RecipeId {
    RecipeId::from_digest(digest(&format!("recipe {text}")))
}

pub fn record_id(text: &str) -> RecordId {
    RecordId::from_digest(digest(&format!("record {text}")))
}

pub fn table(text: &str) -> Artifact {
    Artifact {
        kind: ArtifactKind::Table,
        digest: digest(text),
    }
}

pub fn step_result(of: &str, input: &str, output: &str, second: i64) -> StepResult {
    let artifact = Artifact {
        kind: ArtifactKind::Model,
        digest: digest(output),
    };
    let manifest = digest(&format!("manifest of {output}"));
    StepResult {
        key: key(of),
        operation: "train_logistic_regression@1".parse().unwrap(),
        inputs: BTreeMap::from([(name("table"), table(input))]),
        outputs: BTreeMap::from([(name("model"), StepOutput { artifact, manifest })]),
        created: at(second),
    }
}

pub fn record(of: &str, results: &str, second: i64) -> RecordEntry {
    RecordEntry {
        id: record_id(&format!("{of} {results}")),
        recipe: recipe(of),
        results: ResultsId::from_digest(digest(results)),
        created: at(second),
    }
}

/// A run of the pipeline `churn` on the commit `c0ffee`.
pub fn run(second: i64, record: Option<&RecordEntry>) -> Execution {
    let mut random = [0; 10];
    random.copy_from_slice(&digest(&second.to_string()).as_bytes()[..10]);
    let ran = StepExecution {
        status: StepStatus::Ran,
        key: Some(key("train")),
        micros: 1200,
        outputs: BTreeMap::from([(name("model"), table("model"))]),
        error: None,
        observations: BTreeMap::new(),
        log: None,
        executed: None,
    };
    let skipped = StepExecution {
        status: StepStatus::Skipped,
        key: None,
        micros: 0,
        outputs: BTreeMap::new(),
        error: None,
        observations: BTreeMap::new(),
        log: None,
        executed: None,
    };
    let data = DataUse {
        source: "data/churn.csv".to_owned(),
        version: table("churn"),
        manifest: None,
        rows: 7043,
        columns: 20,
    };
    Execution {
        format: Execution::FORMAT.to_owned(),
        id: ExecutionId::new(at(second), random),
        kind: ExecutionKind::Run,
        status: ExecutionStatus::Succeeded,
        pipeline: "churn".to_owned(),
        pipeline_file: Some("pipelines/churn.yaml".to_owned()),
        started: at(second),
        ended: at(second + 1),
        user: "ada".to_owned(),
        host: Host::default(),
        version: "0.1.0".to_owned(),
        recipe: record.map(|record| record.recipe),
        record: record.map(|record| record.id),
        results: record.map(|record| record.results),
        code: CodeState {
            commit: Some("c0ffee".to_owned()),
            ..CodeState::default()
        },
        lock: Some(digest("lock")),
        overrides: Vec::new(),
        further_seed: None,
        final_look: false,
        data: BTreeMap::from([(name("data"), data)]),
        steps: BTreeMap::from([(name("train"), ran), (name("evaluate"), skipped)]),
        expectations: Vec::new(),
        gates: Vec::new(),
        verification: None,
    }
}

/// A verification of a record.
pub fn verify(second: i64, of: &RecordEntry) -> Execution {
    Execution {
        kind: ExecutionKind::Verify,
        pipeline_file: None,
        record: None,
        results: None,
        verification: Some(Verification {
            record: of.id,
            verdict: Verdict::Identical,
            level: Level::Rerun,
            changed: Vec::new(),
            against: None,
            time: None,
            reason: None,
            outputs: Vec::new(),
        }),
        ..run(second, Some(of))
    }
}

pub fn known_blob(second: i64) -> KnownBlob {
    let facts = json!({"packs": [{"pack": digest("pack"), "facts": known(second).facts}]});
    KnownBlob {
        facts: serde_json::from_value(facts).unwrap(),
        hashed_at: at(second),
    }
}

pub fn known(second: i64) -> KnownFacts {
    KnownFacts {
        facts: Facts {
            kind: FileKind::File,
            size: 1234,
            mtime_ns: 1_767_225_600_123_456_789,
            ctime_ns: 1_767_225_600_123_456_790,
            inode: u64::MAX,
            executable: true,
        },
        hashed_at: at(second),
    }
}

pub fn file_digest(text: &str, second: i64) -> FileDigest {
    FileDigest {
        known: known(second),
        digest: digest(text),
    }
}

pub fn snapshot(text: &str) -> SourceSnapshot {
    let column = |name: &str, logical_type| Column {
        name: name.to_owned(),
        logical_type,
    };
    let columns = vec![
        column("tenure", LogicalType::Integer),
        column("contract, \"of\" the\nclient", LogicalType::String),
    ];
    SourceSnapshot {
        facts: known(0).facts,
        hashed_at: at(5),
        source_digest: digest("source"),
        files: None,
        listing: None,
        version: StepOutput {
            artifact: table(text),
            manifest: digest("manifest"),
        },
        rows: 7043,
        schema: Schema::new(columns).unwrap(),
    }
}

pub fn version_id(text: &str) -> VersionId {
    VersionId::from_digest(digest(&format!("version {text}")))
}

pub fn version(of: &str, text: &str, parent: Option<&str>, second: i64) -> VersionRow {
    VersionRow {
        id: version_id(text),
        name: name(of),
        content: digest(text),
        parent: parent.map(version_id),
        created: at(second),
    }
}
