//! Where a program finds what it is given: at fixed paths inside its sandbox, or, without isolation,
//! where it lies on this machine.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use reproof_capture::environment::loader_of;
use reproof_store::fs::{FileKind, Io, IoError};

use super::protocol::{CODE, INPUTS, OUTPUTS, REPORT, STEP};
use crate::OperationError;

/// The folder of an environment's own files, inside.
const ENVIRONMENT: &str = "/reproof/env";
/// Folders of an environment that programs are looked for in, first to last.
const PROGRAMS: [&str; 3] = ["/reproof/env/bin", "/usr/bin", "/bin"];
/// Enough of a script for its first line.
const FIRST_LINE: usize = 256;

/// The paths at which a program finds what it is given.
#[derive(Debug)]
pub(crate) struct Places {
    /// Its code.
    pub code: String,
    /// Its inputs.
    pub inputs: String,
    /// Its outputs.
    pub outputs: String,
    /// Where it reports.
    pub report: String,
    /// What it is to do.
    pub step: String,
}

impl Places {
    /// Those of every program that is isolated.
    pub fn inside() -> Self {
        Self {
            code: CODE.to_owned(),
            inputs: INPUTS.to_owned(),
            outputs: OUTPUTS.to_owned(),
            report: REPORT.to_owned(),
            step: STEP.to_owned(),
        }
    }
}

/// How a program is started that is not isolated: at the paths of this machine.
#[derive(Debug)]
pub(crate) struct Outside<'a> {
    io: &'a dyn Io,
    /// The folder with the closure of its environment.
    root: String,
    /// The folder of what it is given.
    work: String,
}

impl<'a> Outside<'a> {
    /// # Errors
    /// If a path could not stand in a shell's line as it is.
    pub fn new(io: &'a dyn Io, root: &Path, work: &Path) -> Result<Self, OperationError> {
        let plain = |path: &Path| {
            let text = path.to_str().unwrap_or_default();
            let fits = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
            if text.starts_with('/') && text.chars().all(fits) {
                return Ok(text.trim_end_matches('/').to_owned());
            }
            Err(OperationError::failed(format!(
                "without isolation a program sees '{}', whose name a shell would read otherwise: \
                 use a folder whose path has only letters, digits and '._-+@%:,='",
                path.display()
            )))
        };
        Ok(Self {
            io,
            root: plain(root)?,
            work: plain(work)?,
        })
    }

    /// Where the program finds what it is given.
    pub fn places(&self) -> Places {
        let at = |name: &str| format!("{}/{name}", self.work);
        Places {
            code: at("code"),
            inputs: at("in"),
            outputs: at("out"),
            report: at("report"),
            step: at("step.json"),
        }
    }

    /// Its folder for what is gone when it has ended.
    pub fn temporary(&self) -> String {
        format!("{}/tmp", self.work)
    }

    /// A text in which the fixed paths are those of this machine.
    pub fn text(&self, text: &str) -> String {
        let places = self.places();
        let environment = format!("{}{ENVIRONMENT}", self.root);
        let all = [
            (CODE, &places.code),
            (INPUTS, &places.inputs),
            (OUTPUTS, &places.outputs),
            (REPORT, &places.report),
            (STEP, &places.step),
            (ENVIRONMENT, &environment),
        ];
        let in_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("/reproof/") {
            let (before, found) = rest.split_at(at);
            out.push_str(before);
            let begins = !out.ends_with(|c: char| in_name(c) || c == '/');
            let place = all.iter().find(|(fixed, _)| {
                let after = found.strip_prefix(fixed);
                begins && after.is_some_and(|after| !after.starts_with(in_name))
            });
            let (fixed, new) = place.map_or(("/reproof/", "/reproof/"), |(fixed, new)| {
                (*fixed, new.as_str())
            });
            out.push_str(new);
            rest = found.get(fixed.len()..).unwrap_or_default();
        }
        out + rest
    }

    /// The variables, with the paths of this machine.
    pub fn variables(&self, variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = variables
            .into_iter()
            .map(|(name, value)| (name, self.text(&value)))
            .collect();
        let folders = PROGRAMS.map(|folder| format!("{}{folder}", self.root));
        all.insert("PATH".to_owned(), folders.join(":"));
        all.insert("TMPDIR".to_owned(), self.temporary());
        all.insert("HOME".to_owned(), format!("{}/home", self.temporary()));
        all.insert("REPROOF_STEP".to_owned(), self.places().step);
        all
    }

    /// The command, with the paths of this machine. What lies in the environment is started by the
    /// environment's own loader with its own libraries; what that starts in turn is not.
    pub fn command(&self, argv: &[String]) -> Result<Vec<String>, OperationError> {
        let Some((name, arguments)) = argv.split_first() else {
            return Ok(Vec::new());
        };
        let arguments = arguments.iter().map(|argument| self.text(argument));
        let mut command = match self.find(&self.text(name)) {
            Some(file) => self.start(&file, true)?,
            // That it is not there is said where it is started.
            None => vec![name.clone()],
        };
        command.extend(arguments);
        Ok(command)
    }

    /// The file that a program's name stands for.
    fn find(&self, name: &str) -> Option<String> {
        if name.starts_with(&self.work) || name.starts_with(&self.root) {
            return Some(name.to_owned());
        }
        let candidates: Vec<_> = if name.starts_with('/') {
            vec![format!("{}{name}", self.root), name.to_owned()]
        } else if name.contains('/') {
            vec![format!("{}/{name}", self.places().code)]
        } else {
            let inside = PROGRAMS.iter();
            inside
                .map(|folder| format!("{}{folder}/{name}", self.root))
                .collect()
        };
        let mut candidates = candidates.into_iter();
        candidates.find(|path| self.io.metadata(Path::new(path)).is_ok())
    }

    /// How a file is started: by the environment's loader, or by the interpreter that its first line
    /// names.
    fn start(&self, file: &str, scripts: bool) -> Result<Vec<String>, OperationError> {
        let path = Path::new(file);
        let loader = loader_of(self.io, path);
        let loader = loader.map_err(|error| OperationError::failed(error.to_string()))?;
        let own = loader.map(|loader| format!("{}{loader}", self.root));
        if let Some(own) = own.filter(|own| self.io.metadata(Path::new(own)).is_ok()) {
            let libraries = self.libraries()?;
            return Ok(vec![
                own,
                "--library-path".to_owned(),
                libraries,
                file.to_owned(),
            ]);
        }
        let Some((interpreter, argument)) = self.interpreter(path)?.filter(|_| scripts) else {
            return Ok(vec![file.to_owned()]);
        };
        let mut command = match self.find(&interpreter) {
            Some(interpreter) => self.start(&interpreter, false)?,
            None => vec![interpreter],
        };
        command.extend(argument);
        command.push(file.to_owned());
        Ok(command)
    }

    /// The interpreter of a script, and the one argument that it gets.
    fn interpreter(&self, path: &Path) -> Result<Option<(String, Option<String>)>, OperationError> {
        let mut start = Vec::new();
        let file = self.io.open_read(path)?;
        let read = file.take(FIRST_LINE as u64).read_to_end(&mut start);
        read.map_err(|source| IoError::new("read", path, source))?;
        let Some(line) = start.strip_prefix(b"#!") else {
            return Ok(None);
        };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let (interpreter, argument) = match line.trim().split_once(char::is_whitespace) {
            Some((interpreter, argument)) => (interpreter, Some(argument.trim().to_owned())),
            None => (line.trim(), None),
        };
        Ok(Some((interpreter.to_owned(), argument)))
    }

    /// The folders of an environment's libraries.
    fn libraries(&self) -> Result<String, OperationError> {
        let above = format!("{}/lib", self.root);
        let entries = self.io.read_dir(Path::new(&above))?;
        let folders = entries
            .iter()
            .filter(|entry| entry.kind == FileKind::Folder);
        let mut folders: Vec<_> = folders
            .filter_map(|entry| Some(format!("{above}/{}", entry.name.to_str()?)))
            .collect();
        folders.sort();
        folders.push(above);
        Ok(folders.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use reproof_store::fs::RealIo;

    use super::*;

    #[test]
    fn the_fixed_paths_become_those_of_this_machine() {
        let outside = Outside::new(&RealIo, Path::new("/c/laid"), Path::new("/w/1")).unwrap();
        for (text, expected) in [
            ("echo 1 > /reproof/out/o.txt", "echo 1 > /w/1/out/o.txt"),
            ("/reproof/in", "/w/1/in"),
            ("a=/reproof/in/x:/reproof/code", "a=/w/1/in/x:/w/1/code"),
            ("cat '/reproof/step.json'", "cat '/w/1/step.json'"),
            ("/reproof/env/bin/python", "/c/laid/reproof/env/bin/python"),
            ("/reproof/input", "/reproof/input"),
            ("/reproof/in.txt /reproof/", "/reproof/in.txt /reproof/"),
            ("/my/reproof/out", "/my/reproof/out"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(outside.text(text), expected, "{text}");
        }
    }

    #[test]
    fn folders_that_a_shell_would_read_otherwise_are_refused() {
        for path in ["/a b", "/a;b", "/$HOME", "/é", "relative"] {
            let refused = Outside::new(&RealIo, Path::new("/c"), Path::new(path)).unwrap_err();
            assert!(refused.to_string().contains("a shell would"), "{path}");
        }
    }
}
