//! How a process ends, and that nothing is left of it.
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reproof_sandbox::{End, Stream};

use crate::common::{GIVEN, Test, assert_gone, processes_with, root, run, sandbox, says, script};

pub const TESTS: &[Test] = &[
    ("codes_are_passed_on", codes_are_passed_on),
    ("signals_are_passed_on", signals_are_passed_on),
    ("orphans_end_with_it", orphans_end_with_it),
    (
        "a_grandchild_that_holds_the_pipe_does_not_hang",
        a_grandchild_that_holds_the_pipe_does_not_hang,
    ),
    ("cancelled_it_may_clean_up", cancelled_it_may_clean_up),
    (
        "cancelled_it_is_killed_if_it_will_not_end",
        cancelled_it_is_killed_if_it_will_not_end,
    ),
    (
        "a_killed_caller_leaves_nothing",
        a_killed_caller_leaves_nothing,
    ),
    (
        "a_caller_killed_at_any_moment_leaves_nothing",
        a_caller_killed_at_any_moment_leaves_nothing,
    ),
    (
        "an_output_that_panics_leaves_nothing",
        an_output_that_panics_leaves_nothing,
    ),
    (
        "a_killed_helper_leaves_nothing",
        a_killed_helper_leaves_nothing,
    ),
    ("output_may_be_huge", output_may_be_huge),
    ("output_may_be_any_bytes", output_may_be_any_bytes),
    ("outputs_may_be_closed", outputs_may_be_closed),
    ("usage_counts_descendants", usage_counts_descendants),
    ("threads_can_be_made", threads_can_be_made),
];

fn codes_are_passed_on() {
    for code in [0, 1, 2, 126, 127, 255] {
        assert_eq!(
            run(&script(&format!("exit {code}"))).finished.end,
            End::Exited(code)
        );
    }
}

fn signals_are_passed_on() {
    for signal in [1, 6, 9, 11, 13, 15] {
        let ran = run(&script(&format!("kill -{signal} $$; sleep 5")));
        assert_eq!(ran.finished.end, End::Signalled(signal));
    }
}

fn orphans_end_with_it() {
    let ran = run(&script("(sleep 7001 &) ; sleep 7001 & exit 3"));
    assert_eq!(ran.finished.end, End::Exited(3));
    assert_eq!(processes_with("7001"), 0);
}

fn a_grandchild_that_holds_the_pipe_does_not_hang() {
    let start = Instant::now();
    assert_eq!(
        says(&script("(echo early; sleep 7002; echo late) & sleep 0.2")),
        "early\n"
    );
    assert!(start.elapsed() < Duration::from_mins(1));
}

/// Runs a script that says `ready`, cancels it then, and gives its output and end.
fn cancelled(text: &str) -> (String, End) {
    let ready = AtomicBool::new(false);
    let mut said = String::new();
    let mut output = |stream, bytes: &[u8]| {
        // The shell may say there that a signal ended what it waited for.
        if stream == Stream::Out {
            said += &String::from_utf8_lossy(bytes);
        }
        ready.store(said.contains("ready"), Ordering::Relaxed);
    };
    let sandbox = script(text);
    let finished = reproof_sandbox::run(&sandbox, &mut output, &|| ready.load(Ordering::Relaxed));
    (said, finished.unwrap().end)
}

fn cancelled_it_may_clean_up() {
    let (said, end) =
        cancelled("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    assert_eq!((said.as_str(), end), ("ready\nbye\n", End::Cancelled));
}

fn cancelled_it_is_killed_if_it_will_not_end() {
    let (said, end) = cancelled("trap '' TERM; echo ready; while :; do sleep 7003; done");
    assert_eq!((said.as_str(), end), ("ready\n", End::Cancelled));
    assert_eq!(processes_with("7003"), 0);
}

fn caller(mark: &str) -> std::process::Child {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--probe", "caller", mark]).process_group(0);
    command.env(GIVEN, root());
    let child = command.spawn().unwrap();
    for _ in 0..400 {
        // Three of them sleep; the fourth is the caller.
        if processes_with(mark) >= 4 {
            return child;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the caller did not start its sandbox");
}

fn a_killed_caller_leaves_nothing() {
    let mut child = caller("7004");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_gone("7004");
}

fn a_caller_killed_at_any_moment_leaves_nothing() {
    for milliseconds in 0..40 {
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--probe", "caller", "7006"])
            .env(GIVEN, root());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_gone("7006");
}

fn an_output_that_panics_leaves_nothing() {
    let text = script("echo hello; sleep 7007");
    for run in [reproof_sandbox::run, reproof_sandbox::run_unconfined] {
        let panicked = std::panic::catch_unwind(|| {
            let _ = run(&text, &mut |_, _| panic!("on purpose"), &|| false);
        });
        assert!(panicked.is_err());
        assert_eq!(processes_with("7007"), 0);
    }
}

fn a_killed_helper_leaves_nothing() {
    let mut child = caller("7005");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let helper: i32 = std::fs::read_to_string(children)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(helper),
        nix::sys::signal::SIGKILL,
    )
    .unwrap();
    child.wait().unwrap();
    assert_gone("7005");
}

fn output_may_be_huge() {
    let text = "head -c 52428800 /dev/zero | tr '\\0' o & head -c 52428800 /dev/zero | tr '\\0' e >&2; wait";
    let ran = run(&script(text));
    assert_eq!(ran.finished.end, End::Exited(0));
    assert_eq!((ran.out.len(), ran.err.len()), (52_428_800, 52_428_800));
    assert!(ran.out.iter().all(|&byte| byte == b'o'));
    assert!(ran.err.iter().all(|&byte| byte == b'e'));
    let order = says(&sandbox(&["seq", "1", "200000"]));
    assert!(
        order
            .lines()
            .enumerate()
            .all(|(at, line)| line == (at + 1).to_string())
    );
}

fn output_may_be_any_bytes() {
    let ran = run(&script("printf '\\377\\000\\376\\n'; printf '\\300' >&2"));
    assert_eq!(
        (ran.out, ran.err),
        (b"\xff\x00\xfe\n".to_vec(), b"\xc0".to_vec())
    );
}

fn outputs_may_be_closed() {
    let ran = run(&script("exec >&- 2>&-; sleep 0.3; exit 4"));
    assert_eq!(ran.finished.end, End::Exited(4));
}

fn usage_counts_descendants() {
    // A child that nobody waits for, and that is done before the end.
    let text = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done > /tmp/done) & \
                while ! [ -e /tmp/done ]; do sleep 0.05; done; exec true";
    let usage = run(&script(text)).finished.usage;
    assert!(
        usage.user + usage.system > Duration::from_millis(20),
        "{usage:?}"
    );
    assert!(usage.wall >= Duration::from_millis(50), "{usage:?}");
    assert!(usage.peak_memory > 100_000, "{usage:?}");
}

fn threads_can_be_made() {
    assert_eq!(says(&sandbox(&["probe", "--probe", "threads"])), "8\n");
}
