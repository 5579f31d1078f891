//! Prints an expanded graph as a pipeline file: what `reproof plan` shows. Read again, it expands
//! to the same recipe.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reproof_record::{DataCheck, Gate, Program, RecipeStep, Source, StepName, canonical_number};
use serde_json::{Map, Value};

use super::gates;
use super::graph::Graph;
use super::programs::{default_kind, profile_name};
use crate::program::{OutputSpec, ProgramSpec};

use super::{
    CsvOptions, DataFormat, DataFrom, DataSource, Pipeline, Place, PostgresServer, QueryText,
    StatisticsOption, blocks, cycles,
};

/// Keys of flow mappings longer than this are written with `? `: YAML ends the search for the `:`
/// of a simple key after 1024 characters.
const MAX_SIMPLE_KEY: usize = 1000;

impl Graph {
    /// The graph as a pipeline file with `steps:`, every parameter written out.
    pub fn to_steps_yaml(&self, pipeline: &Pipeline) -> String {
        let mut out = String::new();
        line(&mut out, 0, "pipeline", &quoted(&pipeline.name));
        line(&mut out, 0, "seed", &pipeline.seed.to_string());
        if let Some(seed) = pipeline.split_seed {
            line(&mut out, 0, "split_seed", &seed.to_string());
        }
        print_data(&mut out, pipeline);
        self.print_tolerance(&mut out);
        out.push_str("steps:\n");
        for name in self.order() {
            if let Some(step) = self.steps.get(name) {
                let gates: &[Gate] = if self.evaluate.as_ref() == Some(name) {
                    &self.gates
                } else {
                    &[]
                };
                match self.programs.get(name) {
                    Some(program) => print_program(&mut out, (pipeline, name), step, program),
                    None => print_step(&mut out, name, step, gates),
                }
            }
        }
        out
    }

    fn print_tolerance(&self, out: &mut String) {
        let all = self.steps.iter().flat_map(|(name, step)| {
            let of = step.tolerance.iter();
            of.map(move |(output, tolerance)| (format!("{name}.{output}"), tolerance))
        });
        for (place, (name, tolerance)) in all.enumerate() {
            if place == 0 {
                out.push_str("tolerance:\n");
            }
            let value = serde_json::to_value(tolerance).unwrap_or_default();
            line(out, 1, &name, &flow(&value));
        }
    }

    /// The steps, each after those that it needs.
    fn order(&self) -> Vec<&StepName> {
        let needs: BTreeMap<_, _> = self
            .steps
            .iter()
            .map(|(name, step)| {
                let needs = step.inputs.values().filter_map(|from| match from {
                    Source::Output { step, .. } => Some(step),
                    Source::Data { .. } => None,
                });
                (name, needs.collect())
            })
            .collect();
        cycles::order(&needs)
    }
}

fn print_data(out: &mut String, pipeline: &Pipeline) {
    let data = &pipeline.data;
    let print = |name: &StepName, from: &DataFrom| {
        let source = Source::Data { data: name.clone() };
        print_from(from, &print_expected(pipeline, &source))
    };
    let unnamed = blocks::data_name();
    match data.iter().next() {
        Some((name, source)) if data.len() == 1 && Some(name) == unnamed.as_ref() => {
            line(out, 0, "data", &print(name, source));
        }
        None => {}
        _ => {
            out.push_str("data:\n");
            for (name, source) in data {
                line(out, 1, name.as_str(), &print(name, source));
            }
        }
    }
}

/// What a table must meet, as a further key of a mapping.
fn print_expected(pipeline: &Pipeline, source: &Source) -> String {
    let expected = pipeline.expected(source).into_iter();
    let checks = DataCheck::to_json(expected.map(|expectation| &expectation.check));
    if checks.is_empty() {
        String::new()
    } else {
        format!(", expect: {}", flow(&Value::Object(checks)))
    }
}

fn print_from(from: &DataFrom, expected: &str) -> String {
    let mut text = match from {
        DataFrom::Source(source) => print_source(source),
        DataFrom::Named(name) => format!("{{name: {}", quoted(name.as_str())),
        DataFrom::Version(version) => format!("{{version: {}", quoted(&version.to_string())),
    };
    text.push_str(expected);
    text.push('}');
    text
}

fn print_source(source: &DataSource) -> String {
    let place = match &source.place {
        Place::File(path) => quoted(path.as_str()),
        Place::Address(address) => quoted(address),
        Place::Server(PostgresServer::Variable(name)) => format!("{{env: {}}}", quoted(name)),
        Place::Server(PostgresServer::Address(address)) => quoted(&address.to_string()),
    };
    // A text that is written to cannot fail.
    let mut text = match &source.format {
        DataFormat::Parquet
        | DataFormat::JsonLines
        | DataFormat::Arrow
        | DataFormat::Numpy
        | DataFormat::Files => {
            format!("{{{}: {place}", source.kind())
        }
        DataFormat::Sql(query) => {
            let (key, asked) = match &query.text {
                QueryText::Here(text) => ("query", quoted(text)),
                QueryText::File(path) => ("query_file", quoted(path.as_str())),
            };
            let order_by = flow(&Value::from(query.order_by.clone()));
            let kind = source.kind();
            format!("{{{kind}: {place}, {key}: {asked}, order_by: {order_by}")
        }
        DataFormat::Csv(options) => {
            let default = CsvOptions::default();
            let mut text = format!("{{csv: {place}");
            if options.delimiter != default.delimiter {
                let delimiter = quoted(&char::from(options.delimiter).to_string());
                let _ = write!(text, ", delimiter: {delimiter}");
            }
            if options.null_tokens != default.null_tokens {
                let tokens = flow(&Value::from(options.null_tokens.clone()));
                let _ = write!(text, ", null_tokens: {tokens}");
            }
            text
        }
    };
    if !source.schema.is_empty() {
        let _ = write!(text, ", schema: {}", flow(&source.schema_json()));
    }
    if source.statistics != StatisticsOption::default() {
        let _ = write!(text, ", statistics: {}", source.statistics.name());
    }
    text
}

fn print_program(
    out: &mut String,
    (pipeline, name): (&Pipeline, &StepName),
    step: &RecipeStep,
    program: &ProgramSpec,
) {
    let _ = writeln!(out, "  {name}:");
    match &program.notebook {
        Some(notebook) => line(out, 2, "notebook", &quoted(notebook.as_str())),
        None => line(out, 2, "run", &flow(&Value::from(program.run.clone()))),
    }
    line(out, 2, "environment", &quoted(program.environment.as_str()));
    line(out, 2, "inputs", &print_inputs(step));
    print_mapping(out, 2, "parameters", &step.parameters);
    // The executed copy of a notebook is there by itself.
    let is_own = |name: &StepName| program.notebook.is_some() && name.as_str() == Program::EXECUTED;
    let written = program.outputs.iter().filter(|(name, _)| !is_own(name));
    let written: Vec<_> = written.collect();
    let none = if written.is_empty() { " {}" } else { "" };
    let _ = writeln!(out, "    outputs:{none}");
    for (output, spec) in written {
        let source = Source::Output {
            step: name.clone(),
            output: output.clone(),
        };
        let expected = print_expected(pipeline, &source);
        line(
            out,
            3,
            output.as_str(),
            &print_output(output, spec, &expected),
        );
    }
    if !program.code.is_empty() {
        line(out, 2, "code", &flow(&Value::from(program.code.clone())));
    }
    line(out, 2, "threads", &program.threads.to_string());
    line(out, 2, "profile", profile_name(program.profile));
    if !program.variables.is_empty() {
        let variables = program.variables.iter();
        let variables = variables.map(|(name, value)| (name.clone(), Value::from(value.clone())));
        line(
            out,
            2,
            "variables",
            &flow(&Value::Object(variables.collect())),
        );
    }
    if !program.secrets.is_empty() {
        let secrets: Vec<_> = program.secrets.iter().cloned().collect();
        line(out, 2, "secrets", &flow(&Value::from(secrets)));
    }
    for (key, set) in [("network", program.network), ("cache", program.cache)] {
        if set {
            line(out, 2, key, "true");
        }
    }
    let resources = &program.resources;
    let limits = [
        ("memory", resources.memory),
        ("cpu_seconds", resources.cpu_seconds),
        ("wall_seconds", resources.wall_seconds),
    ];
    let limits = limits.into_iter();
    let limits: Map<_, _> = limits
        .filter_map(|(key, limit)| Some((key.to_owned(), Value::from(limit?))))
        .collect();
    if !limits.is_empty() {
        line(out, 2, "resources", &flow(&Value::Object(limits)));
    }
}

/// An output: its path, and what does not follow from that.
fn print_output(name: &StepName, output: &OutputSpec, expected: &str) -> String {
    let path = quoted(output.path.as_str());
    let mut more = String::new();
    // A text that is written to cannot fail.
    if output.kind != default_kind(name.as_str(), output.path.as_str()) {
        let _ = write!(more, ", kind: {}", output.kind);
    }
    if !output.compared {
        more.push_str(", compare: ignore");
    }
    more.push_str(expected);
    if more.is_empty() {
        path
    } else {
        format!("{{path: {path}{more}}}")
    }
}

fn print_inputs(step: &RecipeStep) -> String {
    let inputs = step.inputs.iter();
    let inputs: Vec<_> = inputs
        .map(|(input, from)| format!("{input}: {from}"))
        .collect();
    format!("{{{}}}", inputs.join(", "))
}

fn print_step(out: &mut String, name: &StepName, step: &RecipeStep, gates: &[Gate]) {
    let _ = writeln!(out, "  {name}:");
    line(out, 2, "operation", &step.operation.to_string());
    line(out, 2, "inputs", &print_inputs(step));
    print_mapping(out, 2, "parameters", &step.parameters);
    if !gates.is_empty() {
        out.push_str("    require:\n");
        for gate in gates {
            let _ = writeln!(out, "      - {}", print_gate(gate));
        }
    }
}

/// A mapping, an entry a line; mappings inside, too, but for those in lists.
fn print_mapping(out: &mut String, depth: usize, key: &str, map: &Map<String, Value>) {
    if map.is_empty() {
        line(out, depth, key, "{}");
        return;
    }
    let indent = "  ".repeat(depth);
    let key = print_key(key);
    if key.len() > MAX_SIMPLE_KEY {
        let _ = writeln!(out, "{indent}? {key}\n{indent}:");
    } else {
        let _ = writeln!(out, "{indent}{key}:");
    }
    for (key, value) in map {
        match value {
            Value::Object(inner) if depth < 3 => print_mapping(out, depth + 1, key, inner),
            value => line(out, depth + 1, key, &flow(value)),
        }
    }
}

fn line(out: &mut String, depth: usize, key: &str, value: &str) {
    let indent = "  ".repeat(depth);
    let key = print_key(key);
    if key.len() > MAX_SIMPLE_KEY {
        let _ = writeln!(out, "{indent}? {key}\n{indent}: {value}");
    } else {
        let _ = writeln!(out, "{indent}{key}: {value}");
    }
}

fn print_gate(gate: &Gate) -> String {
    // A threshold is finite, so it can be written.
    let threshold = canonical_number(gate.threshold).unwrap_or_default();
    let Some(slice) = &gate.slice else {
        return quoted(&format!(
            "{} {} {threshold}",
            gate.metric,
            gate.bound.sign()
        ));
    };
    let mut text = format!(
        "{{metric: {}, {}: {threshold}, in: {}, min_rows: {}",
        gate.metric,
        gates::key(gate.bound),
        flow(&Value::from(slice.clone())),
        gate.min_rows,
    );
    if let Some(count) = gates::per_class_to_print(gate) {
        let _ = write!(text, ", min_per_class: {count}");
    }
    text.push('}');
    text
}

/// A value on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Number(number) if !number.is_i64() => number
            .as_f64()
            .and_then(|number| canonical_number(number).ok())
            .unwrap_or_else(|| number.to_string()),
        other => other.to_string(),
    }
}

fn entry(key: &str, value: &Value) -> String {
    let key = print_key(key);
    let mark = if key.len() > MAX_SIMPLE_KEY { "? " } else { "" };
    format!("{mark}{key}: {}", flow(value))
}

fn print_key(text: &str) -> String {
    // A key is text whatever it looks like, so only its characters matter.
    quoted_if(text, is_plain(text))
}

/// A text as a scalar that is read back as this text: plain where that is safe.
pub(crate) fn quoted(text: &str) -> String {
    let is_text = matches!(
        crate::tree::parse_plain(text),
        Ok(crate::tree::Value::Text(_))
    );
    // Readers of YAML 1.1 take these for booleans; a person may, too.
    let doubtful = matches!(
        text.to_lowercase().as_str(),
        "yes" | "no" | "on" | "off" | "y" | "n"
    );
    quoted_if(text, is_plain(text) && is_text && !doubtful)
}

fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@');
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(inner)
}

fn quoted_if(text: &str, plain: bool) -> String {
    if plain {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if !crate::names::is_visible(c) || is_noncharacter(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Characters that YAML does not let stand as they are, besides control characters.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{a0}')
}
