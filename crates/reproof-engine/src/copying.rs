//! From one store to another.

use std::io::copy;

use reproof_record::Digest;
use reproof_store::{Store, StoreError};

use crate::{Cancel, EngineError};

/// How many bytes are put into the store before they are made durable.
const ROUND: u64 = 256 << 20;

/// Copies blobs from one store to another, and makes them durable in steps.
pub(crate) fn take<'a>(
    to: &Store,
    from: &Store,
    blobs: impl Iterator<Item = &'a Digest>,
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let mut batch = to.batch();
    let mut size = 0;
    for blob in blobs {
        if cancel.is_cancelled() {
            return Err(EngineError::Interrupted);
        }
        let mut writer = batch.writer()?;
        let copied = copy(&mut from.reader(blob)?, &mut writer);
        size += copied.map_err(|error| {
            StoreError::from_io(error).unwrap_or_else(|error| {
                reproof_store::fs::IoError::new("copy", from.root(), error).into()
            })
        })?;
        batch.add(writer)?;
        if size > ROUND {
            std::mem::replace(&mut batch, to.batch()).commit()?;
            size = 0;
        }
    }
    Ok(batch.commit()?)
}
