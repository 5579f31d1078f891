//! A project in a temporary folder, with the real git.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, dead_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use reproof_capture::{
    CachedDigest, Capture, CaptureError, CaptureOptions, DigestCache, NoCache, Output, Runner,
    capture,
};
use reproof_store::fs::RealIo;
use tempfile::TempDir;

/// Starts programs, and remembers how often.
#[derive(Default)]
pub struct TestRunner {
    pub home: PathBuf,
    /// A program that is not there.
    pub without: Option<&'static str>,
    /// More variables of the caller's environment.
    pub variables: Vec<(&'static str, String)>,
    /// The arguments of every call.
    pub calls: RefCell<Vec<Vec<String>>>,
}

impl Runner for TestRunner {
    fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
        environment: &[(&str, &str)],
        removed: &[&str],
    ) -> std::io::Result<Output> {
        self.calls
            .borrow_mut()
            .push(arguments.iter().map(|a| (*a).to_owned()).collect());
        if self.without == Some(program) {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null());
        command
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command.envs(
            self.variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
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

/// Remembers digests in memory.
#[derive(Default)]
pub struct MemoryCache(pub Mutex<BTreeMap<String, CachedDigest>>);

impl DigestCache for MemoryCache {
    fn get(&self, paths: &[&str]) -> BTreeMap<String, CachedDigest> {
        let known = self.0.lock().unwrap();
        let pick = |path: &&str| Some(((*path).to_owned(), known.get(*path)?.clone()));
        paths.iter().filter_map(pick).collect()
    }

    fn set(&self, digests: &[(String, CachedDigest)]) {
        self.0.lock().unwrap().extend(digests.iter().cloned());
    }
}

/// A temporary folder with a project in it.
pub struct Sandbox {
    folder: TempDir,
    /// The project.
    pub project: PathBuf,
    /// Starts git.
    pub runner: TestRunner,
    /// Declared data.
    pub options: CaptureOptions,
}

impl Sandbox {
    /// A folder without a repository.
    pub fn folder() -> Self {
        let folder = TempDir::new().unwrap();
        let project = folder.path().join("pro ject");
        std::fs::create_dir(&project).unwrap();
        let runner = TestRunner {
            home: folder.path().to_owned(),
            ..TestRunner::default()
        };
        Self {
            folder,
            project,
            runner,
            options: CaptureOptions::default(),
        }
    }

    /// A repository without a commit.
    pub fn unborn() -> Self {
        let sandbox = Self::folder();
        sandbox.git(["init", "-q", "-b", "main"]);
        sandbox
    }

    /// A repository with these files in its first commit.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::unborn();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox.commit();
        sandbox
    }

    /// The temporary folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git in the project, as a user with a name.
    pub fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.try_git(arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Runs git, which may fail.
    pub fn try_git<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> std::process::Output {
        let user = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        Command::new("git")
            .args(user)
            .args([
                "-c",
                "protocol.file.allow=always",
                "-c",
                "core.autocrlf=false",
            ])
            .args(arguments)
            .current_dir(&self.project)
            .env("HOME", self.root())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap()
    }

    /// Commits everything.
    pub fn commit(&self) {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--no-verify", "-m", "x"]);
    }

    /// Writes a file of the project.
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.project.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Removes a file of the project.
    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.project.join(path)).unwrap();
    }

    /// Makes a link in the project.
    pub fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.project.join(path)).unwrap();
    }

    /// Sets the mode of a file of the project.
    pub fn mode(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.project.join(path), permissions).unwrap();
    }

    /// Makes a file look as if it had been written an hour ago. Its change time stays: that is
    /// the file system's alone.
    pub fn age(&self, path: &str) {
        let file = std::fs::File::options()
            .write(true)
            .open(self.project.join(path))
            .unwrap();
        let hour = std::time::Duration::from_hours(1);
        file.set_modified(std::time::SystemTime::now() - hour)
            .unwrap();
    }

    /// Declares data.
    pub fn declare(mut self, data: &[&str]) -> Self {
        self.options.data = data
            .iter()
            .map(|path| (*path).to_owned())
            .collect::<BTreeSet<_>>();
        self
    }

    /// Captures.
    pub fn capture(&self) -> Capture {
        self.try_capture().unwrap()
    }

    /// Captures, which may fail.
    pub fn try_capture(&self) -> Result<Capture, CaptureError> {
        capture(
            &self.project,
            &RealIo,
            &self.runner,
            &NoCache,
            &self.options,
        )
    }
}

/// The paths of the captured files.
pub fn paths(captured: &Capture) -> Vec<&str> {
    captured
        .tree
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect()
}

/// The patch as a text.
pub fn patch(captured: &Capture) -> String {
    String::from_utf8_lossy(captured.patch.as_deref().unwrap_or_default()).into_owned()
}
