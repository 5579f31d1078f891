//! Fetches records from a remote: what they need, then their history.

use std::collections::{BTreeMap, BTreeSet};

use reproof_catalog::{RecordEntry, StepOutput, StepResult};
use reproof_record::{Digest, Execution, ExecutionId, Record, RecordId, StepName};
use reproof_store::{Pulled, Remote, RemoteError, Scratch, Store, StoreError};

use super::{EXECUTIONS, Held, Moving, RECORDS, held, open, parse};
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
}

/// Fetches records from a remote by IDs or prefixes of them; all that it has where none is named.
///
/// # Errors
/// If the remote does not have them, has something wrong, or cannot be reached. What was fetched
/// until then is not fetched again.
pub fn pull(
    project: &Project,
    name: &StepName,
    records: Option<&[String]>,
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
    match records {
        None => ids.extend(listed(&remote)?),
        Some(records) => {
            for text in records {
                ids.push(named(&remote, text)?);
            }
        }
    }
    let mut pulled = PulledRecords::default();
    for id in ids {
        pull_one(project, &mut remote, &id, &watch, &mut pulled)?;
        pulled.records.push(id);
    }
    Ok(pulled)
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
    let history = needs::of_history(&executions, manifests);
    fetch.all(&needs::of_record(&record), &history)?;
    let extra = [record.recipe.to_bytes()?, bytes];
    fetch.keep(&extra)?;
    let count = fetch.count;
    pulled.entries += count.entries;
    pulled.bytes += count.bytes;
    remember(project, &record, &held, &executions, pulled)
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
        let mut had = Objects::new();
        for (digest, object) in history {
            if self.is_had(digest)? {
                had.insert(*digest, *object);
            }
        }
        self.objects(&had)?;
        for (digest, object) in &had {
            let named = needs::blobs_of(self.source(digest)?, digest, *object)?;
            let mut all = true;
            for blob in &named {
                all &= self.is_had(blob)?;
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
