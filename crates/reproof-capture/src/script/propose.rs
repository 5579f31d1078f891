//! The pipeline, the program of its step and the requirements that follow from what a script says.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Page;
use super::wrapper::Wrapper;
use super::{Access, Argument, At, Form, Known, Note, Script, Use};
use crate::closure::{ending, normalise};

/// What lies at a path of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Nothing, or something else.
    Nothing,
}

/// What a script becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The text of the pipeline file.
    pub pipeline: String,
    /// The text of the program that runs the script as a step.
    pub program: String,
    /// The text of `requirements.in`.
    pub requirements: String,
    /// The data: the path of each by its name.
    pub data: BTreeMap<String, String>,
    /// What it writes, by the outputs' names; none for what it prints.
    pub outputs: BTreeMap<String, Option<String>>,
    /// Its parameters, with their values as JSON.
    pub parameters: BTreeMap<String, String>,
    /// Its seeds: what sets them, and where.
    pub seeds: Vec<Note>,
    /// What to look at, by place.
    pub check: Vec<Note>,
}

/// Parameters: the value as JSON, and where the script says it.
type Parameters = BTreeMap<String, (String, String)>;

/// A path with where the script says it, and the call that does; empty for a text.
pub(super) struct Found {
    pub path: String,
    pub at: At,
    pub call: String,
}

pub(super) struct Proposal<'a> {
    pub(super) script: &'a Script,
    pub(super) path: &'a str,
    pub(super) look: &'a mut dyn FnMut(&str) -> Place,
    folder: String,
    data: BTreeMap<String, Found>,
    outputs: BTreeMap<String, Found>,
    check: Vec<Note>,
}

/// What a script at this path of the project becomes as the pipeline `name`, whose program will lie at
/// `program`. `look` says what lies at a path of the project.
pub fn propose(
    script: &Script,
    path: &str,
    name: &str,
    program: &str,
    look: &mut dyn FnMut(&str) -> Place,
) -> Imported {
    let mut proposal = Proposal {
        script,
        path,
        look,
        folder: String::new(),
        data: BTreeMap::new(),
        outputs: BTreeMap::new(),
        check: script.notes.clone(),
    };
    proposal.find_what_differs();
    proposal.choose_folder();
    proposal.find_outputs();
    proposal.find_data();
    let requirements = proposal.requirements();
    proposal.write(name, program, requirements)
}

/// The folder that a path lies in.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a path lies in a folder.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/'))
        .is_some_and(|rest| rest.starts_with('/'))
}

/// A name from a path that may be that of a source or an output, and is not taken.
fn named(path: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let path = path.trim_end_matches('/');
    let file = path
        .rsplit('/')
        .find(|part| !part.contains('*'))
        .unwrap_or(path);
    let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
    let fits = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '_',
    };
    let mut name: String = stem.chars().take(40).map(fits).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name = format!("file_{}", name.trim_matches('_'));
    }
    let name = name.trim_end_matches('_').to_owned();
    if !taken(&name) {
        return name;
    }
    let mut all = (2_u32..).map(|count| format!("{name}_{count}"));
    all.find(|name| !taken(name)).unwrap_or(name)
}

impl<'a> Proposal<'a> {
    pub(super) fn note(&mut self, at: &At, text: impl Into<String>) {
        let (at, text) = (at.clone(), text.into());
        self.check.push(Note { at, text });
    }

    /// What would keep the script from being repeated. A seed that another of its modules sets counts.
    fn find_what_differs(&mut self) {
        let checked = &self.script.checked;
        for (at, (file, found)) in checked.iter().enumerate() {
            let others = checked.iter().enumerate();
            let others = others.filter(|(other, _)| *other != at);
            let seeds = others.flat_map(|(_, (_, other))| other.seeds.clone());
            for finding in found.findings(&seeds.collect(), |_| false) {
                let at = At {
                    file: file.clone(),
                    line: finding.line,
                };
                let text = format!("{}: {}", finding.text, finding.advice);
                self.check.push(Note { at, text });
            }
        }
    }

    /// The folder that the script is run in: the one from which more of its files are found.
    fn choose_folder(&mut self) {
        let own = parent(self.path).to_owned();
        if own.is_empty() {
            return;
        }
        let (mut here, mut there) = (0_usize, 0_usize);
        for used in &self.script.uses {
            let Some(known) = used
                .path
                .as_ref()
                .filter(|known| known.whole && !known.fixed)
            else {
                continue;
            };
            for (folder, count) in [("", &mut here), (own.as_str(), &mut there)] {
                let inside = normalise(folder, &known.text).filter(|path| !path.is_empty());
                let found = inside.is_some_and(|path| (self.look)(&path) != Place::Nothing);
                *count += usize::from(found);
            }
        }
        if there > here {
            self.folder = own;
            let text = format!(
                "it is run in its own folder '{}', because more of its files are found from there",
                self.folder
            );
            self.note(&At::default(), text);
        }
    }

    /// A path from the project's folder; none if it lies outside, with a note if that is to be known.
    fn inside(&mut self, known: &Known, used: &Use) -> Option<String> {
        let folder = if known.fixed {
            ""
        } else {
            self.folder.as_str()
        };
        let inside = normalise(folder, &known.text).filter(|_| !known.text.contains("://"));
        if inside.is_none() && used.access != Access::Mention {
            let shown: String = known.text.chars().take(60).collect();
            let text = if known.text.contains("://") {
                format!("'{shown}' is an address: no step has the network unless it says so")
            } else {
                format!("'{shown}' lies outside of the project, which no step sees")
            };
            self.note(&used.at, text);
        }
        inside.filter(|path| !path.is_empty())
    }

    fn find_outputs(&mut self) {
        let script = self.script;
        for used in script
            .uses
            .iter()
            .filter(|used| used.access == Access::Write)
        {
            let Some(path) = self.output(used) else {
                continue;
            };
            if used.maybe {
                let text = format!(
                    "'{path}' may not be written each time; a step without a declared output fails"
                );
                self.note(&used.at, text);
            }
            let found = Found {
                path: path.clone(),
                at: used.at.clone(),
                call: used.call.clone(),
            };
            self.outputs.entry(path).or_insert(found);
        }
        let all: Vec<String> = self.outputs.keys().cloned().collect();
        let inner = |path: &String| {
            let mut others = all.iter().filter(|other| *other != path);
            others.any(|other| is_below(path, other))
        };
        self.outputs.retain(|path, _| !inner(path));
    }

    /// The path of what a call writes, from the project's folder; a folder has a slash behind it.
    fn output(&mut self, used: &Use) -> Option<String> {
        let (at, call) = (&used.at, &used.call);
        let Some(known) = &used.path else {
            let text = format!("where '{call}' writes is not known: declare it under 'outputs'");
            self.note(at, text);
            return None;
        };
        let mut path = self.inside(known, used)?;
        if !known.whole {
            let folder = if known.text.ends_with('/') {
                path.as_str()
            } else {
                parent(&path)
            };
            if folder.is_empty() {
                let text = format!(
                    "the file that '{call}' writes has a name that is not known: declare it under \
                     'outputs'"
                );
                self.note(at, text);
                return None;
            }
            let text = format!(
                "'{call}' writes files whose names are not known: the whole folder '{folder}' is \
                 the output"
            );
            let folder = format!("{folder}/");
            self.note(at, text);
            return Some(folder);
        }
        if call.ends_with("save_pretrained") {
            return Some(path + "/");
        }
        // What these add where a name has no ending.
        let bare = !path.rsplit('/').next().unwrap_or_default().contains('.');
        path += match call.rsplit('.').next().unwrap_or_default() {
            _ if !bare => "",
            "save" if call.starts_with("np.") || call.starts_with("numpy.") => ".npy",
            "savez" | "savez_compressed" => ".npz",
            "savefig" => ".png",
            _ => "",
        };
        Some(path)
    }

    fn find_data(&mut self) {
        let script = self.script;
        for used in script
            .uses
            .iter()
            .filter(|used| used.access != Access::Write)
        {
            let Some(known) = &used.path else {
                self.note(
                    &used.at,
                    format!(
                        "what '{}' reads is not known: if it is data, name it under 'data'",
                        used.call
                    ),
                );
                continue;
            };
            let Some(path) = self.inside(known, used) else {
                continue;
            };
            let mention = used.access == Access::Mention;
            if mention && !known.whole || path == self.path || ending(&path) == "py" {
                continue;
            }
            let mut written = self.outputs.keys();
            let is_output = |out: &String| {
                *out == path || is_below(&path, out) || out.trim_end_matches('/') == path
            };
            if written.any(is_output) {
                continue;
            }
            let Some(source) = self.source(&path, known, used) else {
                continue;
            };
            if used.access == Access::Both {
                self.note(&used.at, format!("'{path}' is changed where it lies, which a step cannot: it sees it read-only"));
            }
            let found = Found {
                path: source.clone(),
                at: used.at.clone(),
                call: used.call.clone(),
            };
            // A call says more than a text that is found again in it.
            let entry = self.data.entry(source);
            let old = entry.or_insert(Found {
                path: String::new(),
                at: At::default(),
                call: String::new(),
            });
            if old.path.is_empty() || old.call.is_empty() && !found.call.is_empty() {
                *old = found;
            }
        }
        let folders: Vec<String> = self
            .data
            .keys()
            .filter(|path| path.ends_with('/') || path.contains('*'))
            .cloned()
            .collect();
        let covers = |folder: &String, path: &String| {
            folder != path && folder.ends_with('/') && is_below(path, folder)
        };
        self.data
            .retain(|path, _| !folders.iter().any(|folder| covers(folder, path)));
    }

    /// The source for a path that is read: the file, the folder with a slash, or the pattern.
    fn source(&mut self, path: &str, known: &Known, used: &Use) -> Option<String> {
        let mention = used.access == Access::Mention;
        if path.contains(['*', '?']) && !mention {
            let end = path.find(['*', '?']).unwrap_or(0);
            let folder = parent(path.get(..end).unwrap_or_default());
            let there = !folder.is_empty() && (self.look)(folder) == Place::Folder;
            return there.then(|| path.to_owned());
        }
        if !known.whole {
            let folder = if known.text.ends_with('/') {
                path
            } else {
                parent(path)
            };
            if folder.is_empty() || (self.look)(folder) != Place::Folder {
                self.note(
                    &used.at,
                    format!(
                        "which file '{}' reads is not known: if it is data, name it under 'data'",
                        used.call
                    ),
                );
                return None;
            }
            self.note(
                &used.at,
                format!(
                    "which files of '{folder}' '{}' reads is not known: the whole folder is data",
                    used.call
                ),
            );
            return Some(format!("{folder}/"));
        }
        match (self.look)(path) {
            Place::File => Some(path.to_owned()),
            Place::Folder if !mention => Some(format!("{path}/")),
            Place::Nothing if !mention => {
                self.note(&used.at, format!("'{path}' is read, and is not there"));
                None
            }
            _ => None,
        }
    }

    /// Whether a text is the path of data or of an output, or of a folder with such.
    fn is_file(&self, text: &str) -> bool {
        let Some(path) = normalise(&self.folder, text).filter(|path| !path.is_empty()) else {
            return text.contains("://");
        };
        let mut all = self.data.keys().chain(self.outputs.keys());
        all.any(|known| known.trim_end_matches('/') == path || is_below(known, &path))
    }

    /// Arguments that are parameters.
    fn arguments(&mut self) -> Vec<&'a Argument> {
        let script = self.script;
        let mut arguments = Vec::new();
        let mut seen = BTreeSet::new();
        for argument in &script.arguments {
            let name = &argument.name;
            let path = argument
                .text
                .as_ref()
                .is_some_and(|text| self.is_file(text));
            if !seen.insert(name) || path && !argument.required {
                continue;
            }
            if argument.form == Form::Unknown || argument.default.is_none() {
                self.note(&argument.at, format!("what the argument '{name}' is unless it is given is not known: it is not given"));
                continue;
            }
            if argument.required && argument.default.as_deref() == Some("null") {
                self.note(
                    &argument.at,
                    format!("the argument '{name}' must be given: set the parameter"),
                );
            }
            arguments.push(argument);
        }
        // By their places first: one that takes many would take them, too.
        arguments.sort_by_key(|argument| argument.flag.is_some());
        arguments
    }

    /// The parameters, each with its value and where the script says it; and which of them are
    /// constants.
    fn parameters(&self, arguments: &[&Argument]) -> (Parameters, Vec<String>) {
        let script = self.script;
        let mut parameters = Parameters::new();
        for argument in arguments {
            let value = argument.default.clone().unwrap_or_default();
            let from = argument.flag.as_ref().unwrap_or(&argument.name);
            let said = format!("{}: {from}", argument.at);
            parameters.insert(argument.name.clone(), (value, said));
        }
        let mut constants = Vec::new();
        for setting in &script.settings {
            let name = &setting.name;
            let text = setting.text.as_ref();
            let known = script.defaults.contains(name) || parameters.contains_key(name);
            if known || text.is_some_and(|text| self.is_file(text)) {
                continue;
            }
            constants.push(name.clone());
            let said = format!("line {}", setting.line);
            parameters.insert(name.clone(), (setting.json.clone(), said));
        }
        (parameters, constants)
    }

    /// The folders that the script finds there today, and into which it writes.
    fn folders(&mut self) -> Vec<String> {
        let made: BTreeSet<String> = self.outputs.keys().map(|path| folder_of(path)).collect();
        let mut folders: Vec<String> = made.into_iter().filter(|path| !path.is_empty()).collect();
        folders.retain(|path| (self.look)(path) == Place::Folder);
        folders
    }

    fn write(mut self, name: &str, program: &str, requirements: String) -> Imported {
        let arguments = self.arguments();
        let (parameters, constants) = self.parameters(&arguments);
        let folders = self.folders();
        if self.outputs.is_empty() {
            self.note(
                &At::default(),
                "no file that it writes was found: the output is what it prints",
            );
        }
        if self.data.is_empty() {
            self.note(
                &At::default(),
                "no file of the project that it reads was found: name its data",
            );
        }
        self.check.sort();
        self.check.dedup();
        let mut data: BTreeMap<String, &Found> = BTreeMap::new();
        for found in self.data.values() {
            let taken = |wanted: &str| data.contains_key(wanted) || wanted == name;
            data.insert(named(&found.path, &taken), found);
        }
        let mut outputs: BTreeMap<String, Option<&Found>> = BTreeMap::new();
        for found in self.outputs.values() {
            let taken = |wanted: &str| outputs.contains_key(wanted);
            outputs.insert(named(&found.path, &taken), Some(found));
        }
        if outputs.is_empty() {
            outputs.insert("printed".to_owned(), None);
        }
        let page = Page {
            script: self.path,
            name,
            program,
            data: &data,
            outputs: &outputs,
            parameters: &parameters,
            seeds: &self.script.seeds,
            check: &self.check,
        };
        let pipeline = page.write();
        let paths = data.iter();
        let paths: BTreeMap<String, String> = paths
            .map(|(name, found)| (name.clone(), found.path.clone()))
            .collect();
        let outputs: BTreeMap<String, Option<String>> = outputs
            .into_iter()
            .map(|(name, found)| (name, found.map(|found| found.path.clone())))
            .collect();
        let laid = paths.iter();
        let given = arguments.iter();
        let wrapper = Wrapper {
            script: self.path,
            folder: &self.folder,
            data: laid
                .map(|(name, path)| (name.clone(), folder_of(path)))
                .collect(),
            outputs: &outputs,
            folders,
            arguments: given
                .map(|one| (one.name.clone(), one.flag.clone(), form(one.form)))
                .collect(),
            constants,
        };
        let parameters = parameters.into_iter();
        Imported {
            pipeline,
            program: wrapper.write(),
            requirements,
            data: paths,
            outputs,
            parameters: parameters.map(|(name, (value, _))| (name, value)).collect(),
            seeds: self.script.seeds.clone(),
            check: self.check,
        }
    }
}

/// The folder of the project in which the files of a source lie, or an output.
fn folder_of(path: &str) -> String {
    let before = path.find(['*', '?']).and_then(|end| path.get(..end));
    match (before, path.strip_suffix('/')) {
        (Some(before), _) => parent(before).to_owned(),
        (None, Some(folder)) => folder.to_owned(),
        (None, None) => parent(path).to_owned(),
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Value | Form::Unknown => "value",
        Form::True => "true",
        Form::False => "false",
        Form::Either => "either",
    }
}
