//! Several things at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::packer::lock;

/// How many requests to a server are under way at once.
const REQUESTS: usize = 8;

/// Asks a server something for each item, several at a time, and gives what came of each, in order. The
/// first error ends it.
///
/// # Errors
/// That of `work`.
pub fn each_at_once<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<E>> = Mutex::new(None);
    let mut empty: Vec<Option<R>> = Vec::new();
    empty.resize_with(items.len(), || None);
    let done = Mutex::new(empty);
    let serve = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            match work(item) {
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
