//! A model of boosted trees: prediction, importance of features, and its document.

use reproof_table::{Threads, map_ranges};
use serde::{Deserialize, Serialize};

use super::categories::CategorySet;
use super::loss::softmax;
use crate::label::{BinaryLabel, ClassLabel, ClassValue};
use crate::logistic::sigmoid;
use crate::metrics::Task;
use crate::model::{Model, Target, malformed, same_features, writable};
use crate::predictions::{ClassProbabilities, Predictions};
use crate::{LearnError, Matrix};

/// The operation that trains it.
pub(crate) const OPERATION: &str = "train_gradient_boosting@1";

/// Gradient-boosted trees.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostedModel {
    target: Target,
    features: Features,
    base: Vec<f64>,
    trees: Vec<Tree>,
}

/// What a model is trained on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Features {
    pub names: Vec<String>,
    /// The indices of those whose values are categories, rising.
    pub categorical: Vec<usize>,
}

/// A regression tree, its nodes in pre-order: the left child of a split comes right behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes; the first is the root.
    pub nodes: Vec<TreeNode>,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TreeNode {
    /// A split in two.
    Split {
        /// The index of the feature.
        feature: usize,
        /// Which values go left.
        condition: Condition,
        /// Where missing values go.
        missing_left: bool,
        /// The index of the right child.
        right: usize,
        /// By how much it lowered the loss in training, in its quadratic approximation.
        gain: f64,
        /// How many rows it was made from.
        rows: u64,
    },
    /// A leaf.
    Leaf {
        /// What it adds to the score.
        value: f64,
        /// How many rows it was made from.
        rows: u64,
    },
}

/// Which values go left at a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// Those up to this one.
    Threshold(f64),
    /// These categories.
    Categories(CategorySet),
}

impl Tree {
    /// The value of the leaf that a row falls in.
    fn value(&self, feature: impl Fn(usize) -> f64) -> f64 {
        let mut place = 0;
        loop {
            match self.nodes[place] {
                TreeNode::Leaf { value, .. } => return value,
                TreeNode::Split {
                    feature: index,
                    condition,
                    missing_left,
                    right,
                    ..
                } => {
                    let value = feature(index);
                    let named = match condition {
                        Condition::Threshold(threshold) => value <= threshold,
                        Condition::Categories(set) => set.contains_value(value),
                    };
                    let left = named || (missing_left && value.is_nan());
                    place = if left { place + 1 } else { right };
                }
            }
        }
    }

    /// Whether every node but the root is the child of one split before it, in pre-order, all
    /// features exist, and those that are categorical are split by categories.
    fn is_sound(&self, features: &Features) -> bool {
        // Where the subtrees to come begin; none stands for right behind the last node.
        let mut open: Vec<Option<usize>> = vec![None];
        for (place, node) in self.nodes.iter().enumerate() {
            match open.pop() {
                Some(Some(begin)) if begin != place => return false,
                Some(_) => {}
                None => return false,
            }
            if let TreeNode::Split {
                feature,
                condition,
                right,
                ..
            } = node
            {
                let categorical = features.categorical.binary_search(feature).is_ok();
                let by_categories = matches!(condition, Condition::Categories(_));
                if *feature >= features.names.len() || categorical != by_categories {
                    return false;
                }
                open.extend([Some(*right), None]);
            }
        }
        open.is_empty()
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.nodes.iter().flat_map(|node| match node {
            TreeNode::Split {
                condition: Condition::Threshold(threshold),
                gain,
                ..
            } => [*threshold, *gain],
            TreeNode::Split { gain, .. } => [*gain, 0.0],
            TreeNode::Leaf { value, .. } => [*value, 0.0],
        })
    }
}

/// How much the features contribute to a model, in the order of its features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// In how many splits each is used.
    pub count: Vec<u64>,
    /// The sum of the gains of these splits.
    pub gain: Vec<f64>,
}

impl BoostedModel {
    pub(super) fn new(
        target: Target,
        features: Features,
        base: Vec<f64>,
        trees: Vec<Tree>,
    ) -> Result<Self, LearnError> {
        let model = Self {
            target,
            features,
            base,
            trees,
        };
        let gains = model.importance().gain;
        let numbers = model.trees.iter().flat_map(Tree::numbers);
        let mut numbers = model.base.iter().copied().chain(gains).chain(numbers);
        let unwritable = numbers.find(|&number| !writable(number));
        drop(numbers);
        match unwritable {
            None => Ok(model),
            Some(value) => Err(LearnError::Unwritable {
                what: "a threshold, value or gain of a tree".to_owned(),
                value: value.to_string(),
            }),
        }
    }

    /// What it predicts.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The names of the features.
    pub fn features(&self) -> &[String] {
        &self.features.names
    }

    /// The indices of the features whose values are categories, rising.
    pub fn categorical(&self) -> &[usize] {
        &self.features.categorical
    }

    /// The score that every row begins with; for several classes one for each.
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The trees; for several classes, those of a round one after the other in the classes' order.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// How many rounds it has.
    pub fn rounds(&self) -> usize {
        self.trees.len() / self.base.len().max(1)
    }

    /// How much each feature contributes.
    pub fn importance(&self) -> Importance {
        let mut importance = Importance {
            count: vec![0; self.features.names.len()],
            gain: vec![0.0; self.features.names.len()],
        };
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            if let TreeNode::Split { feature, gain, .. } = node {
                importance.count[*feature] += 1;
                importance.gain[*feature] += gain;
            }
        }
        importance
    }

    /// For each row its scores: the base, and the leaves' values added in the order of the trees.
    fn scores(&self, x: &Matrix, threads: Threads) -> Vec<f64> {
        let outputs = self.base.len();
        let parts = map_ranges(threads, x.rows(), |range| {
            let mut scores = self.base.repeat(range.len());
            for (row, scores) in range.zip(scores.chunks_exact_mut(outputs)) {
                for round in self.trees.chunks_exact(outputs) {
                    for (score, tree) in scores.iter_mut().zip(round) {
                        *score += tree.value(|feature| x.columns()[feature][row]);
                    }
                }
            }
            scores
        });
        parts.concat()
    }

    pub(crate) fn predict(&self, x: &Matrix, threads: Threads) -> Result<Predictions, LearnError> {
        same_features(&self.features.names, x.names())?;
        let mut scores = self.scores(x, threads);
        match &self.target {
            Target::Number { .. } => Ok(Predictions::Values(scores)),
            Target::Binary(_) => {
                for score in &mut scores {
                    *score = sigmoid(*score);
                }
                Ok(Predictions::Probabilities(scores))
            }
            Target::Classes(label) => {
                let mut columns = vec![Vec::with_capacity(x.rows()); label.classes.len()];
                for row in scores.chunks_exact_mut(label.classes.len()) {
                    softmax(row);
                    for (column, &probability) in columns.iter_mut().zip(&*row) {
                        column.push(probability);
                    }
                }
                let classes = ClassProbabilities::new(label.classes.clone(), columns)?;
                Ok(Predictions::Classes(classes))
            }
        }
    }
}

/// A model of trees as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    format: String,
    task: Task,
    operation: String,
    label: Label,
    features: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    categorical: Vec<usize>,
    base: Vec<f64>,
    importance: Importance,
    trees: Vec<Vec<Node>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    negative: Option<ClassValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    positive: Option<ClassValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<ClassValue>>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Node {
    Split(SplitNode),
    CategorySplit(CategorySplitNode),
    Leaf(LeafNode),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitNode {
    feature: usize,
    threshold: f64,
    missing: Side,
    right: usize,
    gain: f64,
    rows: u64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategorySplitNode {
    feature: usize,
    /// Those that go left.
    categories: Vec<u8>,
    missing: Side,
    right: usize,
    gain: f64,
    rows: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeafNode {
    value: f64,
    rows: u64,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Left,
    Right,
}

impl Side {
    const fn of_missing(left: bool) -> Self {
        if left { Self::Left } else { Self::Right }
    }
}

impl From<&TreeNode> for Node {
    fn from(node: &TreeNode) -> Self {
        match *node {
            TreeNode::Leaf { value, rows } => Self::Leaf(LeafNode { value, rows }),
            TreeNode::Split {
                feature,
                condition: Condition::Threshold(threshold),
                missing_left,
                right,
                gain,
                rows,
            } => Self::Split(SplitNode {
                feature,
                threshold,
                missing: Side::of_missing(missing_left),
                right,
                gain,
                rows,
            }),
            TreeNode::Split {
                feature,
                condition: Condition::Categories(set),
                missing_left,
                right,
                gain,
                rows,
            } => Self::CategorySplit(CategorySplitNode {
                feature,
                categories: set.codes().collect(),
                missing: Side::of_missing(missing_left),
                right,
                gain,
                rows,
            }),
        }
    }
}

impl Node {
    /// The node; none if its categories are no set.
    fn read(self) -> Option<TreeNode> {
        Some(match self {
            Self::Leaf(LeafNode { value, rows }) => TreeNode::Leaf { value, rows },
            Self::Split(split) => TreeNode::Split {
                feature: split.feature,
                condition: Condition::Threshold(split.threshold),
                missing_left: split.missing == Side::Left,
                right: split.right,
                gain: split.gain,
                rows: split.rows,
            },
            Self::CategorySplit(split) => TreeNode::Split {
                feature: split.feature,
                condition: Condition::Categories(CategorySet::from_codes(&split.categories)?),
                missing_left: split.missing == Side::Left,
                right: split.right,
                gain: split.gain,
                rows: split.rows,
            },
        })
    }
}

impl From<BoostedModel> for Document {
    fn from(model: BoostedModel) -> Self {
        let importance = model.importance();
        let trees = model.trees.iter();
        let format = Self::format(&model.features.categorical);
        Self {
            format: format.to_owned(),
            task: model.target.task(),
            operation: OPERATION.to_owned(),
            label: Label::from(&model.target),
            trees: trees
                .map(|tree| tree.nodes.iter().map(Node::from).collect())
                .collect(),
            features: model.features.names,
            categorical: model.features.categorical,
            base: model.base,
            importance,
        }
    }
}

impl From<&Target> for Label {
    fn from(target: &Target) -> Self {
        let label = Self {
            column: target.column().to_owned(),
            negative: None,
            positive: None,
            classes: None,
        };
        match target {
            Target::Number { .. } => label,
            Target::Binary(binary) => Self {
                negative: Some(binary.negative.clone()),
                positive: Some(binary.positive.clone()),
                ..label
            },
            Target::Classes(several) => Self {
                classes: Some(several.classes.clone()),
                ..label
            },
        }
    }
}

impl Label {
    /// What the label says for a task, if it is one for it.
    fn target(self, task: Task) -> Option<Target> {
        let column = self.column;
        match (task, self.negative, self.positive, self.classes) {
            (Task::Regression, None, None, None) => Some(Target::Number { column }),
            (Task::BinaryClassification, Some(negative), Some(positive), None)
                if negative != positive =>
            {
                Some(Target::Binary(BinaryLabel {
                    column,
                    negative,
                    positive,
                }))
            }
            (Task::MulticlassClassification, None, None, Some(classes))
                if classes.len() >= 2 && classes.is_sorted_by(|one, other| one < other) =>
            {
                Some(Target::Classes(ClassLabel { column, classes }))
            }
            _ => None,
        }
    }
}

impl Document {
    /// The format of a model with these categorical features.
    const fn format(categorical: &[usize]) -> &'static str {
        if categorical.is_empty() {
            Model::FORMAT
        } else {
            Model::FORMAT_2
        }
    }
}

impl TryFrom<Document> for BoostedModel {
    type Error = LearnError;

    fn try_from(document: Document) -> Result<Self, LearnError> {
        if document.format != Document::format(&document.categorical)
            || document.operation != OPERATION
        {
            return Err(malformed(format!(
                "its format is '{}' and its operation '{}'",
                document.format, document.operation
            )));
        }
        let target = document.label.target(document.task);
        let target =
            target.ok_or_else(|| malformed("its label is not that of its task".to_owned()))?;
        let outputs = match &target {
            Target::Classes(label) => label.classes.len(),
            _ => 1,
        };
        if document.base.len() != outputs || !document.trees.len().is_multiple_of(outputs) {
            return Err(malformed(
                "it has not one base and one tree a round for each output".to_owned(),
            ));
        }
        let names: std::collections::BTreeSet<_> = document.features.iter().collect();
        if names.len() != document.features.len() {
            return Err(malformed("a feature stands in it twice".to_owned()));
        }
        let features = Features {
            names: document.features,
            categorical: document.categorical,
        };
        let known = |feature: &usize| *feature < features.names.len();
        if !features.categorical.is_sorted_by(|one, other| one < other)
            || !features.categorical.iter().all(known)
        {
            return Err(malformed(
                "its categorical features are not rising indices of features".to_owned(),
            ));
        }
        let trees = read_trees(document.trees, &features)?;
        let model = Self::new(target, features, document.base, trees)?;
        if model.importance() != document.importance {
            return Err(malformed(
                "its importance is not that of its trees".to_owned(),
            ));
        }
        Ok(model)
    }
}

fn read_trees(trees: Vec<Vec<Node>>, features: &Features) -> Result<Vec<Tree>, LearnError> {
    let read = |(number, nodes): (usize, Vec<Node>)| {
        let nodes: Option<Vec<TreeNode>> = nodes.into_iter().map(Node::read).collect();
        nodes
            .map(|nodes| Tree { nodes })
            .filter(|tree| tree.is_sound(features))
            .ok_or_else(|| malformed(format!("tree number {number} is none")))
    };
    (1..).zip(trees).map(read).collect()
}
