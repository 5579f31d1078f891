//! Sends records to a remote: all that they need, then what says so.

use std::collections::BTreeSet;

use reproof_catalog::ExecutionFilter;
use reproof_record::{Execution, RecordId, StepName, to_canonical};
use reproof_store::{Remote, RemoteError};

use super::{EXECUTIONS, Held, Moving, held, held_name, open};
use crate::observer::Observer;
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
}

/// Sends records to a remote; all that are here where none is named.
///
/// # Errors
/// If something is missing or damaged here, or the remote cannot be reached. What was sent until
/// then is not sent again.
pub fn push(
    project: &Project,
    name: &StepName,
    records: Option<&[RecordId]>,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<PushedRecords, EngineError> {
    let watch = Moving {
        text: "pushing",
        observer,
        cancel,
    };
    let records = match records {
        Some(records) => records.to_vec(),
        None => all_records(project)?,
    };
    let mut remote = open(project, name)?;
    remote.make()?;
    remote.learn_all(&watch)?;
    let mut pushed = PushedRecords::default();
    for id in records {
        push_one(project, &mut remote, &id, &watch, &mut pushed)?;
        pushed.records.push(id);
    }
    Ok(pushed)
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
    id: &RecordId,
    watch: &Moving<'_>,
    pushed: &mut PushedRecords,
) -> Result<(), EngineError> {
    let record = read_record(project, id)?;
    let executions = project.catalog.executions(&ExecutionFilter {
        record: Some(*id),
        ..ExecutionFilter::default()
    })?;
    let results = needs::step_results(project, &record)?;
    let manifests = results.values().flat_map(|result| result.outputs.values());
    let history = needs::of_history(&executions, manifests.map(|output| output.manifest));
    let blobs = needs::all_here(project, &record, &history)?;
    let sent = remote.push(&project.store, &blobs, watch)?;
    pushed.entries += sent.entries;
    pushed.bytes += sent.bytes;
    pushed.executions += push_executions(remote, id, &executions)?;
    let results = results.into_iter().filter_map(|(step, result)| {
        let outputs = result.outputs.into_iter();
        let manifests = outputs.map(|(output, stored)| (output, stored.manifest));
        let manifests: std::collections::BTreeMap<_, _> = manifests.collect();
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
