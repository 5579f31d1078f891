//! Bundles: every bit of them is covered, and the reader takes nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::{Bundle, BundleError, Store, Watch, read_bundle};

use crate::{fresh, noise, put, stream};

struct Going;

impl Watch for Going {
    fn moved(&self, _done: u64, _total: u64) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

const RECORD: &[u8] = b"stands for a record";

fn read(path: &Path, into: Option<&Store>) -> Result<Bundle, BundleError> {
    read_bundle(&RealIo, path, into, &Going)
}

/// A bundle of a few blobs, and their digests.
fn bundle(blobs: &[&[u8]]) -> (tempfile::TempDir, PathBuf, BTreeSet<Digest>) {
    let (folder, store) = fresh();
    let infos = put(&store, blobs);
    let digests: BTreeSet<Digest> = infos.iter().map(|info| info.digest).collect();
    let path = folder.path().join("bundle");
    let length = store
        .write_bundle(
            &path,
            &Digest::of(RECORD),
            &BTreeSet::new(),
            &digests,
            &Going,
        )
        .unwrap();
    assert_eq!(length, std::fs::metadata(&path).unwrap().len());
    (folder, path, digests)
}

#[test]
fn blobs_of_all_sizes_come_back() {
    let large = noise(1 << 20, 3);
    let text = "text ".repeat(1000);
    let blobs: [&[u8]; 4] = [RECORD, b"", text.as_bytes(), &large];
    let (_folder, path, digests) = bundle(&blobs);
    let (_b, to) = fresh();
    let read = read(&path, Some(&to)).unwrap();
    assert_eq!(read.record, RECORD);
    assert_eq!(read.entries, to.entries_of(&digests).unwrap());
    for blob in blobs {
        assert_eq!(stream(&to, &Digest::of(blob)).unwrap(), blob);
    }
    assert!(to.check().unwrap().damage.is_empty());
}

#[test]
fn every_changed_byte_is_found() {
    let text = "text ".repeat(60);
    let (_folder, path, _) = bundle(&[RECORD, text.as_bytes(), b"x"]);
    let right = std::fs::read(&path).unwrap();
    assert!(right.len() < 2000);
    for at in 0..right.len() {
        for change in [1, 128, 255] {
            let mut wrong = right.clone();
            wrong[at] ^= change;
            std::fs::write(&path, &wrong).unwrap();
            assert!(read(&path, None).is_err(), "byte {at}");
        }
    }
    for length in 0..right.len() {
        std::fs::write(&path, &right[..length]).unwrap();
        assert!(read(&path, None).is_err(), "{length} bytes");
    }
    let mut wrong = right.clone();
    wrong.push(0);
    std::fs::write(&path, &wrong).unwrap();
    assert!(read(&path, None).is_err());
}

/// The example of the documentation is what is written today, and is read.
#[test]
fn the_example_of_the_documentation() {
    const PAGE: &str = include_str!("../../../../docs/formats/bundle.md");
    let example = PAGE.split("```text\n").nth(1);
    let example = example.and_then(|rest| rest.split("```").next()).unwrap();
    let (_folder, path, _) = bundle(&[RECORD, b"reproof"]);
    let written = std::fs::read(&path).unwrap();
    let line = |bytes: &[u8]| {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.join(" ") + "\n"
    };
    let hex: String = written.chunks(16).map(line).collect();
    assert!(hex == example, "the page should show\n{hex}");
    let found = read(&path, None).unwrap();
    assert_eq!(found.record, RECORD);
    assert_eq!(found.entries.len(), 2);
}

/// Whatever somebody makes of a bundle, with check sums that are right, is refused or is a bundle.
#[test]
fn forged_bundles_are_refused() {
    let (_folder, path, _) = bundle(&[RECORD, b"a"]);
    let right = std::fs::read(&path).unwrap();
    let length = u32::from_le_bytes(right[8..12].try_into().unwrap()) as usize;
    let with_header = |text: &str| {
        let mut bytes = right[..8].to_vec();
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        bytes.extend_from_slice(&right[12 + length + 32..]);
        std::fs::write(&path, &bytes).unwrap();
        read(&path, None)
    };
    let text = String::from_utf8(right[12..12 + length].to_vec()).unwrap();
    with_header(&text).unwrap();
    // Versions are for format 2, sorted, each once.
    let [low, high] = [b'1', b'2'].map(|digit| String::from_utf8(vec![digit; 64]).unwrap());
    let with_versions = |format: &str, list: &str| {
        let text = text.replace("reproof.bundle/1", format);
        with_header(&text.replace('}', &format!(",\"versions\":[{list}]}}")))
    };
    let two = format!("\"{low}\",\"{high}\"");
    let found = with_versions("reproof.bundle/2", &two).unwrap();
    assert_eq!(found.header.versions.len(), 2);
    for (format, list) in [
        ("reproof.bundle/1", two),
        ("reproof.bundle/2", format!("\"{high}\",\"{low}\"")),
        ("reproof.bundle/2", format!("\"{low}\",\"{low}\"")),
        ("reproof.bundle/2", String::new()),
    ] {
        let found = with_versions(format, &list);
        assert!(
            matches!(found, Err(BundleError::Damaged { .. })),
            "{list}: {found:?}"
        );
    }
    for (from, to) in [
        ("\"entries\":2", "\"entries\":1"),
        ("\"entries\":2", "\"entries\":3"),
        ("\"entries\":2", "\"entries\": 2"),
        ("\"entries\":2", "\"entries\":99999999999"),
        ("\"entries\":2", "\"entries\":2,\"more\":1"),
        ("reproof.bundle/1", "reproof.bundle/2"),
        ("reproof.bundle/1", "reproof.bundle/3"),
    ] {
        assert!(text.contains(from));
        let found = with_header(&text.replace(from, to));
        match to {
            "reproof.bundle/3" => assert!(matches!(found, Err(BundleError::Format { .. }))),
            _ => assert!(
                matches!(found, Err(BundleError::Damaged { .. })),
                "{to}: {found:?}"
            ),
        }
    }
    // Two entries in the wrong order.
    let begin = 12 + length + 32 + 16;
    let size =
        |at: usize| 72 + u32::from_le_bytes(right[at + 8..at + 12].try_into().unwrap()) as usize;
    let second = begin + size(begin);
    let end = second + size(second);
    let swapped = [
        &right[..begin],
        &right[second..end],
        &right[begin..second],
        &right[end..],
    ];
    std::fs::write(&path, swapped.concat()).unwrap();
    let found = read(&path, None).unwrap_err().to_string();
    assert!(found.contains("not sorted"), "{found}");
    let (_b, to) = fresh();
    assert!(read(&path, Some(&to)).is_err());
    assert!(to.blobs().unwrap().is_empty());
}
