//! Judges what data must meet, one column at a time, in bounded memory.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use reproof_record::{
    Artifact, DataCheck, Digest, ExampleRow, GateVerdict, LogicalType, TableObject, Timestamp,
    canonical_number,
};
use reproof_store::Store;
use serde_json::Value;

use crate::csv::encode_field;
use crate::diff::{column, sorted_rows, values};
use crate::drift::column_drift;
use crate::stream::{each_value, is_missing, number, text};
use crate::{TableError, TimeType};

/// How many rows that violate an expectation are shown.
const EXAMPLES: usize = 5;
/// Microseconds of a second and of a day.
const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Whether it is met.
    pub verdict: GateVerdict,
    /// How many rows violate it, where it is about rows.
    pub violations: Option<u64>,
    /// How far the values moved, where it is about that.
    pub value: Option<f64>,
    /// Why it was not judged, or what was found instead.
    pub reason: Option<String>,
    /// The first rows that violate it.
    pub examples: Vec<ExampleRow>,
}

impl Judged {
    fn new(met: bool, reason: impl FnOnce() -> String) -> Self {
        Self {
            verdict: if met {
                GateVerdict::Passed
            } else {
                GateVerdict::Failed
            },
            violations: None,
            value: None,
            reason: (!met).then(reason),
            examples: Vec::new(),
        }
    }

    fn not_judged(reason: impl Into<String>) -> Self {
        Self {
            verdict: GateVerdict::NotJudged,
            ..Self::new(false, || reason.into())
        }
    }
}

/// Judges an expectation on a stored table. `pinned` is the version that the lock file pins, `now`
/// the time from which the age of data is counted.
///
/// # Errors
/// A table that is not there or damaged, a column that it does not have, and values in the
/// expectation that are not of the column's type.
pub fn judge_data(
    store: &Store,
    table: &Digest,
    check: &DataCheck,
    pinned: Option<&Artifact>,
    now: Timestamp,
) -> Result<Judged, TableError> {
    let object = store.table_object(table)?;
    let judge = Judge {
        store,
        object: &object,
    };
    match check {
        DataCheck::Rows { min, max } => {
            let met = min.is_none_or(|min| object.rows >= min)
                && max.is_none_or(|max| object.rows <= max);
            Ok(Judged::new(met, || format!("there are {}", object.rows)))
        }
        DataCheck::Type {
            column: name,
            logical_type,
        } => {
            let (_, found) = column(&object, name)?;
            Ok(Judged::new(found == *logical_type, || {
                format!("it is {found}")
            }))
        }
        DataCheck::NotNull { column } => judge.each(column, |logical_type, value| {
            Ok(!is_missing(logical_type, value))
        }),
        DataCheck::Unique { columns } => judge.unique(columns),
        DataCheck::Range { column, min, max } => judge.range(column, min.as_ref(), max.as_ref()),
        DataCheck::Allowed { column, values } => judge.allowed(column, values),
        DataCheck::Fresh { column, within, at } => judge.fresh(column, *within, at.as_deref(), now),
        DataCheck::Drift { column: name, most } => {
            let Some(pinned) = pinned else {
                return Ok(Judged::not_judged("reproof.lock pins no version yet"));
            };
            drift(store, [&pinned.digest, table], name, *most)
        }
    }
}

fn drift(store: &Store, tables: [&Digest; 2], name: &str, most: f64) -> Result<Judged, TableError> {
    if !store.contains(tables[0])? {
        return Ok(Judged::not_judged("the pinned version is not in the store"));
    }
    let before = store.table_object(tables[0])?.schema;
    let now = store.table_object(tables[1])?.schema;
    if before.column(name) != now.column(name) {
        let reason = "the pinned version has no such column of this type";
        return Ok(Judged::not_judged(reason));
    }
    Ok(match column_drift(store, tables, name)? {
        None => Judged::not_judged("one of the versions has no rows"),
        Some(found) => Judged {
            value: Some(found.psi),
            ..Judged::new(found.psi <= most, || {
                format!("it moved by {:.3}", found.psi)
            })
        },
    })
}

struct Judge<'a> {
    store: &'a Store,
    object: &'a TableObject,
}

impl Judge<'_> {
    /// Judges every value of a column by itself.
    fn each(
        &self,
        name: &str,
        mut keeps: impl FnMut(LogicalType, &[u8]) -> Result<bool, TableError>,
    ) -> Result<Judged, TableError> {
        let (digest, logical_type) = column(self.object, name)?;
        let (mut count, mut first) = (0, Vec::new());
        each_value(
            self.store,
            digest,
            logical_type,
            self.object.rows,
            |row, value| {
                if !keeps(logical_type, value)? {
                    count += 1;
                    if first.len() < EXAMPLES {
                        first.push(row as u32);
                    }
                }
                Ok(())
            },
        )?;
        self.of_rows(count, &[name], &first)
    }

    fn of_rows(&self, count: u64, names: &[&str], rows: &[u32]) -> Result<Judged, TableError> {
        let found = values(self.store, self.object, names, rows)?;
        let examples = rows.iter().zip(found).map(|(row, values)| ExampleRow {
            row: u64::from(*row) + 1,
            values,
        });
        Ok(Judged {
            violations: Some(count),
            examples: examples.collect(),
            ..Judged::new(count == 0, || match count {
                1 => "violated by 1 row".to_owned(),
                count => format!("violated by {count} rows"),
            })
        })
    }

    fn unique(&self, columns: &[String]) -> Result<Judged, TableError> {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let sorted = sorted_rows(self.store, self.object, &names)?;
        let repeats = sorted
            .windows(2)
            .filter(|pair| pair[0][..4] == pair[1][..4]);
        let mut rows: Vec<u32> = repeats.map(|pair| pair[1][4]).collect();
        let count = rows.len() as u64;
        rows.sort_unstable();
        rows.truncate(EXAMPLES);
        self.of_rows(count, &names, &rows)
    }

    fn range(
        &self,
        name: &str,
        min: Option<&Value>,
        max: Option<&Value>,
    ) -> Result<Judged, TableError> {
        let (_, logical_type) = column(self.object, name)?;
        if !logical_type.is_numeric() && !logical_type.is_time() {
            return Err(unfit(name, logical_type, "has no range"));
        }
        let bound = |value: Option<&Value>| {
            value
                .map(|value| Bound::of(name, logical_type, value))
                .transpose()
        };
        let (min, max) = (bound(min)?, bound(max)?);
        self.each(name, |logical_type, value| {
            let at_least = |bound: &Bound| bound.order(logical_type, value).is_ge();
            let at_most = |bound: &Bound| bound.order(logical_type, value).is_le();
            Ok(is_missing(logical_type, value)
                || min.as_ref().is_none_or(at_least) && max.as_ref().is_none_or(at_most))
        })
    }

    fn allowed(&self, name: &str, values: &[Value]) -> Result<Judged, TableError> {
        let (_, logical_type) = column(self.object, name)?;
        let mut allowed = BTreeSet::new();
        for value in values {
            let Some(bytes) = encode_field(logical_type, plain(value).as_bytes()) else {
                let what = format!("never holds {}", plain(value));
                return Err(unfit(name, logical_type, &what));
            };
            allowed.insert(bytes);
        }
        self.each(name, |logical_type, value| {
            Ok(is_missing(logical_type, value) || allowed.contains(value))
        })
    }

    fn fresh(
        &self,
        name: &str,
        within: u64,
        at: Option<&str>,
        now: Timestamp,
    ) -> Result<Judged, TableError> {
        let (digest, logical_type) = column(self.object, name)?;
        let unit = match TimeType::of(logical_type) {
            Some(TimeType::Date) => DAY,
            Some(_) => 1,
            None => return Err(unfit(name, logical_type, "has no age")),
        };
        let now = match at {
            None => i128::from(now.0),
            Some(text) => moment(text)
                .ok_or_else(|| TableError::Shape(format!("'{text}' is no day and no moment")))?,
        };
        let mut newest: Option<(i64, Vec<u8>)> = None;
        each_value(
            self.store,
            digest,
            logical_type,
            self.object.rows,
            |_, value| {
                if let Some(count) = integer(value)
                    && newest.as_ref().is_none_or(|(most, _)| *most < count)
                {
                    newest = Some((count, value.to_vec()));
                }
                Ok(())
            },
        )?;
        let Some((count, value)) = newest else {
            return Ok(Judged::new(false, || "it has no values".to_owned()));
        };
        let text = text(logical_type, &value)?.unwrap_or_default();
        let age = now - i128::from(count) * unit;
        let met = age <= i128::from(within) * SECOND;
        Ok(Judged::new(met, || {
            format!("the newest is {text}, {} seconds old", age / SECOND)
        }))
    }
}

fn unfit(name: &str, logical_type: LogicalType, what: &str) -> TableError {
    TableError::Shape(format!("column '{name}' of type {logical_type} {what}"))
}

/// The count of an encoded integer, day or moment.
fn integer(value: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(*value.get(1..)?.first_chunk()?))
}

/// A day or a moment, in microseconds since 1970; without a zone it is UTC.
fn moment(text: &str) -> Option<i128> {
    let of = |logical_type, unit: i128| {
        let bytes = encode_field(logical_type, text.as_bytes())?;
        Some(i128::from(integer(&bytes)?) * unit)
    };
    of(LogicalType::Date, DAY)
        .or_else(|| of(LogicalType::TimestampUtc, 1))
        .or_else(|| of(LogicalType::TimestampNaive, 1))
}

/// A value of an expectation as a field of a CSV file would hold it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            canonical_number(number).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

/// A bound of a range.
enum Bound {
    /// A value of the column's type, encoded.
    Exact(Vec<u8>),
    /// A number that the type does not hold, such as 0.5 for integers.
    Between(f64),
}

impl Bound {
    fn of(name: &str, logical_type: LogicalType, value: &Value) -> Result<Self, TableError> {
        let text = plain(value);
        if let Some(bytes) = encode_field(logical_type, text.as_bytes()) {
            return Ok(Self::Exact(bytes));
        }
        match text.parse::<f64>() {
            Ok(number) if logical_type.is_numeric() => Ok(Self::Between(number)),
            _ => {
                let what = format!("has no bound '{text}'");
                Err(unfit(name, logical_type, &what))
            }
        }
    }

    /// How an encoded value of this type compares with the bound.
    fn order(&self, logical_type: LogicalType, value: &[u8]) -> Ordering {
        match self {
            Self::Between(bound) => number(logical_type, value)
                .map_or(Ordering::Equal, |number| number.total_cmp(bound)),
            Self::Exact(bound) => match logical_type {
                LogicalType::Float => {
                    let of = |bytes: &[u8]| number(logical_type, bytes).unwrap_or_default();
                    of(value).total_cmp(&of(bound))
                }
                LogicalType::Decimal(_) => {
                    let units = |bytes: &[u8]| -> Option<i128> {
                        Some(i128::from_le_bytes(*bytes.get(1..)?.first_chunk()?))
                    };
                    units(value).cmp(&units(bound))
                }
                _ => integer(value).cmp(&integer(bound)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use reproof_record::{ArtifactKind, DecimalType};
    use serde_json::json;

    use super::*;
    use crate::storage::tests::scratch;
    use crate::table::tests::table;
    use crate::{ColumnData, Table, write_table};

    fn sample() -> Table {
        let decimal = DecimalType::new(6, 2).unwrap();
        table(vec![
            (
                "id",
                ColumnData::Integer(vec![Some(1), Some(2), Some(2), None]),
            ),
            ("size", ColumnData::Float(vec![0.5, f64::NAN, -1.0, 2.0])),
            (
                "kind",
                ColumnData::String(
                    [Some("a"), Some("b"), Some("a"), None]
                        .into_iter()
                        .collect(),
                ),
            ),
            (
                "price",
                ColumnData::Decimal(decimal, vec![Some(999), Some(1000), Some(1001), None]),
            ),
            (
                "day",
                ColumnData::Time(TimeType::Date, vec![Some(0), Some(10), None, Some(3)]),
            ),
        ])
    }

    fn judge(check: &DataCheck) -> Result<Judged, TableError> {
        let (_folder, store) = scratch();
        let mut batch = store.batch();
        let stored = write_table(&mut batch, &sample()).unwrap();
        batch.commit().unwrap();
        // Noon of the 12th of January 1970.
        let now = Timestamp((11 * DAY + DAY / 2) as i64);
        judge_data(&store, &stored.artifact.digest, check, None, now)
    }

    /// The rows that violate an expectation.
    fn rows(check: &DataCheck) -> Vec<u64> {
        let judged = judge(check).unwrap();
        let rows: Vec<_> = judged.examples.iter().map(|row| row.row).collect();
        assert_eq!(judged.violations, Some(rows.len() as u64));
        assert_eq!(judged.verdict == GateVerdict::Passed, rows.is_empty());
        rows
    }

    fn range(column: &str, min: Value, max: Value) -> DataCheck {
        let bound = |value: Value| (!value.is_null()).then_some(value);
        DataCheck::Range {
            column: column.to_owned(),
            min: bound(min),
            max: bound(max),
        }
    }

    #[test]
    fn rows_that_violate_are_named() {
        let column = "id".to_owned();
        assert_eq!(rows(&DataCheck::NotNull { column }), [4]);
        let unique = |columns: &[&str]| DataCheck::Unique {
            columns: columns.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(rows(&unique(&["id"])), [3]);
        assert_eq!(rows(&unique(&["id", "kind"])), Vec::<u64>::new());
        let allowed = DataCheck::Allowed {
            column: "kind".to_owned(),
            values: vec![json!("a"), json!("c")],
        };
        assert_eq!(rows(&allowed), [2]);
        let judged = judge(&unique(&["id"])).unwrap();
        assert_eq!(judged.examples[0].values["id"].as_deref(), Some("2"));
    }

    #[test]
    fn bounds_are_exact_and_missing_values_lie_between_them() {
        assert_eq!(rows(&range("id", json!(2), json!(null))), [1]);
        assert_eq!(rows(&range("id", json!(1.5), json!(1.75))), [1, 2, 3]);
        assert_eq!(rows(&range("size", json!(0), json!(1))), [3, 4]);
        assert_eq!(rows(&range("price", json!(10), json!("10.00"))), [1, 3]);
        assert_eq!(rows(&range("price", json!(9.995), json!(null))), [1]);
        assert_eq!(rows(&range("day", json!("1970-01-02"), json!(null))), [1]);
        for wrong in [
            range("kind", json!(1), json!(null)),
            range("day", json!("x"), json!(null)),
        ] {
            assert!(judge(&wrong).is_err());
        }
    }

    #[test]
    fn tables_are_counted_and_aged() {
        let verdict = |check: DataCheck| judge(&check).unwrap().verdict;
        let within = |min, max| DataCheck::Rows { min, max };
        assert_eq!(verdict(within(Some(4), Some(4))), GateVerdict::Passed);
        assert_eq!(verdict(within(Some(5), None)), GateVerdict::Failed);
        let fresh = |within, at: Option<&str>| DataCheck::Fresh {
            column: "day".to_owned(),
            within,
            at: at.map(str::to_owned),
        };
        // The newest day is the 11th: on the 12th at noon it is 36 hours old.
        assert_eq!(verdict(fresh(129_600, None)), GateVerdict::Passed);
        assert_eq!(verdict(fresh(129_599, None)), GateVerdict::Failed);
        assert_eq!(verdict(fresh(0, Some("1970-01-11"))), GateVerdict::Passed);
        assert_eq!(
            verdict(fresh(59, Some("1970-01-11T00:01:00Z"))),
            GateVerdict::Failed
        );
        assert!(judge(&fresh(0, Some("soon"))).is_err());
        let types = |name: &str| DataCheck::Type {
            column: name.to_owned(),
            logical_type: LogicalType::Float,
        };
        assert_eq!(verdict(types("size")), GateVerdict::Passed);
        assert_eq!(
            judge(&types("id")).unwrap().reason.unwrap(),
            "it is integer"
        );
    }

    #[test]
    fn drift_is_judged_against_the_pinned_version() {
        let (_folder, store) = scratch();
        let mut batch = store.batch();
        let numbers = |from: i64| {
            let values = (from..from + 100).map(Some).collect();
            table(vec![("a", ColumnData::Integer(values))])
        };
        let before = write_table(&mut batch, &numbers(0)).unwrap().artifact;
        let after = write_table(&mut batch, &numbers(40)).unwrap().artifact;
        batch.commit().unwrap();
        let judge = |most, pinned: Option<&Artifact>| {
            let check = DataCheck::Drift {
                column: "a".to_owned(),
                most,
            };
            judge_data(&store, &after.digest, &check, pinned, Timestamp(0)).unwrap()
        };
        assert_eq!(before.kind, ArtifactKind::Table);
        let found = judge(0.2, Some(&before));
        assert_eq!(found.verdict, GateVerdict::Failed);
        assert!(found.value.unwrap() > 0.2);
        assert_eq!(judge(100.0, Some(&before)).verdict, GateVerdict::Passed);
        assert_eq!(judge(0.0, Some(&after)).verdict, GateVerdict::Passed);
        assert_eq!(judge(0.2, None).verdict, GateVerdict::NotJudged);
    }
}
