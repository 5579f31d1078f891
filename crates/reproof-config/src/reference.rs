//! The reference page of the pipeline file and the built-in operations, from the tables that
//! validate.

use std::fmt::Write as _;

use reproof_record::{DecimalType, LogicalType};

use crate::registry::{Needs, OPERATIONS, OperationSpec, Outputs, default_chain};
use crate::shape::{Field, Object, Shape};
use crate::tables::{PIPELINE, PROGRAM_STEP, PROJECT, STEP};

/// The reference of pipeline files, operations and `reproof.toml`, in Markdown.
pub fn reference_markdown() -> String {
    let mut out = String::from(
        "# Reference: pipeline file, operations, settings\n\n\
         <!-- Generated from the tables that validate these files. Do not edit. -->\n\n\
         ## The pipeline file\n\n",
    );
    fields(&mut out, &PIPELINE, "", 0);
    defaults(&mut out);
    out.push_str("\n### A step under `steps`\n\n");
    fields(&mut out, &STEP, "", 0);
    out.push_str(
        "\n### A program\n\nA step under `steps` that runs a program of yours, and the blocks \
         `train` and `predict` where they do. A block has no `inputs`: they follow from the other \
         blocks; `outputs` may be left out in it: they are then `{model: model/}` in `train`, \
         `{predictions: predictions.parquet}` in `predict`. Its derived seed is always part of \
         the recipe.\n\n",
    );
    fields(&mut out, &PROGRAM_STEP, "", 0);
    out.push_str(
        "\n## Operations\n\nA change that alters what an operation produces raises its version. \
         A recipe holds every parameter, so a changed default never changes what an old recipe \
         means.\n",
    );
    for spec in OPERATIONS {
        operation(&mut out, spec);
    }
    out.push_str("\n## `reproof.toml`\n\n");
    fields(&mut out, &PROJECT, "", 0);
    out
}

/// The table of default chains.
fn defaults(out: &mut String) {
    out.push_str(
        "\n### Defaults of preprocessing\n\nA feature that `preprocess` does not name is \
         preprocessed by the type of its column and the trainer; `[]` leaves the column as it is:\n\n",
    );
    default_table(out);
}

fn default_table(out: &mut String) {
    out.push_str("| type |");
    for needs in Needs::ALL {
        let trainers: Vec<_> = needs
            .trainers()
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let _ = write!(out, " {} |", trainers.join(", "));
    }
    out.push_str("\n|---|---|---|\n");
    let decimal = DecimalType::new(10, 2).map(LogicalType::Decimal);
    for logical_type in LogicalType::SIMPLE.into_iter().chain(decimal) {
        let _ = write!(out, "| {} |", logical_type.name());
        for needs in Needs::ALL {
            let _ = write!(out, " `{}` |", default_chain(needs, logical_type));
        }
        out.push('\n');
    }
}

/// A list of the fields of an object, with those inside indented.
fn fields(out: &mut String, object: &Object, path: &str, depth: usize) {
    for field in object.fields {
        let indent = "  ".repeat(depth);
        let facts = facts(field);
        let _ = writeln!(
            out,
            "{indent}- `{path}{}`{facts}: {}",
            field.name, field.doc
        );
        if let Some(inner) = inner(&field.shape) {
            let path = format!("{path}{}.", field.name);
            fields(out, inner, &path, depth + 1);
        }
    }
}

fn facts(field: &Field) -> String {
    let mut facts = vec![kind(&field.shape)];
    if field.required {
        facts.push("required".to_owned());
    }
    if let Some(default) = field.default {
        facts.push(format!("default `{default}`"));
    }
    format!(" ({})", facts.join("; "))
}

/// The object inside a shape whose fields are listed below it.
fn inner(shape: &Shape) -> Option<&'static Object> {
    match shape {
        Shape::Object(object) | Shape::Tagged(object) | Shape::OneOrNamed(object) => Some(object),
        Shape::Either(shapes) => shapes.iter().find_map(inner),
        // A program's keys have a section of their own.
        Shape::List { of, .. } | Shape::Map { of, .. } => inner(of),
        _ => None,
    }
}

/// What is wanted, in a few words; what is inside is listed below.
fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Object(_) | Shape::Step => "mapping".to_owned(),
        Shape::Tagged(_) => "one of these".to_owned(),
        Shape::Program(_) => "program".to_owned(),
        Shape::Null => "`null`".to_owned(),
        Shape::Variable => "variable".to_owned(),
        Shape::OneOrNamed(_) => "mapping, or several by name".to_owned(),
        Shape::Map { of, .. } => match kind(of) {
            of if of.contains(" or ") => format!("names to ({of})"),
            of => format!("names to {of}"),
        },
        Shape::List { of, .. } => format!("list of {}", kind(of)),
        Shape::Either(shapes) => {
            let kinds: Vec<_> = shapes.iter().map(kind).collect();
            kinds.join(" or ")
        }
        Shape::Choice { of, .. } => {
            let of: Vec<_> = of.iter().map(|text| format!("`{text}`")).collect();
            of.join(", ")
        }
        Shape::Type(of) => {
            let of = of.iter().chain(&["decimal(10, 2)"]);
            let of: Vec<_> = of.map(|text| format!("`{text}`")).collect();
            of.join(", ")
        }
        Shape::Column => "column".to_owned(),
        Shape::Name => "name".to_owned(),
        Shape::Path | Shape::DataPath => "path".to_owned(),
        other => other.wanted(),
    }
}

fn operation(out: &mut String, spec: &OperationSpec) {
    let _ = write!(
        out,
        "\n### `{}@{}`\n\n{}{}\n\n",
        spec.name,
        spec.version,
        spec.doc,
        if spec.seeded {
            " It draws at random: its derived seed is part of the recipe."
        } else {
            ""
        }
    );
    out.push_str("Inputs:\n\n");
    for input in spec.inputs {
        let optional = if input.required { "" } else { ", optional" };
        let _ = writeln!(
            out,
            "- `{}` ({}{optional}): {}",
            input.name,
            input.role.described(),
            input.doc
        );
    }
    out.push_str("\nParameters:\n\n");
    fields(out, spec.parameters, "", 0);
    out.push_str("\nOutputs:\n\n");
    let fixed = match &spec.outputs {
        Outputs::Parts => {
            out.push_str("- one table for each part\n");
            return;
        }
        Outputs::Inputs(fixed) => {
            out.push_str("- features under the name of each input\n");
            fixed
        }
        Outputs::Fixed(fixed) => fixed,
    };
    for output in *fixed {
        let _ = writeln!(
            out,
            "- `{}` ({}): {}",
            output.name,
            output.role.kind(),
            output.doc
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The book's page of the pipeline file says the same of the defaults as the code.
    #[test]
    fn the_book_has_the_table_of_defaults() {
        let mut table = String::new();
        default_table(&mut table);
        let page = include_str!("../../../docs/src/pipeline.md");
        assert!(page.contains(&table), "the page lacks\n{table}");
    }

    #[test]
    fn everything_is_in_it() {
        let text = reference_markdown();
        for spec in OPERATIONS {
            assert!(text.contains(&format!("### `{}@{}`", spec.name, spec.version)));
            for field in spec.parameters.fields {
                assert!(text.contains(field.doc), "{}", field.name);
            }
        }
        for field in PIPELINE.fields {
            assert!(text.contains(&format!("- `{}`", field.name)));
        }
    }
}
