//! Files that only pack something: gzip, zip, pickles; and plain texts.

use std::collections::{BTreeMap, BTreeSet};

use zip::ZipArchive;

use super::{ContentMoved, ZIP, shortened};

/// What a gzip file begins with.
const GZIP: &[u8] = b"\x1f\x8b";

/// Two gzip files that differ in the time in their head alone (RFC 1952, 2.3).
pub(super) fn gzip(files: [&[u8]; 2]) -> Option<ContentMoved> {
    let parts = files.map(|file| {
        let rest = file.strip_prefix(GZIP)?;
        Some((rest.get(..2)?, rest.get(6..)?))
    });
    let [Some(before), Some(after)] = parts else {
        return None;
    };
    (before == after).then_some(ContentMoved::Packing { format: "gzip" })
}

/// Zip archives by what they hold: names, sizes, check sums.
pub(super) fn archive(files: [&[u8]; 2]) -> Option<ContentMoved> {
    let members = files.map(|file| {
        file.starts_with(ZIP).then_some(())?;
        let mut archive = ZipArchive::new(std::io::Cursor::new(file)).ok()?;
        let mut members = BTreeMap::new();
        for index in 0..archive.len() {
            let member = archive.by_index_raw(index).ok()?;
            members.insert(
                member.name().ok()?.into_owned(),
                (member.size(), member.crc32()),
            );
        }
        Some(members)
    });
    let [Some(before), Some(after)] = members else {
        return None;
    };
    let names = before.keys().chain(after.keys());
    let names: BTreeSet<&String> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    if names.is_empty() {
        return Some(ContentMoved::Packing { format: "zip" });
    }
    let names = names.into_iter().cloned().collect();
    Some(ContentMoved::Members { names })
}

/// Whether a file is a pickle: by its first opcode, or by its name as joblib compresses them.
pub(super) fn is_pickle(path: &str, files: [&[u8]; 2]) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let named = [".pkl", ".pickle", ".joblib"]
        .iter()
        .any(|end| name.ends_with(end));
    named || files.iter().all(|file| matches!(file, [0x80, 2..=5, ..]))
}

pub(super) fn text(files: [&[u8]; 2]) -> Option<ContentMoved> {
    let [Ok(before), Ok(after)] = files.map(std::str::from_utf8) else {
        return None;
    };
    if before.contains('\0') || after.contains('\0') {
        return None;
    }
    let (mut before, mut after) = (before.split('\n'), after.split('\n'));
    let mut line = 0;
    loop {
        line += 1;
        match (before.next(), after.next()) {
            (None, None) => return None,
            (before, after) if before == after => {}
            (before, after) => {
                let lines = [before, after].map(|line| line.map(shortened));
                return Some(ContentMoved::Text { line, lines });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_line() {
        let Some(ContentMoved::Text { line, lines }) = text([b"a\nb\nc", b"a\nb"]) else {
            panic!()
        };
        assert_eq!((line, lines), (3, [Some("c".to_owned()), None]));
        assert!(text([b"a\0", b"b"]).is_none());
        assert!(text([b"\xff", b"b"]).is_none());
    }

    #[test]
    fn packing_is_told_from_content() {
        let gz = |time: u8, data: &[u8]| [b"\x1f\x8b\x08\0", &[time, 0, 0, 0], data].concat();
        assert!(matches!(
            gzip([&gz(1, b"same"), &gz(2, b"same")]),
            Some(ContentMoved::Packing { format: "gzip" })
        ));
        assert!(gzip([&gz(1, b"same"), &gz(1, b"other")]).is_none());
        assert!(gzip([b"\x1f\x8b", b"\x1f\x8b\x08"]).is_none());
    }

    #[test]
    fn pickles_are_known() {
        assert!(is_pickle("model", [b"\x80\x04.", b"\x80\x05."]));
        assert!(is_pickle("a/model.joblib", [b"x", b"y"]));
        assert!(!is_pickle("model.bin", [b"\x80\x04.", b"y"]));
    }
}
