//! A cache in a temporary folder, and what builds environments in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use reproof_capture::environment::{
    Closure, ClosureCache, EnvironmentError, EnvironmentSpec, LockSource, Machine, OpenClosure,
    PythonSpec, Requirements, SystemSpec, build, host_platform, lock,
};
use reproof_capture::{Output, Runner};
use reproof_store::fs::RealIo;
use tempfile::TempDir;

/// Starts programs of the machine, with these variables too.
#[derive(Default)]
pub struct HostRunner(pub Vec<(&'static str, String)>);

impl Runner for HostRunner {
    fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        removed: &[&str],
    ) -> std::io::Result<Output> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null());
        command.envs(self.0.iter().map(|(name, value)| (*name, value)));
        for name in removed {
            command.env_remove(name);
        }
        let output = command.envs(environment.iter().copied()).output()?;
        Ok(Output {
            success: output.status.success(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}

pub struct Scene {
    pub folder: TempDir,
    pub runner: HostRunner,
    pub path: Vec<PathBuf>,
}

impl Scene {
    pub fn new() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            folder: TempDir::new().unwrap(),
            runner: HostRunner::default(),
            path: std::env::split_paths(&path).collect(),
        }
    }

    /// One of the caches, which lie in folders with names of different lengths.
    pub fn cache(&self, name: &str) -> ClosureCache {
        ClosureCache::new(self.folder.path().join(name), Arc::new(RealIo))
    }

    pub fn with<R>(&self, act: impl FnOnce(&Machine<'_>) -> R) -> R {
        let uv = [uv()];
        act(&Machine {
            io: &RealIo,
            runner: &self.runner,
            path: &self.path,
            uv: &uv,
            project: self.folder.path(),
            observe: &|_| (),
        })
    }

    pub fn build(
        &self,
        spec: &EnvironmentSpec,
        cache: &str,
    ) -> Result<OpenClosure, EnvironmentError> {
        self.with(|machine| build(machine, spec, &self.cache(cache)))
    }
}

/// The uv that `REPROOF_UV` names, or else the one that `scripts/uv` finds or installs.
pub fn uv() -> PathBuf {
    static UV: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        if let Some(named) = std::env::var_os("REPROOF_UV") {
            return PathBuf::from(named);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/uv");
        let said = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(said.status.success(), "scripts/uv failed");
        PathBuf::from(String::from_utf8(said.stdout).unwrap().trim())
    };
    UV.get_or_init(find).clone()
}

/// Writes a file of the scene, and gives its path.
pub fn write(scene: &Scene, name: &str, text: &str) -> PathBuf {
    let path = scene.folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// An environment with these requirements, of the first Python that is found.
pub fn python(requirements: Requirements) -> EnvironmentSpec {
    EnvironmentSpec::Python(PythonSpec {
        python: None,
        requirements,
        platform: host_platform(),
        allow_builds: false,
    })
}

pub fn programs(programs: &[&str], extra: &[&str]) -> EnvironmentSpec {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    EnvironmentSpec::System(SystemSpec {
        programs: list(programs),
        extra: list(extra),
        platform: host_platform(),
    })
}

/// Small packages: a module, a package with data, one with a script.
pub fn small() -> Requirements {
    static PINS: OnceLock<Requirements> = OnceLock::new();
    PINS.get_or_init(|| locked("six==1.17.0\nidna==3.10\npygments==2.19.2\n"))
        .clone()
}

/// The pins of these requirements.
pub fn locked(text: &str) -> Requirements {
    let scene = Scene::new();
    let file = write(&scene, "requirements.in", text);
    let source = LockSource::Requirements(&file);
    let parsed = scene.with(|machine| lock(machine, &source, None, false));
    parsed.unwrap().requirements
}

/// Compiles the bytecode inside, as a run does, and seals.
pub fn seal(open: OpenClosure) -> Closure {
    if let Some(command) = open.bytecode_command() {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        inside(&open.root(), &command);
    }
    open.seal().unwrap()
}

/// Runs a program that sees nothing but the closure; gives what it wrote.
pub fn inside(root: &Path, command: &[&str]) -> String {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--net"])
        .arg(format!("--root={}", root.display()))
        .args(["--wd=/", "--"])
        .args(command)
        .env_clear()
        .env("PATH", "/reproof/env/bin:/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
