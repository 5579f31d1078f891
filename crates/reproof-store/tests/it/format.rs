//! The stored format, by the example of `docs/formats/store.md`.

use reproof_record::{ArtifactKind, Digest};
use serde_json::Map;

use crate::{LIMIT, file_of, fresh, open};

/// The example of the page, by the names it uses there.
struct Example(String);

impl Example {
    fn read() -> Self {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats/store.md");
        Self(std::fs::read_to_string(page).unwrap())
    }

    /// The text of the block of code that follows this heading.
    fn block(&self, heading: &str) -> &str {
        let (_, after) = self.0.split_once(heading).expect(heading);
        let (_, code) = after.split_once("```text\n").expect(heading);
        code.split_once("```").expect(heading).0
    }

    fn bytes(&self, heading: &str) -> Vec<u8> {
        let digits: String = self.block(heading).split_whitespace().collect();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }
}

/// Files of this format stay readable, whatever zstd writes later.
#[test]
fn the_pages_blob_is_read() {
    let (_folder, store) = fresh();
    let file = Example::read().bytes("### The file of a blob");
    let digest = Digest::of(b"reproof reproof reproof\n");
    std::fs::write(file_of(&store, &digest), &file).unwrap();
    assert_eq!(
        store.read(&digest, LIMIT).unwrap(),
        b"reproof reproof reproof\n"
    );
    let sum = blake3::hash(&file[..file.len() - 32]);
    assert_eq!(sum.as_bytes().as_slice(), &file[file.len() - 32..]);
}

#[test]
fn the_pages_objects_are_written() {
    let (_folder, store) = fresh();
    let page = Example::read();
    let mut batch = store.batch();
    let blob = batch.put(b"reproof reproof reproof\n").unwrap();
    let files = vec![("model.json".parse().unwrap(), false, blob)];
    let stored = batch.put_tree(ArtifactKind::Model, "application/json", files, Map::new());
    let stored = stored.unwrap();
    batch.commit().unwrap();
    let check = |heading: &str, digest: &Digest| {
        let bytes = store.read(digest, LIMIT).unwrap();
        let (hex, document) = page.block(heading).split_once('\n').unwrap();
        assert_eq!(hex, digest.to_hex(), "{heading}");
        assert_eq!(
            document.trim_end(),
            String::from_utf8(bytes).unwrap(),
            "{heading}"
        );
    };
    check("### The tree", &stored.artifact.digest);
    check("### The manifest", &stored.manifest);
}

#[test]
fn the_folder_is_laid_out_as_the_page_says() {
    let (_folder, store) = fresh();
    let names: Vec<_> = {
        let entries = std::fs::read_dir(store.root()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names, ["FORMAT", "objects", "tmp"]);
    let format = std::fs::read_to_string(store.root().join("FORMAT")).unwrap();
    assert_eq!(format, "reproof.store/1\n");
    open(store.root());
}
