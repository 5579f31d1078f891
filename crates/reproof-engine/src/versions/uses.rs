//! What used a data version, and what a record came from.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::ExecutionFilter;
use reproof_record::{
    Artifact, ArtifactKind, Digest, Execution, ExecutionKind, Record, RecordId, Source, StepName,
};
use serde::Serialize;

use super::read_version;
use crate::{EngineError, Project, read_record};

/// What used a data version.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Uses {
    /// The runs that read it, newest first.
    #[serde(skip)]
    pub runs: Vec<Execution>,
    /// The records that they came to, each with its pipelines.
    pub records: BTreeMap<RecordId, BTreeSet<String>>,
    /// The pipelines.
    pub pipelines: BTreeSet<String>,
    /// The models that were made from it, with the record and the step that made them.
    pub models: Vec<UsedModel>,
}

/// A model that was made from a data version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsedModel {
    /// The record.
    pub record: RecordId,
    /// The step that made it.
    pub step: StepName,
    /// The output.
    pub output: StepName,
    /// Its digest.
    pub model: Digest,
}

/// What used a data version, by its content: records, pipelines and models.
///
/// # Errors
/// Trouble of the storage.
pub fn uses_of(project: &Project, content: &Digest) -> Result<Uses, EngineError> {
    let filter = ExecutionFilter {
        data: Some(*content),
        kind: Some(ExecutionKind::Run),
        ..Default::default()
    };
    let mut uses = Uses {
        runs: project.catalog.executions(&filter)?,
        ..Uses::default()
    };
    for run in &uses.runs {
        uses.pipelines.insert(run.pipeline.clone());
        if let Some(record) = run.record {
            let pipelines = uses.records.entry(record).or_default();
            pipelines.insert(run.pipeline.clone());
        }
    }
    for id in uses.records.keys() {
        let record = read_record(project, id)?;
        for (step, outputs) in &record.results {
            for (output, artifact) in outputs {
                if artifact.kind == ArtifactKind::Model && comes_from(&record, step, content) {
                    uses.models.push(UsedModel {
                        record: *id,
                        step: step.clone(),
                        output: output.clone(),
                        model: artifact.digest,
                    });
                }
            }
        }
    }
    Ok(uses)
}

/// Whether a step of a record needs this data, itself or through others.
fn comes_from(record: &Record, step: &StepName, content: &Digest) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![step];
    while let Some(step) = next.pop() {
        if !seen.insert(step) {
            continue;
        }
        let inputs = record.recipe.steps.get(step).into_iter();
        for source in inputs.flat_map(|step| step.inputs.values()) {
            match source {
                Source::Data { data } => {
                    let version = record.recipe.data.get(data);
                    if version.is_some_and(|version| version.digest == *content) {
                        return true;
                    }
                }
                Source::Output { step, .. } => next.push(step),
            }
        }
    }
    false
}

/// A node of what a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineageNode {
    /// What it is: `record`, `step`, `artifact`, `data`, `source`.
    pub kind: &'static str,
    /// What tells it apart from all others of the lineage.
    pub id: String,
    /// How a person reads it.
    pub label: String,
    /// What it was made from, by their IDs.
    pub from: Vec<String>,
}

/// What a record came from: its steps' outputs, the steps, the data versions and their sources. The
/// record comes first; everything comes before what it was made from.
///
/// # Errors
/// A record that cannot be read.
pub fn lineage_of(project: &Project, id: &RecordId) -> Result<Vec<LineageNode>, EngineError> {
    let record = read_record(project, id)?;
    let order = record.recipe.order()?;
    let mut nodes = Vec::new();
    let used: BTreeSet<(&StepName, &StepName)> = record
        .recipe
        .steps
        .values()
        .flat_map(|step| step.inputs.values())
        .filter_map(|source| match source {
            Source::Output { step, output } => Some((step, output)),
            Source::Data { .. } => None,
        })
        .collect();
    let last = record.results.iter().flat_map(|(step, outputs)| {
        let outputs = outputs.keys().map(move |output| (step, output));
        outputs.filter(|one| !used.contains(one))
    });
    nodes.push(LineageNode {
        kind: "record",
        id: format!("record:{id}"),
        label: format!("record {}", id.short()),
        from: last
            .map(|(step, output)| format!("{step}.{output}"))
            .collect(),
    });
    for name in order.iter().rev() {
        let Some(step) = record.recipe.steps.get(*name) else {
            continue;
        };
        for (output, artifact) in record.results.get(*name).into_iter().flatten() {
            nodes.push(artifact_node(name, output, artifact));
        }
        let inputs: BTreeSet<String> = step.inputs.values().map(ToString::to_string).collect();
        nodes.push(LineageNode {
            kind: "step",
            id: format!("step:{name}"),
            label: format!("{name}: {}", step.operation),
            from: inputs
                .into_iter()
                .map(|input| {
                    if input.contains('.') {
                        input
                    } else {
                        format!("data:{input}")
                    }
                })
                .collect(),
        });
    }
    for (name, version) in &record.recipe.data {
        nodes.extend(data_nodes(project, name, version)?);
    }
    Ok(nodes)
}

fn artifact_node(step: &StepName, output: &StepName, artifact: &Artifact) -> LineageNode {
    LineageNode {
        kind: "artifact",
        id: format!("{step}.{output}"),
        label: format!(
            "{step}.{output} ({} {})",
            artifact.kind,
            artifact.digest.short()
        ),
        from: vec![format!("step:{step}")],
    }
}

/// A data version and where its versions were read from.
fn data_nodes(
    project: &Project,
    name: &StepName,
    version: &Artifact,
) -> Result<Vec<LineageNode>, EngineError> {
    let mut sources: Vec<LineageNode> = Vec::new();
    let mut add = |id: String, label: String| {
        if sources.iter().all(|source| source.id != id) {
            let (kind, from) = ("source", Vec::new());
            sources.push(LineageNode {
                kind,
                id,
                label,
                from,
            });
        }
    };
    for row in project.catalog.versions_holding(&version.digest)? {
        let entry = read_version(project, &row.id)?;
        let commit = entry.commit.map(|commit| format!(", commit {commit:.7}"));
        add(
            format!("version:{}", row.id),
            format!(
                "{}@{} from {}{}",
                row.name,
                row.id.short(),
                entry.source.location,
                commit.unwrap_or_default()
            ),
        );
    }
    if sources.is_empty() {
        let mut add = |location: &str| {
            let id = format!("source:{location}");
            if sources.iter().all(|source| source.id != id) {
                let (kind, label, from) = ("source", location.to_owned(), Vec::new());
                sources.push(LineageNode {
                    kind,
                    id,
                    label,
                    from,
                });
            }
        };
        let filter = ExecutionFilter {
            data: Some(version.digest),
            kind: Some(ExecutionKind::Run),
            ..Default::default()
        };
        for run in project.catalog.executions(&filter)? {
            let read = run.data.values().filter(|used| used.version == *version);
            read.for_each(|used| add(&used.source));
        }
    }
    let mut nodes = vec![LineageNode {
        kind: "data",
        id: format!("data:{name}"),
        label: format!("{name}: data:{}", version.digest.short()),
        from: sources.iter().map(|source| source.id.clone()).collect(),
    }];
    nodes.extend(sources);
    Ok(nodes)
}
