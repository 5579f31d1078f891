//! The coefficient of determination: one less the sum of squared errors over the sum of squared
//! deviations of the labels from their mean.

use reproof_table::exact::ExactSum;

use crate::bootstrap::{Statistic, Weights};
use crate::design::mean;
use crate::metrics::Reason;

/// The coefficient as a function of how often each row counts; not defined where all the rows that
/// count have the same label.
pub(crate) fn determination(
    labels: &[f64],
    predictions: &[f64],
) -> Result<Statistic<'static>, Reason> {
    if labels.is_empty() {
        return Err(Reason::NoRows);
    }
    if labels.iter().all(|&label| label == labels[0]) {
        return Err(Reason::ConstantLabel);
    }
    let mean = mean(labels).ok_or(Reason::OutOfRange)?;
    let rows: Vec<Row> = labels
        .iter()
        .zip(predictions)
        .map(|(label, prediction)| {
            let (error, deviation) = (label - prediction, label - mean);
            Row {
                error: error * error,
                deviation,
                square: deviation * deviation,
            }
        })
        .collect();
    Ok(Box::new(move |weights| match weights {
        Weights::Once => {
            let errors: ExactSum = rows.iter().map(|row| row.error).collect();
            let deviations: ExactSum = rows.iter().map(|row| row.square).collect();
            Some(1.0 - errors.value() / deviations.value())
        }
        Weights::Drawn(counts) => replicate(&rows, counts),
    }))
}

/// What a row adds to the sums.
struct Row {
    error: f64,
    deviation: f64,
    square: f64,
}

/// The metric in a replicate; none if all the rows drawn have the same label.
fn replicate(rows: &[Row], counts: &[u32]) -> Option<f64> {
    let mut drawn = 0_u64;
    let (mut errors, mut deviations, mut squares) =
        (ExactSum::new(), ExactSum::new(), ExactSum::new());
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for (row, &count) in rows.iter().zip(counts) {
        if count == 0 {
            continue;
        }
        drawn += u64::from(count);
        let count = f64::from(count);
        errors.add(count * row.error);
        deviations.add(count * row.deviation);
        squares.add(count * row.square);
        least = least.min(row.deviation);
        most = most.max(row.deviation);
    }
    if least >= most {
        return None;
    }
    let sum = deviations.value();
    let total = squares.value() - sum * (sum / drawn as f64);
    Some(1.0 - errors.value() / total)
}
