//! The catalogue in one SQLite file.
//!
//! Write-ahead log, full synchronisation: what was acknowledged is durable. A writer waits for
//! another one; a process that dies leaves nothing that has to be unlocked.

mod erasures;
mod history;
mod names;
mod open;
mod rows;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reproof_record::{
    Digest, Execution, ExecutionId, RecipeId, RecordId, StepKey, StepName, VersionId, digests_in,
    to_canonical,
};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use crate::sqlite::rows::{Reader, text_of};
use crate::sqlite::tables::{Existing, Table};
use crate::{
    BundleRow, Catalog, CatalogError, DataTag, ErasureRow, ExecutionFilter, FileDigest,
    ForeignVersion, KnownBlob, Lineage, Mention, Named, Producer, RecordEntry, SourceSnapshot,
    StepResult, Use, VersionRow,
};

/// From how many paths on all rows are read, instead of looking each one up.
const MANY_PATHS: usize = 1000;

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

    /// The whole rows of a table that a condition selects, each read by `read`. A row that is not
    /// as it was written is an error, or left out where it can be made again.
    fn rows<T>(
        &self,
        table: &Table,
        condition: &str,
        values: &[Value],
        read: impl Fn(&Row<'_>) -> Result<T, CatalogError>,
    ) -> Result<Vec<T>, CatalogError> {
        let mut found = Vec::new();
        self.each(&table.select(condition), values, |row| {
            if table.is_whole(row).map_err(|error| self.failed(error))? {
                found.push(read(row)?);
            } else if !table.derived {
                return Err(self.damaged(&format!("a row of {} was changed", table.name())));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Shows every row of a query.
    fn each(
        &self,
        query: &str,
        values: &[Value],
        mut show: impl FnMut(&Row<'_>) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let connection = self.connection();
        let failed = |error| self.failed(error);
        let mut statement = connection.prepare_cached(query).map_err(failed)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            show(row)?;
        }
        Ok(())
    }

    /// The JSON text of something that is stored.
    fn json<T: serde::Serialize>(&self, value: &T) -> Result<String, CatalogError> {
        serde_json::to_string(value).map_err(|error| self.damaged(&error))
    }

    /// Puts rows in place of those that are there.
    fn replace(&self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), CatalogError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            rows.into_iter()
                .try_for_each(|row| table.insert(transaction, Existing::Replace, row))
        })
    }

    /// The rows that an execution comes to.
    fn execution_rows(&self, execution: &Execution) -> Result<Vec<NewRow>, CatalogError> {
        let name = |name: Result<String, String>| {
            name.map(Value::Text).map_err(|error| self.damaged(&error))
        };
        let verified = execution.verification.as_ref().map(|found| &found.record);
        let id = execution.id.to_string();
        let tail = id[id.len() - 12..].to_owned();
        let mut rows = vec![(
            &tables::EXECUTIONS,
            Existing::Refuse,
            vec![
                Value::Text(self.json(execution)?),
                text(&id),
                Value::Text(tail),
                name(text_of(&execution.kind))?,
                name(text_of(&execution.status))?,
                text(&execution.pipeline),
                optional(execution.code.commit.as_ref()),
                optional(execution.lock.as_ref()),
                optional(execution.recipe.as_ref()),
                optional(execution.record.as_ref().or(verified)),
            ],
        )];
        for (step, ended) in &execution.steps {
            let status = name(text_of(&ended.status))?;
            let row = vec![text(&id), text(step), optional(ended.key.as_ref()), status];
            rows.push((&tables::EXECUTION_STEPS, Existing::Refuse, row));
        }
        for used in execution.data.values() {
            let started = Value::Integer(execution.started.0);
            let row = vec![text(&used.version.digest), text(&used.source), started];
            rows.push((&tables::DATA_VERSIONS, Existing::Keep, row));
        }
        Ok(rows)
    }

    fn records(&self, condition: &str, value: Value) -> Result<Vec<RecordEntry>, CatalogError> {
        let condition = format!("WHERE {condition} ORDER BY created, id");
        self.rows(&tables::RECORDS, &condition, &[value], |row| {
            self.reader().record(row)
        })
    }
}

/// A row to be inserted, and what becomes of one that is there.
type NewRow = (&'static Table, Existing, Vec<Value>);

fn record_row(record: &RecordEntry) -> Vec<Value> {
    vec![
        text(&record.id),
        text(&record.recipe),
        text(&record.results),
        Value::Integer(record.created.0),
    ]
}

fn text(value: &impl ToString) -> Value {
    Value::Text(value.to_string())
}

fn optional(value: Option<&impl ToString>) -> Value {
    value.map_or(Value::Null, text)
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
        let (key, operation) = (text(&result.key), text(&result.operation));
        let produced = result
            .outputs
            .iter()
            .map(|(name, output)| ("output", name, output.artifact));
        let used = result
            .inputs
            .iter()
            .map(|(name, artifact)| ("input", name, *artifact));
        self.write(|transaction| {
            // The same content may have come with another manifest: the newest one counts.
            let mut first = transaction.prepare_cached(
                "SELECT min(created) FROM step_results WHERE key = ?1 AND result = ?2",
            )?;
            let first: Option<i64> = first.query_row([&key, &text(&digest)], |row| row.get(0))?;
            let row = vec![
                key.clone(),
                operation.clone(),
                Value::Text(inputs),
                Value::Text(outputs),
                Value::Integer(first.unwrap_or(result.created.0)),
                text(&digest),
            ];
            tables::STEP_RESULTS.insert(transaction, Existing::Replace, row)?;
            for (direction, name, artifact) in produced.chain(used) {
                let row = vec![
                    key.clone(),
                    operation.clone(),
                    text(name),
                    text(&artifact.kind),
                    text(&artifact.digest),
                    text(&direction),
                ];
                tables::STEP_ARTIFACTS.insert(transaction, Existing::Keep, row)?;
            }
            Ok(())
        })
    }

    fn step_results(&self, key: &StepKey) -> Result<Vec<StepResult>, CatalogError> {
        let condition = "WHERE key = ?1 ORDER BY created, result";
        self.rows(&tables::STEP_RESULTS, condition, &[text(key)], |row| {
            self.reader().step_result(row)
        })
    }

    fn add_record(&self, record: &RecordEntry) -> Result<(), CatalogError> {
        let row = record_row(record);
        self.write(|transaction| tables::RECORDS.insert(transaction, Existing::Keep, row))
    }

    fn record(&self, id: &RecordId) -> Result<Option<RecordEntry>, CatalogError> {
        Ok(self.records("id = ?1", text(id))?.pop())
    }

    fn records_of(&self, recipe: &RecipeId) -> Result<Vec<RecordEntry>, CatalogError> {
        self.records("recipe = ?1", text(recipe))
    }

    fn recipes_without_family(&self) -> Result<Vec<RecipeId>, CatalogError> {
        let query = "SELECT DISTINCT recipe FROM records
             WHERE recipe NOT IN (SELECT recipe FROM recipe_families) ORDER BY recipe";
        let mut found = Vec::new();
        self.each(query, &[], |row| {
            found.push(self.reader().parse(row, 0)?);
            Ok(())
        })?;
        Ok(found)
    }

    fn set_families(&self, families: &[(RecipeId, Digest)]) -> Result<(), CatalogError> {
        let rows = families.iter();
        let rows = rows.map(|(recipe, family)| vec![text(recipe), text(family)]);
        self.replace(&tables::RECIPE_FAMILIES, rows.collect())
    }

    fn recipes_of_family(&self, family: &Digest) -> Result<Vec<RecipeId>, CatalogError> {
        let condition = "WHERE family = ?1 ORDER BY recipe";
        let values = [text(family)];
        self.rows(&tables::RECIPE_FAMILIES, condition, &values, |row| {
            self.reader().parse(row, 0)
        })
    }

    fn finish(
        &self,
        execution: &Execution,
        record: Option<&RecordEntry>,
    ) -> Result<(), CatalogError> {
        let rows = self.execution_rows(execution)?;
        self.write(|transaction| {
            if let Some(record) = record {
                tables::RECORDS.insert(transaction, Existing::Keep, record_row(record))?;
            }
            for (table, existing, row) in rows {
                table.insert(transaction, existing, row)?;
            }
            Ok(())
        })
    }

    fn redact(&self, execution: &Execution) -> Result<(), CatalogError> {
        self.put_redacted(execution)
    }

    fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CatalogError> {
        let found = self.rows(&tables::EXECUTIONS, "WHERE id = ?1", &[text(id)], |row| {
            self.reader().json(row, 0)
        });
        Ok(found?.pop())
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, CatalogError> {
        let kind = filter.kind.map(|kind| text_of(&kind)).transpose();
        let kind = kind.map_err(|error| self.damaged(&error))?;
        let mut condition = String::from("WHERE 1");
        let mut values = Vec::new();
        for (test, value) in [
            ("pipeline = ?", optional(filter.pipeline.as_ref())),
            ("record = ?", optional(filter.record.as_ref())),
            ("recipe = ?", optional(filter.recipe.as_ref())),
            ("kind = ?", optional(kind.as_ref())),
            ("code = ?", optional(filter.commit.as_ref())),
            ("lock = ?", optional(filter.lock.as_ref())),
            (
                "id IN (SELECT execution FROM execution_steps WHERE key = ?)",
                optional(filter.step.as_ref()),
            ),
            // The digest stands in the text of every document that has it: the search for it is
            // what makes looking at all documents fast.
            ("instr(document, ?) > 0", optional(filter.data.as_ref())),
            (
                "EXISTS (SELECT 1 FROM json_each(document, '$.data')
                 WHERE json_extract(value, '$.version.digest') = ?)",
                optional(filter.data.as_ref()),
            ),
        ] {
            if value != Value::Null {
                condition.push_str(" AND ");
                condition.push_str(test);
                values.push(value);
            }
        }
        if filter.with_record {
            condition.push_str(" AND record IS NOT NULL");
        }
        if filter.own_seed {
            condition.push_str(" AND json_extract(document, '$.further_seed') IS NULL");
        }
        condition.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(Value::Integer(filter.limit.map_or(-1, i64::from)));
        self.rows(&tables::EXECUTIONS, &condition, &values, |row| {
            self.reader().json(row, 0)
        })
    }

    fn resolve(&self, prefix: &str) -> Result<Vec<Named>, CatalogError> {
        self.named(prefix)
    }

    fn facts(&self, blobs: &[Digest]) -> Result<BTreeMap<Digest, KnownBlob>, CatalogError> {
        let list = self.json(&blobs)?;
        let condition = "WHERE blob IN (SELECT value FROM json_each(?1))";
        let reader = self.reader();
        let found = self.rows(
            &tables::BLOB_FACTS,
            condition,
            &[Value::Text(list)],
            |row| Ok((reader.parse(row, 0)?, reader.known_blob(row, 1)?)),
        )?;
        Ok(found.into_iter().collect())
    }

    fn set_facts(&self, facts: &[(Digest, KnownBlob)]) -> Result<(), CatalogError> {
        let mut rows = Vec::with_capacity(facts.len());
        for (blob, known) in facts {
            rows.push(vec![
                text(blob),
                Value::Text(self.json(&known.facts)?),
                Value::Integer(known.hashed_at.0),
            ]);
        }
        self.replace(&tables::BLOB_FACTS, rows)
    }

    fn lineage(&self, artifact: &Digest) -> Result<Lineage, CatalogError> {
        let condition = "WHERE artifact = ?1 AND direction = ?2 ORDER BY key, name";
        let reader = self.reader();
        let output = [text(artifact), text(&"output")];
        let produced_by = self.rows(&tables::STEP_ARTIFACTS, condition, &output, |row| {
            Ok(Producer {
                key: reader.parse(row, 0)?,
                operation: reader.parse(row, 1)?,
                output: reader.parse(row, 2)?,
                kind: reader.named(row, 3)?,
            })
        })?;
        let input = [text(artifact), text(&"input")];
        let used_by = self.rows(&tables::STEP_ARTIFACTS, condition, &input, |row| {
            Ok(Use {
                key: reader.parse(row, 0)?,
                operation: reader.parse(row, 1)?,
                input: reader.parse(row, 2)?,
            })
        })?;
        Ok(Lineage {
            produced_by,
            used_by,
        })
    }

    fn file_digests(&self, paths: &[&str]) -> Result<BTreeMap<String, FileDigest>, CatalogError> {
        let reader = self.reader();
        let read = |row: &Row<'_>| {
            let known = reader.known_facts(row, 1)?;
            let digest = reader.parse(row, 3)?;
            Ok((reader.text(row, 0)?, FileDigest { known, digest }))
        };
        if paths.len() > MANY_PATHS {
            // Looking each one up would take longer than reading them all.
            let wanted: BTreeSet<&str> = paths.iter().copied().collect();
            let all = self.rows(&tables::FILE_DIGESTS, "", &[], read)?;
            return Ok(all
                .into_iter()
                .filter(|(path, _)| wanted.contains(path.as_str()))
                .collect());
        }
        let list = self.json(&paths)?;
        let condition = "WHERE path IN (SELECT value FROM json_each(?1))";
        let found = self.rows(&tables::FILE_DIGESTS, condition, &[Value::Text(list)], read)?;
        Ok(found.into_iter().collect())
    }

    fn set_file_digests(&self, digests: &[(String, FileDigest)]) -> Result<(), CatalogError> {
        let mut rows = Vec::with_capacity(digests.len());
        for (path, file) in digests {
            rows.push(vec![
                text(path),
                Value::Text(self.json(&file.known.facts)?),
                Value::Integer(file.known.hashed_at.0),
                text(&file.digest),
            ]);
        }
        self.replace(&tables::FILE_DIGESTS, rows)
    }

    fn check(&self) -> Result<(), CatalogError> {
        self.each("PRAGMA integrity_check", &[], |row| {
            match self.reader().text(row, 0)?.as_str() {
                "ok" => Ok(()),
                what => Err(self.damaged(&what)),
            }
        })?;
        for table in tables::ALL {
            self.each(&table.select(""), &[], |row| {
                if table.is_whole(row).map_err(|error| self.failed(error))? {
                    return Ok(());
                }
                Err(self.damaged(&format!("a row of {} was changed", table.name())))
            })?;
        }
        Ok(())
    }

    fn mentions(&self) -> Result<Vec<Mention>, CatalogError> {
        let mut mentions = Vec::new();
        let not_missed = self.not_missed()?;
        for (table, column, word, sure) in tables::NAMING {
            let found = self.rows(table, "", &[], |row| {
                let name = self.reader().text(row, *column)?;
                let (mut digests, mut blobs) = (Vec::new(), Vec::new());
                for column in 0..table.width() {
                    if let ValueRef::Text(text) =
                        row.get_ref(column).map_err(|error| self.failed(error))?
                    {
                        let text = String::from_utf8_lossy(text);
                        digests.extend(digests_in(&text));
                        if sure.contains(&column) {
                            let sure = digests_in(&text);
                            blobs.extend(sure.filter(|digest| !not_missed.contains(digest)));
                        }
                    }
                }
                // What is long is a digest: its first digits name it to a person.
                let name = if name.len() == 64 { &name[..12] } else { &name };
                Ok(Mention {
                    by: match word.strip_suffix(':') {
                        Some(_) => format!("{word}{name}"),
                        None => format!("{word} {name}"),
                    },
                    digests,
                    blobs,
                })
            })?;
            mentions.extend(found);
        }
        Ok(mentions)
    }

    fn source(&self, key: &str) -> Result<Option<SourceSnapshot>, CatalogError> {
        let found = self.rows(&tables::SOURCES, "WHERE key = ?1", &[text(&key)], |row| {
            // Derived: one that another version wrote is as good as none.
            Ok(serde_json::from_str(&self.reader().text(row, 0)?).ok())
        });
        Ok(found?.pop().flatten())
    }

    fn set_source(&self, key: &str, snapshot: &SourceSnapshot) -> Result<(), CatalogError> {
        let row = vec![Value::Text(self.json(snapshot)?), text(&key)];
        self.replace(&tables::SOURCES, vec![row])
    }

    fn append_version(
        &self,
        row: &VersionRow,
        source: &str,
        head: Option<&VersionId>,
    ) -> Result<bool, CatalogError> {
        self.append(row, source, head)
    }

    fn add_versions(&self, versions: &[ForeignVersion]) -> Result<(), CatalogError> {
        self.add_foreign(versions)
    }

    fn set_here(&self, content: &Digest) -> Result<(), CatalogError> {
        self.is_here_now(content)
    }

    fn add_erasure(
        &self,
        row: &ErasureRow,
        gone: &[Digest],
        back: &[Digest],
    ) -> Result<(), CatalogError> {
        self.erase(row, gone, back)
    }

    fn erasures(&self) -> Result<Vec<ErasureRow>, CatalogError> {
        self.all_erasures()
    }

    fn erased(&self) -> Result<BTreeMap<Digest, Digest>, CatalogError> {
        self.all_erased()
    }

    fn add_bundle(&self, bundle: &BundleRow) -> Result<(), CatalogError> {
        self.note_bundle(bundle)
    }

    fn bundles(&self) -> Result<Vec<BundleRow>, CatalogError> {
        self.all_bundles()
    }

    fn data_heads(
        &self,
        name: Option<&StepName>,
    ) -> Result<Vec<(StepName, VersionId)>, CatalogError> {
        self.heads(name)
    }

    fn versions_of(&self, name: &StepName) -> Result<Vec<VersionRow>, CatalogError> {
        self.entries("name = ?1", text(name))
    }

    fn versions_holding(&self, content: &Digest) -> Result<Vec<VersionRow>, CatalogError> {
        self.holding(content)
    }

    fn set_head(&self, name: &StepName, to: &VersionId) -> Result<(), CatalogError> {
        self.move_head(name, to)
    }

    fn data_tags(&self, name: &StepName) -> Result<Vec<DataTag>, CatalogError> {
        self.tags(name)
    }

    fn set_data_tag(&self, tag: &DataTag) -> Result<(), CatalogError> {
        self.tag(tag)
    }

    fn remove_data_tag(&self, name: &StepName, tag: &str) -> Result<bool, CatalogError> {
        self.untag(name, tag)
    }
}
