//! Queries to databases as data sources.

use std::path::{Path, PathBuf};

use reproof_config::{DataSource, Place, QueryText};
use reproof_record::StepName;
use reproof_sql::{Login, Question, SqlError, Surroundings, snapshot_postgres, snapshot_sqlite};
use reproof_store::Batch;
use reproof_store::fs::{Facts, FileKind};
use reproof_table::{Snapshot, SnapshotOptions};

use crate::{Cancel, EngineError, Project};

/// The largest file with a query, in bytes.
const MAX_QUERY: u64 = 1 << 20;
/// What SQLite puts behind the name of a database, for the files in which changes may stand that
/// are not in it yet.
const BESIDE: [&str; 2] = ["-wal", "-journal"];

/// The facts of a source that is no file. They are never believed.
pub(crate) const NO_FACTS: Facts = Facts {
    kind: FileKind::Other,
    size: 0,
    mtime_ns: 0,
    ctime_ns: 0,
    inode: 0,
    executable: false,
};

/// The source with the text of its query, where that stands in a file.
///
/// # Errors
/// A file that is not there, or is no text.
pub(crate) fn resolved(
    project: &Project,
    name: &StepName,
    source: &DataSource,
) -> Result<DataSource, EngineError> {
    let Some(QueryText::File(path)) = source.query().map(|query| &query.text) else {
        return Ok(source.clone());
    };
    let usage = |what: String| EngineError::Usage {
        message: format!("data '{name}': {what}"),
        hint: Some("query_file names a file inside the project that holds one SELECT".to_owned()),
    };
    let bytes = project
        .io()
        .read(&project.root.join(path.as_str()), MAX_QUERY);
    let bytes = bytes.map_err(|error| {
        if error.is_not_found() {
            usage(format!("there is no file {path}"))
        } else {
            error.into()
        }
    })?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| usage(format!("the query in {path} is not UTF-8")))?;
    let read = source.with_query(&text);
    match read.query().map(|query| &query.text) {
        Some(QueryText::Here(text)) if text.is_empty() => {
            Err(usage(format!("the query in {path} is empty")))
        }
        _ => Ok(read),
    }
}

/// The files that belong to a source: a change of them is none of the code.
pub(crate) fn files(source: &DataSource) -> Vec<String> {
    let Some(path) = source.file() else {
        return Vec::new();
    };
    let mut files = vec![path.to_string()];
    if source.query().is_some() {
        files.extend(
            BESIDE
                .iter()
                .chain(&["-shm"])
                .map(|end| format!("{path}{end}")),
        );
    }
    files
}

/// Whether all that a file source holds stands in its file: beside a database may lie changes that
/// are not in it yet.
pub(crate) fn is_whole(
    project: &Project,
    source: &DataSource,
    path: &Path,
) -> Result<bool, EngineError> {
    if source.query().is_none() {
        return Ok(true);
    }
    for end in BESIDE {
        let mut beside = path.as_os_str().to_owned();
        beside.push(end);
        match project.io().metadata(&PathBuf::from(beside)) {
            Ok(facts) if facts.size == 0 => {}
            Ok(_) => return Ok(false),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// The file of a database.
#[derive(Clone, Copy)]
pub(crate) struct Opened<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Whether it seems that nobody writes to it.
    pub still: bool,
}

/// Asks the database. What it gives is in the batch, and not stored yet.
pub(crate) fn read(
    project: &Project,
    name: &StepName,
    source: &DataSource,
    file: Option<Opened<'_>>,
    options: SnapshotOptions,
    cancel: &Cancel,
) -> Result<(Snapshot, Batch), EngineError> {
    let unread = || EngineError::Bug(format!("the query of data '{name}' was not read"));
    let query = source.query().ok_or_else(unread)?;
    let store = project.store.clone();
    let read = match (&source.place, file) {
        (Place::Server(server), _) => {
            let question = Question::new(query).ok_or_else(unread)?;
            let login = Login::find(
                server,
                &Surroundings {
                    variables: &project.services.variables,
                    io: project.io(),
                    user: &project.services.user,
                    root: &project.root,
                },
            );
            login.and_then(|login| {
                let mut batch = store.batch();
                let stop = || cancel.is_cancelled();
                let read = snapshot_postgres(&mut batch, &login, question, &options, &stop)?;
                Ok((read, batch))
            })
        }
        (Place::File(_), Some(Opened { path, still })) => {
            let (path, query) = (path.to_owned(), query.clone());
            cancel
                .wait_for(move || -> Result<Option<(Snapshot, Batch)>, SqlError> {
                    let Some(question) = Question::new(&query) else {
                        return Ok(None);
                    };
                    let mut batch = store.batch();
                    let read = snapshot_sqlite(&mut batch, &path, question, &options, still)?;
                    Ok(Some((read, batch)))
                })?
                .transpose()
                .ok_or_else(unread)?
        }
        (Place::File(_), None) | (Place::Address(_), _) => return Err(unread()),
    };
    read.map_err(|error| explained(name, error))
}

fn explained(name: &StepName, error: SqlError) -> EngineError {
    let name = name.to_string();
    match error {
        SqlError::Interrupted => EngineError::Interrupted,
        SqlError::Table(error) => EngineError::Data { name, error },
        SqlError::Unreachable(trouble) => EngineError::Sql {
            name,
            trouble,
            unreachable: true,
        },
        SqlError::Query(trouble) => EngineError::Sql {
            name,
            trouble,
            unreachable: false,
        },
        other => EngineError::Bug(other.to_string()),
    }
}
