//! Queries as data sources: what is asked, of which database, in which order.

use reproof_record::{Digest, RelativePath};
use serde_json::{Map, Value};

use crate::diagnostic::{Report, Span};
use crate::postgres::{PostgresAddress, PostgresConnection};
use crate::tree::Node;

/// The keys that say what is asked of a database.
pub(super) const QUERY_KEYS: [&str; 3] = ["query", "query_file", "order_by"];

/// What is asked of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlQuery {
    /// The query.
    pub text: QueryText,
    /// The columns of the result by which its rows are sorted; no two rows may be alike in them.
    pub order_by: Vec<String>,
}

/// The text of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryText {
    /// This text.
    Here(String),
    /// What stands in this file of the project.
    File(RelativePath),
}

impl QueryText {
    /// A query without the blanks around it and the semicolon at its end.
    pub fn new(text: &str) -> Self {
        let is_end = |c: char| c.is_whitespace() || c == ';';
        Self::Here(text.trim_start().trim_end_matches(is_end).to_owned())
    }
}

impl SqlQuery {
    /// What is asked, as options: with the text, or with its digest alone.
    pub(super) fn add_options(&self, options: &mut Map<String, Value>, digest: bool) {
        let (key, value) = match &self.text {
            QueryText::Here(text) if digest => ("query", Digest::of(text.as_bytes()).to_string()),
            QueryText::Here(text) => ("query", text.clone()),
            QueryText::File(path) => ("query_file", path.to_string()),
        };
        options.insert(key.to_owned(), value.into());
        options.insert("order_by".to_owned(), self.order_by.clone().into());
    }
}

/// Which PostgreSQL database is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresServer {
    /// The one that this environment variable names.
    Variable(String),
    /// This one.
    Address(PostgresAddress),
}

impl PostgresServer {
    /// What tells one source from another: the variable, whatever it holds, or the database.
    pub fn identity(&self) -> String {
        match self {
            Self::Variable(name) => format!("env:{name}"),
            Self::Address(address) => address.identity(),
        }
    }
}

/// Checks what a file says of a database; `node` is the whole source.
pub(super) fn check(node: &Node, at: Span, report: &mut Report<'_>) {
    let texts: Vec<_> = ["query", "query_file"]
        .into_iter()
        .filter_map(|key| node.entry(key))
        .collect();
    match texts[..] {
        [] => report.hinted(
            at,
            "what is asked of the database is missing",
            "write query: \"SELECT …\", or query_file: and the path of a file with it",
        ),
        [one] => {
            let empty = QueryText::new("");
            if one.key.value == "query" && one.value.text().map(QueryText::new) == Some(empty) {
                report.error(one.value.span, "the query is empty");
            }
        }
        [_, other, ..] => report.error(
            other.key.span,
            "the query stands either here ('query') or in a file ('query_file')",
        ),
    }
    match node.get("order_by") {
        None => report.hinted(
            at,
            "'order_by' is missing",
            "a database gives rows in any order, and a table's identity depends on it: name columns \
             of the result that no two rows share together, such as order_by: [id]",
        ),
        Some(columns) => {
            let mut before: Vec<&str> = Vec::new();
            for column in columns.items() {
                let name = column.text().unwrap_or_default();
                if before.contains(&name) {
                    report.error(column.span, format!("column '{name}' is named twice"));
                }
                before.push(name);
            }
        }
    }
    if let Some(server) = node.get("postgres") {
        check_server(server, report);
    }
}

fn check_server(node: &Node, report: &mut Report<'_>) {
    let Some(text) = node.text() else { return };
    match PostgresConnection::parse(text) {
        Ok(connection) if connection.password.is_some() => report.hinted(
            node.span,
            "a password must not stand in this file",
            "take it away, and change it if it was committed; it is read from PGPASSWORD or \
             ~/.pgpass, or write postgres: {env: NAME} and put the whole text into the variable NAME",
        ),
        Ok(_) => {}
        Err(what) => report.error(node.span, what),
    }
}

/// What is asked by a source that was checked.
pub(super) fn read_query(node: &Node) -> Option<SqlQuery> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let text = match (text("query"), text("query_file")) {
        (Some(query), _) => QueryText::new(query),
        (None, path) => QueryText::File(RelativePath::new(path?).ok()?),
    };
    let columns = node.get("order_by")?.items().iter();
    Some(SqlQuery {
        text,
        order_by: columns.filter_map(Node::text).map(str::to_owned).collect(),
    })
}

/// The server that a source names.
pub(super) fn read_server(node: &Node) -> Option<PostgresServer> {
    if let Some(text) = node.text() {
        let connection = PostgresConnection::parse(text).ok()?;
        return Some(PostgresServer::Address(connection.address));
    }
    let name = node.get("env")?.text()?;
    Some(PostgresServer::Variable(name.to_owned()))
}
