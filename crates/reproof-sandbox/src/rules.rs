//! Landlock: the files that may be written, once more, and no talk with processes outside. A third wall, where
//! the kernel has it.
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::error::SetupFailure;
use crate::spec::Sandbox;

/// The newest version whose rights are known here; older kernels get what they have.
const VERSION: ABI = ABI::V6;

/// Where everything may be written, besides the writable mounts.
const WRITABLE: [&str; 3] = ["/dev", "/tmp", "/proc"];

/// Restricts this process and its children, for ever. Without a root of its own the mounts lie where they come
/// from. False if the kernel has no Landlock.
pub(crate) fn apply(sandbox: &Sandbox, confined: bool) -> Result<bool, SetupFailure> {
    let status = restrict(sandbox, confined).map_err(|error| SetupFailure {
        step: format!("restrict files by Landlock ({error})"),
        path: None,
        errno: 0,
    })?;
    Ok(status != RulesetStatus::NotEnforced)
}

fn restrict(sandbox: &Sandbox, confined: bool) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    let given = sandbox.mounts.iter().filter(|mount| mount.writable);
    let given = given.map(|mount| {
        if confined {
            Path::new(&mount.to)
        } else {
            mount.from.as_path()
        }
    });
    let writable = given.chain(WRITABLE.map(Path::new));
    let readable = [(Path::new("/"), AccessFs::from_read(VERSION))];
    let writable = writable.map(|path| (path, AccessFs::from_all(VERSION)));
    for (path, access) in readable.into_iter().chain(writable) {
        // What is not there needs no rule.
        if let Ok(opened) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}
