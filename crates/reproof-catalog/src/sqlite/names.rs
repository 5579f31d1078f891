//! From a prefix of an identifier to what it names.

use rusqlite::Row;

use crate::sqlite::{SqliteCatalog, text};
use crate::{Catalog, CatalogError, Named};

/// How many things a prefix may name before the rest is left out.
const MAX_NAMED: usize = 50;

/// One kind of thing: where its identifiers stand, and what they are.
struct Kind {
    /// What may be written before the digits to mean only this kind.
    prefix: &'static str,
    table: &'static str,
    /// The column whose beginning is given.
    column: &'static str,
    /// The column that is the identifier.
    wanted: &'static str,
}

const RECORD: Kind = Kind {
    prefix: "record",
    table: "records",
    column: "id",
    wanted: "id",
};
const RECIPE: Kind = Kind {
    prefix: "recipe",
    table: "records",
    column: "recipe",
    wanted: "recipe",
};
const DATA: Kind = Kind {
    prefix: "data",
    table: "data_versions",
    column: "version",
    wanted: "version",
};
const EXECUTION: Kind = Kind {
    prefix: "x",
    table: "executions",
    column: "tail",
    wanted: "id",
};

impl SqliteCatalog {
    /// See [`Catalog::resolve`].
    pub(super) fn named(&self, prefix: &str) -> Result<Vec<Named>, CatalogError> {
        let (only, digits) = prefix.split_once(':').unwrap_or(("", prefix));
        let whole = if only == "x" { digits } else { prefix };
        if let Ok(id) = whole.parse() {
            let found = self.execution(&id)?;
            return Ok(found.map(|_| Named::Execution(id)).into_iter().collect());
        }
        let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if digits.is_empty() || digits.len() > 64 || !digits.chars().all(hexadecimal) {
            return Ok(Vec::new());
        }
        let reader = self.reader();
        let mut found = Vec::new();
        let mut look = |kind: &Kind, read: &dyn Fn(&Row<'_>) -> Result<Named, CatalogError>| {
            if only.is_empty() || only == kind.prefix {
                self.beginning(kind, digits, |row| {
                    found.push(read(row)?);
                    Ok(())
                })?;
            }
            Ok::<_, CatalogError>(())
        };
        look(&RECORD, &|row| Ok(Named::Record(reader.parse(row, 0)?)))?;
        look(&RECIPE, &|row| Ok(Named::Recipe(reader.parse(row, 0)?)))?;
        look(&DATA, &|row| Ok(Named::Data(reader.parse(row, 0)?)))?;
        look(&EXECUTION, &|row| {
            Ok(Named::Execution(reader.parse(row, 0)?))
        })?;
        found.truncate(MAX_NAMED);
        Ok(found)
    }

    /// Shows the identifiers of a kind whose column begins with these digits.
    fn beginning(
        &self,
        kind: &Kind,
        digits: &str,
        show: impl FnMut(&Row<'_>) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let Kind {
            table,
            column,
            wanted,
            ..
        } = kind;
        let query = format!(
            "SELECT DISTINCT {wanted} FROM {table} WHERE {column} >= ?1 AND {column} < ?2
             ORDER BY {wanted} LIMIT {MAX_NAMED}"
        );
        // `g` comes after every hexadecimal digit.
        let values = [text(&digits), text(&format!("{digits}g"))];
        self.each(&query, &values, show)
    }
}
