//! Data versions: which ones the lock file pins, how they are found, and their statistics.

use reproof_catalog::Named;
use reproof_config::LockEntry;
use reproof_record::Digest;
use reproof_table::statistics::Statistics;
use reproof_table::{StatisticsLevel, TableError, Threads, read_statistics, table_statistics};

use crate::prepare::read_lock;
use crate::{EngineError, Project, resolve};

/// A data version that the lock file pins.
#[derive(Clone, Debug)]
pub struct PinnedData {
    /// The file, inside the project.
    pub path: String,
    /// What the lock file says.
    pub entry: LockEntry,
    /// Whether its table is in the store.
    pub stored: bool,
}

/// The data versions that the lock file pins, sorted by source.
///
/// # Errors
/// A lock file that cannot be read, and trouble of the storage.
pub fn data_versions(project: &Project) -> Result<Vec<PinnedData>, EngineError> {
    let lock = read_lock(project)?;
    let mut versions = Vec::new();
    for entry in lock.entries() {
        versions.push(PinnedData {
            path: path(&entry.source).to_owned(),
            stored: project.store.contains(&entry.version.digest)?,
            entry: entry.clone(),
        });
    }
    Ok(versions)
}

/// The path in the key of a source, which may hold options in braces before it.
fn path(source: &str) -> &str {
    let begin = source.rfind("}:").map_or_else(
        || source.find(':').map_or(0, |colon| colon + 1),
        |brace| brace + 2,
    );
    &source[begin..]
}

/// The data version that a text names: the path of a source, its file's name with or without the
/// extension, or an ID. Also what the lock file says of it, if it pins it.
///
/// # Errors
/// A text that names nothing, several things, or something else than data.
pub fn find_data(
    project: &Project,
    named: &str,
) -> Result<(Digest, Option<PinnedData>), EngineError> {
    let versions = data_versions(project)?;
    let mut found: Vec<_> = versions
        .iter()
        .filter(|one| is_named(&one.path, named))
        .collect();
    found.dedup_by_key(|one| one.entry.version);
    match found[..] {
        [] => {}
        [one] => return Ok((one.entry.version.digest, Some(one.clone()))),
        _ => {
            let all: Vec<_> = found
                .iter()
                .map(|one| format!("{} (data:{})", one.path, one.entry.version.digest.short()))
                .collect();
            return Err(EngineError::Usage {
                message: format!("'{named}' names several data versions"),
                hint: Some(format!("write the path or the ID: {}", all.join(", "))),
            });
        }
    }
    match resolve(project, named) {
        Ok(Named::Data(digest)) => {
            let mut versions = versions.into_iter();
            Ok((
                digest,
                versions.find(|one| one.entry.version.digest == digest),
            ))
        }
        Ok(_) => Err(EngineError::Usage {
            message: format!("'{named}' is not data"),
            hint: Some("'reproof show' shows records, recipes and executions".to_owned()),
        }),
        Err(EngineError::Usage { message, .. }) => Err(EngineError::Usage {
            message,
            hint: Some(if versions.is_empty() {
                "no data was read yet: 'reproof run' reads what a pipeline names".to_owned()
            } else {
                let all: Vec<_> = versions.iter().map(|one| one.path.as_str()).collect();
                format!("reproof.lock pins {}", all.join(", "))
            }),
        }),
        Err(other) => Err(other),
    }
}

fn is_named(path: &str, named: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    // `churn` for data/churn.csv.gz.
    let stem = file.split('.').next().unwrap_or(file);
    !named.is_empty() && [path, file, stem].contains(&named)
}

/// The full statistics of a data version: those that were stored when it was read, or computed now.
///
/// # Errors
/// A version that is not in the store, or damaged.
pub fn statistics(
    project: &Project,
    digest: &Digest,
    version: Option<&PinnedData>,
    threads: Threads,
) -> Result<Statistics, EngineError> {
    if let Some(version) = version
        && let Some(known) = project.catalog.source(&version.entry.source)?
        && known.version.artifact == version.entry.version
        && let Ok(Some(stored)) = read_statistics(&project.store, &known.version.manifest)
    {
        return Ok(stored);
    }
    let computed = table_statistics(&project.store, digest, StatisticsLevel::Full, threads);
    computed.map_err(|error| match error {
        TableError::Store(error) => error.into(),
        error => EngineError::Data {
            name: digest.short(),
            error,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_source() {
        assert_eq!(path("csv:data/a:b.csv"), "data/a:b.csv");
        assert_eq!(path(r#"csv{"delimiter":":"}:data/a.csv"#), "data/a.csv");
    }

    #[test]
    fn names_of_a_source() {
        let of = |named| is_named("data/churn.csv.gz", named);
        assert!(of("data/churn.csv.gz") && of("churn.csv.gz") && of("churn"));
        assert!(!of("") && !of("churn.csv") && !of("data"));
    }
}
