//! The stored format, by the example of `docs/formats/store.md`.

use reproof_record::{ArtifactKind, Digest};
use serde_json::Map;

use crate::{LIMIT, fresh, open};

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
fn the_pages_pack_is_read() {
    let (_folder, store) = fresh();
    let file = Example::read().bytes("### A pack");
    let sum = &file[file.len() - 40..file.len() - 8];
    let name: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(store.root().join(format!("packs/{name}.pack")), &file).unwrap();
    let checked = store.check().unwrap();
    assert_eq!((checked.damage, checked.entries), (Vec::new(), 4));
    let text: String = (0..4u8).map(|byte| Digest::of(&[byte]).to_hex()).collect();
    let base = format!("before {}", &text[7..]);
    let large = format!("short{text}");
    for blob in ["short", &base, &text, &large] {
        let read = store.read(&Digest::of(blob.as_bytes()), LIMIT).unwrap();
        assert_eq!(read, blob.as_bytes());
    }
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
    assert_eq!(names, ["FORMAT", "gc", "packs", "tmp"]);
    let format = std::fs::read_to_string(store.root().join("FORMAT")).unwrap();
    assert_eq!(format, "reproof.store/2\n");
    open(store.root());
}
