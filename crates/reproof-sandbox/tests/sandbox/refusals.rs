//! What a process may not do.
use crate::common::{Test, run, sandbox, says, script};

pub const TESTS: &[Test] = &[
    (
        "calls_that_no_step_needs_are_refused",
        calls_that_no_step_needs_are_refused,
    ),
    (
        "settings_of_the_kernel_cannot_be_changed",
        settings_of_the_kernel_cannot_be_changed,
    ),
    (
        "the_kernel_says_that_it_filters",
        the_kernel_says_that_it_filters,
    ),
];

fn calls_that_no_step_needs_are_refused() {
    let said = says(&sandbox(&["probe", "--probe", "calls"]));
    let refused = [
        "user",
        "mounts",
        "network",
        "hostname",
        "mount",
        "unmount",
        "chroot",
        "ptrace",
        "pidfd_getfd",
    ];
    let mut expected: String = refused.map(|name| format!("{name} EPERM\n")).concat();
    // The kernel takes the signal for process 1 and drops it.
    expected += "kill 1 ok\n";
    assert_eq!(said, expected);
}

fn settings_of_the_kernel_cannot_be_changed() {
    let ran = run(&script(
        "for f in /proc/sys/kernel/core_pattern /proc/sys/vm/overcommit_memory /proc/sysrq-trigger \
         /proc/self/oom_score_adj; do (echo 0 > $f) 2>/dev/null && echo wrote $f; done; exit 0",
    ));
    assert_eq!(ran.out(), "");
}

fn the_kernel_says_that_it_filters() {
    let support = reproof_sandbox::support().unwrap();
    let status = says(&script("cat /proc/self/status"));
    assert_eq!(
        status.contains("Seccomp:\t2\n"),
        support.seccomp,
        "{status}"
    );
    let target = ["x86_64", "aarch64", "riscv64"].contains(&std::env::consts::ARCH);
    assert_eq!(support.seccomp, target);
}
