//! Files on servers: a copy of each is kept in the project's own folder, and fetched again when the
//! server says that it is another one.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_record::{Digest, RelativePath, StepName};
use reproof_remote::{Bucket, Fetched, Listed, Open, fetch};
use reproof_store::fs::{
    Facts, FileKind, Io, IoError, WriteFile, create_dir_durable, remove_tree, unique, write_atomic,
};
use reproof_store::{ObjectError, each_at_once};

use crate::project::STATE_FOLDER;
use crate::{Cancel, EngineError, Project};

/// The folder of the copies, below the project's own.
const FOLDER: &str = "fetched";
/// The longest tag of a server, in bytes.
const MAX_TAG: u64 = 4096;

/// A copy on its way. What is whole is durable before a tag says so.
struct Part(Box<dyn WriteFile>);

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.sync().map_err(std::io::Error::other)
    }
}

/// Removes all copies: what they hold is fetched again when it is asked for.
///
/// # Errors
/// Trouble of the storage.
pub(crate) fn forget_fetched(project: &Project) -> Result<(), EngineError> {
    let folder = project.root.join(STATE_FOLDER).join(FOLDER);
    match project.io().metadata(&folder) {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(remove_tree(project.io(), &folder)?),
    }
}

/// The copy of one file, and the tag of the state that it is of.
struct Copy {
    io: Arc<dyn Io>,
    path: PathBuf,
    tag: PathBuf,
    /// Where it is written before it is whole.
    part: PathBuf,
}

/// Why a copy could not be brought up to date.
enum Trouble {
    Server(ObjectError),
    Storage(IoError),
    /// An object that can be no file.
    Name(String),
    Interrupted,
}

impl From<ObjectError> for Trouble {
    fn from(error: ObjectError) -> Self {
        Self::Server(error)
    }
}

impl From<IoError> for Trouble {
    fn from(error: IoError) -> Self {
        Self::Storage(error)
    }
}

impl Trouble {
    fn told(self, name: &StepName) -> EngineError {
        match self {
            Self::Server(error) => EngineError::Unreachable {
                message: format!("data '{name}': {}", error.message),
                hint: error.hint,
            },
            Self::Storage(error) => error.into(),
            Self::Name(message) => EngineError::Usage {
                message: format!("data '{name}': {message}"),
                hint: Some("give the object another key, or name others by a pattern".to_owned()),
            },
            Self::Interrupted => EngineError::Interrupted,
        }
    }
}

impl Copy {
    /// The tag of the copy, if both are there.
    fn known(&self) -> Option<String> {
        match (
            self.io.metadata(&self.path),
            self.io.read(&self.tag, MAX_TAG),
        ) {
            (Ok(_), Ok(bytes)) => String::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Brings the copy up to date by what fetches the file.
    fn update(
        &self,
        fetch: impl FnOnce(Option<&str>, &mut Open<'_>) -> Result<Fetched, ObjectError>,
    ) -> Result<(), Trouble> {
        let io = self.io.as_ref();
        let mut open = || -> std::io::Result<Box<dyn Write>> {
            // A transfer that begins anew.
            let _ = io.remove_file(&self.part);
            let file = io.create_new(&self.part).map_err(std::io::Error::other)?;
            Ok(Box::new(Part(file)))
        };
        let fetched = fetch(self.known().as_deref(), &mut open)
            .inspect_err(|_| drop(io.remove_file(&self.part)))?;
        if let Fetched::New { tag } = fetched {
            // Without a tag it is fetched again, so a tag never stands beside other bytes.
            remove_if_there(io, &self.tag)?;
            io.rename(&self.part, &self.path)?;
            if let Some(tag) = tag {
                write_atomic(io, &self.tag, tag.as_bytes())?;
            }
        }
        Ok(())
    }
}

fn remove_if_there(io: &dyn Io, path: &Path) -> Result<(), IoError> {
    match io.remove_file(path) {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Where the copy of the file at an address lies, after it was compared with the server, and its facts.
///
/// # Errors
/// A server that cannot be reached, a file that is not there, and trouble of the storage.
pub(super) fn find(
    project: &Project,
    name: &StepName,
    address: &str,
    cancel: &Cancel,
) -> Result<(PathBuf, Facts), EngineError> {
    let io = project.io();
    let folder = project.root.join(STATE_FOLDER).join(FOLDER);
    create_dir_durable(io, &folder)?;
    let id = Digest::of(address.as_bytes()).to_hex();
    let path = folder.join(&id);
    let copy = Copy {
        io: Arc::clone(&project.services.io),
        path: path.clone(),
        tag: folder.join(format!("{id}.tag")),
        part: folder.join(format!("{id}.{}", unique())),
    };
    let address = address.to_owned();
    let variables = Arc::clone(&project.services.variables);
    let updated = cancel.wait_for(move || {
        copy.update(|known, open| fetch(&address, known, &variables, copy.io.as_ref(), open))
    })?;
    updated.map_err(|trouble| trouble.told(name))?;
    let facts = io.metadata(&path)?;
    Ok((path, facts))
}

/// Objects of a bucket that are the files of one source.
pub(super) struct Objects {
    /// The bucket's name.
    pub bucket: String,
    /// The folder of the bucket that they lie in; empty for the bucket itself.
    pub folder: String,
    /// How many folders deep; none without a limit.
    pub depth: Option<usize>,
    /// Whether a key is one of theirs.
    pub wanted: Box<dyn Fn(&str) -> bool + Send>,
}

/// Brings the copies of objects up to date, which lie by their keys in a folder of their own. Gives
/// that folder, inside the project.
///
/// # Errors
/// As [`find`]; keys that can be no paths.
pub(super) fn mirror(
    project: &Project,
    name: &StepName,
    (address, objects): (&str, Objects),
    cancel: &Cancel,
) -> Result<String, EngineError> {
    let id = Digest::of(address.as_bytes()).to_hex();
    let inside = format!("{STATE_FOLDER}/{FOLDER}/{id}.objects");
    let mirror = Mirror {
        io: Arc::clone(&project.services.io),
        folder: project.root.join(&inside),
        tags: project
            .root
            .join(STATE_FOLDER)
            .join(FOLDER)
            .join(format!("{id}.tags")),
        cancel: cancel.clone(),
    };
    let variables = Arc::clone(&project.services.variables);
    let updated = cancel.wait_for(move || {
        let bucket = Bucket::open(&objects.bucket, &variables, mirror.io.as_ref())?;
        let mut listed = bucket.list(&objects.folder, objects.depth)?;
        listed.retain(|object| (objects.wanted)(&object.key));
        mirror.update(&bucket, &listed)
    })?;
    updated.map_err(|trouble| trouble.told(name))?;
    Ok(inside)
}

/// Copies of objects, and their tags.
struct Mirror {
    io: Arc<dyn Io>,
    folder: PathBuf,
    tags: PathBuf,
    cancel: Cancel,
}

impl Mirror {
    fn update(&self, bucket: &Bucket, listed: &[Listed]) -> Result<(), Trouble> {
        create_dir_durable(self.io.as_ref(), &self.folder)?;
        create_dir_durable(self.io.as_ref(), &self.tags)?;
        let mut kept = BTreeSet::new();
        let mut other = Vec::new();
        for object in listed {
            let key = RelativePath::new(object.key.as_str())
                .map_err(|error| Trouble::Name(format!("the key of an object: {error}")))?;
            let path = self.folder.join(key.as_str());
            let tag = Digest::of(key.as_str().as_bytes()).to_hex();
            let copy = Copy {
                io: Arc::clone(&self.io),
                tag: self.tags.join(&tag),
                part: self.tags.join(format!("{tag}.{}", unique())),
                path: path.clone(),
            };
            if object.tag.is_none() || copy.known() != object.tag {
                if let Some(folder) = path.parent() {
                    create_dir_durable(self.io.as_ref(), folder)?;
                }
                other.push((key, copy));
            }
            kept.insert(path);
        }
        each_at_once(&other, |(key, copy)| {
            if self.cancel.is_cancelled() {
                return Err(Trouble::Interrupted);
            }
            copy.update(|known, open| bucket.fetch(key.as_str(), known, open))
        })?;
        self.remove_others(&self.folder, &kept)?;
        Ok(())
    }

    /// Removes the copies of objects that are not there any more.
    fn remove_others(&self, folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), IoError> {
        for entry in self.io.read_dir(folder)? {
            let path = folder.join(&entry.name);
            match entry.kind {
                FileKind::Folder => self.remove_others(&path, kept)?,
                _ if kept.contains(&path) => {}
                _ => self.io.remove_file(&path)?,
            }
        }
        Ok(())
    }
}
