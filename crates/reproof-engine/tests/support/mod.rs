//! A temporary project that is run through the engine, without the binary.

use std::io;
use std::path::Path;
use std::sync::Arc;

use reproof_capture::{Output, Runner};
use reproof_engine::{
    Cancel, EngineError, Outcome, Project, Request, RunOptions, Services, Silent, SystemClock, run,
};
use reproof_record::Host;
use reproof_store::fs::Io;
use reproof_table::Threads;

/// A machine without any program.
#[derive(Debug)]
struct NoPrograms;

impl Runner for NoPrograms {
    fn run(
        &self,
        _program: &str,
        _arguments: &[&str],
        _folder: &Path,
        _environment: &[(&str, &str)],
        _removed: &[&str],
    ) -> io::Result<Output> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Copies the diabetes example.
pub fn copy_example(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/diabetes");
    for path in [
        "reproof.toml",
        "pipelines/diabetes.yaml",
        "data/pima_diabetes.csv",
    ] {
        std::fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
        std::fs::copy(from.join(path), to.join(path)).unwrap();
    }
}

/// Opens the project in this folder.
pub fn open(root: &Path, io: Arc<dyn Io>) -> Result<Project, EngineError> {
    let services = Services {
        io,
        runner: Arc::new(NoPrograms),
        clock: Arc::new(SystemClock),
        host: Host::default(),
        user: "test".to_owned(),
        data_home: None,
        cache_home: None,
        search_path: Vec::new(),
        uv: Vec::new(),
        variables: Arc::default(),
        version: "test".to_owned(),
    };
    Project::open(root, services)
}

/// Runs the example with these values set.
pub fn run_example(
    project: &Project,
    set: &[String],
    use_cache: bool,
) -> Result<Outcome, EngineError> {
    let options = RunOptions {
        request: Request {
            pipeline_file: "pipelines/diabetes.yaml".to_owned(),
            overrides: set.iter().map(|text| text.parse().unwrap()).collect(),
            ..Request::default()
        },
        use_cache,
        threads: Threads::new(2.try_into().unwrap()),
        trace: false,
    };
    run(project, &options, &Silent, &Cancel::default())
}
