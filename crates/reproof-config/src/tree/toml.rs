//! TOML to the tree.

use toml_edit::{Document, Item, TableLike, Value as TomlValue};

use super::scalar::{Refused, float, integer};
use super::{Entry, MAX_TEXT, Node, Value};
use crate::diagnostic::{Report, Span, Spanned};

/// Parses a whole source. `None` if there is no tree; the reason is reported.
pub(crate) fn parse_toml(text: &str, source: usize, report: &mut Report<'_>) -> Option<Node> {
    let whole = Span {
        source,
        start: 0,
        end: 0,
    };
    if text.len() > MAX_TEXT {
        report.error(whole, format!("the text is larger than {MAX_TEXT} bytes"));
        return None;
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().unwrap_or_default();
            let span = Span {
                source,
                start: at.start,
                end: at.end,
            };
            let message: String = error
                .message()
                .chars()
                .map(|c| if crate::names::is_visible(c) { c } else { ' ' })
                .collect();
            report.error(span, message);
            return None;
        }
    };
    let mut reader = Reader { source, report };
    Some(Node::new(whole, reader.table(document.as_table())))
}

struct Reader<'r, 's> {
    source: usize,
    report: &'r mut Report<'s>,
}

impl Reader<'_, '_> {
    fn span(&self, range: Option<std::ops::Range<usize>>, default: Span) -> Span {
        range.map_or(default, |range| Span {
            source: self.source,
            start: range.start,
            end: range.end,
        })
    }

    fn table(&mut self, table: &dyn TableLike) -> Value {
        let mut entries = Vec::new();
        for (name, item) in table.iter() {
            let none = Span {
                source: self.source,
                ..Span::default()
            };
            let item_span = self.span(item.span(), none);
            let span = self.span(table.key(name).and_then(toml_edit::Key::span), item_span);
            entries.push(Entry {
                key: Spanned::new(name.to_owned(), span),
                value: self.item(item, span),
            });
        }
        Value::Map(entries)
    }

    fn item(&mut self, item: &Item, key: Span) -> Node {
        let span = self.span(item.span(), key);
        let value = match item {
            Item::None => Value::Null,
            Item::Value(value) => return self.value(value, key),
            Item::Table(table) => self.table(table),
            Item::ArrayOfTables(tables) => {
                let items = tables.iter().map(|table| {
                    let span = self.span(table.span(), key);
                    Node::new(span, self.table(table))
                });
                Value::List(items.collect())
            }
        };
        Node::new(span, value)
    }

    fn value(&mut self, value: &TomlValue, key: Span) -> Node {
        let span = self.span(value.span(), key);
        let taken = match value {
            TomlValue::String(text) => Ok(Value::Text(text.value().clone())),
            TomlValue::Integer(number) => integer(*number.value(), &number.value().to_string()),
            TomlValue::Float(number) => float(*number.value(), &number.value().to_string()),
            TomlValue::Boolean(value) => Ok(Value::Boolean(*value.value())),
            TomlValue::Datetime(_) => Err(Refused {
                message: "dates and times have no use here".to_owned(),
                hint: "quote it if text is meant".to_owned(),
            }),
            TomlValue::Array(items) => Ok(Value::List(
                items.iter().map(|item| self.value(item, span)).collect(),
            )),
            TomlValue::InlineTable(table) => Ok(self.table(table)),
        };
        let value = taken.unwrap_or_else(|refused| {
            self.report.hinted(span, refused.message, refused.hint);
            Value::Invalid
        });
        Node::new(span, value)
    }
}
