//! The plan of a closure with Python: the interpreter, its library and the packages in one prefix.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reproof_store::fs::FileKind;

use super::describe::{PREFIX, package_of};
use super::error::EnvironmentError;
use super::interpreter::Interpreter;
use super::machine::Machine;
use super::plan::{Found, Item, MACHINES_OWN, Plan, inside};
use super::suites;

const BYTECODE: &str = "bytecode, which is compiled inside";
const INSTALLER: &str = "what the installer wrote for itself";
const STATIC: &str = "static libraries and build files";
const VENV: &str = "files of the virtual environment itself";
/// The largest file of the interpreter's settings and the largest script that is rewritten.
const TEXT_LIMIT: u64 = 4 << 20;

/// The files of each package, by name and version.
pub(crate) type PackageFiles = BTreeMap<String, (String, BTreeSet<String>)>;

/// Plans the interpreter and what is installed in a virtual environment of it.
pub(crate) fn plan(
    machine: &Machine<'_>,
    interpreter: &Interpreter,
    venv: &Path,
) -> Result<(Plan, PackageFiles), EnvironmentError> {
    let mut plan = Plan::default();
    let name = interpreter.name();
    let library = format!("{PREFIX}/lib/{name}");
    let site = format!("{library}/site-packages");
    let io = machine.io;
    plan.folder(io, &interpreter.stdlib, &library, &standard)?;
    if let Some(shared) = &interpreter.shared
        && !shared.starts_with(&interpreter.stdlib)
    {
        plan.folder(io, shared, &format!("{library}/lib-dynload"), &standard)?;
    }
    settings(&mut plan, machine, interpreter, &library)?;
    installed(&mut plan, machine, interpreter, venv)?;
    let packages = packages(machine, venv, &name, &site)?;
    suites::leave_out(&mut plan, io, &site)?;
    plan.file(io, &interpreter.executable, &format!("{PREFIX}/bin/{name}"))?;
    plan.link(&format!("{PREFIX}/bin/python3"), &name);
    plan.link(&format!("{PREFIX}/bin/python"), &name);
    search_path(&mut plan, interpreter, &name);
    Ok((plan, packages))
}

/// What of the standard library is left out.
fn standard(found: &Found<'_>) -> Option<&'static str> {
    let dynamic = found.name.starts_with("_tkinter.");
    match found.name {
        "__pycache__" if found.folder => Some(BYTECODE),
        "site-packages" | "dist-packages" => Some(MACHINES_OWN),
        "test" | "tests" if found.folder => Some("test suites"),
        "idlelib" | "turtledemo" | "tkinter" | "turtle.py" => Some("tkinter"),
        _ if dynamic => Some("tkinter"),
        name if name.starts_with("_test") && name.contains(".so") => Some("test suites"),
        name if name.starts_with("_ctypes_test.") || name.starts_with("xxlimited") => {
            Some("test suites")
        }
        name if found.folder && name.starts_with("config-") && found.path == name => Some(STATIC),
        name => build_file(name).filter(|_| !found.folder),
    }
}

/// What of the packages is left out.
fn package(found: &Found<'_>) -> Option<&'static str> {
    if found.folder {
        return (found.name == "__pycache__").then_some(BYTECODE);
    }
    let folder = found.path.split('/').next().unwrap_or_default();
    if folder.ends_with(".dist-info") {
        let written = matches!(
            found.name,
            "RECORD"
                | "RECORD.jws"
                | "RECORD.p7s"
                | "INSTALLER"
                | "REQUESTED"
                | "direct_url.json"
                | "uv_cache.json"
                | "uv_build.json"
        );
        return written.then_some(INSTALLER);
    }
    match found.path {
        "_virtualenv.py" | "_virtualenv.pth" => Some(VENV),
        _ => build_file(found.name),
    }
}

fn build_file(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("a" | "la")).then_some(STATIC)
}

/// Rewrites the interpreter's record of its own build to the prefix that it has inside.
fn settings(
    plan: &mut Plan,
    machine: &Machine<'_>,
    interpreter: &Interpreter,
    library: &str,
) -> Result<(), EnvironmentError> {
    let Some(prefix) = interpreter.prefix.to_str() else {
        return Err(EnvironmentError::NotUtf8(interpreter.prefix.clone()));
    };
    let start = format!("{library}/_sysconfigdata");
    let found: Vec<_> = plan
        .items
        .range(start.clone()..)
        .map_while(|(path, item)| {
            path.starts_with(&start)
                .then(|| (path.clone(), item.clone()))
        })
        .collect();
    for (path, item) in found {
        if let Item::Copy { from, .. } = item {
            let bytes = machine.io.read(&from, TEXT_LIMIT)?;
            let text = String::from_utf8_lossy(&bytes);
            plan.bytes(&path, with_prefix(&text, prefix));
        }
    }
    Ok(())
}

/// The text with a prefix replaced by the one inside. A prefix such as `/usr` stands in many
/// paths that are not the interpreter's: there only values that are the prefix itself count.
fn with_prefix(text: &str, prefix: &str) -> String {
    let inside = format!("/{PREFIX}");
    if prefix.matches('/').count() < 2 {
        return text.replace(&format!("'{prefix}'"), &format!("'{inside}'"));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(prefix) {
        let ends =
            !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        out.push_str(before);
        out.push_str(if ends { &inside } else { prefix });
        rest = after;
    }
    out + rest
}

/// Everything in the virtual environment but what makes it one.
fn installed(
    plan: &mut Plan,
    machine: &Machine<'_>,
    interpreter: &Interpreter,
    venv: &Path,
) -> Result<(), EnvironmentError> {
    let name = interpreter.name();
    let own = |found: &Found<'_>| {
        let environments = matches!(
            found.path,
            "bin" | "lib" | "lib64" | "pyvenv.cfg" | ".gitignore" | "CACHEDIR.TAG" | ".lock"
        );
        match found.path {
            "bin" | "lib" => None,
            _ if environments => Some(VENV),
            path if script_of_venv(path) => Some(VENV),
            path => match path.split_once("/site-packages/") {
                Some((_, below)) => package(&Found {
                    path: below,
                    ..*found
                }),
                None => package(found),
            },
        }
    };
    plan.folder(machine.io, venv, PREFIX, &own)?;
    let bin = format!("{PREFIX}/bin/");
    let scripts: Vec<_> = plan
        .items
        .range(bin.clone()..)
        .map_while(|(path, item)| path.starts_with(&bin).then(|| (path.clone(), item.clone())))
        .collect();
    for (path, item) in scripts {
        let Item::Copy { from, executable } = item else {
            continue;
        };
        if machine.io.metadata(&from)?.size > TEXT_LIMIT {
            continue;
        }
        let bytes = machine.io.read(&from, TEXT_LIMIT)?;
        if let Some(bytes) = script(&bytes, &name) {
            plan.items.insert(path, Item::Bytes { bytes, executable });
        }
    }
    Ok(())
}

fn script_of_venv(path: &str) -> bool {
    let Some(name) = path.strip_prefix("bin/") else {
        return false;
    };
    let version = name.strip_prefix("python");
    name.starts_with("activate")
        || name.starts_with("deactivate")
        || name == "pydoc.bat"
        || version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// A script of a relocatable environment, which finds its interpreter by itself, as one that names
/// the interpreter; none if it is something else.
fn script(bytes: &[u8], interpreter: &str) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(b"#!/bin/sh\n'''exec' ")?;
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let (_, close, body) = (lines.next()?, lines.next()?, lines.next()?);
    (close == b"' '''").then(|| {
        let mut out = format!("#!/{PREFIX}/bin/{interpreter}\n").into_bytes();
        out.extend(body);
        out
    })
}

/// Where each package's files lie in the closure, as the installer wrote it down.
fn packages(
    machine: &Machine<'_>,
    venv: &Path,
    name: &str,
    site: &str,
) -> Result<PackageFiles, EnvironmentError> {
    let folder = venv.join("lib").join(name).join("site-packages");
    let mut packages = PackageFiles::new();
    for entry in machine.io.read_dir(&folder)? {
        let text = entry.name.to_string_lossy();
        let Some((package, version)) = package_of(&text).filter(|_| entry.kind == FileKind::Folder)
        else {
            continue;
        };
        let record = machine
            .io
            .read(&folder.join(&*text).join("RECORD"), 64 << 20);
        let record = record.unwrap_or_default();
        let record = String::from_utf8_lossy(&record);
        let files = record.lines().filter_map(|line| {
            let path = match line.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next()?,
                None => line.split(',').next()?,
            };
            inside(&Path::new(site).join(path))
        });
        packages.insert(package, (version, files.collect()));
    }
    Ok(packages)
}

/// Makes the interpreter find its library and packages where they lie in the closure.
fn search_path(plan: &mut Plan, interpreter: &Interpreter, name: &str) {
    if interpreter.library_folder != "lib" {
        plan.link(&format!("{PREFIX}/{}", interpreter.library_folder), "lib");
    }
    let own = format!("{}/{name}/site-packages", interpreter.library_folder);
    let library = format!("{}/{name}/", interpreter.library_folder);
    if interpreter.sites.contains(&own) {
        return;
    }
    // Debian's Python looks elsewhere.
    let other = interpreter
        .sites
        .iter()
        .find_map(|site| site.strip_prefix(&library));
    if let Some(folder) = other.filter(|folder| !folder.contains('/')) {
        plan.link(&format!("{PREFIX}/lib/{name}/{folder}"), "site-packages");
    } else {
        plan.notes
            .insert("this Python looks for packages in no folder of its library".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relocatable_scripts_name_their_interpreter() {
        let text = b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n# x\nimport sys\n";
        let expect = "#!/reproof/env/bin/python3.11\n# x\nimport sys\n";
        assert_eq!(script(text, "python3.11").unwrap(), expect.as_bytes());
        assert_eq!(script(b"#!/bin/sh\necho\n", "python3.11"), None);
        assert_eq!(script(b"\x7fELF", "python3.11"), None);
    }

    #[test]
    fn prefixes_are_replaced_at_their_end_only() {
        let text = "'/opt/py/lib', '/opt/py', '/opt/py3/x', -L/opt/py/lib";
        let expect = "'/reproof/env/lib', '/reproof/env', '/opt/py3/x', -L/reproof/env/lib";
        assert_eq!(with_prefix(text, "/opt/py"), expect);
        assert_eq!(
            with_prefix("'/usr', '/usr/bin/cc'", "/usr"),
            "'/reproof/env', '/usr/bin/cc'"
        );
    }

    #[test]
    fn what_is_left_out() {
        let find = |rule: fn(&Found<'_>) -> Option<&'static str>, path: &str| {
            let folder = path.ends_with('/');
            let path = path.trim_end_matches('/');
            let name = path.rsplit('/').next().unwrap();
            rule(&Found { path, name, folder }).is_some()
        };
        for path in [
            "test/",
            "config-3.11-x/",
            "lib-dynload/_tkinter.cpython.so",
            "json/__pycache__/",
            "unittest/test/",
            "site-packages/",
        ] {
            assert!(find(standard, path), "{path}");
        }
        for path in [
            "os.py",
            "test.py",
            "lib-dynload/_ssl.so",
            "json/",
            "x/config-3/",
        ] {
            assert!(!find(standard, path), "{path}");
        }
        for path in [
            "six-1.dist-info/RECORD",
            "six-1.dist-info/INSTALLER",
            "a/b.a",
            "a/__pycache__/",
        ] {
            assert!(find(package, path), "{path}");
        }
        for path in [
            "six-1.dist-info/METADATA",
            "a/RECORD",
            "a/b.pyi",
            "a/legacy.pyc",
        ] {
            assert!(!find(package, path), "{path}");
        }
        for (path, own) in [
            ("bin/python3.11", true),
            ("bin/activate.fish", true),
            ("bin/python-argcomplete", false),
            ("bin/flask", false),
        ] {
            assert_eq!(script_of_venv(path), own, "{path}");
        }
    }
}
