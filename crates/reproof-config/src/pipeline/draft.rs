//! Steps as they were written, each value with its place, before the columns are known.

use std::collections::{BTreeMap, BTreeSet};

use reproof_record::{ArtifactKind, LogicalType, Program, Source, StepName};
use serde_json::{Map, Value};

use super::gates::WrittenGate;
use crate::diagnostic::{Span, Spanned};
use crate::program::ProgramSpec;
use crate::registry::{Needs, OperationSpec, Outputs, Role, Task};

/// The steps of a pipeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drafts {
    pub steps: BTreeMap<StepName, Draft>,
    /// The names of all steps, those that could not be read too.
    pub declared: BTreeSet<StepName>,
}

/// One step.
#[derive(Clone)]
pub(crate) struct Draft {
    /// What to blame if nothing closer is known.
    pub span: Span,
    pub spec: &'static OperationSpec,
    pub inputs: BTreeMap<StepName, Spanned<Source>>,
    pub parameters: Parameters,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("operation", &self.spec.name)
            .field("inputs", &self.inputs)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// The parameters of a step, by what its operation does.
#[derive(Clone, Debug)]
pub(crate) enum Parameters {
    Images(Images),
    Split(Split),
    Preprocess(Preprocess),
    Train(Train),
    Evaluate(Evaluate),
    Program(ProgramDraft),
}

/// A program of the user's.
#[derive(Clone, Debug)]
pub(crate) struct ProgramDraft {
    pub spec: ProgramSpec,
    /// Where its environment is named.
    pub environment: Span,
    /// Where it begins.
    pub begin: Span,
    /// Where its keys stand.
    pub keys: BTreeMap<String, Span>,
    pub parameters: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// The column of the labels that holds paths.
    pub path: Option<Spanned<String>>,
    /// What is added to a path.
    pub suffix: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Split {
    /// The names of the parts.
    pub parts: Vec<String>,
    /// The parameters, as the recipe holds them.
    pub parameters: Map<String, Value>,
    /// The columns that decide.
    pub columns: Vec<Spanned<String>>,
    /// Values that must be of the type of those columns.
    pub values: Vec<Spanned<Value>>,
    /// Whether the shares are the default.
    pub defaulted: bool,
}

impl Split {
    pub fn new(parts: impl Iterator<Item = String>) -> Self {
        Self {
            parts: parts.collect(),
            parameters: Map::new(),
            columns: Vec::new(),
            values: Vec::new(),
            defaulted: false,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Preprocess {
    /// The columns that become features; none stands for all but the label.
    pub features: Option<Vec<Spanned<String>>>,
    /// What is written for columns; others get a default.
    pub chains: BTreeMap<String, Chain>,
    /// The label's column, which is no feature.
    pub label: Option<Spanned<String>>,
    /// What the trainer needs, for defaults.
    pub needs: Needs,
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The column's name in the file.
    pub column: Span,
    /// The chain itself.
    pub span: Span,
    pub items: Vec<Spanned<ChainItem>>,
}

#[derive(Clone, Debug)]
pub(crate) struct ChainItem {
    pub name: &'static str,
    pub what: What,
    /// As the recipe holds it; null if it leaves nothing there.
    pub json: Value,
}

/// What an item does, as far as types go.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Nothing,
    Cast(LogicalType),
    /// With the mean or the median, which may be no value of the column.
    FillAverage(&'static str),
    /// With a value that only numbers have.
    FillNumber(&'static str),
    FillMode,
    FillConstant(Value),
    /// Numbers become numbers.
    Numbers,
    /// With this order, if one is given.
    Ordinal(Vec<Spanned<Value>>),
    OneHot,
    /// Codes, which only a trainer of trees knows to be such.
    Category,
}

impl ChainItem {
    pub fn new(name: &'static str, what: What, json: Value) -> Self {
        Self { name, what, json }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub column: Spanned<String>,
    pub positive: Option<Spanned<Value>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Train {
    /// None until the type of the label tells it.
    pub task: Option<Task>,
    pub label: Label,
    /// Every other parameter.
    pub settings: Map<String, Value>,
    /// Which of them got their defaults.
    pub defaulted: Vec<&'static str>,
    /// The features that are said to be categories.
    pub categorical: Option<Spanned<Vec<String>>>,
    /// Settings that only categories have a use for.
    pub for_categories: Vec<Spanned<&'static str>>,
}

/// What is predicted, where no trainer of ours says it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// None until the type of the label tells it.
    pub task: Option<Task>,
    pub label: Label,
}

#[derive(Clone, Debug)]
pub(crate) struct Evaluate {
    /// Of predictions that a program made.
    pub target: Option<Target>,
    /// Whether a prediction that knows only the labels is scored, too, and where that is said;
    /// only beside a target.
    pub baseline: Option<Span>,
    /// The metrics in the order of the file; none stands for all of the task.
    pub metrics: Option<Vec<Spanned<&'static str>>>,
    /// Lists of columns in the order of the file.
    pub slices: Vec<Spanned<Vec<Spanned<String>>>>,
    /// The buckets of columns, as the recipe holds them, each at its column's name.
    pub buckets: BTreeMap<String, Spanned<Value>>,
    /// Whether the confusion matrix is wanted, and where that is said.
    pub confusion_matrix: Option<Span>,
    pub gates: Vec<WrittenGate>,
}

impl Evaluate {
    /// The slices, each sorted.
    pub fn sorted_slices(&self) -> BTreeSet<Vec<String>> {
        let slices = self.slices.iter().map(|slice| {
            let columns: BTreeSet<_> = slice.value.iter().map(|column| &column.value).collect();
            columns.into_iter().cloned().collect()
        });
        slices.collect()
    }
}

impl Draft {
    /// The program of the user's, if it is one.
    pub fn program(&self) -> Option<&ProgramDraft> {
        match &self.parameters {
            Parameters::Program(program) => Some(program),
            _ => None,
        }
    }

    /// What each of its outputs is.
    pub fn outputs(&self) -> BTreeMap<StepName, Role> {
        let named = |name: &str, role| Some((StepName::new(name).ok()?, role));
        match (&self.spec.outputs, &self.parameters) {
            (_, Parameters::Program(program)) => {
                let outputs = program.spec.outputs.iter();
                outputs
                    .map(|(name, output)| (name.clone(), Role::Made(output.kind)))
                    .chain(named(Program::REPORTED, Role::Made(ArtifactKind::Metrics)))
                    .collect()
            }
            (Outputs::Parts, Parameters::Split(split)) => split
                .parts
                .iter()
                .filter_map(|name| named(name, Role::Table))
                .collect(),
            (Outputs::Inputs(fixed), _) => fixed
                .iter()
                .filter_map(|output| named(output.name, output.role))
                .chain(
                    self.inputs
                        .keys()
                        .map(|name| (name.clone(), Role::Features)),
                )
                .collect(),
            (Outputs::Fixed(fixed), _) => fixed
                .iter()
                .filter_map(|output| named(output.name, output.role))
                .collect(),
            (Outputs::Parts, _) => BTreeMap::new(),
        }
    }
}
