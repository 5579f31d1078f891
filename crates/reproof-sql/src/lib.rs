//! Tables from SQL queries: SQLite files inside the project, and PostgreSQL servers.
//!
//! A query is asked in one transaction that only reads, so that its result is one state of the
//! database, whatever others write meanwhile. Its rows are sorted by columns that no two rows share,
//! which is checked as they are read: the same state gives the same table, and the same rows from a
//! file do, too. Memory is bounded by the number of columns and the longest row.

mod postgres;
mod reading;
mod sqlite;

use std::fmt;

use reproof_config::SqlQuery;
use reproof_store::StoreError;
use reproof_table::TableError;
use thiserror::Error;

pub use postgres::{Login, Surroundings, snapshot_postgres};
pub use sqlite::snapshot_sqlite;

/// What is asked of a database: a text and an order.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// One query, without a semicolon at its end.
    pub text: &'a str,
    /// The columns of the result by which its rows are sorted.
    pub order_by: &'a [String],
}

impl<'a> Question<'a> {
    /// What a source asks, whose text was read if it stands in a file.
    pub fn new(query: &'a SqlQuery) -> Option<Self> {
        match &query.text {
            reproof_config::QueryText::Here(text) => Some(Self {
                text,
                order_by: &query.order_by,
            }),
            reproof_config::QueryText::File(_) => None,
        }
    }
}

/// Why a query gave no table.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The store, or what the result would be as a table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A mistake in the query, its result or what was said of the database.
    #[error("{0}")]
    Query(Trouble),
    /// The database cannot be reached, or not any more.
    #[error("{0}")]
    Unreachable(Trouble),
    /// Stopping was asked for.
    #[error("interrupted")]
    Interrupted,
}

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for SqlError {
    fn from(error: StoreError) -> Self {
        Self::Table(error.into())
    }
}

impl SqlError {
    fn query(message: impl Into<String>) -> Self {
        Self::Query(Trouble {
            message: message.into(),
            hint: None,
        })
    }

    fn hinted(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Query(Trouble {
            message: message.into(),
            hint: Some(hint.into()),
        })
    }

    fn unreachable(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Unreachable(Trouble {
            message: message.into(),
            hint: hint.map(str::to_owned),
        })
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Query(trouble) | Self::Unreachable(trouble) => trouble.hint.as_deref(),
            Self::Table(_) | Self::Interrupted => None,
        }
    }
}

/// Line and column, both from 1, of a character of a query, counted from 1.
fn place(query: &str, character: usize) -> String {
    let before: String = query.chars().take(character.saturating_sub(1)).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column} of the query")
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
