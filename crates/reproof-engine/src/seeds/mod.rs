//! The spread of metrics over seeds: how far records are apart that differ in nothing but their seeds, and
//! whether a difference of two records goes beyond that.
//!
//! What is known are the records of a recipe's *family*: see [`Recipe::family`]. One record counts for each
//! seed. Where steps that divide rows draw at random, other seeds judge other rows: that is another spread,
//! so each is told with its [`SeedScope`].

mod further;
mod moved;

use std::collections::{BTreeMap, BTreeSet};

use reproof_learn::{Metrics, SeedDistance, Spread, Task};
use reproof_record::{Artifact, Digest, Recipe, RecipeId, Record, RecordId};
use reproof_table::labels_flipped;
use serde::Serialize;

use crate::operations::MAX_DOCUMENT;
use crate::predict::{artifact, unusable};
use crate::program::all_reported;
use crate::why::here;
use crate::{Class, EngineError, MetricsComparison, Project, evaluation, read_record};

pub use further::{FurtherRun, MAX_SEEDS, SeedRuns, SeedsOptions, run_seeds};
pub(crate) use moved::side_by_side;
pub use moved::{MetricMoved, SliceSides, moved_metrics};

/// How many records of a family are looked at, so that a long search over seeds costs no more.
const MAX_RECORDS: usize = 200;
/// With how many other seeds predictions are compared row by row.
const MAX_COMPARED: usize = 9;

/// What other seeds change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedScope {
    /// What is trained: the same rows are judged.
    SameRows,
    /// The division of the rows, too: each seed judges other rows.
    OtherRows,
}

impl SeedScope {
    /// As a person reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameRows => "on the same rows",
            Self::OtherRows => "each on rows of its own",
        }
    }
}

/// The values of a record's metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MetricValues {
    /// Those of its evaluation, on all rows.
    pub metrics: BTreeMap<String, f64>,
    /// The same on slices, by name.
    pub slices: BTreeMap<String, BTreeMap<String, f64>>,
    /// Those that programs reported.
    pub reported: BTreeMap<String, f64>,
}

impl MetricValues {
    /// The values of a record; what is not here is left out.
    pub(crate) fn of(project: &Project, record: &Record) -> Result<Self, EngineError> {
        let found = here(evaluation(project, record))?.flatten();
        let mut values =
            found.map_or_else(Self::default, |(_, metrics)| Self::of_metrics(&metrics));
        values.reported = here(all_reported(project, record))?.unwrap_or_default();
        Ok(values)
    }

    fn of_metrics(metrics: &Metrics) -> Self {
        let defined = |all: &BTreeMap<String, reproof_learn::Estimate>| {
            let all = all.iter();
            all.filter_map(|(name, estimate)| Some((name.clone(), estimate.value?)))
                .collect()
        };
        let slices = metrics.slices.iter();
        Self {
            metrics: defined(&metrics.overall),
            slices: slices
                .map(|slice| (slice.name(), defined(&slice.metrics)))
                .collect(),
            reported: BTreeMap::new(),
        }
    }
}

/// How far the metrics of records are apart that differ in their seeds alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedSpread {
    /// What the seeds change.
    pub scope: SeedScope,
    /// The records, one for each seed.
    pub records: Vec<RecordId>,
    /// The spread of each metric on all rows. Empty where the seeds are too few.
    pub metrics: BTreeMap<String, Spread>,
    /// The same on slices, by name.
    pub slices: BTreeMap<String, BTreeMap<String, Spread>>,
    /// That of the metrics that programs reported.
    pub reported: BTreeMap<String, Spread>,
}

impl SeedSpread {
    /// Whether there are enough seeds to tell anything.
    pub fn is_known(&self) -> bool {
        self.records.len() >= Spread::FEWEST
    }

    /// Whether no seed changes any metric on all rows.
    pub fn is_nothing(&self) -> bool {
        let mut all = self.metrics.values().chain(self.reported.values());
        all.all(|spread| spread.least == spread.most)
    }

    /// The spread of one metric.
    pub(crate) fn of(&self, slice: Option<&str>, metric: &str) -> Option<&Spread> {
        match slice {
            Some(slice) => self.slices.get(slice)?.get(metric),
            None => self
                .metrics
                .get(metric)
                .or_else(|| self.reported.get(metric)),
        }
    }

    /// The spread of what these records say.
    fn among<'a>(
        project: &Project,
        scope: SeedScope,
        members: impl IntoIterator<Item = &'a Member>,
    ) -> Result<Self, EngineError> {
        let mut records = Vec::new();
        let (mut metrics, mut reported) = (Collected::new(), Collected::new());
        let mut slices: BTreeMap<String, Collected> = BTreeMap::new();
        for member in members {
            records.push(member.id);
            let values = MetricValues::of(project, &member.record)?;
            collect(&mut metrics, values.metrics);
            collect(&mut reported, values.reported);
            for (slice, values) in values.slices {
                collect(slices.entry(slice).or_default(), values);
            }
        }
        Ok(Self {
            scope,
            records,
            metrics: spreads(metrics),
            slices: slices
                .into_iter()
                .map(|(name, values)| (name, spreads(values)))
                .filter(|(_, spreads)| !spreads.is_empty())
                .collect(),
            reported: spreads(reported),
        })
    }
}

/// The values of each metric, of one record after the other.
type Collected = BTreeMap<String, Vec<f64>>;

fn collect(all: &mut Collected, values: BTreeMap<String, f64>) {
    for (name, value) in values {
        all.entry(name).or_default().push(value);
    }
}

/// The spread of each metric that enough records have.
fn spreads(all: Collected) -> BTreeMap<String, Spread> {
    let all = all.into_iter();
    all.filter_map(|(name, values)| Some((name, Spread::of(&values)?)))
        .collect()
}

/// A record of a family.
struct Member {
    id: RecordId,
    record: Record,
}

/// The records that are known here and differ from one another in their seeds alone: one for each recipe,
/// the first where one recipe gave several.
pub(crate) struct Family {
    digest: Digest,
    members: Vec<Member>,
}

impl Family {
    /// The family of a recipe.
    pub(crate) fn of(project: &Project, recipe: &Recipe) -> Result<Self, EngineError> {
        let digest = recipe.family()?;
        let new = learn(project)?;
        let mut recipes: BTreeSet<RecipeId> = new
            .into_iter()
            .filter_map(|(recipe, family)| (family == digest).then_some(recipe))
            .collect();
        recipes.extend(project.catalog.recipes_of_family(&digest)?);
        let mut members = Vec::new();
        for recipe in recipes.iter().take(MAX_RECORDS) {
            let first = project.catalog.records_of(recipe)?.into_iter().next();
            let Some(id) = first.map(|entry| entry.id) else {
                continue;
            };
            if let Some(record) = here(read_record(project, &id))? {
                members.push(Member { id, record });
            }
        }
        Ok(Self { digest, members })
    }

    /// The spread of it around this record.
    pub(crate) fn spread(
        &self,
        project: &Project,
        scope: SeedScope,
        record: &Record,
    ) -> Result<SeedSpread, EngineError> {
        SeedSpread::among(project, scope, self.chosen(scope, record))
    }

    fn chosen(&self, scope: SeedScope, record: &Record) -> Vec<&Member> {
        let rows = judged_rows(record);
        let on_the_same = |member: &&Member| judged_rows(&member.record) == rows;
        match scope {
            SeedScope::SameRows => self.members.iter().filter(on_the_same).collect(),
            SeedScope::OtherRows => {
                // One for each division of the rows, or those that were tried more often would count
                // for more. Of that of the record, it.
                let own = self.members.iter().find(|member| member.record == *record);
                let own = own.or_else(|| self.members.iter().find(on_the_same));
                let mut seen = BTreeSet::new();
                let all = own.into_iter().chain(&self.members);
                all.filter(|member| seen.insert(judged_rows(&member.record)))
                    .collect()
            }
        }
    }

    /// The records that were judged on the same rows as this one, but for it.
    fn others(&self, record: &Record) -> impl Iterator<Item = &Record> {
        let members = self.chosen(SeedScope::SameRows, record).into_iter();
        members
            .map(|member| &member.record)
            .filter(move |other| *other != record)
    }
}

/// Learns the family of every recipe whose family is not known yet, such as of records that were pulled,
/// and gives those.
fn learn(project: &Project) -> Result<Vec<(RecipeId, Digest)>, EngineError> {
    let mut new = Vec::new();
    for recipe in project.catalog.recipes_without_family()? {
        // What is not here, or damaged, tells no family; `fsck` tells the rest.
        let digest = recipe.digest();
        let bytes = project.store.read(digest, MAX_DOCUMENT).ok();
        if let Some(read) = bytes.and_then(|bytes| Recipe::from_bytes(&bytes).ok()) {
            new.push((recipe, read.family()?));
        }
    }
    match project
        .catalog
        .set_families(&new)
        .map_err(EngineError::from)
    {
        // On a disk that cannot be written to it is found again each time.
        Err(error) if error.class() != Class::Storage => Err(error),
        _ => Ok(new),
    }
}

/// The rows that a record's evaluations judged, by content; without an evaluation, the parts into which its
/// rows were divided.
pub(crate) fn judged_rows(record: &Record) -> BTreeSet<Artifact> {
    let steps = record.recipe.steps.iter();
    let evaluated = steps.clone().filter_map(|(_, step)| {
        let evaluates = step.operation.name.as_str().starts_with("evaluate");
        let table = step.inputs.get("table").filter(|_| evaluates)?;
        artifact(record, table)
    });
    let evaluated: BTreeSet<_> = evaluated.collect();
    if !evaluated.is_empty() {
        return evaluated;
    }
    let divided = steps.filter(|(_, step)| step.operation.name.as_str().starts_with("split_"));
    divided
        .filter_map(|(name, _)| record.results.get(name))
        .flat_map(|outputs| outputs.values().copied())
        .collect()
}

/// What is known of the spread over seeds around a record: where the same rows are judged, and where others
/// are.
///
/// # Errors
/// What is stored and cannot be read.
pub fn seed_spreads(project: &Project, record: &Record) -> Result<Vec<SeedSpread>, EngineError> {
    let family = Family::of(project, &record.recipe)?;
    let mut known = Vec::new();
    for scope in [SeedScope::SameRows, SeedScope::OtherRows] {
        if family.chosen(scope, record).len() >= Spread::FEWEST {
            known.push(family.spread(project, scope, record)?);
        }
    }
    Ok(known)
}

/// The differences of two records against the spread over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgainstSeeds {
    /// What the seeds change: as much as differs between the two.
    pub scope: SeedScope,
    /// How many seeds are known of the first and of the second.
    pub seeds: [usize; 2],
    /// Each metric on all rows.
    pub metrics: BTreeMap<String, SeedDistance>,
    /// The same on slices, by name.
    pub slices: BTreeMap<String, BTreeMap<String, SeedDistance>>,
    /// The metrics that programs reported.
    pub reported: BTreeMap<String, SeedDistance>,
    /// Their values in both, where they differ.
    pub reported_values: BTreeMap<String, [f64; 2]>,
    /// In how many rows another label is predicted; none where no labels of the same rows are.
    pub labels: Option<LabelsFlipped>,
}

/// In how many rows two records predict another label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LabelsFlipped {
    /// In how many.
    pub rows: u64,
    /// The least and the most between the first record and those of other seeds; none where they are too
    /// few.
    pub between_seeds: Option<[u64; 2]>,
    /// How many others those are.
    pub others: usize,
}

impl LabelsFlipped {
    /// Whether it is more than between any two seeds; none where that is not known.
    pub fn is_beyond(&self) -> Option<bool> {
        self.between_seeds.map(|[_, most]| self.rows > most)
    }
}

impl AgainstSeeds {
    /// Whether there are enough seeds of one of them to tell anything.
    pub fn is_known(&self) -> bool {
        self.seeds.iter().any(|count| *count >= Spread::FEWEST)
    }

    /// How many seeds it is judged by: the most that one of them has.
    pub fn count(&self) -> usize {
        self.seeds.into_iter().max().unwrap_or(0)
    }

    /// The difference of one metric.
    pub fn of(&self, slice: Option<&str>, metric: &str) -> Option<&SeedDistance> {
        match slice {
            Some(slice) => self.slices.get(slice)?.get(metric),
            None => self.metrics.get(metric),
        }
    }
}

/// The spreads of two records, as far as each is known.
pub(crate) struct Pair {
    first: Family,
    scope: SeedScope,
    spreads: [SeedSpread; 2],
    one_family: bool,
}

impl Pair {
    pub(crate) fn of(project: &Project, records: [&Record; 2]) -> Result<Self, EngineError> {
        let scope = if judged_rows(records[0]) == judged_rows(records[1]) {
            SeedScope::SameRows
        } else {
            SeedScope::OtherRows
        };
        let first = Family::of(project, &records[0].recipe)?;
        let one_family = records[1].recipe.family()? == first.digest;
        let before = first.spread(project, scope, records[0])?;
        let after = if one_family {
            before.clone()
        } else {
            Family::of(project, &records[1].recipe)?.spread(project, scope, records[1])?
        };
        Ok(Self {
            first,
            scope,
            spreads: [before, after],
            one_family,
        })
    }

    /// How many seeds are known of each.
    pub(crate) fn seeds(&self) -> [usize; 2] {
        self.spreads.each_ref().map(|spread| spread.records.len())
    }

    /// In how many rows the label is another one, and in how many it is with another seed.
    fn labels(
        &self,
        project: &Project,
        records: [&Record; 2],
    ) -> Result<Option<LabelsFlipped>, EngineError> {
        let flipped = |records| -> Result<Option<u64>, EngineError> {
            let Some(tables) = predictions(records) else {
                return Ok(None);
            };
            let found = labels_flipped(&project.store, tables.each_ref());
            Ok(here(found.map_err(|error| unusable(error.into())))?.flatten())
        };
        let Some(rows) = flipped(records)? else {
            return Ok(None);
        };
        let mut between = Vec::new();
        if self.spreads[0].is_known() {
            for other in self.first.others(records[0]).take(MAX_COMPARED) {
                between.extend(flipped([records[0], other])?);
            }
        }
        let enough = between.len() + 1 >= Spread::FEWEST;
        let ends = between.iter().min().zip(between.iter().max());
        Ok(Some(LabelsFlipped {
            rows,
            between_seeds: ends.filter(|_| enough).map(|(least, most)| [*least, *most]),
            others: between.len(),
        }))
    }

    /// A difference of one metric, judged.
    pub(crate) fn judge(
        &self,
        slice: Option<&str>,
        metric: &str,
        [before, after]: [f64; 2],
    ) -> Option<SeedDistance> {
        let [first, second] = self.spreads.each_ref().map(|all| all.of(slice, metric));
        let second = second.filter(|_| !self.one_family);
        SeedDistance::of(after - before, [first, second])
    }
}

/// The predictions that the first evaluations of two records scored.
fn predictions(records: [&Record; 2]) -> Option<[Digest; 2]> {
    let [before, after] = records.map(|record| {
        let evaluated = record.recipe.steps.iter();
        let mut evaluated =
            evaluated.filter(|(_, step)| step.operation.name.as_str().starts_with("evaluate"));
        let (step, _) = evaluated.next()?;
        let table = record.results.get(step)?.get("predictions")?;
        Some(table.digest)
    });
    Some([before?, after?])
}

/// Judges the differences of two records by the spread over seeds, as far as that is known here.
///
/// # Errors
/// What is stored and cannot be read.
pub(crate) fn against_seeds(
    project: &Project,
    records: [&Record; 2],
    metrics: Option<&MetricsComparison>,
) -> Result<AgainstSeeds, EngineError> {
    let pair = Pair::of(project, records)?;
    let [before, after] = [
        MetricValues::of(project, records[0])?,
        MetricValues::of(project, records[1])?,
    ];
    let judged = |slice: Option<&str>, before: &BTreeMap<_, f64>, after: &BTreeMap<_, f64>| {
        let both = before.iter().filter_map(|(name, first): (&String, _)| {
            let values = [*first, *after.get(name)?];
            Some((name.clone(), pair.judge(slice, name, values)?))
        });
        both.collect::<BTreeMap<String, SeedDistance>>()
    };
    let slices = before.slices.iter();
    let slices = slices.filter_map(|(name, first)| {
        let judged = judged(Some(name), first, after.slices.get(name)?);
        (!judged.is_empty()).then(|| (name.clone(), judged))
    });
    let reported = before.reported.iter();
    let reported = reported.filter_map(|(name, first)| {
        let second = after.reported.get(name)?;
        (first != second).then(|| (name.clone(), [*first, *second]))
    });
    // Numbers have no labels; of other rows nothing can be said.
    let classifies = metrics.is_some_and(|metrics| {
        metrics.paired.is_some() && metrics.found[0].task != Task::Regression
    });
    let labels = if classifies {
        pair.labels(project, records)?
    } else {
        None
    };
    Ok(AgainstSeeds {
        labels,
        scope: pair.scope,
        seeds: pair.seeds(),
        slices: slices.collect(),
        metrics: judged(None, &before.metrics, &after.metrics),
        reported: judged(None, &before.reported, &after.reported),
        reported_values: reported.collect(),
    })
}
