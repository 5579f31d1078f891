//! What moved between two records, what matters most first.

use std::collections::BTreeMap;

use reproof_learn::{Estimate, Metrics, SeedDistance, SliceComparison, SliceMetrics};
use serde::Serialize;

use super::AgainstSeeds;
use crate::MetricsComparison;

/// A metric that two records have, on all rows or on a slice.
#[derive(Clone, Debug)]
pub struct MetricMoved<'a> {
    /// The slice; none for all rows.
    pub slice: Option<&'a SliceMetrics>,
    /// The rows of the slice in the second record.
    pub rows: Option<u64>,
    /// The metric.
    pub metric: &'a str,
    /// What it is in both.
    pub values: [&'a Estimate; 2],
    /// How far it moved on the same rows.
    pub difference: Option<&'a Estimate>,
    /// The same against the spread over seeds.
    pub seeds: Option<&'a SeedDistance>,
}

/// A slice of two evaluations, which may be of other rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SliceSides {
    /// The slice, as a person reads it: `contract=One year`.
    pub name: String,
    /// Its rows in both.
    pub rows: [u64; 2],
    /// The metrics that both have.
    pub metrics: BTreeMap<String, [Estimate; 2]>,
}

impl MetricMoved<'_> {
    /// Whether the interval of the difference is without zero; none if there is no interval.
    pub fn is_clear(&self) -> Option<bool> {
        let difference = self.difference?;
        Some(difference.low? > 0.0 || difference.high? < 0.0)
    }

    /// Whether its difference can be judged: by an interval of it, or by the spread.
    pub fn is_judged(&self) -> bool {
        self.difference.is_some() || self.seeds.is_some()
    }

    /// How much it matters: first how many of interval and spread it goes beyond; then how far, in standard
    /// deviations of the spread, or in half widths of the interval where the spread is not known. Where
    /// nothing judges the difference, the intervals of both values do.
    fn weight(&self) -> (usize, f64) {
        let verdicts = [self.is_clear(), self.seeds.map(|seeds| seeds.beyond)];
        let beyond = verdicts.iter().filter(|beyond| **beyond == Some(true));
        let beyond = beyond.count();
        let half_width = |of: &Estimate| Some((of.high? - of.low?) / 2.0);
        let half_widths = |by: f64, of: &Estimate| {
            Some(by.abs() / half_width(of)?).filter(|moved| moved.is_finite())
        };
        let of_interval = || match (self.difference, self.values) {
            (Some(difference), _) => half_widths(difference.value?, difference),
            // The interval of the difference of two independent samples.
            (None, [before, after]) => {
                let (one, other) = (half_width(before)?, half_width(after)?);
                let half = (one * one + other * other).sqrt();
                let by = (after.value? - before.value?).abs() / half;
                Some(by).filter(|by| by.is_finite())
            }
        };
        let far = match self.seeds {
            Some(seeds) => {
                seeds
                    .deviations
                    .unwrap_or(if seeds.beyond { f64::INFINITY } else { 0.0 })
            }
            None => of_interval().unwrap_or(0.0),
        };
        (beyond, far)
    }
}

/// The metrics on all rows that two records have, and then their slices, each with its metrics: of all
/// three what matters most first.
pub fn moved_metrics<'a>(
    metrics: &'a MetricsComparison,
    seeds: &'a AgainstSeeds,
) -> (Vec<MetricMoved<'a>>, Vec<Vec<MetricMoved<'a>>>) {
    let [before, after] = &metrics.found;
    let paired = metrics.paired.as_ref();
    let overall = moved(
        None,
        [&before.overall, &after.overall],
        paired.map(|paired| &paired.overall),
        seeds,
    );
    let mut slices = slices(metrics, seeds);
    let tells = |one: &MetricMoved<'_>| one.is_judged() || one.weight().1 > 0.0;
    slices.retain(|slice| slice.iter().any(tells));
    (overall, slices)
}

/// The slices that two records have, in the same order; those of which nothing can be told, too.
pub(crate) fn side_by_side(metrics: &MetricsComparison, seeds: &AgainstSeeds) -> Vec<SliceSides> {
    let sides = |moved: Vec<MetricMoved<'_>>| {
        let first = moved.first()?;
        let slice = first.slice?;
        Some(SliceSides {
            name: slice.name(),
            rows: [slice.rows, first.rows?],
            metrics: moved
                .iter()
                .map(|one| (one.metric.to_owned(), one.values.map(Clone::clone)))
                .collect(),
        })
    };
    slices(metrics, seeds)
        .into_iter()
        .filter_map(sides)
        .collect()
}

/// The slices that two records have, each with its metrics: of both what matters most first.
fn slices<'a>(
    metrics: &'a MetricsComparison,
    seeds: &'a AgainstSeeds,
) -> Vec<Vec<MetricMoved<'a>>> {
    let [before, after] = &metrics.found;
    let later = by_name(after);
    let paired = metrics.paired.iter();
    let differences: BTreeMap<String, &SliceComparison> = paired
        .flat_map(|paired| &paired.slices)
        .map(|slice| (slice.name(), slice))
        .collect();
    let slices = before.slices.iter().filter_map(|slice| {
        let name = slice.name();
        let second = *later.get(&name)?;
        let differences = differences.get(&name).map(|found| &found.metrics);
        let both = [&slice.metrics, &second.metrics];
        Some(moved(Some([slice, second]), both, differences, seeds))
    });
    let mut slices: Vec<_> = slices.collect();
    // The sort is stable: what moved alike stays in its order.
    let weight = |slice: &[MetricMoved<'_>]| slice.first().map_or((0, 0.0), MetricMoved::weight);
    slices.sort_by(|a, b| heavier(&weight(a), &weight(b)));
    slices
}

fn by_name(metrics: &Metrics) -> BTreeMap<String, &SliceMetrics> {
    let slices = metrics.slices.iter();
    slices.map(|slice| (slice.name(), slice)).collect()
}

fn moved<'a>(
    slices: Option<[&'a SliceMetrics; 2]>,
    [before, after]: [&'a BTreeMap<String, Estimate>; 2],
    differences: Option<&'a BTreeMap<String, Estimate>>,
    seeds: &'a AgainstSeeds,
) -> Vec<MetricMoved<'a>> {
    let slice = slices.map(|[first, _]| first);
    let name = slice.map(SliceMetrics::name);
    let both = before.iter().filter_map(|(metric, first)| {
        Some(MetricMoved {
            slice,
            rows: slices.map(|[_, second]| second.rows),
            metric,
            values: [first, after.get(metric)?],
            difference: differences.and_then(|found| found.get(metric)),
            seeds: seeds.of(name.as_deref(), metric),
        })
    });
    let mut all: Vec<_> = both.collect();
    all.sort_by(|a, b| heavier(&a.weight(), &b.weight()));
    all
}

fn heavier(a: &(usize, f64), b: &(usize, f64)) -> std::cmp::Ordering {
    b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
}

#[cfg(test)]
mod tests {
    use reproof_record::StepName;

    use super::*;
    use crate::seeds::SeedScope;

    /// No seed but the records' own is known.
    fn unknown() -> AgainstSeeds {
        AgainstSeeds {
            scope: SeedScope::SameRows,
            seeds: [1, 1],
            metrics: BTreeMap::new(),
            slices: BTreeMap::new(),
            reported: BTreeMap::new(),
            reported_values: BTreeMap::new(),
            labels: None,
        }
    }

    /// An evaluation of slices by one column, each with its rows, and the value and interval of a metric.
    fn evaluated(slices: &[(&str, u64, Option<[f64; 3]>)]) -> Metrics {
        let slices: Vec<_> = slices
            .iter()
            .map(|(value, rows, found)| {
                let found = match found {
                    Some([value, low, high]) => {
                        serde_json::json!({"value": value, "low": low, "high": high, "method": "wilson"})
                    }
                    None => serde_json::json!({"value": null, "reason": "one_class"}),
                };
                serde_json::json!({"columns": ["g"], "values": [value], "rows": rows, "positives": 1,
                    "metrics": {"accuracy": found}})
            })
            .collect();
        serde_json::from_value(serde_json::json!({"format": Metrics::FORMAT, "task": "binary_classification", "rows": 9,
            "positives": 1, "overall": {}, "slices": slices}))
        .unwrap()
    }

    #[test]
    fn slices_side_by_side_begin_with_what_moved_most() {
        let before = evaluated(&[
            ("still", 9, Some([0.5, 0.4, 0.6])),
            ("gone", 9, Some([0.5, 0.4, 0.6])),
            ("wide", 2, Some([0.1, 0.0, 0.9])),
            ("clear", 9, Some([0.5, 0.4, 0.6])),
            ("no value", 9, None),
        ]);
        let after = evaluated(&[
            ("clear", 8, Some([0.8, 0.7, 0.9])),
            ("still", 9, Some([0.5, 0.4, 0.6])),
            ("no value", 9, None),
            ("wide", 2, Some([0.6, 0.1, 1.0])),
            ("new", 9, Some([0.5, 0.4, 0.6])),
        ]);
        let metrics = MetricsComparison {
            steps: ["evaluate", "evaluate"].map(|name| StepName::new(name).unwrap()),
            found: [before, after],
            paired: None,
            slices: Vec::new(),
            not_paired: None,
        };
        let sides = side_by_side(&metrics, &unknown());
        let names: Vec<_> = sides.iter().map(|side| side.name.as_str()).collect();
        assert_eq!(names, ["g=clear", "g=wide", "g=still", "g=no value"]);
        assert_eq!(sides[0].rows, [9, 8]);
        let values = |at: usize| sides[at].metrics["accuracy"].map(|found| found.value);
        assert_eq!(values(0), [Some(0.5), Some(0.8)]);
        assert_eq!([values(2), values(3)], [[Some(0.5); 2], [None; 2]]);
    }
}
