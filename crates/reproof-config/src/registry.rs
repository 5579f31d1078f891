//! The built-in operations: their versions, inputs, parameters and outputs.
//!
//! A change of an operation's bits raises its version. A parameter's default may change: that
//! changes what an expansion writes, never what an old recipe means, because a recipe holds every
//! parameter.

use reproof_record::{ArtifactKind, Program};

use crate::shape::Object;

mod boosting;
mod chains;
mod images;
mod parameters;
mod splits;

use boosting::BOOSTING_PARAMETERS;
pub(crate) use boosting::{BOOSTING_SETTINGS, TASK};
use chains::PREPROCESS_PARAMETERS;
pub(crate) use chains::{CHAIN, Needs, default_chain};
use images::IMAGE_PARAMETERS;
pub(crate) use images::{IMAGE_PATH_FIELD, IMAGE_SUFFIX_FIELD};
use parameters::{
    EVALUATE_PARAMETERS, EVALUATE_PREDICTIONS_PARAMETERS, LINEAR_PARAMETERS, LOGISTIC_PARAMETERS,
};
pub(crate) use parameters::{
    LABEL, LINEAR_SETTINGS, LOGISTIC_SETTINGS, METRICS_FIELD, SLICE, SLICES_FIELD,
};
pub(crate) use splits::{DEFAULT_RATIOS, SPLIT};
use splits::{INDEXED_PARAMETERS, RANDOM_PARAMETERS, STRATIFIED_PARAMETERS, TIME_PARAMETERS};

pub(crate) use parameters::{BUCKETS_FIELD, CONFUSION_MATRIX_FIELD};

/// What a model is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Two classes.
    Classification,
    /// Several classes.
    Multiclass,
    /// A number.
    Regression,
}

impl Task {
    /// The metrics that are computed where none are asked for, in the order in which they are
    /// shown.
    pub(crate) const fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Classification => &["roc_auc", "accuracy", "log_loss"],
            Self::Multiclass => &["accuracy", "f1_macro", "log_loss"],
            Self::Regression => &["rmse", "mae", "r2"],
        }
    }

    /// All the metrics of the task.
    pub(crate) const fn all_metrics(self) -> &'static [&'static str] {
        match self {
            Self::Classification => &[
                "roc_auc",
                "pr_auc",
                "accuracy",
                "balanced_accuracy",
                "precision",
                "recall",
                "f1",
                "log_loss",
                "brier",
            ],
            Self::Multiclass => &[
                "accuracy",
                "balanced_accuracy",
                "precision_macro",
                "precision_micro",
                "precision_weighted",
                "recall_macro",
                "recall_micro",
                "recall_weighted",
                "f1_macro",
                "f1_micro",
                "f1_weighted",
                "roc_auc_macro",
                "pr_auc_macro",
                "log_loss",
                "brier",
            ],
            Self::Regression => &["rmse", "mae", "mape", "r2"],
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification of two classes",
            Self::Multiclass => "classification of several classes",
            Self::Regression => "regression",
        }
    }

    /// As the parameter `task` of a trainer of several tasks.
    pub(crate) const fn parameter(self) -> &'static str {
        match self {
            Self::Classification => "binary_classification",
            Self::Multiclass => "multiclass_classification",
            Self::Regression => "regression",
        }
    }

    /// The task of this parameter.
    pub(crate) fn of_parameter(parameter: &str) -> Option<Self> {
        [Self::Classification, Self::Multiclass, Self::Regression]
            .into_iter()
            .find(|task| task.parameter() == parameter)
    }
}

/// The metrics of every task.
pub(crate) const METRICS: &[&str] = &[
    "roc_auc",
    "accuracy",
    "log_loss",
    "rmse",
    "mae",
    "r2",
    "pr_auc",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "brier",
    "mape",
    "precision_macro",
    "precision_micro",
    "precision_weighted",
    "recall_macro",
    "recall_micro",
    "recall_weighted",
    "f1_macro",
    "f1_micro",
    "f1_weighted",
    "roc_auc_macro",
    "pr_auc_macro",
];

/// What an input takes and an output is, finer than the kind of its artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A table with the columns of a data source.
    Table,
    /// The files of a data source that is no table.
    Files,
    /// A table of preprocessed, numeric features.
    Features,
    /// A trained model.
    Model,
    /// The fitted state of a preprocessing.
    State,
    Metrics,
    Predictions,
    /// Something of this kind that a program of the user's made.
    Made(ArtifactKind),
}

impl Role {
    pub const fn kind(self) -> ArtifactKind {
        match self {
            Self::Table | Self::Features | Self::Predictions => ArtifactKind::Table,
            Self::Model | Self::State => ArtifactKind::Model,
            Self::Metrics => ArtifactKind::Metrics,
            Self::Files => ArtifactKind::Files,
            Self::Made(kind) => kind,
        }
    }

    pub const fn described(self) -> &'static str {
        match self {
            Self::Table => "a table of data or of a part of it",
            Self::Files => "the files of a data source",
            Self::Features => "preprocessed features",
            Self::Model => "a trained model",
            Self::State => "the state of a preprocessing",
            Self::Metrics => "metrics",
            Self::Predictions => "predictions",
            Self::Made(ArtifactKind::Table) => "a table that a program makes",
            Self::Made(ArtifactKind::Model) => "a model that a program makes",
            Self::Made(ArtifactKind::Metrics) => "metrics that a program makes",
            Self::Made(ArtifactKind::Report) => "a report that a program makes",
            Self::Made(_) => "files that a program makes",
        }
    }

    /// Whether an input of this role takes what is of the other.
    pub fn takes(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Predictions, Self::Made(ArtifactKind::Table))
    }
}

/// An input of an operation.
pub(crate) struct Input {
    pub name: &'static str,
    pub role: Role,
    pub required: bool,
    pub doc: &'static str,
}

/// The outputs of an operation.
pub(crate) enum Outputs {
    /// Always these.
    Fixed(&'static [Output]),
    /// A table for every part that the parameters name.
    Parts,
    /// These, and features for every input that is given.
    Inputs(&'static [Output]),
}

/// An output of an operation.
pub(crate) struct Output {
    pub name: &'static str,
    pub role: Role,
    pub doc: &'static str,
}

/// What sets an operation apart for the checks of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Makes a table of images.
    Images,
    Split,
    Preprocess,
    /// Trains for this task; none if its parameter `task` says which.
    Train(Option<Task>),
    Evaluate,
    /// Runs a program of the user's.
    Program,
}

/// A built-in operation.
pub(crate) struct OperationSpec {
    pub name: &'static str,
    pub version: u32,
    pub doc: &'static str,
    pub action: Action,
    pub inputs: &'static [Input],
    pub parameters: &'static Object,
    pub outputs: Outputs,
    /// Whether it draws numbers at random, so that a derived seed is part of the recipe.
    pub seeded: bool,
}

impl OperationSpec {
    pub fn input(&self, name: &str) -> Option<&'static Input> {
        self.inputs.iter().find(|input| input.name == name)
    }
}

static NO_PARAMETERS: Object = Object {
    noun: "parameter",
    fields: &[],
    later: &[],
};

/// What stands for every program of the user's. It is no operation that a person names; inputs,
/// parameters and outputs are the program's own.
pub(crate) static PROGRAM: OperationSpec = OperationSpec {
    name: Program::OPERATION,
    version: 1,
    doc: "Runs a program.",
    action: Action::Program,
    inputs: &[],
    parameters: &NO_PARAMETERS,
    outputs: Outputs::Fixed(&[]),
    seeded: true,
};

/// The operation of this name.
pub(crate) fn operation(name: &str) -> Option<&'static OperationSpec> {
    OPERATIONS.iter().find(|spec| spec.name == name)
}

const fn input(name: &'static str, role: Role, doc: &'static str) -> Input {
    Input {
        name,
        role,
        required: true,
        doc,
    }
}

const fn optional(name: &'static str, role: Role, doc: &'static str) -> Input {
    Input {
        required: false,
        ..input(name, role, doc)
    }
}

const SPLIT_INPUTS: &[Input] = &[input("table", Role::Table, "The table to divide.")];

const TRAIN_FEATURES: Input = input(
    "features",
    Role::Features,
    "The preprocessed training part.",
);

const TRAIN_TABLE: Input = input(
    "table",
    Role::Table,
    "The training part, which holds the label.",
);

const TRAIN_INPUTS: &[Input] = &[TRAIN_FEATURES, TRAIN_TABLE];

const BOOSTING_INPUTS: &[Input] = &[
    TRAIN_FEATURES,
    TRAIN_TABLE,
    optional(
        "eval_features",
        Role::Features,
        "The preprocessed part that early stopping decides by.",
    ),
    optional(
        "eval_table",
        Role::Table,
        "That part itself, which holds the label.",
    ),
];

const TRAIN_OUTPUTS: Outputs = Outputs::Fixed(&[Output {
    name: "model",
    role: Role::Model,
    doc: "The model, as JSON.",
}]);

const EVALUATE_OUTPUTS: Outputs = Outputs::Fixed(&[
    Output {
        name: "metrics",
        role: Role::Metrics,
        doc: "The metrics, as JSON.",
    },
    Output {
        name: "predictions",
        role: Role::Predictions,
        doc: "The prediction for each row.",
    },
]);

/// Every built-in operation.
pub(crate) static OPERATIONS: &[OperationSpec] = &[
    OperationSpec {
        name: "image_table",
        version: 1,
        doc: "Makes a table of the images among files: a row for each, with its path, width, height, \
              format and digest. The labels are the names of the folders, or a table that says where \
              the image of each of its rows is.",
        action: Action::Images,
        inputs: &[
            input("files", Role::Files, "The files."),
            optional(
                "labels",
                Role::Table,
                "A row for each image, or for several of one. Left out, the first folder of its path is \
                 the label of an image, in the column `label`.",
            ),
        ],
        parameters: &IMAGE_PARAMETERS,
        outputs: Outputs::Fixed(&[Output {
            name: "table",
            role: Role::Table,
            doc: "The columns of the labels, or `label`; and `image`, `image_width`, `image_height`, \
                  `image_format` and `image_digest`.",
        }]),
        seeded: false,
    },
    OperationSpec {
        name: "split_random",
        version: 1,
        doc: "Divides the rows of a table at random. The part of a row follows from the seed and \
              the row's content, so that adding rows moves no other and equal rows share a part.",
        action: Action::Split,
        inputs: SPLIT_INPUTS,
        parameters: &RANDOM_PARAMETERS,
        outputs: Outputs::Parts,
        seeded: true,
    },
    OperationSpec {
        name: "split_stratified",
        version: 1,
        doc: "Divides the rows of a table at random, so that every value of a column has its share \
              of each part. Equal rows share a part.",
        action: Action::Split,
        inputs: SPLIT_INPUTS,
        parameters: &STRATIFIED_PARAMETERS,
        outputs: Outputs::Parts,
        seeded: true,
    },
    OperationSpec {
        name: "split_time",
        version: 1,
        doc: "Divides the rows of a table in the order of a column, by shares or at boundaries: \
              `train` is the earliest, `test` the latest. Rows of one time share a part.",
        action: Action::Split,
        inputs: SPLIT_INPUTS,
        parameters: &TIME_PARAMETERS,
        outputs: Outputs::Parts,
        seeded: false,
    },
    OperationSpec {
        name: "split_indexed",
        version: 1,
        doc: "Divides the rows of a table as a column of it says.",
        action: Action::Split,
        inputs: SPLIT_INPUTS,
        parameters: &INDEXED_PARAMETERS,
        outputs: Outputs::Parts,
        seeded: false,
    },
    OperationSpec {
        name: "preprocess",
        version: 1,
        doc: "Turns columns into numeric features. What is learned from data (means, standard \
              deviations, categories) is learned from the training part only.",
        action: Action::Preprocess,
        inputs: &[
            input("train", Role::Table, "The part that is fitted on."),
            optional("eval", Role::Table, "A part to transform."),
            optional("test", Role::Table, "A part to transform."),
        ],
        parameters: &PREPROCESS_PARAMETERS,
        outputs: Outputs::Inputs(&[Output {
            name: "state",
            role: Role::State,
            doc: "What was fitted, as JSON; serving uses it, too.",
        }]),
        seeded: false,
    },
    OperationSpec {
        name: "train_logistic_regression",
        version: 1,
        doc: "Fits a logistic regression with an L2 penalty to a label of two classes.",
        action: Action::Train(Some(Task::Classification)),
        inputs: TRAIN_INPUTS,
        parameters: &LOGISTIC_PARAMETERS,
        outputs: TRAIN_OUTPUTS,
        seeded: false,
    },
    OperationSpec {
        name: "train_linear_regression",
        version: 1,
        doc: "Fits a linear regression with an L2 penalty to a numeric label.",
        action: Action::Train(Some(Task::Regression)),
        inputs: TRAIN_INPUTS,
        parameters: &LINEAR_PARAMETERS,
        outputs: TRAIN_OUTPUTS,
        seeded: false,
    },
    OperationSpec {
        name: "train_gradient_boosting",
        version: 1,
        doc: "Grows gradient-boosted trees, for a label of two or several classes or a number. \
              Features may have missing values.",
        action: Action::Train(None),
        inputs: BOOSTING_INPUTS,
        parameters: &BOOSTING_PARAMETERS,
        outputs: TRAIN_OUTPUTS,
        seeded: true,
    },
    OperationSpec {
        name: "evaluate",
        version: 1,
        doc: "Predicts the rows of a part and computes metrics with 95 % intervals, overall and on \
              slices.",
        action: Action::Evaluate,
        inputs: &[
            input("model", Role::Model, "The model."),
            input("features", Role::Features, "The preprocessed part."),
            input(
                "table",
                Role::Table,
                "The part itself, which holds the label and the columns of slices.",
            ),
            optional(
                "training",
                Role::Table,
                "The training part. If it is given, the metrics also say what a prediction would \
                 score that knows only its labels: their shares, or their mean.",
            ),
        ],
        parameters: &EVALUATE_PARAMETERS,
        outputs: EVALUATE_OUTPUTS,
        seeded: true,
    },
    OperationSpec {
        name: "evaluate_predictions",
        version: 1,
        doc: "Computes the metrics of `evaluate` of predictions that a program made.",
        action: Action::Evaluate,
        inputs: &[
            input(
                "predictions",
                Role::Predictions,
                "The predictions, a row for each row of the part in its order.",
            ),
            input(
                "table",
                Role::Table,
                "The part that was predicted, which holds the label and the columns of slices.",
            ),
            optional(
                "training",
                Role::Table,
                "The training part, whose labels say which classes there are. Left out, those of \
                 the part do.",
            ),
        ],
        parameters: &EVALUATE_PREDICTIONS_PARAMETERS,
        outputs: EVALUATE_OUTPUTS,
        seeded: true,
    },
];
