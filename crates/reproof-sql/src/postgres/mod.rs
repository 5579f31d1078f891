//! Queries to a PostgreSQL server.
//!
//! All that is read is read in one transaction that sees one state of the database and can change
//! nothing, with the settings pinned that could change what a query gives. Rows are received as they
//! come, in the server's binary form.

mod explain;
mod kind;
mod login;
mod tls;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use reproof_record::Column;
use reproof_store::Batch;
use reproof_table::{Cell, Snapshot, SnapshotOptions, finish_table};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls, Row};

use crate::reading::{self, Encoder};
use crate::{Question, SqlError, quoted};
use explain::{connecting, failed, lost};
use kind::{Kind, Scratch};
pub use login::{Login, Surroundings};

/// How often it is looked whether stopping was asked for.
const TICK: Duration = Duration::from_millis(50);
/// How long the server may take to hear that its query is not wanted any more.
const CANCEL: Duration = Duration::from_secs(1);
/// How many rows are taken between two looks at whether stopping was asked for.
const ROWS: u64 = 4096;

/// What begins the transaction. A parallel or shared scan gives rows to sums of doubles in another
/// order each time, and their last bits with it.
const BEGIN: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL synchronize_seqscans = off;
";

/// Reads the result of a query to a PostgreSQL server into a batch. `stop` tells whether stopping
/// was asked for; the server is told then, too.
///
/// # Errors
/// A server that cannot be reached, refuses the login or is lost meanwhile, a query that it refuses
/// or that writes, rows that are alike in the key, and values that no column of a table holds.
pub fn snapshot_postgres(
    batch: &mut Batch,
    login: &Login,
    question: Question<'_>,
    options: &SnapshotOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Snapshot, SqlError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| {
        SqlError::unreachable(format!("no connection can be made: {error}"), None)
    })?;
    let read = runtime.block_on(async {
        let client = until(stop, connect(login)).await??;
        let read = until(stop, read(&client, batch, question, options, stop)).await;
        match read {
            Ok(Err(SqlError::Interrupted)) | Err(SqlError::Interrupted) => {
                cancel(&client, login).await;
                Err(SqlError::Interrupted)
            }
            Ok(read) => read,
            Err(error) => Err(error),
        }
    });
    // A look-up of a name may still be going on: nobody waits for it.
    runtime.shutdown_background();
    read
}

/// Waits for something, but no longer than until stopping is asked for.
async fn until<T>(stop: &dyn Fn() -> bool, work: impl Future<Output = T>) -> Result<T, SqlError> {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(TICK, &mut work).await {
            Ok(done) => return Ok(done),
            Err(_) if stop() => return Err(SqlError::Interrupted),
            Err(_) => {}
        }
    }
}

async fn connect(login: &Login) -> Result<Client, SqlError> {
    let config = login.config();
    let tls = tls::connector(login)?;
    let failed = |error| connecting(&error, login);
    // The connection goes on by itself; what it fails with, requests are told.
    match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }
}

/// Tells the server that the query is not wanted any more. It notices anyway, but only once it sends
/// rows.
async fn cancel(client: &Client, login: &Login) {
    let token = client.cancel_token();
    let told = async {
        match tls::connector(login) {
            Ok(Some(tls)) => token.cancel_query(tls).await,
            _ => token.cancel_query(NoTls).await,
        }
    };
    // Whether it hears it or not, the run ends.
    let _ = tokio::time::timeout(CANCEL, told).await;
}

/// The bytes of a value, whatever its type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &Type,
        bytes: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

async fn read(
    client: &Client,
    batch: &mut Batch,
    question: Question<'_>,
    options: &SnapshotOptions,
    stop: &dyn Fn() -> bool,
) -> Result<Snapshot, SqlError> {
    let begun = client.batch_execute(BEGIN).await;
    begun.map_err(|error| failed(&error, None))?;
    let plan = Plan::new(client, question, options).await?;
    let mut read = None;
    for range in reading::groups(plan.columns.len()) {
        let mut encoder = Encoder::new(batch, &plan.columns, range, &plan.key, options)?;
        plan.read(client, &mut encoder, stop).await?;
        reading::join(&mut read, encoder.finish(batch)?)?;
    }
    let read = read.ok_or_else(|| SqlError::query("the query gives no columns"))?;
    let ended = client.batch_execute("COMMIT").await;
    ended.map_err(|error| failed(&error, None))?;
    Ok(finish_table(batch, plan.columns, read.rows, read.columns)?)
}

/// A query whose columns are known.
struct Plan {
    columns: Vec<Column>,
    kinds: Vec<Kind>,
    key: Vec<usize>,
    /// The query that sorts the rows.
    sorted: String,
}

impl Plan {
    async fn new(
        client: &Client,
        question: Question<'_>,
        options: &SnapshotOptions,
    ) -> Result<Self, SqlError> {
        let Question { text, order_by } = question;
        let prepared = client.prepare(text).await;
        let statement = prepared.map_err(|error| failed(&error, Some(text)))?;
        let names = statement.columns().iter();
        let names: Vec<String> = names.map(|column| column.name().to_owned()).collect();
        let key = reading::key_columns(&names, order_by)?;
        reading::check_declared(options, &names)?;
        if !statement.params().is_empty() {
            return Err(SqlError::query("the query has parameters: write values"));
        }
        let mut columns = Vec::with_capacity(names.len());
        let mut kinds = Vec::with_capacity(names.len());
        for (name, column) in names.into_iter().zip(statement.columns()) {
            let kind = Kind::of(column)?;
            let declared = options.declared.get(&name).copied();
            let Some(logical_type) = declared.or(kind.logical_type()) else {
                return Err(kind::undeclared(&name));
            };
            columns.push(Column { name, logical_type });
            kinds.push(kind);
        }
        let by = key.iter().map(|index| {
            let kind: Kind = kinds[*index];
            let name = quoted(&columns[*index].name);
            let expression = kind.sorted(&name).ok_or_else(|| {
                SqlError::hinted(
                    format!("order_by names {name}, whose values have no order"),
                    format!("name another column, or cast it in the query: {name}::text"),
                )
            })?;
            Ok(format!("{expression} ASC NULLS FIRST"))
        });
        let by: Vec<String> = by.collect::<Result<_, SqlError>>()?;
        // A comment at the end of the query must not swallow what follows.
        let sorted = format!(
            "SELECT * FROM (\n{text}\n) AS reproof_rows ORDER BY {}",
            by.join(", ")
        );
        Ok(Self {
            columns,
            kinds,
            key,
            sorted,
        })
    }

    async fn read(
        &self,
        client: &Client,
        encoder: &mut Encoder<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), SqlError> {
        let prepared = client.prepare(&self.sorted).await;
        let statement = prepared.map_err(|error| explain::inside(&error))?;
        let none = std::iter::empty::<&(dyn tokio_postgres::types::ToSql + Sync)>();
        let rows = client.query_raw(&statement, none).await;
        let mut rows = pin!(rows.map_err(|error| failed(&error, None))?);
        let mut scratch = vec![Scratch::default(); self.kinds.len()];
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| lost(&error, encoder.rows()))?;
            self.row(&row, &mut scratch, encoder)?;
            if encoder.rows().is_multiple_of(ROWS) && stop() {
                return Err(SqlError::Interrupted);
            }
        }
        Ok(())
    }

    fn row(
        &self,
        row: &Row,
        scratch: &mut [Scratch],
        encoder: &mut Encoder<'_>,
    ) -> Result<(), SqlError> {
        if row.len() != self.kinds.len() {
            return Err(SqlError::query("the query cannot stand inside another one"));
        }
        let mut cells = Vec::with_capacity(self.kinds.len());
        for ((index, kind), scratch) in self.kinds.iter().enumerate().zip(scratch) {
            let value: Result<Option<Raw<'_>>, _> = row.try_get(index);
            let value = value.map_err(|error| failed(&error, None))?;
            let cell = match value {
                None => Ok(Cell::Missing),
                Some(Raw(bytes)) => kind.cell(bytes, scratch),
            };
            cells.push(cell.map_err(|problem| {
                let name = &self.columns[index].name;
                let number = encoder.rows() + 1;
                let message = format!("column '{name}', row {number}: {}", problem.what);
                SqlError::hinted(message, problem.advice)
            })?);
        }
        encoder.row(&cells)
    }
}
