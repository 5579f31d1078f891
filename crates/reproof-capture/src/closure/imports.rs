//! What one Python file imports, as its text says, whatever project it lies in.

use std::collections::BTreeMap;

use reproof_record::Digest;
use serde::{Deserialize, Serialize};

/// What one Python file imports. A function of the file's bytes alone, so it is kept by their
/// digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileImports {
    /// [`FileImports::VERSION`] of whoever wrote it.
    pub version: u32,
    /// The imports, each once, in the order of their first lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// The names in literals of `__all__`: what `from x import *` imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
    /// Imports whose names are computed, so that they cannot be followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dynamic: Vec<Dynamic>,
    /// Files that are run by a literal path, as with `runpy.run_path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Literal>,
    /// Folders that are added to `sys.path` by a literal path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<Literal>,
    /// Why the file could not be parsed, if so; then there is nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<ParseFault>,
}

impl FileImports {
    /// The version of what is found in a file. What another version found is not used.
    pub const VERSION: u32 = 2;

    /// Nothing but the reason why there is nothing.
    pub(crate) fn failed(line: u32, message: impl Into<String>) -> Self {
        Self {
            version: Self::VERSION,
            fault: Some(ParseFault {
                line,
                message: message.into(),
            }),
            ..Self::default()
        }
    }
}

/// One `import` or `from … import …`, or a call that does the same with literal names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// How many dots stand before the module.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub level: u32,
    /// The module with its dots; empty in `from . import x`.
    pub module: String,
    /// The names after `from … import`, which may be modules; `*` for all. Empty for `import`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The line where it stands first.
    pub line: u32,
    /// Whether it may fail wherever it stands: in a `try`, or for type checkers only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // What serde calls it with.
fn is_zero(level: &u32) -> bool {
    *level == 0
}

/// An import that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dynamic {
    /// Where it stands.
    pub line: u32,
    /// The call, such as `importlib.import_module`.
    pub call: String,
    /// With what the module's name begins, as far as the text says: `models.` of
    /// `f"models.{name}"`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// A text that stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Literal {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub line: u32,
}

/// Why a file could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParseFault {
    /// Where, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Remembers what files import, by the digest of their bytes. Failing to remember costs time and
/// nothing else, so there are no errors here.
pub trait ImportCache {
    /// What is known of these files.
    fn get(&self, files: &[Digest]) -> BTreeMap<Digest, FileImports>;
    /// Remembers what files import.
    fn put(&self, imports: &[(Digest, FileImports)]);
}

impl ImportCache for crate::NoCache {
    fn get(&self, _files: &[Digest]) -> BTreeMap<Digest, FileImports> {
        BTreeMap::new()
    }

    fn put(&self, _imports: &[(Digest, FileImports)]) {}
}
