//! What ends a process that takes too much.
use std::time::Duration;

use reproof_sandbox::{End, Limits};

use crate::common::{Test, processes_with, run, sandbox, says, script};

pub const TESTS: &[Test] = &[
    ("memory_is_limited", memory_is_limited),
    (
        "memory_of_several_processes_is_limited",
        memory_of_several_processes_is_limited,
    ),
    (
        "files_in_memory_count_as_memory",
        files_in_memory_count_as_memory,
    ),
    ("processor_time_is_limited", processor_time_is_limited),
    (
        "processor_time_of_several_processes_is_limited",
        processor_time_of_several_processes_is_limited,
    ),
    ("time_is_limited", time_is_limited),
    ("processes_are_limited", processes_are_limited),
    ("many_processes_are_stopped", many_processes_are_stopped),
    (
        "busy_processes_do_not_keep_the_limits_from_holding",
        busy_processes_do_not_keep_the_limits_from_holding,
    ),
    (
        "what_stays_below_its_limits_ends_by_itself",
        what_stays_below_its_limits_ends_by_itself,
    ),
];

const MEGABYTE: u64 = 1 << 20;

fn memory_is_limited() {
    let mut sandbox = sandbox(&["probe", "--probe", "hold", "400"]);
    sandbox.limits.memory = Some(200 * MEGABYTE);
    let finished = run(&sandbox).finished;
    let End::Memory { limit, used } = finished.end else {
        panic!("{finished:?}")
    };
    assert_eq!(limit, 200 * MEGABYTE);
    assert!(
        used > limit && finished.usage.peak_memory >= used,
        "{finished:?}"
    );
}

fn memory_of_several_processes_is_limited() {
    let mut sandbox = script("for i in 1 2 3 4; do probe --probe hold 60 & done; wait");
    sandbox.limits.memory = Some(200 * MEGABYTE);
    let finished = run(&sandbox).finished;
    assert!(matches!(finished.end, End::Memory { .. }), "{finished:?}");
}

fn files_in_memory_count_as_memory() {
    let text =
        "head -c 60000000 /dev/zero > /dev/shm/a; head -c 60000000 /dev/zero > /tmp/b; sleep 30";
    let mut sandbox = script(text);
    sandbox.limits.memory = Some(100 * MEGABYTE);
    let finished = run(&sandbox).finished;
    assert!(matches!(finished.end, End::Memory { .. }), "{finished:?}");
    assert!(finished.usage.peak_memory > 100 * MEGABYTE, "{finished:?}");
}

fn processor_time_is_limited() {
    let mut sandbox = sandbox(&["probe", "--probe", "spin"]);
    sandbox.limits.cpu_seconds = Some(1);
    let finished = run(&sandbox).finished;
    assert_eq!(finished.end, End::Cpu { limit: 1 });
    assert!(
        finished.usage.user + finished.usage.system > Duration::from_millis(900),
        "{finished:?}"
    );
}

fn processor_time_of_several_processes_is_limited() {
    // None of them uses a second by itself.
    let text = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done & wait; done";
    let mut sandbox = script(text);
    sandbox.limits.cpu_seconds = Some(1);
    assert_eq!(run(&sandbox).finished.end, End::Cpu { limit: 1 });
}

fn time_is_limited() {
    let limit = Duration::from_millis(300);
    let mut sandbox = script("trap '' TERM; sleep 7010 & sleep 7010; sleep 7010");
    sandbox.limits.wall = Some(limit);
    let finished = run(&sandbox).finished;
    assert_eq!(finished.end, End::Wall { limit });
    assert!(finished.usage.wall >= limit);
    assert_eq!(processes_with("7010"), 0);
}

/// Root is not refused new processes by the kernel, but stopped.
fn processes_are_limited() {
    let mut sandbox = sandbox(&["probe", "--probe", "multiply", "40"]);
    sandbox.limits.processes = Some(10);
    sandbox.limits.wall = Some(Duration::from_secs(1));
    let ran = run(&sandbox);
    if rustix::process::geteuid().is_root() {
        assert_eq!(ran.finished.end, End::Processes { limit: 10 });
    } else {
        assert_eq!(ran.out(), "started 9\n", "and the program itself");
    }
}

fn many_processes_are_stopped() {
    let text = "i=0; while [ $i -lt 300 ]; do sleep 7011 & i=$((i+1)); done; sleep 7011";
    let mut sandbox = script(text);
    sandbox.limits.processes = Some(50);
    sandbox.limits.wall = Some(Duration::from_mins(1));
    let finished = run(&sandbox).finished;
    // A shell that is refused a process ends with 2.
    let refused = if rustix::process::geteuid().is_root() {
        End::Processes { limit: 50 }
    } else {
        End::Exited(2)
    };
    assert_eq!(finished.end, refused);
    assert_eq!(processes_with("7011"), 0);
}

fn busy_processes_do_not_keep_the_limits_from_holding() {
    // As many as there are, and no more: the machine belongs to others, too.
    let text = "i=0; while [ $i -lt 60 ]; do probe --probe spin & i=$((i+1)); done; wait";
    let mut sandbox = script(text);
    sandbox.limits.processes = Some(40);
    sandbox.limits.cpu_seconds = Some(2);
    let finished = run(&sandbox).finished;
    if rustix::process::geteuid().is_root() {
        assert_eq!(finished.end, End::Processes { limit: 40 });
    } else {
        // Refused a process, the shell ends, and the others with it; or they use up their time.
        assert!(
            matches!(finished.end, End::Exited(_) | End::Cpu { .. }),
            "{finished:?}"
        );
    }
}

fn what_stays_below_its_limits_ends_by_itself() {
    let mut sandbox = script("(sleep 0.2 & sleep 0.2 & wait); echo fine");
    sandbox.limits = Limits {
        memory: Some(500 * MEGABYTE),
        cpu_seconds: Some(60),
        wall: Some(Duration::from_mins(10)),
        processes: Some(20),
    };
    assert_eq!(says(&sandbox), "fine\n");
}
