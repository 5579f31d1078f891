//! The kernel's notifications of system calls: the only calls that no crate makes for us safely.
//!
//! A filter with a listener lets a system call wait until whoever holds the listener has looked at it. What
//! wraps this elsewhere needs a C library, or leaves the installation `unsafe` to its caller as well.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc::{
    self, c_long, c_ulong, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog,
};

/// Newer than the headers: while the caller waits its listener's holder is woken on the same processor.
const SYNC_WAKE_UP: u64 = 1;

/// Where the calls of filtered threads are told.
pub(crate) struct Listener(OwnedFd);

/// One call that waits.
pub(crate) struct Notification {
    /// Its number, for the answer.
    pub id: u64,
    /// The thread that makes it, in the namespace of the reader.
    pub thread: u32,
    /// Which call it is.
    pub call: c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
}

impl Listener {
    /// Filters this thread, and what it starts, for ever. Without privileges that works only once new ones are
    /// refused (`no_new_privs`).
    pub(crate) fn install(program: &mut [sock_filter]) -> io::Result<Self> {
        let plain = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // From Linux 5.19 on a signal does not interrupt a call whose notification was taken.
        let calm = plain | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        let listener = match install(program, calm) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install(program, plain)?,
            installed => installed?,
        };
        // From Linux 6.6 on; without it all is the same, only slower.
        // SAFETY: the descriptor is open, and this request takes a number and no pointer.
        let _ = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SYNC_WAKE_UP,
            )
        };
        Ok(Self(listener))
    }

    /// Waits for the next call. `NotFound` if the thread that made it is gone.
    pub(crate) fn receive(&self) -> io::Result<Notification> {
        let mut told = seccomp_notif {
            id: 0,
            pid: 0,
            flags: 0,
            data: libc::seccomp_data {
                nr: 0,
                arch: 0,
                instruction_pointer: 0,
                args: [0; 6],
            },
        };
        // SAFETY: the request's number holds the size of this type, to which alone the kernel writes, and which
        // is valid for any bytes.
        let done = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut told,
            )
        };
        check(c_long::from(done))?;
        Ok(Notification {
            id: told.id,
            thread: told.pid,
            call: c_long::from(told.data.nr),
            arguments: told.data.args,
        })
    }

    /// Whether the thread still waits, so that what was read of it was its own.
    pub(crate) fn still_waits(&self, id: u64) -> bool {
        // SAFETY: the request's number holds the size of a `u64`, which the kernel only reads.
        let valid = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const id,
            )
        };
        valid == 0
    }

    /// Lets the call go on as if nobody had looked. This is the only answer that is ever given: nothing is
    /// decided here. So it does no harm if the thread's memory changes between the look and the call, which
    /// would make a decision worthless.
    pub(crate) fn let_go(&self, id: u64) -> io::Result<()> {
        let mut answer = seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the request's number holds the size of this type, which is all that the kernel reads.
        let done = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw mut answer,
            )
        };
        check(c_long::from(done)).map(|_| ())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn install(program: &mut [sock_filter], flags: c_ulong) -> io::Result<OwnedFd> {
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the pointer and the length are those of a slice that lives through the call, of which the kernel
    // makes a copy, and which it checks.
    let made = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    let made = check(made)?;
    // SAFETY: with this flag a result that is no error is a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(made as i32) })
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
