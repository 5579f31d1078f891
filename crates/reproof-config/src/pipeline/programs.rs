//! Reads programs of the user's from the tree. What is malformed was reported by the validation and
//! is skipped here; what the validation cannot see is reported.

use std::collections::BTreeMap;

use reproof_record::{ArtifactKind, Profile, Program, RelativePath, StepName};
use serde_json::{Map, Value};

use super::draft::ProgramDraft;
use super::parameters::scalar;
use crate::diagnostic::{Report, Span};
use crate::names::shown;
use crate::program::{OutputSpec, ProgramSpec, Resources, is_reserved_variable, is_variable_name};
use crate::shape::Object;
use crate::tables::LEAST_MEMORY;
use crate::tree::{Entry, Node, Value as Tree};

/// The most levels of the parameters of a program. A recipe and the graph that `plan` prints have
/// more levels around them, and limits of their own.
const MAX_LEVELS: usize = 32;

/// Reads a program. `object` tells the outputs that it has if none are written, `at` is blamed for
/// what is not there.
pub(super) fn read(
    object: &Object,
    node: &Node,
    at: Span,
    report: &mut Report<'_>,
) -> Option<ProgramDraft> {
    let text = |key: &str, default: &'static str| {
        node.get(key).map_or(Some(default.to_owned()), |node| {
            Some(node.text()?.to_owned())
        })
    };
    let flag = |key: &str| node.get(key).and_then(Node::boolean) == Some(true);
    let secrets = secrets(node.get("secrets"), report);
    let variables = variables(node.get("variables"), &secrets, report);
    let parameters = node.get("parameters").filter(|node| !node.is_null());
    let parameters = parameters.map_or(Some(Value::Object(Map::new())), |node| {
        json(node, 0, report)
    });
    // Each part reports its errors, also where another one is none.
    let notebook = notebook(node, report);
    let run = match &notebook {
        Some(notebook) => Some(Program::running(notebook)),
        None => command(node, report),
    };
    let outputs = outputs(object, node, report);
    let code = code(node.get("code"), report);
    let resources = resources(node.get("resources"), report);
    check_cache(node, report);
    let spec = ProgramSpec {
        run: run?,
        notebook,
        environment: StepName::new(text("environment", "default")?).ok()?,
        code,
        threads: match node.get("threads") {
            Some(threads) => u32::try_from(threads.integer()?).ok()?,
            None => 1,
        },
        profile: profile(&text("profile", "portable")?)?,
        variables,
        secrets: secrets.into_keys().collect(),
        network: flag("network"),
        cache: flag("cache"),
        resources,
        outputs: outputs?,
    };
    let Value::Object(parameters) = parameters? else {
        return None;
    };
    Some(ProgramDraft {
        spec,
        environment: node.get("environment").map_or(at, |node| node.span),
        begin: at,
        keys: node
            .entries()
            .iter()
            .map(|entry| (entry.key.value.clone(), entry.key.span))
            .collect(),
        parameters,
    })
}

/// The profile of this name, in the version that new recipes hold.
fn profile(name: &str) -> Option<Profile> {
    Profile::ALL
        .into_iter()
        .find(|profile| profile_name(*profile) == name)
}

/// How a pipeline file names a profile.
pub(super) fn profile_name(profile: Profile) -> &'static str {
    let name = profile.name();
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// What is run.
fn command(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let command = if let Some(shell) = node.get("shell") {
        check_argument(shell, report);
        if shell.text()?.trim().is_empty() {
            report.error(shell.span, "there is nothing to run");
        }
        ["/bin/sh", "-c", shell.text()?].map(str::to_owned).to_vec()
    } else {
        let items = node.get("run")?.items();
        for item in items {
            check_argument(item, report);
        }
        if let Some(first) = items.first()
            && first.text() == Some("")
        {
            report.error(first.span, "the program has no name");
        }
        let texts: Option<Vec<_>> = items.iter().map(Node::text).collect();
        texts?.into_iter().map(str::to_owned).collect()
    };
    (!command.is_empty()).then_some(command)
}

/// The notebook that is run.
fn notebook(node: &Node, report: &mut Report<'_>) -> Option<RelativePath> {
    let written = node.get("notebook")?;
    let text = written.text()?;
    for entry in node
        .get("parameters")
        .map(Node::entries)
        .unwrap_or_default()
    {
        if !is_variable_name(&entry.key.value) {
            report.hinted(
                entry.key.span,
                format!("'{}' is not the name of a parameter", shown(&entry.key.value)),
                "a notebook gets its parameters as variables of Python: letters, digits and '_', no \
                 digit first",
            );
        }
    }
    match RelativePath::new(text) {
        Ok(path) if text.rsplit_once('.').is_some_and(|(_, end)| end == "ipynb") => Some(path),
        _ => {
            report.hinted(
                written.span,
                format!("'{}' is not a notebook of the project", shown(text)),
                "write its path from the project's folder, such as notebooks/train.ipynb",
            );
            None
        }
    }
}

/// The executed copy of a notebook, an output that is kept and not compared: times stand in it.
fn executed() -> Option<(StepName, OutputSpec)> {
    let output = OutputSpec {
        path: RelativePath::new(format!("{}.ipynb", Program::EXECUTED)).ok()?,
        kind: ArtifactKind::Report,
        compared: false,
    };
    Some((StepName::new(Program::EXECUTED).ok()?, output))
}

/// Neither arguments nor variables can hold the byte 0.
fn check_argument(node: &Node, report: &mut Report<'_>) {
    if node.text().is_some_and(|text| text.contains('\0')) {
        report.error(node.span, "a program cannot be given the character U+0000");
    }
}

/// The outputs; none if one of them is wrong.
fn outputs(
    object: &Object,
    node: &Node,
    report: &mut Report<'_>,
) -> Option<BTreeMap<StepName, OutputSpec>> {
    let written = node.entry("outputs");
    let default = object.field("outputs").and_then(|field| field.default);
    let notebook = node.get("notebook").is_some();
    let executed = executed().filter(|_| notebook);
    let Some(entry) = written.filter(|entry| default.is_none() || !entry.value.is_null()) else {
        let mut outputs = default_outputs(default?)?;
        outputs.extend(executed);
        return Some(outputs);
    };
    if entry.value.entries().is_empty() && !notebook {
        if !entry.value.is_invalid() {
            report.error(entry.key.span, "a program has at least one output");
        }
        return None;
    }
    let mut places = BTreeMap::new();
    let read = entry.value.entries().iter().map(|entry| {
        let (output, span) = output(entry, report)?;
        let name = StepName::new(entry.key.value.as_str()).ok()?;
        if name.as_str() == Program::REPORTED {
            let message =
                "the output 'reported' is every program's own: the metrics that it reports";
            report.hinted(entry.key.span, message, "give it another name");
            return None;
        }
        if notebook && name.as_str() == Program::EXECUTED {
            let message = "the output 'executed' is every notebook's own: its executed copy";
            report.hinted(entry.key.span, message, "give it another name");
            return None;
        }
        if let Some((other, _)) = places.insert(output.path.clone(), (name.clone(), span)) {
            let message = format!("the output '{other}' lies at '{}', too", output.path);
            report.error(span, message);
        }
        Some((name, output))
    });
    // All of them are read, so that all errors are found.
    let mut outputs: Vec<_> = read.collect();
    if let Some((name, output)) = &executed {
        let span = entry.key.span;
        let known = places.insert(output.path.clone(), (name.clone(), span));
        if known.is_some() {
            let message = format!("'{}' is where the executed notebook lies", output.path);
            report.hinted(span, message, "give the other output another path");
        }
    }
    check_overlap(&places, report);
    outputs.extend(executed.map(Some));
    outputs.into_iter().collect()
}

/// The outputs of a block that writes none.
fn default_outputs(json: &str) -> Option<BTreeMap<StepName, OutputSpec>> {
    let written: BTreeMap<String, String> = serde_json::from_str(json).ok()?;
    let outputs = written.into_iter().map(|(name, path)| {
        let output = OutputSpec {
            kind: default_kind(&name, &path),
            path: RelativePath::new(path.trim_end_matches('/')).ok()?,
            compared: true,
        };
        Some((StepName::new(name).ok()?, output))
    });
    outputs.collect()
}

/// An output and the place of its path.
fn output(entry: &Entry, report: &mut Report<'_>) -> Option<(OutputSpec, Span)> {
    let node = match entry.value.text() {
        Some(_) => &entry.value,
        None => entry.value.get("path")?,
    };
    let written = node.text()?;
    let kind = match entry.value.get("kind") {
        Some(kind) => kind_named(kind.text()?)?,
        None => default_kind(&entry.key.value, written),
    };
    let path = output_path(written, node.span, report)?;
    if kind == ArtifactKind::Table && !is_table(written) {
        report.hinted(
            node.span,
            format!("'{}' is not the file of a table", shown(written)),
            "its name must end in .parquet or .csv; several files are of the kind 'files'",
        );
        return None;
    }
    let compare = entry.value.get("compare").and_then(Node::text);
    let output = OutputSpec {
        path,
        kind,
        compared: compare != Some("ignore"),
    };
    Some((output, node.span))
}

fn kind_named(name: &str) -> Option<ArtifactKind> {
    use ArtifactKind::{Files, Metrics, Model, Report, Table};
    [Table, Model, Metrics, Report, Files]
        .into_iter()
        .find(|kind| kind.name() == name)
}

/// The kind of an output that says none.
pub(super) fn default_kind(name: &str, path: &str) -> ArtifactKind {
    match name {
        _ if is_table(path) => ArtifactKind::Table,
        "model" => ArtifactKind::Model,
        "metrics" => ArtifactKind::Metrics,
        "report" => ArtifactKind::Report,
        _ => ArtifactKind::Files,
    }
}

fn is_table(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stems = [".parquet", ".csv"].map(|end| name.strip_suffix(end));
    stems.into_iter().flatten().any(|stem| !stem.is_empty())
}

/// The path of an output; a `/` at its end only says that it is a folder.
fn output_path(text: &str, span: Span, report: &mut Report<'_>) -> Option<RelativePath> {
    let error = match RelativePath::new(text.strip_suffix('/').unwrap_or(text)) {
        Ok(path) => return Some(path),
        Err(error) => error,
    };
    let message = format!("'{}' is not a path below /reproof/out", shown(text));
    let hint = if let Some(inside) = text.strip_prefix("/reproof/out/") {
        format!("leave out /reproof/out: write {}", shown(inside))
    } else if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        "a program writes its outputs below /reproof/out; write the path from there".to_owned()
    } else {
        let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        let tidy = parts.collect::<Vec<_>>().join("/");
        match RelativePath::new(tidy.as_str()) {
            Ok(tidy) => format!("write {tidy}"),
            Err(_) => error.reason.to_owned(),
        }
    };
    report.hinted(span, message, hint);
    None
}

/// No output lies inside another one: which of the two a file is of would not be plain.
fn check_overlap(places: &BTreeMap<RelativePath, (StepName, Span)>, report: &mut Report<'_>) {
    for (path, (_, span)) in places {
        let path = path.as_str();
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        let mut above = above.filter_map(|above| places.get(&RelativePath::new(above).ok()?));
        let outer = above.next();
        if let Some((outer, _)) = outer {
            report.hinted(
                *span,
                format!("'{}' lies inside the output '{outer}'", shown(path)),
                "give each output a file or folder of its own",
            );
        }
    }
}

/// The globs that are added to the code.
fn code(node: Option<&Node>, report: &mut Report<'_>) -> Vec<String> {
    let mut globs = Vec::new();
    for item in node.map(Node::items).unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let path = text.strip_suffix('/').unwrap_or(text);
        let hint = if let Err(error) = RelativePath::new(path) {
            match path {
                _ if path.starts_with('/') || path.starts_with("..") || path.contains("/../") => {
                    "only files of the project can be seen; write the path from its folder"
                }
                _ if path.contains('\\') => "write / between folders",
                _ => error.reason,
            }
        } else {
            globs.push(text.to_owned());
            continue;
        };
        let message = format!("'{}' is not a path inside the project", shown(text));
        report.hinted(item.span, message, hint);
    }
    globs
}

/// The secrets, each with its place.
fn secrets(node: Option<&Node>, report: &mut Report<'_>) -> BTreeMap<String, Span> {
    let mut secrets = BTreeMap::new();
    for item in node.map(Node::items).unwrap_or_default() {
        let Some(name) = usable(item.text()) else {
            continue;
        };
        if secrets.insert(name.to_owned(), item.span).is_some() {
            report.error(item.span, format!("the secret '{name}' stands twice"));
        }
    }
    secrets
}

/// The name of a variable, if a program may have it.
fn usable(name: Option<&str>) -> Option<&str> {
    name.filter(|name| is_variable_name(name) && !is_reserved_variable(name))
}

fn variables(
    node: Option<&Node>,
    secrets: &BTreeMap<String, Span>,
    report: &mut Report<'_>,
) -> BTreeMap<String, Option<String>> {
    let mut variables = BTreeMap::new();
    let mut add = |name: Option<&str>, value: Option<&str>, span: Span| {
        let Some(name) = usable(name) else { return };
        if let Some(secret) = secrets.get(name) {
            report.hinted(
                *secret,
                format!("'{name}' is among 'variables', too"),
                "the value of a variable is written into the recipe, that of a secret nowhere",
            );
        }
        if variables
            .insert(name.to_owned(), value.map(str::to_owned))
            .is_some()
        {
            report.error(span, format!("the variable '{name}' stands twice"));
        }
    };
    for item in node.map(Node::items).unwrap_or_default() {
        add(item.text(), None, item.span);
    }
    let entries = node.map(Node::entries).unwrap_or_default();
    for entry in entries {
        add(Some(&entry.key.value), entry.value.text(), entry.key.span);
    }
    for entry in entries {
        check_argument(&entry.value, report);
    }
    variables
}

/// `cache` has a use only where a program is not cached anyway.
fn check_cache(node: &Node, report: &mut Report<'_>) {
    let unpinned = node.get("network").and_then(Node::boolean) == Some(true)
        || node
            .get("secrets")
            .is_some_and(|secrets| !secrets.items().is_empty());
    if let Some(entry) = node.entry("cache")
        && !unpinned
    {
        report.hinted(
            entry.key.span,
            "'cache' has a use only beside 'network' or 'secrets'",
            "leave it out: any other program is served from the cache",
        );
    }
}

fn resources(node: Option<&Node>, report: &mut Report<'_>) -> Resources {
    let seconds = |key: &str| {
        let seconds = node.and_then(|node| node.get(key)?.integer())?;
        u64::try_from(seconds).ok()
    };
    Resources {
        cpu_seconds: seconds("cpu_seconds"),
        wall_seconds: seconds("wall_seconds"),
        memory: node
            .and_then(|node| node.get("memory"))
            .and_then(|node| match node.integer() {
                Some(bytes) => u64::try_from(bytes).ok(),
                None => size(node, report),
            }),
    }
}

const UNITS: [(&str, u64); 6] = [
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// The largest size: what a memory of 64 bits can be is beyond.
const MAX_SIZE: f64 = 9_007_199_254_740_991.0;

/// A size such as `4 GB` or `1.5GiB`, in bytes.
fn size(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let text = node.text()?;
    let unit_at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit = unit.trim();
    let number: Option<f64> = Some(number.trim())
        .filter(|number| {
            number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
        .and_then(|number| number.parse().ok());
    let Some(number) = number else {
        let message = format!("'{}' is not a size", shown(text));
        report.hinted(
            node.span,
            message,
            "write a number and a unit, such as 4 GB",
        );
        return None;
    };
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        if unit.is_empty() {
            let message = format!("the size '{}' has no unit", shown(text));
            report.hinted(
                node.span,
                message,
                "write one, such as 4 GB, or bytes without quotes",
            );
        } else {
            let known = UNITS.iter().map(|(name, _)| *name);
            report.unknown(node.span, "unit", unit, known);
        }
        return None;
    };
    let bytes = (number * *factor as f64).round();
    if !(LEAST_MEMORY as f64..=MAX_SIZE).contains(&bytes) {
        let message = format!(
            "'{}' is less than 1 MB, or more than there can be",
            shown(text)
        );
        report.error(node.span, message);
        return None;
    }
    Some(bytes as u64)
}

/// Any value as JSON; none if a part of it is invalid.
fn json(node: &Node, level: usize, report: &mut Report<'_>) -> Option<Value> {
    if level > MAX_LEVELS {
        let message = format!("the parameters are nested more than {MAX_LEVELS} levels deep");
        report.error(node.span, message);
        return None;
    }
    match &node.value {
        Tree::Invalid => None,
        Tree::Null => Some(Value::Null),
        Tree::List(items) => items
            .iter()
            .map(|item| json(item, level + 1, report))
            .collect(),
        Tree::Map(entries) => {
            let entries = entries.iter().map(|entry| {
                let value = json(&entry.value, level + 1, report)?;
                Some((entry.key.value.clone(), value))
            });
            let map: Option<Map<_, _>> = entries.collect();
            map.map(Value::Object)
        }
        _ => scalar(node),
    }
}
