//! Rows by their hashes.

use reproof_record::TableObject;
use reproof_store::Store;

use super::column;
use crate::TableError;
use crate::stream::each_value;

/// What differs, by rows counted from 0.
pub(super) struct Found {
    pub added: Vec<u32>,
    pub removed: Vec<u32>,
    /// The rows in both tables.
    pub changed: Vec<[u32; 2]>,
    pub unchanged: u64,
    pub repeated: [u64; 2],
    /// Of the removed rows and of the added ones, how many equal a row that the other table has.
    pub copies: [u64; 2],
    /// Whether a row that both have stands at another place.
    pub moved: bool,
}

impl Found {
    /// Nothing, between tables of so many rows.
    pub fn nothing(rows: u64) -> Self {
        Self {
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            unchanged: rows,
            repeated: [0, 0],
            copies: [0, 0],
            moved: false,
        }
    }
}

/// A hash of 128 bits, in four words so that it takes no padding beside a row's number.
type Hash = [u32; 4];

const MULTIPLIERS: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// Folds the bytes of a value into two hashes of 64 bits, by products of 128 bits as wyhash does,
/// each finished by the permutation of SplitMix64.
fn fold(state: [u64; 2], value: &[u8]) -> [u64; 2] {
    let mut words = [state[0] ^ value.len() as u64, state[1]];
    let mut take = |word: u64| {
        for (state, multiplier) in words.iter_mut().zip(MULTIPLIERS) {
            let product = u128::from(*state ^ word) * u128::from(multiplier);
            *state = (product as u64) ^ ((product >> 64) as u64);
            *state = state.wrapping_add(multiplier.rotate_left(17));
        }
    };
    let (chunks, rest) = value.as_chunks::<8>();
    for chunk in chunks {
        take(u64::from_le_bytes(*chunk));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        take(u64::from_le_bytes(last));
    }
    words.map(mix)
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn unpack(hash: Hash) -> [u64; 2] {
    let word = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    [word(hash[0], hash[1]), word(hash[2], hash[3])]
}

fn pack(words: [u64; 2]) -> Hash {
    let [a, b] = words;
    [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32]
}

/// How many rows a table has, if they can be numbered.
fn numbered(object: &TableObject) -> Result<u32, TableError> {
    u32::try_from(object.rows).map_err(|_| {
        TableError::Shape(format!(
            "{} rows are too many to compare: at most {} can be",
            object.rows,
            u32::MAX
        ))
    })
}

/// Items of a table's rows, each ending in the row's number and beginning with the hash over some
/// columns. They grow as values are read: a table that only says to have many rows takes no memory.
fn hashed_rows<const N: usize>(
    store: &Store,
    object: &TableObject,
    names: &[&str],
) -> Result<Vec<[u32; N]>, TableError> {
    let rows = numbered(object)?;
    let item = |row: u32| {
        let mut item = [0; N];
        item[N - 1] = row;
        item
    };
    let mut items: Vec<[u32; N]> = Vec::new();
    for name in names {
        let (digest, logical_type) = column(object, name)?;
        each_value(store, digest, logical_type, object.rows, |row, value| {
            if items.len() as u64 == row {
                if items.len() == items.capacity() {
                    // By less than twice, which would take twice the memory at the end.
                    let more = (items.len() / 8).max(1 << 16);
                    items.reserve_exact(more.min(rows as usize - items.len()));
                }
                items.push(item(row as u32));
            }
            if let Some(hash) = items[row as usize].first_chunk_mut::<4>() {
                *hash = pack(fold(unpack(*hash), value));
            }
            Ok(())
        })?;
    }
    // Where nothing is compared, all rows are alike.
    items.extend((items.len() as u32..rows).map(item));
    Ok(items)
}

/// The hash of 64 bits of an encoded value.
pub(crate) fn value_hash(value: &[u8]) -> u64 {
    fold([0, 0], value)[0]
}

/// The hashes of 64 bits of a column's values.
pub(super) fn column_hashes(
    store: &Store,
    object: &TableObject,
    name: &str,
) -> Result<Vec<u64>, TableError> {
    let mut hashes = Vec::new();
    let (digest, logical_type) = column(object, name)?;
    each_value(store, digest, logical_type, object.rows, |_, value| {
        hashes.push(value_hash(value));
        Ok(())
    })?;
    Ok(hashes)
}

/// The hash of each row over some columns, and its number, sorted.
pub(crate) fn sorted_rows(
    store: &Store,
    object: &TableObject,
    names: &[&str],
) -> Result<Vec<[u32; 5]>, TableError> {
    let mut items = hashed_rows::<5>(store, object, names)?;
    items.sort_unstable();
    Ok(items)
}

/// Rows that one of two tables has more often than the other.
pub(super) fn by_content(
    store: &Store,
    objects: &[TableObject; 2],
    names: &[&str],
) -> Result<Found, TableError> {
    let before = sorted_rows(store, &objects[0], names)?;
    let after = sorted_rows(store, &objects[1], names)?;
    let mut found = Found::nothing(0);
    let (mut a, mut b) = (0, 0);
    while a < before.len() || b < after.len() {
        let order = match (before.get(a), after.get(b)) {
            (Some(one), Some(other)) => one[..4].cmp(&other[..4]),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        match order {
            // Equal rows stand together, and pairs of them come first.
            std::cmp::Ordering::Less => {
                let last = b.checked_sub(1).map(|last| &after[last]);
                found.copies[0] += u64::from(last.is_some_and(|last| last[..4] == before[a][..4]));
                found.removed.push(before[a][4]);
                a += 1;
            }
            std::cmp::Ordering::Greater => {
                let last = a.checked_sub(1).map(|last| &before[last]);
                found.copies[1] += u64::from(last.is_some_and(|last| last[..4] == after[b][..4]));
                found.added.push(after[b][4]);
                b += 1;
            }
            std::cmp::Ordering::Equal => {
                found.moved |= before[a][4] != after[b][4];
                found.unchanged += 1;
                a += 1;
                b += 1;
            }
        }
    }
    Ok(found)
}

/// Rows by their keys. Of several rows with one key those of equal content belong together, then
/// the others in their order.
pub(super) fn by_key(
    store: &Store,
    objects: &[TableObject; 2],
    keys: &[&str],
    names: &[&str],
) -> Result<Found, TableError> {
    let before = keyed_rows(store, &objects[0], keys, names)?;
    let after = keyed_rows(store, &objects[1], keys, names)?;
    let mut found = Found::nothing(0);
    let (mut a, mut b) = (&before[..], &after[..]);
    while let Some(key) = a.iter().chain(b).next().map(|_| least(a, b)) {
        let (mine, rest) = group(a, &key);
        a = rest;
        let (theirs, rest) = group(b, &key);
        b = rest;
        pair(mine, theirs, &mut found);
    }
    Ok(found)
}

/// A row with a key: the hash of the key, 64 bits of that of the content, the row's number.
type Keyed = [u32; 7];

fn keyed_rows(
    store: &Store,
    object: &TableObject,
    keys: &[&str],
    names: &[&str],
) -> Result<Vec<Keyed>, TableError> {
    let mut items = hashed_rows::<7>(store, object, keys)?;
    for name in names {
        let (digest, logical_type) = column(object, name)?;
        each_value(store, digest, logical_type, object.rows, |row, value| {
            let item = &mut items[row as usize];
            let before = u64::from(item[4]) | u64::from(item[5]) << 32;
            let content = fold([before, 0], value)[0];
            (item[4], item[5]) = (content as u32, (content >> 32) as u32);
            Ok(())
        })?;
    }
    items.sort_unstable();
    Ok(items)
}

/// The lesser of the first keys.
fn least(a: &[Keyed], b: &[Keyed]) -> Hash {
    let first = |items: &[Keyed]| items.first().and_then(|item| item.first_chunk().copied());
    match (first(a), first(b)) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other).unwrap_or_default(),
    }
}

/// The first items, as far as they have this key, and the rest.
fn group<'a>(items: &'a [Keyed], key: &Hash) -> (&'a [Keyed], &'a [Keyed]) {
    let count = items.iter().take_while(|item| item[..4] == key[..]).count();
    items.split_at(count)
}

/// Brings the rows of one key together.
fn pair(mine: &[Keyed], theirs: &[Keyed], found: &mut Found) {
    found.repeated[0] += mine.len().saturating_sub(1) as u64;
    found.repeated[1] += theirs.len().saturating_sub(1) as u64;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (0, 0);
    while a < mine.len() || b < theirs.len() {
        let order = match (mine.get(a), theirs.get(b)) {
            (Some(one), Some(other)) => one[4..6].cmp(&other[4..6]),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Less => {
                left.push(mine[a][6]);
                a += 1;
            }
            std::cmp::Ordering::Greater => {
                right.push(theirs[b][6]);
                b += 1;
            }
            std::cmp::Ordering::Equal => {
                found.moved |= mine[a][6] != theirs[b][6];
                found.unchanged += 1;
                a += 1;
                b += 1;
            }
        }
    }
    left.sort_unstable();
    right.sort_unstable();
    let both = left.len().min(right.len());
    let pairs = left.iter().zip(&right);
    found
        .changed
        .extend(pairs.map(|(one, other)| [*one, *other]));
    found.removed.extend(&left[both..]);
    found.added.extend(&right[both..]);
}
