//! Several requests at a time.

use super::{RemoteError, Watch};
use crate::each_at_once;

/// Does something with each item, several at a time, and gives what came of each, in order, unless it is
/// cancelled.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    watch: &dyn Watch,
    work: impl Fn(&T) -> Result<R, RemoteError> + Sync,
) -> Result<Vec<R>, RemoteError> {
    each_at_once(items, |item| {
        if watch.is_cancelled() {
            Err(RemoteError::Interrupted)
        } else {
            work(item)
        }
    })
}
