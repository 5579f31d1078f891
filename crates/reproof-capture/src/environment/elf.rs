//! What an ELF file says of the libraries that it needs.

use std::io::Read;
use std::path::Path;

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef};
use reproof_store::fs::{Io, IoError};

use super::error::EnvironmentError;

/// How long a name in a string table may be.
const MAX_NAME: u64 = 4096;

/// The dynamic part of an ELF file of 64 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// The processor, as ELF numbers it.
    pub machine: u16,
    /// The loader that starts it, if it is a program.
    pub loader: Option<String>,
    /// The libraries that it needs.
    pub needed: Vec<String>,
    /// Its own name as a library.
    pub soname: Option<String>,
    /// Folders that are searched for its libraries and for those of its libraries.
    pub rpath: Vec<String>,
    /// Folders that are searched for its libraries. If there are any, `rpath` does not count.
    pub runpath: Vec<String>,
}

/// The loader that a program names, by its absolute path; none if it is no ELF file of 64 bits, or
/// needs none.
pub fn loader_of(io: &dyn Io, path: &Path) -> Result<Option<String>, EnvironmentError> {
    Ok(read(io, path)?.and_then(|elf| elf.loader))
}

/// Reads a file; none if it is no ELF file, or one of 32 bits, which no closure needs.
pub(crate) fn read(io: &dyn Io, path: &Path) -> Result<Option<Elf>, EnvironmentError> {
    let mut file = io.open_read(path)?;
    let mut ident = [0; 5];
    let mut filled = 0;
    while let Some(rest) = ident.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => return Ok(None),
            Ok(count) => filled += count,
            Err(error) => return Err(IoError::new("read", path, error).into()),
        }
    }
    if ident != [0x7f, b'E', b'L', b'F', elf::ELFCLASS64.0] {
        return Ok(None);
    }
    let cache = ReadCache::new(file);
    let parsed = parse(&cache).map_err(|error| EnvironmentError::Elf {
        path: path.to_owned(),
        what: error.to_string(),
    })?;
    Ok(Some(parsed))
}

fn parse<'d, R: ReadRef<'d>>(data: R) -> object::Result<Elf> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut parsed = Elf {
        machine: header.e_machine(endian).0,
        ..Elf::default()
    };
    for segment in segments {
        if let Some(loader) = segment.interpreter(endian, data)? {
            parsed.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
    }
    for segment in segments {
        if let Some(entries) = segment.dynamic(endian, data)? {
            let strings = Strings::new(segments, entries, endian, data);
            dynamic(&mut parsed, entries, endian, &strings);
        }
    }
    Ok(parsed)
}

type Segment = elf::ProgramHeader64<Endianness>;

/// The string table of the dynamic part.
struct Strings<R> {
    data: R,
    offset: Option<u64>,
}

impl<'d, R: ReadRef<'d>> Strings<R> {
    fn new(
        segments: &[Segment],
        entries: &[elf::Dyn64<Endianness>],
        endian: Endianness,
        data: R,
    ) -> Self {
        let table = entries
            .iter()
            .find(|entry| entry.d_tag(endian) == elf::DT_STRTAB);
        let address = table.map(|entry| entry.d_val(endian));
        let offset = address.and_then(|address| {
            segments.iter().find_map(|segment| {
                if segment.p_type(endian) != elf::PT_LOAD {
                    return None;
                }
                let into = address.checked_sub(segment.p_vaddr(endian))?;
                (into < segment.p_filesz(endian))
                    .then(|| segment.p_offset(endian).checked_add(into))?
            })
        });
        Self { data, offset }
    }

    fn get(&self, at: u64) -> Option<String> {
        let start = self.offset?.checked_add(at)?;
        let end = start.checked_add(MAX_NAME)?.min(self.data.len().ok()?);
        let bytes = self.data.read_bytes_at_until(start..end, 0).ok()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

fn dynamic<'d, R: ReadRef<'d>>(
    parsed: &mut Elf,
    entries: &[elf::Dyn64<Endianness>],
    endian: Endianness,
    strings: &Strings<R>,
) {
    for entry in entries {
        let tag = entry.d_tag(endian);
        if tag == elf::DT_NULL {
            break;
        }
        let text = || strings.get(entry.d_val(endian));
        let folders = |text: Option<String>| -> Vec<String> {
            let text = text.unwrap_or_default();
            text.split(':')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match tag {
            elf::DT_NEEDED => parsed.needed.extend(text()),
            elf::DT_SONAME => parsed.soname = text(),
            elf::DT_RPATH => parsed.rpath = folders(text()),
            elf::DT_RUNPATH => parsed.runpath = folders(text()),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use proptest::prelude::*;
    use reproof_store::fs::RealIo;

    use super::*;

    #[test]
    fn this_program_names_its_loader_and_the_c_library() {
        let parsed = read(&RealIo, &std::env::current_exe().unwrap())
            .unwrap()
            .unwrap();
        assert!(
            parsed.needed.iter().any(|name| name.starts_with("libc.so")),
            "{parsed:?}"
        );
        assert!(parsed.loader.unwrap().starts_with("/lib"));
    }

    #[test]
    fn a_text_is_no_elf_file() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "\x7fEL", "#!/bin/sh\n"] {
            let path = folder.path().join("x");
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&RealIo, &path).unwrap(), None);
        }
    }

    proptest! {
        #[test]
        fn damage_is_an_error_at_worst(at in 4_usize..4000, byte in any::<u8>(), cut in 64_usize..4000) {
            let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
            bytes.truncate(cut.max(at + 1));
            bytes[at] = byte;
            let _ = parse(bytes.as_slice());
        }
    }
}
