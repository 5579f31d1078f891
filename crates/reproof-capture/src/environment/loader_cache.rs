//! `/etc/ld.so.cache`: where the loader finds libraries that lie in no default folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// How the file begins since glibc 2.2.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// An old table may come first; then this one follows it.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const HEADER: usize = 48;
const ENTRY: usize = 24;
const OLD_ENTRY: usize = 12;

/// The libraries of a processor in the cache, by name. What cannot be understood is taken for
/// absent: then only the default folders are searched.
///
/// Variants for newer processors are passed over: a closure holds what runs on every one.
pub(crate) fn parse(bytes: &[u8], machine: u16) -> BTreeMap<String, PathBuf> {
    entries(bytes, machine).unwrap_or_default()
}

fn entries(bytes: &[u8], machine: u16) -> Option<BTreeMap<String, PathBuf>> {
    let table = new_table(bytes)?;
    let count = number(table, 20)? as usize;
    let mut found = BTreeMap::new();
    for index in 0..count {
        let at = HEADER.checked_add(index.checked_mul(ENTRY)?)?;
        let (flags, key, value) = (
            number(table, at)?,
            number(table, at + 4)?,
            number(table, at + 8)?,
        );
        let variant = (number(table, at + 16)?, number(table, at + 20)?);
        if flags != flags_of(machine)? || variant != (0, 0) {
            continue;
        }
        let (name, path) = (text(table, key as usize)?, text(table, value as usize)?);
        found
            .entry(name.to_owned())
            .or_insert_with(|| PathBuf::from(path));
    }
    Some(found)
}

/// The kind of an entry: a library of the GNU C library 2, and of which processor.
fn flags_of(machine: u16) -> Option<u32> {
    match machine {
        62 => Some(0x0303),
        183 => Some(0x0a03),
        _ => None,
    }
}

fn new_table(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(MAGIC) {
        return Some(bytes);
    }
    bytes.starts_with(OLD_MAGIC).then_some(())?;
    let count = number(bytes, OLD_MAGIC.len())? as usize;
    let end = count
        .checked_mul(OLD_ENTRY)?
        .checked_add(OLD_MAGIC.len() + 4)?;
    let table = bytes.get(end.checked_next_multiple_of(8)?..)?;
    table.starts_with(MAGIC).then_some(table)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn text(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cache(entries: &[(u32, u64, &str, &str)]) -> Vec<u8> {
        let mut strings = Vec::new();
        let start = HEADER + ENTRY * entries.len();
        let mut table = MAGIC.to_vec();
        table.extend((entries.len() as u32).to_le_bytes());
        table.resize(HEADER, 0);
        for (flags, variant, name, path) in entries {
            let mut place = |text: &str| {
                let at = start + strings.len();
                strings.extend(text.as_bytes());
                strings.push(0);
                (at as u32).to_le_bytes()
            };
            let (name, path) = (place(name), place(path));
            table.extend(flags.to_le_bytes());
            table.extend(name);
            table.extend(path);
            table.extend([0; 4]);
            table.extend(variant.to_le_bytes());
        }
        table.extend(strings);
        table
    }

    #[test]
    fn libraries_of_the_processor_and_of_no_variant() {
        let bytes = cache(&[
            (0x0303, 1, "libz.so.1", "/lib/v3/libz.so.1"),
            (0x0303, 0, "libz.so.1", "/lib/libz.so.1"),
            (0x0303, 0, "libz.so.1", "/later/libz.so.1"),
            (0x0003, 0, "libx.so", "/lib32/libx.so"),
        ]);
        let found = parse(&bytes, 62);
        assert_eq!(found.len(), 1);
        assert_eq!(found["libz.so.1"], PathBuf::from("/lib/libz.so.1"));
        assert!(parse(&bytes, 3).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(tail in proptest::collection::vec(any::<u8>(), 0..200), old: bool) {
            let mut bytes = if old { OLD_MAGIC.to_vec() } else { MAGIC.to_vec() };
            bytes.extend(tail);
            parse(&bytes, 62);
        }
    }
}
