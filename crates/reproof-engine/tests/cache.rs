//! The cache against an answer key: whatever was run before, a run with the cache gives the record
//! that a run without any history gives.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reproof_record::RecordId;
use reproof_store::fs::RealIo;
use support::{copy_example, open, run_example};
use tempfile::TempDir;

fn change() -> impl Strategy<Value = Vec<String>> {
    let seed = prop_oneof![Just(42), Just(7)];
    let l2 = prop_oneof![Just("1"), Just("30")];
    let slices = prop_oneof![Just("[pregnancies]"), Just("[]")];
    (seed, l2, slices).prop_map(|(seed, l2, slices)| {
        vec![
            format!("seed={seed}"),
            format!("train.logistic_regression.l2={l2}"),
            format!("evaluate.slices={slices}"),
            "evaluate.require=[]".to_owned(),
        ]
    })
}

fn fresh(set: &[String]) -> RecordId {
    let folder = TempDir::new().unwrap();
    copy_example(folder.path());
    let project = open(folder.path(), Arc::new(RealIo)).unwrap();
    run_example(&project, set, false)
        .unwrap()
        .execution
        .record
        .unwrap()
}

#[test]
fn history_never_changes_a_record() {
    let folder = TempDir::new().unwrap();
    copy_example(folder.path());
    let project = open(folder.path(), Arc::new(RealIo)).unwrap();
    let key: Mutex<BTreeMap<Vec<String>, RecordId>> = Mutex::default();
    let mut runner = TestRunner::new(Config::with_cases(6));
    let histories = prop::collection::vec((change(), any::<bool>()), 1..6);
    runner
        .run(&histories, |history| {
            for (set, use_cache) in history {
                let expected = *key
                    .lock()
                    .unwrap()
                    .entry(set.clone())
                    .or_insert_with(|| fresh(&set));
                let record = run_example(&project, &set, use_cache)
                    .unwrap()
                    .execution
                    .record;
                prop_assert_eq!(record, Some(expected));
            }
            Ok(())
        })
        .unwrap();
}
