//! `[data.NAME]`: read, and written by `reproof data add`.

use std::collections::BTreeMap;

use reproof_record::StepName;
use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::parse_project;
use crate::diagnostic::{Diagnostics, Report, Sources, Span};
use crate::pipeline::{DataFormat, DataSource, Place, PostgresServer, StatisticsOption, source};
use crate::tree::Node;

/// Data whose versions have a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedData {
    /// Where it comes from.
    pub source: DataSource,
    /// Whether the bytes of the source are stored with each version.
    pub keep: bool,
}

/// Reads the named data.
pub(super) fn read(node: Option<&Node>, report: &mut Report<'_>) -> BTreeMap<StepName, NamedData> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let name = StepName::new(entry.key.value.as_str()).ok()?;
        let source = source::read_named(&entry.value, entry.key.span, report)?;
        let keep = entry.value.get("keep").and_then(Node::boolean) != Some(false);
        if let Some(said) = entry.value.entry("keep")
            && !keep
            && source.format == DataFormat::Files
        {
            report.error(said.key.span, "'keep' is for tables: files are always kept");
        }
        // A query has no bytes.
        let keep = keep && source.query().is_none();
        Some((name, NamedData { source, keep }))
    });
    read.collect()
}

/// The text of `reproof.toml` with a section for more named data; everything else in it stays as it
/// is, comments too. `file` is its name for messages.
///
/// # Errors
/// A text with mistakes, a name that is there already, and a text in which `data` is written so that
/// no section can follow.
pub fn add_data(
    file: &str,
    text: &str,
    name: &StepName,
    data: &NamedData,
) -> Result<String, Diagnostics> {
    let mut sources = Sources::default();
    let source = sources.add(file, text);
    let mut report = Report::new(&sources);
    if parse_project(file, text)?.data.contains_key(name) {
        let span = Span {
            source,
            ..Span::default()
        };
        report.error(span, format!("data '{name}' is there already"));
    }
    report.finish()?;
    // At the end nothing of what is there moves, whatever comments say which part is whose.
    let mut more = text.trim_end().to_owned();
    if !more.is_empty() {
        more.push_str("\n\n");
    }
    more.push_str(&section(name, data));
    parse_project(file, &more)?;
    Ok(more)
}

/// The section as a text.
fn section(name: &StepName, data: &NamedData) -> String {
    let source = &data.source;
    let mut table = Table::new();
    let place = match &source.place {
        Place::File(path) => Value::from(path.as_str()),
        Place::Address(address) => Value::from(address.as_str()),
        Place::Server(PostgresServer::Variable(name)) => {
            Value::InlineTable(InlineTable::from_iter([("env", name.as_str())]))
        }
        Place::Server(PostgresServer::Address(address)) => Value::from(address.to_string()),
    };
    table.insert(source.kind(), Item::Value(place));
    for (key, option) in source.options() {
        table.insert(&key, Item::Value(value(&option)));
    }
    if source.statistics != StatisticsOption::default() {
        table.insert("statistics", toml_edit::value(source.statistics.name()));
    }
    if !data.keep && source.query().is_none() {
        table.insert("keep", toml_edit::value(false));
    }
    let mut all = Table::new();
    all.set_implicit(true);
    all.insert(name.as_str(), Item::Table(table));
    let mut document = DocumentMut::new();
    document.insert("data", Item::Table(all));
    document.to_string()
}

/// An option as TOML: texts, and lists and mappings of such.
fn value(option: &Json) -> Value {
    match option {
        Json::String(text) => text.as_str().into(),
        Json::Bool(set) => (*set).into(),
        Json::Array(items) => Value::Array(items.iter().map(value).collect::<Array>()),
        Json::Object(entries) => {
            let entries = entries.iter();
            let table: InlineTable = entries.map(|(key, item)| (key, value(item))).collect();
            Value::InlineTable(table)
        }
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use reproof_record::RelativePath;

    use super::*;
    use crate::pipeline::CsvOptions;

    fn data(path: &str) -> NamedData {
        NamedData {
            source: DataSource {
                place: Place::File(RelativePath::new(path).unwrap()),
                format: DataFormat::Csv(CsvOptions::default()),
                schema: BTreeMap::new(),
                statistics: StatisticsOption::Full,
            },
            keep: true,
        }
    }

    #[test]
    fn a_section_is_added_and_the_rest_stays() {
        let text = "# Ours.\n[policy]\nlocked = true   # for good\n";
        let name = StepName::new("churn").unwrap();
        let more = add_data("f", text, &name, &data("data/churn.csv")).unwrap();
        assert_eq!(
            more,
            format!("{text}\n[data.churn]\ncsv = \"data/churn.csv\"\n")
        );
        let other = StepName::new("orders").unwrap();
        let mut orders = data("orders.csv");
        orders.keep = false;
        orders.source.format = DataFormat::Csv(CsvOptions {
            delimiter: b';',
            null_tokens: vec!["-".to_owned()],
        });
        orders
            .source
            .schema
            .insert("id".to_owned(), reproof_record::LogicalType::String);
        let more = add_data("f", &more, &other, &orders).unwrap();
        let project = parse_project("f", &more).unwrap();
        assert_eq!(project.data[&name], data("data/churn.csv"));
        assert_eq!(project.data[&other], orders);
        let again = add_data("f", &more, &name, &data("x.csv")).unwrap_err();
        assert!(
            again.to_string().contains("data 'churn' is there already"),
            "{again}"
        );
    }

    #[test]
    fn wrong_sections_are_explained() {
        for (text, says) in [
            (
                "[data.a]\nkeep = true\n",
                "1:7: a key that names the source is missing: 'csv', 'parquet', 'jsonl', 'arrow', 'numpy', 'files', 'sqlite', 'postgres'",
            ),
            (
                "[data.a]\ncsv = \"x.csv\"\nname = \"b\"\n",
                "3:1: unknown key 'name'",
            ),
            ("[data.A]\ncsv = \"x.csv\"\n", "1:7: 'A' is not a name"),
            (
                "[data.a]\nfiles = \"x/\"\nkeep = false\n",
                "3:1: 'keep' is for tables",
            ),
            (
                "[data.a]\nfiles = \"x/\"\nschema = {a = \"date\"}\n",
                "3:1: 'schema' is for tables, and 'files' is none",
            ),
            (
                "[data.a]\ncsv = \"../x.csv\"\n",
                "2:7: '../x.csv' is not a path",
            ),
            (
                "[data.a]\nparquet = \"x\"\ndelimiter = \";\"\n",
                "3:1: 'delimiter' is for CSV",
            ),
        ] {
            let errors = parse_project("f", text).unwrap_err().to_string();
            assert!(errors.contains(says), "{errors}");
        }
    }
}
