//! The catalogue in one SQLite file.
//!
//! Write-ahead log, full synchronisation: what was acknowledged is durable. A writer waits for
//! another one; a process that dies leaves nothing that has to be unlocked.

mod open;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reproof_record::{Digest, Execution, ExecutionId, RecipeId, RecordId, StepKey, to_canonical};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::sqlite::rows::{Reader, text_of};
use crate::{
    Catalog, CatalogError, ExecutionFilter, FileDigest, KnownFacts, Lineage, Named, Producer,
    RecordEntry, SourceSnapshot, StepResult, Use,
};

/// How many things a prefix may name before the rest is left out.
const MAX_NAMED: usize = 50;

/// The catalogue in one SQLite file.
#[derive(Debug)]
pub struct SqliteCatalog {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl SqliteCatalog {
    /// Opens the catalogue in this file, and makes it if there is none.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let connection = open::open(path)?;
        Ok(Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: rusqlite::Error) -> CatalogError {
        CatalogError::database(&self.path, source)
    }

    fn damaged(&self, what: &impl ToString) -> CatalogError {
        CatalogError::Damaged {
            path: self.path.clone(),
            what: what.to_string(),
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader { path: &self.path }
    }

    /// Does something all or nothing.
    fn write(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), CatalogError> {
        let mut connection = self.connection();
        connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                work(&transaction)?;
                transaction.commit()
            })
            .map_err(|error| self.failed(error))
    }

    /// All rows of a query, each read by `read`.
    fn all<T>(
        &self,
        query: &str,
        values: &[Value],
        read: impl Fn(&Row<'_>) -> Result<T, CatalogError>,
    ) -> Result<Vec<T>, CatalogError> {
        let connection = self.connection();
        let failed = |error| self.failed(error);
        let mut statement = connection.prepare_cached(query).map_err(failed)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// The JSON text of something that is stored.
    fn json<T: serde::Serialize>(&self, value: &T) -> Result<String, CatalogError> {
        serde_json::to_string(value).map_err(|error| self.damaged(&error))
    }

    fn records(&self, condition: &str, value: String) -> Result<Vec<RecordEntry>, CatalogError> {
        let query = format!(
            "SELECT id, recipe, results, created FROM records WHERE {condition} ORDER BY created, id"
        );
        self.all(&query, &[Value::Text(value)], |row| {
            self.reader().record(row)
        })
    }
}

fn text(value: &impl ToString) -> Value {
    Value::Text(value.to_string())
}

impl Catalog for SqliteCatalog {
    fn add_step_result(&self, result: &StepResult) -> Result<(), CatalogError> {
        let artifacts: BTreeMap<_, _> = result
            .outputs
            .iter()
            .map(|(name, output)| (name, output.artifact))
            .collect();
        let digest = Digest::of(&to_canonical(&artifacts).map_err(|error| self.damaged(&error))?);
        let (outputs, inputs) = (self.json(&result.outputs)?, self.json(&result.inputs)?);
        let (key, operation) = (result.key.to_string(), result.operation.to_string());
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO step_results (key, result, operation, outputs, inputs, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (key, result) DO UPDATE SET outputs = excluded.outputs",
                )?
                .execute(params![
                    key,
                    digest.to_hex(),
                    operation,
                    outputs,
                    inputs,
                    result.created.0
                ])?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO step_artifacts
                 (artifact, direction, key, name, kind, operation) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let produced = result
                .outputs
                .iter()
                .map(|(name, output)| ("output", name, output.artifact));
            let used = result
                .inputs
                .iter()
                .map(|(name, artifact)| ("input", name, *artifact));
            for (direction, name, artifact) in produced.chain(used) {
                let (digest, kind) = (artifact.digest.to_hex(), artifact.kind.name());
                insert.execute(params![
                    digest,
                    direction,
                    key,
                    name.as_str(),
                    kind,
                    operation
                ])?;
            }
            Ok(())
        })
    }

    fn step_results(&self, key: &StepKey) -> Result<Vec<StepResult>, CatalogError> {
        self.all(
            "SELECT key, operation, inputs, outputs, created FROM step_results WHERE key = ?1
             ORDER BY created, result",
            &[text(key)],
            |row| self.reader().step_result(row),
        )
    }

    fn record(&self, id: &RecordId) -> Result<Option<RecordEntry>, CatalogError> {
        Ok(self.records("id = ?1", id.to_string())?.pop())
    }

    fn records_of(&self, recipe: &RecipeId) -> Result<Vec<RecordEntry>, CatalogError> {
        self.records("recipe = ?1", recipe.to_string())
    }

    fn finish(
        &self,
        execution: &Execution,
        record: Option<&RecordEntry>,
    ) -> Result<(), CatalogError> {
        let document = self.json(execution)?;
        let verified = execution.verification.as_ref().map(|found| found.record);
        let id = execution.id.to_string();
        let tail = id[id.len() - 12..].to_owned();
        let kind = text_of(&execution.kind).map_err(|error| self.damaged(&error))?;
        let status = text_of(&execution.status).map_err(|error| self.damaged(&error))?;
        self.write(|transaction| {
            if let Some(record) = record {
                transaction.execute(
                    "INSERT OR IGNORE INTO records (id, recipe, results, created)
                     VALUES (?1, ?2, ?3, ?4)",
                    params![
                        record.id.to_string(),
                        record.recipe.to_string(),
                        record.results.to_string(),
                        record.created.0
                    ],
                )?;
            }
            for used in execution.data.values() {
                transaction.execute(
                    "INSERT OR IGNORE INTO data_versions (version, source, created)
                     VALUES (?1, ?2, ?3)",
                    params![
                        used.version.digest.to_hex(),
                        used.source,
                        execution.started.0
                    ],
                )?;
            }
            transaction.execute(
                "INSERT INTO executions
                 (id, tail, kind, status, pipeline, commit_id, lock, recipe, record, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    id,
                    tail,
                    kind,
                    status,
                    execution.pipeline,
                    execution.code.commit,
                    execution.lock.map(|lock| lock.to_hex()),
                    execution.recipe.map(|recipe| recipe.to_string()),
                    execution
                        .record
                        .or(verified)
                        .map(|record| record.to_string()),
                    document
                ],
            )?;
            Ok(())
        })
    }

    fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CatalogError> {
        let query = "SELECT document FROM executions WHERE id = ?1";
        Ok(self
            .all(query, &[text(id)], |row| self.reader().json(row, 0))?
            .pop())
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, CatalogError> {
        let mut query = String::from("SELECT document FROM executions WHERE 1");
        let mut values = Vec::new();
        let mut add = |condition: &str, value: Value| {
            values.push(value);
            query.push_str(&format!(" AND {condition} ?{}", values.len()));
        };
        if let Some(pipeline) = &filter.pipeline {
            add("pipeline =", text(pipeline));
        }
        if let Some(record) = &filter.record {
            add("record =", text(record));
        }
        if let Some(kind) = &filter.kind {
            add(
                "kind =",
                Value::Text(text_of(kind).map_err(|error| self.damaged(&error))?),
            );
        }
        if filter.with_record {
            query.push_str(" AND record IS NOT NULL");
        }
        query.push_str(" ORDER BY id DESC");
        if let Some(limit) = filter.limit {
            query.push_str(&format!(" LIMIT {limit}"));
        }
        self.all(&query, &values, |row| self.reader().json(row, 0))
    }

    fn resolve(&self, prefix: &str) -> Result<Vec<Named>, CatalogError> {
        let (kind, digits) = match prefix.split_once(':') {
            Some((kind @ ("recipe" | "data" | "x" | "record"), digits)) => (kind, digits),
            Some(_) => return Ok(Vec::new()),
            None => ("", prefix),
        };
        let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let plain = !digits.is_empty() && digits.len() <= 64 && digits.chars().all(hexadecimal);
        let mut found = Vec::new();
        if plain {
            let reader = self.reader();
            let mut look =
                |wanted: &str,
                 query: &str,
                 read: &dyn Fn(&Row<'_>) -> Result<Named, CatalogError>| {
                    if !kind.is_empty() && kind != wanted {
                        return Ok(());
                    }
                    // `g` comes after every hexadecimal digit.
                    found.extend(self.all(
                        query,
                        &[text(&digits), text(&format!("{digits}g"))],
                        read,
                    )?);
                    Ok::<_, CatalogError>(())
                };
            look("record", &range("records", "id", "id"), &|row| {
                Ok(Named::Record(reader.parse(row, 0)?))
            })?;
            look("recipe", &range("records", "recipe", "recipe"), &|row| {
                Ok(Named::Recipe(reader.parse(row, 0)?))
            })?;
            look(
                "data",
                &range("data_versions", "version", "version"),
                &|row| Ok(Named::Data(reader.parse(row, 0)?)),
            )?;
            look("x", &range("executions", "tail", "id"), &|row| {
                Ok(Named::Execution(reader.parse(row, 0)?))
            })?;
        } else if let Ok(id) = prefix
            .strip_prefix("x:")
            .unwrap_or(prefix)
            .parse::<ExecutionId>()
        {
            found.extend(
                self.execution(&id)?
                    .map(|execution| Named::Execution(execution.id)),
            );
        }
        found.truncate(MAX_NAMED);
        Ok(found)
    }

    fn facts(&self, blobs: &[Digest]) -> Result<BTreeMap<Digest, KnownFacts>, CatalogError> {
        let list = self.json(&blobs)?;
        let found = self.all(
            "SELECT blob, facts, hashed_at FROM blob_facts
             WHERE blob IN (SELECT value FROM json_each(?1))",
            &[Value::Text(list)],
            |row| {
                Ok((
                    self.reader().parse(row, 0)?,
                    self.reader().known_facts(row, 1)?,
                ))
            },
        )?;
        Ok(found.into_iter().collect())
    }

    fn set_facts(&self, facts: &[(Digest, KnownFacts)]) -> Result<(), CatalogError> {
        let mut rows = Vec::with_capacity(facts.len());
        for (blob, known) in facts {
            rows.push((blob.to_hex(), self.json(&known.facts)?, known.hashed_at.0));
        }
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO blob_facts (blob, facts, hashed_at) VALUES (?1, ?2, ?3)",
            )?;
            for row in &rows {
                insert.execute(params![row.0, row.1, row.2])?;
            }
            Ok(())
        })
    }

    fn lineage(&self, artifact: &Digest) -> Result<Lineage, CatalogError> {
        let query = "SELECT key, operation, name, kind FROM step_artifacts
                     WHERE artifact = ?1 AND direction = ?2 ORDER BY key, name";
        let reader = self.reader();
        let produced_by = self.all(query, &[text(artifact), text(&"output")], |row| {
            Ok(Producer {
                key: reader.parse(row, 0)?,
                operation: reader.text(row, 1)?,
                output: reader.text(row, 2)?,
                kind: reader.named(row, 3)?,
            })
        })?;
        let used_by = self.all(query, &[text(artifact), text(&"input")], |row| {
            Ok(Use {
                key: reader.parse(row, 0)?,
                operation: reader.text(row, 1)?,
                input: reader.text(row, 2)?,
            })
        })?;
        Ok(Lineage {
            produced_by,
            used_by,
        })
    }

    fn file_digests(&self, paths: &[&str]) -> Result<BTreeMap<String, FileDigest>, CatalogError> {
        let list = self.json(&paths)?;
        let reader = self.reader();
        let found = self.all(
            "SELECT path, facts, hashed_at, digest FROM file_digests
             WHERE path IN (SELECT value FROM json_each(?1))",
            &[Value::Text(list)],
            |row| {
                let known = reader.known_facts(row, 1)?;
                Ok((
                    reader.text(row, 0)?,
                    FileDigest {
                        known,
                        digest: reader.parse(row, 3)?,
                    },
                ))
            },
        )?;
        Ok(found.into_iter().collect())
    }

    fn set_file_digests(&self, digests: &[(String, FileDigest)]) -> Result<(), CatalogError> {
        let mut rows = Vec::with_capacity(digests.len());
        for (path, file) in digests {
            let facts = self.json(&file.known.facts)?;
            rows.push((path, facts, file.known.hashed_at.0, file.digest.to_hex()));
        }
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO file_digests (path, facts, hashed_at, digest)
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            for row in &rows {
                insert.execute(params![row.0, row.1, row.2, row.3])?;
            }
            Ok(())
        })
    }

    fn source(&self, key: &str) -> Result<Option<SourceSnapshot>, CatalogError> {
        let connection = self.connection();
        let found: Option<String> = connection
            .prepare_cached("SELECT snapshot FROM sources WHERE key = ?1")
            .and_then(|mut query| query.query_row([key], |row| row.get(0)).optional())
            .map_err(|error| self.failed(error))?;
        // Derived: one that an older version wrote is as good as none.
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn set_source(&self, key: &str, snapshot: &SourceSnapshot) -> Result<(), CatalogError> {
        let snapshot = self.json(snapshot)?;
        self.write(|transaction| {
            let insert = "INSERT OR REPLACE INTO sources (key, snapshot) VALUES (?1, ?2)";
            transaction
                .execute(insert, params![key, snapshot])
                .map(|_| ())
        })
    }
}

/// A query for what lies between two texts, the second not included.
fn range(table: &str, column: &str, wanted: &str) -> String {
    format!(
        "SELECT DISTINCT {wanted} FROM {table} WHERE {column} >= ?1 AND {column} < ?2
         ORDER BY {wanted} LIMIT {MAX_NAMED}"
    )
}
