//! The requirements that follow from what a script and its modules import.

use std::collections::BTreeSet;

use super::propose::{Place, Proposal, parent};
use crate::closure::{is_standard, normalise};
use crate::notebook::distribution;

impl Proposal<'_> {
    /// What the script's imports need.
    pub(super) fn requirements(&mut self) -> String {
        let mut out = format!(
            "# What {} imports; 'reproof env lock' pins it in requirements.txt.\n",
            self.path
        );
        let mut seen = BTreeSet::new();
        let script = self.script;
        for module in &script.imports {
            let name = module.top();
            let is_other = module.import.level == 0 && !name.is_empty() && !is_standard(name);
            if !is_other || !seen.insert(name.to_owned()) || script.modules.contains(name) {
                continue;
            }
            let at = &module.at;
            if self.is_own(name) {
                let text = format!(
                    "'{name}' lies in the project, and no file of it was found: what it imports, reads \
                     and writes was not looked at"
                );
                self.note(at, text);
                continue;
            }
            match distribution(name) {
                Some(known) if module.import.optional => {
                    out += &format!(
                        "# check: {at} does without '{name}' if it is not there\n# {known}\n"
                    );
                }
                Some(known) => out += &format!("{known}\n"),
                None => {
                    let text = format!(
                        "which package the module '{name}' comes in is not known: add it to requirements.in"
                    );
                    out += &format!("# check: {at}: {text}\n# {name}\n");
                    self.note(at, text);
                }
            }
        }
        out
    }

    fn is_own(&mut self, module: &str) -> bool {
        let own = parent(self.path).to_owned();
        [own.as_str(), "", "src"].into_iter().any(|folder| {
            let at = normalise(folder, module).unwrap_or_default();
            (self.look)(&format!("{at}.py")) == Place::File || (self.look)(&at) == Place::Folder
        })
    }
}
