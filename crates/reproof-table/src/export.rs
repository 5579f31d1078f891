//! Tables as texts: CSV and JSON lines. The same table gives the same bytes, always.

use std::io::{self, Write};

use reproof_record::LogicalType;

use crate::{ColumnData, Table};

/// Writes a table as CSV in UTF-8: a header, then a line for each row, fields separated by commas
/// and quoted where they must be, lines ended by LF. Missing values are empty fields; floats are
/// written so that they are read back as they were.
///
/// # Errors
/// Whatever `out` fails with.
pub fn write_csv(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    let mut line = Vec::new();
    let names = table.schema().columns().iter();
    csv_line(&mut line, names.map(|column| column.name.as_str()));
    out.write_all(&line)?;
    for row in 0..table.rows() {
        line.clear();
        let texts: Vec<_> = table.columns().iter().map(|data| data.text(row)).collect();
        csv_line(
            &mut line,
            texts.iter().map(|text| text.as_deref().unwrap_or_default()),
        );
        out.write_all(&line)?;
    }
    Ok(())
}

fn csv_line<'a>(line: &mut Vec<u8>, fields: impl Iterator<Item = &'a str>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        let plain = !field.contains([',', '"', '\n', '\r']) && field.trim() == field;
        if plain {
            line.extend_from_slice(field.as_bytes());
        } else {
            line.push(b'"');
            line.extend_from_slice(field.replace('"', "\"\"").as_bytes());
            line.push(b'"');
        }
    }
    // An empty line would be no row.
    if line.is_empty() {
        line.extend_from_slice(b"\"\"");
    }
    line.push(b'\n');
}

/// Writes a table as JSON lines: an object for each row, its keys in the order of the columns.
/// Numbers are written with all their digits, also those that a double does not hold; infinities,
/// days and moments are texts; what is missing is null.
///
/// # Errors
/// Whatever `out` fails with.
pub fn write_json_lines(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    let keys = table.schema().columns().iter();
    let keys: Vec<String> = keys
        .map(|column| serde_json::Value::from(column.name.as_str()).to_string())
        .collect();
    let mut line = String::new();
    for row in 0..table.rows() {
        line.clear();
        line.push('{');
        for (index, (key, data)) in keys.iter().zip(table.columns()).enumerate() {
            if index > 0 {
                line.push(',');
            }
            line.push_str(key);
            line.push(':');
            push_json(&mut line, data, row);
        }
        line.push_str("}\n");
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn push_json(line: &mut String, data: &ColumnData, row: usize) {
    let Some(text) = data.text(row) else {
        line.push_str("null");
        return;
    };
    let bare = match data.logical_type() {
        LogicalType::Boolean | LogicalType::Integer | LogicalType::Decimal(_) => true,
        LogicalType::Float => !text.ends_with('y'),
        _ => false,
    };
    if bare {
        line.push_str(&text);
    } else {
        line.push_str(&serde_json::Value::from(text.as_ref()).to_string());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reproof_record::DecimalType;

    use super::*;
    use crate::table::tests::{table, tables};

    fn csv(table: &Table) -> String {
        let mut out = Vec::new();
        write_csv(&mut out, table).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn json(table: &Table) -> String {
        let mut out = Vec::new();
        write_json_lines(&mut out, table).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn texts(values: &[Option<&str>]) -> ColumnData {
        ColumnData::String(values.iter().copied().collect())
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let fields = ["b,c", "say \"hi\"", "", " x", "two\nlines"].map(Some);
        let table = table(vec![("a", texts(&fields)), ("b \"", texts(&[None; 5]))]);
        assert_eq!(
            csv(&table),
            "a,\"b \"\"\"\n\"b,c\",\n\"say \"\"hi\"\"\",\n,\n\" x\",\n\"two\nlines\",\n"
        );
    }

    #[test]
    fn a_row_of_nothing_is_a_row() {
        let table = table(vec![("a", texts(&[None, Some("x")]))]);
        assert_eq!(csv(&table), "a\n\"\"\nx\n");
    }

    #[test]
    fn numbers_have_all_their_digits() {
        let decimal = DecimalType::new(38, 2).unwrap();
        let table = table(vec![
            ("i", ColumnData::Integer(vec![Some(i64::MAX), None])),
            ("f", ColumnData::Float(vec![0.1, f64::NEG_INFINITY])),
            (
                "d",
                ColumnData::Decimal(decimal, vec![Some(1250), Some(10_i128.pow(37))]),
            ),
            ("b", ColumnData::Boolean(vec![Some(true), None])),
            ("s", texts(&[Some("a\"\u{1b}"), Some("Infinity")])),
        ]);
        assert_eq!(
            json(&table),
            "{\"i\":9223372036854775807,\"f\":0.1,\"d\":12.50,\"b\":true,\"s\":\"a\\\"\\u001b\"}\n\
             {\"i\":null,\"f\":\"-Infinity\",\"d\":100000000000000000000000000000000000.00,\"b\":null,\
             \"s\":\"Infinity\"}\n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Another reader finds the same fields.
        #[test]
        fn every_table_is_read_back(table in tables()) {
            let text = csv(&table);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), table.rows());
            for (row, fields) in rows.iter().enumerate() {
                for (data, field) in table.columns().iter().zip(fields) {
                    let text = data.text(row).unwrap_or_default();
                    prop_assert_eq!(text.as_ref(), field);
                }
            }
            for (row, line) in json(&table).lines().enumerate() {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                for (column, data) in table.schema().columns().iter().zip(table.columns()) {
                    let value = &object[&column.name];
                    match data.text(row) {
                        None => prop_assert!(value.is_null()),
                        Some(text) if value.is_string() => {
                            prop_assert_eq!(value.as_str().unwrap(), text);
                        }
                        Some(text) => prop_assert!(line.contains(text.as_ref())),
                    }
                }
            }
        }
    }
}
