//! Blobs that travel through a remote, which is a folder here.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reproof_record::Digest;
use reproof_store::fs::RealIo;
use reproof_store::{FolderObjects, ObjectError, Objects, Remote, RemoteError, Watch};

use crate::{damage, fresh, noise, put, stream};

/// Goes on until it is told to stop.
#[derive(Default)]
struct Going(AtomicBool);

impl Watch for Going {
    fn moved(&self, done: u64, total: u64) {
        assert!(done <= total, "{done} of {total}");
    }

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("remote").join(name)
    }

    fn remote(&self) -> Remote {
        let objects = FolderObjects::new(self.path(""), Arc::new(RealIo));
        Remote::new("test", Arc::new(objects), None)
    }

    /// The remote with all its packs known.
    fn learnt(&self) -> Result<Remote, RemoteError> {
        let mut remote = self.remote();
        remote.learn_all(&Going::default())?;
        Ok(remote)
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

#[test]
fn small_and_large_blobs_travel_and_what_is_there_stays() {
    let folder = Folder::new();
    let (_a, from) = fresh();
    let large = noise(3 << 20, 1);
    let mut changed = large.clone();
    changed[1_500_000] ^= 1;
    let infos = put(&from, &[b"", b"small", &large]);
    // Stored as what changed, which a remote does not hold.
    let mut batch = from.batch();
    let mut writer = batch.writer_replacing(&infos[2].digest).unwrap();
    writer.write_all(&changed).unwrap();
    let replaced = batch.add(writer).unwrap();
    batch.commit().unwrap();
    let first: BTreeSet<Digest> = infos.iter().map(|info| info.digest).collect();
    let pushed = folder
        .remote()
        .push(&from, &first, &Going::default())
        .unwrap();
    assert!(pushed.entries > 20 && pushed.bytes > 3 << 20, "{pushed:?}");
    let mut all = first.clone();
    all.insert(replaced.digest);
    let more = folder
        .learnt()
        .unwrap()
        .push(&from, &all, &Going::default())
        .unwrap();
    assert!((2..8).contains(&more.entries), "{more:?}");
    let none = folder
        .learnt()
        .unwrap()
        .push(&from, &all, &Going::default())
        .unwrap();
    assert_eq!((none.entries, none.bytes, &none.packs), (0, 0, &more.packs));

    let (_b, to) = fresh();
    let pulled = folder
        .learnt()
        .unwrap()
        .pull(&to, &first, &Going::default())
        .unwrap();
    assert_eq!(pulled.entries, pushed.entries);
    let pulled = folder
        .learnt()
        .unwrap()
        .pull(&to, &all, &Going::default())
        .unwrap();
    assert_eq!(pulled.entries, more.entries);
    assert!(pulled.bytes < 1 << 20, "{pulled:?}");
    for (info, bytes) in infos.iter().zip([b"".as_slice(), b"small", &large]) {
        assert_eq!(stream(&to, &info.digest).unwrap(), bytes);
    }
    assert_eq!(stream(&to, &replaced.digest).unwrap(), changed);
    assert!(to.check().unwrap().damage.is_empty());
}

#[test]
fn every_changed_byte_is_found() {
    let folder = Folder::new();
    let (_a, from) = fresh();
    let text = "some text, some text, some text, some text, some text ".repeat(4);
    let infos = put(&from, &[b"raw", text.as_bytes()]);
    let blobs: BTreeSet<Digest> = infos.iter().map(|info| info.digest).collect();
    folder
        .remote()
        .push(&from, &blobs, &Going::default())
        .unwrap();
    let (_b, to) = fresh();
    let mut found = 0;
    for file in folder
        .files("index")
        .into_iter()
        .chain(folder.files("packs"))
    {
        let right = std::fs::read(&file).unwrap();
        // What lies before the first entry and behind the last one is not fetched.
        let is_pack = file.extension().is_some();
        let range = if is_pack {
            16..right.len() - 2 * 72 - 48
        } else {
            0..right.len()
        };
        for at in range {
            damage(&file, |bytes| bytes[at] ^= 1 << (at % 8));
            let pulled = folder
                .learnt()
                .and_then(|mut remote| remote.pull(&to, &blobs, &Going::default()));
            assert!(
                matches!(pulled, Err(RemoteError::Damaged { .. })),
                "byte {at} of {}: {pulled:?}",
                file.display()
            );
            std::fs::write(&file, &right).unwrap();
            found += 1;
        }
        damage(&file, |bytes| bytes.truncate(40));
        let pulled = folder
            .learnt()
            .and_then(|mut remote| remote.pull(&to, &blobs, &Going::default()));
        assert!(
            matches!(pulled, Err(RemoteError::Damaged { .. })),
            "{pulled:?}"
        );
        std::fs::write(&file, &right).unwrap();
    }
    assert!(found > 300, "{found}");
    assert!(to.blobs().unwrap().is_empty(), "wrong bytes were stored");
    folder
        .learnt()
        .unwrap()
        .pull(&to, &blobs, &Going::default())
        .unwrap();
    assert!(to.check().unwrap().damage.is_empty());
}

#[test]
fn a_damaged_store_sends_nothing_wrong() {
    let folder = Folder::new();
    let (_a, from) = fresh();
    let infos = put(&from, &[b"will be damaged"]);
    let (path, range) = crate::place_of(&from, &infos[0].digest);
    damage(&path, |bytes| bytes[range.end - 1] ^= 1);
    let blobs = BTreeSet::from([infos[0].digest]);
    let pushed = folder.remote().push(&from, &blobs, &Going::default());
    assert!(matches!(pushed, Err(RemoteError::Store(_))), "{pushed:?}");
    assert!(!folder.path("index").exists());
    let lacking = folder.remote().pull(&fresh().1, &blobs, &Going::default());
    assert!(
        matches!(lacking, Err(RemoteError::Lacks { .. })),
        "{lacking:?}"
    );
}

#[test]
fn stopping_is_heard() {
    let folder = Folder::new();
    let (_a, from) = fresh();
    let infos = put(&from, &[b"a", b"b"]);
    let blobs: BTreeSet<Digest> = infos.iter().map(|info| info.digest).collect();
    let stopped = Going(AtomicBool::new(true));
    let pushed = folder.remote().push(&from, &blobs, &stopped);
    assert!(
        matches!(pushed, Err(RemoteError::Interrupted)),
        "{pushed:?}"
    );
    folder
        .remote()
        .push(&from, &blobs, &Going::default())
        .unwrap();
    let (_b, to) = fresh();
    let pulled = folder.learnt().unwrap().pull(&to, &blobs, &stopped);
    assert!(
        matches!(pulled, Err(RemoteError::Interrupted)),
        "{pulled:?}"
    );
}

#[test]
fn documents_are_verified_and_formats_known() {
    const PAGE: &str = include_str!("../../../../docs/formats/remote.md");
    let folder = Folder::new();
    let remote = folder.remote();
    assert!(!remote.is_made().unwrap());
    remote.make().unwrap();
    assert!(remote.is_made().unwrap());
    assert_eq!(
        std::fs::read_to_string(folder.path("FORMAT")).unwrap(),
        "reproof.remote/1\n"
    );
    remote.put_document("records/x", b"text").unwrap();
    assert_eq!(remote.document("records/x").unwrap().unwrap(), b"text");
    assert_eq!(remote.documents("records").unwrap(), ["x"]);
    assert_eq!(remote.document("records/y").unwrap(), None);
    let written = std::fs::read_to_string(folder.path("records/x")).unwrap();
    assert!(
        PAGE.contains(&format!("```text\n{written}\n```")),
        "the page should show\n{written}"
    );
    let length = std::fs::read(folder.path("records/x")).unwrap().len();
    for at in 0..length {
        damage(&folder.path("records/x"), |bytes| bytes[at] ^= 1);
        assert!(matches!(
            remote.document("records/x"),
            Err(RemoteError::Damaged { .. })
        ));
        damage(&folder.path("records/x"), |bytes| bytes[at] ^= 1);
    }
    std::fs::write(folder.path("FORMAT"), "reproof.remote/2\n").unwrap();
    assert!(matches!(remote.is_made(), Err(RemoteError::Format { .. })));
    std::fs::write(folder.path("FORMAT"), "something\n").unwrap();
    assert!(matches!(remote.is_made(), Err(RemoteError::Damaged { .. })));
}

/// Objects that can be written and deleted only so often.
#[derive(Debug)]
struct Failing {
    inner: FolderObjects,
    left: AtomicU64,
}

impl Failing {
    fn count(&self) -> Result<(), ObjectError> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        left.map(|_| ()).map_err(|_| ObjectError {
            message: "killed".to_owned(),
            hint: String::new(),
        })
    }
}

impl Objects for Failing {
    fn address(&self) -> &str {
        self.inner.address()
    }

    fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        self.inner.get(name, limit)
    }

    fn get_range(
        &self,
        name: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Vec<u8>>, ObjectError> {
        self.inner.get_range(name, range)
    }

    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.count()?;
        self.inner.put(name, bytes)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.count()?;
        self.inner.delete(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectError> {
        self.inner.list(folder)
    }
}

#[test]
fn what_is_erased_is_in_no_pack_and_everything_else_is() {
    let folder = Folder::new();
    let (_a, from) = fresh();
    let large = noise(3 << 20, 1);
    let mut changed = large.clone();
    changed[1_500_000] ^= 1;
    let infos = put(&from, &[b"small", &large, &changed, b"another"]);
    let all: BTreeSet<Digest> = infos.iter().map(|info| info.digest).collect();
    folder
        .remote()
        .push(&from, &all, &Going::default())
        .unwrap();
    let erased: BTreeSet<Digest> = infos[..2].iter().map(|info| info.digest).collect();
    let kept: BTreeSet<Digest> = infos[2..].iter().map(|info| info.digest).collect();
    // Ended at every write and every deletion, one after the other.
    let mut ended = 0;
    loop {
        let objects = Failing {
            inner: FolderObjects::new(folder.path(""), Arc::new(RealIo)),
            left: AtomicU64::new(ended),
        };
        let mut remote = Remote::new("test", Arc::new(objects), None);
        remote.learn_all(&Going::default()).unwrap();
        match remote.erase(&erased, &Going::default()) {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("killed"), "{error}"),
        }
        ended = (ended + 1) % 4;
    }
    let mut remote = folder.learnt().unwrap();
    let own = from.entries_of(&erased).unwrap();
    let others = from.entries_of(&kept).unwrap();
    let gone: Vec<_> = own.difference(&others).collect();
    assert!(gone.len() > 2, "{gone:?}");
    for digest in gone {
        assert!(!remote.has(digest), "{digest} is there still");
    }
    assert_eq!(folder.files("packs").len(), folder.files("index").len());
    let (_b, to) = fresh();
    remote.pull(&to, &kept, &Going::default()).unwrap();
    let read = to.read(&infos[2].digest, 1 << 30).unwrap();
    assert!(read == changed, "another blob came back");
    // Nothing more to do.
    assert_eq!(remote.erase(&erased, &Going::default()).unwrap(), 0);
}
