//! Measures an addition to an exact sum, beside a plain one.
//!
//! `cargo run --release -p reproof-learn --example exact_sum`
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use reproof_table::exact::ExactSum;
use reproof_table::random::{u64_at, unit_at};

const VALUES: u64 = 1 << 16;
const ROUNDS: usize = 200;
const REPEATS: usize = 7;

fn main() {
    let near: Vec<f64> = (0..VALUES)
        .map(|index| unit_at(1, 0, index) - 0.5)
        .collect();
    let any: Vec<f64> = (0..VALUES)
        .map(|index| f64::from_bits(u64_at(1, 1, index)))
        .map(|value| if value.is_finite() { value } else { 1.0 })
        .collect();
    for (name, values) in [
        ("values in [-0.5, 0.5)", near),
        ("doubles of any exponent", any),
    ] {
        let exact = measure(&values, |values| {
            values.iter().copied().collect::<ExactSum>().value()
        });
        let plain = measure(&values, |values| values.iter().sum());
        println!("{name:<24} exact {exact:.2} ns an addition, plain {plain:.2} ns");
    }
}

/// Nanoseconds a value, the median of the repeats.
fn measure(values: &[f64], sum: impl Fn(&[f64]) -> f64) -> f64 {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                black_box(sum(black_box(values)));
            }
            start.elapsed().as_secs_f64() * 1e9 / (values.len() * ROUNDS) as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[REPEATS / 2]
}
