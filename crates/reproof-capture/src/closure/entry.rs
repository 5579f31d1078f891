//! What of the project's code a command line starts.

use std::collections::BTreeSet;

use reproof_record::RelativePath;

use super::error::ClosureError;
use super::search::{Search, ending, normalise};

/// Where the captured code lies while a step runs.
pub(crate) const CODE_FOLDER: &str = "/reproof/code";

/// What of the project's code a command line starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What Python starts with.
    pub starts: Vec<Start>,
    /// Other files that stand on the command line, such as `run.sh` of `sh run.sh`. Those that are
    /// Python are followed, too.
    pub files: BTreeSet<RelativePath>,
}

/// What Python starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// `python train.py`.
    Script(RelativePath),
    /// `python -m pkg.mod`.
    Module(String),
    /// `python -c "code"`.
    Code(String),
}

impl Entry {
    /// See [`Entry::of_command`].
    pub(crate) fn of(argv: &[String], search: Search<'_>) -> Result<Self, ClosureError> {
        let mut entry = Self::default();
        entry.command(argv, search, true)?;
        for text in argv.iter().filter(|argument| argument.contains(' ')) {
            let words: Vec<String> = words(text);
            entry.command(&words, search, false)?;
        }
        Ok(entry)
    }

    fn command(
        &mut self,
        words: &[String],
        search: Search<'_>,
        strict: bool,
    ) -> Result<(), ClosureError> {
        let mut scripts = BTreeSet::new();
        for (at, word) in words.iter().enumerate() {
            if is_python(word) {
                let strict = strict && at == 0;
                match python(&words[at + 1..], search, strict)? {
                    Some(Start::Script(path)) => {
                        scripts.insert(path.clone());
                        self.starts.push(Start::Script(path));
                    }
                    start => self.starts.extend(start),
                }
            }
        }
        for (at, word) in words.iter().enumerate() {
            let value = word.split_once('=').map(|(_, value)| value);
            for path in [Some(word.as_str()), value].into_iter().flatten() {
                let Some(path) = captured_file(path, search).filter(|path| !scripts.contains(path))
                else {
                    continue;
                };
                if at == 0 && is_source(path.as_str()) {
                    self.starts.push(Start::Script(path));
                } else {
                    self.files.insert(path);
                }
            }
        }
        Ok(())
    }
}

/// Whether a path is that of a Python source file.
pub(crate) fn is_source(path: &str) -> bool {
    matches!(ending(path), "py" | "pyw")
}

/// The words of a shell's command, roughly: quotes and operators part them.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| c.is_whitespace() || "'\";&|()<>`".contains(c));
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Whether a word is the name of Python's program.
fn is_python(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let version = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    version.is_some_and(|version| {
        let version = version.strip_suffix('t').unwrap_or(version);
        version.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

/// What Python starts with when it is given these arguments.
fn python(
    arguments: &[String],
    search: Search<'_>,
    strict: bool,
) -> Result<Option<Start>, ClosureError> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--check-hash-based-pycs" {
            arguments.next();
        } else if argument == "--" {
            return script(arguments.next(), search, strict);
        } else if argument == "-" {
            return Ok(None);
        } else if let Some(letters) = argument.strip_prefix('-') {
            if letters.starts_with('-') {
                continue;
            }
            // The first letter that takes a value ends the letters.
            let Some(at) = letters.find(['c', 'm', 'W', 'X']) else {
                continue;
            };
            let (option, rest) = (&letters[at..=at], &letters[at + 1..]);
            let value = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
            let value = value.or_else(|| arguments.next().cloned());
            match option {
                "c" => return Ok(value.map(Start::Code)),
                "m" => return Ok(value.map(Start::Module)),
                _ => {}
            }
        } else {
            return script(Some(argument), search, strict);
        }
    }
    Ok(None)
}

/// The script of this path; the `__main__.py` in it if it is a folder.
fn script(
    argument: Option<&String>,
    search: Search<'_>,
    strict: bool,
) -> Result<Option<Start>, ClosureError> {
    let Some(argument) = argument else {
        return Ok(None);
    };
    let main = format!("{argument}/__main__.py");
    let found = captured_file(argument, search).or_else(|| captured_file(&main, search));
    let elsewhere = argument.starts_with('/') && within_code(argument).is_none();
    match found {
        Some(path) => Ok(Some(Start::Script(path))),
        None if strict && !elsewhere => Err(ClosureError::NoScript {
            path: argument.clone(),
        }),
        None => Ok(None),
    }
}

/// The rest of a path that leads into the folder of the code.
pub(crate) fn within_code(path: &str) -> Option<&str> {
    path.strip_prefix(CODE_FOLDER)?.strip_prefix('/')
}

/// The captured file that an argument is the path of.
fn captured_file(argument: &str, search: Search<'_>) -> Option<RelativePath> {
    let path = within_code(argument).unwrap_or(argument);
    let path = normalise("", path)?;
    search.file(&path)?;
    RelativePath::new(path).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::tree_of;
    use super::*;

    const FILES: [&str; 7] = [
        "a.R",
        "conf/a.yaml",
        "pkg/__main__.py",
        "pkg/mod.py",
        "run.sh",
        "tool.py",
        "train.py",
    ];

    /// Starts and files of a command line whose arguments are parted by `|`.
    fn of(command: &str) -> Result<String, ClosureError> {
        let argv: Vec<String> = command.split('|').map(str::to_owned).collect();
        let (tree, links) = (tree_of(&FILES), BTreeMap::new());
        let entry = Entry::of(&argv, Search::new(&tree, &links))?;
        let starts = entry.starts.iter().map(|start| match start {
            Start::Script(path) => format!("script {path}"),
            Start::Module(name) => format!("module {name}"),
            Start::Code(code) => format!("code {code}"),
        });
        let files = entry.files.iter().map(|path| format!("file {path}"));
        Ok(starts.chain(files).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn python_and_its_options() {
        for command in [
            "python|train.py",
            "python3|./train.py|--rounds|3",
            "python3.11|-u|-O|-X|dev|-W|ignore|-B|-I|-E|-s|train.py",
            "/reproof/env/bin/python|-uXdev|-Wignore|/reproof/code/train.py",
            "python3.13t|--check-hash-based-pycs|never|--|train.py",
            "env|A=1|python|train.py",
            "pypy3|pkg/../train.py",
            "./train.py",
        ] {
            assert_eq!(of(command).unwrap(), "script train.py", "{command}");
        }
        for command in [
            "python|-m|pkg.mod",
            "python|-um|pkg.mod|-c",
            "python|-mpkg.mod",
        ] {
            assert_eq!(of(command).unwrap(), "module pkg.mod", "{command}");
        }
        assert_eq!(of("python|-c|import pkg").unwrap(), "code import pkg");
        assert_eq!(of("python|-Bcimport pkg").unwrap(), "code import pkg");
        assert_eq!(of("python|pkg").unwrap(), "script pkg/__main__.py");
        assert_eq!(of("python|-").unwrap(), "");
        assert_eq!(of("python|/opt/x.py").unwrap(), "");
    }

    #[test]
    fn files_on_the_command_line() {
        assert_eq!(
            of("sh|run.sh|train.py").unwrap(),
            "file run.sh, file train.py"
        );
        assert_eq!(of("Rscript|a.R|none.R").unwrap(), "file a.R");
        assert_eq!(
            of("python|train.py|--conf=conf/a.yaml|tool.py").unwrap(),
            "script train.py, file conf/a.yaml, file tool.py"
        );
        assert_eq!(
            of("sh|-c|cd . && python -m pkg.mod; 'python' train.py").unwrap(),
            "module pkg.mod, script train.py"
        );
        assert_eq!(of("./run.sh").unwrap(), "file run.sh");
        assert_eq!(of("").unwrap(), "");
    }

    #[test]
    fn a_script_must_be_captured() {
        let error = of("python|-u|trian.py").unwrap_err().to_string();
        assert!(error.contains("'trian.py' is not part"), "{error}");
        assert!(of("python|/reproof/code/none.py").is_err());
        assert!(of("python|../train.py").is_err());
        assert_eq!(of("sh|-c|python none.py").unwrap(), "");
    }
}
