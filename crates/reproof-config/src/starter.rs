//! The first pipeline file, as `reproof init` writes it.

use reproof_record::{LogicalType, Schema};

use crate::pipeline::print::quoted;
use crate::registry::Task;

/// A good first pipeline file for a table and a task: valid for it, and explained by comments.
///
/// `csv` is the path inside the project, and the file is meant to lie in the folder `pipelines`.
pub fn starter_pipeline_for(
    task: Task,
    name: &str,
    csv: &str,
    schema: &Schema,
    label: &str,
) -> String {
    let (trainer, other, metrics, gate) = match task {
        Task::Classification | Task::Multiclass => (
            "logistic_regression",
            "linear_regression, for a label that is a number",
            "roc_auc, accuracy, log_loss",
            "roc_auc >= 0.75",
        ),
        Task::Regression => (
            "linear_regression",
            "logistic_regression, for a label of two classes",
            "rmse, mae, r2",
            "r2 >= 0.5",
        ),
    };
    let positive = match task {
        Task::Classification | Task::Multiclass => {
            "# Where the positive class is not plain: label: {column: ..., positive: \"Yes\"}\n"
        }
        Task::Regression => "",
    };
    format!(
        "# yaml-language-server: $schema=../.reproof/pipeline.schema.json\n\
         pipeline: {name}\n\
         seed: 42\n\
         \n\
         # Pinned in reproof.lock; paths are from the project's folder.\n\
         data: {{csv: {csv}}}\n\
         \n\
         # What is to be predicted.\n\
         {positive}\
         label: {label}\n\
         \n\
         # What it is predicted from. Left out, all columns but the label.\n\
         {features}\
         \n\
         # Rows are divided by a hash of their content, so that new rows never move old ones.\n\
         split: {{random: {{train: 0.7, eval: 0.15, test: 0.15}}}}\n\
         \n\
         # Features not named here get a default by their type; `reproof plan` prints it.\n\
         preprocess: {{}}\n\
         \n\
         # Or {other}.\n\
         train: {{{trainer}: {{l2: 1.0}}}}\n\
         \n\
         evaluate:\n\
         \x20 on: eval                       # `reproof run --final` scores test instead\n\
         \x20 metrics: [{metrics}]\n\
         \x20 # slices: [{slice}]\n\
         \x20 # require: [{gate}]     # a run that does not meet this fails\n",
        name = quoted(name),
        csv = quoted(csv),
        label = quoted(label),
        features = features(schema, label),
        slice = slice(schema, label),
    )
}

/// The list of features, a column a line.
fn features(schema: &Schema, label: &str) -> String {
    /// A key in a list may be long, a list of thousands helps nobody.
    const MOST: usize = 200;
    let names: Vec<_> = schema
        .columns()
        .iter()
        .filter(|column| column.name != label)
        .map(|column| format!("  - {}\n", quoted(&column.name)))
        .collect();
    if names.is_empty() || names.len() > MOST {
        return String::from("# features: [...]\n");
    }
    format!("features:\n{}", names.concat())
}

/// A column that would do for slices, for a comment.
fn slice(schema: &Schema, label: &str) -> String {
    let suits = |logical_type| matches!(logical_type, LogicalType::String | LogicalType::Boolean);
    schema
        .columns()
        .iter()
        .find(|column| column.name != label && suits(column.logical_type))
        .map_or_else(|| "COLUMN".to_owned(), |column| quoted(&column.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use reproof_record::{Column, Source};

    use super::*;
    use crate::{ExpandOptions, parse_pipeline};

    proptest! {
        #[test]
        fn it_is_valid_for_every_table(
            names in prop::collection::btree_set("\\PC{1,12}|[\\n\\t\"'#:-]{1,3}|no|1|~", 2..6),
            kinds in prop::collection::vec(0usize..4, 6),
        ) {
            let types = [
                LogicalType::Boolean, LogicalType::Integer, LogicalType::Float, LogicalType::String,
            ];
            let columns: Vec<_> = names
                .iter()
                .zip(&kinds)
                .map(|(name, kind)| Column { name: name.clone(), logical_type: types[*kind] })
                .collect();
            let label = columns[0].name.clone();
            let schema = Schema::new(columns).unwrap();
            let numeric = schema.column(&label).unwrap().logical_type.is_numeric();
            let task = if numeric { Task::Regression } else { Task::Classification };
            let text = starter_pipeline_for(task, "first", "data/a b.csv", &schema, &label);
            let pipeline = parse_pipeline("f", &text, &[]).unwrap();
            let data = Source::Data { data: "data".parse().unwrap() };
            let schemas = BTreeMap::from([(data, schema)]);
            pipeline.expand(&schemas, &BTreeMap::new(), &ExpandOptions::default()).unwrap();
        }
    }
}
