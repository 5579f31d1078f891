//! Programs that are ended: by a limit, with the run that is killed, by whoever interrupts it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Project, call, statuses};

#[test]
fn a_program_that_uses_more_than_it_may_is_ended() {
    let project = Project::shell(concat!(
        "  much:\n    shell: head -c 300000000 /dev/zero | tail -c 300000000 > /reproof/out/o\n",
        "    outputs: {o: o}\n    resources: {memory: 50 MB, wall_seconds: 60}\n",
        "  busy:\n    shell: 'while :; do :; done'\n",
        "    outputs: {o: o}\n    resources: {cpu_seconds: 1, wall_seconds: 60}\n",
        "  slow:\n    shell: sleep 60\n",
        "    outputs: {o: o}\n    resources: {wall_seconds: 1}\n",
    ));
    project.reproof(&["run"]).expect(11).says(&[
        "step 'much' failed: it was ended: it used",
        "may use 50 (resources.memory)",
        "step 'busy' failed: it was ended after 1 s of CPU time (resources.cpu_seconds)",
        "step 'slow' failed: it was ended after 1 s (resources.wall_seconds)",
    ]);
}

/// A project whose program sleeps as long as a variable says, and the number that tells its
/// processes from others.
fn sleeper() -> (Project, String) {
    let project = Project::shell(concat!(
        "  s:\n    shell: sleep $SECONDS_TO_SLEEP; echo 1 > /reproof/out/o\n",
        "    variables: {SECONDS_TO_SLEEP: null}\n    outputs: {o: o}\n",
    ));
    let mut hash = 0_u32;
    for byte in project.root().to_str().unwrap().bytes() {
        hash = hash.wrapping_mul(31).wrapping_add(byte.into());
    }
    (project, format!("{}", 100_000 + hash % 10_000_000))
}

/// Whether a process sleeps that long.
fn sleeps(seconds: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    let lines = processes
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("cmdline")).ok());
    let mut lines = lines;
    lines.any(|line| line.starts_with("sleep\0") && line.contains(seconds))
}

/// Waits until it is so, at most half a minute.
#[track_caller]
fn wait_until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "still not: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a run whose program sleeps, and waits until it does.
fn started(project: &Project, seconds: &str) -> Child {
    let mut command = project.command(&["run"]);
    command.env("SECONDS_TO_SLEEP", seconds);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the program sleeps", || sleeps(seconds));
    child
}

/// The next run in the project just works.
fn runs(project: &Project) {
    let mut command = project.command(&["run", "--json"]);
    let run = call(command.env("SECONDS_TO_SLEEP", "0")).json();
    assert_eq!(statuses(&run), [("s".to_owned(), "ran".to_owned())]);
}

#[test]
fn a_killed_run_takes_its_programs_with_it() {
    let (project, seconds) = sleeper();
    let mut child = started(&project, &seconds);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("no program sleeps", || !sleeps(&seconds));
    runs(&project);
}

#[test]
fn an_interrupted_run_ends_its_programs_first() {
    let (project, seconds) = sleeper();
    let child = started(&project, &seconds);
    let line = format!("kill -INT {}", child.id());
    let killed = std::process::Command::new("sh")
        .args(["-c", &line])
        .status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    wait_until("no program sleeps", || !sleeps(&seconds));
    let log = project.reproof(&["log"]).expect(0);
    assert!(log.out.contains("interrupted"), "{}", log.out);
    let left = std::fs::read_dir(project.path(".reproof/store/tmp"));
    assert_eq!(left.map_or(0, Iterator::count), 0, "work folders are left");
    runs(&project);
}
