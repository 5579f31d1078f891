//! Lists and removes environments.

use reproof_config::EnvironmentSource;
use reproof_record::{Digest, StepName};
use serde::Serialize;

use super::{Environments, plain};
use crate::EngineError;
use crate::prepare::read_lock;

/// One environment of a project.
#[derive(Clone, Debug, Serialize)]
pub struct ListedEnvironment {
    /// Its name.
    pub name: StepName,
    /// What it is made of, as a person reads it.
    pub made_of: String,
    /// The closures that the lock file names for its specification as it is now.
    pub closures: Vec<Digest>,
}

/// The environments of a project, and the closures that are here.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentList {
    /// The environments.
    pub environments: Vec<ListedEnvironment>,
    /// The closures in the user's cache.
    pub closures: Vec<Digest>,
}

/// Lists the environments of a project and the closures in the user's cache.
pub fn environments_list(environments: &Environments<'_>) -> Result<EnvironmentList, EngineError> {
    let lock = read_lock(environments.project)?;
    let mut listed = Vec::new();
    for (name, source) in environments.sources()? {
        let made_of = match &source {
            EnvironmentSource::Requirements { file, .. }
            | EnvironmentSource::Pyproject { file, .. } => file.to_string(),
            EnvironmentSource::System { programs, .. } => programs.join(", "),
        };
        // One that cannot be read yet has no closures.
        let specification = environments.specification(&name).ok();
        let digest = specification.and_then(|specification| specification.digest().ok());
        listed.push(ListedEnvironment {
            name,
            made_of,
            closures: digest.map_or(Vec::new(), |digest| lock.closures(&digest)),
        });
    }
    Ok(EnvironmentList {
        environments: listed,
        closures: environments.cache.list().map_err(plain)?,
    })
}

/// The closure that a text names: by the environment's name, or by its ID or a prefix of it.
pub fn closure_named(environments: &Environments<'_>, text: &str) -> Result<Digest, EngineError> {
    if let Ok(name) = text.parse::<StepName>()
        && environments.sources()?.contains_key(&name)
    {
        return Ok(environments.ready_as_locked(&name)?.closure);
    }
    let known = environments.cache.list().map_err(plain)?;
    let found: Vec<_> = known
        .into_iter()
        .filter(|digest| digest.to_hex().starts_with(text))
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(EngineError::Usage {
            message: format!("no environment and no closure here is named '{text}'"),
            hint: Some("'reproof env list' lists them".to_owned()),
        }),
        _ => Err(EngineError::Usage {
            message: format!("'{text}' is the beginning of several closures"),
            hint: Some("give more digits".to_owned()),
        }),
    }
}

/// Removes the closures from the user's cache that were not used for so many days and that the lock
/// file of this project does not name.
pub fn env_gc(environments: &Environments<'_>, days: u32) -> Result<Vec<Digest>, EngineError> {
    let lock = read_lock(environments.project)?;
    let now = environments.project.services.clock.now().0 / 1_000_000;
    let mut removed = Vec::new();
    for digest in environments.cache.list().map_err(plain)? {
        let Some(used) = environments.last_used(&digest) else {
            continue;
        };
        let unused = now.saturating_sub(used) >= i64::from(days) * 86_400;
        if unused && !lock.has_closure(&digest) {
            environments.cache.remove(&digest).map_err(plain)?;
            removed.push(digest);
        }
    }
    Ok(removed)
}
