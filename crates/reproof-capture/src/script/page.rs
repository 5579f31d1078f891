//! Writes the pipeline file.

use std::collections::BTreeMap;

use super::Note;
use super::propose::Found;
use crate::notebook::quoted;

/// The pipeline file.
pub(super) struct Page<'a> {
    pub script: &'a str,
    pub name: &'a str,
    pub program: &'a str,
    pub data: &'a BTreeMap<String, &'a Found>,
    pub outputs: &'a BTreeMap<String, Option<&'a Found>>,
    pub parameters: &'a BTreeMap<String, (String, String)>,
    pub seeds: &'a [Note],
    pub check: &'a [Note],
}

impl Page<'_> {
    /// Its text.
    pub(super) fn write(&self) -> String {
        let (script, name) = (self.script, self.name);
        let mut out = format!(
            "# yaml-language-server: $schema=../.reproof/pipeline.schema.json\n\
             # From {script}, which is run as it is. Lines are those of the script; look at each 'check:'.\n"
        );
        for note in self.check {
            let text = note.text.replace(['\n', '\r'], " ");
            out += &match note.at.line {
                0 => format!("# check: {text}\n"),
                _ => format!("# check: {}: {text}\n", note.at),
            };
        }
        for seed in self.seeds {
            out += &format!("# seed, {}: {}\n", seed.at, seed.text);
        }
        out += &format!("pipeline: {name}\ndata:\n");
        for (name, found) in self.data {
            let path = quoted_path(&found.path);
            out += &format!("  {name}: {{files: {path}}}  # {}\n", said(found));
        }
        if self.data.is_empty() {
            out += "  project: {files: reproof.toml}  # stands here because a pipeline has data\n";
        }
        let inputs: Vec<String> = self
            .data
            .keys()
            .map(|name| format!("{name}: {name}"))
            .collect();
        out += &format!(
            "steps:\n  {name}:\n    # The first lays the data where the second looks for it.\n    \
             run: [python, {}, {}]\n",
            quoted_path(self.program),
            quoted_path(script)
        );
        if !inputs.is_empty() {
            out += &format!("    inputs: {{{}}}\n", inputs.join(", "));
        }
        if !self.parameters.is_empty() {
            out += "    parameters:\n";
            for (name, (value, line)) in self.parameters {
                out += &format!("      {name}: {value}  # {line}\n");
            }
        }
        out += "    outputs:\n";
        for (name, found) in self.outputs {
            out += &match found {
                Some(found) => {
                    let path = quoted_path(&found.path);
                    let line = said(found);
                    format!("      {name}: {{path: {path}, kind: files}}  # {line}\n")
                }
                None => format!("      {name}: {name}.txt\n"),
            };
        }
        out
    }
}

fn said(found: &Found) -> String {
    match found.call.as_str() {
        "" => found.at.to_string(),
        call => format!("{}: {call}", found.at),
    }
}

/// A path as YAML writes it in braces.
fn quoted_path(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let begins = path.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && path.contains(['/', '.']) && path.chars().all(plain) {
        path.to_owned()
    } else {
        quoted(path)
    }
}
