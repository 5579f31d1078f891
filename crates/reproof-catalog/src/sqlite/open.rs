//! Opens a database: makes it, brings it up to date, or refuses it.

use std::path::Path;
use std::time::{Duration, Instant};

use reproof_store::fs::{Io, RealIo};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::CatalogError;

/// The migrations in their order: number `n` takes a database from version `n` to `n + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
];
/// The size of SQLite's smallest page.
const SMALLEST: u64 = 512;
/// How long a writer waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn open(path: &Path) -> Result<Connection, CatalogError> {
    let failed = |source| CatalogError::database(path, source);
    refuse_rest(path)?;
    let connection = Connection::open(path).and_then(|connection| {
        // The first look at the file is what fails where the disk is read-only.
        version(&connection).map(|_| connection)
    });
    let mut connection = match connection {
        Err(error) if is_read_only(&error) && is_complete(path) => open_read_only(path),
        other => other,
    }
    .map_err(failed)?;
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

/// Whether this may be for want of the right to write beside the database.
fn is_read_only(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether the database is there and whole without its write-ahead log.
fn is_complete(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = RealIo.metadata(Path::new(&log));
    let empty = log.map_or_else(|error| error.is_not_found(), |facts| facts.size == 0);
    empty && RealIo.metadata(path).is_ok()
}

/// Opens a database on a disk that nobody can write to. SQLite needs to be told so: it would make
/// the files beside the database that readers and writers share.
fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
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
