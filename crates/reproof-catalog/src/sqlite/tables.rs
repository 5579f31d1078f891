//! The tables, and a check sum beside every row.
//!
//! SQLite does not notice a changed bit inside a value, so every row carries the first eight bytes
//! of a BLAKE3 over its values.

use reproof_record::Digest;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Row, Transaction};

/// A table of the newest version.
pub(super) struct Table {
    name: &'static str,
    /// Its columns but for `sum`, which comes last.
    columns: &'static [&'static str],
    /// Whether its rows can be made again from verified bytes: a damaged one is then as good as
    /// none.
    pub derived: bool,
}

/// What each step produced: one row for each different result of a key.
pub(super) const STEP_RESULTS: Table = Table {
    name: "step_results",
    columns: &["key", "operation", "inputs", "outputs", "created", "result"],
    derived: false,
};
/// The artifacts that steps produced and used.
pub(super) const STEP_ARTIFACTS: Table = Table {
    name: "step_artifacts",
    columns: &["key", "operation", "name", "kind", "artifact", "direction"],
    derived: false,
};
/// Records by their identifiers.
pub(super) const RECORDS: Table = Table {
    name: "records",
    columns: &["id", "recipe", "results", "created"],
    derived: false,
};
/// Executions: the document, and what is looked for in it.
pub(super) const EXECUTIONS: Table = Table {
    name: "executions",
    columns: &[
        "document", "id", "tail", "kind", "status", "pipeline", "code", "lock", "recipe", "record",
    ],
    derived: false,
};
/// The steps of executions, by key.
pub(super) const EXECUTION_STEPS: Table = Table {
    name: "execution_steps",
    columns: &["execution", "step", "key", "status"],
    derived: false,
};
/// The data versions that executions read.
pub(super) const DATA_VERSIONS: Table = Table {
    name: "data_versions",
    columns: &["version", "source", "created"],
    derived: false,
};
/// The versions of named data.
pub(super) const DATA_ENTRIES: Table = Table {
    name: "data_entries",
    columns: &["id", "name", "content", "parent", "created"],
    derived: false,
};
/// The version that a name alone means.
pub(super) const DATA_HEADS: Table = Table {
    name: "data_heads",
    columns: &["name", "entry"],
    derived: false,
};
/// Names that people gave to versions.
pub(super) const DATA_TAGS: Table = Table {
    name: "data_tags",
    columns: &["name", "tag", "entry", "created"],
    derived: false,
};
/// Contents of versions of named data whose bytes did not come with their documents.
pub(super) const DATA_ELSEWHERE: Table = Table {
    name: "data_elsewhere",
    columns: &["content"],
    derived: false,
};
/// Events of erasure.
pub(super) const ERASURES: Table = Table {
    name: "erasures",
    columns: &["id", "created"],
    derived: false,
};
/// What is erased.
pub(super) const ERASED: Table = Table {
    name: "erased",
    columns: &["digest", "erasure"],
    derived: false,
};
/// Bundles that were written.
pub(super) const BUNDLES: Table = Table {
    name: "bundles",
    columns: &["record", "file", "user", "created"],
    derived: false,
};
/// The facts of blobs' packs when they were hashed.
pub(super) const BLOB_FACTS: Table = Table {
    name: "blob_facts",
    columns: &["blob", "facts", "hashed_at"],
    derived: true,
};
/// The digests of files of the project.
pub(super) const FILE_DIGESTS: Table = Table {
    name: "file_digests",
    columns: &["path", "facts", "hashed_at", "digest"],
    derived: true,
};
/// The versions that data sources were read into.
pub(super) const SOURCES: Table = Table {
    name: "sources",
    columns: &["snapshot", "key"],
    derived: true,
};
/// What recipes have in common that differ in nothing but seeds.
pub(super) const RECIPE_FAMILIES: Table = Table {
    name: "recipe_families",
    columns: &["recipe", "family"],
    derived: true,
};
/// All of them.
pub(super) const ALL: &[&Table] = &[
    &STEP_RESULTS,
    &STEP_ARTIFACTS,
    &RECORDS,
    &EXECUTIONS,
    &EXECUTION_STEPS,
    &DATA_VERSIONS,
    &DATA_ENTRIES,
    &DATA_HEADS,
    &DATA_TAGS,
    &DATA_ELSEWHERE,
    &ERASURES,
    &ERASED,
    &BUNDLES,
    &BLOB_FACTS,
    &FILE_DIGESTS,
    &SOURCES,
    &RECIPE_FAMILIES,
];

/// Those whose rows name blobs: the column that names the row to a person, a word for it, and the
/// columns that hold digests of blobs and of nothing else.
pub(super) const NAMING: &[(&Table, usize, &str, &[usize])] = &[
    (&RECORDS, 0, "record", &[0, 1]),
    (&EXECUTIONS, 2, "execution x:", &[]),
    (&STEP_RESULTS, 0, "the result of step key", &[3]),
    (&DATA_VERSIONS, 0, "data version", &[0]),
    (&DATA_ENTRIES, 0, "a version of named data,", &[0, 2]),
    (&ERASURES, 0, "erasure", &[0]),
    (&SOURCES, 1, "the last version of data source", &[]),
];

/// What an insertion does about a row that is there.
#[derive(Clone, Copy)]
pub(super) enum Existing {
    /// It is an error.
    Refuse,
    /// It stays.
    Keep,
    /// It is replaced.
    Replace,
}

impl Table {
    /// A query for whole rows: the columns in their order, then the sum.
    pub fn select(&self, rest: &str) -> String {
        let columns = self.columns.join(", ");
        format!("SELECT {columns}, sum FROM {} {rest}", self.name)
    }

    /// How many columns it has, but for `sum`.
    pub const fn width(&self) -> usize {
        self.columns.len()
    }

    /// Inserts a row of these values, in the order of the columns.
    pub fn insert(
        &self,
        transaction: &Transaction<'_>,
        existing: Existing,
        mut values: Vec<Value>,
    ) -> rusqlite::Result<()> {
        let verb = match existing {
            Existing::Refuse => "INSERT",
            Existing::Keep => "INSERT OR IGNORE",
            Existing::Replace => "INSERT OR REPLACE",
        };
        let columns = self.columns.join(", ");
        let places = vec!["?"; self.columns.len() + 1].join(", ");
        let statement = format!(
            "{verb} INTO {} ({columns}, sum) VALUES ({places})",
            self.name
        );
        values.push(Value::Integer(sum(values.iter().map(ValueRef::from))));
        let mut statement = transaction.prepare_cached(&statement)?;
        statement
            .execute(rusqlite::params_from_iter(values))
            .map(|_| ())
    }

    /// Whether a row that [`Table::select`] gave is as it was written.
    pub fn is_whole(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let count = self.columns.len();
        let values: Vec<_> = (0..count)
            .map(|at| row.get_ref(at))
            .collect::<Result<_, _>>()?;
        Ok(row.get_ref(count)? == ValueRef::Integer(sum(values)))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// The sum over a row's values. Those that are null do not count, so that a column which a later
/// version adds at the end leaves the sums of old rows as they are.
fn sum<'a>(values: impl IntoIterator<Item = ValueRef<'a>>) -> i64 {
    let mut bytes = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let integer;
        let (tag, value) = match value {
            ValueRef::Null => continue,
            ValueRef::Integer(value) => {
                integer = value.to_le_bytes();
                (1, integer.as_slice())
            }
            ValueRef::Real(value) => {
                integer = value.to_bits().to_le_bytes();
                (2, integer.as_slice())
            }
            ValueRef::Text(value) => (3, value),
            ValueRef::Blob(value) => (4, value),
        };
        bytes.extend_from_slice(&[index as u8, tag]);
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&Digest::of(&bytes).as_bytes()[..8]);
    i64::from_le_bytes(first)
}
