//! Fitting on the training part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use reproof_record::{LogicalType, MAX_SAFE_INTEGER};

use super::apply::Current;
use super::chain::{
    Bucketize, Category, Clip, Constant, Fill, Item, OneHot, Ordinal, Scale, UnknownPlace,
};
use super::step::{
    Bounds, Categories, Coding, Filling, Places, Range, Step, ZScore, is_number, needs_numbers,
};
use super::{
    Chains, Exact, Feature, Fitted, MAX_CATEGORIES, MAX_CODES, MAX_VALUES, UnknownCategory,
    check_place, order,
};
use crate::exact::ExactSum;
use crate::{ColumnData, Table, TableError, Threads, map_ranges};

/// The most buckets.
const MAX_BUCKETS: u32 = 1_000;

/// Fits the chains on the training part.
///
/// Sums are exact before they are rounded once, and order statistics are those of the sorted
/// values, so that neither the order of the rows nor the number of threads changes a bit: the mean
/// is the rounded sum divided by the number of values, the deviation the root of the mean of the
/// squared differences from that mean.
pub fn fit(train: &Table, chains: &Chains, threads: Threads) -> Result<Fitted, TableError> {
    let mut features = BTreeMap::new();
    for (name, chain) in &chains.0 {
        let data = train.column(name).ok_or_else(|| TableError::NoSuchColumn {
            column: name.clone(),
        })?;
        let feature = fit_feature(data, chain, threads);
        let feature = feature.map_err(|reason| TableError::feature(name, reason))?;
        features.insert(name.clone(), feature);
    }
    Fitted::new(features)
}

fn fit_feature(data: &ColumnData, chain: &[Item], threads: Threads) -> Result<Feature, String> {
    let mut steps = Vec::new();
    let mut current = Current::new(data);
    let mut before = None;
    for (index, item) in chain.iter().enumerate() {
        check_place(before, item.place())?;
        before = Some(item.place());
        let step = current.fit(item, threads)?;
        // A cast may find that the training part itself does not suit.
        if index + 1 < chain.len() || matches!(item, Item::Cast(_)) {
            current = current.after(&step, threads)?;
        }
        steps.push(step);
    }
    Ok(Feature {
        logical_type: data.logical_type(),
        steps,
    })
}

impl Current<'_> {
    /// The step that an item becomes.
    fn fit(&self, item: &Item, threads: Threads) -> Result<Step, String> {
        Ok(match item {
            Item::Cast(cast) => Step::Cast(*cast),
            Item::Fill(fill) => Step::Fill(self.filling(fill, threads)?),
            Item::Clip(clip) => Step::Clip(self.bounds(clip)?),
            Item::Bucketize(bucketize) => Step::Bucketize(self.edges(bucketize)?),
            Item::Ordinal(ordinal) => Step::Ordinal(self.places(ordinal, threads)?),
            Item::Scale(Scale::ZScore) => Step::ZScore(z_score(&self.needed("z_score")?, threads)?),
            Item::Scale(Scale::MinMax) => Step::MinMax(range(&self.needed("min_max")?)?),
            Item::Scale(Scale::ZeroOne) => Step::ZeroOne(range(&self.needed("zero_one")?)?),
            Item::OneHot(one_hot) => Step::OneHot(self.coding(*one_hot, threads)?),
            Item::Category(category) => Step::Category(self.categories(*category, threads)?),
        })
    }

    /// The values, which `what` needs as numbers.
    fn needed(&self, what: &str) -> Result<Vec<f64>, String> {
        needs_numbers(self.data.logical_type(), what)?;
        Ok(self.numbers())
    }

    fn filling(&self, fill: &Fill, threads: Threads) -> Result<Filling, String> {
        let logical_type = self.data.logical_type();
        let sorted = |what| Ok::<_, String>(order::sorted(&self.needed(what)?));
        let number = match fill {
            Fill::Constant(value) => return constant(value, logical_type),
            Fill::Mode if !is_number(logical_type) => return self.most_frequent(threads),
            Fill::Mean => Some(Moments::of(&self.needed("fill: mean")?, threads).mean()?),
            Fill::Median => order::median(&sorted("fill: median")?),
            Fill::Min => sorted("fill: min")?.first().copied(),
            Fill::Max => sorted("fill: max")?.last().copied(),
            Fill::Mode => order::mode(&sorted("fill: mode")?),
        };
        let number = finite(number.ok_or_else(all_missing)?)?;
        // A value of the column stays one; a mean or a median may be none.
        match fill {
            Fill::Min | Fill::Max | Fill::Mode if logical_type == LogicalType::Boolean => {
                Ok(Filling::Boolean(number > 0.0))
            }
            Fill::Min | Fill::Max | Fill::Mode
                if logical_type == LogicalType::Integer
                    && number.abs() > MAX_SAFE_INTEGER as f64 =>
            {
                Err("the integer to fill with is beyond 2^53: fill a constant".to_owned())
            }
            _ => Ok(Filling::Number(Exact(number))),
        }
    }

    fn most_frequent(&self, threads: Threads) -> Result<Filling, String> {
        let counts = self.counts(threads);
        let mut best: Option<(&str, u64)> = None;
        for (text, &count) in &counts {
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((text, count));
            }
        }
        let (text, _) = best.ok_or_else(all_missing)?;
        Ok(Filling::Text(text.to_owned()))
    }

    fn bounds(&self, clip: &Clip) -> Result<Bounds, String> {
        let values = self.needed("clip")?;
        let (min, max) = match clip {
            Clip {
                min: None,
                max: None,
                quantiles: Some([low, high]),
            } if 0.0 <= *low && low < high && *high <= 1.0 => {
                let sorted = order::sorted(&values);
                let at = |share| finite(order::quantile(&sorted, share).ok_or_else(all_missing)?);
                (Some(at(*low)?), Some(at(*high)?))
            }
            Clip {
                min,
                max,
                quantiles: None,
            } if min.is_some() || max.is_some() => (*min, *max),
            _ => return Err("a clip has bounds, or two rising quantiles from 0 to 1".to_owned()),
        };
        Ok(Bounds {
            min: min.map(canonical),
            max: max.map(canonical),
        })
    }

    fn edges(&self, bucketize: &Bucketize) -> Result<Vec<Exact>, String> {
        let values = self.needed("bucketize")?;
        if let Bucketize::Edges(edges) = bucketize {
            if edges.is_empty() || !edges.is_sorted_by(|a, b| a < b) {
                return Err("the edges of buckets rise, and there is one at least".to_owned());
            }
            return Ok(edges.iter().copied().map(canonical).collect());
        }
        let sorted = order::sorted(&values);
        let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
            return Err(all_missing());
        };
        let (Bucketize::Count(count) | Bucketize::Quantiles(count)) = *bucketize else {
            return Ok(Vec::new());
        };
        if !(2..=MAX_BUCKETS).contains(&count) {
            return Err(format!("there are 2 to {MAX_BUCKETS} buckets"));
        }
        let width = finite(high - low)?;
        let mut edges: Vec<Exact> = Vec::new();
        for index in 1..count {
            let share = f64::from(index) / f64::from(count);
            let edge = match bucketize {
                Bucketize::Quantiles(_) => order::quantile(&sorted, share).unwrap_or(low),
                _ => low + width * share,
            };
            let edge = canonical(finite(edge)?);
            // Equal edges are one, and below the smallest value there is nothing.
            if edge.0 > edges.last().map_or(low, |last| last.0) {
                edges.push(edge);
            }
        }
        Ok(edges)
    }

    /// What days and moments are filled with, and how they are given in a recipe, are numbers; as
    /// categories they are texts.
    fn check_category(&self, numbers: bool) -> Result<(), String> {
        if matches!(&*self.data, ColumnData::Time(..)) && numbers {
            let logical_type = self.data.logical_type();
            return Err(format!(
                "a {logical_type} that is filled or has a given order is no category: `cast: string` \
                 makes it one"
            ));
        }
        Ok(())
    }

    fn places(&self, ordinal: &Ordinal, threads: Threads) -> Result<Places, String> {
        self.check_category(self.fill.is_some() || ordinal.order.is_some())?;
        let logical_type = self.data.logical_type();
        let values = match &ordinal.order {
            Some(order) => order
                .iter()
                .map(|value| category(value, logical_type))
                .collect::<Result<Vec<_>, String>>()?,
            None if is_number(logical_type) => self.sorted_texts(),
            None => {
                let counts = self.counts(threads);
                counts.into_keys().map(Cow::into_owned).collect()
            }
        };
        if values.len() > MAX_VALUES {
            return Err(format!(
                "`ordinal` would have {} values, more than {MAX_VALUES}: leave the feature out",
                values.len()
            ));
        }
        Ok(Places {
            values,
            unknown: ordinal.unknown,
        })
    }

    /// The distinct texts of numbers, by their size.
    fn sorted_texts(&self) -> Vec<String> {
        let fill = self.fill_text();
        let numbers = self.numbers();
        let mut rows: Vec<usize> = (0..numbers.len())
            .filter(|&row| !numbers[row].is_nan())
            .collect();
        // Integers beyond 2^53 may be one double: then their texts decide.
        let text = |row| self.category(fill.as_deref(), row);
        rows.sort_unstable_by(|&a, &b| {
            let by_size = numbers[a].total_cmp(&numbers[b]);
            by_size.then_with(|| text(a).cmp(&text(b)))
        });
        let mut texts: Vec<String> = rows
            .into_iter()
            .filter_map(|row| Some(text(row)?.into_owned()))
            .collect();
        texts.dedup();
        texts
    }

    /// How often each text stands there.
    fn counts(&self, threads: Threads) -> BTreeMap<Cow<'_, str>, u64> {
        let fill = self.fill_text();
        let parts = map_ranges(threads, self.data.len(), |range| {
            let mut counts: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
            let mut filled = 0_u64;
            for row in range {
                match self.data.text(row) {
                    Some(text) => *counts.entry(text).or_default() += 1,
                    None => filled += 1,
                }
            }
            (counts, filled)
        });
        let mut all: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
        let mut filled = 0;
        for (counts, count) in parts {
            filled += count;
            for (text, count) in counts {
                *all.entry(text).or_default() += count;
            }
        }
        if let Some(fill) = fill.filter(|_| filled > 0) {
            *all.entry(Cow::Owned(fill)).or_default() += filled;
        }
        all
    }

    fn coding(&self, one_hot: OneHot, threads: Threads) -> Result<Coding, String> {
        self.check_category(self.fill.is_some())?;
        let counts = self.counts(threads);
        let min_count = one_hot.min_count.unwrap_or(0);
        let (mut categories, mut rare) = (Vec::new(), Vec::new());
        for (text, count) in counts {
            let of = if count < min_count {
                &mut rare
            } else {
                &mut categories
            };
            of.push(text.into_owned());
        }
        if categories.len() > MAX_CATEGORIES {
            return Err(format!(
                "`one_hot` would make {} columns, more than {MAX_CATEGORIES}: leave the feature \
                 out, give it fewer values, or put rare ones together with `min_count`",
                categories.len()
            ));
        }
        // Where unknown values go to the same column, which of them were seen does not matter.
        let merged = one_hot.unknown == UnknownCategory::Other;
        if rare.len() > MAX_VALUES && !merged {
            return Err(format!(
                "`one_hot` would keep {} rare values, more than {MAX_VALUES}: write `unknown: other`",
                rare.len()
            ));
        }
        Ok(Coding {
            categories,
            rare: one_hot.min_count.filter(|_| !merged).map(|_| rare),
            unknown: one_hot.unknown,
        })
    }
}

impl Current<'_> {
    fn categories(&self, category: Category, threads: Threads) -> Result<Categories, String> {
        self.check_category(self.fill.is_some())?;
        let max = category.max.map_or(MAX_CODES, |max| max as usize);
        if !(2..=MAX_CODES).contains(&max) {
            return Err(format!("`max` of `category` is from 2 to {MAX_CODES}"));
        }
        let counts = self.counts(threads);
        let merged = category.unknown == UnknownPlace::Other;
        let all = counts.len() + usize::from(merged) <= max;
        let kept = if all { counts.len() } else { max - 1 };
        let mut by_count: Vec<(Cow<'_, str>, u64)> = counts.into_iter().collect();
        // Stable, so that equally frequent ones stay in the order of their bytes.
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let texts = by_count.into_iter().map(|(text, _)| text.into_owned());
        let mut values: Vec<String> = texts.collect();
        let mut rare = values.split_off(kept);
        values.sort_unstable();
        rare.sort_unstable();
        // Where unknown values have the same code, which of them were seen does not matter.
        if rare.len() > MAX_VALUES && !merged {
            return Err(format!(
                "`category` would keep {} rare values, more than {MAX_VALUES}: write `unknown: other`",
                rare.len()
            ));
        }
        Ok(Categories {
            values,
            rare: (!all && !merged).then_some(rare),
            unknown: category.unknown,
        })
    }
}

fn all_missing() -> String {
    "all its values are missing in the training part: fill a constant, or leave the feature out"
        .to_owned()
}

/// Also +0 for -0.
fn canonical(value: f64) -> Exact {
    Exact(value + 0.0)
}

/// A value of a recipe as one of a column.
fn constant(constant: &Constant, logical_type: LogicalType) -> Result<Filling, String> {
    let filling = match constant {
        Constant::Boolean(value) => Filling::Boolean(*value),
        Constant::Number(value) => Filling::Number(canonical(*value)),
        Constant::Text(text) => Filling::Text(text.clone()),
    };
    // A number is no boolean, though the mean of booleans is one.
    let wrong = logical_type == LogicalType::Boolean && matches!(filling, Filling::Number(_));
    if wrong || !filling.fits(logical_type) {
        return Err(format!(
            "the column is of type {logical_type}, and the constant '{}' is not",
            filling.text()
        ));
    }
    Ok(filling)
}

/// The text of a value of a recipe, written as those of the column are.
fn category(value: &Constant, logical_type: LogicalType) -> Result<String, String> {
    let LogicalType::Decimal(decimal) = logical_type else {
        return Ok(constant(value, logical_type)?.text());
    };
    let units = value.decimal(decimal);
    units.map(|units| decimal.text(units)).ok_or_else(|| {
        format!("the column is of type {decimal}, which does not hold a value of the given order")
    })
}

/// What a mean needs. The same for any order and partition of the values.
#[derive(Default)]
struct Moments {
    count: u64,
    sum: ExactSum,
    range: Option<(f64, f64)>,
}

impl Moments {
    /// Of the values that are not missing.
    fn of(values: &[f64], threads: Threads) -> Self {
        let parts = map_ranges(threads, values.len(), |range| {
            let mut part = Self::default();
            for &value in &values[range] {
                part.add(value);
            }
            part
        });
        let mut all = Self::default();
        for part in parts {
            all.count += part.count;
            all.sum.merge(&part.sum);
            if let Some((low, high)) = part.range {
                all.widen(low);
                all.widen(high);
            }
        }
        all
    }

    fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        self.sum.add(value);
        self.widen(value);
    }

    fn widen(&mut self, value: f64) {
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    fn mean(&self) -> Result<f64, String> {
        match self.range {
            None => Err(all_missing()),
            // Dividing the rounded sum may miss it by a rounding.
            Some((low, high)) if low == high && low.is_finite() => Ok(low),
            // -0 from a quotient below the smallest double becomes +0.
            Some(_) => finite(self.sum.value() / self.count as f64 + 0.0),
        }
    }
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err("its values are infinite, or too large for their sum or squares".to_owned())
    }
}

/// The positive number to divide by.
fn scale(value: f64) -> Exact {
    Exact(if value > 0.0 { value } else { 1.0 })
}

fn z_score(values: &[f64], threads: Threads) -> Result<ZScore, String> {
    let moments = Moments::of(values, threads);
    let mean = moments.mean()?;
    let squares = map_ranges(threads, values.len(), |range| {
        let present = values[range].iter().filter(|value| !value.is_nan());
        present
            .map(|value| (value - mean) * (value - mean))
            .collect::<ExactSum>()
    });
    let mut sum = ExactSum::new();
    for part in &squares {
        sum.merge(part);
    }
    let deviation = finite((sum.value() / moments.count as f64).sqrt())?;
    Ok(ZScore {
        mean: Exact(mean),
        scale: scale(deviation),
    })
}

fn range(values: &[f64]) -> Result<Range, String> {
    let moments = Moments::of(values, Threads::ONE);
    let (low, high) = moments.range.ok_or_else(all_missing)?;
    Ok(Range {
        min: canonical(finite(low)?),
        scale: scale(finite(high - low)?),
    })
}
