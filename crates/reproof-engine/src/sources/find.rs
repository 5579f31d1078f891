//! The files of a data source: one, or those of a folder or pattern.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reproof_capture::Pattern;
use reproof_config::{DataFormat, DataSource, Place};
use reproof_record::{Digest, RelativePath, StepName};
use reproof_store::fs::{Facts, FileKind, Io, IoError};
use reproof_table::{FileFormat, SourceFile};

use super::fetched::{self, Objects};
use super::file_format;
use crate::{Cancel, EngineError, Project, queries};

/// What a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// One file.
    File {
        /// Where it is, without links.
        path: PathBuf,
        /// Its facts: a link's own would not tell that what it points to has changed.
        facts: Facts,
        /// Whether the facts tell of all that the source holds.
        whole: bool,
    },
    /// The files of a folder, or those that fit a pattern.
    Files(Files),
    /// What is asked of a server.
    Server,
}

/// Files of one source, sorted by the bytes of their paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The folder that their paths begin in, without links.
    pub base: PathBuf,
    /// The same folder inside the project; empty for the project's own.
    pub location: String,
    pub all: Vec<FoundFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundFile {
    /// Its path below the folder.
    pub inside: RelativePath,
    /// Its facts; those of what it points to where it is a link.
    pub facts: Facts,
}

impl Files {
    /// Where a file lies.
    pub fn path(&self, file: &FoundFile) -> PathBuf {
        self.base.join(file.inside.as_str())
    }

    /// What stands for the names and facts of all files, if all have been at rest for 2 s at this time,
    /// in nanoseconds since 1970: only then do equal facts later mean equal bytes.
    pub fn listing(&self, hashed_at_ns: i64) -> Option<Digest> {
        let mut hasher = blake3::Hasher::new();
        for FoundFile { inside, facts } in &self.all {
            if !facts.settled(hashed_at_ns) {
                return None;
            }
            let path = inside.as_str().as_bytes();
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path);
            for number in [facts.size, facts.inode, u64::from(facts.executable)] {
                hasher.update(&number.to_le_bytes());
            }
            for time in [facts.mtime_ns, facts.ctime_ns] {
                hasher.update(&time.to_le_bytes());
            }
        }
        Some(hasher.finalize().into())
    }

    /// The files as what a table is read from.
    pub fn source_files(&self) -> Vec<SourceFile> {
        let source = |file: &FoundFile| SourceFile {
            path: self.path(file),
            inside: file.inside.to_string(),
        };
        self.all.iter().map(source).collect()
    }

    /// The path of a file inside the project, for a person.
    pub fn shown(&self, file: &FoundFile) -> String {
        if self.location.is_empty() {
            file.inside.to_string()
        } else {
            format!("{}/{}", self.location, file.inside)
        }
    }
}

/// What a source names now. A path that is there is that file or folder, whatever characters stand in
/// it; otherwise it may be a pattern.
pub(crate) fn find(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    cancel: &Cancel,
) -> Result<Found, EngineError> {
    let inside = match &source.place {
        Place::File(path) => path.as_str(),
        Place::Server(_) => return Ok(Found::Server),
        Place::Address(address) if names_several(address, source) => {
            return objects(project, name, source, address, cancel).map(Found::Files);
        }
        Place::Address(address) => {
            let (path, facts) = fetched::find(project, name, address, cancel)?;
            let whole = true;
            return Ok(Found::File { path, facts, whole });
        }
    };
    let search = Search {
        project,
        name,
        inside,
        format: file_format(source),
        cancel,
    };
    let io = project.io();
    let path = project.root.join(inside);
    let path = match io.canonicalize(&path) {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return if Pattern::is_one(inside) && source.query().is_none() {
                search.fitting().map(Found::Files)
            } else {
                Err(search.missing(inside))
            };
        }
        Err(error) => return Err(error.into()),
    };
    let facts = io.metadata(&path)?;
    match facts.kind {
        FileKind::File if source.format == DataFormat::Files => {
            search.only(&path, facts).map(Found::Files)
        }
        FileKind::File => Ok(Found::File {
            whole: queries::is_whole(project, source, &path)?,
            path,
            facts,
        }),
        FileKind::Folder if source.query().is_none() => search.folder(path).map(Found::Files),
        // A pipe would make the run wait for ever, a device might never end.
        FileKind::Folder | FileKind::Link | FileKind::Other => Err(search.usage(
            format!("{inside} is not a regular file"),
            "name a file whose bytes are at rest",
        )),
    }
}

/// Whether an address is that of a folder of a bucket, or a pattern of objects.
fn names_several(address: &str, source: &DataSource) -> bool {
    let key = address
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    key.is_some_and(|(_, key)| key.ends_with('/') || Pattern::is_one(key))
        && source.query().is_none()
}

/// The objects of a folder of a bucket, or those that fit a pattern, as files: copies of them are found
/// as files of the project are.
fn objects(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    address: &str,
    cancel: &Cancel,
) -> Result<Files, EngineError> {
    let rest = address.strip_prefix("s3://").unwrap_or(address);
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let mut search = Search {
        project,
        name,
        inside: key,
        format: file_format(source),
        cancel,
    };
    let (folder, depth, pattern) = match key.strip_suffix('/') {
        Some(folder) => (folder, None, None),
        None => (
            Pattern::base(key),
            Pattern::depth(key),
            Some(search.pattern()?),
        ),
    };
    let format = search.format.clone();
    let wanted = move |key: &str| match (&pattern, &format) {
        (Some(pattern), _) => pattern.is_match(key),
        (None, Some(format)) => format.owns(key.rsplit('/').next().unwrap_or(key)),
        (None, None) => true,
    };
    let objects = Objects {
        bucket: bucket.to_owned(),
        folder: folder.to_owned(),
        depth,
        wanted: Box::new(wanted),
    };
    let mirror = fetched::mirror(project, name, (address, objects), cancel)?;
    let inside = format!("{mirror}/{}", key.trim_end_matches('/'));
    let inside = inside.trim_end_matches('/');
    search.inside = inside;
    let base = project.root.join(format!("{mirror}/{folder}"));
    let is_empty = match project.io().read_dir(&base) {
        Ok(entries) => entries.is_empty(),
        Err(error) if error.is_not_found() => true,
        Err(error) => return Err(error.into()),
    };
    let nothing = || {
        let hint = "look at its name; letters count as they are written, '*' stays within a folder, and \
                    names that begin with '.' or '_' are left out of tables";
        search.usage(format!("no object fits {address}"), hint)
    };
    if is_empty {
        return Err(nothing());
    }
    let found = if key.ends_with('/') || key.is_empty() {
        search.folder(project.io().canonicalize(&base)?)
    } else {
        search.fitting()
    };
    let mut files = match found {
        Err(EngineError::Usage { .. }) => return Err(nothing()),
        found => found?,
    };
    let location = files.location.strip_prefix(&mirror).unwrap_or_default();
    files.location = format!("s3://{bucket}{location}");
    Ok(files)
}

/// A look for the files of a source.
struct Search<'a> {
    project: &'a Project,
    name: &'a StepName,
    /// The source's path, inside the project.
    inside: &'a str,
    /// The format of a table's files; none of files that are kept as they are.
    format: Option<FileFormat>,
    cancel: &'a Cancel,
}

/// What a walk looks for.
struct Wanted {
    /// The pattern of paths inside the project; without one, files whose names tell the format.
    pattern: Option<Pattern>,
    /// How many folders deep it looks; none without a limit.
    depth: Option<usize>,
    /// How many files it left out because of their names.
    others: usize,
}

impl Search<'_> {
    fn io(&self) -> &dyn Io {
        self.project.io()
    }

    fn usage(&self, message: impl AsRef<str>, hint: impl Into<String>) -> EngineError {
        EngineError::Usage {
            message: format!("data '{}': {}", self.name, message.as_ref()),
            hint: Some(hint.into()),
        }
    }

    /// The error of a file or folder that is not there.
    fn missing(&self, path: &str) -> EngineError {
        let nearest = self.nearest(path);
        let root = self.project.root.display();
        let hint = if nearest.is_empty() {
            format!("paths are inside the project, {root}")
        } else {
            format!(
                "the nearest folder that is there is {nearest}; paths are inside the project, {root}"
            )
        };
        self.usage(format!("there is no file {path}"), hint)
    }

    /// The nearest folder above a path that is there; empty for the project's own.
    fn nearest<'p>(&self, path: &'p str) -> &'p str {
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            if self.io().metadata(&self.project.root.join(folder)).is_ok() {
                return folder;
            }
        }
        ""
    }

    /// A single file that is wanted as files.
    fn only(&self, path: &Path, facts: Facts) -> Result<Files, EngineError> {
        let written = self.inside;
        let (location, file) = written.rsplit_once('/').unwrap_or(("", written));
        let whole = self.project.root.join(written);
        if self.io().metadata(&whole)?.kind == FileKind::Link {
            return Err(self.link(&whole));
        }
        Ok(Files {
            base: path.parent().unwrap_or(path).to_owned(),
            location: location.to_owned(),
            all: vec![FoundFile {
                inside: self.name_of(file)?,
                facts,
            }],
        })
    }

    /// The files of a folder that are of the source's format, also in folders below it.
    fn folder(&self, base: PathBuf) -> Result<Files, EngineError> {
        let mut wanted = Wanted {
            pattern: None,
            depth: None,
            others: 0,
        };
        let files = self.walk(base, self.inside.to_owned(), &mut wanted)?;
        if files.all.is_empty() {
            let ending = |format: &FileFormat| {
                let endings = format.endings().iter();
                let endings: Vec<_> = endings.map(|ending| format!(".{ending}")).collect();
                format!(" that ends in {}", endings.join(" or "))
            };
            let what = self.format.as_ref().map(ending).unwrap_or_default();
            let mut message = format!("the folder {} holds no file{what}", self.inside);
            if wanted.others > 0 {
                message.push_str(&format!("; {} others lie in it", wanted.others));
            }
            let hint = "name the files by a pattern, such as data/**/part-*; names that begin with \
                        '.' or '_' are left out";
            return Err(self.usage(message, hint));
        }
        Ok(files)
    }

    /// The source's pattern.
    fn pattern(&self) -> Result<Pattern, EngineError> {
        let text = self.inside;
        Pattern::new(text).map_err(|reason| {
            let hint = "write '[[]' for a bracket that is part of a name";
            self.usage(format!("'{text}' is no pattern: {reason}"), hint)
        })
    }

    /// The files that fit the source's pattern.
    fn fitting(&self) -> Result<Files, EngineError> {
        let text = self.inside;
        let pattern = self.pattern()?;
        let location = Pattern::base(text);
        let base = match self.io().canonicalize(&self.project.root.join(location)) {
            Ok(base) => base,
            Err(error) if error.is_not_found() => return Err(self.missing(text)),
            Err(error) => return Err(error.into()),
        };
        if self.io().metadata(&base)?.kind != FileKind::Folder {
            return Err(self.missing(text));
        }
        let mut wanted = Wanted {
            pattern: Some(pattern),
            depth: Pattern::depth(text),
            others: 0,
        };
        let files = self.walk(base, location.to_owned(), &mut wanted)?;
        if files.all.is_empty() {
            let message = format!("no file fits {text}");
            let folder = match location {
                "" => "the project's folder".to_owned(),
                folder => folder.to_owned(),
            };
            let others = match wanted.others {
                0 => "no file".to_owned(),
                1 => "one file that does not fit".to_owned(),
                others => format!("{others} files that do not fit"),
            };
            let hint = format!(
                "the nearest folder that is there is {folder}; there lies {others} ('*' stays within \
                 a folder, '**' does not; names that begin with '.' or '_' are left out)"
            );
            return Err(self.usage(message, hint));
        }
        Ok(files)
    }

    /// Goes through a folder and those below it.
    fn walk(
        &self,
        base: PathBuf,
        location: String,
        wanted: &mut Wanted,
    ) -> Result<Files, EngineError> {
        let mut found = Files {
            base,
            location,
            all: Vec::new(),
        };
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if self.cancel.is_cancelled() {
                return Err(EngineError::Interrupted);
            }
            for (name, facts) in self.io().read_dir_facts(&found.base.join(&folder))? {
                if self.format.is_some() && is_hidden(&name) {
                    continue;
                }
                let name = self.text(&found, &folder, &name)?;
                let inside = match folder.as_str() {
                    "" => name.to_owned(),
                    folder => format!("{folder}/{name}"),
                };
                if facts.kind == FileKind::Folder {
                    if wanted.depth.is_none_or(|most| depth < most) {
                        folders.push((inside, depth + 1));
                    }
                } else if self.is_wanted(&found, &inside, name, wanted) {
                    let facts = self.facts(&found, &inside, facts)?;
                    let inside = self.name_of(&inside)?;
                    found.all.push(FoundFile { inside, facts });
                } else {
                    wanted.others += 1;
                }
            }
        }
        found.all.sort_unstable_by(|a, b| a.inside.cmp(&b.inside));
        Ok(found)
    }

    fn is_wanted(&self, found: &Files, inside: &str, name: &str, wanted: &Wanted) -> bool {
        match &wanted.pattern {
            Some(pattern) if found.location.is_empty() => pattern.is_match(inside),
            Some(pattern) => pattern.is_match(&format!("{}/{inside}", found.location)),
            None => self.format.as_ref().is_none_or(|format| format.owns(name)),
        }
    }

    /// A name as text.
    fn text<'n>(
        &self,
        found: &Files,
        folder: &str,
        name: &'n OsStr,
    ) -> Result<&'n str, EngineError> {
        name.to_str().ok_or_else(|| {
            let path = found.base.join(folder).join(name);
            let message = format!("the name of {} is not UTF-8", path.display());
            self.usage(message, "rename it, so that its name can be stored")
        })
    }

    /// A path that can be stored.
    fn name_of(&self, inside: &str) -> Result<RelativePath, EngineError> {
        RelativePath::new(inside).map_err(|error| {
            let hint = "rename it, so that its name can be stored";
            self.usage(error.to_string(), hint)
        })
    }

    /// The facts of a file, which must be one: those of what a link points to, in
    /// tables.
    fn facts(&self, found: &Files, inside: &str, facts: Facts) -> Result<Facts, EngineError> {
        let path = found.base.join(inside);
        let facts = match facts.kind {
            FileKind::Link if self.format.is_none() => return Err(self.link(&path)),
            FileKind::Link => {
                let target = self.io().canonicalize(&path);
                target
                    .and_then(|target| self.io().metadata(&target))
                    .map_err(|error| self.dangling(&path, error))?
            }
            _ => facts,
        };
        match facts.kind {
            FileKind::File => Ok(facts),
            FileKind::Folder => Err(self.usage(
                format!("{} is a link to a folder", path.display()),
                "name that folder itself, or copy it: links to folders are not followed",
            )),
            FileKind::Link | FileKind::Other => Err(self.usage(
                format!("{} is not a regular file", path.display()),
                "name files whose bytes are at rest",
            )),
        }
    }

    /// The error of a link among files that are kept as they are: what it points to may be anywhere.
    fn link(&self, path: &Path) -> EngineError {
        let message = format!("{} is a symbolic link", path.display());
        let hint = "put the file itself in its place: a folder of files holds no links";
        self.usage(message, hint)
    }

    fn dangling(&self, path: &Path, error: IoError) -> EngineError {
        if !error.is_not_found() {
            return error.into();
        }
        let message = format!("{} is a link to nothing", path.display());
        self.usage(message, "remove it, or put back what it points to")
    }
}

/// Whether a name is left out of tables as those of marks and drafts are: `_SUCCESS`, `.part.crc`.
/// Partitions may be named so.
fn is_hidden(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".") || bytes.starts_with(b"_") && !bytes.contains(&b'=')
}
