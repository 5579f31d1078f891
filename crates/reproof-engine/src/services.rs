//! What the engine takes from outside, so that it reads no environment, clock or terminal itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use reproof_capture::Runner;
use reproof_record::{Host, Timestamp};
use reproof_store::fs::Io;

use crate::EngineError;

/// How often a wait looks whether it should stop.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |elapsed| {
            i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
        }))
    }
}

/// Everything the engine takes from outside.
#[derive(Clone)]
pub struct Services {
    /// The file system.
    pub io: Arc<dyn Io>,
    /// Starts programs such as git.
    pub runner: Arc<dyn Runner + Send + Sync>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The machine.
    pub host: Host,
    /// Who is at work: the name of the account.
    pub user: String,
    /// Where a store shared by all projects of the user lies.
    pub data_home: Option<PathBuf>,
    /// Where the user's caches lie.
    pub cache_home: Option<PathBuf>,
    /// The folders in which programs are searched.
    pub search_path: Vec<PathBuf>,
    /// Where uv may lie, besides those folders and before them.
    pub uv: Vec<PathBuf>,
    /// The environment variables, of which a step gets those that it declares.
    pub variables: Arc<BTreeMap<String, String>>,
    /// The version of Reproof.
    pub version: String,
}

/// A request from outside to stop.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop as soon as may be.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Does something on a thread of its own and waits for it, but no longer than until stopping
    /// is asked for. The thread then goes on until the process ends.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            // Nobody listens any more once stopping was asked for.
            let _ = sender.send(work());
        });
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Timeout) if self.is_cancelled() => {
                    return Err(EngineError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Bug("a thread panicked".to_owned()));
                }
            }
        }
    }

    /// The flag itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether stopping was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
