//! The bytes of a file, unpacked if they are compressed, and hashed as they lie on disk.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use reproof_record::Digest;
use reproof_store::fs::{IoError, ReadFile};

use crate::CsvProblem;

/// How many compressed bytes are read at a time. Changes no digest.
const BUFFER: usize = 64 << 10;

/// How a file is compressed. No text in UTF-8 begins like a compressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// How many bytes it takes to tell.
    const MAGIC: usize = 4;

    /// The compression of a file that stands at its start; some bytes of it are read.
    pub fn of_file(
        path: &Path,
        file: &mut dyn ReadFile,
    ) -> Result<Result<Self, CsvProblem>, IoError> {
        let mut first = Vec::with_capacity(Self::MAGIC);
        let read = file.take(Self::MAGIC as u64).read_to_end(&mut first);
        read.map_err(|source| IoError::new("read", path, source))?;
        Ok(Self::of(path, &first))
    }

    /// The compression that the first bytes of a file tell; one that the file's name promises must
    /// be there.
    pub fn of(path: &Path, first: &[u8]) -> Result<Self, CsvProblem> {
        let found = match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        };
        let extension = path.extension().and_then(|text| text.to_str());
        let promised = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => found,
        };
        if promised == found {
            Ok(found)
        } else {
            Err(CsvProblem::NotCompressed {
                promised: promised.name(),
            })
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Compressed bytes that cannot be unpacked, inside an [`io::Error`].
#[derive(Debug)]
struct Unpacking {
    compression: Compression,
    reason: String,
}

impl fmt::Display for Unpacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unpacking {}

/// What is wrong with the compressed bytes, if that is why reading failed.
pub(crate) fn unpacking_problem(error: &io::Error) -> Option<CsvProblem> {
    let found = error.get_ref()?.downcast_ref::<Unpacking>()?;
    Some(CsvProblem::Compressed {
        compression: found.compression.name(),
        reason: found.reason.clone(),
    })
}

/// Hashes what is read.
struct Hashing<'a> {
    file: &'a mut dyn ReadFile,
    hasher: blake3::Hasher,
    /// Whether the file itself could not be read.
    failed: bool,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer);
        let interrupted = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        self.failed |= read.as_ref().is_err_and(|error| !interrupted(error));
        let count = read?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// A file that is read from where it stands to its end.
pub(crate) struct Unpacked<'a>(Kind<'a>);

enum Kind<'a> {
    Plain(Hashing<'a>),
    Gzip(Box<MultiGzDecoder<BufReader<Hashing<'a>>>>),
    Zstd(zstd::Decoder<'static, BufReader<Hashing<'a>>>),
}

impl<'a> Unpacked<'a> {
    pub fn new(file: &'a mut dyn ReadFile, compression: Compression) -> io::Result<Self> {
        let hashing = Hashing {
            file,
            hasher: blake3::Hasher::new(),
            failed: false,
        };
        Ok(Self(match compression {
            Compression::None => Kind::Plain(hashing),
            Compression::Gzip => {
                let buffered = BufReader::with_capacity(BUFFER, hashing);
                Kind::Gzip(Box::new(MultiGzDecoder::new(buffered)))
            }
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(BUFFER, hashing);
                Kind::Zstd(zstd::Decoder::with_buffer(buffered)?)
            }
        }))
    }

    /// The digest of the file's bytes that were read: of all, if it was read to its end.
    pub fn digest(&self) -> Digest {
        self.hashing().hasher.finalize().into()
    }

    fn hashing(&self) -> &Hashing<'a> {
        match &self.0 {
            Kind::Plain(hashing) => hashing,
            Kind::Gzip(decoder) => decoder.get_ref().get_ref(),
            Kind::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, compression) = match &mut self.0 {
            Kind::Plain(hashing) => return hashing.read(buffer),
            Kind::Gzip(decoder) => (decoder.read(buffer), Compression::Gzip),
            Kind::Zstd(decoder) => (decoder.read(buffer), Compression::Zstd),
        };
        read.map_err(|error| {
            if self.hashing().failed || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            io::Error::other(Unpacking {
                compression,
                reason: error.to_string(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_and_the_name_must_agree() {
        let of = |name: &str, first: &[u8]| Compression::of(Path::new(name), first);
        assert_eq!(of("a.csv", b"id,n"), Ok(Compression::None));
        assert_eq!(of("a.csv", b""), Ok(Compression::None));
        assert_eq!(of("a.csv.gz", b"\x1f\x8b\x08\0"), Ok(Compression::Gzip));
        assert_eq!(of("a.csv", b"\x1f\x8b\x08\0"), Ok(Compression::Gzip));
        assert_eq!(of("a.ZST", b"\x28\xb5\x2f\xfd"), Ok(Compression::Zstd));
        let promised = Err(CsvProblem::NotCompressed { promised: "gzip" });
        assert_eq!(of("a.csv.gz", b"id,n"), promised);
        assert_eq!(of("a.gz", b"\x28\xb5\x2f\xfd"), promised);
    }
}
