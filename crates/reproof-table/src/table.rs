//! Tables in memory.

use reproof_record::{Column, Schema};

use crate::{ColumnData, TableError};

/// A table: a schema, and for each of its columns the values in row order.
///
/// Floats are canonical: missing is one NaN, and zero is +0.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    schema: Schema,
    columns: Vec<ColumnData>,
    rows: usize,
}

impl Table {
    /// A table of these columns, which must be as many as the schema's, of its types, and of one
    /// length. Other NaN become the canonical one, and -0 becomes +0.
    pub fn new(schema: Schema, columns: Vec<ColumnData>) -> Result<Self, TableError> {
        let rows = columns.first().map_or(0, ColumnData::len);
        Self::with_rows(schema, columns, rows)
    }

    /// As [`Table::new`], with a number of rows that also holds for a table without columns.
    pub(crate) fn with_rows(
        schema: Schema,
        mut columns: Vec<ColumnData>,
        rows: usize,
    ) -> Result<Self, TableError> {
        if columns.len() != schema.columns().len() {
            return Err(TableError::Shape(format!(
                "{} columns where the schema has {}",
                columns.len(),
                schema.columns().len()
            )));
        }
        for (column, data) in schema.columns().iter().zip(&columns) {
            check(column, data, rows)?;
        }
        for (column, data) in schema.columns().iter().zip(&mut columns) {
            data.canonicalise();
            check_range(column, data)?;
        }
        Ok(Self {
            schema,
            columns,
            rows,
        })
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in the schema's order.
    pub fn columns(&self) -> &[ColumnData] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnData> {
        self.columns.get(self.schema.position(name)?)
    }

    /// A table of these columns only, in this order.
    pub fn select(&self, names: &[&str]) -> Result<Self, TableError> {
        let mut schema = Vec::with_capacity(names.len());
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let (Some(column), Some(data)) = (self.schema.column(name), self.column(name)) else {
                return Err(TableError::NoSuchColumn {
                    column: (*name).to_owned(),
                });
            };
            schema.push(column.clone());
            columns.push(data.clone());
        }
        Self::with_rows(Schema::new(schema)?, columns, self.rows)
    }

    /// A table of these rows, counted from 0, in this order. A row may stand several times.
    pub fn take(&self, rows: &[usize]) -> Result<Self, TableError> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows) {
            return Err(TableError::NoSuchRow {
                row,
                rows: self.rows,
            });
        }
        let columns = self.columns.iter().map(|data| data.take(rows)).collect();
        Ok(Self {
            schema: self.schema.clone(),
            columns,
            rows: rows.len(),
        })
    }
}

fn check_range(column: &Column, data: &ColumnData) -> Result<(), TableError> {
    let outside = match data {
        ColumnData::Time(time, values) => {
            let value = values.iter().flatten().find(|&&value| !time.holds(value));
            value.map(|value| format!("{value}, which lies outside the years 1 to 9999"))
        }
        ColumnData::Decimal(decimal, values) => {
            let value = values
                .iter()
                .flatten()
                .find(|&&value| !decimal.holds(value));
            value.map(|value| format!("{value} units of the last place, which has more digits"))
        }
        _ => None,
    };
    match outside {
        Some(what) => Err(TableError::Shape(format!(
            "column '{}' is of type {} and holds {what}",
            column.name, column.logical_type
        ))),
        None => Ok(()),
    }
}

fn check(column: &Column, data: &ColumnData, rows: usize) -> Result<(), TableError> {
    if data.logical_type() != column.logical_type {
        return Err(TableError::Shape(format!(
            "column '{}' is of type {} and holds values of type {}",
            column.name,
            column.logical_type,
            data.logical_type()
        )));
    }
    if data.len() != rows {
        return Err(TableError::Shape(format!(
            "column '{}' has {} values where there are {rows} rows",
            column.name,
            data.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use reproof_record::{DecimalType, LogicalType};

    use super::*;
    use crate::TimeType;

    pub(crate) fn schema(columns: &[(&str, LogicalType)]) -> Schema {
        let columns = columns.iter().map(|(name, logical_type)| Column {
            name: (*name).to_owned(),
            logical_type: *logical_type,
        });
        Schema::new(columns.collect()).unwrap()
    }

    pub(crate) fn table(columns: Vec<(&str, ColumnData)>) -> Table {
        let types: Vec<_> = columns
            .iter()
            .map(|(name, data)| (*name, data.logical_type()))
            .collect();
        let schema = schema(&types);
        Table::new(schema, columns.into_iter().map(|(_, data)| data).collect()).unwrap()
    }

    pub(crate) fn decimal(precision: u8, scale: u8) -> DecimalType {
        DecimalType::new(precision, scale).unwrap()
    }

    fn float() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(f64::NAN),
            Just(-0.0),
            Just(f64::from_bits(0xfff8_0000_0000_0001)),
            -1e6..1e6,
            any::<f64>()
        ]
    }

    /// Tables of a column of every type.
    pub(crate) fn tables() -> impl Strategy<Value = Table> {
        let row = (
            any::<Option<bool>>(),
            any::<Option<i64>>(),
            float(),
            prop::option::of("\\PC{0,6}"),
            prop::option::of(crate::time::tests::values(TimeType::Date)),
            prop::option::of(crate::time::tests::values(TimeType::Utc)),
            prop::option::of(crate::time::tests::values(TimeType::Naive)),
            prop::option::of(-999_999_i128..1_000_000),
            prop::option::of(prop_oneof![
                any::<i64>().prop_map(i128::from),
                any::<i128>()
            ]),
        );
        let (price, wide) = (decimal(6, 2), decimal(38, 10));
        prop::collection::vec(row, 0..40).prop_map(move |rows| {
            let strings = rows.iter().map(|row| row.3.as_deref()).collect();
            table(vec![
                (
                    "flag",
                    ColumnData::Boolean(rows.iter().map(|row| row.0).collect()),
                ),
                (
                    "count",
                    ColumnData::Integer(rows.iter().map(|row| row.1).collect()),
                ),
                (
                    "size",
                    ColumnData::Float(rows.iter().map(|row| row.2).collect()),
                ),
                ("name", ColumnData::String(strings)),
                (
                    "day",
                    ColumnData::Time(TimeType::Date, rows.iter().map(|row| row.4).collect()),
                ),
                (
                    "moment",
                    ColumnData::Time(TimeType::Utc, rows.iter().map(|row| row.5).collect()),
                ),
                (
                    "clock",
                    ColumnData::Time(TimeType::Naive, rows.iter().map(|row| row.6).collect()),
                ),
                (
                    "price",
                    ColumnData::Decimal(price, rows.iter().map(|row| row.7).collect()),
                ),
                (
                    "wide",
                    ColumnData::Decimal(
                        wide,
                        rows.iter()
                            .map(|row| row.8.map(|value| value % 10_i128.pow(38)))
                            .collect(),
                    ),
                ),
            ])
        })
    }

    #[test]
    fn columns_must_fit() {
        let one = schema(&[("a", LogicalType::Float)]);
        assert!(Table::new(one.clone(), vec![]).is_err());
        assert!(Table::new(one, vec![ColumnData::Integer(vec![])]).is_err());
        let two = schema(&[("a", LogicalType::Float), ("b", LogicalType::Float)]);
        let lengths = vec![ColumnData::Float(vec![1.0]), ColumnData::Float(vec![])];
        let error = Table::new(two, lengths).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the columns are not a table: column 'b' has 0 values where there are 1 rows"
        );
    }

    #[test]
    fn decimals_have_the_digits_of_their_type() {
        let column = schema(&[("a", LogicalType::Decimal(decimal(3, 1)))]);
        let data = |value| vec![ColumnData::Decimal(decimal(3, 1), vec![None, Some(value)])];
        assert!(Table::new(column.clone(), data(-999)).is_ok());
        let error = Table::new(column, data(1000)).unwrap_err().to_string();
        assert!(
            error.contains("is of type decimal(3, 1) and holds 1000 units"),
            "{error}"
        );
    }

    #[test]
    fn floats_are_made_canonical() {
        let odd = f64::from_bits(0xfff0_0000_0000_0001);
        let table = table(vec![("a", ColumnData::Float(vec![odd, -0.0]))]);
        let ColumnData::Float(values) = &table.columns()[0] else {
            panic!("it is a float column");
        };
        assert_eq!(values[0].to_bits(), 0x7ff8_0000_0000_0000);
        assert_eq!(values[1].to_bits(), 0);
    }

    #[test]
    fn rows_and_columns_are_taken_in_the_order_asked_for() {
        let table = table(vec![
            ("a", ColumnData::Integer(vec![Some(1), None, Some(3)])),
            (
                "b",
                ColumnData::String(["x", "y", "z"].map(Some).into_iter().collect()),
            ),
        ]);
        let part = table.take(&[2, 0, 2]).unwrap().select(&["b"]).unwrap();
        let expect = ColumnData::String(["z", "x", "z"].map(Some).into_iter().collect());
        assert_eq!(part.columns(), [expect]);
        assert!(table.take(&[3]).is_err());
        assert!(table.select(&["c"]).is_err());
        assert_eq!(table.select(&[]).unwrap().rows(), 3);
    }
}
