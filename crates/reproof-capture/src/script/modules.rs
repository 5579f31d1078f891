//! The modules of the project that a script imports: what they read, write and take counts as the
//! script's own. Their constants are no settings, since nothing sets them.

use std::collections::BTreeSet;

use super::propose::parent;
use super::read::read_one;
use super::{At, Module, Note, Script, ScriptError};
use crate::closure::normalise;

/// How many modules are read.
const MOST: usize = 500;

/// Reads a script that lies at this path in the project, and the modules of the project that it imports.
/// `open` gives the bytes of a file of the project, or nothing if there is none.
///
/// # Errors
/// If the script is no Python. A module that is none is noted.
pub fn read(
    bytes: &[u8],
    path: &str,
    open: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Script, ScriptError> {
    let mut script = read_one(bytes, path)?;
    let folder = parent(path).to_owned();
    let mut seen = BTreeSet::from([path.to_owned()]);
    let mut waiting = queued(path, &script.imports);
    while let Some((importer, module)) = waiting.pop() {
        for (file, bytes) in files(&module, &folder, &importer, &mut seen, open) {
            script.modules.insert(module.top().to_owned());
            let at = module.at.clone();
            if seen.len() > MOST {
                let text = format!("of more than {MOST} modules the others were not looked at");
                script.notes.push(Note { at, text });
                return Ok(script);
            }
            match read_one(&bytes, &file) {
                Ok(found) => {
                    let imports = add(&mut script, found, &file);
                    waiting.extend(queued(&file, &imports));
                }
                Err(error) => {
                    let text = format!("{file}:{error}: it was not looked at");
                    script.notes.push(Note { at, text });
                }
            }
        }
    }
    Ok(script)
}

/// What a file imports, each with the file, the first at the end.
fn queued(importer: &str, imports: &[Module]) -> Vec<(String, Module)> {
    let imports = imports.iter().rev().cloned();
    imports.map(|one| (importer.to_owned(), one)).collect()
}

/// The files of a module that were not read yet, with their bytes.
fn files(
    module: &Module,
    folder: &str,
    importer: &str,
    seen: &mut BTreeSet<String>,
    open: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
) -> Vec<(String, Vec<u8>)> {
    let import = &module.import;
    let bases: Vec<String> = match import.level {
        0 => vec![folder.to_owned(), String::new(), "src".to_owned()],
        level => {
            let up = "../".repeat(level as usize - 1);
            let base = normalise(parent(importer), &format!("{up}."));
            base.into_iter().collect()
        }
    };
    let parts: Vec<&str> = import
        .module
        .split('.')
        .filter(|part| !part.is_empty())
        .collect();
    for base in bases {
        let mut found = Vec::new();
        let mut is_there = false;
        let mut look = |place: &str| {
            for file in [format!("{place}.py"), format!("{place}/__init__.py")] {
                let Some(file) = normalise(&base, &file) else {
                    continue;
                };
                if seen.contains(&file) {
                    is_there = true;
                } else if let Some(bytes) = open(&file) {
                    is_there = true;
                    seen.insert(file.clone());
                    found.push((file, bytes));
                }
            }
        };
        // `import a.b` runs `a`, too, and names may be modules.
        for end in 1..=parts.len() {
            look(&parts[..end].join("/"));
        }
        for name in &import.names {
            let place: Vec<&str> = parts.iter().copied().chain([name.as_str()]).collect();
            look(&place.join("/"));
        }
        if is_there {
            return found;
        }
    }
    Vec::new()
}

/// Adds what a module says, and gives what it imports.
fn add(script: &mut Script, found: Script, file: &str) -> Vec<Module> {
    let placed = |at: At| At {
        file: Some(file.to_owned()),
        ..at
    };
    script.uses.extend(found.uses.into_iter().map(|mut one| {
        one.at = placed(one.at);
        one
    }));
    script
        .arguments
        .extend(found.arguments.into_iter().map(|mut one| {
            one.at = placed(one.at);
            one
        }));
    let note = |mut one: Note| {
        one.at = placed(one.at);
        one
    };
    script.seeds.extend(found.seeds.into_iter().map(note));
    script.notes.extend(found.notes.into_iter().map(note));
    let checked = found.checked.into_iter();
    script
        .checked
        .extend(checked.map(|(_, found)| (Some(file.to_owned()), found)));
    let imports: Vec<Module> = found
        .imports
        .into_iter()
        .map(|mut one| {
            one.at = placed(one.at);
            one
        })
        .collect();
    script.imports.extend(imports.iter().cloned());
    imports
}
