//! Growing a tree, by several threads that each hold a range of the rows.
//!
//! Every thread walks through the same steps. It adds its own rows to histograms; then each sums
//! the histograms of all threads for its own range of the features and finds the best splits among
//! these; then all take the best of all, divide their own rows, and go on. Sums of integers are the
//! same in any order, and the best split is chosen by rules that know nothing of threads, so
//! neither the number of threads nor the order of the rows changes a tree.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, RwLock};

use super::bins::{Binned, Bins, MISSING, QUAD};
use super::categories::best_of_categories;
use super::histogram::{Entry, Gatherer, Pair, Quad, Scale, Sums};
use super::order::first_of;
use super::split::{Cut, Rule, Split, best};
use super::sync::{Rendezvous, lock, read, write};

/// How much memory the unsummed histograms of a batch of nodes may take on each thread, and how
/// much the histograms of all open leaves on all of them. What is above is done in more steps, with
/// the same result.
const BATCH_BYTES: usize = 64 << 20;
const OPEN_BYTES: usize = 1 << 30;

/// When a tree has grown enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub max_depth: u32,
    pub max_leaves: usize,
    /// How many nodes have histograms made at once.
    pub batch: usize,
    /// Whether the histograms of open leaves are kept, so that one of two children is subtracted.
    pub keep: bool,
}

impl Limits {
    /// With the memory that histograms may take.
    pub fn new(max_depth: u32, max_leaves: Option<u32>, data: &Binned) -> Self {
        let full = 1_usize << max_depth.min(31);
        let max_leaves = max_leaves.map_or(full, |leaves| full.min(leaves as usize));
        let leaf = (0..data.columns.len()).map(|feature| data.bins(feature) + 1);
        let leaf_bytes = leaf.sum::<usize>() * size_of::<Entry>();
        let open = max_leaves.min(data.rows);
        Self {
            max_depth,
            max_leaves,
            batch: (BATCH_BYTES / (data.groups.max(1) * size_of::<Quad>())).max(2),
            keep: open.saturating_mul(leaf_bytes) <= OPEN_BYTES,
        }
    }
}

/// What the threads tell each other while a tree grows.
#[derive(Debug)]
pub(super) struct Exchange {
    pub rendezvous: Rendezvous,
    /// Each thread's sum over its rows.
    totals: Vec<Mutex<Entry>>,
    /// Each thread's histograms: of all groups of the first node, then of the next.
    histograms: Vec<RwLock<Vec<Quad>>>,
    /// Each thread's best splits, by node.
    splits: Vec<Mutex<Vec<Option<Split>>>>,
}

impl Exchange {
    pub fn new(threads: usize) -> Self {
        Self {
            rendezvous: Rendezvous::new(threads),
            totals: (0..threads).map(|_| Mutex::default()).collect(),
            histograms: (0..threads).map(|_| RwLock::default()).collect(),
            splits: (0..threads).map(|_| Mutex::default()).collect(),
        }
    }
}

/// A node of a tree that is growing or has grown.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its place: 1 is the root, the children of `p` are `2p` and `2p + 1`.
    path: u64,
    depth: u32,
    pub sums: Sums,
    /// With the indices of both children.
    pub split: Option<(Split, [usize; 2])>,
    /// This thread's rows, as a range of [`Grower::rows`]; of leaves only.
    rows: Range<usize>,
}

/// A leaf that may be split.
struct Open {
    node: usize,
    split: Split,
    /// The gains of the splits from the root to this one.
    gains: Vec<f64>,
    /// The histograms of this thread's features, if they are kept.
    histogram: Option<Vec<Entry>>,
}

/// A node with the histograms of this thread's features, whose best split is to be found.
struct Found {
    node: usize,
    /// The gains of the splits from the root to its parent.
    gains: Vec<f64>,
    histogram: Vec<Entry>,
}

/// One thread's part in growing a tree.
pub(super) struct Grower<'a> {
    pub data: &'a Binned,
    pub exchange: &'a Exchange,
    /// Which thread this is.
    pub index: usize,
    /// The first of its rows.
    pub first: usize,
    /// The features whose histograms it sums.
    pub features: Range<usize>,
    pub limits: Limits,
    pub rule: Rule,
    gatherer: Gatherer,
    rows: Vec<u32>,
    spare: Vec<u32>,
}

/// What a tree is grown from.
pub(super) struct Soil<'s> {
    /// The integers of each of this thread's rows.
    pub pairs: &'s [Pair],
    pub scale: Scale,
    /// Which features may be used.
    pub selected: &'s [bool],
}

impl<'a> Grower<'a> {
    pub fn new(
        data: &'a Binned,
        exchange: &'a Exchange,
        (index, rows): (usize, Range<usize>),
        (limits, rule): (Limits, Rule),
    ) -> Self {
        let threads = exchange.histograms.len();
        let count = data.columns.len();
        Self {
            data,
            exchange,
            index,
            first: rows.start,
            features: count * index / threads..count * (index + 1) / threads,
            limits,
            rule,
            gatherer: Gatherer::new(data.groups),
            rows: Vec::with_capacity(rows.len()),
            spare: vec![0; rows.len()],
        }
    }

    /// Grows a tree from some of this thread's rows, which are counted from its first one.
    pub fn grow(&mut self, soil: &Soil<'_>, rows: impl Iterator<Item = u32>) -> Vec<Node> {
        self.rows.clear();
        self.rows.extend(rows);
        let root = Node {
            path: 1,
            depth: 0,
            sums: self.total(soil),
            split: None,
            rows: 0..self.rows.len(),
        };
        let mut nodes = vec![root];
        let mut open = Vec::new();
        if self.splittable(&nodes[0]) {
            let built = self.histograms(soil, &nodes, &[0]).into_iter();
            let root = |histogram| Found {
                node: 0,
                gains: Vec::new(),
                histogram,
            };
            let found = built.map(root).collect();
            self.search(soil, &nodes, found, &mut open);
        }
        let mut leaves = 1;
        while !open.is_empty() && leaves < self.limits.max_leaves {
            let batch = self.certain(&nodes, &mut open, self.limits.max_leaves - leaves);
            leaves += batch.len();
            let divided = self.divide(&mut nodes, batch);
            if leaves < self.limits.max_leaves {
                self.open_children(soil, &nodes, divided, &mut open);
            }
        }
        nodes
    }

    /// The sum over the rows of all threads.
    fn total(&self, soil: &Soil<'_>) -> Sums {
        let mut total = [0; 2];
        for &row in &self.rows {
            let entry = soil.scale.entry(soil.pairs[row as usize]);
            total = [total[0] + entry[0], total[1] + entry[1]];
        }
        *lock(&self.exchange.totals[self.index]) = total;
        self.exchange.rendezvous.meet();
        let totals = self.exchange.totals.iter().map(|total| *lock(total));
        soil.scale
            .sums(totals.fold([0; 2], |sum, total| [sum[0] + total[0], sum[1] + total[1]]))
    }

    fn splittable(&self, node: &Node) -> bool {
        node.depth < self.limits.max_depth && self.rule.may_split(node.sums.rows)
    }

    /// Takes out leaves that are split whatever becomes of the others, when `left` splits may still
    /// be made. Growth is best first ([`first_of`]). A leaf is certain if all that come before it,
    /// with everything that could grow from them, leave a split for it. If the number of leaves is
    /// not limited, that is all of them.
    fn certain(&self, nodes: &[Node], open: &mut Vec<Open>, left: usize) -> Vec<Open> {
        open.sort_by(|one, other| {
            let place = |leaf: &Open| nodes[leaf.node].path;
            first_of((&one.gains, place(one)), (&other.gains, place(other)))
        });
        let (mut before, mut count) = (0_u64, 0);
        for leaf in &*open {
            if before >= left as u64 || count >= self.limits.batch / 2 {
                break;
            }
            count += 1;
            let node = &nodes[leaf.node];
            let by_depth = 1_u64 << (self.limits.max_depth - node.depth);
            let by_rows = (node.sums.rows / self.rule.min_rows) as u64;
            before += by_depth.min(by_rows) - 1;
        }
        open.drain(..count).collect()
    }

    /// Splits leaves, and this thread's rows in them.
    fn divide(&mut self, nodes: &mut Vec<Node>, batch: Vec<Open>) -> Vec<Open> {
        for leaf in &batch {
            let parent = &nodes[leaf.node];
            let (rows, path, depth) = (parent.rows.clone(), parent.path, parent.depth + 1);
            let split = &leaf.split;
            let middle = self.partition(rows.clone(), split);
            let children = [
                (2 * path, split.left, rows.start..middle),
                (2 * path + 1, split.right, middle..rows.end),
            ];
            nodes[leaf.node].split = Some((*split, [nodes.len(), nodes.len() + 1]));
            nodes.extend(children.map(|(path, sums, rows)| Node {
                path,
                depth,
                sums,
                split: None,
                rows,
            }));
        }
        batch
    }

    /// Puts the rows that go left before the others, and returns where those begin.
    fn partition(&mut self, range: Range<usize>, split: &Split) -> usize {
        // A loop for each kind of cut, so that none asks for the kind at every row.
        match split.cut {
            Cut::Last(last) => self.partition_by(range, split.feature, |bin| {
                up_to(bin, last, split.missing_left)
            }),
            Cut::Categories(_) => {
                self.partition_by(range, split.feature, |bin| goes_left(bin, split))
            }
        }
    }

    /// Both sides keep their order, so that rows are read in the order in which they lie in memory.
    fn partition_by(
        &mut self,
        range: Range<usize>,
        feature: usize,
        goes_left: impl Fn(u8) -> bool,
    ) -> usize {
        let column = &self.data.columns[feature][self.first..];
        let rows = &mut self.rows[range.clone()];
        let spare = &mut self.spare[..rows.len()];
        let (mut left, mut right) = (0, 0);
        for place in 0..rows.len() {
            let row = rows[place];
            let goes_left = goes_left(column[row as usize]);
            rows[left] = row;
            spare[right] = row;
            left += usize::from(goes_left);
            right += usize::from(!goes_left);
        }
        rows[left..].copy_from_slice(&spare[..right]);
        range.start + left
    }

    /// Makes the histograms of the children of split leaves, and opens those that have a split.
    fn open_children(
        &mut self,
        soil: &Soil<'_>,
        nodes: &[Node],
        divided: Vec<Open>,
        open: &mut Vec<Open>,
    ) {
        let mut build = Vec::new();
        let mut plans = Vec::new();
        for leaf in divided {
            let Some((split, [left, right])) = nodes[leaf.node].split else {
                continue;
            };
            let (small, large) = if split.left.rows <= split.right.rows {
                (left, right)
            } else {
                (right, left)
            };
            let wanted = [small, large].map(|node| self.splittable(&nodes[node]));
            if wanted == [false, false] {
                continue;
            }
            match leaf.histogram {
                // The large child is split if one of them is.
                Some(parent) => {
                    build.push(small);
                    plans.push((small, leaf.gains, Some((large, parent))));
                }
                None => {
                    for (node, wanted) in [small, large].into_iter().zip(wanted) {
                        if wanted {
                            build.push(node);
                            plans.push((node, leaf.gains.clone(), None));
                        }
                    }
                }
            }
        }
        if build.is_empty() {
            return;
        }
        let mut built = self.histograms(soil, nodes, &build).into_iter();
        let mut found = Vec::new();
        for (node, gains, other) in plans {
            let Some(histogram) = built.next() else { break };
            if let Some((large, mut parent)) = other {
                for (sum, part) in parent.iter_mut().zip(&histogram) {
                    *sum = [sum[0] - part[0], sum[1] - part[1]];
                }
                found.push(Found {
                    node: large,
                    gains: gains.clone(),
                    histogram: parent,
                });
            }
            found.push(Found {
                node,
                gains,
                histogram,
            });
        }
        self.search(soil, nodes, found, open);
    }
}

impl Grower<'_> {
    /// The histograms of nodes, of this thread's features: one after the other, each with its bins
    /// and last that of missing values.
    fn histograms(&mut self, soil: &Soil<'_>, nodes: &[Node], of: &[usize]) -> Vec<Vec<Entry>> {
        let groups = self.data.groups;
        let wanted: Vec<bool> = soil
            .selected
            .chunks(QUAD)
            .map(|group| group.contains(&true))
            .collect();
        {
            let mut own = write(&self.exchange.histograms[self.index]);
            own.clear();
            own.resize(of.len() * groups, [[[0; 2]; 256]; QUAD]);
            for (place, &node) in of.iter().enumerate() {
                self.gatherer.add(
                    (self.data, self.first),
                    &self.rows[nodes[node].rows.clone()],
                    soil.pairs,
                    &soil.scale,
                    (&mut own[place * groups..(place + 1) * groups], &wanted),
                );
            }
        }
        self.exchange.rendezvous.meet();
        let mut sums = vec![Vec::new(); of.len()];
        for histograms in &self.exchange.histograms {
            let histograms = read(histograms);
            for (place, sum) in sums.iter_mut().enumerate() {
                self.add_features(sum, &histograms[place * groups..(place + 1) * groups]);
            }
        }
        sums
    }

    /// Adds the histograms of this thread's features, or begins with them.
    fn add_features(&self, sum: &mut Vec<Entry>, histograms: &[Quad]) {
        let begin = sum.is_empty();
        let mut place = 0;
        for feature in self.features.clone() {
            let histogram = &histograms[feature / QUAD][feature % QUAD];
            let bins = &histogram[..self.data.bins(feature)];
            let entries = bins.iter().chain([&histogram[usize::from(MISSING)]]);
            if begin {
                sum.extend(entries);
                continue;
            }
            for (sum, entry) in sum[place..].iter_mut().zip(entries) {
                *sum = [sum[0] + entry[0], sum[1] + entry[1]];
            }
            place += bins.len() + 1;
        }
    }

    /// Finds the best split of nodes by any thread's features, and opens those that have one.
    fn search(&self, soil: &Soil<'_>, nodes: &[Node], found: Vec<Found>, open: &mut Vec<Open>) {
        let own = found.iter().map(
            |Found {
                 node, histogram, ..
             }| {
                let node = &nodes[*node];
                if self.splittable(node) {
                    self.best_of_own(soil, node, histogram)
                } else {
                    None
                }
            },
        );
        *lock(&self.exchange.splits[self.index]) = own.collect();
        self.exchange.rendezvous.meet();
        let mut splits: Vec<Option<Split>> = vec![None; found.len()];
        for other in &self.exchange.splits {
            for (best, split) in splits.iter_mut().zip(lock(other).iter()) {
                *best = better(*best, *split);
            }
        }
        for (mut found, split) in found.into_iter().zip(splits) {
            let Some(split) = split else { continue };
            found.gains.push(split.gain);
            open.push(Open {
                node: found.node,
                split,
                gains: found.gains,
                histogram: self.limits.keep.then_some(found.histogram),
            });
        }
    }

    fn best_of_own(&self, soil: &Soil<'_>, node: &Node, histogram: &[Entry]) -> Option<Split> {
        let mut found = None;
        let mut place = 0;
        for feature in self.features.clone() {
            let bins = self.data.bins(feature) + 1;
            if soil.selected[feature] {
                let entries = &histogram[place..place + bins];
                let best = match self.data.bins[feature] {
                    Bins::Ordered(_) => best,
                    Bins::Categories(_) => best_of_categories,
                };
                let split = best(feature, entries, node.sums, &self.rule, &soil.scale);
                found = better(found, split);
            }
            place += bins;
        }
        found
    }

    /// Adds each leaf's value to the scores of its rows.
    pub fn add_values(
        &self,
        nodes: &[Node],
        values: &[f64],
        (scores, outputs, output): (&mut [f64], usize, usize),
    ) {
        for (node, value) in nodes.iter().zip(values) {
            if node.split.is_none() {
                for &row in &self.rows[node.rows.clone()] {
                    scores[row as usize * outputs + output] += value;
                }
            }
        }
    }
}

/// The split with the larger gain; of equal ones the first.
fn better(one: Option<Split>, other: Option<Split>) -> Option<Split> {
    match (one, other) {
        (Some(first), Some(second)) => match first.gain.total_cmp(&second.gain) {
            Ordering::Less => other,
            _ => one,
        },
        (None, _) => other,
        (_, None) => one,
    }
}

/// Whether a bin goes left.
#[inline]
fn goes_left(bin: u8, split: &Split) -> bool {
    match split.cut {
        Cut::Last(last) => up_to(bin, last, split.missing_left),
        Cut::Categories(_) if bin == MISSING => split.missing_left,
        Cut::Categories(set) => set.contains(bin),
    }
}

/// Whether a bin goes left where those up to `last` do.
#[inline]
#[allow(clippy::needless_bitwise_bool, reason = "without a branch")]
fn up_to(bin: u8, last: u8, missing_left: bool) -> bool {
    (bin <= last) | ((bin == MISSING) & missing_left)
}

/// The leaf of a row that is given by the bins of its features.
pub(super) fn leaf(nodes: &[Node], bin: impl Fn(usize) -> u8) -> usize {
    let mut node = 0;
    while let Some((split, children)) = &nodes[node].split {
        node = children[usize::from(!goes_left(bin(split.feature), split))];
    }
    node
}
