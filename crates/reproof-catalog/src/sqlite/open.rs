//! Opens a database: makes it, brings it up to date, or refuses it.

use std::path::Path;
use std::time::{Duration, Instant};

use reproof_store::fs::{Io, RealIo};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::CatalogError;

/// The migrations in their order: number `n` takes a database from version `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001.sql")];
/// The size of SQLite's smallest page.
const SMALLEST: u64 = 512;
/// How long a writer waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn open(path: &Path) -> Result<Connection, CatalogError> {
    let failed = |source| CatalogError::database(path, source);
    refuse_rest(path)?;
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    if cfg!(target_os = "macos") {
        // Elsewhere a plain `fsync` reaches the disk.
        connection
            .pragma_update(None, "fullfsync", true)
            .map_err(failed)?;
    }
    let known = MIGRATIONS.len() as i64;
    let found = version(&connection).map_err(failed)?;
    if found > known {
        return Err(CatalogError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found < known {
        write_ahead(&connection).map_err(failed)?;
        migrate(&mut connection).map_err(failed)?;
    }
    Ok(connection)
}

/// Refuses what is left of a database that was cut to less than a page: SQLite takes that for an
/// empty one.
fn refuse_rest(path: &Path) -> Result<(), CatalogError> {
    // Where there is no file, or none that can be looked at, SQLite has its own words for it.
    match RealIo.metadata(path) {
        Ok(facts) if facts.size > 0 && facts.size < SMALLEST => Err(CatalogError::Damaged {
            path: path.to_owned(),
            what: format!("it has {} bytes", facts.size),
        }),
        _ => Ok(()),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Turns the write-ahead log on. SQLite does not wait for others here, whatever its timeout says.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        let set = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| {
                row.get::<_, String>(0)
            })
            .map(|_| ());
        match set {
            Err(error) if is_busy(&error) && started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Brings a database up to date, unless another process just did.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = usize::try_from(version(&transaction)?).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
    }
    transaction.commit()
}
