//! Notebooks of Jupyter: what is in them, what keeps them from being repeated, and what of them is
//! source.

mod check;
mod convert;
mod document;
mod find;
mod json;
pub(crate) mod magic;
mod source;
mod strip;

pub(crate) use check::distribution;
pub use check::{Declared, Report, Surroundings, check};
pub use convert::{ConvertError, Converted, convert};
pub(crate) use convert::{literal_assigned, literal_json, quoted};
pub use document::{Cell, CellKind, MAX_NOTEBOOK, Notebook, NotebookError};
pub use find::project_files;
pub(crate) use source::imports;
pub use source::{RUNNER, source};
pub use strip::{Keep, strip};

/// Whether a path is that of a notebook.
pub fn is_notebook(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| ending == "ipynb")
}
