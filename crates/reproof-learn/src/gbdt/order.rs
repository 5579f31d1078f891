//! The order in which best-first growth splits leaves.
//!
//! Best first, the leaf with the largest gain is split, of equal ones that with the smaller place,
//! then the best of what is open now, and so on. Which of two leaves would be split first can be
//! told from the gains on their ways from the root, however far growth has gone elsewhere; so
//! leaves may be split together, and the tree is the same.

use std::cmp::Ordering;

/// Which of two leaves is split first. Each is given by the gains of the splits from the root to
/// its own, and by its place.
///
/// Where their ways from the root part, the way on whose worst split (with the smallest gain, then
/// the largest place) is the better one is gone to its end first.
pub(super) fn first_of(
    (gains, place): (&[f64], u64),
    (other_gains, other_place): (&[f64], u64),
) -> Ordering {
    let level = gains.len().min(other_gains.len());
    let parted = (place >> (gains.len() - level)) ^ (other_place >> (other_gains.len() - level));
    // How many nodes, from the root on, they have in common.
    let common = level - (u64::BITS - parted.leading_zeros()) as usize;
    match (
        worst(gains, place, common),
        worst(other_gains, other_place, common),
    ) {
        (Some(one), Some(other)) => by_gain(one, other),
        // A node comes before what grows from it.
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

/// The worst split on the way to a leaf, from a level on.
fn worst(gains: &[f64], place: u64, from: usize) -> Option<(f64, u64)> {
    let split = |level: usize| (gains[level], place >> (gains.len() - 1 - level));
    (from..gains.len())
        .map(split)
        .reduce(|worst, split| match by_gain(worst, split) {
            Ordering::Less => split,
            _ => worst,
        })
}

/// The larger gain first, then the smaller place.
fn by_gain((gain, place): (f64, u64), (other_gain, other_place): (f64, u64)) -> Ordering {
    let by_gain = other_gain.total_cmp(&gain);
    by_gain.then_with(|| place.cmp(&other_place))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against growth itself, one split after the other, in a tree whose gains are known.
        #[test]
        fn it_is_the_order_of_growth(drawn in prop::collection::vec(0_u8..6, 64)) {
            let gain = |place: u64| f64::from(drawn[place as usize]);
            let (mut open, mut grown) = (vec![1_u64], Vec::new());
            while let Some(best) = (0..open.len())
                .min_by(|&a, &b| by_gain((gain(open[a]), open[a]), (gain(open[b]), open[b])))
            {
                let place = open.swap_remove(best);
                grown.push(place);
                open.extend([2 * place, 2 * place + 1].into_iter().filter(|place| *place < 64));
            }
            let gains = |place: u64| -> Vec<f64> {
                let levels = u64::BITS - place.leading_zeros();
                (0..levels).rev().map(|level| gain(place >> level)).collect()
            };
            let mut sorted = grown.clone();
            sorted.reverse();
            sorted.sort_by(|&one, &other| first_of((&gains(one), one), (&gains(other), other)));
            prop_assert_eq!(sorted, grown);
        }
    }
}
