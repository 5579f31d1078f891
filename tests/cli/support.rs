//! A temporary project and the real binary in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use reproof_record::Digest;
use reproof_store::Store;
use reproof_store::fs::RealIo;
use serde_json::Value;
use tempfile::TempDir;

/// A temporary project.
pub struct Project {
    folder: TempDir,
}

/// What a call of the binary gave.
#[derive(Debug)]
pub struct Call {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Call {
    /// The call, which must have ended with this exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "\nstdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// The JSON document that a successful call printed.
    #[track_caller]
    pub fn json(self) -> Value {
        let call = self.expect(0);
        serde_json::from_str(&call.out).unwrap_or_else(|error| panic!("{error}:\n{}", call.out))
    }

    /// Asserts that standard error holds each of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "no '{text}' in:\n{}", self.err);
        }
        self
    }
}

/// The example in this repository.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

impl Project {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    /// A copy of the diabetes example, without what a run made there.
    pub fn diabetes() -> Self {
        Self::example("diabetes")
    }

    /// A copy of an example, without what a run made there.
    pub fn example(name: &str) -> Self {
        let project = Self::empty();
        for folder in [".", "pipelines", "data"] {
            for entry in std::fs::read_dir(example(name).join(folder)).unwrap() {
                let from = entry.unwrap().path();
                let to = project.path(folder).join(from.file_name().unwrap());
                if from.is_file() {
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    std::fs::copy(from, to).unwrap();
                }
            }
        }
        project
    }

    /// A copy of the diabetes example in a git repository of its own, all committed.
    pub fn committed() -> Self {
        let project = Self::diabetes();
        project.write(".gitignore", "/.reproof/\n");
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.commit("first");
        project
    }

    /// A project of one row of data and these steps, whose programs run in an environment of a
    /// few programs of this machine, which needs no network.
    pub fn shell(steps: &str) -> Self {
        let project = Self::steps(steps);
        project.write("reproof.toml", SHELL);
        project
    }

    /// A project of one row of data and these steps, whose programs run in Python with one package.
    #[track_caller]
    pub fn python(six: &str, steps: &str) -> Self {
        need_uv();
        let project = Self::steps(steps);
        project.write("reproof.toml", "");
        project.write("requirements.txt", six);
        project
    }

    fn steps(steps: &str) -> Self {
        let project = Self::empty();
        project.write(".gitignore", "/.reproof/\n");
        project.write("data/rows.csv", "a,b\n1,2\n");
        let pipeline = format!("pipeline: steps\ndata: {{csv: data/rows.csv}}\nsteps:\n{steps}");
        project.write("pipelines/steps.yaml", &pipeline);
        project
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text that must be there in a file.
    #[track_caller]
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "no '{from}' in {path}:\n{text}");
        self.write(path, &text.replacen(from, to, 1));
    }

    pub fn git(&self, arguments: &[&str]) -> Output {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
            .args(arguments)
            .current_dir(self.root())
            .env("HOME", self.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        output
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// The command, ready to be changed or started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reproof"));
        command.args(arguments).current_dir(self.root());
        for name in [
            "NO_COLOR",
            "XDG_DATA_HOME",
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.root());
        command.env("XDG_CACHE_HOME", cache());
        command
    }

    /// Calls the binary in the project's folder.
    pub fn reproof(&self, arguments: &[&str]) -> Call {
        call(&mut self.command(arguments))
    }

    /// Runs the pipeline and gives the document that the run printed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["run", "--json"];
        all.extend(arguments);
        self.reproof(&all).json()
    }

    /// The project's store.
    pub fn store(&self) -> Store {
        Store::open(&self.path(".reproof/store"), Arc::new(RealIo)).unwrap()
    }

    /// All packs of the store.
    pub fn packs(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.path(".reproof/store/packs")).unwrap();
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// Damages every copy of a blob in the store. Gives what undoes it.
    #[track_caller]
    pub fn damage_blob(&self, digest: &Digest) -> Vec<(PathBuf, Vec<u8>)> {
        let places = self.store().whereabouts(digest).unwrap().into_iter();
        let undo: Vec<_> = places
            .map(|place| {
                let right = std::fs::read(&place.path).unwrap();
                let length = place.range.end - place.range.start;
                let at = place.range.start + u64::from(digest.as_bytes()[0]) % length;
                flip(&place.path, at as usize);
                (place.path, right)
            })
            .collect();
        assert!(!undo.is_empty(), "{digest} is not in the store");
        undo
    }

    /// The digest of the first file of an output, by the document that a run printed.
    #[track_caller]
    pub fn output_file(&self, run: &Value, step: &str, output: &str) -> Digest {
        let artifact = &run["execution"]["steps"][step]["outputs"][output]["digest"];
        let tree = artifact.as_str().unwrap().parse().unwrap();
        self.store().tree(&tree).unwrap().files[0].digest
    }

    /// The text of the first file of an output.
    #[track_caller]
    pub fn output(&self, run: &Value, step: &str, output: &str) -> String {
        self.blob(&self.output_file(run, step, output))
    }

    /// A stored text.
    #[track_caller]
    pub fn blob(&self, digest: &Digest) -> String {
        String::from_utf8(self.store().read(digest, 1 << 30).unwrap()).unwrap()
    }

    /// Runs the pipeline with further arguments and gives the record's ID.
    #[track_caller]
    pub fn record(&self, arguments: &[&str]) -> String {
        let mut all = vec!["run", "--json"];
        all.extend(arguments);
        let document = self.reproof(&all).json();
        document["record"].as_str().unwrap().to_owned()
    }
}

/// Flips one bit, keeping the file's times, as a failing disk does.
pub fn flip(path: &Path, at: usize) {
    let times = std::fs::metadata(path).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let stamp = std::fs::FileTimes::new().set_modified(times.modified().unwrap());
    file.set_times(stamp).unwrap();
}

/// What programs of most tests run in.
const SHELL: &str = r#"
[environments.default]
system = ["bash", "cat", "cp", "env", "head", "ln", "mkdir", "mkfifo", "rmdir", "sleep", "tail"]
"#;

/// Requirements of one small package, in two versions.
pub const SIX_16: &str = "six==1.16.0 \
    --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n";
pub const SIX_17: &str = "six==1.17.0 \
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n";

/// The user's cache, which all tests share, so that each environment is built once.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Fails where there is no uv, which builds environments of Python.
#[track_caller]
pub fn need_uv() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&path).map(|folder| folder.join("uv"));
    let named = std::env::var_os("REPROOF_UV").map(PathBuf::from);
    assert!(
        named.into_iter().chain(path).any(|file| file.is_file()),
        "this test needs uv: REPROOF_UV=$(scripts/uv) cargo test"
    );
}

/// How each step of a run ended, by the document that the run printed.
pub fn statuses(run: &Value) -> Vec<(String, String)> {
    let steps = run["execution"]["steps"].as_object().unwrap().iter();
    let status = |step: &Value| step["status"].as_str().unwrap().to_owned();
    steps
        .map(|(name, step)| (name.clone(), status(step)))
        .collect()
}

/// Starts a command and waits for it.
pub fn call(command: &mut Command) -> Call {
    let output = command.output().unwrap();
    Call {
        // A process that a signal ended has no code.
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
