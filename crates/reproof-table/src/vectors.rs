//! The test vectors of `docs/formats`, computed here and found there.

use reproof_record::{DecimalType, Digest, TableObject, to_canonical};
use serde_json::json;

use crate::encoding::put_value;
use crate::preprocess::{Chains, fit};
use crate::split::tests::hash;
use crate::table::tests::table;
use crate::{ColumnData, Table, Threads, TimeType};

const TABLE: &str = include_str!("../../../docs/formats/table.md");
const PREPROCESS: &str = include_str!("../../../docs/formats/preprocess.md");

fn check(document: &str, expect: &str) {
    assert!(document.contains(expect), "the document lacks\n{expect}");
}

fn encoded(data: &ColumnData) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..data.len() {
        put_value(&mut bytes, data, row).unwrap();
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap());
        }
        text
    })
}

/// The table of the documents.
pub(crate) fn sample() -> Table {
    table(vec![
        (
            "flag",
            ColumnData::Boolean(vec![Some(false), Some(true), None]),
        ),
        ("count", ColumnData::Integer(vec![Some(1), Some(-2), None])),
        ("size", ColumnData::Float(vec![0.5, -0.0, f64::NAN])),
        (
            "name",
            ColumnData::String([Some("é"), Some(""), None].into_iter().collect()),
        ),
    ])
}

#[test]
fn the_encoding_of_columns() {
    let sample = sample();
    for (column, data) in sample.schema().columns().iter().zip(sample.columns()) {
        let bytes = encoded(data);
        let row = format!(
            "| `{}` | {} | `{}` | `{}` |\n",
            column.name,
            column.logical_type,
            hex(&bytes),
            Digest::of(&bytes)
        );
        check(TABLE, &row);
    }
    check(TABLE, &format!("`{}`\n", Digest::of(b"")));
}

#[test]
fn the_encoding_of_days_and_moments() {
    let columns = [
        (TimeType::Date, "2024-02-29", "0001-01-01"),
        (
            TimeType::Naive,
            "2024-02-29T12:30:00.25",
            "9999-12-31T23:59:59.999999",
        ),
        (
            TimeType::Utc,
            "2024-02-29T12:30:00.25Z",
            "1969-12-31T23:59:59.999999Z",
        ),
    ];
    for (time, one, other) in columns {
        let values = [one, other].map(|text| time.parse(text.as_bytes()));
        let bytes = encoded(&ColumnData::Time(time, [&values[..], &[None]].concat()));
        let row = format!(
            "| {} | `{one}`, `{other}`, - | `{}` | `{}` |\n",
            time.logical_type(),
            hex(&bytes),
            Digest::of(&bytes)
        );
        check(TABLE, &row);
    }
}

#[test]
fn the_encoding_of_decimals() {
    for (precision, scale, one, other) in [
        (10, 2, "12.50", "-0.05"),
        (38, 0, "99999999999999999999999999999999999999", "-1"),
    ] {
        let decimal = DecimalType::new(precision, scale).unwrap();
        let values = [one, other].map(|text| decimal.parse(text.as_bytes()).ok());
        let bytes = encoded(&ColumnData::Decimal(
            decimal,
            [&values[..], &[None]].concat(),
        ));
        let row = format!(
            "| {decimal} | `{one}`, `{other}`, - | `{}` | `{}` |\n",
            hex(&bytes),
            Digest::of(&bytes)
        );
        check(TABLE, &row);
    }
    let decimal = DecimalType::new(10, 2).unwrap();
    let data = ColumnData::Decimal(decimal, vec![Some(1250), Some(-5), None]);
    let document = object(&table(vec![("price", data)]));
    check(TABLE, &format!("\n{document}\n"));
    check(TABLE, &format!("`{}`\n", Digest::of(document.as_bytes())));
}

/// The canonical JSON of a table's object.
fn object(table: &Table) -> String {
    let columns = table.columns().iter();
    let object = TableObject {
        format: TableObject::FORMAT.to_owned(),
        schema: table.schema().clone(),
        rows: table.rows() as u64,
        columns: columns.map(|data| Digest::of(&encoded(data))).collect(),
    };
    String::from_utf8(object.to_bytes().unwrap()).unwrap()
}

#[test]
fn the_identity_of_a_table() {
    let sample = sample();
    let document = object(&sample);
    check(TABLE, &format!("\n{document}\n"));
    check(TABLE, &format!("`{}`\n", Digest::of(document.as_bytes())));
    let empty = object(&sample.take(&[]).unwrap().select(&["count"]).unwrap());
    check(TABLE, &format!("\n{empty}\n"));
    check(TABLE, &format!("`{}`\n", Digest::of(empty.as_bytes())));
}

#[test]
fn the_hashes_of_rows() {
    for seed in [0, 42] {
        for row in 0..3 {
            let hash = hash(&sample(), row, seed);
            check(TABLE, &format!("| {seed} | {row} | `{hash:016x}` |\n"));
        }
    }
}

#[test]
fn the_state_of_a_preprocessing() {
    let chains: Chains = serde_json::from_value(json!({
        "count": [{"fill": "mean"}, {"scale": "z_score"}],
        "flag": ["one_hot"],
        "name": [{"fill": {"constant": "?"}}, "one_hot"],
        "size": [{"fill": {"constant": 12_345_678_901_234_567_890_u64}}],
    }))
    .unwrap();
    let fitted = fit(&sample(), &chains, Threads::ONE).unwrap();
    let state = String::from_utf8(to_canonical(&fitted).unwrap()).unwrap();
    check(PREPROCESS, &format!("\n{state}\n"));
}
