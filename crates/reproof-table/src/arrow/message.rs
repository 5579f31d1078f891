//! The messages of which an Arrow stream is made, looked at before the library trusts them.

use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{MessageHeader, RecordBatch, root_as_footer, root_as_message};

use super::Arrow;
use crate::TableError;
use crate::columnar::Columnar;

/// What a file begins and ends with.
pub(super) const MAGIC: &[u8; 6] = b"ARROW1";
/// What the length of a message is written after since version 0.15.
const CONTINUES: [u8; 4] = [0xff; 4];
/// The end of a stream.
pub(super) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// The largest head of a message, in bytes: many thousand columns.
const MAX_HEAD: usize = 256 << 20;
/// The largest buffer of a batch, unpacked, in bytes.
const MAX_BUFFER: i64 = 4 << 30;

/// Where a message lies.
pub(super) struct Message {
    pub kind: MessageHeader,
    place: u64,
    /// The bytes of its length and its head.
    head: usize,
    /// The bytes of its body.
    body: usize,
}

impl Message {
    /// The message at a place; none at the end of a stream. A body that does not fit the file or
    /// the memory is an error.
    pub fn read(source: &Arrow<'_>, place: u64) -> Result<Option<Self>, TableError> {
        let size = source.chunks.size();
        // A stream may just end.
        if place == size {
            return Ok(None);
        }
        let mut prefix = 4;
        let mut length = source.bytes(place, 4)?;
        if length == CONTINUES {
            prefix = 8;
            length = source.bytes(place + 4, 4)?;
        }
        let length = length.try_into().map_or(0, u32::from_le_bytes) as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > MAX_HEAD {
            return Err(source.damaged(format!("a message has a head of {length} bytes")));
        }
        let head = source.bytes(place + prefix as u64, length)?;
        let message = root_as_message(&head);
        let message = message.map_err(|error| {
            source.damaged(format!("the message at byte {place} is damaged: {error}"))
        })?;
        let begin = place + (prefix + length) as u64;
        let body = u64::try_from(message.bodyLength()).ok();
        let body = body.filter(|body| size.saturating_sub(begin) >= *body);
        let body = body.and_then(|body| usize::try_from(body).ok());
        let body = body.ok_or_else(|| source.damaged("it ends in a batch of rows".to_owned()))?;
        let batch = message.header_as_record_batch();
        let dictionary = message.header_as_dictionary_batch();
        if let Some(batch) = batch.or_else(|| dictionary.and_then(|batch| batch.data())) {
            check_unpacked(source, &batch, begin)?;
        }
        Ok(Some(Self {
            kind: message.header_type(),
            place,
            head: prefix + length,
            body,
        }))
    }

    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.place + (self.head + self.body) as u64
    }

    /// All its bytes.
    pub fn bytes(&self, source: &Arrow<'_>) -> Result<Vec<u8>, TableError> {
        source.bytes(self.place, self.head + self.body)
    }
}

/// What a damaged batch claims to be when it is unpacked must not become memory.
fn check_unpacked(
    source: &Arrow<'_>,
    batch: &RecordBatch<'_>,
    body: u64,
) -> Result<(), TableError> {
    if batch.compression().is_none() {
        return Ok(());
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let place = u64::try_from(buffer.offset()).unwrap_or(u64::MAX);
        if buffer.length() < 8 {
            continue;
        }
        let size = source.bytes(body.saturating_add(place), 8)?;
        let size = size.try_into().map_or(0, i64::from_le_bytes);
        if size > MAX_BUFFER {
            return Err(source.damaged(format!(
                "a column of one batch has {size} bytes: write batches of fewer rows"
            )));
        }
    }
    Ok(())
}

/// The places of the batches that the directory at the end of a file names.
pub(super) fn directory(source: &Arrow<'_>) -> Result<Vec<u64>, TableError> {
    let damaged = || source.damaged("the directory at its end is damaged".to_owned());
    let end = source.chunks.size().checked_sub(10).ok_or_else(damaged)?;
    let tail = source.bytes(end, 10)?.try_into().map_err(|_| damaged())?;
    let length = read_footer_length(tail).map_err(|_| damaged())?;
    let begin = end.checked_sub(length as u64).ok_or_else(damaged)?;
    let bytes = source.bytes(begin, length)?;
    let footer = root_as_footer(&bytes).map_err(|_| damaged())?;
    let places = footer.recordBatches().into_iter().flatten();
    places
        .map(|block| u64::try_from(block.offset()).map_err(|_| damaged()))
        .collect()
}
