//! The program that runs a script as a step.

use std::collections::BTreeMap;

use crate::python::{escaped, literal as text};

/// What it does, behind what is said of the script.
const CODE: &str = include_str!("step.py");

/// What is said of the script.
pub(super) struct Wrapper<'a> {
    /// The script, from the project's folder.
    pub script: &'a str,
    /// The folder that it is run in; empty for the project's.
    pub folder: &'a str,
    /// For each input the folder in which its files lie for the script.
    pub data: BTreeMap<String, String>,
    /// For each output its path; none for what the script prints.
    pub outputs: &'a BTreeMap<String, Option<String>>,
    /// Folders that are there before it starts.
    pub folders: Vec<String>,
    /// Arguments: parameter, flag and form.
    pub arguments: Vec<(String, Option<String>, &'static str)>,
    /// Constants that are parameters.
    pub constants: Vec<String>,
}

impl Wrapper<'_> {
    /// The text of the program.
    pub(super) fn write(&self) -> String {
        let script = self.script;
        let mut out = format!(
            "\"\"\"Runs {} as a step of a pipeline.\n\nThe script itself is not changed. A copy of \
             it, and of the code that it imports, is laid into an empty folder;\nthe data is laid where \
             it looks for it, parameters become its arguments and constants, and what it\nwrites is \
             moved to where the pipeline declares it. Written by 'reproof import'; edit it as you \
             like.\n\"\"\"\n\n",
            escaped(script)
        );
        out += &format!("SCRIPT = {}\n", text(script));
        out += "# The folder that it is run in, from the project's.\n";
        out += &format!("FOLDER = {}\n", text(self.folder));
        out += "# Input: the folder in which the script finds its files.\n";
        let data = self.data.iter();
        out += &mapping("DATA", data.map(|(name, path)| (name, text(path))));
        out += "# Output: what the script writes; None is what it prints.\n";
        let outputs = self.outputs.iter();
        let value = |path: &Option<String>| path.as_deref().map_or("None".to_owned(), text);
        out += &mapping("OUTPUTS", outputs.map(|(name, path)| (name, value(path))));
        out += "# Folders that the script expects.\n";
        let folders: Vec<String> = self.folders.iter().map(|folder| text(folder)).collect();
        out += &format!("FOLDERS = [{}]\n", folders.join(", "));
        out += "# Arguments: the parameter, the flag (None: by its place), and how it is given.\n";
        out += "ARGUMENTS = [\n";
        for (name, flag, form) in &self.arguments {
            let flag = flag.as_deref().map_or("None".to_owned(), text);
            out += &format!("    ({}, {flag}, {}),\n", text(name), text(form));
        }
        out += "]\n# Constants that are parameters: their values in the script are replaced.\n";
        let constants: Vec<String> = self.constants.iter().map(|name| text(name)).collect();
        out += &format!("CONSTANTS = [{}]\n\n", constants.join(", "));
        out + CODE
    }
}

fn mapping<'a>(name: &str, entries: impl Iterator<Item = (&'a String, String)>) -> String {
    let lines: String = entries
        .map(|(key, value)| format!("    {}: {value},\n", text(key)))
        .collect();
    format!("{name} = {{\n{lines}}}\n")
}
