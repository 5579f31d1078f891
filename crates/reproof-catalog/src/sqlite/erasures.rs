//! What came without its bytes, what was erased, and what was given out.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{Digest, Execution};
use rusqlite::types::Value;

use crate::sqlite::tables::{
    BUNDLES, DATA_ELSEWHERE, DATA_ENTRIES, DATA_VERSIONS, ERASED, ERASURES, Existing,
};
use crate::sqlite::{SqliteCatalog, optional, text};
use crate::{BundleRow, CatalogError, ErasureRow, ForeignVersion};

impl SqliteCatalog {
    /// See [`Catalog::add_versions`](crate::Catalog::add_versions).
    pub(super) fn add_foreign(&self, versions: &[ForeignVersion]) -> Result<(), CatalogError> {
        if versions.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for ForeignVersion { row, source, here } in versions {
                let created = Value::Integer(row.created.0);
                let content = text(&row.content);
                let known = "SELECT count(*) FROM data_versions WHERE version = ?1";
                let mut known = transaction.prepare_cached(known)?;
                let known: i64 = known.query_row([&content], |row| row.get(0))?;
                if !here && known == 0 {
                    let elsewhere = vec![content.clone()];
                    DATA_ELSEWHERE.insert(transaction, Existing::Keep, elsewhere)?;
                }
                let entry = vec![
                    text(&row.id),
                    text(&row.name),
                    content.clone(),
                    optional(row.parent.as_ref()),
                    created.clone(),
                ];
                DATA_ENTRIES.insert(transaction, Existing::Keep, entry)?;
                let version = vec![content, text(source), created];
                DATA_VERSIONS.insert(transaction, Existing::Keep, version)?;
            }
            Ok(())
        })
    }

    /// See [`Catalog::set_here`](crate::Catalog::set_here).
    pub(super) fn is_here_now(&self, content: &Digest) -> Result<(), CatalogError> {
        let statement = "DELETE FROM data_elsewhere WHERE content = ?1";
        self.write(|transaction| transaction.execute(statement, [text(content)]).map(|_| ()))
    }

    /// The digests that a blob need not be there for: it was never here, or was erased.
    pub(super) fn not_missed(&self) -> Result<BTreeSet<Digest>, CatalogError> {
        let reader = self.reader();
        let elsewhere = self.rows(&DATA_ELSEWHERE, "", &[], |row| reader.parse(row, 0))?;
        let erased = self.all_erased()?.into_keys();
        Ok(elsewhere.into_iter().chain(erased).collect())
    }

    /// See [`Catalog::add_erasure`](crate::Catalog::add_erasure).
    pub(super) fn erase(
        &self,
        row: &ErasureRow,
        gone: &[Digest],
        back: &[Digest],
    ) -> Result<(), CatalogError> {
        self.write(|transaction| {
            let event = vec![text(&row.id), Value::Integer(row.created.0)];
            ERASURES.insert(transaction, Existing::Keep, event)?;
            for digest in gone {
                let erased = vec![text(digest), text(&row.id)];
                ERASED.insert(transaction, Existing::Replace, erased)?;
            }
            let statement = "DELETE FROM erased WHERE digest = ?1";
            let mut delete = transaction.prepare_cached(statement)?;
            for digest in back {
                delete.execute([text(digest)])?;
            }
            Ok(())
        })
    }

    /// See [`Catalog::redact`](crate::Catalog::redact).
    pub(super) fn put_redacted(&self, execution: &Execution) -> Result<(), CatalogError> {
        let mut rows = self.execution_rows(execution)?;
        rows.truncate(1);
        let pragma = |text: &str| {
            let connection = self.connection();
            let mut statement = connection.prepare(text)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        let pragma = |text| pragma(text).map_err(|error: rusqlite::Error| self.failed(error));
        // What is deleted is overwritten, and nothing of it stays in the write-ahead log.
        pragma("PRAGMA secure_delete = ON")?;
        self.write(|transaction| {
            let mut rows = rows.into_iter();
            rows.try_for_each(|(table, _, row)| table.insert(transaction, Existing::Replace, row))
        })?;
        pragma("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// See [`Catalog::erasures`](crate::Catalog::erasures).
    pub(super) fn all_erasures(&self) -> Result<Vec<ErasureRow>, CatalogError> {
        let reader = self.reader();
        self.rows(&ERASURES, "ORDER BY created, id", &[], |row| {
            Ok(ErasureRow {
                id: reader.parse(row, 0)?,
                created: reader.timestamp(row, 1)?,
            })
        })
    }

    /// See [`Catalog::erased`](crate::Catalog::erased).
    pub(super) fn all_erased(&self) -> Result<BTreeMap<Digest, Digest>, CatalogError> {
        let reader = self.reader();
        let rows = self.rows(&ERASED, "", &[], |row| {
            Ok((reader.parse(row, 0)?, reader.parse(row, 1)?))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// See [`Catalog::add_bundle`](crate::Catalog::add_bundle).
    pub(super) fn note_bundle(&self, bundle: &BundleRow) -> Result<(), CatalogError> {
        let row = vec![
            text(&bundle.record),
            text(&bundle.file),
            text(&bundle.user),
            Value::Integer(bundle.created.0),
        ];
        self.replace(&BUNDLES, vec![row])
    }

    /// See [`Catalog::bundles`](crate::Catalog::bundles).
    pub(super) fn all_bundles(&self) -> Result<Vec<BundleRow>, CatalogError> {
        let reader = self.reader();
        self.rows(&BUNDLES, "ORDER BY created, file", &[], |row| {
            Ok(BundleRow {
                record: reader.parse(row, 0)?,
                file: reader.text(row, 1)?,
                user: reader.text(row, 2)?,
                created: reader.timestamp(row, 3)?,
            })
        })
    }
}
