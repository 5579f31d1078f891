//! Fetches records from a remote: what they need, then their history.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{RecordEntry, StepOutput, StepResult};
use reproof_config::nearest;
use reproof_record::{Digest, Execution, ExecutionId, Record, RecordId, StepName};
use reproof_store::{Pulled, Remote, RemoteError, Scratch, Store, StoreError};

use super::history::{self, MovedHistory};
use super::tombstones;
use super::{EXECUTIONS, Held, Moving, RECORDS, held, open, parse};
use crate::erase::admit;
use crate::needs::{self, Object, Objects};
use crate::observer::Observer;
use crate::operations::MAX_DOCUMENT;
use crate::{Cancel, EngineError, Project};

/// The largest object that is taken.
const MAX_OBJECT: u64 = 256 << 20;

/// What was pulled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PulledRecords {
    /// The records.
    pub records: Vec<RecordId>,
    /// How many blobs and chunks were fetched.
    pub entries: u64,
    /// How many bytes of packs were fetched.
    pub bytes: u64,
    /// How many executions were not known here.
    pub executions: u64,
    /// The histories of the named data that the records use, and of what was named.
    pub histories: Vec<MovedHistory>,
}

/// What is to be pulled.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Records, by IDs or prefixes of them.
    pub records: Vec<String>,
    /// Names of data.
    pub data: Vec<StepName>,
    /// All records and all named data that the remote has.
    pub all: bool,
}

/// Fetches records and the history of named data from a remote.
///
/// # Errors
/// If the remote does not have them, has something wrong, cannot be reached, or the history of data
/// that was named went another way there. What was fetched until then is not fetched again.
pub fn pull(
    project: &Project,
    name: &StepName,
    wanted: &Wanted,
    observer: &dyn Observer,
    cancel: &Cancel,
) -> Result<PulledRecords, EngineError> {
    let watch = Moving {
        text: "pulling",
        observer,
        cancel,
    };
    let mut remote = open(project, name)?;
    if !remote.is_made()? {
        return Err(EngineError::Usage {
            message: format!("nothing was pushed to the remote '{name}' yet"),
            hint: Some(format!("{}: look at its url", remote.address())),
        });
    }
    let mut ids = Vec::new();
    let mut data = wanted.data.clone();
    let known = history::names(&remote)?;
    if let Some(name) = data.iter().find(|name| !known.contains(name)) {
        return Err(no_such_data(&remote, name, &known));
    }
    if wanted.all {
        ids.extend(listed(&remote)?);
        data.extend(known);
    }
    for text in &wanted.records {
        ids.push(named(&remote, text)?);
    }
    let mut pulled = PulledRecords::default();
    for id in ids {
        pull_one(project, &mut remote, &id, &watch, &mut pulled)?;
        pulled.records.push(id);
    }
    for name in data {
        let history = pull_history_once(project, &remote, &name, &watch, &mut pulled)?;
        history.settled(&remote)?;
    }
    Ok(pulled)
}

/// Fetches the history of a name, unless that was done before.
fn pull_history_once(
    project: &Project,
    remote: &Remote,
    name: &StepName,
    watch: &Moving<'_>,
    pulled: &mut PulledRecords,
) -> Result<MovedHistory, EngineError> {
    let before = pulled
        .histories
        .iter()
        .find(|history| history.name == *name);
    if let Some(before) = before {
        return Ok(before.clone());
    }
    let history = history::pull_history(project, remote, name, watch)?;
    pulled.histories.push(history.clone());
    Ok(history)
}

fn no_such_data(remote: &Remote, name: &StepName, known: &[StepName]) -> EngineError {
    let names = known.iter().map(StepName::as_str);
    EngineError::Usage {
        message: format!("the remote '{}' has no data '{name}'", remote.name()),
        hint: Some(match nearest(name.as_str(), names.clone()) {
            Some(near) => format!("did you mean data:{near}?"),
            None if known.is_empty() => {
                format!("'reproof push data:{name}' where it is puts it there")
            }
            None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
        }),
    }
}

/// The records that a remote has.
fn listed(remote: &Remote) -> Result<Vec<RecordId>, RemoteError> {
    let names = remote.documents(RECORDS)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The record of a remote that a text names.
fn named(remote: &Remote, text: &str) -> Result<RecordId, EngineError> {
    let mut found = with_prefix(remote, text)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(EngineError::Usage {
            message: format!("the remote '{}' has no record '{text}'", remote.name()),
            hint: Some(
                "give the ID of a record or a prefix of it; 'reproof push' puts records there"
                    .to_owned(),
            ),
        }),
        _ => {
            let list: Vec<_> = found.iter().take(8).map(RecordId::short).collect();
            Err(EngineError::Usage {
                message: format!("'{text}' is ambiguous: {}", list.join(", ")),
                hint: Some("give more digits".to_owned()),
            })
        }
    }
}

/// The records of a remote whose IDs begin so. A whole ID needs no listing.
pub(super) fn with_prefix(remote: &Remote, text: &str) -> Result<Vec<RecordId>, RemoteError> {
    if let Ok(id) = text.parse::<RecordId>() {
        return Ok(held(remote, &id)?.map(|_| id).into_iter().collect());
    }
    let mut ids = listed(remote)?;
    ids.retain(|id| !text.is_empty() && id.to_string().starts_with(text));
    Ok(ids)
}

/// Fetches one record.
pub(super) fn pull_one(
    project: &Project,
    remote: &mut Remote,
    id: &RecordId,
    watch: &Moving<'_>,
    pulled: &mut PulledRecords,
) -> Result<(), EngineError> {
    let held = held(remote, id)?.ok_or_else(|| remote.lacks(format!("record {}", id.short())))?;
    remote.learn(&held.packs.iter().copied().collect(), watch)?;
    let mut fetch = Fetch::new(project, remote, watch)?;
    fetch.objects(&Objects::from([(*id.digest(), Object::Blob)]))?;
    let bytes = fetch.source(id.digest())?.read(id.digest(), MAX_DOCUMENT)?;
    let record = Record::from_bytes(&bytes).map_err(|error| EngineError::Damaged {
        what: format!("record {}", id.short()),
        reason: error.to_string(),
    })?;
    let executions = fetch.executions(id)?;
    let manifests = held.results.values().flat_map(BTreeMap::values).copied();
    let beside = needs::of_history(&executions, manifests);
    let objects = needs::of_record(&record);
    admit(
        project,
        &format!("what record {} needs", id.short()),
        objects.keys(),
    )?;
    let fetched = fetch.all(&objects, &beside);
    if let Err(error) = fetched {
        return Err(lacking(fetch.remote, &record, error, watch)?);
    }
    let extra = [record.recipe.to_bytes()?, bytes];
    fetch.keep(&extra)?;
    let count = fetch.count;
    pulled.entries += count.entries;
    pulled.bytes += count.bytes;
    remember(project, &record, &held, &executions, pulled)?;
    for name in history::uses(remote, id)? {
        pull_history_once(project, remote, &name, watch, pulled)?;
    }
    for version in record.recipe.data.values() {
        project.catalog.set_here(&version.digest)?;
    }
    Ok(())
}

/// An error of a pull; where the remote lacks something of the record because it was erased, that is
/// said.
fn lacking(
    remote: &Remote,
    record: &Record,
    error: EngineError,
    watch: &Moving<'_>,
) -> Result<EngineError, EngineError> {
    if !matches!(error, EngineError::Remote(RemoteError::Lacks { .. })) {
        return Ok(error);
    }
    let gone = tombstones::read(remote, watch)?;
    Ok(match tombstones::of_record(&gone, record) {
        Some(why) => EngineError::Impossible(format!(
            "record {} cannot be fetched whole: {why}",
            record.id()?.short()
        )),
        None => error,
    })
}

/// Writes the rows of a record that is here now.
fn remember(
    project: &Project,
    record: &Record,
    held: &Held,
    executions: &[Execution],
    pulled: &mut PulledRecords,
) -> Result<(), EngineError> {
    let now = project.services.clock.now();
    for (name, manifests) in &held.results {
        if let Some(result) = step_result(project, record, name, manifests, now)? {
            project.catalog.add_step_result(&result)?;
        }
    }
    project.catalog.add_record(&RecordEntry {
        id: record.id()?,
        recipe: record.recipe.id()?,
        results: record.results_id()?,
        created: now,
    })?;
    for execution in executions {
        if project.catalog.execution(&execution.id)?.is_none() {
            project.catalog.finish(execution, None)?;
            pulled.executions += 1;
        }
    }
    Ok(())
}

/// What a step came to, if the manifests that a remote names are those of the record's outputs.
fn step_result(
    project: &Project,
    record: &Record,
    name: &StepName,
    manifests: &BTreeMap<StepName, Digest>,
    now: reproof_record::Timestamp,
) -> Result<Option<StepResult>, EngineError> {
    let Some(step) = record.recipe.steps.get(name) else {
        return Ok(None);
    };
    let mut outputs = BTreeMap::new();
    for (output, digest) in manifests {
        let manifest = match project.store.manifest(digest) {
            Err(StoreError::Missing { .. }) => return Ok(None),
            manifest => manifest?,
        };
        let stored = StepOutput {
            artifact: manifest.artifact(),
            manifest: *digest,
        };
        outputs.insert(output.clone(), stored);
    }
    let mut inputs = BTreeMap::new();
    for (input, source) in &step.inputs {
        let Some(artifact) = record.artifact(source) else {
            return Ok(None);
        };
        inputs.insert(input.clone(), artifact);
    }
    let result = StepResult {
        key: step.key(&inputs)?,
        operation: step.operation.clone(),
        inputs,
        outputs,
        created: now,
    };
    let complete = result.outputs.keys().eq(step.outputs.keys());
    Ok((complete && needs::is_of(record, name, &result)).then_some(result))
}

/// Fetching from one remote: objects go to a store of their own until all that they name is here,
/// because an object that is here stands for what it names.
pub(super) struct Fetch<'a> {
    project: &'a Project,
    remote: &'a mut Remote,
    watch: &'a Moving<'a>,
    scratch: Scratch,
    /// The objects to be kept.
    kept: Vec<Digest>,
    /// Whether all packs of the remote are known.
    all_known: bool,
    /// What was fetched.
    pub count: Pulled,
}

impl<'a> Fetch<'a> {
    pub fn new(
        project: &'a Project,
        remote: &'a mut Remote,
        watch: &'a Moving<'a>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            scratch: project.store.scratch()?,
            project,
            remote,
            watch,
            kept: Vec::new(),
            all_known: false,
            count: Pulled::default(),
        })
    }

    /// Fetches blobs. What the packs that are known lack is looked for in all others.
    fn blobs(&mut self, scratch: bool, blobs: &BTreeSet<Digest>) -> Result<(), RemoteError> {
        let store: &Store = if scratch {
            &self.scratch
        } else {
            &self.project.store
        };
        let mut pulled = self.remote.pull(store, blobs, self.watch);
        if matches!(pulled, Err(RemoteError::Lacks { .. })) && !self.all_known {
            // Packs may have been written anew meanwhile: only those that are listed now count.
            self.remote.forget();
            self.remote.learn_all(self.watch)?;
            self.all_known = true;
            pulled = self.remote.pull(store, blobs, self.watch);
        }
        let pulled = pulled?;
        self.count.entries += pulled.entries;
        self.count.bytes += pulled.bytes;
        Ok(())
    }

    /// Whether the store has a blob, for good, and has it right.
    fn is_here(&self, digest: &Digest) -> Result<bool, StoreError> {
        if !self.project.store.keeps(digest)? {
            return Ok(false);
        }
        match self.project.store.verify_blob(digest) {
            Ok(_) => Ok(true),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fetches objects that are not here.
    fn objects(&mut self, objects: &Objects) -> Result<(), EngineError> {
        let mut wanted = BTreeSet::new();
        for digest in objects.keys() {
            if !self.is_here(digest)? {
                wanted.insert(*digest);
            }
        }
        self.blobs(true, &wanted)?;
        self.kept.extend(wanted);
        Ok(())
    }

    /// Where an object is to be read.
    fn source(&self, digest: &Digest) -> Result<&Store, StoreError> {
        Ok(if self.scratch.knows(digest)? {
            &self.scratch
        } else {
            &self.project.store
        })
    }

    /// Fetches objects and all that they name. Of the history what the remote lacks is left out.
    pub fn all(&mut self, objects: &Objects, history: &Objects) -> Result<(), EngineError> {
        self.objects(objects)?;
        let mut files = BTreeSet::new();
        for (digest, object) in objects {
            files.extend(needs::blobs_of(self.source(digest)?, digest, *object)?);
        }
        let erased = self.project.catalog.erased()?;
        let mut had = Objects::new();
        for (digest, object) in history {
            if self.is_had(digest)? && !erased.contains_key(digest) {
                had.insert(*digest, *object);
            }
        }
        self.objects(&had)?;
        for (digest, object) in &had {
            let named = needs::blobs_of(self.source(digest)?, digest, *object)?;
            let mut all = true;
            for blob in &named {
                all &= self.is_had(blob)? && !erased.contains_key(blob);
            }
            if all {
                files.extend(named);
            } else {
                self.kept.retain(|kept| kept != digest);
            }
        }
        self.blobs(false, &files)?;
        Ok(())
    }

    /// Whether a blob is here or in a pack that is known.
    fn is_had(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.remote.has(digest) || self.project.store.keeps(digest)?)
    }

    /// Stores the objects, now that all that they name is here, and then these documents.
    pub fn keep(&mut self, documents: &[Vec<u8>]) -> Result<(), EngineError> {
        let mut batch = self.project.store.batch();
        for digest in &self.kept {
            batch.put(&self.scratch.read(digest, MAX_OBJECT)?)?;
        }
        for document in documents {
            batch.put(document)?;
        }
        Ok(batch.commit()?)
    }

    /// The executions that the remote has of a record.
    fn executions(&self, record: &RecordId) -> Result<Vec<Execution>, EngineError> {
        let folder = format!("{EXECUTIONS}/{record}");
        let mut executions = Vec::new();
        let mut unknown = Vec::new();
        for name in self.remote.documents(&folder)? {
            let id: Option<ExecutionId> = name.parse().ok();
            let known = match &id {
                Some(id) => self.project.catalog.execution(id)?,
                None => continue,
            };
            match known {
                Some(known) => executions.push(known),
                None => unknown.push(name),
            }
        }
        let objects: Vec<_> = unknown
            .iter()
            .map(|name| format!("{folder}/{name}"))
            .collect();
        let texts = self.remote.read_documents(&objects, self.watch)?;
        for ((name, object), text) in unknown.into_iter().zip(objects).zip(texts) {
            let Some(text) = text else { continue };
            let execution: Execution = parse(self.remote, &object, &text)?;
            let is_right = execution.format == Execution::FORMAT
                && execution.id.to_string() == name
                && crate::record_of(&execution) == Some(*record);
            if !is_right {
                let what = "it is not an execution of the record";
                return Err(self.remote.damaged(&object, what).into());
            }
            executions.push(execution);
        }
        Ok(executions)
    }
}
