//! The features of a training or an evaluation: named columns of doubles, where NaN is missing.

use reproof_table::{ColumnData, Table, Threads, map_ranges};

use crate::LearnError;

/// Features, column by column. All values are finite, or NaN where one is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Matrix {
    /// A matrix of these columns, each with its name; no value may be infinite.
    pub fn new(rows: usize, named: Vec<(String, Vec<f64>)>) -> Result<Self, LearnError> {
        for (name, values) in &named {
            check(rows, name, values)?;
        }
        let (names, columns) = named.into_iter().unzip();
        Ok(Self {
            rows,
            names,
            columns,
        })
    }

    /// The columns of a table, which must all be floats.
    pub fn from_table(table: &Table) -> Result<Self, LearnError> {
        let columns = table.schema().columns().iter().zip(table.columns());
        let named = columns.map(|(column, data)| match data {
            ColumnData::Float(values) => Ok((column.name.clone(), values.clone())),
            _ => Err(LearnError::FeatureType {
                column: column.name.clone(),
                found: column.logical_type.name(),
            }),
        });
        Self::new(table.rows(), named.collect::<Result<_, _>>()?)
    }

    /// Refuses missing values, for what cannot work with them.
    pub(crate) fn complete(&self) -> Result<(), LearnError> {
        for (name, values) in self.names.iter().zip(&self.columns) {
            if let Some(first) = values.iter().position(|value| value.is_nan()) {
                return Err(LearnError::MissingFeature {
                    column: name.clone(),
                    count: values.iter().filter(|value| value.is_nan()).count(),
                    rows: self.rows,
                    first: first + 1,
                });
            }
        }
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// For each row, the coefficients times the features, added in the order of the columns, then
    /// the intercept.
    pub(crate) fn linear(
        &self,
        coefficients: &[f64],
        intercept: f64,
        threads: Threads,
    ) -> Vec<f64> {
        linear(&self.columns, self.rows, coefficients, intercept, threads)
    }
}

/// As [`Matrix::linear`], of bare columns. A row's value depends on that row alone.
pub(crate) fn linear(
    columns: &[Vec<f64>],
    rows: usize,
    coefficients: &[f64],
    intercept: f64,
    threads: Threads,
) -> Vec<f64> {
    let parts = map_ranges(threads, rows, |range| {
        let mut sums = vec![0.0; range.len()];
        for (column, coefficient) in columns.iter().zip(coefficients) {
            for (sum, value) in sums.iter_mut().zip(&column[range.clone()]) {
                *sum += coefficient * value;
            }
        }
        for sum in &mut sums {
            // The sum starts at +0, so it is never -0.
            *sum += intercept;
        }
        sums
    });
    parts.concat()
}

fn check(rows: usize, name: &str, values: &[f64]) -> Result<(), LearnError> {
    if values.len() != rows {
        return Err(LearnError::Rows {
            what: format!("feature '{name}'"),
            found: values.len(),
            expected: rows,
        });
    }
    match values.iter().position(|value| value.is_infinite()) {
        Some(row) => Err(LearnError::InfiniteFeature {
            column: name.to_owned(),
            row: row + 1,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use reproof_record::{Column, LogicalType, Schema};

    use super::*;

    fn table(logical_type: LogicalType, data: ColumnData) -> Table {
        let schema = Schema::new(vec![Column {
            name: "age".to_owned(),
            logical_type,
        }]);
        Table::new(schema.unwrap(), vec![data]).unwrap()
    }

    #[test]
    fn only_float_columns_are_features() {
        let good = table(LogicalType::Float, ColumnData::Float(vec![1.0, 2.5]));
        let matrix = Matrix::from_table(&good).unwrap();
        assert_eq!(
            (matrix.rows(), matrix.names()),
            (2, &["age".to_owned()][..])
        );

        let missing = ColumnData::Float(vec![1.0, f64::NAN, f64::NAN]);
        let incomplete = Matrix::from_table(&table(LogicalType::Float, missing)).unwrap();
        let error = incomplete.complete().unwrap_err();
        assert_eq!(
            error.to_string(),
            "feature 'age' is missing in 2 of 3 rows, first in row 2: fill it in its \
             preprocessing, e.g. `age: [{fill: mean}]`"
        );
        let integer = ColumnData::Integer(vec![Some(1)]);
        let error = Matrix::from_table(&table(LogicalType::Integer, integer)).unwrap_err();
        assert!(matches!(
            error,
            LearnError::FeatureType {
                found: "integer",
                ..
            }
        ));
        let error = Matrix::new(1, vec![("a".to_owned(), vec![f64::INFINITY])]).unwrap_err();
        assert!(matches!(error, LearnError::InfiniteFeature { row: 1, .. }));
        let error = Matrix::new(2, vec![("a".to_owned(), vec![1.0])]).unwrap_err();
        assert!(matches!(error, LearnError::Rows { .. }));
    }
}
