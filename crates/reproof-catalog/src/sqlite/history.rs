//! The history of named data.

use reproof_record::{Digest, StepName, VersionId};
use rusqlite::types::Value;

use crate::sqlite::tables::{DATA_ENTRIES, DATA_HEADS, DATA_TAGS, DATA_VERSIONS, Existing};
use crate::sqlite::{SqliteCatalog, optional, text};
use crate::{CatalogError, DataTag, VersionRow};

impl SqliteCatalog {
    /// See [`Catalog::append_version`](crate::Catalog::append_version).
    pub(super) fn append(
        &self,
        row: &VersionRow,
        source: &str,
        head: Option<&VersionId>,
    ) -> Result<bool, CatalogError> {
        let created = Value::Integer(row.created.0);
        let values = vec![
            text(&row.id),
            text(&row.name),
            text(&row.content),
            optional(row.parent.as_ref()),
            created.clone(),
        ];
        let version = vec![text(&row.content), text(&source), created];
        let mut appended = false;
        self.write(|transaction| {
            let mut found =
                transaction.prepare_cached("SELECT entry FROM data_heads WHERE name = ?1")?;
            let mut rows = found.query([row.name.as_str()])?;
            let found: Option<String> = match rows.next()? {
                Some(row) => Some(row.get(0)?),
                None => None,
            };
            if found != head.map(ToString::to_string) {
                return Ok(());
            }
            appended = true;
            DATA_ENTRIES.insert(transaction, Existing::Keep, values)?;
            DATA_VERSIONS.insert(transaction, Existing::Keep, version)?;
            let head = vec![text(&row.name), text(&row.id)];
            DATA_HEADS.insert(transaction, Existing::Replace, head)
        })?;
        Ok(appended)
    }

    /// See [`Catalog::data_heads`](crate::Catalog::data_heads).
    pub(super) fn heads(
        &self,
        name: Option<&StepName>,
    ) -> Result<Vec<(StepName, VersionId)>, CatalogError> {
        let (condition, values) = match name {
            Some(name) => ("WHERE name = ?1", vec![text(name)]),
            None => ("ORDER BY name", Vec::new()),
        };
        let reader = self.reader();
        self.rows(&DATA_HEADS, condition, &values, |row| {
            Ok((reader.parse(row, 0)?, reader.parse(row, 1)?))
        })
    }

    /// See [`Catalog::versions_of`](crate::Catalog::versions_of).
    pub(super) fn entries(
        &self,
        condition: &str,
        value: Value,
    ) -> Result<Vec<VersionRow>, CatalogError> {
        let condition = format!("WHERE {condition} ORDER BY created, id");
        let reader = self.reader();
        self.rows(&DATA_ENTRIES, &condition, &[value], |row| {
            reader.version_row(row)
        })
    }

    /// See [`Catalog::versions_holding`](crate::Catalog::versions_holding).
    pub(super) fn holding(&self, content: &Digest) -> Result<Vec<VersionRow>, CatalogError> {
        self.entries("content = ?1", text(content))
    }

    /// See [`Catalog::set_head`](crate::Catalog::set_head).
    pub(super) fn move_head(&self, name: &StepName, to: &VersionId) -> Result<(), CatalogError> {
        self.replace(&DATA_HEADS, vec![vec![text(name), text(to)]])
    }

    /// See [`Catalog::data_tags`](crate::Catalog::data_tags).
    pub(super) fn tags(&self, name: &StepName) -> Result<Vec<DataTag>, CatalogError> {
        let reader = self.reader();
        let condition = "WHERE name = ?1 ORDER BY tag";
        self.rows(&DATA_TAGS, condition, &[text(name)], |row| {
            Ok(DataTag {
                name: reader.parse(row, 0)?,
                tag: reader.text(row, 1)?,
                entry: reader.parse(row, 2)?,
                created: reader.timestamp(row, 3)?,
            })
        })
    }

    /// See [`Catalog::set_data_tag`](crate::Catalog::set_data_tag).
    pub(super) fn tag(&self, tag: &DataTag) -> Result<(), CatalogError> {
        let row = vec![
            text(&tag.name),
            text(&tag.tag),
            text(&tag.entry),
            Value::Integer(tag.created.0),
        ];
        self.replace(&DATA_TAGS, vec![row])
    }

    /// See [`Catalog::remove_data_tag`](crate::Catalog::remove_data_tag).
    pub(super) fn untag(&self, name: &StepName, tag: &str) -> Result<bool, CatalogError> {
        let mut removed = false;
        self.write(|transaction| {
            let statement = "DELETE FROM data_tags WHERE name = ?1 AND tag = ?2";
            removed = transaction.execute(statement, [name.as_str(), tag])? > 0;
            Ok(())
        })?;
        Ok(removed)
    }
}
