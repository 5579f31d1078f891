//! Pipeline files: from text to steps whose links are checked, and with the schemas of the data
//! to the [`Graph`] that is run.

mod blocks;
mod chains;
mod columns;
mod cycles;
mod draft;
mod early;
mod expand;
mod expect;
mod final_look;
mod gates;
mod graph;
mod links;
mod parameters;
pub(crate) mod print;
mod programs;
mod schemas;
pub(crate) mod source;
mod splits;
mod sql;
mod steps;
mod tasks;
mod tolerance;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use reproof_record::{Expectation, Source, StepName};

pub use early::Early;
pub use expand::ExpandOptions;
pub use gates::parse_bound;
pub use graph::{Graph, Note};
pub use source::{
    CsvOptions, DataFormat, DataFrom, DataSource, Place, StatisticsOption, check_address,
};
pub use sql::{PostgresServer, QueryText, SqlQuery};

use crate::check::check_object;
use crate::diagnostic::{Diagnostics, LineOrigin, Report, Sources, Span};
use crate::tables::{BLOCKS, PIPELINE};
use crate::tree::{Node, Override, apply, override_source, parse_yaml};
use draft::Drafts;

/// A pipeline file that is valid as far as can be told without its data.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name; no part of the recipe.
    pub name: String,
    /// The seed from which steps derive theirs: 0 unless it is given, at most 2^53 - 1.
    pub seed: u64,
    /// The seed from which steps that divide rows derive theirs instead; none if it is `seed`, too.
    pub split_seed: Option<u64>,
    /// The data by name; a single source without a name of its own is called `data`.
    pub data: BTreeMap<StepName, DataFrom>,
    expect: BTreeMap<Source, expect::Expected>,
    tolerance: Vec<tolerance::Written>,
    drafts: Drafts,
    sources: Sources,
}

/// Parses a pipeline file. `file` is its name for messages; overrides are put into the tree before
/// it is validated, the later ones over the earlier.
///
/// # Errors
/// Everything that is wrong as far as can be told without the data.
pub fn parse_pipeline(
    file: &str,
    text: &str,
    overrides: &[Override],
) -> Result<Pipeline, Diagnostics> {
    parse_written_pipeline(file, text, Vec::new(), overrides)
}

/// Parses a pipeline that a program wrote: each line of the text comes from one of these lines, and
/// what is wrong in it is told of that. Without them it is a pipeline file.
///
/// # Errors
/// As [`parse_pipeline`].
pub fn parse_written_pipeline(
    file: &str,
    text: &str,
    origins: Vec<LineOrigin>,
    overrides: &[Override],
) -> Result<Pipeline, Diagnostics> {
    let mut sources = Sources::default();
    let main = sources.add_written(file, text, origins);
    let sets: Vec<_> = overrides
        .iter()
        .map(|set| (set, override_source(set, &mut sources)))
        .collect();
    let (outcome, parsed) = {
        let mut report = Report::new(&sources);
        let parsed = parse_yaml(text, main, 0, &mut report).and_then(|mut root| {
            for (set, source) in sets {
                apply(&mut root, set, source, &mut report);
            }
            read(&root, &mut report)
        });
        if parsed.is_none() && report.count() == 0 {
            report.error(Span::default(), "this is not a pipeline file");
        }
        (report.finish(), parsed)
    };
    outcome?;
    // Without an error everything was read.
    let (name, [seed, split_seed], data, expect, tolerance, drafts) = parsed.unwrap_or_default();
    Ok(Pipeline {
        name,
        seed: seed.unwrap_or(0),
        split_seed,
        data,
        expect,
        tolerance,
        drafts,
        sources,
    })
}

impl Pipeline {
    /// What data must meet, and tables of [`Pipeline::early`], each in the order of the file. It is no
    /// part of the recipe.
    pub fn expectations(&self) -> impl Iterator<Item = (&Source, Vec<&Expectation>)> {
        self.expect.iter().map(|(source, expected)| {
            let all = expected.all.iter().map(|written| &written.expectation);
            (source, all.collect())
        })
    }

    /// The same of one of them.
    pub(crate) fn expected(&self, source: &Source) -> Vec<&Expectation> {
        let expected = self.expect.get(source).into_iter();
        let all = expected.flat_map(|expected| &expected.all);
        all.map(|written| &written.expectation).collect()
    }
}

type Read = (
    String,
    [Option<u64>; 2],
    BTreeMap<StepName, DataFrom>,
    BTreeMap<Source, expect::Expected>,
    Vec<tolerance::Written>,
    Drafts,
);

fn read(root: &Node, report: &mut Report<'_>) -> Option<Read> {
    let at = root
        .entries()
        .first()
        .map_or(root.span, |entry| entry.key.span);
    if root.is_invalid() {
        return None;
    }
    if !matches!(root.value, crate::tree::Value::Map(_)) {
        let message = format!("a pipeline file is a mapping, found {}", root.describe());
        report.hinted(
            at,
            message,
            "begin with 'pipeline: NAME'; 'reproof init' writes one to start from",
        );
        return None;
    }
    check_object(&PIPELINE, root, at, report);
    let mut data = source::read(root, report);
    let expect = source::expectations(root, report);
    let tolerance = tolerance::read(root.get("tolerance"), report);
    let drafts = match root.entry("steps") {
        Some(steps) => {
            refuse_blocks(root, report);
            steps::read(&steps.value, report)
        }
        None => blocks::read(root, at, report),
    };
    let mut declared_data = source::declared(root);
    if root
        .get("images")
        .is_some_and(|node| !node.entries().is_empty())
    {
        declared_data.extend(blocks::image_files());
    }
    data.extend(source::images(root, report));
    links::check(&drafts, &declared_data, report);
    let is_files = |from: &DataFrom| match from {
        DataFrom::Source(source) => Some(source.format == DataFormat::Files),
        // What those are is known once they are read.
        DataFrom::Named(_) | DataFrom::Version(_) => None,
    };
    links::check_files(&drafts, |name| data.get(name).and_then(is_files), report);
    let seed = |key| {
        let written = root.get(key).and_then(Node::integer);
        written.and_then(|seed| u64::try_from(seed).ok())
    };
    Some((
        root.get("pipeline")?.text()?.to_owned(),
        [seed("seed"), seed("split_seed")],
        data,
        expect,
        tolerance,
        drafts,
    ))
}

fn refuse_blocks(root: &Node, report: &mut Report<'_>) {
    for entry in root.entries() {
        if BLOCKS.contains(&entry.key.value.as_str()) {
            report.hinted(
                entry.key.span,
                format!("'{}' cannot stand beside 'steps'", entry.key.value),
                "write either the blocks or a free graph; 'reproof plan' prints the graph that \
                 the blocks stand for",
            );
        }
    }
}
