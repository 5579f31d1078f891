//! The interpreter of Python that an environment is made of: the real one, never a shim.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::EnvironmentError;
use super::machine::{Machine, text};
use super::spec::PythonRequest;
use super::uv::Uv;

/// What an interpreter is asked. In a virtual environment it answers for the one behind it.
const PROBE: &str = r#"
import json, os, site, sys, sysconfig
stdlib = os.path.realpath(os.path.dirname(os.__file__))
shared = sysconfig.get_config_var("DESTSHARED")
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "prefix": os.path.realpath(sys.base_prefix),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "usable": sys.implementation.name == "cpython" and sys.version_info[3] == "final",
    "platform": sysconfig.get_config_var("MULTIARCH") or os.uname().machine + "-linux-gnu",
    "stdlib": stdlib,
    "shared": os.path.realpath(shared) if shared and os.path.isdir(shared) else None,
    "library_folder": getattr(sys, "platlibdir", "lib"),
    "sites": [os.path.relpath(path, sys.base_prefix) for path in site.getsitepackages([sys.base_prefix])],
}))
"#;

/// An interpreter that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Interpreter {
    /// The program, without links.
    pub executable: PathBuf,
    /// The folder that it is installed in.
    pub prefix: PathBuf,
    /// Its version, with the patch.
    pub version: PythonRequest,
    /// Whether it is CPython, and released.
    usable: bool,
    /// Its platform.
    pub platform: String,
    /// Its standard library.
    pub stdlib: PathBuf,
    /// The folder of its extension modules.
    pub shared: Option<PathBuf>,
    /// The name of the folder that it looks for its library in: `lib` or `lib64`.
    pub library_folder: String,
    /// Where it looks for packages, inside its prefix.
    pub sites: Vec<String>,
}

impl Interpreter {
    /// Its name in a closure, such as `python3.11`.
    pub fn name(&self) -> String {
        format!("python{}.{}", self.version.major, self.version.minor)
    }
}

/// The first interpreter in the search path that will do, or the one that uv knows.
pub(crate) fn find(
    machine: &Machine<'_>,
    uv: &Uv,
    wanted: Option<PythonRequest>,
) -> Result<Interpreter, EnvironmentError> {
    let mut found: BTreeSet<PythonRequest> = BTreeSet::new();
    let accepts = |version: &PythonRequest| wanted.is_none_or(|wanted| wanted.accepts(version));
    for candidate in candidates(machine, wanted) {
        if let Some(named) = named_version(&candidate)
            && wanted
                .is_some_and(|wanted| (wanted.major, wanted.minor) != (named.major, named.minor))
        {
            found.insert(named);
            continue;
        }
        if let Some(interpreter) = ask(machine, &candidate)? {
            if accepts(&interpreter.version) {
                return Ok(interpreter);
            }
            found.insert(interpreter.version);
        }
    }
    let wanted = wanted.map_or("3".to_owned(), |wanted| wanted.to_string());
    if let Ok(path) = uv.run(
        machine,
        "python find",
        &["--no-project", "--system", &wanted],
    ) && let Some(interpreter) = ask(machine, Path::new(path.trim()))?
        && accepts(&interpreter.version)
    {
        return Ok(interpreter);
    }
    // `3.11` says nothing more where `3.11.7` is listed.
    let exact = |version: &&PythonRequest| {
        version.patch.is_some()
            || !found
                .iter()
                .any(|other| other.patch.is_some() && version.accepts(other))
    };
    let found = found
        .iter()
        .filter(exact)
        .map(ToString::to_string)
        .collect();
    Err(EnvironmentError::NoPython { wanted, found })
}

/// The version in a name such as `python3.11`.
fn named_version(path: &Path) -> Option<PythonRequest> {
    let version = path.file_name()?.to_str()?.strip_prefix("python")?;
    version.parse().ok()
}

/// Programs that may be interpreters: those named after the wanted version first.
fn candidates(machine: &Machine<'_>, wanted: Option<PythonRequest>) -> Vec<PathBuf> {
    let mut exact = Vec::new();
    let mut plain = Vec::new();
    let mut other = Vec::new();
    for folder in folders(machine) {
        // A shim of a version that is not selected only says so, slowly.
        let shims = folder.file_name().is_some_and(|name| name == "shims");
        for entry in machine.io.read_dir(&folder).unwrap_or_default() {
            let path = folder.join(&entry.name);
            let version = named_version(&path);
            if entry.name == "python3" || entry.name == "python" {
                plain.push(path);
            } else if let Some(version) = version.filter(|version| !shims && version.major == 3) {
                let same = wanted.is_some_and(|wanted| {
                    (wanted.major, wanted.minor) == (version.major, version.minor)
                });
                if same {
                    exact.push(path);
                } else {
                    other.push(path);
                }
            }
        }
    }
    // `python3` before `python` within a folder; the order of the folders stays.
    plain.sort_by_key(|path| path.file_name().is_some_and(|name| name == "python"));
    exact.extend(plain);
    exact.extend(other);
    exact
}

/// The folders of the search path. Behind a folder of shims lie the versions that they choose
/// from.
fn folders(machine: &Machine<'_>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut behind = Vec::new();
    for folder in machine.path {
        folders.push(folder.clone());
        let versions = folder.parent().map(|parent| parent.join("versions"));
        if let Some(versions) = versions.filter(|_| folder.ends_with("shims")) {
            let entries = machine.io.read_dir(&versions).unwrap_or_default();
            let bins = entries
                .iter()
                .map(|entry| versions.join(&entry.name).join("bin"));
            behind.extend(bins);
        }
    }
    folders.extend(behind);
    folders
}

/// What a program says of itself, if it is an interpreter that can be used.
fn ask(machine: &Machine<'_>, program: &Path) -> Result<Option<Interpreter>, EnvironmentError> {
    if !machine.is_program(program) {
        return Ok(None);
    }
    let said = machine.run(text(program)?, &["-I", "-c", PROBE], machine.project, &[]);
    let Ok(said) = said else { return Ok(None) };
    let answer: Option<Interpreter> = serde_json::from_slice(&said.stdout).ok();
    Ok(answer.filter(|answer| said.success && answer.usable))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;
    use std::os::unix::fs::PermissionsExt;

    use reproof_store::fs::RealIo;

    use super::*;
    use crate::runner::{Output, Runner};

    /// Programs that answer with a text, or fail without one.
    #[derive(Default)]
    struct Programs {
        folder: PathBuf,
        answers: BTreeMap<String, Option<String>>,
    }

    impl Programs {
        fn add(&mut self, path: &str, answer: Option<String>) {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            self.answers
                .insert(path.to_str().unwrap().to_owned(), answer);
        }

        fn python(&mut self, path: &str, version: &str, usable: bool) {
            let answer = serde_json::json!({
                "executable": format!("/real/{path}"), "prefix": "/real", "version": version,
                "usable": usable, "platform": "x86_64-linux-gnu", "stdlib": "/real/lib/python3",
                "shared": null, "library_folder": "lib", "sites": ["lib/python3/site-packages"],
            });
            self.add(path, Some(answer.to_string()));
        }

        fn find(
            &self,
            path: &[&str],
            wanted: Option<&str>,
        ) -> Result<Interpreter, EnvironmentError> {
            let path: Vec<PathBuf> = path.iter().map(|name| self.folder.join(name)).collect();
            let machine = Machine {
                io: &RealIo,
                runner: self,
                path: &path,
                uv: &[],
                project: &self.folder,
                observe: &|_| (),
            };
            let uv = Uv::find(&machine)?;
            find(&machine, &uv, wanted.map(|wanted| wanted.parse().unwrap()))
        }
    }

    impl Runner for Programs {
        fn run(
            &self,
            program: &str,
            _: &[&str],
            _: &Path,
            _: &[(&str, &str)],
            _: &[&str],
        ) -> io::Result<Output> {
            let answer = self.answers.get(program).ok_or(io::ErrorKind::NotFound)?;
            Ok(Output {
                success: answer.is_some(),
                code: Some(i32::from(answer.is_none())),
                stdout: answer.clone().unwrap_or_default().into_bytes(),
                stderr: Vec::new(),
            })
        }
    }

    /// A version manager: shims, of which only the chosen version's work, and the versions.
    fn managed(folder: &Path) -> Programs {
        let folder = folder.to_owned();
        let mut programs = Programs {
            folder,
            answers: BTreeMap::new(),
        };
        programs.add("manager/shims/uv", None);
        programs.add("bin/uv", Some("uv 0.9\n".to_owned()));
        programs.add("manager/shims/python3.12", None);
        programs.python("manager/shims/python3", "3.11.7", true);
        programs.python("manager/versions/3.11.7/bin/python3.11", "3.11.7", true);
        programs.python("manager/versions/3.12.1/bin/python3.12", "3.12.1", true);
        programs.python("manager/versions/3.14.0rc1/bin/python3.14", "3.14.0", false);
        programs.python("bin/python3.12", "3.12.9", true);
        programs
    }

    #[test]
    fn the_first_that_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let programs = managed(folder.path());
        let path = ["manager/shims", "bin"];
        let found = |wanted| {
            let found = programs.find(&path, wanted).unwrap();
            found.executable.to_str().unwrap().to_owned()
        };
        assert_eq!(found(None), "/real/manager/shims/python3");
        assert_eq!(
            found(Some("3.11")),
            "/real/manager/versions/3.11.7/bin/python3.11"
        );
        assert_eq!(found(Some("3.12")), "/real/bin/python3.12");
        assert_eq!(
            found(Some("3.12.1")),
            "/real/manager/versions/3.12.1/bin/python3.12"
        );
    }

    #[test]
    fn what_is_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let programs = managed(folder.path());
        let refused = programs
            .find(&["manager/shims", "bin"], Some("3.14"))
            .unwrap_err();
        let said = refused.to_string();
        assert_eq!(said, "there is no Python 3.14 here; found: 3.11.7, 3.12");
        let nothing = programs.find(&["manager/shims"], None);
        assert!(matches!(nothing, Err(EnvironmentError::NoUv)));
    }
}
