//! What Reproof writes down: digests, canonical JSON, artifacts, recipes, records and executions.
//!
//! A *recipe* is the closed description of what can change a result, and of nothing else. A
//! *record* is a recipe with the content digest of every output. Both are identified by the
//! BLAKE3 of their canonical JSON (RFC 8785). An *execution* is the event that produced, or
//! verified, a record.
//!
//! This crate is pure: it opens no file, starts no process, reads no clock and no environment.

mod artifact;
mod canonical;
mod decimal;
mod digest;
mod erasure;
mod execution;
mod expectation;
mod gate;
mod images;
mod names;
mod operation;
mod program;
mod recipe;
mod record;
mod table;
mod tolerance;
mod version;

pub use artifact::{Artifact, ArtifactKind, FileEntry, LINK_PREFIX, Manifest, Tree, TreeEntry};
pub use canonical::{
    CanonicalError, MAX_SAFE_INTEGER, canonical_json, canonical_number, from_canonical,
    to_canonical,
};
pub use decimal::{DecimalError, DecimalType, DecimalTypeError};
pub use digest::{
    Digest, DigestError, RecipeId, RecordId, ResultsId, StepKey, VersionId, digests_in,
};
pub use erasure::{Erasure, ErasureAction};
pub use execution::{
    CodeState, DataUse, Execution, ExecutionId, ExecutionKind, ExecutionStatus, GateOutcome,
    GateVerdict, Host, Level, OutputVerdict, StepExecution, StepStatus, Timestamp, Verdict,
    Verification,
};
pub use expectation::{DataCheck, ExampleRow, Expectation, ExpectationOutcome};
pub use gate::{Bound, Gate};
pub use images::{IMAGE_DIGEST, IMAGE_PATH, image_table_schema};
pub use names::{NameError, PathComponent, RelativePath, StepName};
pub use operation::Operation;
pub use program::{Isolation, Profile, Program, UnknownName};
pub use recipe::{DataInput, Recipe, RecipeError, RecipeStep, Seed, Source, StepInput};
pub use record::{Record, Results};
pub use table::{Column, LogicalType, Schema, SchemaError, TableObject};
pub use tolerance::{Apart, Distance, Tolerance, ulps_apart};
pub use version::{Author, DataOrigin, VersionEntry};
