//! What moved between two records, what matters most first.

use std::collections::BTreeMap;

use reproof_learn::{Estimate, Metrics, SeedDistance, SliceComparison, SliceMetrics};

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
    let later = by_name(after);
    let differences: BTreeMap<String, &SliceComparison> = paired
        .iter()
        .flat_map(|paired| &paired.slices)
        .map(|slice| (slice.name(), slice))
        .collect();
    let slices = before.slices.iter().filter_map(|slice| {
        let name = slice.name();
        let second = *later.get(&name)?;
        let differences = differences.get(&name).map(|found| &found.metrics);
        let both = [&slice.metrics, &second.metrics];
        let found = moved(Some([slice, second]), both, differences, seeds);
        let tells = |one: &MetricMoved<'_>| one.is_judged() || one.weight().1 > 0.0;
        found.iter().any(tells).then_some(found)
    });
    let mut slices: Vec<_> = slices.collect();
    // The sort is stable: what moved alike stays in its order.
    let weight = |slice: &[MetricMoved<'_>]| slice.first().map_or((0, 0.0), MetricMoved::weight);
    slices.sort_by(|a, b| heavier(&weight(a), &weight(b)));
    (overall, slices)
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
