//! Fitting on the training part.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use reproof_record::LogicalType;

use super::apply::{category, numbers};
use super::{
    Chains, Constant, Exact, Feature, Fill, Filling, Fitted, Item, MAX_CATEGORIES, ZScore,
};
use crate::exact::ExactSum;
use crate::{ColumnData, Table, TableError, Threads, map_ranges};

/// Fits the chains on the training part.
///
/// Sums are exact before they are rounded once, so that neither the order of the rows nor the
/// number of threads changes a bit: the mean is the rounded sum divided by the number of values,
/// the deviation the root of the mean of the squared differences from that mean.
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
    let mut feature = Feature {
        logical_type: data.logical_type(),
        fill: None,
        z_score: None,
        one_hot: None,
    };
    for item in chain {
        let ended = feature.z_score.is_some() || feature.one_hot.is_some();
        if ended || matches!(item, Item::Fill(_)) && feature.fill.is_some() {
            return Err("a chain is one fill, then either a scaling or `one_hot`".to_owned());
        }
        match item {
            Item::Fill(Fill::Mean) => {
                let mean = mean_of_column(data, threads)?;
                feature.fill = Some(Filling::Number(Exact(mean)));
            }
            Item::Fill(Fill::Constant(constant)) => {
                feature.fill = Some(filling(constant, feature.logical_type)?);
            }
            Item::Scale(super::Scale::ZScore) => {
                refuse_text(data, "z_score")?;
                let values = numbers(data, feature.fill.as_ref());
                feature.z_score = Some(z_score(&values, threads)?);
            }
            Item::OneHot => {
                feature.one_hot = Some(categories(data, feature.fill.as_ref(), threads)?);
            }
        }
    }
    Ok(feature)
}

fn refuse_text(data: &ColumnData, what: &str) -> Result<(), String> {
    if data.logical_type() == LogicalType::String {
        return Err(format!(
            "`{what}` needs numbers, and the column is of type string"
        ));
    }
    Ok(())
}

fn filling(constant: &Constant, logical_type: LogicalType) -> Result<Filling, String> {
    let filling = match constant {
        Constant::Boolean(value) => Filling::Boolean(*value),
        // Also +0 for -0.
        Constant::Number(value) => Filling::Number(Exact(value + 0.0)),
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

fn mean_of_column(data: &ColumnData, threads: Threads) -> Result<f64, String> {
    refuse_text(data, "fill: mean")?;
    Moments::of(&numbers(data, None), threads).mean()
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
            None => Err(
                "all its values are missing in the training part: fill a constant, or \
                         leave the feature out"
                    .to_owned(),
            ),
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
        scale: Exact(if deviation > 0.0 { deviation } else { 1.0 }),
    })
}

/// The distinct texts of the values, sorted by their bytes.
fn categories(
    data: &ColumnData,
    fill: Option<&Filling>,
    threads: Threads,
) -> Result<Vec<String>, String> {
    let fill = fill.map(Filling::text);
    let parts = map_ranges(threads, data.len(), |range| {
        let texts = range.filter_map(|row| category(data, fill.as_deref(), row));
        texts.collect::<BTreeSet<Cow<'_, str>>>()
    });
    let all: BTreeSet<_> = parts.into_iter().flatten().collect();
    if all.len() > MAX_CATEGORIES {
        return Err(format!(
            "`one_hot` would make {} columns, more than {MAX_CATEGORIES}: leave the feature out, \
             or give it fewer values",
            all.len()
        ));
    }
    Ok(all.into_iter().map(Cow::into_owned).collect())
}
