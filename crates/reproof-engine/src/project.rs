//! A project: the folder with `reproof.toml`, its store and its catalogue.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reproof_catalog::{Catalog, SqliteCatalog};
use reproof_config::StoreLocation;
use reproof_store::Store;
use reproof_store::fs::{Io, write_atomic};

use crate::collect::register;
use crate::observer::{Observer, Silent};
use crate::{EngineError, Services};

/// The name of the file that makes a folder a project.
pub const PROJECT_FILE: &str = "reproof.toml";
/// The name of the lock file.
pub const LOCK_FILE: &str = "reproof.lock";
/// The folder of what Reproof keeps in a project; ignored by git.
pub const STATE_FOLDER: &str = ".reproof";
/// The JSON Schema of pipeline files, in the state folder, for editors.
pub const SCHEMA_FILE: &str = "pipeline.schema.json";
/// The largest file of the user's that is read as text.
pub const MAX_TEXT: u64 = 1 << 20;

/// An open project.
#[derive(Clone)]
pub struct Project {
    /// The folder.
    pub root: PathBuf,
    /// What `reproof.toml` says.
    pub settings: reproof_config::Project,
    /// Where blobs lie.
    pub store: Store,
    /// Executions, records, steps.
    pub catalog: Arc<dyn Catalog>,
    /// What comes from outside.
    pub services: Services,
    /// Whether facts of files are not believed: then every byte is hashed again.
    pub paranoid: bool,
    /// Listens to what is fetched from remotes because it is asked for by its ID.
    pub observer: Arc<dyn Observer>,
    /// Whether what was erased may come back: that is noted in the history then.
    pub allow_erased: bool,
}

impl Project {
    /// The folder of the project that `start` lies in: it, or the nearest above, with a
    /// `reproof.toml`.
    pub fn find(io: &dyn Io, start: &Path) -> Result<PathBuf, EngineError> {
        for folder in start.ancestors() {
            if exists(io, &folder.join(PROJECT_FILE))? {
                return Ok(folder.to_owned());
            }
        }
        Err(EngineError::Usage {
            message: format!(
                "no {PROJECT_FILE} in {} or a folder above it",
                start.display()
            ),
            hint: Some("make this folder a project with 'reproof init'".to_owned()),
        })
    }

    /// Opens the project in this folder; its store and catalogue are made if they are missing.
    pub fn open(root: &Path, services: Services) -> Result<Self, EngineError> {
        let io = Arc::clone(&services.io);
        let text = read_text(io.as_ref(), &root.join(PROJECT_FILE))?;
        let settings = reproof_config::parse_project(PROJECT_FILE, &text)?;
        let state = root.join(STATE_FOLDER);
        if !exists(io.as_ref(), &state)? {
            io.create_dir_all(&state)?;
            write_schema(io.as_ref(), root)?;
        }
        let store_folder = match settings.store {
            StoreLocation::Project => state.join("store"),
            StoreLocation::User => {
                let home = services.data_home.as_ref().ok_or_else(|| {
                    EngineError::usage(
                        "the store is set to 'user', but neither XDG_DATA_HOME nor HOME says where that is",
                    )
                })?;
                home.join("reproof").join("store")
            }
        };
        let store = Store::open(&store_folder, io)?;
        let catalog = Arc::new(SqliteCatalog::open(&state.join("catalog.db"))?);
        let project = Self {
            root: root.to_owned(),
            settings,
            store,
            catalog,
            services,
            paranoid: false,
            observer: Arc::new(Silent),
            allow_erased: false,
        };
        if project.settings.store == StoreLocation::User {
            register(&project)?;
        }
        Ok(project)
    }

    /// Writes a text file of the project.
    pub fn write_text(&self, file: &str, text: &str) -> Result<(), EngineError> {
        Ok(write_atomic(
            self.io(),
            &self.root.join(file),
            text.as_bytes(),
        )?)
    }

    /// The project's file system.
    pub fn io(&self) -> &dyn Io {
        self.services.io.as_ref()
    }
}

/// Writes the JSON Schema that the editor modeline of a pipeline file points to.
pub fn write_schema(io: &dyn Io, root: &Path) -> Result<(), EngineError> {
    let schema = reproof_config::pipeline_json_schema();
    let text =
        serde_json::to_vec_pretty(&schema).map_err(|error| EngineError::Bug(error.to_string()))?;
    write_atomic(io, &root.join(STATE_FOLDER).join(SCHEMA_FILE), &text)?;
    Ok(())
}

/// Whether something of this name is there.
pub fn exists(io: &dyn Io, path: &Path) -> Result<bool, EngineError> {
    match io.metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads a text file of the user's.
pub fn read_text(io: &dyn Io, path: &Path) -> Result<String, EngineError> {
    let bytes = io
        .read(path, MAX_TEXT)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                EngineError::usage(format!("there is no file {}", path.display()))
            }
            ErrorKind::FileTooLarge | ErrorKind::IsADirectory => {
                EngineError::usage(error.to_string())
            }
            _ => error.into(),
        })?;
    String::from_utf8(bytes)
        .map_err(|_| EngineError::usage(format!("{} is not UTF-8 text", path.display())))
}
