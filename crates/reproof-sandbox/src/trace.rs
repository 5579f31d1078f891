//! Watches for which of some paths a process asks that were not given to it, by the kernel's notifications of system
//! calls.
//!
//! Nothing is refused and nothing decided: each call goes on as it would have. What is seen helps a person and
//! changes no result.
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::calls;
use crate::listener::{Listener, Notification};
use crate::spec::{Missed, Sandbox, Traced, is_beneath};
use crate::support::kernel;

/// How many paths are kept.
const MOST_PATHS: usize = 4096;
/// How many bytes of paths are kept.
const MOST_BYTES: usize = 1 << 20;
/// The longest path that the kernel takes, with the zero byte at its end.
const LONGEST: usize = 4096;
/// Enough of most paths.
const SHORT: usize = 256;
/// Threads whose memory is kept open.
const MOST_OPEN: usize = 64;
/// A descriptor that means the working folder.
const WORKING_FOLDER: i32 = nix::libc::AT_FDCWD;

/// What is seen of a process.
#[derive(Debug)]
pub(crate) enum Trace {
    /// Nobody asked.
    Off,
    /// It cannot be watched.
    Unavailable(String),
    /// It is being watched.
    On(Arc<Mutex<Seen>>),
}

impl Trace {
    /// What was seen of a process of which nothing is left.
    pub(crate) fn finish(self) -> Traced {
        match self {
            Self::Off => Traced::No,
            Self::Unavailable(why) => Traced::Unavailable(why),
            Self::On(seen) => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let seen = std::mem::take(&mut *seen);
                match seen.unreadable {
                    Some(errno) if !seen.readable => Traced::Unavailable(format!(
                        "the kernel does not let it read the program's memory: {}",
                        io::Error::from(errno)
                    )),
                    _ => Traced::Missed(seen.missed),
                }
            }
        }
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    missed: Missed,
    bytes: usize,
    /// Whether any path could be read.
    readable: bool,
    /// Why one could not.
    unreadable: Option<Errno>,
}

/// Starts a process and watches it. The process starts as well where it cannot be watched.
///
/// A filter holds for a thread and what that starts. So the process is started by a thread of its own, whose
/// filter this one, which watches the limits, does not share.
pub(crate) fn spawn(
    command: &mut Command,
    sandbox: &Sandbox,
    confined: bool,
) -> (io::Result<Child>, Trace) {
    if sandbox.watched.is_empty() {
        return (command.spawn(), Trace::Off);
    }
    let unavailable = |error: &io::Error| Trace::Unavailable(explain(error));
    let (give, take) = channel();
    // Before the filter is there, since what it holds back waits for this thread.
    let seen = match start_watcher(sandbox, confined, take) {
        Ok(seen) => seen,
        Err(error) => return (command.spawn(), unavailable(&error)),
    };
    let started = std::thread::scope(|scope| {
        let starter = std::thread::Builder::new().spawn_scoped(scope, || {
            let installed = install(&give);
            (command.spawn(), installed)
        });
        starter.map(std::thread::ScopedJoinHandle::join)
    });
    match started {
        Ok(Ok((child, Ok(())))) => (child, Trace::On(seen)),
        Ok(Ok((child, Err(error)))) => (child, unavailable(&error)),
        // It panicked, which the process's missing start says.
        Ok(Err(_)) => (Err(io::ErrorKind::Other.into()), Trace::Off),
        Err(error) => (command.spawn(), unavailable(&error)),
    }
}

fn install(give: &Sender<Listener>) -> io::Result<()> {
    // Before, a call that was told could not go on as it was.
    if kernel() < (5, 5) {
        return Err(io::Error::from_raw_os_error(nix::libc::ENOSYS));
    }
    let mut program = calls::program().ok_or(io::ErrorKind::Unsupported)?;
    let listener = Listener::install(&mut program)?;
    // The watcher waits for it, and ends only after that.
    let _ = give.send(listener);
    Ok(())
}

fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(nix::libc::EBUSY) => {
            "another program already watches the system calls of this one".to_owned()
        }
        Some(nix::libc::EINVAL | nix::libc::ENOSYS) => {
            "the kernel has no notifications of system calls, which came with Linux 5.5".to_owned()
        }
        _ => format!("the kernel does not let system calls be watched: {error}"),
    }
}

fn start_watcher(
    sandbox: &Sandbox,
    confined: bool,
    take: Receiver<Listener>,
) -> io::Result<Arc<Mutex<Seen>>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    // A root of its own holds nothing but what was given.
    let from = sandbox.mounts.iter().map(|mount| mount.from.as_path());
    let given = from.filter_map(Path::to_str).map(str::to_owned);
    let mut watcher = Watcher {
        watched: sandbox.watched.clone(),
        given: if confined {
            vec!["/".to_owned()]
        } else {
            given.collect()
        },
        memory: BTreeMap::new(),
        readable: false,
        seen: Arc::clone(&seen),
    };
    // It is not joined: it ends with the last filtered process, or with this one.
    std::thread::Builder::new().spawn(move || {
        // Signals are for the thread that waits for them.
        let _ = SigSet::all().thread_block();
        if let Ok(listener) = take.recv() {
            watcher.watch(&listener);
        }
    })?;
    Ok(seen)
}

struct Watcher {
    watched: Vec<String>,
    /// What is there at or below these paths was given.
    given: Vec<String>,
    /// The memory of the threads that called last.
    memory: BTreeMap<u32, OwnedFd>,
    /// Whether any memory could be read.
    readable: bool,
    seen: Arc<Mutex<Seen>>,
}

impl Watcher {
    fn watch(&mut self, listener: &Listener) {
        loop {
            match listener.receive() {
                Ok(notification) => {
                    if let Some(path) = self.asked(&notification)
                        && listener.still_waits(notification.id)
                    {
                        self.note(path);
                    }
                    // It fails where the thread has ended meanwhile.
                    let _ = listener.let_go(notification.id);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The thread has ended before its call was looked at; or all have.
                Err(_) if is_over(listener) => return,
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// The path that a call asks for, if it is one of those that are watched.
    fn asked(&mut self, notification: &Notification) -> Option<String> {
        let Notification {
            thread, arguments, ..
        } = *notification;
        let shape = calls::shape(notification.call)?;
        let opening = shape.opening.and_then(|flags| arguments.get(flags));
        if opening.is_some_and(|flags| calls::only_writes(*flags)) {
            return None;
        }
        let path = self.text(thread, *arguments.get(shape.path)?);
        if calls::executes(notification.call) {
            // From here on the thread's memory is another.
            self.memory.clear();
        }
        let path = path.filter(|path| !path.is_empty())?;
        if path.starts_with('/') {
            return self.watched(&path);
        }
        let folder = shape.folder.and_then(|folder| arguments.get(folder));
        // Only the low half of it counts.
        let folder = folder.map_or(WORKING_FOLDER, |folder| *folder as i32);
        let folder = match folder {
            WORKING_FOLDER => format!("/proc/{thread}/cwd"),
            number => format!("/proc/{thread}/fd/{number}"),
        };
        let folder = readlinkat(CWD, folder, Vec::new())
            .ok()?
            .into_string()
            .ok()?;
        self.watched(&format!("{folder}/{path}"))
    }

    /// A path without `.`, `..` and empty parts, if it is watched.
    fn watched(&self, path: &str) -> Option<String> {
        // Most are discarded by this alone.
        let plain = !path.contains("/.") && !path.contains("//");
        let begins = |watched: &String| path.starts_with(watched.as_str());
        if plain && !self.watched.iter().any(begins) {
            return None;
        }
        let path = normalise(path);
        let holds = |watched: &String| path == *watched || is_beneath(&path, watched);
        self.watched.iter().any(holds).then_some(path)
    }

    /// Keeps a path that was not given.
    fn note(&self, path: String) {
        let mut seen = self.lock();
        let mut given = self.given.iter();
        let given = given.any(|given| path == *given || is_beneath(&path, given));
        if seen.missed.paths.contains(&path)
            || given && statat(CWD, &path, AtFlags::empty()).is_ok()
        {
            return;
        }
        if seen.missed.paths.len() >= MOST_PATHS || seen.bytes + path.len() > MOST_BYTES {
            seen.missed.more = true;
            return;
        }
        seen.bytes += path.len();
        seen.missed.paths.insert(path);
    }

    /// The text at an address of a thread's memory; none if it cannot be read or is not UTF-8.
    fn text(&mut self, thread: u32, address: u64) -> Option<String> {
        let mut bytes = self.read(thread, address, SHORT)?;
        if !bytes.contains(&0) {
            bytes = self.read(thread, address, LONGEST)?;
        }
        let end = bytes.iter().position(|&byte| byte == 0)?;
        bytes.truncate(end);
        String::from_utf8(bytes).ok()
    }

    /// At most so many bytes of a thread's memory.
    fn read(&mut self, thread: u32, address: u64, most: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; most];
        // The first time the memory may be that of the program before.
        for _ in 0..2 {
            let length = self
                .open(thread)
                .and_then(|memory| rustix::io::pread(memory, bytes.as_mut_slice(), address));
            match length {
                Ok(length) if length > 0 => {
                    self.found_readable();
                    bytes.truncate(length);
                    return Some(bytes);
                }
                Ok(_) => {}
                Err(error) => self.lock().unreadable = Some(error),
            }
            self.memory.remove(&thread);
        }
        None
    }

    fn open(&mut self, thread: u32) -> Result<&OwnedFd, Errno> {
        if self.memory.len() >= MOST_OPEN && !self.memory.contains_key(&thread) {
            self.memory.clear();
        }
        match self.memory.entry(thread) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(place) => {
                let path = format!("/proc/{thread}/mem");
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                Ok(place.insert(openat(CWD, path, flags, Mode::empty())?))
            }
        }
    }

    fn found_readable(&mut self) {
        if !self.readable {
            self.readable = true;
            self.lock().readable = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all filtered threads have ended, or the listener cannot be used.
fn is_over(listener: &Listener) -> bool {
    let mut source = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let ended = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    match poll(&mut source, Some(&now)) {
        Ok(_) => source
            .iter()
            .any(|source| source.revents().intersects(ended)),
        Err(error) => error != Errno::INTR,
    }
}

/// An absolute path without empty parts, `.` and `..`. Links in it stay as they are: what a person wrote is what
/// helps.
fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher(watched: &[&str]) -> Watcher {
        Watcher {
            watched: watched.iter().map(|&path| path.to_owned()).collect(),
            given: vec!["/proc".to_owned()],
            memory: BTreeMap::new(),
            readable: false,
            seen: Arc::default(),
        }
    }

    #[test]
    fn paths_are_watched_by_their_parts() {
        let watcher = watcher(&["/code", "/home/me/project"]);
        for (path, expected) in [
            ("/code", Some("/code")),
            ("/code/a.csv", Some("/code/a.csv")),
            ("/code//x/../a.csv", Some("/code/a.csv")),
            ("/usr/../code/./a", Some("/code/a")),
            ("/home/me/project/data/", Some("/home/me/project/data")),
            ("/codes/a", None),
            ("/code/../etc/passwd", None),
            ("/usr/lib/python3.11/os.py", None),
            ("/", None),
        ] {
            assert_eq!(watcher.watched(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn only_what_was_not_given_is_kept_and_not_without_end() {
        let watcher = watcher(&["/"]);
        watcher.note("/proc/self".to_owned());
        watcher.note("/dev/null".to_owned());
        for number in 0..MOST_PATHS + 5 {
            watcher.note(format!("/missing/{number}"));
        }
        let seen = watcher.lock();
        assert_eq!(seen.missed.paths.len(), MOST_PATHS);
        assert!(seen.missed.more);
        assert!(!seen.missed.paths.contains("/proc/self"));
        assert!(seen.missed.paths.contains("/dev/null"));
    }
}
