//! The plan of a closure of programs that are installed on the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reproof_store::fs::FileKind;

use super::error::EnvironmentError;
use super::machine::{Machine, text};
use super::plan::{Item, Plan};
use super::spec::SystemSpec;

/// Folders that are the machine's or the sandbox's, never a closure's.
const REFUSED: [&str; 8] = [
    "proc", "sys", "dev", "run", "tmp", "reproof", "root", "home",
];
/// Folders that a step's search path names.
const SEARCHED: [&str; 3] = ["usr/local/bin", "usr/bin", "bin"];
/// How much of a file is looked at for `#!`.
const FIRST_LINE: u64 = 64 << 20;
/// How many scripts may start one another.
const MAX_DEPTH: usize = 8;

/// Plans the programs, what their scripts are interpreted by, and the extra paths. Gives the paths
/// inside without which the closure is useless.
pub(crate) fn plan(
    machine: &Machine<'_>,
    spec: &SystemSpec,
) -> Result<(Plan, BTreeSet<String>), EnvironmentError> {
    let mut plan = Plan::default();
    let mut essential = BTreeSet::new();
    for name in &spec.programs {
        let missing = || EnvironmentError::NoProgram(name.clone());
        if name.is_empty() || name.contains('/') {
            return Err(missing());
        }
        let path = machine.find(name).ok_or_else(missing)?;
        program(&mut plan, machine, &path, &mut essential, 0)?;
    }
    for path in &spec.extra {
        extra(&mut plan, machine, Path::new(path))?;
    }
    Ok((plan, essential))
}

/// Adds a program under the name by which it was found, in the folder without links.
fn program(
    plan: &mut Plan,
    machine: &Machine<'_>,
    path: &Path,
    essential: &mut BTreeSet<String>,
    depth: usize,
) -> Result<(), EnvironmentError> {
    let to = place(machine, path)?;
    if plan.items.contains_key(&to) {
        return Ok(());
    }
    check_place(&to, path)?;
    plan.file(machine.io, path, &to)?;
    if let Some((folder, name)) = to.rsplit_once('/')
        && !SEARCHED.contains(&folder)
    {
        plan.link(&format!("usr/bin/{name}"), &format!("../../{to}"));
    }
    essential.insert(to.clone());
    let Some(Item::Copy { from, .. }) = plan.items.get(&to) else {
        return Ok(());
    };
    let Some(interpreter) = interpreter(machine, from)? else {
        return Ok(());
    };
    if depth >= MAX_DEPTH {
        let (path, why) = (path.to_owned(), "its interpreters are scripts without end");
        return Err(EnvironmentError::Extra { path, why });
    }
    program(plan, machine, &interpreter, essential, depth + 1)
}

/// What a script is interpreted by. For `/usr/bin/env NAME` that is the program of the name; env
/// itself is in every closure.
fn interpreter(machine: &Machine<'_>, file: &Path) -> Result<Option<PathBuf>, EnvironmentError> {
    if machine.io.metadata(file)?.size > FIRST_LINE {
        return Ok(None);
    }
    let bytes = machine.io.read(file, FIRST_LINE)?;
    let Some(line) = bytes.strip_prefix(b"#!") else {
        return Ok(None);
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else {
        return Ok(None);
    };
    if !program.ends_with("/env") {
        return Ok(Some(PathBuf::from(program)));
    }
    let name = words.find(|word| !word.starts_with('-') && !word.contains('='));
    let name = name.unwrap_or_default();
    let found = machine.find(name);
    found
        .map(Some)
        .ok_or_else(|| EnvironmentError::NoProgram(name.to_owned()))
}

/// Adds a file or folder at its own path.
fn extra(plan: &mut Plan, machine: &Machine<'_>, path: &Path) -> Result<(), EnvironmentError> {
    let refuse = |why| {
        let path = path.to_owned();
        Err(EnvironmentError::Extra { path, why })
    };
    if !path.is_absolute() {
        return refuse("it is not absolute");
    }
    let to = place(machine, path)?;
    check_place(&to, path)?;
    let real = machine.io.canonicalize(path)?;
    match machine.io.metadata(&real)?.kind {
        FileKind::File => plan.file(machine.io, path, &to),
        FileKind::Folder => plan.folder(machine.io, path, &to, &|found| {
            (found.folder && found.name == "__pycache__").then_some("bytecode")
        }),
        _ => refuse("it is neither a file nor a folder"),
    }
}

fn check_place(to: &str, path: &Path) -> Result<(), EnvironmentError> {
    let top = to.split('/').next().unwrap_or_default();
    if top.is_empty() || REFUSED.contains(&top) {
        let (path, why) = (
            path.to_owned(),
            "the machine's, a user's or the step's own files lie there",
        );
        return Err(EnvironmentError::Extra { path, why });
    }
    Ok(())
}

/// Where a path lies in the closure: its folder without links (`/bin` is often `/usr/bin`), and
/// its own name.
fn place(machine: &Machine<'_>, path: &Path) -> Result<String, EnvironmentError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        let (path, why) = (path.to_owned(), "it is the root folder");
        return Err(EnvironmentError::Extra { path, why });
    };
    let place = machine.io.canonicalize(folder)?.join(name);
    Ok(text(&place)?.trim_start_matches('/').to_owned())
}
