//! The files that a table is read from, one after the other, and what their paths say of their rows.
//!
//! A folder named `year=2024` on the way to a file gives each row of it the value 2024 in the column
//! `year`, as Hive lays tables out. Names and values are percent-decoded;
//! `__HIVE_DEFAULT_PARTITION__` is a missing value.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use reproof_record::{Column, Digest, LogicalType};
use reproof_store::Batch;

use crate::csv::{Pin, misfit, pins, put_field};
use crate::encoding::put_missing;
use crate::snapshot::FinishedColumn;
use crate::storage::ColumnWriter;
use crate::{SnapshotOptions, TableError, TimeType};

/// What stands for a missing value of a partition.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its path below the source's folder, with `/` between folders. Of a source that is one file it
    /// is empty: such a file has no partitions.
    pub inside: String,
}

/// The columns that the path of a file gives, with `/` between folders; none if it cannot be read.
pub fn partition_names(inside: &str) -> Vec<String> {
    let file = SourceFile {
        path: PathBuf::from(inside),
        inside: inside.to_owned(),
    };
    Sources::new(std::slice::from_ref(&file)).map_or(Vec::new(), |sources| sources.keys)
}

/// The files of a source in their order: at least one.
pub(crate) struct Sources<'a> {
    files: &'a [SourceFile],
    /// The columns that the paths of all files give.
    keys: Vec<String>,
}

/// The name that a folder gives to a column, and the value; none if it is missing.
type Partition<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// What all files together are, before the columns of their paths are added.
pub(crate) struct Taken {
    pub columns: Vec<Column>,
    pub finished: Vec<FinishedColumn>,
    /// The rows of each file.
    pub rows: Vec<u64>,
    /// The digest of each file's bytes.
    pub digests: Vec<Digest>,
}

impl<'a> Sources<'a> {
    /// Takes files, whose paths must have the same partitions.
    pub fn new(files: &'a [SourceFile]) -> Result<Self, TableError> {
        let mut sources = Self {
            files,
            keys: Vec::new(),
        };
        for (index, file) in files.iter().enumerate() {
            let mut keys: Vec<String> = Vec::new();
            for (key, _) in sources.partitions(index)? {
                if keys.iter().any(|known| *known == key) {
                    return Err(partition(file, format!("it names '{key}' twice")));
                }
                keys.push(key.into_owned());
            }
            if index == 0 {
                sources.keys = keys;
            } else if keys != sources.keys {
                let of = |keys: &[String]| match keys {
                    [] => "none".to_owned(),
                    keys => keys.join("/"),
                };
                let (theirs, first) = (of(&keys), of(&sources.keys));
                let other = files[0].path.display();
                let problem = format!("its partitions are {theirs}, and those of {other} {first}");
                return Err(partition(file, problem));
            }
        }
        Ok(sources)
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn path(&self, file: usize) -> &'a Path {
        &self.files[file].path
    }

    /// The options of the files' own columns: what is declared of partitions is not asked of files.
    pub fn without_partitions<'o>(&self, options: &'o SnapshotOptions) -> Cow<'o, SnapshotOptions> {
        if self
            .keys
            .iter()
            .all(|key| !options.declared.contains_key(key))
        {
            return Cow::Borrowed(options);
        }
        let mut own = options.clone();
        own.declared.retain(|name, _| !self.keys.contains(name));
        Cow::Owned(own)
    }

    /// How the columns of a file lie in the order of the first file's; none if they lie alike. They
    /// must be the same ones, and none may be a partition.
    pub fn order<'n>(
        &self,
        file: usize,
        names: &(impl Iterator<Item = &'n str> + Clone),
        first: &[String],
    ) -> Result<Option<Vec<usize>>, TableError> {
        self.no_partition(file, names.clone())?;
        if file == 0 || names.clone().eq(first.iter().map(String::as_str)) {
            return Ok(None);
        }
        let all: std::collections::BTreeMap<&str, usize> = names.clone().zip(0..).collect();
        let mut order = Vec::with_capacity(first.len());
        for name in first {
            match all.get(name.as_str()) {
                Some(position) => order.push(*position),
                None => return Err(self.differ(file, format!("it lacks the column '{name}'"))),
            }
        }
        let known: std::collections::BTreeSet<&str> = first.iter().map(String::as_str).collect();
        match names.clone().find(|name| !known.contains(name)) {
            Some(name) => Err(self.differ(file, format!("it has a column '{name}'"))),
            None => Ok(Some(order)),
        }
    }

    /// Refuses columns of a file that its path gives, too.
    pub fn no_partition<'n>(
        &self,
        file: usize,
        mut names: impl Iterator<Item = &'n str>,
    ) -> Result<(), TableError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        match names.find(|name| self.keys.iter().any(|key| key == name)) {
            Some(name) => {
                let problem = format!("the file has a column '{name}', too: rename one of them");
                Err(partition(&self.files[file], problem))
            }
            None => Ok(()),
        }
    }

    /// The error of a file that does not have the columns of the first one.
    pub fn differ(&self, file: usize, problem: String) -> TableError {
        TableError::Differ {
            path: self.path(file).to_owned(),
            first: self.path(0).to_owned(),
            problem,
        }
    }

    /// What the path of a file says: names and values, none where it is missing.
    fn partitions(&self, file: usize) -> Result<Vec<Partition<'a>>, TableError> {
        let file = &self.files[file];
        let Some((folders, _)) = file.inside.rsplit_once('/') else {
            return Ok(Vec::new());
        };
        let decoded = |text: &'a str| {
            percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| partition(file, format!("'{text}' is not UTF-8 once it is decoded")))
        };
        let mut found = Vec::new();
        for folder in folders.split('/') {
            if let Some((key, value)) = folder.split_once('=')
                && !key.is_empty()
            {
                let value = (value != MISSING).then(|| decoded(value)).transpose()?;
                found.push((decoded(key)?, value));
            }
        }
        Ok(found)
    }

    /// The value that the path of a file gives to one of the columns.
    fn value(&self, file: usize, key: usize) -> Result<Option<Cow<'a, str>>, TableError> {
        let mut all = self.partitions(file)?;
        Ok(all.swap_remove(key).1)
    }

    /// The type of a column of the paths, decided over all files: integer or date if all are, else
    /// string. Zeros in front are those of `month=03`, and count for nothing.
    fn decide(&self, key: usize) -> Result<LogicalType, TableError> {
        let (mut integer, mut date, mut any) = (true, true, false);
        for file in 0..self.len() {
            if let Some(value) = self.value(file, key)? {
                any = true;
                integer &= plain_integer(&value).parse::<i64>().is_ok() && !value.starts_with('+');
                date &= TimeType::Date.parse(value.as_bytes()).is_some();
            }
        }
        Ok(match (any, integer, date) {
            (true, true, _) => LogicalType::Integer,
            (true, false, true) => LogicalType::Date,
            _ => LogicalType::String,
        })
    }

    /// Adds the columns of the paths to those of the files.
    pub fn add_partitions(
        &self,
        batch: &mut Batch,
        options: &SnapshotOptions,
        taken: &mut Taken,
    ) -> Result<(), TableError> {
        let own = SnapshotOptions {
            // Whether they are there was asked of all columns.
            declared: options
                .declared
                .iter()
                .filter(|(name, _)| self.keys.contains(name))
                .map(|(name, logical_type)| (name.clone(), *logical_type))
                .collect(),
            ..options.clone()
        };
        let pins = pins(&self.keys, self.path(0), &own)?;
        for (index, (name, pin)) in self.keys.iter().zip(pins).enumerate() {
            let logical_type = match pin {
                Some(pin) => pin.logical_type,
                None => self.decide(index)?,
            };
            let column = Column {
                name: name.clone(),
                logical_type,
            };
            taken
                .finished
                .push(self.encode(batch, index, &column, pin, options, &taken.rows)?);
            taken.columns.push(column);
        }
        Ok(())
    }

    fn encode(
        &self,
        batch: &mut Batch,
        key: usize,
        column: &Column,
        pin: Option<Pin>,
        options: &SnapshotOptions,
        rows: &[u64],
    ) -> Result<FinishedColumn, TableError> {
        let mut writer = ColumnWriter::observed(batch, column, options)?;
        let mut missing = 0;
        let mut encoded = Vec::new();
        for (file, &rows) in rows.iter().enumerate() {
            encoded.clear();
            let value = self.value(file, key)?;
            match &value {
                None => {
                    put_missing(&mut encoded, column.logical_type);
                    missing += rows;
                }
                Some(value) => {
                    let text = match column.logical_type {
                        LogicalType::Integer => plain_integer(value),
                        _ => Cow::Borrowed(value.as_ref()),
                    };
                    if !put_field(&mut encoded, column.logical_type, text.as_bytes()) {
                        // Types that were decided fit.
                        let pin = pin.unwrap_or(Pin {
                            logical_type: column.logical_type,
                            declared: false,
                        });
                        let problem = misfit(&column.name, pin, text.as_bytes());
                        return Err(partition(&self.files[file], problem.to_string()));
                    }
                }
            }
            for _ in 0..rows {
                writer.buffer.extend_from_slice(&encoded);
                writer.spill()?;
            }
        }
        Ok(writer.finish(batch)?.finish(&column.name, missing))
    }
}

/// An integer without zeros in front; another text as it is.
fn plain_integer(text: &str) -> Cow<'_, str> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    if digits.len() < 2 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    match digits.trim_start_matches('0') {
        "" => Cow::Borrowed("0"),
        plain if plain.len() < digits.len() => Cow::Owned(format!("{sign}{plain}")),
        _ => Cow::Borrowed(text),
    }
}

fn partition(file: &SourceFile, problem: String) -> TableError {
    TableError::Partition {
        path: file.path.clone(),
        problem,
    }
}
