//! The caller's side: starts the helper, passes its output on, cancels it.
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::entry::{SELF, outer_command, plain_command};
use crate::error::{SandboxError, Unsupported};
use crate::spec::{End, Finished, Sandbox, Stream, Traced, Usage};
use crate::support::{Support, explain};
use crate::watch::{GRACE, TICK};
use crate::wire::{GO, Order, Report, STOP, send};

/// Bytes that are passed on at once.
const PIECE: usize = 64 * 1024;
/// How long the helper, asked to end the process, may take beyond the process's own time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a process in a sandbox until nothing of it is left. `output` gets what it writes, in order for each
/// stream; while `output` works, the process waits once its pipe is full. `cancelled` is asked every 50 ms.
///
/// The calling thread must live as long as this takes: if it ends, or its process is killed, the kernel
/// ends the sandbox.
pub fn run(
    sandbox: &Sandbox,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancelled: &dyn Fn() -> bool,
) -> Result<Finished, SandboxError> {
    sandbox.check(true)?;
    let order = order(sandbox);
    let helper = Helper::start(&outer_command(sandbox.network), &order)?;
    finished(helper.talk(output, cancelled)?, sandbox)
}

/// Runs a process with the same variables, folder, limits, signals and end, but no sandbox: it sees the whole
/// machine, the mounts are not made, and paths are the host's. Where the kernel has Landlock, it can write only
/// where writable mounts come from, in `/tmp` and `/dev`. Needs no namespaces.
pub fn run_unconfined(
    sandbox: &Sandbox,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancelled: &dyn Fn() -> bool,
) -> Result<Finished, SandboxError> {
    sandbox.check(false)?;
    let helper = Helper::start(&plain_command(), &order(sandbox))?;
    finished(helper.talk(output, cancelled)?, sandbox)
}

/// Makes an empty sandbox to see whether this machine can, and what of.
pub fn support() -> Result<Support, Unsupported> {
    let helper = Helper::start(&outer_command(false), &Order::Probe);
    let told = helper.and_then(|helper| helper.talk(&mut |_, _| {}, &|| false));
    match told {
        Ok(Told {
            support: Some(support),
            ..
        }) => Ok(support),
        Ok(_) => Err(explain(&SandboxError::Lost(
            "it did not say what it can".to_owned(),
        ))),
        Err(error) => Err(explain(&error)),
    }
}

fn order(sandbox: &Sandbox) -> Order {
    static PLACE: AtomicU32 = AtomicU32::new(0);
    let before = PLACE.fetch_add(sandbox.threads, Ordering::Relaxed);
    // Other processes like this one begin elsewhere.
    let place = before.wrapping_add(std::process::id());
    Order::Run {
        sandbox: sandbox.clone(),
        place,
    }
}

fn finished(told: Told, sandbox: &Sandbox) -> Result<Finished, SandboxError> {
    match told.last {
        Some(Report::Finished(finished)) => Ok(finished),
        Some(Report::Refused(fault)) => {
            let program = sandbox.argv.first().cloned().unwrap_or_default();
            Err(SandboxError::Program { program, fault })
        }
        _ if told.cancelled => Ok(Finished {
            end: End::Cancelled,
            usage: Usage::default(),
            traced: Traced::default(),
        }),
        _ => Err(SandboxError::Lost(told.status)),
    }
}

/// What the helper said before it ended.
struct Told {
    support: Option<Support>,
    last: Option<Report>,
    cancelled: bool,
    status: String,
}

/// The helper process. Dropped before its end, it ends, and everything below it.
struct Helper {
    child: Child,
    socket: Option<UnixStream>,
    lines: Vec<u8>,
    support: Option<Support>,
    last: Option<Report>,
    /// Whether it was told to start the process, which only it can end then.
    started: bool,
    probes: bool,
    /// Since when the end is asked for.
    stopping: Option<Instant>,
}

impl Drop for Helper {
    fn drop(&mut self) {
        // With the socket closed it ends everything by itself.
        self.socket = None;
        let last = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < last {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Both fail once it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Helper {
    fn start(word: &str, order: &Order) -> Result<Self, SandboxError> {
        let (mut ours, theirs) = UnixStream::pair().map_err(SandboxError::Start)?;
        let mut command = Command::new(SELF);
        command.arg(word).env_clear().current_dir("/");
        command
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(SandboxError::Start)?;
        // The command holds the other end of the socket, whose closing is to be seen.
        drop(command);
        let mut helper = Self {
            child,
            socket: None,
            lines: Vec::new(),
            support: None,
            last: None,
            started: false,
            probes: matches!(order, Order::Probe),
            stopping: None,
        };
        match send(&mut ours, order) {
            // It has ended, and perhaps said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            sent => sent.map_err(SandboxError::Start)?,
        }
        helper.socket = Some(ours);
        Ok(helper)
    }

    /// Listens to the helper and passes the output on until both have ended.
    fn talk(
        mut self,
        output: &mut dyn FnMut(Stream, &[u8]),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Told, SandboxError> {
        let mut pipes = Pipes {
            out: self.child.stdout.take(),
            err: self.child.stderr.take(),
        };
        let mut buffer = vec![0; PIECE];
        while self.socket.is_some() {
            let ready = pipes
                .wait(self.socket.as_ref(), TICK)
                .map_err(SandboxError::Start)?;
            pipes.pass(&ready, &mut buffer, output);
            if ready.socket {
                self.listen(&mut buffer);
            }
            self.mind(cancelled);
        }
        let status = self.child.wait().map_err(SandboxError::Start)?;
        // All writers are gone, or were never ours; what they wrote is in the pipes.
        loop {
            let ready = pipes
                .wait(None, Duration::ZERO)
                .map_err(SandboxError::Start)?;
            if !ready.out && !ready.err {
                break;
            }
            pipes.pass(&ready, &mut buffer, output);
        }
        if let Some(Report::Failed(failure)) =
            self.last.take_if(|last| matches!(last, Report::Failed(_)))
        {
            return Err(SandboxError::Setup(failure));
        }
        Ok(Told {
            support: self.support.take(),
            last: self.last.take(),
            cancelled: self.stopping.is_some(),
            status: status.to_string(),
        })
    }

    fn listen(&mut self, buffer: &mut [u8]) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        match socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.socket = None,
            Ok(length) => {
                self.lines
                    .extend_from_slice(buffer.get(..length).unwrap_or_default());
                self.read_lines();
            }
        }
    }

    fn read_lines(&mut self) {
        while let Some(end) = self.lines.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.lines.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Report::Ready(support)) => self.ready(support),
                Ok(last) => self.last = Some(last),
                // Not from us: the end of the helper will say so.
                Err(_) => {}
            }
        }
    }

    /// The process may start if its parent still runs, for then it dies with it.
    fn ready(&mut self, support: Support) {
        self.support = Some(support);
        let runs = matches!(self.child.try_wait(), Ok(None));
        if runs && !self.probes {
            self.started = true;
            self.say(GO);
        } else {
            self.socket = None;
        }
    }

    fn say(&mut self, byte: u8) {
        if let Some(socket) = &mut self.socket {
            // If it has ended, the socket's end will say so.
            let _ = io::Write::write_all(socket, &[byte]);
        }
    }

    /// Asks for the end if the caller wants it, and does not wait for it for ever.
    fn mind(&mut self, cancelled: &dyn Fn() -> bool) {
        match self.stopping {
            None if cancelled() => {
                self.stopping = Some(Instant::now());
                if self.started {
                    self.say(STOP);
                } else {
                    let _ = self.child.kill();
                }
            }
            Some(since) if since.elapsed() > GRACE + PATIENCE => {
                let _ = self.child.kill();
            }
            _ => {}
        }
    }
}

/// The two outputs of the process; none once it is closed.
struct Pipes {
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
}

/// What can be read.
#[derive(Default)]
struct Ready {
    socket: bool,
    out: bool,
    err: bool,
}

impl Pipes {
    fn wait(&self, socket: Option<&UnixStream>, most: Duration) -> io::Result<Ready> {
        let fds = [
            socket.map(AsFd::as_fd),
            self.out.as_ref().map(AsFd::as_fd),
            self.err.as_ref().map(AsFd::as_fd),
        ];
        let watched = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut sources: Vec<PollFd<'_>> = fds.iter().flatten().copied().map(watched).collect();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(most.subsec_nanos()),
        };
        while let Err(error) = poll(&mut sources, Some(&timeout)) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        let mut ready = sources.iter().map(|source| !source.revents().is_empty());
        let mut next = |open: bool| open && ready.next().unwrap_or(false);
        Ok(Ready {
            socket: next(fds[0].is_some()),
            out: next(fds[1].is_some()),
            err: next(fds[2].is_some()),
        })
    }

    fn pass(&mut self, ready: &Ready, buffer: &mut [u8], output: &mut dyn FnMut(Stream, &[u8])) {
        if ready.out
            && !piece(self.out.as_mut(), buffer, &mut |bytes| {
                output(Stream::Out, bytes);
            })
        {
            self.out = None;
        }
        if ready.err
            && !piece(self.err.as_mut(), buffer, &mut |bytes| {
                output(Stream::Err, bytes);
            })
        {
            self.err = None;
        }
    }
}

/// Passes on what a pipe holds; false once it is closed.
fn piece(pipe: Option<&mut impl Read>, buffer: &mut [u8], output: &mut dyn FnMut(&[u8])) -> bool {
    let Some(pipe) = pipe else { return false };
    match pipe.read(buffer) {
        Err(error) => error.kind() == io::ErrorKind::Interrupted,
        Ok(0) => false,
        Ok(length) => {
            output(buffer.get(..length).unwrap_or_default());
            true
        }
    }
}
