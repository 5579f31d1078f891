//! Files on servers: a copy of each is kept in the project's own folder, and fetched again when the
//! server says that it is another one.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use reproof_record::{Digest, StepName};
use reproof_remote::{Fetched, fetch};
use reproof_store::ObjectError;
use reproof_store::fs::{Facts, WriteFile, create_dir_durable, remove_tree, unique, write_atomic};

use crate::project::STATE_FOLDER;
use crate::{Cancel, EngineError, Project};

/// The folder of the copies, below the project's own.
const FOLDER: &str = "fetched";
/// The longest tag of a server, in bytes.
const MAX_TAG: u64 = 4096;

/// A copy on its way. What is whole is durable before a tag says so.
struct Part(Box<dyn WriteFile>);

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.sync().map_err(std::io::Error::other)
    }
}

/// Removes all copies: what they hold is fetched again when it is asked for.
///
/// # Errors
/// Trouble of the storage.
pub(crate) fn forget_fetched(project: &Project) -> Result<(), EngineError> {
    let folder = project.root.join(STATE_FOLDER).join(FOLDER);
    match project.io().metadata(&folder) {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(remove_tree(project.io(), &folder)?),
    }
}

/// Where the copy of the file at an address lies, after it was compared with the server, and its facts.
///
/// # Errors
/// A server that cannot be reached, a file that is not there, and trouble of the storage.
pub(super) fn find(
    project: &Project,
    name: &StepName,
    address: &str,
    cancel: &Cancel,
) -> Result<(PathBuf, Facts), EngineError> {
    let io = project.io();
    let folder = project.root.join(STATE_FOLDER).join(FOLDER);
    create_dir_durable(io, &folder)?;
    let id = Digest::of(address.as_bytes()).to_hex();
    let (copy, tag) = (folder.join(&id), folder.join(format!("{id}.tag")));
    let part = folder.join(format!("{id}.{}", unique()));
    let known = match (io.metadata(&copy), io.read(&tag, MAX_TAG)) {
        (Ok(_), Ok(bytes)) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let fetched = {
        let (address, part) = (address.to_owned(), part.clone());
        let io = Arc::clone(&project.services.io);
        let variables = Arc::clone(&project.services.variables);
        cancel.wait_for(move || {
            let mut open = || -> std::io::Result<Box<dyn Write>> {
                // A transfer that begins anew.
                let _ = io.remove_file(&part);
                let file = io.create_new(&part).map_err(std::io::Error::other)?;
                Ok(Box::new(Part(file)))
            };
            fetch(
                &address,
                known.as_deref(),
                &variables,
                io.as_ref(),
                &mut open,
            )
        })
    };
    let fetched = fetched.and_then(|fetched| fetched.map_err(|error| failed(name, error)));
    match fetched.inspect_err(|_| drop(io.remove_file(&part)))? {
        Fetched::Unchanged => {}
        Fetched::New { tag: new } => {
            // Without a tag it is fetched again, so a tag never stands beside other bytes.
            match io.remove_file(&tag) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
            io.rename(&part, &copy)?;
            if let Some(new) = new {
                write_atomic(io, &tag, new.as_bytes())?;
            }
        }
    }
    let facts = io.metadata(&copy)?;
    Ok((copy, facts))
}

fn failed(name: &StepName, error: ObjectError) -> EngineError {
    EngineError::Unreachable {
        message: format!("data '{name}': {}", error.message),
        hint: error.hint,
    }
}
