//! Remotes: records and the history of named data are pushed to them and pulled from them, and what
//! is missing here is fetched when it is needed.

mod demand;
mod history;
mod pull;
mod push;
mod refs;
mod tombstones;

use std::collections::BTreeMap;

use reproof_config::RemoteSettings;
use reproof_record::{Digest, RecordId, StepName};
use reproof_store::{Remote, RemoteError, Watch};
use serde::{Deserialize, Serialize};

pub(crate) use demand::{complete, fetch_content, fetch_tree, find_record};
pub use history::MovedHistory;
pub(crate) use history::{add as add_versions, row as version_row};
pub use pull::{PulledRecords, Wanted, pull};
pub use push::{Offered, PushedRecords, push};

use crate::observer::{Event, Observer};
use crate::{Cancel, EngineError, Project};

/// The folder of the documents that say what is needed of each record.
const RECORDS: &str = "records";
/// The folder of executions, one folder inside for each record.
const EXECUTIONS: &str = "executions";

/// What a remote holds of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    /// [`Held::FORMAT`].
    format: String,
    /// The record.
    record: RecordId,
    /// The manifests of the outputs, where whoever pushed knew them.
    results: BTreeMap<StepName, BTreeMap<StepName, Digest>>,
    /// The packs in which its blobs lie, sorted: a listing that is behind then keeps nobody from
    /// finding them.
    packs: Vec<Digest>,
}

impl Held {
    const FORMAT: &'static str = "reproof.held/1";
}

fn held_name(record: &RecordId) -> String {
    format!("{RECORDS}/{record}")
}

/// Tells an observer what moves, and stops when asked to.
pub(crate) struct Moving<'a> {
    /// What is done.
    pub text: &'static str,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
}

impl Watch for Moving<'_> {
    fn moved(&self, done: u64, total: u64) {
        self.observer.event(&Event::Moved {
            text: self.text,
            done,
            total,
        });
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// The remote that is meant where `name` is none: the only one, or `origin`.
///
/// # Errors
/// If there is none, or it is not clear which is meant.
pub fn pick(project: &Project, name: Option<&str>) -> Result<StepName, EngineError> {
    let remotes = &project.settings.remotes;
    let list = || {
        let names: Vec<_> = remotes.keys().map(StepName::as_str).collect();
        match names.len() {
            0 => "'reproof remote add NAME URL' adds one".to_owned(),
            _ => format!("there are {}", names.join(", ")),
        }
    };
    if let Some(name) = name {
        let found = remotes.keys().find(|known| known.as_str() == name);
        return found.cloned().ok_or_else(|| EngineError::Usage {
            message: format!("there is no remote '{name}'"),
            hint: Some(list()),
        });
    }
    let origin = remotes.keys().find(|known| known.as_str() == "origin");
    let only = remotes.keys().next().filter(|_| remotes.len() == 1);
    only.or(origin).cloned().ok_or_else(|| EngineError::Usage {
        message: if remotes.is_empty() {
            "the project has no remote".to_owned()
        } else {
            "the project has several remotes: say which".to_owned()
        },
        hint: Some(list()),
    })
}

/// Opens a remote. Nothing is asked of it yet.
pub(crate) fn open(project: &Project, name: &StepName) -> Result<Remote, EngineError> {
    let settings: &RemoteSettings = project.settings.remotes.get(name).ok_or_else(|| {
        EngineError::Bug(format!("the remote {name} was picked, and is not there"))
    })?;
    let services = &project.services;
    let objects = reproof_remote::open(settings, &services.variables, &services.io);
    let objects = objects.map_err(|error| EngineError::Usage {
        message: format!("remote '{name}' ({}): {}", settings.address, error.message),
        hint: Some(error.hint),
    })?;
    let cache = services.cache_home.as_ref().map(|home| {
        let folder = home.join("reproof").join("remotes").join("index");
        (folder, std::sync::Arc::clone(&services.io))
    });
    Ok(Remote::new(name.as_str(), objects, cache))
}

/// Reads a document of a remote as what it must be.
fn parse<T: serde::de::DeserializeOwned>(
    remote: &Remote,
    name: &str,
    text: &[u8],
) -> Result<T, RemoteError> {
    serde_json::from_slice(text).map_err(|error| remote.damaged(name, error.to_string()))
}

/// What a remote holds of a record; none if it has none of it.
fn held(remote: &Remote, record: &RecordId) -> Result<Option<Held>, RemoteError> {
    let name = held_name(record);
    let Some(text) = remote.document(&name)? else {
        return Ok(None);
    };
    let held: Held = parse(remote, &name, &text)?;
    if held.format != Held::FORMAT {
        let what = format!("it has the format '{}'", held.format);
        return Err(remote.damaged(&name, what));
    }
    if held.record != *record {
        return Err(remote.damaged(&name, "it is about another record"));
    }
    Ok(Some(held))
}
