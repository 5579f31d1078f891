//! The files that a person writes or commits: `reproof.toml`, pipeline files and `reproof.lock`.
//!
//! Texts are parsed to a spanned tree of our own and validated against declarative tables of
//! fields and the registry of built-in operations. All errors of a file
//! are reported at once, each with its place and, where there is one, the nearest valid name. The
//! same tables give the JSON Schemas for editors and the reference page.
//!
//! A valid pipeline is expanded, with the schemas of its data, to a [`Graph`]: every parameter
//! resolved, ready to be a recipe.
//!
//! This crate is pure: it opens no file, starts no process, reads no clock and no environment. It
//! never executes a configuration file and never renders a template in one.

mod check;
mod diagnostic;
mod json_schema;
mod lock;
mod names;
mod pipeline;
mod postgres;
mod program;
mod project;
mod reference;
mod registry;
mod shape;
mod starter;
mod tables;
mod tree;
mod version;

pub use diagnostic::{Diagnostic, Diagnostics, LineOrigin};
pub use json_schema::{pipeline_json_schema, project_json_schema};
pub use lock::{Lock, LockEntry, StepPin, parse_lock};
pub use names::nearest;
pub use pipeline::{
    CsvOptions, DataFormat, DataFrom, DataSource, Early, ExpandOptions, Graph, Note, Pipeline,
    Place, PostgresServer, QueryText, SqlQuery, StatisticsOption, check_address, parse_bound,
    parse_pipeline, parse_written_pipeline,
};
pub use postgres::{Password, PostgresAddress, PostgresConnection, SslMode};
pub use program::{OutputSpec, ProgramSpec, Resources, is_reserved_variable};
pub use project::{
    ADDRESS_HINT, EnvironmentSource, NamedData, Policy, Project, PythonOptions, RemoteAddress,
    RemoteSettings, StoreLocation, add_data, is_loopback, parse_project, with_remote,
    without_remote,
};
pub use reference::reference_markdown;
pub use registry::Task;
pub use starter::starter_pipeline_for;
pub use tree::{Override, OverrideError};
pub use version::{VersionAt, VersionError, VersionRef, VersionRefError, VersionSpec, check_tag};
