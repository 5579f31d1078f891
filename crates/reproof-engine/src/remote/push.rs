//! Sends records to a remote: all that they need, then what says so; and the history of named data.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::ExecutionFilter;
use reproof_record::{Digest, Execution, Record, RecordId, StepName, to_canonical};
use reproof_store::{Remote, RemoteError};

use super::history::{self, MovedHistory, Scope, push_history};
use super::tombstones::{self, Gone};
use super::{EXECUTIONS, Held, Moving, held, held_name, open};
use crate::observer::{Event, Observer};
use crate::{Cancel, EngineError, Project, needs, read_record};

/// What was pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushedRecords {
    /// The records.
    pub records: Vec<RecordId>,
    /// How many of them the remote did not have.
    pub new: u64,
    /// How many blobs and chunks were sent.
    pub entries: u64,
    /// How many bytes of packs were sent.
    pub bytes: u64,
    /// How many executions were sent.
    pub executions: u64,
    /// The histories of the named data that the records use, and of what was named.
    pub histories: Vec<MovedHistory>,
}

/// What is to be pushed.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Records.
    pub records: Vec<RecordId>,
    /// Names of data, whose whole history goes along.
    pub data: Vec<StepName>,
    /// All records and all named data that are here.
    pub all: bool,
    /// Whether head and tags of the named data become those that are here, whatever they were.
    pub replace: bool,
}

/// Sends records and the history of named data to a remote.
///
/// # Errors
/// If something is missing or damaged here, the remote cannot be reached, or the history of data that
/// was named went another way there. What was sent until then is not sent again.
pub fn push(
    project: &Project,
    name: &StepName,
    offered: &Offered,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<PushedRecords, EngineError> {
    let watch = Moving {
        text: "pushing",
        observer,
        cancel,
    };
    let mut records = offered.records.clone();
    let mut data: BTreeSet<StepName> = offered.data.iter().cloned().collect();
    if offered.all {
        records = all_records(project)?;
        let heads = project.catalog.data_heads(None)?;
        data.extend(heads.into_iter().map(|(name, _)| name));
    }
    for name in &data {
        if project.catalog.data_heads(Some(name))?.is_empty() {
            return Err(crate::versions::no_history(project, name)?);
        }
    }
    let mut remote = open(project, name)?;
    remote.make()?;
    remote.learn_all(&watch)?;
    let gone = tombstones::exchange(project, &mut remote, &watch)?;
    let mut pushed = PushedRecords::default();
    // By the names of the data that they use: what of it they use.
    let mut used: BTreeMap<StepName, BTreeSet<Digest>> = BTreeMap::new();
    for id in records {
        let record = read_record(project, &id)?;
        if let Some(why) = tombstones::of_record(&gone, &record) {
            let message = format!("record {} is not pushed: {why}", id.short());
            if offered.all {
                observer.event(&Event::Note(&message));
                continue;
            }
            return Err(EngineError::Refused {
                message,
                hint: Some(format!(
                    "where it was not erased, 'reproof data erase' does so; the remote '{}' keeps \
                     none of it",
                    remote.name()
                )),
            });
        }
        push_one(project, &mut remote, &record, &gone, &watch, &mut pushed)?;
        pushed.records.push(id);
        for name in history::names_used(project, &record)? {
            let contents = record.recipe.data.values().map(|version| version.digest);
            used.entry(name).or_default().extend(contents);
        }
    }
    for name in &data {
        used.entry(name.clone()).or_default();
    }
    let mut refused = None;
    for (name, contents) in &used {
        let scope = Scope {
            whole: data.contains(name),
            contents,
            replace: offered.replace && data.contains(name),
            gone: &gone,
        };
        let sent = push_history(project, &mut remote, name, &scope, &watch)?;
        pushed.entries += sent.entries;
        pushed.bytes += sent.bytes;
        if scope.whole
            && let Err(error) = sent.history.clone().settled(&remote)
        {
            refused.get_or_insert(error);
        }
        pushed.histories.push(sent.history);
    }
    refused.map_or(Ok(pushed), Err)
}

/// All records that executions here came to, newest first.
fn all_records(project: &Project) -> Result<Vec<RecordId>, EngineError> {
    let filter = ExecutionFilter {
        with_record: true,
        ..ExecutionFilter::default()
    };
    let mut seen = BTreeSet::new();
    let executions = project.catalog.executions(&filter)?;
    let ids = executions.iter().filter_map(crate::record_of);
    Ok(ids.filter(|id| seen.insert(*id)).collect())
}

fn push_one(
    project: &Project,
    remote: &mut Remote,
    record: &Record,
    gone: &Gone,
    watch: &Moving<'_>,
    pushed: &mut PushedRecords,
) -> Result<(), EngineError> {
    let id = &record.id()?;
    let executions = project.catalog.executions(&ExecutionFilter {
        record: Some(*id),
        ..ExecutionFilter::default()
    })?;
    let results = needs::step_results(project, record)?;
    let manifests = results.values().flat_map(|result| result.outputs.values());
    let beside = needs::of_history(&executions, manifests.map(|output| output.manifest));
    let mut blobs = needs::all_here(project, record, &beside)?;
    blobs.retain(|blob| !gone.contains_key(blob));
    let sent = remote.push(&project.store, &blobs, watch)?;
    pushed.entries += sent.entries;
    pushed.bytes += sent.bytes;
    pushed.executions += push_executions(remote, id, &executions)?;
    history::put_uses(remote, id, &history::names_used(project, record)?)?;
    let results = results.into_iter().filter_map(|(step, result)| {
        let outputs = result.outputs.into_iter();
        let manifests = outputs.map(|(output, stored)| (output, stored.manifest));
        let manifests: BTreeMap<_, _> = manifests.collect();
        let here = manifests.values().all(|manifest| blobs.contains(manifest));
        here.then_some((step, manifests))
    });
    let document = Held {
        format: Held::FORMAT.to_owned(),
        record: *id,
        results: results.collect(),
        packs: sent.packs.into_iter().collect(),
    };
    match held(remote, id) {
        Ok(Some(found)) if found == document => return Ok(()),
        // One that is damaged is replaced.
        Ok(Some(_)) | Err(RemoteError::Damaged { .. }) => {}
        Ok(None) => pushed.new += 1,
        Err(error) => return Err(error.into()),
    }
    remote.put_document(&held_name(id), &to_canonical(&document)?)?;
    Ok(())
}

/// Sends the executions that the remote does not have.
fn push_executions(
    remote: &Remote,
    record: &RecordId,
    executions: &[Execution],
) -> Result<u64, EngineError> {
    let folder = format!("{EXECUTIONS}/{record}");
    let there: BTreeSet<String> = remote.documents(&folder)?.into_iter().collect();
    let mut count = 0;
    for execution in executions {
        let name = execution.id.to_string();
        if !there.contains(&name) {
            let text = serde_json::to_vec(execution)
                .map_err(|error| EngineError::Bug(error.to_string()))?;
            remote.put_document(&format!("{folder}/{name}"), &text)?;
            count += 1;
        }
    }
    Ok(count)
}
