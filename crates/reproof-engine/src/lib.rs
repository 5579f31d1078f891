//! Plan, step keys, cache, scheduling, run and verify.
//!
//! The engine neither prints nor reads the user's environment: what it needs comes through
//! [`Services`], what happens goes to an [`Observer`].

mod bisect;
mod bundle;
mod cache;
mod closures;
mod code;
mod collect;
mod compare;
mod contents;
mod copying;
mod data;
mod digests;
mod doctor;
mod environments;
mod erase;
mod error;
mod expect;
mod fsck;
pub mod host;
mod integrity;
mod lookup;
mod measure;
mod needs;
mod notebooks;
mod observer;
mod operations;
mod pins;
mod plan;
mod predict;
mod prepare;
mod process;
mod program;
mod programs;
mod project;
mod queries;
mod remote;
mod repair;
mod report;
mod run;
mod schedule;
mod scripts;
mod sdk;
mod seeds;
mod services;
mod sources;
mod undeclared;
mod verify;
mod versions;
mod why;
mod written;

pub use bisect::{
    BisectOptions, Bisection, FirstCommit, FirstVersion, JudgedBy, NamedCommit, Point, Tried,
    bisect,
};
pub use bundle::{WrittenBundle, bundle_create, bundle_open, bundle_read};
pub use code::{CheckedOut, checkout};
pub use collect::collect;
pub use compare::{
    Change, DataDifference, DataVersion, MetricsComparison, RecordComparison, compare,
};
pub use contents::{ArrayMoved, ContentMoved, FileMoved, Moved, ValueMoved};
pub use doctor::{CodeCheck, CodeFinding, Finding, Health, check_code, doctor, fix_code};
pub use environments::{
    EnvironmentList, Environments, ListedEnvironment, Ready, closure_named, env_gc,
    environments_list,
};
pub use erase::{
    ErasePlan, Erased, MadeFrom, Shared, erase, erasure_of, erasure_text, plan_erasure,
};
pub use error::{Class, EngineError, OperationError};
pub use fsck::{Checkup, Depth, Lost, fsck};
pub use lookup::{describe, record_of, resolve, resolve_record};
pub use measure::{Trial, WantedMetric};
pub use notebooks::{
    CheckedNotebook, CheckedNotebooks, FilterChange, NotebookReport, NotebookScope,
    check_notebooks, convert_notebook, notebook_filter,
};
pub use observer::{DataChange, Event, Observer, Silent};
pub use plan::{Plan, PlannedStep, plan};
pub use predict::{PredictOptions, Predicted, predict};
pub use prepare::{Prepared, Request};
pub use process::HostRunner;
pub use program::{Reported, ReportedValue, reported};
pub use project::{
    LOCK_FILE, PROJECT_FILE, Project, SCHEMA_FILE, STATE_FOLDER, exists, read_text, write_schema,
};
pub use remote::{
    MovedHistory, Offered, PulledRecords, PushedRecords, Wanted, pick as pick_remote, pull, push,
};
pub use repair::{Repaired, repair};
pub use report::{
    HistoryFilter, Repeatability, evaluation, final_looks, history, lock_is_committed, models,
    repeatability, verdict,
};
pub use reproof_capture::Pattern;
pub use reproof_capture::environment::{
    ClosureDescription, ClosureDiff, Difference, Stage, diff as environment_diff,
};
pub use reproof_capture::notebook::{
    Converted, Keep, MAX_NOTEBOOK, NotebookError, strip as strip_notebook,
};
pub use reproof_capture::rules::{Finding as RuleFinding, Rule, Severity, Subject};
pub use reproof_capture::script::{Imported, Note as ScriptNote};
pub use run::{Outcome, RunOptions, run};
pub use scripts::import_script;
pub use seeds::{
    AgainstSeeds, FurtherRun, LabelsFlipped, MAX_SEEDS, MetricMoved, SeedRuns, SeedScope,
    SeedSpread, SeedsOptions, moved_metrics, run_seeds, seed_spreads,
};
pub use services::{Cancel, Clock, Services, SystemClock};
pub use undeclared::{Declare, Undeclared};
pub use verify::{
    OutputSpread, Share, Verified, VerifyOptions, choose, read_record, spread, verify,
};
pub use versions::{
    ColumnChange, Committed, DataChoice, ExportFormat, FilesDiff, FoundData, LineageNode,
    LoggedVersion, NamedHead, PinnedData, Restored, StoredFile, StoredFiles, Uses, VersionDiff,
    add_data, commit_data, data_history, data_names, data_versions, diff_files, diff_versions,
    export_files, export_version, find_data, lineage_of, move_head, restore_version, statistics,
    tag_version, untag, uses_of,
};
pub use why::{
    Aspect, Attribution, Cause, EnvironmentChange, Experiment, Experiments, Explained, Explanation,
    Factor, FileChange, FileState, Mixture, OutputDifference, Part, Side, StepDifference,
    attribute, experiment_step, experiments, sides, why,
};
