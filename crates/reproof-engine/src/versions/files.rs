//! Versions as files again: the bytes of their source, or their values.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use reproof_record::{ArtifactKind, Tree};
use reproof_store::fs::{Io, IoError, WriteFile, unique};
use reproof_store::{LayOut, StoreError, lay_out};
use reproof_table::{Table, TableError, read_table, write_csv, write_json_lines, write_parquet};

use super::{FoundData, need_content, of_table, refuse_files};
use crate::needs::{self, Objects};
use crate::remote::fetch_content;
use crate::{EngineError, Project, exists};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Values separated by commas, the first row a header.
    Csv,
    /// Parquet.
    Parquet,
    /// A JSON object on each line.
    JsonLines,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// One file of so many bytes.
    File(u64),
    /// A folder of so many files.
    Folder(u64),
}

/// Writes the bytes of the source of a version to a file, which then has the digest that the version
/// says; those of several files into a folder, which must be new or empty.
///
/// # Errors
/// A version whose bytes were not kept, a file that is there already (unless `replace`), a folder that
/// is not empty, and trouble of the storage.
pub fn restore_version(
    project: &Project,
    found: &FoundData,
    file: &Path,
    replace: bool,
) -> Result<Restored, EngineError> {
    let origin = found.version.as_ref().map(|(_, entry)| &entry.source);
    let kept = origin.filter(|source| source.kept);
    let Some(source) = kept else {
        return Err(EngineError::Usage {
            message: format!(
                "the bytes of {} were not kept: only its values are here",
                found.label()
            ),
            hint: Some(
                "'reproof data export' writes the values; bytes are kept of named data, unless \
                 reproof.toml says keep = false"
                    .to_owned(),
            ),
        });
    };
    if source.files.is_none() {
        refuse_existing(project, file, replace)?;
    }
    let wanted = Objects::from([(source.digest, needs::source_object(source))]);
    let what = format!("the source of {}", found.label());
    fetch_content(project, &what, &wanted, &Objects::new())?;
    if source.files.is_some() {
        let tree = project.store.tree(&source.digest)?;
        return lay_out_files(project, &tree, file).map(Restored::Folder);
    }
    let mut reader = project.store.reader(&source.digest)?;
    let written = write_whole(project.io(), file, &mut |out| {
        io::copy(&mut reader, out).map_err(|source| IoError::new("write", file, source).into())
    });
    written.map(Restored::File)
}

/// Writes the files of a version that is no table into a folder, which must be new or empty. Gives
/// their number; none of a table.
///
/// # Errors
/// A version that is not in the store, a folder that is not empty, and trouble of the storage.
pub fn export_files(
    project: &Project,
    found: &FoundData,
    folder: &Path,
) -> Result<Option<u64>, EngineError> {
    if found.kind(project)? == ArtifactKind::Table {
        return Ok(None);
    }
    let tree = project.store.tree(&found.content)?;
    lay_out_files(project, &tree, folder).map(Some)
}

/// Lays files out in a folder that is new or empty. Gives their number.
fn lay_out_files(project: &Project, tree: &Tree, folder: &Path) -> Result<u64, EngineError> {
    let options = LayOut {
        durable: true,
        ..LayOut::default()
    };
    match lay_out(tree, &project.store, project.io(), folder, options) {
        Err(StoreError::Occupied { .. }) => Err(EngineError::Usage {
            message: format!(
                "{} is there already, and not an empty folder",
                folder.display()
            ),
            hint: Some("name a folder that is not there: several files are written".to_owned()),
        }),
        laid => {
            laid?;
            Ok(tree.files.len() as u64)
        }
    }
}

/// Writes the values of a version to a file: the same bytes every time. Gives the rows.
///
/// # Errors
/// A version that is not in the store, a file that is there already (unless `replace`), and trouble
/// of the storage.
pub fn export_version(
    project: &Project,
    found: &FoundData,
    format: ExportFormat,
    file: &Path,
    replace: bool,
) -> Result<u64, EngineError> {
    refuse_existing(project, file, replace)?;
    refuse_files(project, found, "formats are")?;
    need_content(project, found)?;
    let table = read_table(&project.store, &found.content, None);
    let table = table.map_err(|error| of_table(found, error))?;
    write_whole(project.io(), file, &mut |out| {
        let failed = |source| EngineError::from(IoError::new("write", file, source));
        match format {
            ExportFormat::Csv => write_csv(out, &table).map_err(failed)?,
            ExportFormat::JsonLines => write_json_lines(out, &table).map_err(failed)?,
            ExportFormat::Parquet => {
                parquet(out, &table).map_err(|error| of_table(found, error))?;
            }
        }
        Ok(table.rows() as u64)
    })
}

fn parquet(mut out: &mut (dyn Write + Send), table: &Table) -> Result<(), TableError> {
    write_parquet(&mut out, table)
}

fn refuse_existing(project: &Project, file: &Path, replace: bool) -> Result<(), EngineError> {
    if replace || !exists(project.io(), file)? {
        return Ok(());
    }
    Err(EngineError::Usage {
        message: format!("{} is there already", file.display()),
        hint: Some("name another file, or replace it with --force".to_owned()),
    })
}

/// Writes a file under another name, makes it durable, and only then gives it its own.
fn write_whole(
    io: &dyn Io,
    file: &Path,
    write: &mut dyn FnMut(&mut (dyn Write + Send)) -> Result<u64, EngineError>,
) -> Result<u64, EngineError> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = file.file_name().ok_or_else(|| {
        EngineError::usage(format!("{} is not the name of a file", file.display()))
    })?;
    let temporary = folder.join(format!(".{}.{}", name.to_string_lossy(), unique()));
    let done = io.create_new(&temporary).map_err(EngineError::from);
    let done = done.and_then(|opened| {
        let mut out = BufWriter::with_capacity(256 << 10, Opened(opened));
        let count = write(&mut out)?;
        let failed = |source| IoError::new("write", &temporary, source);
        let opened = out.into_inner().map_err(|error| failed(error.into_error()));
        opened?.0.sync()?;
        io.rename(&temporary, file)?;
        io.sync_dir(folder)?;
        Ok(count)
    });
    done.inspect_err(|_| {
        // The write's own error is the one to report; what is left over harms nobody.
        let _ = io.remove_file(&temporary);
    })
}

/// An open file as a writer.
struct Opened(Box<dyn WriteFile>);

impl Write for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
