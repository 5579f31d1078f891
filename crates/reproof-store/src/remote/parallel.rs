//! Several requests at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{RemoteError, Watch};
use crate::packer::lock;

/// How many requests are under way at once.
pub(super) const REQUESTS: usize = 8;

/// Does something with each item, several at a time, and gives what came of each, in order. The
/// first error ends it.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    watch: &dyn Watch,
    work: impl Fn(&T) -> Result<R, RemoteError> + Sync,
) -> Result<Vec<R>, RemoteError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<RemoteError>> = Mutex::new(None);
    let mut empty: Vec<Option<R>> = Vec::new();
    empty.resize_with(items.len(), || None);
    let done = Mutex::new(empty);
    let serve = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = if watch.is_cancelled() {
                Err(RemoteError::Interrupted)
            } else {
                work(item)
            };
            match result {
                Ok(result) => lock(&done)[index] = Some(result),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    lock(&failed).get_or_insert(error);
                }
            }
        }
    };
    let threads = REQUESTS.min(items.len());
    if threads < 2 {
        serve();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(serve);
            }
        });
    }
    if let Some(error) = lock(&failed).take() {
        return Err(error);
    }
    let done = std::mem::take(&mut *lock(&done));
    Ok(done.into_iter().flatten().collect())
}
