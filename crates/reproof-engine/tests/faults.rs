//! Whatever call to the file system fails, and even if the process dies there: the error says what
//! happened, and the next run works and gives the same record.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::io::ErrorKind;
use std::sync::Arc;

use reproof_engine::{Class, EngineError};
use reproof_record::RecordId;
use reproof_store::fs::RealIo;
use reproof_store::{Fault, FaultIo};
use support::{copy_example, open, run_example};
use tempfile::TempDir;

/// How many calls of a run are made to fail, spread over all of them.
const SAMPLES: u64 = 24;

fn faulty(fault: Option<Fault>) -> FaultIo {
    FaultIo::new(Arc::new(RealIo), fault)
}

/// A run in a fresh project whose file system fails as told. Gives its record, the class of its
/// error, or nothing if the failed call did not matter.
fn run_with(io: &FaultIo, folder: &TempDir) -> Result<Option<RecordId>, Class> {
    let outcome = open(folder.path(), Arc::new(io.clone()))
        .and_then(|project| run_example(&project, &[], true))
        .map_err(|error: EngineError| error.class())?;
    match outcome.trouble() {
        None => Ok(outcome.execution.record),
        Some(class) => Err(class),
    }
}

fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    copy_example(folder.path());
    folder
}

fn check_every_call(writes_only: bool, dead: bool) {
    let counting = faulty(Some(Fault {
        at: u64::MAX,
        dead,
        kind: ErrorKind::Other,
        writes_only,
    }));
    let expected = run_with(&counting, &project()).unwrap();
    let calls = counting.calls();
    assert!(calls > SAMPLES, "{calls}");
    for sample in 0..SAMPLES {
        let at = 1 + sample * calls / SAMPLES;
        let folder = project();
        let fault = Fault {
            at,
            dead,
            kind: ErrorKind::StorageFull,
            writes_only,
        };
        match run_with(&faulty(Some(fault)), &folder) {
            // A call whose failure does not matter, such as the removal of what is not needed.
            Ok(record) => assert_eq!(record, expected, "call {at}"),
            Err(class) => assert_eq!(class, Class::Storage, "call {at}"),
        }
        let project = open(folder.path(), Arc::new(RealIo)).unwrap();
        let outcome = run_example(&project, &[], true).unwrap();
        assert_eq!(outcome.execution.record, expected, "after call {at}");
        for blob in project.store.blobs().unwrap() {
            project.store.verify_blob(&blob).unwrap();
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_call() {
    check_every_call(true, true);
}

#[test]
fn any_single_call_that_fails() {
    check_every_call(false, false);
}
