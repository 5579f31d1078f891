//! What `doctor --fix` changes.

use reproof_capture::LARGE;
use reproof_store::fs::{FileKind, write_atomic};

use super::code::CodeCheck;
use crate::{EngineError, Project};

/// Puts into files what can be put there safely, and gives their paths. All of them or none.
///
/// # Errors
/// Files that differ from the commit are refused unless `allow_dirty`, so that whoever does not like
/// the change can have the file back.
pub fn fix_code(
    project: &Project,
    check: &CodeCheck,
    allow_dirty: bool,
) -> Result<Vec<String>, EngineError> {
    let io = project.io();
    let dirty: Vec<_> = check
        .fixes
        .keys()
        .map(ToString::to_string)
        .filter(|path| {
            check
                .changed
                .as_ref()
                .is_none_or(|changed| changed.contains(path))
        })
        .collect();
    if !allow_dirty && !dirty.is_empty() {
        let without_git = check.changed.is_none();
        let why = if without_git {
            "no commit holds"
        } else {
            "differ from the commit"
        };
        return Err(EngineError::Refused {
            message: format!("{}: {why}: a change could not be undone", dirty.join(", ")),
            hint: Some("commit first, or use --allow-dirty".to_owned()),
        });
    }
    for (path, bytes) in &check.fixes {
        let place = project.root.join(path.as_str());
        let facts = io.metadata(&place)?;
        if facts.kind != FileKind::File || facts.size > LARGE {
            return Err(EngineError::usage(format!("{path} is no file any more")));
        }
        write_atomic(io, &place, bytes)?;
        if facts.executable {
            io.set_mode(&place, 0o755)?;
        }
    }
    Ok(check.fixes.keys().map(ToString::to_string).collect())
}
