//! Writes what a notebook becomes: a module for each stage, and the pipeline file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Converted, Kind, Parts, Stage, quoted};
use crate::python::literal;

/// What a stage uses of those before it.
#[derive(Default)]
struct Needs {
    /// The statements that are copied, in their order.
    copied: BTreeSet<usize>,
    /// Values.
    values: BTreeSet<String>,
}

impl Parts {
    /// What a stage uses of those before it.
    fn needs(&self, stage: usize) -> Needs {
        let mut needs = Needs::default();
        let own = self.items.iter().filter(|item| item.stage == stage);
        let mut waiting: BTreeSet<String> = own.flat_map(|item| item.uses.clone()).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = waiting.pop_first() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let earlier = self.items.iter().enumerate().rev();
            let mut earlier = earlier.filter(|(_, item)| item.stage < stage);
            let Some((at, item)) = earlier.find(|(_, item)| item.binds.contains(&name)) else {
                continue;
            };
            if item.kind == Kind::Value {
                needs.values.insert(name);
            } else {
                needs.copied.insert(at);
                waiting.extend(item.uses.iter().cloned());
            }
        }
        needs
    }

    pub(super) fn write(mut self, name: &str, folder: &str) -> Converted {
        let needs: Vec<Needs> = (0..self.stages.len()).map(|at| self.needs(at)).collect();
        // The last stage before another that had a value in its hands has it as it is then.
        let touches = |at: usize, value: &String| {
            let mut own = self.items.iter().filter(|item| item.stage == at);
            needs[at].values.contains(value)
                || own.any(|item| item.kind == Kind::Value && item.binds.contains(value))
        };
        let mut from: BTreeMap<(usize, String), usize> = BTreeMap::new();
        let mut saved: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        for (at, need) in needs.iter().enumerate() {
            for value in &need.values {
                let Some(holder) = (0..at).rev().find(|before| touches(*before, value)) else {
                    continue;
                };
                from.insert((at, value.clone()), holder);
                saved.entry(holder).or_default().insert(value.clone());
            }
        }
        if self.data.is_empty() {
            self.undecided.push(
                "no file of the project is read by its plain name: name the data of the pipeline"
                    .to_owned(),
            );
        }
        let mut modules = BTreeMap::new();
        let data =
            |path: &String, name: &String| (name.clone(), format!("{{files: {}}}", quoted(path)));
        let data: Vec<_> = self
            .data
            .iter()
            .map(|(path, name)| data(path, name))
            .collect();
        let data: Vec<_> = data
            .iter()
            .map(|(name, source)| format!("{name}: {source}"))
            .collect();
        let mut pipeline = format!("pipeline: {name}\ndata: {{{}}}\nsteps:\n", data.join(", "));
        for (at, stage) in self.stages.iter().enumerate() {
            let path = format!("{name}_{}.py", stage.name);
            let path = match folder {
                "" => path,
                folder => format!("{folder}/{path}"),
            };
            let holders: BTreeMap<&String, usize> = needs[at]
                .values
                .iter()
                .filter_map(|value| Some((value, *from.get(&(at, value.clone()))?)))
                .collect();
            let empty = BTreeSet::new();
            let saves = saved.get(&at).unwrap_or(&empty);
            let text = self.module(at, folder, &needs[at], &holders, saves);
            pipeline += &self.step(stage, &path, &text, &holders, !saves.is_empty());
            modules.insert(path, text);
        }
        Converted {
            modules,
            pipeline,
            undecided: self.undecided,
        }
    }

    fn module(
        &self,
        at: usize,
        folder: &str,
        needs: &Needs,
        holders: &BTreeMap<&String, usize>,
        saves: &BTreeSet<String>,
    ) -> String {
        let stage = &self.stages[at];
        let body = stage.cells.join("\n\n");
        let mut out =
            String::from("import json as _json\nimport os as _os\nimport pickle as _pickle\n\n");
        out += "_step = _json.load(open(_os.environ[\"REPROOF_STEP\"]))\n";
        if !folder.is_empty() {
            out += &format!("_os.chdir({})\n", literal(folder));
        }
        out += &self.paths_of_data(&body, needs);
        if body.contains("display(") {
            out += "display = print\n";
        }
        if !needs.copied.is_empty() {
            out += "\n# From cells of earlier steps\n";
            for item in &needs.copied {
                out += &format!("{}\n", self.items[*item].text);
            }
        }
        if !holders.is_empty() {
            out += "\n# What earlier steps made\n";
            for (value, holder) in holders {
                let input = literal(&self.stages[*holder].name);
                out += &format!(
                    "with open(_step[\"inputs\"][{input}][\"path\"] + \"/{value}.pickle\", \"rb\") as _file:\n    \
                     {value} = _pickle.load(_file)\n"
                );
            }
        }
        out += &format!("\n{body}\n");
        if !saves.is_empty() {
            let names: Vec<_> = saves.iter().map(String::as_str).collect();
            out += "\n# For later steps\n_os.makedirs(_step[\"outputs\"][\"state\"][\"path\"])\n";
            for name in names {
                out += &format!(
                    "with open(_step[\"outputs\"][\"state\"][\"path\"] + \"/{name}.pickle\", \"wb\") as _file:\n    \
                     _pickle.dump({name}, _file)\n"
                );
            }
        }
        let own = self
            .items
            .iter()
            .filter(|item| item.stage == at && item.kind == Kind::Value);
        let bound: BTreeSet<&String> = own.flat_map(|item| &item.binds).collect();
        let bound: Vec<String> = bound.into_iter().map(|name| literal(name)).collect();
        out += "\n# Plain values, to be compared\n";
        out += &format!("_names = [{}]\n", bound.join(", "));
        out += "_values = {name: globals().get(name) for name in _names}\n\
                _values = {name: value for name, value in _values.items() if type(value) in (bool, float, int, str)}\n\
                with open(_step[\"outputs\"][\"values\"][\"path\"], \"w\") as _file:\n    \
                _json.dump(_values, _file, indent=1, sort_keys=True)\n";
        out
    }

    /// Where the data lies that a stage reads, by the paths of the notebook.
    fn paths_of_data(&self, body: &str, needs: &Needs) -> String {
        let used: Vec<_> = self
            .data
            .iter()
            .filter(|(path, _)| {
                body.contains(&format!("_DATA[{}]", literal(path)))
                    || needs
                        .copied
                        .iter()
                        .any(|item| self.items[*item].text.contains(path.as_str()))
            })
            .collect();
        if used.is_empty() {
            return String::new();
        }
        let mut out = String::from("_DATA = {\n");
        for (path, name) in used {
            let file = path.rsplit('/').next().unwrap_or(path);
            out += &format!(
                "    {}: _step[\"inputs\"][{}][\"path\"] + {},\n",
                literal(path),
                literal(name),
                literal(&format!("/{file}"))
            );
        }
        out += "}\n";
        out
    }

    fn step(
        &self,
        stage: &Stage,
        path: &str,
        text: &str,
        holders: &BTreeMap<&String, usize>,
        saves: bool,
    ) -> String {
        let mut out = format!("  {}:\n    run: [python, {}]\n", stage.name, quoted(path));
        let mut inputs: Vec<String> = self
            .data
            .values()
            .filter(|name| text.contains(&format!("_step[\"inputs\"][{}]", literal(name))))
            .map(|name| format!("{name}: {name}"))
            .collect();
        let earlier: BTreeSet<usize> = holders.values().copied().collect();
        inputs.extend(earlier.into_iter().map(|at| {
            let name = &self.stages[at].name;
            format!("{name}: {name}.state")
        }));
        if !inputs.is_empty() {
            out += &format!("    inputs: {{{}}}\n", inputs.join(", "));
        }
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .filter(|(name, _)| text.contains(&format!("_step[\"parameters\"][{}]", literal(name))))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        if !parameters.is_empty() {
            out += &format!("    parameters: {{{}}}\n", parameters.join(", "));
        }
        let state = if saves { "state: state/, " } else { "" };
        out + &format!("    outputs: {{{state}values: values.json}}\n")
    }
}
