//! Predictions for the rows of a file, by the model of a record, bit for bit as an evaluation of
//! that record would predict them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use reproof_learn::{LearnError, Matrix, Model};
use reproof_record::{
    Artifact, Column, LogicalType, RecipeStep, Record, RecordId, Schema, Source, StepName,
};
use reproof_store::Store;
use reproof_store::fs::FileKind;
use reproof_table::preprocess::Fitted;
use reproof_table::{
    ColumnData, CsvProblem, FileFormat, SnapshotOptions, StatisticsLevel, Table, TableError,
    Threads, Unfit, read_table, snapshot_file,
};

use crate::operations::read_document;
use crate::{Cancel, EngineError, OperationError, Project, read_record};

/// What to predict, and how.
#[derive(Clone, Debug)]
pub struct PredictOptions {
    /// The file with the rows.
    pub file: PathBuf,
    /// What the file is.
    pub format: FileFormat,
    /// The columns of the file that stand before the predictions.
    pub keep: Vec<String>,
    /// How many threads to use; changes no result.
    pub threads: Threads,
}

/// The predictions for the rows of a file.
#[derive(Debug)]
pub struct Predicted {
    /// The columns that were kept; for a classification the predicted `class`; then the columns of
    /// an evaluation's table of predictions.
    pub table: Table,
    /// The step that trained the model.
    pub step: StepName,
}

/// Predicts the rows of a file with the model of a record and its preprocessing.
///
/// # Errors
/// If the record has no model on preprocessed features, or the file has not the columns that the
/// features are made of, with values of their types, or numbers that are such values; each missing
/// column is named.
pub fn predict(
    project: &Project,
    record: &RecordId,
    options: &PredictOptions,
    cancel: &Cancel,
) -> Result<Predicted, EngineError> {
    let record = read_record(project, record)?;
    let recorded = Recorded::of(&record)?;
    let store = &project.store;
    let state: Fitted = read_document(store, &recorded.state, "state.json").map_err(unusable)?;
    let model: Model = read_document(store, &recorded.model, "model.json").map_err(unusable)?;
    let trained_on = store.table_object(&recorded.training.digest)?.schema;
    let wanted: Vec<Column> = state
        .features()
        .filter_map(|name| trained_on.column(name).cloned())
        .collect();
    let table = read_file(project, &wanted, options, cancel)?;
    let suited = suited(&table, &wanted, &options.file)?;
    let features = state
        .apply(&suited, options.threads)
        .map_err(|error| in_file(&options.file, error))?;
    let predictions = Matrix::from_table(&features)
        .and_then(|features| model.predict(&features, options.threads))
        .map_err(|error| wrong_values(&options.file, &error))?;
    let predicted = predictions
        .to_table()
        .map_err(|error| EngineError::Bug(error.to_string()))?;
    let classes = predictions.classes(&model.target());
    Ok(Predicted {
        table: join(&table, &options.keep, classes, &predicted)?,
        step: recorded.step,
    })
}

/// What of a record predicts.
struct Recorded {
    step: StepName,
    model: Artifact,
    state: Artifact,
    /// The part that the preprocessing was fitted on.
    training: Artifact,
}

impl Recorded {
    /// The model that is evaluated, or the first that is trained, with its preprocessing.
    fn of(record: &Record) -> Result<Self, EngineError> {
        let steps = &record.recipe.steps;
        let programs = steps.values().any(|step| step.program.is_some());
        let no_model = || EngineError::Usage {
            message: "the record holds no built-in model on preprocessed features".to_owned(),
            hint: programs.then(|| {
                "what a program made of its training only a program can predict: as a step of a \
                 pipeline"
                    .to_owned()
            }),
        };
        let evaluated = steps.values().find_map(|step| {
            let model = step.inputs.get("model")?;
            is(step, "evaluate").then(|| made_by(model)).flatten()
        });
        let step = evaluated
            .or_else(|| {
                let mut all = steps.iter();
                all.find_map(|(name, step)| is(step, "train_").then_some(name))
            })
            .ok_or_else(no_model)?;
        let found = || {
            let model = *record.results.get(step)?.get("model")?;
            let preprocess = made_by(steps.get(step)?.inputs.get("features")?)?;
            let state = *record.results.get(preprocess)?.get("state")?;
            let training = steps.get(preprocess)?.inputs.get("train")?;
            let training = artifact(record, training)?;
            Some(Self {
                step: step.clone(),
                model,
                state,
                training,
            })
        };
        found().ok_or_else(no_model)
    }
}

fn is(step: &RecipeStep, prefix: &str) -> bool {
    step.operation.name.as_str().starts_with(prefix)
}

fn made_by(source: &Source) -> Option<&StepName> {
    match source {
        Source::Output { step, .. } => Some(step),
        Source::Data { .. } => None,
    }
}

/// What an input of a record's step was.
pub(crate) fn artifact(record: &Record, source: &Source) -> Option<Artifact> {
    match source {
        Source::Data { data } => record.recipe.data.get(data).copied(),
        Source::Output { step, output } => record.results.get(step)?.get(output).copied(),
    }
}

/// Reads the file as a table that has the columns of the features. In a CSV file these are read by
/// the types they were fitted with; other files have types of their own.
fn read_file(
    project: &Project,
    wanted: &[Column],
    options: &PredictOptions,
    cancel: &Cancel,
) -> Result<Table, EngineError> {
    let pinned =
        Schema::new(wanted.to_vec()).map_err(|error| EngineError::Bug(error.to_string()))?;
    let path = find(project, &options.file)?;
    let scratch = project.store.scratch()?;
    let (store, format) = (Store::clone(&scratch), options.format.clone());
    let snapshot = SnapshotOptions {
        pinned: Some(pinned),
        statistics: StatisticsLevel::None,
        ..SnapshotOptions::default()
    };
    let read = cancel.wait_for(move || read_table_of(&store, &path, &format, &snapshot))?;
    let table = read.map_err(|error| in_file(&options.file, error))?;
    let missing: Vec<String> = wanted
        .iter()
        .filter(|column| table.column(&column.name).is_none())
        .map(|column| format!("'{}' ({})", column.name, column.logical_type))
        .collect();
    if missing.is_empty() {
        return Ok(table);
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    Err(EngineError::Usage {
        message: format!(
            "{} has no column{plural} {}, which the model needs",
            options.file.display(),
            missing.join(", ")
        ),
        hint: Some(
            "the columns are found by their names, in any order; others are ignored".to_owned(),
        ),
    })
}

/// The table with the columns of the features in the types they were fitted with, where that changes
/// no value.
fn suited<'a>(
    table: &'a Table,
    wanted: &[Column],
    file: &Path,
) -> Result<Cow<'a, Table>, EngineError> {
    let is_suited = |column: &Column| table.schema().column(&column.name) == Some(column);
    if wanted.iter().all(is_suited) {
        return Ok(Cow::Borrowed(table));
    }
    let mut columns = Vec::with_capacity(wanted.len());
    for Column { name, logical_type } in wanted {
        let data = table.column(name).ok_or_else(|| {
            EngineError::Bug(format!("the column '{name}' was found, and is not there"))
        })?;
        if data.logical_type() == *logical_type {
            columns.push(data.clone());
            continue;
        }
        let found = data.logical_type();
        let named = format!("{}: column '{name}' is {found}", file.display());
        columns.push(data.converted(*logical_type).map_err(|unfit| match unfit {
            Unfit::Value { row, value } => EngineError::Usage {
                message: format!(
                    "{named}, and {logical_type} for the model, which does not hold {value} of row {}",
                    row + 1
                ),
                hint: Some("numbers are converted where that changes none of them".to_owned()),
            },
            _ => EngineError::usage(format!("{named}, and {logical_type} for the model")),
        })?);
    }
    let schema =
        Schema::new(wanted.to_vec()).map_err(|error| EngineError::Bug(error.to_string()))?;
    let suited =
        Table::new(schema, columns).map_err(|error| EngineError::Bug(error.to_string()))?;
    Ok(Cow::Owned(suited))
}

/// The regular file that a path leads to.
fn find(project: &Project, file: &Path) -> Result<PathBuf, EngineError> {
    let usage = |what: &str| EngineError::usage(format!("{what} {}", file.display()));
    let path = match project.io().canonicalize(file) {
        Err(error) if error.is_not_found() => return Err(usage("there is no file")),
        found => found?,
    };
    match project.io().metadata(&path)?.kind {
        FileKind::File => Ok(path),
        // A pipe cannot be read twice, a device might never end.
        _ => Err(usage("not a regular file:")),
    }
}

fn read_table_of(
    store: &Store,
    path: &Path,
    format: &FileFormat,
    options: &SnapshotOptions,
) -> Result<Table, TableError> {
    let mut batch = store.batch();
    let read = snapshot_file(store, &mut batch, path, format, options)?;
    batch.commit()?;
    read_table(store, &read.stored.artifact.digest, None)
}

/// The kept columns, the classes and the predictions beside each other.
fn join(
    table: &Table,
    keep: &[String],
    classes: Option<Vec<String>>,
    predicted: &Table,
) -> Result<Table, EngineError> {
    let mut columns = Vec::new();
    let mut data = Vec::new();
    for name in keep {
        let (Some(column), Some(values)) = (table.schema().column(name), table.column(name)) else {
            let message = format!("there is no column '{name}' to keep");
            return Err(EngineError::usage(message));
        };
        columns.push(column.clone());
        data.push(values.clone());
    }
    if let Some(classes) = classes {
        columns.push(Column {
            name: "class".to_owned(),
            logical_type: LogicalType::String,
        });
        let classes = classes.iter().map(|class| Some(class.as_str()));
        data.push(ColumnData::String(classes.collect()));
    }
    columns.extend(predicted.schema().columns().iter().cloned());
    data.extend(predicted.columns().iter().cloned());
    let schema = Schema::new(columns).map_err(|error| EngineError::Usage {
        message: format!("the columns of the predictions: {error}"),
        hint: Some("a column that is kept may not be named as one of the predictions".to_owned()),
    })?;
    Table::new(schema, data).map_err(|error| EngineError::Bug(error.to_string()))
}

/// What is wrong with the file; the trouble of the scratch store is the store's.
fn in_file(file: &Path, error: TableError) -> EngineError {
    match error {
        TableError::Store(error) => error.into(),
        TableError::Csv {
            line,
            problem:
                CsvProblem::Pinned {
                    column,
                    value,
                    pinned,
                    found,
                },
            ..
        } => {
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            EngineError::Usage {
                message: format!(
                    "{}{line}: column '{column}' is {pinned} for the model, and '{value}' is {found}",
                    file.display()
                ),
                hint: Some(format!(
                    "if '{value}' stands for a missing value, say so with --null, once for each such \
                     text of the file"
                )),
            }
        }
        error => {
            let (message, name) = (error.to_string(), file.display().to_string());
            // Most errors name the file themselves.
            EngineError::usage(if message.contains(&name) {
                message
            } else {
                format!("{name}: {message}")
            })
        }
    }
}

fn wrong_values(file: &Path, error: &LearnError) -> EngineError {
    EngineError::usage(format!("{}: {error}", file.display()))
}

/// A document of the record that cannot be read.
pub(crate) fn unusable(error: OperationError) -> EngineError {
    match error {
        OperationError::Store(error) | OperationError::Table(TableError::Store(error)) => {
            error.into()
        }
        other => EngineError::Impossible(format!("the record cannot be used: {other}")),
    }
}
