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

/// The schema of each data source and of each table of images.
pub(super) struct Schemas<'a>(BTreeMap<Source, Cow<'a, Schema>>);

impl<'a> Schemas<'a> {
    /// Those of these data sources, and of the tables that steps make of images.
    pub fn new(
        drafts: &Drafts,
        data: &'a BTreeMap<StepName, Schema>,
        report: &mut Report<'_>,
    ) -> Self {
        let mut known: BTreeMap<Source, Cow<'a, Schema>> = BTreeMap::new();
        for (name, schema) in data {
            let source = Source::Data { data: name.clone() };
            known.insert(source, Cow::Borrowed(schema));
        }
        for (step, draft) in &drafts.steps {
            if let Parameters::Images(images) = &draft.parameters
                && let Some(schema) = of_images(draft, images, data, report)
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
    data: &BTreeMap<StepName, Schema>,
    report: &mut Report<'_>,
) -> Option<Schema> {
    let labels = match (draft.inputs.get("labels"), &images.path) {
        (Some(from), Some(path)) => {
            let Source::Data { data: name } = &from.value else {
                return None;
            };
            let schema = data.get(name)?;
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
