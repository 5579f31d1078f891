//! Errors of the server and of the way to it, as a person reads them. None shows a password.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition};

use super::Login;
use crate::{SqlError, place};

/// Where a password is put.
const PASSWORDS: &str =
    "put the password into PGPASSWORD, ~/.pgpass, or the variable that 'env' names";

/// Why no connection came about.
pub(super) fn connecting(error: &Error, login: &Login) -> SqlError {
    let identity = login.address.identity();
    if let Some(told) = error.as_db_error() {
        let message = format!("{identity}: {}", text(told));
        return match told.code().code() {
            // The login, or what it asks for, is wrong.
            code if code.starts_with("28") || code == "3D000" => {
                let hint = login.unused.as_deref().unwrap_or(PASSWORDS);
                let hint = if code.starts_with("28") {
                    hint
                } else {
                    "check the name of the database"
                };
                SqlError::hinted(message, hint)
            }
            _ => SqlError::unreachable(message, told.hint()),
        };
    }
    let reason = reason(error);
    if reason.contains("password missing") {
        return SqlError::hinted(
            format!(
                "{identity}: the server asks for a password of '{}'",
                login.user
            ),
            login.unused.as_deref().unwrap_or(PASSWORDS),
        );
    }
    let message = format!("{identity}: {reason}");
    if reason.contains("certificate") || reason.contains("TLS") {
        return SqlError::hinted(
            message,
            "sslmode says how the server is looked at, sslrootcert whom it is trusted by",
        );
    }
    SqlError::unreachable(
        message,
        Some("check that the server runs and can be reached from here"),
    )
}

/// An error of a request; the query if its text was sent as it is.
pub(super) fn failed(error: &Error, query: Option<&str>) -> SqlError {
    let Some(told) = error.as_db_error() else {
        return SqlError::unreachable(format!("the connection was lost: {}", reason(error)), None);
    };
    let mut message = text(told);
    if let (Some(query), Some(ErrorPosition::Original(at))) = (query, told.position()) {
        message.push_str(&format!(", {}", place(query, *at as usize)));
    }
    let code = told.code().code();
    match code {
        // The server ends, or ended the connection.
        "57P01" | "57P02" | "57P03" | "57P05" => SqlError::unreachable(message, told.hint()),
        code if code.starts_with("08") || code.starts_with("53") => {
            SqlError::unreachable(message, told.hint())
        }
        "25006" => SqlError::hinted(message, "one SELECT is wanted: the data is only read"),
        "57014" => SqlError::hinted(
            message,
            "the server cancelled the query: statement_timeout, or a person there",
        ),
        _ => match told.hint() {
            Some(hint) => SqlError::hinted(message, hint),
            None => SqlError::query(message),
        },
    }
}

/// An error while rows are read.
pub(super) fn lost(error: &Error, rows: u64) -> SqlError {
    match failed(error, None) {
        SqlError::Unreachable(mut trouble) => {
            trouble.message.push_str(&format!(" (after {rows} rows)"));
            SqlError::Unreachable(trouble)
        }
        other => other,
    }
}

/// An error of a query that stands inside ours, and was right by itself.
pub(super) fn inside(error: &Error) -> SqlError {
    match failed(error, None) {
        SqlError::Query(trouble) => SqlError::hinted(
            format!(
                "the query cannot stand inside another one: {}",
                trouble.message
            ),
            "one SELECT, WITH … SELECT or VALUES is wanted, that only reads",
        ),
        other => other,
    }
}

fn text(told: &DbError) -> String {
    let mut text = format!("PostgreSQL: {}", told.message());
    if let Some(detail) = told.detail() {
        text.push_str(&format!(" ({detail})"));
    }
    text
}

/// The error and its causes.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(more) = cause {
        let more_text = more.to_string();
        if !text.contains(&more_text) {
            text.push_str(&format!(": {more_text}"));
        }
        cause = more.source();
    }
    text
}
