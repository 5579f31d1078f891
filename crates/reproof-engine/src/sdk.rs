//! The Python package `reproof`, which the binary carries: programs that import it find it with
//! nothing to install.
//!
//! Its files are code like that of the project: they are part of a step's code closure, and so of
//! its key and recipe, by their content. They lie where no captured file can, and `PYTHONPATH`
//! names that folder last. A module of the project, or a package of the environment, of the same
//! name stands instead. Changing a file here changes the records of steps that use it.

use reproof_record::{Digest, RelativePath, Tree, TreeEntry};
use reproof_store::Batch;

use crate::EngineError;

/// The module's name.
pub(crate) const MODULE: &str = "reproof";
/// Where it lies in a step's code. Nothing of `.reproof` is ever captured.
pub(crate) const ROOT: &str = ".reproof/sdk";

/// A file of the package.
macro_rules! file {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../python/src/reproof/", $name)),
        )
    };
}

/// Its files. What only type checkers read is left out, and `jupyter`, which needs the binary and a project: no
/// step has them, and a change of it is to run none again.
const FILES: [(&str, &str); 11] = [
    file!("__init__.py"),
    file!("_built.py"),
    file!("_errors.py"),
    file!("_load.py"),
    file!("_local.py"),
    file!("_pipeline.py"),
    file!("_seeding.py"),
    file!("_step.py"),
    file!("_tables.py"),
    file!("call.py"),
    file!("graph.py"),
];

/// The files as they lie in a step's code, and their texts.
fn files() -> Result<Vec<(TreeEntry, &'static str)>, EngineError> {
    let entry = |(name, text): (&str, &'static str)| {
        let path = RelativePath::new(format!("{ROOT}/{MODULE}/{name}"));
        let path = path.map_err(|error| EngineError::Bug(error.to_string()))?;
        let entry = TreeEntry {
            path,
            executable: false,
            digest: Digest::of(text.as_bytes()),
        };
        Ok((entry, text))
    };
    FILES.into_iter().map(entry).collect()
}

/// What stands for the package's content.
pub(crate) fn digest() -> Result<Digest, EngineError> {
    let entries = files()?.into_iter().map(|(entry, _)| entry);
    Ok(Digest::of(&Tree::new(entries).to_bytes()?))
}

/// The tree of a step's code with the package, whose files go into the batch.
pub(crate) fn add(code: Tree, batch: &mut Batch) -> Result<Tree, EngineError> {
    let mut entries = code.files;
    for (entry, text) in files()? {
        batch.put(text.as_bytes())?;
        entries.push(entry);
    }
    Ok(Tree::new(entries))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_package_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/src/reproof");
        let found = std::fs::read_dir(folder).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let found: BTreeSet<_> = names
            .filter(|name| !["py.typed", "jupyter", "__pycache__"].contains(&name.as_str()))
            .collect();
        let carried = FILES.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(found, carried.collect());
    }
}
