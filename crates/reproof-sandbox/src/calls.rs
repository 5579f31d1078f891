//! The system calls that name a path, and the filter by which each of them is told.
use nix::libc::{self, c_long, sock_filter};

/// Where the path of a call is, and what it is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The argument with the folder's descriptor; none if it is the working folder.
    pub folder: Option<usize>,
    /// The argument with the path's address.
    pub path: usize,
    /// The argument with the flags of an opening.
    pub opening: Option<usize>,
}

const fn at(path: usize) -> Shape {
    Shape {
        folder: None,
        path,
        opening: None,
    }
}

/// The path follows the folder's descriptor.
const BESIDE: Shape = Shape {
    folder: Some(0),
    path: 1,
    opening: None,
};

/// What asks whether a path is there, or for what is in it. What only makes, changes or removes a file is not
/// here.
const CALLS: &[(c_long, Shape)] = &[
    (
        libc::SYS_openat,
        Shape {
            folder: Some(0),
            path: 1,
            opening: Some(2),
        },
    ),
    // Before all others: the most frequent.
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, at(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, at(0)),
    #[cfg(target_arch = "x86_64")]
    (
        libc::SYS_open,
        Shape {
            folder: None,
            path: 0,
            opening: Some(1),
        },
    ),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, at(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, at(0)),
    (libc::SYS_openat2, BESIDE),
    (libc::SYS_faccessat, BESIDE),
    (libc::SYS_faccessat2, BESIDE),
    (libc::SYS_readlinkat, BESIDE),
    (libc::SYS_execve, at(0)),
    (libc::SYS_execveat, BESIDE),
    (libc::SYS_chdir, at(0)),
];

/// The same, with the argument that holds their flags. With `AT_EMPTY_PATH` they look at an open file, which is
/// how the C library asks for its facts, and so are not told.
const WITH_FLAGS: &[(c_long, Shape, u32)] = &[
    (libc::SYS_newfstatat, BESIDE, 3),
    (libc::SYS_statx, BESIDE, 2),
];

/// Where the path of a call is that was told.
pub(crate) fn shape(call: c_long) -> Option<Shape> {
    let plain = CALLS.iter().find(|(number, _)| *number == call);
    let with_flags = WITH_FLAGS.iter().find(|(number, ..)| *number == call);
    plain
        .map(|(_, shape)| *shape)
        .or(with_flags.map(|(_, shape, _)| *shape))
}

/// Whether this call starts another program.
pub(crate) fn executes(call: c_long) -> bool {
    call == libc::SYS_execve || call == libc::SYS_execveat
}

/// Whether the flags of an opening ask for the making of a file, or for nothing but writing.
pub(crate) fn only_writes(flags: u64) -> bool {
    let flags = flags as libc::c_int;
    flags & libc::O_CREAT != 0 || flags & libc::O_ACCMODE == libc::O_WRONLY
}

/// The kernel's name for this kind of processor, where calls are told.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// Offsets in what a filter sees: the call's number, the architecture, the low half of an argument.
const NUMBER: u32 = 0;
const KIND: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The filter: these calls are told, all others are let through, as are those of another architecture and of
/// x32, whose numbers are others; what must not be called of them, another filter refuses. None where the kind
/// of processor is not known here.
pub(crate) fn program() -> Option<Vec<sock_filter>> {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let set = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    let end = (libc::BPF_RET | libc::BPF_K) as u16;
    let make = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let allow = make(end, libc::SECCOMP_RET_ALLOW, 0, 0);
    let tell = make(end, libc::SECCOMP_RET_USER_NOTIF, 0, 0);
    let mut program = vec![
        make(load, KIND, 0, 0),
        make(equal, ARCHITECTURE?, 1, 0),
        allow,
        make(load, NUMBER, 0, 0),
    ];
    for (number, _) in CALLS {
        program.extend([make(equal, *number as u32, 0, 1), tell]);
    }
    for (number, _, flags) in WITH_FLAGS {
        program.extend([
            make(equal, *number as u32, 0, 4),
            make(load, ARGUMENTS + 8 * flags, 0, 0),
            make(set, libc::AT_EMPTY_PATH as u32, 0, 1),
            allow,
            tell,
        ]);
    }
    program.push(allow);
    Some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_there_once() {
        let plain = CALLS.iter().map(|(number, _)| *number);
        let all: Vec<_> = plain.chain(WITH_FLAGS.iter().map(|call| call.0)).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|call| shape(*call).is_some()));
        assert_eq!(shape(libc::SYS_read), None);
    }

    #[test]
    fn a_file_that_is_made_is_not_asked_for() {
        for (flags, expected) in [
            (libc::O_RDONLY, false),
            (libc::O_RDWR, false),
            (libc::O_WRONLY, true),
            (libc::O_RDWR | libc::O_CREAT, true),
            (libc::O_RDONLY | libc::O_DIRECTORY, false),
        ] {
            assert_eq!(only_writes(flags as u64), expected, "{flags}");
        }
    }
}
