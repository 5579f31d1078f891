//! Plain scripts: the pipeline that one becomes.

use std::path::Path;

use reproof_capture::notebook::is_notebook;
use reproof_capture::script::{Imported, Place, propose, read};
use reproof_record::StepName;
use reproof_store::fs::{FileKind, Io};

use crate::EngineError;
use crate::project::exists;

/// The largest script that is read; a larger one is not parsed.
const MAX_SCRIPT: u64 = 1 << 20;

/// Proposes a pipeline for a script that lies in the folder `root`, whose step's program will lie at
/// `program`; nothing is run or written.
///
/// # Errors
/// If there is no such script in the folder, or it is no Python.
pub fn import_script(
    io: &dyn Io,
    root: &Path,
    path: &Path,
    name: &StepName,
    program: &str,
) -> Result<Imported, EngineError> {
    let shown = path.display();
    if !exists(io, path)? {
        return Err(EngineError::usage(format!("there is no file {shown}")));
    }
    let root = io.canonicalize(root)?;
    let place = io.canonicalize(path)?;
    let inside = place.strip_prefix(&root).ok().and_then(Path::to_str);
    let inside = inside.ok_or_else(|| EngineError::Usage {
        message: format!("{shown} is outside of the project {}", root.display()),
        hint: Some("copy it into the project, or name another with -C".to_owned()),
    })?;
    if is_notebook(inside) {
        return Err(EngineError::Usage {
            message: format!("{shown} is a notebook"),
            hint: Some(format!("reproof notebook convert {inside}")),
        });
    }
    if io.metadata(&place)?.kind != FileKind::File {
        return Err(EngineError::usage(format!("{shown} is no file")));
    }
    // A module that cannot be read is looked at by whoever runs it.
    let mut open = |path: &str| {
        let place = root.join(path);
        let facts = io.metadata(&place).ok()?;
        let is_small = facts.kind == FileKind::File && facts.size <= MAX_SCRIPT;
        is_small.then(|| io.read(&place, MAX_SCRIPT).ok()).flatten()
    };
    let script = read(&io.read(&place, MAX_SCRIPT)?, inside, &mut open)
        .map_err(|error| EngineError::usage(format!("{inside}:{error}")))?;
    let mut look = |path: &str| match io.metadata(&root.join(path)) {
        Ok(facts) if facts.kind == FileKind::File => Place::File,
        Ok(facts) if facts.kind == FileKind::Folder => Place::Folder,
        _ => Place::Nothing,
    };
    Ok(propose(&script, inside, name.as_str(), program, &mut look))
}
