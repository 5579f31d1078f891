//! Shares that hold exactly, as far as rows that belong together allow.

use super::Bounds;

/// The part of each row, where rows of one hash stay together and are ranked by it.
pub(super) fn divide(hashes: &[u64], bounds: &Bounds) -> Vec<usize> {
    let mut parts = vec![0; hashes.len()];
    let mut rows: Vec<usize> = (0..hashes.len()).collect();
    rows.sort_unstable_by_key(|&row| (hashes[row], row));
    let ends = bounds.ends(hashes.len());
    let mut before = 0;
    for group in rows.chunk_by(|&a, &b| hashes[a] == hashes[b]) {
        let part = part_of(before, group.len(), &ends);
        for &row in group {
            parts[row] = part;
        }
        before += group.len();
    }
    parts
}

/// The part of rows that belong together: the one in which the middle of them lies.
pub(super) fn part_of(before: usize, rows: usize, ends: &[usize]) -> usize {
    ends.partition_point(|&end| 2 * end <= 2 * before + rows)
        .min(ends.len().saturating_sub(1))
}
