//! The search itself: between what is good and what is bad, with what cannot be judged left out.

use std::collections::BTreeSet;
use std::ops::Range;

/// Finds the first that is bad of so many that lie behind one that is good, of which the last is known
/// to be bad. `judge` says whether one is bad; none if that cannot be told.
///
/// Gives those that may be the first: one, unless some before the last of them cannot be judged.
///
/// # Errors
/// Whatever `judge` fails with.
pub(super) fn first_bad<E>(
    count: usize,
    mut judge: impl FnMut(usize) -> Result<Option<bool>, E>,
) -> Result<Range<usize>, E> {
    let (mut begin, mut bad) = (0, count.saturating_sub(1));
    let mut skipped = BTreeSet::new();
    loop {
        let middle = begin + (bad - begin) / 2;
        let open = (begin..bad).filter(|index| !skipped.contains(index));
        let Some(next) = open.min_by_key(|index| index.abs_diff(middle)) else {
            return Ok(begin..bad + 1);
        };
        match judge(next)? {
            Some(true) => bad = next,
            Some(false) => begin = next + 1,
            None => _ = skipped.insert(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(verdicts: &[Option<bool>]) -> (Range<usize>, usize) {
        let mut asked = 0;
        let found = first_bad(verdicts.len(), |index| {
            asked += 1;
            Ok::<_, ()>(verdicts[index])
        });
        (found.unwrap(), asked)
    }

    proptest! {
        #[test]
        fn the_first_bad_one_is_among_those_that_are_found(
            count in 1..200usize,
            first in 0..200usize,
            skipped in proptest::collection::btree_set(0..200usize, 0..20),
        ) {
            let first = first % count;
            let verdict = |index| (!skipped.contains(&index)).then_some(index >= first);
            let verdicts: Vec<_> = (0..count).map(verdict).collect();
            let (found, asked) = search(&verdicts);
            prop_assert!(found.contains(&first));
            // Of several none but the last could be judged.
            let open = found.clone().take(found.len() - 1);
            prop_assert!(open.into_iter().all(|index| skipped.contains(&index)));
            prop_assert!(asked <= 8 + skipped.len(), "{asked}");
        }
    }

    #[test]
    fn one_alone_is_not_asked_about() {
        assert_eq!(search(&[None]), (0..1, 0));
    }
}
