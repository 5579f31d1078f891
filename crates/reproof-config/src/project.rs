//! `reproof.toml`.

mod data;
mod environments;
mod remotes;

use std::collections::BTreeMap;

use reproof_record::{Isolation, RelativePath, StepName};

pub use data::{NamedData, add_data};

use crate::check::check_object;
use crate::diagnostic::{Diagnostics, Report, Sources};
use crate::tables::PROJECT;
use crate::tree::{Node, parse_toml};

pub use remotes::{
    ADDRESS_HINT, RemoteAddress, RemoteSettings, is_loopback, with_remote, without_remote,
};

/// What `reproof.toml` says; everything in it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Where blobs are kept.
    pub store: StoreLocation,
    /// What a run insists on.
    pub policy: Policy,
    /// What programs run in, by name.
    pub environments: BTreeMap<StepName, EnvironmentSource>,
    /// Data whose versions have a history, by name.
    pub data: BTreeMap<StepName, NamedData>,
    /// Where records are shared, by name.
    pub remotes: BTreeMap<StepName, RemoteSettings>,
}

/// Where blobs are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreLocation {
    /// In the project's folder `.reproof`.
    #[default]
    Project,
    /// In a folder of the user's, shared by projects.
    User,
}

/// What a run insists on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether files that differ from the commit are refused.
    pub require_clean: bool,
    /// Whether data that differs from the lock file is refused.
    pub locked: bool,
    /// How far programs must be kept from what they were not given; none if the command line may
    /// choose.
    pub isolation: Option<Isolation>,
}

/// What an environment is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentSource {
    /// Python packages that a requirements file names, with hashes.
    Requirements {
        /// The file.
        file: RelativePath,
        /// What is common to environments of Python.
        python: PythonOptions,
    },
    /// Python packages of a project's `pyproject.toml`, with `uv.lock` beside it.
    Pyproject {
        /// The file `pyproject.toml`.
        file: RelativePath,
        /// What is common to environments of Python.
        python: PythonOptions,
    },
    /// Programs of the machine.
    System {
        /// Their names, or absolute paths.
        programs: Vec<String>,
        /// Further absolute paths that belong to it.
        paths: Vec<String>,
    },
}

/// How an environment of Python is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonOptions {
    /// The version, such as `3.11` or `3.11.7`; none for whatever is there.
    pub version: Option<String>,
    /// Whether packages without a wheel are built.
    pub allow_builds: bool,
}

/// Parses `reproof.toml`. `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_project(file: &str, text: &str) -> Result<Project, Diagnostics> {
    let mut sources = Sources::default();
    let source = sources.add(file, text);
    let mut report = Report::new(&sources);
    let root = parse_toml(text, source, &mut report);
    if let Some(root) = &root {
        check_object(&PROJECT, root, root.span, &mut report);
    }
    let environments = root.as_ref().and_then(|root| root.get("environments"));
    let environments = environments::read(environments, &mut report);
    let data = root.as_ref().and_then(|root| root.get("data"));
    let data = data::read(data, &mut report);
    let remotes = root.as_ref().and_then(|root| root.get("remotes"));
    let remotes = remotes::read(remotes, &mut report);
    report.finish()?;
    let get = |section: &str, key: &str| {
        let section = root.as_ref().and_then(|root| root.get(section));
        section.and_then(|section| section.get(key)).cloned()
    };
    let flag = |key: &str| get("policy", key).as_ref().and_then(Node::boolean) == Some(true);
    let location = get("store", "location");
    Ok(Project {
        store: match location.as_ref().and_then(Node::text) {
            Some("user") => StoreLocation::User,
            _ => StoreLocation::Project,
        },
        policy: Policy {
            require_clean: flag("require_clean"),
            locked: flag("locked"),
            isolation: get("policy", "isolation").and_then(|node| node.text()?.parse().ok()),
        },
        environments,
        data,
        remotes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, expect: &str) {
        let errors = parse_project("reproof.toml", text).unwrap_err();
        let lines: Vec<_> = errors
            .iter()
            .map(|found| {
                let hint = found.hint.as_deref().map(|hint| format!(" ({hint})"));
                let (line, column) = (found.line, found.column);
                format!(
                    "{line}:{column}: {}{}",
                    found.message,
                    hint.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(lines.join("\n"), expect, "{text}");
    }

    #[test]
    fn everything_may_be_left_out() {
        assert_eq!(parse_project("f", "").unwrap(), Project::default());
        let text =
            "[store]\nlocation = \"user\"\n\n[policy]\nrequire_clean = true\nlocked = true\n";
        let project = parse_project("f", text).unwrap();
        assert_eq!(project.store, StoreLocation::User);
        assert!(project.policy.require_clean && project.policy.locked);
    }

    #[test]
    fn all_errors_have_their_places() {
        refused(
            "[stor]\nlocation = \"user\"\n\n[policy]\nlocked = \"yes\"\nrequire_claen = true\n",
            "1:2: unknown section 'stor' (did you mean 'store'?)\n\
             5:10: true or false is wanted, found the text 'yes' \
             (only true and false, without quotes, are booleans)\n\
             6:1: unknown key 'require_claen' (did you mean 'require_clean'?)",
        );
        refused(
            "[remotes.origin]\nurl = \"s3:/x\"\n[remotes.b]\nurl = \"file:///x\"\nregion = \"r\"\n\
             [remotes.c]\nurl = \"s3://bucket\"\nendpoint = \"http://example.org\"\ntimeout = 0\n\
             [remotes.d]\n",
            "2:7: only s3:// and file:// are known \
             (write s3://BUCKET, s3://BUCKET/PREFIX or file:///absolute/path)\n\
             5:1: 'region' has no use for a folder\n\
             8:12: without TLS only a server on this machine may be reached \
             (use https://, or add allow_http = true)\n\
             9:11: an integer from 1 to 3600 is wanted, found the number 0\n\
             10:10: the key 'url' is missing",
        );
        refused(
            "[store]\nlocation = \"usr\"\n[policy]\nbranches = [\"main\"]\n",
            "2:12: unknown location 'usr' (did you mean 'user'?)\n\
             4:1: 'branches': this policy is not supported by this version",
        );
        refused(
            "store = 1\n",
            "1:9: a mapping with location is wanted, found the number 1",
        );
    }

    #[test]
    fn environments_are_made_from_one_thing() {
        let text = "\
[environments.default]
requirements = \"requirements.txt\"
python = \"3.11\"

[environments.newer]
pyproject = \"py/pyproject.toml\"
allow_builds = true

[environments.r]
system = [\"sh\", \"/usr/bin/Rscript\"]
paths = [\"/usr/lib/R\"]

[policy]
isolation = \"full\"
";
        let project = parse_project("f", text).unwrap();
        assert_eq!(project.policy.isolation, Some(Isolation::Full));
        let environments: Vec<_> = project.environments.values().cloned().collect();
        let python = |version: Option<&str>, allow_builds| PythonOptions {
            version: version.map(str::to_owned),
            allow_builds,
        };
        assert_eq!(
            environments,
            [
                EnvironmentSource::Requirements {
                    file: RelativePath::new("requirements.txt").unwrap(),
                    python: python(Some("3.11"), false),
                },
                EnvironmentSource::Pyproject {
                    file: RelativePath::new("py/pyproject.toml").unwrap(),
                    python: python(None, true),
                },
                EnvironmentSource::System {
                    programs: vec!["sh".to_owned(), "/usr/bin/Rscript".to_owned()],
                    paths: vec!["/usr/lib/R".to_owned()],
                },
            ]
        );
    }

    #[test]
    fn wrong_environments_are_explained() {
        refused(
            "[environments.default]\npython = \"3.11\"\n",
            "1:15: the environment is made from nothing \
             (write one of requirements, pyproject, system)",
        );
        refused(
            "[environments.default]\nrequirements = \"r.txt\"\nsystem = [\"sh\"]\n",
            "3:1: an environment is made from one thing, and 'requirements' is there already",
        );
        refused(
            "[environments.default]\nimage = \"python:3.11\"\n",
            "2:1: 'image': containers are not supported by this version",
        );
        refused(
            "[environments.default]\nrequirement = \"r.txt\"\n",
            "2:1: unknown key 'requirement' (did you mean 'requirements'?)",
        );
        refused(
            "[environments.Default]\nsystem = []\npython = 3.11\npaths = [\"lib\", \"/a/../b\"]\n",
            "1:15: 'Default' is not a name: it must begin with a letter from a to z\n\
             2:10: the list is empty\n\
             3:1: 'python' has no use beside 'system'\n\
             3:10: text is wanted, found the number 3.11 (put it in quotes if text is meant)\n\
             4:10: 'lib' cannot stand here \
             (write an absolute path without . and .. in it, such as /usr/lib/R)\n\
             4:17: '/a/../b' cannot stand here \
             (write an absolute path without . and .. in it, such as /usr/lib/R)",
        );
        refused(
            "[environments.a]\nsystem = [\"bin/sh\", \"sh\", \"sh\", \"\"]\n\
             [environments.b]\nrequirements = \"../r.txt\"\npython = \"3\"\npaths = [\"/x\"]\n\
             [policy]\nisolation = \"none\"\n",
            "2:11: 'bin/sh' cannot stand here \
             (write an absolute path without . and .. in it, such as /usr/lib/R)\n\
             2:27: 'sh' stands twice\n\
             2:33: '' cannot stand here \
             (write the name of a program, such as Rscript, or its absolute path)\n\
             4:16: '../r.txt' is not a path inside the project (only files inside the project can \
             be read; copy or link the file into it)\n\
             5:10: '3' is not a version of Python (write it as \"3.11\" or \"3.11.7\")\n\
             6:1: 'paths' has no use beside 'requirements'\n\
             8:13: unknown isolation 'none' (known here: full)",
        );
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let errors = parse_project("f", "[store]\nlocation = \n").unwrap_err();
        assert_eq!(errors.iter().next().unwrap().line, 2);
        let deep = format!("x = {}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(parse_project("f", &deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "[-a-z0-9=\\[\\]{}\"'., \\n#é]{0,80}") {
            let _ = parse_project("f", &text);
        }
    }
}
