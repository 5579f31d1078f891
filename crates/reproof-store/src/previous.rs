//! A blob that another one replaces: its chunks are what the new ones may be stored as deltas of.

use std::collections::BTreeMap;

use reproof_record::Digest;

/// The chunks of a blob that is replaced, and how far the new one has come along it.
#[derive(Debug)]
pub(crate) struct Previous {
    /// Where each chunk ends, and its digest.
    chunks: Vec<(u64, Digest)>,
    /// The numbers of the chunks by digest; of equal ones the last.
    numbers: BTreeMap<Digest, usize>,
    /// The place in the old blob that the next new chunk should begin at.
    position: u64,
}

impl Previous {
    pub fn new(chunks: &[(u32, Digest)]) -> Self {
        let mut end = 0;
        let chunks: Vec<_> = chunks
            .iter()
            .map(|(length, digest)| {
                end += u64::from(*length);
                (end, *digest)
            })
            .collect();
        let numbers = chunks.iter().enumerate();
        Self {
            numbers: numbers
                .map(|(number, (_, digest))| (*digest, number))
                .collect(),
            chunks,
            position: 0,
        }
    }

    /// The old chunk that the next new one, of this digest and length, most likely came from; none
    /// if it is an old chunk itself, or the old blob has nothing there.
    pub fn resembling(&mut self, digest: &Digest, length: u64) -> Option<Digest> {
        if let Some(number) = self.numbers.get(digest) {
            // From here on the new blob goes along the old one again.
            self.position = self.chunks[*number].0;
            return None;
        }
        let (from, to) = (self.position, self.position + length);
        self.position = to;
        let first = self.chunks.partition_point(|(end, _)| *end <= from);
        let mut best: Option<(u64, Digest)> = None;
        let mut begin = first
            .checked_sub(1)
            .map_or(0, |before| self.chunks[before].0);
        for (end, digest) in &self.chunks[first..] {
            if begin >= to {
                break;
            }
            let shared = (*end).min(to) - begin.max(from);
            if best.is_none_or(|(most, _)| shared > most) {
                best = Some((shared, *digest));
            }
            begin = *end;
        }
        best.map(|(_, digest)| digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: u8) -> Digest {
        Digest::of(&[name])
    }

    #[test]
    fn a_new_chunk_resembles_what_lay_where_it_lies() {
        let old: Vec<_> = (0..5).map(|name| (100, digest(name))).collect();
        let mut previous = Previous::new(&old);
        assert_eq!(previous.resembling(&digest(0), 100), None);
        assert_eq!(previous.resembling(&digest(77), 104), Some(digest(1)));
        // The next old one is met again, so what follows lines up with it.
        assert_eq!(previous.resembling(&digest(2), 100), None);
        assert_eq!(previous.resembling(&digest(78), 160), Some(digest(3)));
        assert_eq!(previous.resembling(&digest(79), 60), Some(digest(4)));
        assert_eq!(previous.resembling(&digest(81), 60), None);
    }
}
