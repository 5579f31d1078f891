//! The store from the command line, for benchmarks: `benches/store`.
//!
//! `store add STORE PATH [REPLACED]` adds a file or a folder and prints a digest; `store restore
//! STORE DIGEST PATH` lays a folder out, or writes a file; `store verify STORE DIGEST` hashes a blob.

use std::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use reproof_record::{Digest, Tree, TreeEntry};
use reproof_store::fs::{FileKind, Io, RealIo};
use reproof_store::{LayOut, Store, lay_out};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [command, store, rest @ ..] = arguments.as_slice() else {
        return Err("add, restore or verify, and a store".into());
    };
    let store = Store::open(Path::new(store), Arc::new(RealIo))?;
    let mut out = std::io::stdout();
    match (*command, rest) {
        ("add", [path]) => writeln!(out, "{}", add(&store, Path::new(path))?)?,
        ("add", [path, replaced]) => {
            let mut batch = store.batch();
            let mut writer = batch.writer_replacing(&replaced.parse()?)?;
            std::io::copy(&mut RealIo.open_read(Path::new(path))?, &mut writer)?;
            let digest = batch.add(writer)?.digest;
            batch.commit()?;
            writeln!(out, "{digest}")?;
        }
        ("restore", [digest, path]) => restore(&store, &digest.parse()?, Path::new(path))?,
        ("verify", [digest]) => {
            store.verify_blob(&digest.parse()?)?;
        }
        _ => return Err("what is given does not fit the command".into()),
    }
    Ok(())
}

fn add(store: &Store, path: &Path) -> Result<Digest, Box<dyn Error>> {
    let mut batch = store.batch();
    let digest = if RealIo.metadata(path)?.kind == FileKind::Folder {
        let taken = batch.take_folder(path)?;
        let tree = Tree::new(taken.into_iter().map(|(path, executable, blob)| TreeEntry {
            path,
            executable,
            digest: blob.digest,
        }));
        batch.put(&tree.to_bytes()?)?.digest
    } else {
        batch.take_file(path)?.digest
    };
    batch.commit()?;
    Ok(digest)
}

fn restore(store: &Store, digest: &Digest, path: &Path) -> Result<(), Box<dyn Error>> {
    if let Ok(tree) = store.tree(digest) {
        return Ok(lay_out(&tree, store, &RealIo, path, LayOut::default())?);
    }
    let mut reader = store.reader(digest)?;
    let mut file = RealIo.create_new(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..count])?;
    }
}
