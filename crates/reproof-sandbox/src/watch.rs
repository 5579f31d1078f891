//! Waits for the end of a process, brings it about where a limit or the caller says so, and leaves nothing of
//! it behind.
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use nix::sys::signal::{self, SigSet, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, WaitOptions, WaitStatus};

use crate::spec::{End, Finished, Limits, Usage};
use crate::trace::Trace;
use crate::tree::{self, Memory};
use crate::wire::{Report, STOP, receive_byte, send};

/// How often limits are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often processes are counted where the kernel does not refuse them.
const SHORT_TICK: Duration = Duration::from_millis(10);
/// How long a process has to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A running process.
pub(crate) struct Watch {
    payload: i32,
    limits: Limits,
    start: Instant,
    confined: bool,
    socket: UnixStream,
    signals: SignalFd,
    memory: Memory,
    tick: Duration,
    next: Instant,
    /// Why it is being ended, and when it is killed.
    ending: Option<(End, Instant)>,
    /// How it ended by itself.
    status: Option<WaitStatus>,
    trace: Trace,
}

impl Watch {
    /// Begins to watch a process that was just started.
    pub(crate) fn new(
        child: &Child,
        limits: &Limits,
        start: Instant,
        confined: bool,
        socket: UnixStream,
        trace: Trace,
    ) -> io::Result<Self> {
        // Only now, as the process would have inherited it.
        let mut mask = SigSet::empty();
        mask.add(signal::Signal::SIGCHLD);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let payload = child.id() as i32;
        limit_cpu(payload, limits);
        let tick = if limits.processes.is_some() {
            SHORT_TICK
        } else {
            TICK
        };
        Ok(Self {
            payload,
            limits: *limits,
            start,
            confined,
            socket,
            signals,
            memory: Memory::new(limits.memory),
            tick,
            next: start + tick,
            ending: None,
            status: None,
            trace,
        })
    }

    /// Waits for the end and reports it.
    pub(crate) fn until_the_end(mut self) -> io::Result<()> {
        self.reap();
        while self.status.is_none() {
            self.wait()?;
            self.reap();
            if self.status.is_none() && Instant::now() >= self.next {
                self.look();
                self.next = Instant::now() + self.tick;
            }
        }
        let wall = self.start.elapsed();
        self.clear();
        let usage = self.usage(wall)?;
        let end = self.end(&usage);
        let traced = self.trace.finish();
        let finished = Finished { end, usage, traced };
        send(&mut self.socket, &Report::Finished(finished))
    }

    /// Ends it because the caller asks for it.
    pub(crate) fn cancel(&mut self) {
        self.stop(End::Cancelled);
    }

    /// Until something happens, or the next look is due.
    fn wait(&mut self) -> io::Result<()> {
        let mut sources = [
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN),
        ];
        let left = self.next.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut sources, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let asked = sources
            .last()
            .is_some_and(|source| !source.revents().is_empty());
        while let Ok(Some(_)) = self.signals.read_signal() {}
        if asked {
            self.hear()?;
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        match receive_byte(&mut self.socket) {
            Ok(Some(STOP)) => self.cancel(),
            Ok(Some(_)) => {}
            // The caller is gone, so nobody needs what the process does.
            gone => {
                self.clear();
                gone?;
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }

    /// Takes note of every process that has ended.
    fn reap(&mut self) {
        while let Ok(Some((id, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if id.as_raw_nonzero().get() == self.payload {
                self.status = Some(status);
            }
        }
    }

    fn look(&mut self) {
        if let Some(limit) = self.limits.processes.filter(|_| self.confined)
            && tree::count() > limit.saturating_add(1)
        {
            // Process 1 is one of them. Reading what each does would give them time for more.
            self.kill(End::Processes { limit });
        }
        let processes = tree::descendants(std::process::id() as i32);
        let used = self.memory.look(&processes, self.files());
        if let (Some(limit), Some(used)) = (self.limits.memory, used) {
            self.kill(End::Memory { limit, used });
        }
        if let Some(limit) = self.limits.processes
            && tree::threads(&processes) > limit
        {
            self.kill(End::Processes { limit });
        }
        if let Some(limit) = self.limits.cpu_seconds
            && reaped() + tree::cpu(&processes) >= Duration::from_secs(limit)
        {
            self.stop(End::Cpu { limit });
        }
        if let Some(limit) = self.limits.wall
            && self.start.elapsed() >= limit
        {
            self.stop(End::Wall { limit });
        }
        if self.ending.is_some_and(|(_, last)| Instant::now() >= last) {
            self.kill_all();
        }
    }

    /// Bytes of the files that are in memory.
    fn files(&self) -> u64 {
        if !self.confined {
            return 0;
        }
        let used = |path: &str| {
            let facts = rustix::fs::statvfs(path).ok()?;
            Some(
                facts
                    .f_blocks
                    .saturating_sub(facts.f_bfree)
                    .saturating_mul(facts.f_frsize),
            )
        };
        ["/tmp", "/dev/shm"].into_iter().filter_map(used).sum()
    }

    /// Asks the process to end; it is killed later if it does not.
    fn stop(&mut self, end: End) {
        if self.ending.is_none() {
            self.ending = Some((end, Instant::now() + GRACE));
            // It may be gone already.
            let group = Pid::from_raw(self.payload);
            let _ = killpg(group, signal::Signal::SIGTERM);
            let _ = killpg(group, signal::Signal::SIGCONT);
        }
    }

    /// Ends everything now.
    fn kill(&mut self, end: End) {
        self.ending.get_or_insert((end, Instant::now()));
        self.kill_all();
    }

    fn kill_all(&self) {
        if self.confined {
            // All processes of the namespace but process 1, in one go: no child can be born meanwhile.
            let _ = kill(Pid::from_raw(-1), signal::Signal::SIGKILL);
            return;
        }
        for process in tree::descendants(std::process::id() as i32) {
            let _ = kill(Pid::from_raw(process.id), signal::Signal::SIGKILL);
        }
    }

    /// Ends what is left and waits for it, so that its use of resources is known.
    fn clear(&mut self) {
        loop {
            self.kill_all();
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((id, status))) if id.as_raw_nonzero().get() == self.payload => {
                    self.status = Some(status);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
            }
        }
    }

    fn usage(&self, wall: Duration) -> io::Result<Usage> {
        let (user, system, largest) = tree::rusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(Usage {
            user,
            system,
            wall,
            peak_memory: self.memory.peak.max(largest),
        })
    }

    fn end(&self, usage: &Usage) -> End {
        if let Some((end, _)) = self.ending {
            return end;
        }
        if let Some(limit) = self.limits.cpu_seconds
            && usage.user + usage.system >= Duration::from_secs(limit)
            && self.status.is_some_and(|status| !status.exited())
        {
            // The kernel was faster.
            return End::Cpu { limit };
        }
        let status = self.status;
        match status.and_then(WaitStatus::exit_status) {
            Some(code) => End::Exited(code),
            None => End::Signalled(status.and_then(WaitStatus::terminating_signal).unwrap_or(9)),
        }
    }
}

/// The kernel's own limit, which a process that keeps this one from running would meet.
fn limit_cpu(payload: i32, limits: &Limits) {
    if let (Some(seconds), Some(id)) = (limits.cpu_seconds, rustix::process::Pid::from_raw(payload))
    {
        let limit = Rlimit {
            // A second later, so that it is seldom the first.
            current: Some(seconds.saturating_add(1)),
            maximum: Some(seconds.saturating_add(GRACE.as_secs())),
        };
        // It may have ended already.
        let _ = rustix::process::prlimit(Some(id), Resource::Cpu, limit);
    }
}

/// CPU time of the processes that have ended and been waited for.
fn reaped() -> Duration {
    let used = tree::rusage(UsageWho::RUSAGE_CHILDREN);
    used.map_or(Duration::ZERO, |(user, system, _)| user + system)
}
