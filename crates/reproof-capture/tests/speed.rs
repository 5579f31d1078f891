//! How long a capture takes in which nothing changed. Run by hand:
//! `cargo test --release -p reproof-capture --test speed -- --ignored --nocapture`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod common;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{MemoryCache, Sandbox, TestRunner};
use reproof_capture::{Output, Runner, capture};
use reproof_store::fs::RealIo;

const FILES: usize = 20_000;

/// Times what it runs.
struct Timed<'a> {
    inner: &'a TestRunner,
    spent: Cell<Duration>,
}

impl Runner for Timed<'_> {
    fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        removed: &[&str],
    ) -> std::io::Result<Output> {
        let begun = Instant::now();
        let output = self
            .inner
            .run(program, arguments, folder, environment, removed);
        self.spent.set(self.spent.get() + begun.elapsed());
        output
    }
}

/// The time that this thread was on a processor.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "a measurement"]
fn nothing_changed() {
    let sandbox = Sandbox::unborn();
    for index in 0..FILES {
        sandbox.write(
            format!("package{}/module_{index}.py", index / 100),
            format!("{index}\n"),
        );
    }
    sandbox.commit();
    std::thread::sleep(Duration::from_millis(2500));
    let cache = MemoryCache::default();
    let mut own = Vec::new();
    let mut git = Vec::new();
    for round in 0..12 {
        let runner = Timed {
            inner: &sandbox.runner,
            spent: Cell::default(),
        };
        let begun = cpu();
        let captured =
            capture(&sandbox.project, &RealIo, &runner, &cache, &sandbox.options).unwrap();
        let spent = cpu().saturating_sub(begun);
        assert_eq!(captured.tree.files.len(), FILES);
        if round == 0 {
            println!(
                "first capture: {spent:?} of CPU time and {:?} in git",
                runner.spent.get()
            );
        } else {
            own.push(spent);
            git.push(runner.spent.get());
        }
    }
    own.sort_unstable();
    git.sort_unstable();
    let median = own[own.len() / 2];
    println!(
        "nothing changed, {FILES} files, median: {median:?} of CPU time, {:.2} µs a file; git {:?} of wall time",
        median.as_secs_f64() * 1e6 / FILES as f64,
        git[git.len() / 2],
    );
}
