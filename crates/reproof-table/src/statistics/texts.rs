//! Counts of texts: of each one, as long as there are not too many.

use super::bins::MAX_VALUES;
use super::hash::hash_text;

/// The most bytes of different texts that are kept, so that memory is bounded.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// A text that was counted.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    count: u64,
    begin: u32,
    length: u32,
}

/// Counts by text.
#[derive(Clone, Debug)]
pub(super) struct TextCounts {
    /// The texts, one after the other.
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Places of entries plus one, in open addressing; 0 is free.
    slots: Vec<u32>,
}

impl TextCounts {
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            slots: vec![0; 64],
        }
    }

    /// Counts a text; false, and nothing counted, if that is one too many. Which set of texts is
    /// too large does not depend on their order.
    #[inline]
    pub fn add(&mut self, text: &[u8], hash: u64, count: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(index) = self.slots[at].checked_sub(1) {
            let entry = &mut self.entries[index as usize];
            let begin = entry.begin as usize;
            if entry.hash == hash
                && entry.length as usize == text.len()
                && self.bytes[begin..begin + text.len()] == *text
            {
                entry.count += count;
                return true;
            }
            at = (at + 1) & mask;
        }
        self.insert(at, text, hash, count)
    }

    /// Brings what is known of the texts with these hashes near, all at once, before each is counted.
    #[inline]
    pub fn touch(&self, hashes: impl Iterator<Item = u64>) {
        let mask = self.slots.len() - 1;
        let mut seen = 0;
        for hash in hashes {
            let slot = self.slots[hash as usize & mask];
            let entry = slot
                .checked_sub(1)
                .map(|index| &self.entries[index as usize]);
            let begin = entry.map_or(0, |entry| entry.begin as usize);
            seen |= self.bytes.get(begin).copied().unwrap_or(0);
        }
        std::hint::black_box(seen);
    }

    fn insert(&mut self, at: usize, text: &[u8], hash: u64, count: u64) -> bool {
        if self.entries.len() == MAX_VALUES || self.bytes.len() + text.len() > MAX_BYTES {
            return false;
        }
        // Both numbers are far below 2^32.
        self.entries.push(Entry {
            hash,
            count,
            begin: self.bytes.len() as u32,
            length: text.len() as u32,
        });
        self.bytes.extend_from_slice(text);
        self.slots[at] = self.entries.len() as u32;
        if self.entries.len() * 2 > self.slots.len() {
            self.grow();
        }
        true
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        self.slots = vec![0; size];
        for (entry, place) in self.entries.iter().zip(1..) {
            let mut at = entry.hash as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = place;
        }
    }

    /// Adds the counts of other texts; false if that is too many.
    pub fn merge(&mut self, other: &Self) -> bool {
        other
            .iter()
            .all(|(text, count)| self.add(text, hash_text(text), count))
    }

    /// The number of different texts.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The texts with their counts, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.entries.iter().map(|entry| {
            let begin = entry.begin as usize;
            let text = &self.bytes[begin..begin + entry.length as usize];
            (text, entry.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(counts: &mut TextCounts, text: &str) -> bool {
        counts.add(text.as_bytes(), hash_text(text.as_bytes()), 1)
    }

    #[test]
    fn each_text_is_counted() {
        let mut counts = TextCounts::new();
        for value in 0..10_000 {
            assert!(add(&mut counts, &format!("{}", value % 1000)));
        }
        assert!(add(&mut counts, ""));
        assert_eq!(counts.len(), 1001);
        let tens = counts.iter().filter(|(_, count)| *count == 10).count();
        assert_eq!(tens, 1000);
    }

    #[test]
    fn too_many_texts_and_too_long_ones_are_refused() {
        let mut counts = TextCounts::new();
        for value in 0..MAX_VALUES {
            assert!(add(&mut counts, &value.to_string()));
        }
        assert!(add(&mut counts, "0"));
        assert!(!add(&mut counts, "x"));
        let mut long = TextCounts::new();
        assert!(add(&mut long, &"x".repeat(MAX_BYTES)));
        assert!(add(&mut long, &"x".repeat(MAX_BYTES)));
        assert!(!add(&mut long, "y"));
    }
}
