//! Columns as codes: which of its distinct values each row holds.

use std::collections::BTreeMap;

use crate::ColumnData;
use crate::column::canonical_float;

/// Which of the distinct values of a column each row holds. A missing value is one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes {
    /// For each row the number of its value, counted from 0 in the order in which they first appear.
    pub rows: Vec<u32>,
    /// For each distinct value the first row that holds it.
    pub firsts: Vec<usize>,
}

impl Codes {
    /// The codes of a column; none if it has more than `limit` distinct values, or more than
    /// `u32::MAX`.
    pub fn of(data: &ColumnData, limit: usize) -> Option<Self> {
        match data {
            ColumnData::Boolean(values) => Self::of_values(values.iter(), limit),
            ColumnData::Integer(values) | ColumnData::Time(_, values) => {
                Self::of_values(values.iter(), limit)
            }
            ColumnData::Float(values) => {
                let bits = values.iter().map(|value| canonical_float(*value).to_bits());
                Self::of_values(bits, limit)
            }
            ColumnData::Decimal(_, values) => Self::of_values(values.iter(), limit),
            ColumnData::String(values) => Self::of_values(values.iter(), limit),
        }
    }

    /// The codes of the values of some rows; none if more than `limit` of them are distinct.
    pub fn of_values<V: Ord + Copy>(values: impl Iterator<Item = V>, limit: usize) -> Option<Self> {
        let mut known: BTreeMap<V, u32> = BTreeMap::new();
        let (mut rows, mut firsts) = (Vec::with_capacity(values.size_hint().0), Vec::new());
        // Neighbours are often equal.
        let mut last: Option<(V, u32)> = None;
        for (row, value) in values.enumerate() {
            let code = match last.filter(|(before, _)| *before == value) {
                Some((_, code)) => code,
                None => match known.get(&value) {
                    Some(code) => *code,
                    None if firsts.len() >= limit => return None,
                    None => {
                        let code = u32::try_from(firsts.len()).ok()?;
                        known.insert(value, code);
                        firsts.push(row);
                        code
                    }
                },
            };
            last = Some((value, code));
            rows.push(code);
        }
        Some(Self { rows, firsts })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::tests::tables;

    proptest! {
        #[test]
        fn a_code_stands_for_a_value(table in tables()) {
            for data in table.columns() {
                let codes = Codes::of(data, usize::MAX).unwrap();
                prop_assert_eq!(codes.rows.len(), data.len());
                for (row, &code) in codes.rows.iter().enumerate() {
                    let first = codes.firsts[code as usize];
                    prop_assert!(first <= row);
                    prop_assert_eq!(data.text(row), data.text(first));
                }
                let texts: std::collections::BTreeSet<_> =
                    codes.firsts.iter().map(|&row| data.text(row)).collect();
                prop_assert_eq!(texts.len(), codes.firsts.len());
                let distinct = codes.firsts.len();
                prop_assert_eq!(Codes::of(data, distinct), Some(codes));
                if distinct > 0 {
                    prop_assert_eq!(Codes::of(data, distinct - 1), None);
                }
            }
        }
    }
}
