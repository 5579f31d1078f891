//! Many threads and processes at once, and processes that are killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reproof_catalog::{Catalog, ExecutionFilter};

use crate::samples::{digest, known_blob, record, run, step_result};
use crate::{fresh, open};

/// Tells a test of this binary that it is the child of another one, and which catalogue to use.
const CHILD: &str = "REPROOF_CATALOG_TEST_CHILD";
const COUNT: i64 = 12;

/// What one writer does: everything that a run does, several times.
fn write_all(path: &Path, writer: i64) {
    let catalog = open(path);
    for number in 0..COUNT {
        let second = writer * 1000 + number;
        // The same for all writers.
        catalog
            .add_step_result(&step_result(&number.to_string(), "in", "out", number))
            .unwrap();
        catalog
            .set_facts(&[(digest(&number.to_string()), known_blob(writer))])
            .unwrap();
        let entry = record(&number.to_string(), "a", number);
        catalog
            .finish(&run(second, Some(&entry)), Some(&entry))
            .unwrap();
    }
}

fn check_all(path: &Path, writers: i64) {
    let catalog = open(path);
    let all = catalog.executions(&ExecutionFilter::default()).unwrap();
    assert_eq!(all.len() as i64, writers * COUNT);
    for number in 0..COUNT {
        let entry = record(&number.to_string(), "a", number);
        assert_eq!(catalog.records_of(&entry.recipe).unwrap(), [entry]);
        let result = step_result(&number.to_string(), "in", "out", number);
        assert_eq!(catalog.step_results(&result.key).unwrap(), [result]);
    }
    catalog.check().unwrap();
}

fn spawn(test: &str, value: &str) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, value);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn eight_connections_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || write_all(path, writer));
        }
    });
    check_all(&path, 8);
}

#[test]
fn eight_threads_share_one_connection() {
    let (_folder, catalog) = fresh();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let catalog = &catalog;
            scope.spawn(move || catalog.finish(&run(writer, None), None).unwrap());
        }
    });
    assert_eq!(
        catalog
            .executions(&ExecutionFilter::default())
            .unwrap()
            .len(),
        8
    );
}

#[test]
fn eight_processes_make_and_fill_one_catalogue() {
    if let Ok(value) = std::env::var(CHILD) {
        let (writer, path) = value.split_once(' ').unwrap();
        write_all(&PathBuf::from(path), writer.parse().unwrap());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Nobody made it before: all eight race for that too.
    let path = folder.path().join("catalog.db");
    let children: Vec<_> = (0..8)
        .map(|writer| {
            let value = format!("{writer} {}", path.display());
            spawn(
                "processes::eight_processes_make_and_fill_one_catalogue",
                &value,
            )
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    check_all(&path, 8);
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Ok(value) = std::env::var(CHILD) {
        let (round, path) = value.split_once(' ').unwrap();
        let catalog = open(&PathBuf::from(path));
        let mut out = std::io::stdout();
        for number in 0.. {
            let execution = run(round.parse::<i64>().unwrap() * 100_000 + number, None);
            catalog.finish(&execution, None).unwrap();
            writeln!(out, "stored {}", execution.id).unwrap();
            out.flush().unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let mut acknowledged = 0;
    for round in 0..15u64 {
        let value = format!("{round} {}", path.display());
        let test = "processes::a_killed_process_loses_nothing_that_it_acknowledged";
        let mut child = spawn(test, &value);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines
            .by_ref()
            .find(|line| line.as_ref().unwrap().contains("stored "));
        std::thread::sleep(Duration::from_micros(round * 731 % 9000));
        child.kill().unwrap();
        child.wait().unwrap();
        let catalog = open(&path);
        for line in first.into_iter().chain(lines) {
            // The last line may be cut.
            let line = line.unwrap();
            if let Some(Ok(id)) = line.rsplit(' ').next().map(str::parse) {
                assert!(catalog.execution(&id).unwrap().is_some());
                acknowledged += 1;
            }
        }
        catalog.check().unwrap();
    }
    assert!(acknowledged >= 15, "{acknowledged}");
}
