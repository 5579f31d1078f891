//! End-to-end tests on the real binary, in temporary projects. One module for each command, and
//! one for each promise that spans them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::large_stack_arrays
)]
// A test tells one story from its beginning to its end.
#![allow(clippy::too_many_lines)]

#[path = "cli/postgres.rs"]
mod postgres;
#[path = "cli/s3.rs"]
mod s3;
#[path = "cli/support.rs"]
mod support;

#[path = "cli/addresses.rs"]
mod addresses;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/bisect.rs"]
mod bisect;
#[path = "cli/book.rs"]
mod book;
#[path = "cli/boosting.rs"]
mod boosting;
#[path = "cli/bundles.rs"]
mod bundles;
#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/compare.rs"]
mod compare;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/data_versions.rs"]
mod data_versions;
#[path = "cli/decimals.rs"]
mod decimals;
#[path = "cli/determinism.rs"]
mod determinism;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/endings.rs"]
mod endings;
#[path = "cli/environments.rs"]
mod environments;
#[path = "cli/erase.rs"]
mod erase;
#[path = "cli/examples_programs.rs"]
mod examples_programs;
#[path = "cli/exit_codes.rs"]
mod exit_codes;
#[path = "cli/expect.rs"]
mod expect;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/identity.rs"]
mod identity;
#[path = "cli/images.rs"]
mod images;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/integrity.rs"]
mod integrity;
#[path = "cli/log.rs"]
mod log;
#[path = "cli/made_data.rs"]
mod made_data;
#[path = "cli/manuals.rs"]
mod manuals;
#[path = "cli/many_files.rs"]
mod many_files;
#[path = "cli/notebook.rs"]
mod notebook;
#[path = "cli/notebook_steps.rs"]
mod notebook_steps;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/paranoid.rs"]
mod paranoid;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/predict.rs"]
mod predict;
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/python_pipelines.rs"]
mod python_pipelines;
#[path = "cli/python_sdk.rs"]
mod python_sdk;
#[path = "cli/queries.rs"]
mod queries;
#[path = "cli/queries_login.rs"]
mod queries_login;
#[path = "cli/queries_postgres.rs"]
mod queries_postgres;
#[path = "cli/remotes.rs"]
mod remotes;
#[path = "cli/repair.rs"]
mod repair;
#[path = "cli/reports.rs"]
mod reports;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/schema.rs"]
mod schema;
#[path = "cli/seeds.rs"]
mod seeds;
#[path = "cli/show.rs"]
mod show;
#[path = "cli/store.rs"]
mod store;
#[path = "cli/traced.rs"]
mod traced;
#[path = "cli/travelling.rs"]
mod travelling;
#[path = "cli/unisolated.rs"]
mod unisolated;
#[path = "cli/verify.rs"]
mod verify;
#[path = "cli/why.rs"]
mod why;
