//! Buckets: the ranges of a numeric column that slices are made of.

use reproof_record::canonical_number;
use reproof_table::ColumnData;
use serde::{Deserialize, Serialize};

use crate::LearnError;

/// The most buckets of a column.
const MAX_BUCKETS: usize = 1000;

/// How the values of a numeric column are put into buckets. A bucket holds its lower edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Buckets {
    /// Between these numbers, which rise; one bucket lies below the first, one from the last on.
    Edges(Vec<f64>),
    /// This many buckets with about equally many of the evaluated rows; equal values share one.
    Quantiles(usize),
}

/// The buckets of a column.
pub(crate) struct Ranges {
    edges: Vec<f64>,
    values: Vec<f64>,
}

impl Ranges {
    /// Finds the buckets of the values of a column.
    pub fn new(column: &str, data: &ColumnData, buckets: &Buckets) -> Result<Self, LearnError> {
        let values = numbers(column, data)?;
        let edges = match buckets {
            Buckets::Edges(edges) => edges.clone(),
            Buckets::Quantiles(count) => quantiles(&values, *count),
        };
        let (count, rising) = match buckets {
            Buckets::Edges(edges) => (
                edges.len() + 1,
                edges.iter().all(|edge| edge.is_finite())
                    && edges.windows(2).all(|pair| pair[0] < pair[1]),
            ),
            Buckets::Quantiles(count) => (*count, true),
        };
        if !rising || !(2..=MAX_BUCKETS).contains(&count) {
            return Err(LearnError::Buckets {
                column: column.to_owned(),
                limit: MAX_BUCKETS,
            });
        }
        Ok(Self { edges, values })
    }

    /// Which bucket a row is in; none where its value is missing.
    pub fn of(&self, row: usize) -> Option<usize> {
        let value = self.values[row];
        (!value.is_nan()).then(|| self.edges.partition_point(|&edge| edge <= value))
    }

    /// A bucket as a person reads it.
    pub fn text(&self, bucket: usize) -> String {
        let edge = |index: usize| {
            let edge = self.edges[index] + 0.0;
            // JSON has no infinity and would round some integers: then as Rust writes it.
            canonical_number(edge).unwrap_or_else(|_| edge.to_string())
        };
        match (bucket, self.edges.len()) {
            (_, 0) => "any number".to_owned(),
            (0, _) => format!("below {}", edge(0)),
            (last, count) if last == count => format!("{} or more", edge(count - 1)),
            (between, _) => format!("{} to below {}", edge(between - 1), edge(between)),
        }
    }
}

fn numbers(column: &str, data: &ColumnData) -> Result<Vec<f64>, LearnError> {
    data.doubles().ok_or_else(|| LearnError::NoNumbers {
        column: column.to_owned(),
        found: data.logical_type().name(),
    })
}

/// The values at equal shares of the sorted ones, each once, without the least: it would leave the
/// first bucket empty.
fn quantiles(values: &[f64], count: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let places = (1..count).map(|index| {
        let place = sorted.len() as u128 * index as u128 / count.max(1) as u128;
        sorted.get(place as usize)
    });
    let mut edges: Vec<f64> = places.flatten().copied().collect();
    edges.dedup();
    edges.retain(|edge| sorted.first().is_some_and(|least| edge > least));
    edges
}

#[cfg(test)]
mod tests {
    use reproof_record::DecimalType;

    use super::*;

    #[test]
    fn a_bucket_holds_its_lower_edge() {
        let data = ColumnData::Integer(vec![Some(29), Some(30), Some(49), Some(50), None]);
        let ranges = Ranges::new("age", &data, &Buckets::Edges(vec![30.0, 50.0])).unwrap();
        let found: Vec<_> = (0..5).map(|row| ranges.of(row)).collect();
        assert_eq!(found, [Some(0), Some(1), Some(1), Some(2), None]);
        let price = DecimalType::new(4, 2).unwrap();
        let decimals = ColumnData::Decimal(price, vec![Some(2999), Some(3000), None]);
        let prices = Ranges::new("price", &decimals, &Buckets::Edges(vec![30.0])).unwrap();
        assert_eq!(
            [0, 1, 2].map(|row| prices.of(row)),
            [Some(0), Some(1), None]
        );
        let texts: Vec<_> = (0..3).map(|bucket| ranges.text(bucket)).collect();
        assert_eq!(texts, ["below 30", "30 to below 50", "50 or more"]);
    }

    #[test]
    fn quantiles_share_the_rows_and_keep_equal_values_together() {
        let values: Vec<f64> = (0..8).rev().map(f64::from).collect();
        assert_eq!(quantiles(&values, 4), [2.0, 4.0, 6.0]);
        assert_eq!(quantiles(&[1.0, 1.0, 1.0, 2.0], 4), [2.0]);
        assert_eq!(quantiles(&[1.0; 5], 4), [0.0; 0]);
        assert_eq!(quantiles(&[], 4), [0.0; 0]);
        let ranges = Ranges::new(
            "x",
            &ColumnData::Float(vec![1.0; 5]),
            &Buckets::Quantiles(3),
        );
        assert_eq!(ranges.unwrap().text(0), "any number");
    }

    #[test]
    fn edges_must_rise() {
        let data = ColumnData::Float(vec![1.0]);
        for edges in [vec![], vec![2.0, 1.0], vec![1.0, 1.0], vec![f64::NAN]] {
            assert!(Ranges::new("x", &data, &Buckets::Edges(edges)).is_err());
        }
        let text = ColumnData::Boolean(vec![Some(true)]);
        assert!(Ranges::new("x", &text, &Buckets::Quantiles(2)).is_err());
    }
}
