//! How the bytes of an entry are written: as they are, compressed, or as a delta.

use reproof_record::Digest;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

use crate::pack::{Encoding, Entry, Kind};

/// How hard zstd tries. Level 1 costs little more than hashing.
const LEVEL: i32 = 1;
/// How hard zstd tries for a delta: this level also finds what has moved a little.
const DELTA_LEVEL: i32 = 3;
/// The window of a delta's frame: room for the base and what replaces it.
const DELTA_WINDOW_LOG: u32 = 21;
/// The largest window that a frame may ask for, which bounds the memory of a reader.
const WINDOW_LOG_MAX: u32 = 23;
/// How many bytes are looked at to tell noise.
const SAMPLE: usize = 2048;
/// The shortest payload for which that look pays.
const PROBED: usize = 8192;

/// A payload with its header.
pub(crate) struct Encoded {
    pub entry: Entry,
    pub payload: Vec<u8>,
    /// A buffer that is free again.
    pub spare: Vec<u8>,
}

/// Compresses one payload after another.
pub(crate) struct Encoder {
    compressor: Option<Compressor<'static>>,
    buffer: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Self {
        Self {
            compressor: None,
            buffer: Vec::new(),
        }
    }

    /// Encodes the bytes of a blob or chunk; as a delta against this base where that is much
    /// smaller.
    pub fn encode(
        &mut self,
        digest: Digest,
        bytes: Vec<u8>,
        base: Option<(Digest, Vec<u8>)>,
    ) -> Encoded {
        let size = bytes.len();
        let entry = |encoding, payload: &[u8]| {
            Entry::new(Kind::Data, encoding, size as u64, digest, payload)
        };
        let delta = base.and_then(|(base, prefix)| delta(&base, &prefix, &bytes));
        let is_tiny = |delta: &Vec<u8>| delta.len() < size / 16;
        let compressed = if delta.as_ref().is_some_and(is_tiny) {
            false
        } else {
            self.compress(&bytes)
        };
        let whole = if compressed { self.buffer.len() } else { size };
        match delta {
            // A delta needs its base on every read, so it must be worth it.
            Some(delta) if delta.len() < whole / 4 * 3 => Encoded {
                entry: entry(Encoding::Delta, &delta),
                payload: delta,
                spare: bytes,
            },
            _ if compressed => Encoded {
                entry: entry(Encoding::Zstd, &self.buffer),
                payload: self.buffer.clone(),
                spare: bytes,
            },
            _ => Encoded {
                entry: entry(Encoding::Raw, &bytes),
                payload: bytes,
                spare: Vec::new(),
            },
        }
    }

    /// Compresses into the buffer. Says whether that saves enough to be worth undoing it.
    fn compress(&mut self, bytes: &[u8]) -> bool {
        if is_noise(bytes) {
            return false;
        }
        if self.compressor.is_none() {
            self.compressor = Compressor::new(LEVEL).ok();
        }
        let Some(compressor) = &mut self.compressor else {
            return false;
        };
        self.buffer.clear();
        self.buffer.reserve(compress_bound(bytes.len()));
        let done = compressor.compress_to_buffer(bytes, &mut self.buffer);
        done.is_ok() && self.buffer.len() < bytes.len() - bytes.len() / 32
    }
}

/// Whether the bytes look random, by how often two bytes of a sample are equal. What is so already
/// compressed or encrypted, zstd would only read in vain.
fn is_noise(bytes: &[u8]) -> bool {
    if bytes.len() < PROBED {
        return false;
    }
    let mut counts = [0u32; 256];
    // From eight places, since a file may begin with a plain header.
    let (pieces, piece) = (8, SAMPLE / 8);
    for index in 0..pieces {
        let from = (bytes.len() - piece) / (pieces - 1) * index;
        for byte in &bytes[from..from + piece] {
            counts[usize::from(*byte)] += 1;
        }
    }
    let pairs: u64 = counts
        .iter()
        .map(|count| u64::from(*count) * u64::from(count.saturating_sub(1)))
        .sum();
    // Of even noise the mean is 1/256 of all pairs, and the deviation 1.1 % of that.
    let noise = (SAMPLE * (SAMPLE - 1) / 256) as u64;
    pairs < noise + noise / 16
}

fn delta(base: &Digest, prefix: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut context = CCtx::try_create()?;
    context
        .set_parameter(CParameter::CompressionLevel(DELTA_LEVEL))
        .ok()?;
    context
        .set_parameter(CParameter::WindowLog(DELTA_WINDOW_LOG))
        .ok()?;
    context.ref_prefix(prefix).ok()?;
    let mut frame = Vec::with_capacity(compress_bound(bytes.len()));
    context.compress2(&mut frame, bytes).ok()?;
    let payload = [base.as_bytes().as_slice(), &frame].concat();
    (payload.len() < bytes.len()).then_some(payload)
}

/// Why a frame is refused that zstd does not understand.
const BROKEN: &str = "its frame cannot be read";

/// Decompresses one payload after another: making a context for each costs more than a small one.
#[derive(Default)]
pub(crate) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

impl Decoder {
    /// The bytes of a compressed payload: exactly `size`.
    pub fn decompress(&mut self, frame: &[u8], size: usize) -> Result<Vec<u8>, &'static str> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(decompression()?),
        };
        decompress(context, frame, size)
    }
}

/// The bytes of a delta: exactly `size`, with the bytes of its base.
pub(crate) fn decompress_delta(
    frame: &[u8],
    size: usize,
    base: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let mut context = decompression()?;
    context.ref_prefix(base).map_err(|_| BROKEN)?;
    decompress(&mut context, frame, size)
}

fn decompression<'a>() -> Result<DCtx<'a>, &'static str> {
    let mut context = DCtx::try_create().ok_or(BROKEN)?;
    let limit = zstd::zstd_safe::DParameter::WindowLogMax(WINDOW_LOG_MAX);
    context.set_parameter(limit).map_err(|_| BROKEN)?;
    Ok(context)
}

/// Decompresses one frame. What was in the context before has no effect.
fn decompress(context: &mut DCtx<'_>, frame: &[u8], size: usize) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(size);
    match context.decompress(&mut bytes, frame) {
        Ok(count) if count == size => Ok(bytes),
        Ok(_) => Err("its frame has another size"),
        Err(_) => Err(BROKEN),
    }
}
