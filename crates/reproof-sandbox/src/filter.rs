//! The system calls that a step never needs, refused: a second wall behind the namespaces.
//!
//! What a program may try and do without is answered with "no such call", so that it does; the rest with "not
//! permitted".
use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::error::SetupFailure;

/// Mounts, keys, kernel code, other processes' memory, clocks, namespaces.
const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// What programs do without: `clone3`, whose flags no filter can see, and `io_uring`, which passes by filters.
const UNKNOWN: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
];

/// New namespaces, as flags of `clone` and `unshare`.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// Of `unshare` alone: in `clone` the bit belongs to the number of a signal.
const NEW_TIME: libc::c_int = 0x80;

/// Numbers of the x32 interface are the same with this bit, which the filter would not know.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;
/// Those that x32 numbers otherwise: `ptrace`, `process_vm_readv`, `process_vm_writev`, `kexec_load`.
#[cfg(target_arch = "x86_64")]
const X32_FORBIDDEN: &[libc::c_long] = &[X32 + 521, X32 + 539, X32 + 540, X32 + 528];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters this process and its children, for ever. False if there is no filter for this kind of processor.
pub(crate) fn apply() -> Result<bool, SetupFailure> {
    let Ok(target) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    let mut forbidden = always(FORBIDDEN);
    #[cfg(target_arch = "x86_64")]
    forbidden.extend(always(X32_FORBIDDEN));
    add_namespaces(&mut forbidden).map_err(|error| failure(&error))?;
    for (rules, errno) in [(forbidden, libc::EPERM), (always(UNKNOWN), libc::ENOSYS)] {
        install(rules, errno, target).map_err(|error| failure(&error))?;
    }
    Ok(true)
}

fn failure(error: &seccompiler::Error) -> SetupFailure {
    SetupFailure {
        step: format!("filter system calls ({error})"),
        path: None,
        errno: 0,
    }
}

fn install(rules: Rules, errno: i32, target: TargetArch) -> Result<(), seccompiler::Error> {
    let refuse = SeccompAction::Errno(errno as u32);
    let rules = rules.into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}

/// The numbers of a call: under x86-64, those of x32, too.
fn numbers(call: libc::c_long) -> impl Iterator<Item = i64> {
    #[cfg(target_arch = "x86_64")]
    let numbers = [call, call | X32].into_iter();
    #[cfg(not(target_arch = "x86_64"))]
    let numbers = [call].into_iter();
    numbers
}

/// No conditions: whatever the arguments.
fn always(calls: &[libc::c_long]) -> Rules {
    calls
        .iter()
        .flat_map(|&call| numbers(call))
        .map(|number| (number, Vec::new()))
        .collect()
}

fn add_namespaces(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    let clone = flag_rules(NAMESPACES.iter().copied())?;
    let unshare = flag_rules(NAMESPACES.iter().copied().chain([NEW_TIME]))?;
    for (call, flags) in [(libc::SYS_clone, clone), (libc::SYS_unshare, unshare)] {
        rules.extend(numbers(call).map(|number| (number, flags.clone())));
    }
    Ok(())
}

/// One rule for each flag: any of them is enough.
fn flag_rules(
    flags: impl Iterator<Item = libc::c_int>,
) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let rule = |flag: libc::c_int| {
        let flag = u64::from(flag as u32);
        let set = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, set, flag)?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    flags.map(rule).collect()
}
