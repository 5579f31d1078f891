//! Work on ranges of rows by several threads, with results in the order of the rows.
//!
//! How many threads there are decides where the ranges begin and end, so whoever joins the parts
//! must get the same bits for any partition: concatenate, count, or sum with
//! [`ExactSum`](crate::exact::ExactSum).

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

/// How many threads an operation may use. It never changes a bit of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// One thread: the caller's.
    pub const ONE: Self = Self(NonZeroUsize::MIN);

    /// This many threads.
    pub const fn new(count: NonZeroUsize) -> Self {
        Self(count)
    }

    /// As many threads as the process may run at once, or one if that cannot be told.
    pub fn available() -> Self {
        thread::available_parallelism().map_or(Self::ONE, Self)
    }

    /// The number.
    pub const fn get(self) -> usize {
        self.0.get()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::ONE
    }
}

impl From<NonZeroUsize> for Threads {
    fn from(count: NonZeroUsize) -> Self {
        Self(count)
    }
}

/// Cuts the rows `0..rows` into one range per thread, calls `f` on each, and returns the results
/// in the order of the ranges. No range is empty; with no rows there is no result.
///
/// The first range runs on the caller's thread, and so does any other for which the system gives
/// no thread. A panic of `f` is carried to the caller.
pub fn map_ranges<T: Send>(
    threads: Threads,
    rows: usize,
    f: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let parts = threads.get().min(rows);
    if parts <= 1 {
        return if rows == 0 {
            Vec::new()
        } else {
            vec![f(0..rows)]
        };
    }
    let f = &f;
    thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| {
                thread::Builder::new().spawn_scoped(scope, move || f(range(rows, parts, part)))
            })
            .collect();
        let mut results = Vec::with_capacity(parts);
        results.push(f(range(rows, parts, 0)));
        for (other, part) in others.into_iter().zip(1..) {
            results.push(match other {
                Ok(handle) => handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => f(range(rows, parts, part)),
            });
        }
        results
    })
}

/// Does two things, at once where there are threads for it. A panic of either is carried to the caller.
pub fn both<A: Send, B>(
    threads: Threads,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if threads.get() == 1 {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join();
        (
            first.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            second,
        )
    })
}

/// Part number `part` of `parts` parts whose sizes differ by one at most.
fn range(rows: usize, parts: usize, part: usize) -> Range<usize> {
    let (size, larger) = (rows / parts, rows % parts);
    let begin = part * size + part.min(larger);
    begin..begin + size + usize::from(part < larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(count: usize) -> Threads {
        Threads::new(NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn ranges_cover_the_rows_once_and_in_order() {
        for rows in [0, 1, 2, 3, 10, 1000] {
            for count in [1, 2, 3, 7, 16] {
                let ranges = map_ranges(threads(count), rows, |range| range);
                assert_eq!(ranges.len(), count.min(rows));
                assert!(ranges.iter().all(|range| !range.is_empty()));
                let all: Vec<usize> = ranges.into_iter().flatten().collect();
                assert_eq!(all, (0..rows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn both_are_done() {
        for count in [1, 2] {
            let (mut first, mut second) = (0, 0);
            let found = both(threads(count), || first += 1, || second += 2);
            assert_eq!((found, first, second), (((), ()), 1, 2));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let result = std::panic::catch_unwind(|| {
            map_ranges(threads(3), 9, |range| {
                assert!(range.start < 3, "on purpose");
            })
        });
        assert!(result.is_err());
    }
}
