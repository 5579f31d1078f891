//! Verification from as little as can be: environments are built again from their specifications, in a
//! folder of their own, and files are laid out in another order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reproof_record::{Digest, Isolation, Recipe, StepName};
use reproof_store::WorkFolder;

use crate::observer::Observer;
use crate::prepare::read_lock;
use crate::programs::Programs;
use crate::{EngineError, Environments, Project};

/// The environments of a recipe, built again. The folder goes with it.
pub(super) struct Rebuilt {
    work: WorkFolder,
    /// By the closure that the recipe names: the environment's name, the closure that it came to, and
    /// where that lies.
    made: BTreeMap<Digest, (StepName, Digest, PathBuf)>,
}

impl Rebuilt {
    /// Whether there was nothing to build.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// The environments that came to another closure, in words.
    pub fn others(&self) -> Vec<String> {
        let others = self
            .made
            .iter()
            .filter(|(recorded, (_, made, _))| recorded != &made);
        others
            .map(|(recorded, (name, made, _))| {
                format!(
                    "the environment '{name}' was built again and came to {} instead of {}: 'reproof \
                     env diff {} {}' shows what differs",
                    made.short(),
                    recorded.short(),
                    recorded.short(),
                    made.short()
                )
            })
            .collect()
    }

    /// Has programs run in what was built.
    pub fn put_into(&self, programs: &mut Programs) {
        for (recorded, (.., root)) in &self.made {
            programs.roots.insert(*recorded, root.clone());
        }
        programs.altered.reversed = true;
    }

    /// What was made to differ from the run, in words.
    pub fn changed(&self) -> Vec<String> {
        let built = self.made.values().map(|(name, made, _)| {
            format!(
                "the environment '{name}' was built again in a new folder: {}",
                made.short()
            )
        });
        let laid = "code and inputs were laid out in new folders, from the last file to the first";
        built.chain(std::iter::once(laid.to_owned())).collect()
    }
}

/// Builds every environment of a recipe again.
///
/// # Errors
/// If no environment that `reproof.toml` names is known to be the one that the recipe names; if it
/// cannot be built.
pub(super) fn rebuild(
    project: &Project,
    recipe: &Recipe,
    isolation: Isolation,
    observer: &dyn Observer,
) -> Result<Rebuilt, EngineError> {
    let mut rebuilt = Rebuilt {
        work: project.store.work_folder()?,
        made: BTreeMap::new(),
    };
    let wanted = recipe
        .steps
        .values()
        .filter(|step| step.pinned.is_empty())
        .filter_map(|step| Some(step.program.as_ref()?.environment));
    for closure in wanted {
        if rebuilt.made.contains_key(&closure) {
            continue;
        }
        let environments = Environments::new(project, observer)?.at(isolation);
        let name = named(project, &environments, &closure)?;
        let environments = environments.in_folder(rebuilt.work.path().join("closures"));
        let made = environments.build_again(&name)?;
        let place = (name, made.digest(), made.root());
        rebuilt.made.insert(closure, place);
    }
    Ok(rebuilt)
}

/// The environment of `reproof.toml` whose specification the lock file ties to a closure.
fn named(
    project: &Project,
    environments: &Environments<'_>,
    closure: &Digest,
) -> Result<StepName, EngineError> {
    let lock = read_lock(project)?;
    for name in environments.sources()?.into_keys() {
        // One that cannot be read is not the one.
        let Ok(spec) = environments.specification(&name) else {
            continue;
        };
        if lock.closures(&spec.digest()?).contains(closure) {
            return Ok(name);
        }
    }
    Err(EngineError::Impossible(format!(
        "nothing here says from what the environment {} was built: reproof.lock ties it to no \
         environment of reproof.toml as that is now. Lay out the code of the record ('reproof checkout') \
         and verify there, or without '--level fresh'",
        closure.short()
    )))
}
