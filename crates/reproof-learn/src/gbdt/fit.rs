//! The rounds of a training.

use std::ops::Range;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use reproof_table::Threads;
use reproof_table::exact::ExactSum;
use reproof_table::random::{u64_at, unit_at};

use super::BoostingParameters;
use super::bins::{Binned, Bins};
use super::grow::{Exchange, Grower, Limits, Node, Soil, leaf};
use super::histogram::{Pair, Scale};
use super::loss::{Loss, Truth};
use super::model::{Condition, Tree, TreeNode};
use super::split::{Cut, Rule, Split};
use super::sync::lock;

/// How many values of features a thread must have for its own: for fewer, the threads would rather
/// wait for each other than work.
const VALUES_PER_THREAD: usize = 1 << 17;

/// Everything that a training reads.
pub(super) struct Task<'a> {
    pub data: &'a Binned,
    pub loss: &'a Loss,
    pub truth: &'a Truth,
    pub parameters: &'a BoostingParameters,
    pub seed: u64,
    pub limits: Limits,
    /// The part that decides when to stop, in the same bins.
    pub stopping: Option<Stopping<'a>>,
}

/// Rows whose loss ends the training when it no longer falls.
pub(super) struct Stopping<'a> {
    pub columns: &'a [Vec<u8>],
    pub truth: &'a Truth,
    /// After how many rounds without a lower loss.
    pub patience: u32,
}

/// How many threads are worth their while.
pub(super) fn useful_threads(data: &Binned, threads: Threads) -> usize {
    let values = data.rows * data.columns.len();
    threads.get().min(values / VALUES_PER_THREAD).max(1)
}

/// Trains on up to so many threads, fewer if the system gives no more, and returns the trees in the
/// order in which they were made.
pub(super) fn fit(task: &Task<'_>, threads: usize) -> Vec<Tree> {
    thread::scope(|scope| {
        // A worker waits for its part, since how many there are is known only once all began.
        let mut workers = Vec::new();
        for _ in 1..threads {
            let (send, receive) = mpsc::channel::<(Arc<Shared>, usize)>();
            let work = move || {
                if let Ok((shared, index)) = receive.recv() {
                    Worker::new(task, &shared, index).run();
                }
            };
            match thread::Builder::new().spawn_scoped(scope, work) {
                Ok(handle) => workers.push((send, handle)),
                Err(_) => break,
            }
        }
        let shared = Arc::new(Shared::new(workers.len() + 1));
        for (index, (send, _)) in workers.iter().enumerate() {
            // A worker that is gone has panicked, which its handle tells.
            let _ = send.send((Arc::clone(&shared), index + 1));
        }
        let trees = Worker::new(task, &shared, 0).run();
        for (_, handle) in workers {
            if let Err(panic) = handle.join() {
                std::panic::resume_unwind(panic);
            }
        }
        trees
    })
}

/// What the threads share.
struct Shared {
    exchange: Exchange,
    /// Each thread's largest gradient and second derivative.
    largest: Vec<Mutex<[f64; 2]>>,
    /// Each thread's sum of the losses that decide when to stop.
    losses: Vec<Mutex<ExactSum>>,
}

impl Shared {
    fn new(threads: usize) -> Self {
        Self {
            exchange: Exchange::new(threads),
            largest: (0..threads).map(|_| Mutex::default()).collect(),
            losses: (0..threads).map(|_| Mutex::default()).collect(),
        }
    }
}

/// One thread of a training, with its rows.
struct Worker<'a> {
    task: &'a Task<'a>,
    shared: &'a Shared,
    index: usize,
    rows: Range<usize>,
    grower: Grower<'a>,
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    derivatives: Vec<[f64; 2]>,
    pairs: Vec<Pair>,
    stopping_rows: Range<usize>,
    stopping_scores: Vec<f64>,
}

impl<'a> Worker<'a> {
    fn new(task: &'a Task<'a>, shared: &'a Shared, index: usize) -> Self {
        let threads = shared.largest.len();
        let part = |rows: usize| rows * index / threads..rows * (index + 1) / threads;
        let rows = part(task.data.rows);
        let stopping_rows = part(task.stopping.as_ref().map_or(0, |part| part.truth.len()));
        let rule = Rule {
            min_rows: i64::from(task.parameters.min_rows),
            l2: task.parameters.l2,
            min_gain: task.parameters.min_gain,
            cat_smooth: task.parameters.cat_smooth.unwrap_or_default(),
            cat_l2: task.parameters.cat_l2.unwrap_or_default(),
        };
        Self {
            task,
            shared,
            index,
            grower: Grower::new(
                task.data,
                &shared.exchange,
                (index, rows.clone()),
                (task.limits, rule),
            ),
            scores: task.loss.begin(rows.len()),
            probabilities: Vec::new(),
            derivatives: vec![[0.0; 2]; rows.len()],
            pairs: vec![Pair::default(); rows.len()],
            stopping_scores: task.loss.begin(stopping_rows.len()),
            stopping_rows,
            rows,
        }
    }

    /// All rounds; returns the trees up to the best round.
    fn run(&mut self) -> Vec<Tree> {
        let shared = self.shared;
        let _guard = shared.exchange.rendezvous.guard();
        let outputs = self.task.loss.outputs();
        let mut trees = Vec::new();
        let mut best = (f64::INFINITY, 0);
        for round in 0..self.task.parameters.rounds {
            self.task
                .loss
                .prepare(&self.scores, &mut self.probabilities);
            let selected = self.selected(round);
            for output in 0..outputs {
                trees.push(self.tree(round, output, &selected));
            }
            if let Some(stopping) = &self.task.stopping {
                let loss = self.stopping_loss(stopping);
                if loss < best.0 {
                    best = (loss, round + 1);
                } else if round + 1 - best.1 >= stopping.patience {
                    break;
                }
            }
        }
        if self.task.stopping.is_some() {
            trees.truncate(best.1 as usize * outputs);
        }
        trees
    }

    /// The features that a round may use: those with the smallest numbers drawn for them.
    fn selected(&self, round: u32) -> Vec<bool> {
        let count = self.task.data.columns.len();
        let share = self.task.parameters.column_fraction;
        let wanted = ((count as f64 * share).ceil() as usize).clamp(count.min(1), count);
        let stream = 2 * u64::from(round) + 1;
        let mut order: Vec<usize> = (0..count).collect();
        if wanted < count {
            order.sort_by_cached_key(|&column| u64_at(self.task.seed, stream, column as u64));
        }
        let mut selected = vec![false; count];
        for &column in &order[..wanted] {
            selected[column] = true;
        }
        selected
    }

    /// One tree, whose values are added to the scores.
    fn tree(&mut self, round: u32, output: usize, selected: &[bool]) -> Tree {
        let scale = self.round_derivatives(output);
        let soil = Soil {
            pairs: &self.pairs,
            scale,
            selected,
        };
        let (share, seed) = (self.task.parameters.row_fraction, self.task.seed);
        let (first, stream) = (self.rows.start as u64, 2 * u64::from(round));
        let drawn =
            |row: &u32| share >= 1.0 || unit_at(seed, stream, first + u64::from(*row)) < share;
        let rows = 0..self.rows.len() as u32;
        let nodes = self.grower.grow(&soil, rows.clone().filter(drawn));
        let values: Vec<f64> = nodes
            .iter()
            .map(|node| {
                self.task.parameters.learning_rate * self.grower.rule.value(node.sums, &scale) + 0.0
            })
            .collect();
        let outputs = self.task.loss.outputs();
        self.grower
            .add_values(&nodes, &values, (&mut self.scores, outputs, output));
        let columns = &self.task.data.columns;
        for row in rows.filter(|row| !drawn(row)) {
            let row = row as usize;
            let leaf = leaf(&nodes, |feature| columns[feature][self.rows.start + row]);
            self.scores[row * outputs + output] += values[leaf];
        }
        if let Some(stopping) = &self.task.stopping {
            for (row, scores) in self
                .stopping_rows
                .clone()
                .zip(self.stopping_scores.chunks_exact_mut(outputs))
            {
                scores[output] += values[leaf(&nodes, |feature| stopping.columns[feature][row])];
            }
        }
        tree(self.task.data, &nodes, &values)
    }

    /// Makes integers of the derivatives in the scores of an output.
    fn round_derivatives(&mut self, output: usize) -> Scale {
        let own = self.task.loss.derivatives(
            self.task.truth,
            self.rows.start,
            (&self.scores, &self.probabilities, output),
            &mut self.derivatives,
        );
        *lock(&self.shared.largest[self.index]) = own;
        self.shared.exchange.rendezvous.meet();
        let mut largest = [0.0_f64; 2];
        for other in &self.shared.largest {
            let other = *lock(other);
            largest = [largest[0].max(other[0]), largest[1].max(other[1])];
        }
        let scale = Scale::new(self.task.data.rows, largest[0], largest[1]);
        for (pair, derivatives) in self.pairs.iter_mut().zip(&self.derivatives) {
            *pair = scale.round(derivatives[0], derivatives[1]);
        }
        scale
    }

    fn stopping_loss(&self, stopping: &Stopping<'_>) -> f64 {
        let first = self.stopping_rows.start;
        let own = self
            .task
            .loss
            .sum(stopping.truth, first, &self.stopping_scores);
        *lock(&self.shared.losses[self.index]) = own;
        self.shared.exchange.rendezvous.meet();
        let mut sum = ExactSum::default();
        for other in &self.shared.losses {
            sum.merge(&lock(other));
        }
        sum.value()
    }
}

/// A grown tree with its thresholds, its nodes in pre-order.
fn tree(data: &Binned, nodes: &[Node], values: &[f64]) -> Tree {
    let mut tree = Vec::with_capacity(nodes.len());
    // For each node to come the split whose right child it is, if it is one.
    let mut stack = vec![(0, None)];
    while let Some((node, parent)) = stack.pop() {
        let place = tree.len();
        if let Some(parent) = parent
            && let Some(TreeNode::Split { right, .. }) = tree.get_mut::<usize>(parent)
        {
            *right = place;
        }
        let rows = nodes[node].sums.rows as u64;
        match &nodes[node].split {
            None => tree.push(TreeNode::Leaf {
                value: values[node],
                rows,
            }),
            Some((split, [left, right])) => {
                tree.push(TreeNode::Split {
                    feature: split.feature,
                    condition: condition(&data.bins[split.feature], split),
                    missing_left: split.missing_left,
                    right: 0,
                    gain: split.gain,
                    rows,
                });
                stack.push((*right, Some(place)));
                stack.push((*left, None));
            }
        }
    }
    Tree { nodes: tree }
}

/// What a split asks of values.
fn condition(bins: &Bins, split: &Split) -> Condition {
    match (split.cut, bins) {
        (Cut::Categories(set), _) => Condition::Categories(set),
        (Cut::Last(last), Bins::Ordered(thresholds)) => {
            // Behind the last bin only missing values lie.
            let threshold = thresholds.get(usize::from(last)).copied();
            Condition::Threshold(threshold.unwrap_or(f64::MAX))
        }
        // Categories are cut as such; these would be their codes.
        (Cut::Last(last), Bins::Categories(_)) => Condition::Threshold(f64::from(last)),
    }
}
