//! The columns of tables, as far as they are known before anything runs: those of data, of tables of
//! images, and of their parts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use reproof_record::{Schema, SchemaError, Source, StepName, image_table_schema};

use super::columns::check_column;
use super::draft::{Draft, Drafts, Images, Parameters};
use super::links;
use crate::diagnostic::Report;
use crate::names::shown;

/// The schema of each data source, and of each table that a program or a step of images makes.
pub(super) struct Schemas<'a>(BTreeMap<Source, Cow<'a, Schema>>);

impl<'a> Schemas<'a> {
    /// Those that are known, and those of the tables that steps make of images.
    pub fn new(
        drafts: &Drafts,
        columns: &'a BTreeMap<Source, Schema>,
        report: &mut Report<'_>,
    ) -> Self {
        let known = columns.iter();
        let known = known.map(|(source, schema)| (source.clone(), Cow::Borrowed(schema)));
        let mut known: BTreeMap<_, _> = known.collect();
        for (step, draft) in &drafts.steps {
            if let Parameters::Images(images) = &draft.parameters
                && let Some(schema) = of_images(draft, images, columns, report)
                && let Ok(output) = StepName::new("table")
            {
                let step = step.clone();
                known.insert(Source::Output { step, output }, Cow::Owned(schema));
            }
        }
        Self(known)
    }

    /// The columns of a table, and what first had them.
    pub fn of<'s>(
        &'s self,
        drafts: &'s Drafts,
        table: &'s Source,
    ) -> Option<(&'s Source, &'s Schema)> {
        let first = links::columns_of(drafts, table)?;
        Some((first, self.0.get(first)?))
    }
}

/// The columns of a table of images.
fn of_images(
    draft: &Draft,
    images: &Images,
    columns: &BTreeMap<Source, Schema>,
    report: &mut Report<'_>,
) -> Option<Schema> {
    let labels = match (draft.inputs.get("labels"), &images.path) {
        (Some(from), Some(path)) => {
            let schema = columns.get(&from.value)?;
            check_column(schema, path, report)?;
            Some((from, schema, path.value.as_str()))
        }
        _ => None,
    };
    match image_table_schema(labels.map(|(_, schema, path)| (schema, path))) {
        Ok(schema) => Some(schema),
        Err(error) => {
            let at = labels.map_or(draft.span, |(from, ..)| from.span);
            let message = match error {
                SchemaError::DuplicateColumn(name) => format!(
                    "the labels have a column '{}', as the table of images has of its own",
                    shown(&name)
                ),
                error => error.to_string(),
            };
            report.hinted(at, message, "give that column of the labels another name");
            None
        }
    }
}
