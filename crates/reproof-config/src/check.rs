//! Validates a tree against a [`Shape`]: goes through all of it and reports every error.

mod programs;

pub(crate) use programs::runs_program;

use reproof_record::{DecimalType, Operation, RelativePath, StepName};

use crate::diagnostic::{Report, Span};
use crate::names::{nearest, shown};
use crate::pipeline::check_address;
use crate::registry::{OPERATIONS, OperationSpec, operation};
use crate::shape::{KeyShape, Object, Shape, wanted_tag};
use crate::tables::{PROGRAM_STEP, REQUIRE_FIELD, STEP};
use crate::tree::{Node, Value};
use crate::version::VersionRef;

/// Reports everything in which the node is not of the shape. `at` is the place to blame for what
/// is not there: the node's key.
pub(crate) fn check(shape: &Shape, node: &Node, at: Span, report: &mut Report<'_>) {
    match (shape, &node.value) {
        (_, Value::Invalid) | (Shape::Any, _) => {}
        (Shape::Either(shapes), _) => match shapes.iter().find(|shape| is_meant(shape, node)) {
            Some(shape) => check(shape, node, at, report),
            None => mismatch(shape, node, at, report),
        },
        _ if !fits(shape, node) => mismatch(shape, node, at, report),
        (Shape::List { of, non_empty }, Value::List(items)) => {
            if *non_empty && items.is_empty() {
                report.error(node.span, "the list is empty");
            }
            for item in items {
                check(of, item, item.span, report);
            }
        }
        (Shape::Map { key, of }, _) => check_map(*key, of, node, report),
        (Shape::Object(object), _) => check_object(object, node, at, report),
        (Shape::Tagged(object), _) => check_tagged(object, node, at, report),
        (Shape::OneOrNamed(object), _) => {
            if is_named(object, node) {
                for entry in node.entries() {
                    check_name(&entry.key.value, entry.key.span, report);
                    check_object(object, &entry.value, entry.key.span, report);
                }
            } else {
                check_object(object, node, at, report);
            }
        }
        (Shape::Program(object), _) => programs::check(object, node, at, report),
        (Shape::Step, _) => check_step(node, at, report),
        _ => check_scalar(shape, node, report),
    }
}

/// Whether a mapping holds names of objects, rather than being one.
pub(crate) fn is_named(object: &Object, node: &Node) -> bool {
    let entries = node.entries();
    let known = |key: &str| {
        object.field(key).is_some() || object.later.iter().any(|later| later.key == key)
    };
    !entries.is_empty()
        && entries
            .iter()
            .all(|entry| matches!(entry.value.value, Value::Map(_)) && !known(&entry.key.value))
}

/// Whether this one of several shapes is meant.
fn is_meant(shape: &Shape, node: &Node) -> bool {
    match shape {
        Shape::Program(object) => programs::is_meant(object, node),
        // Data may be made by a program.
        Shape::OneOrNamed(_) => fits(shape, node) && !runs_program(node),
        shape => fits(shape, node),
    }
}

/// Whether the node is of the right kind; what is in it is not looked at.
fn fits(shape: &Shape, node: &Node) -> bool {
    match (shape, &node.value) {
        (Shape::Any, _)
        | (_, Value::Invalid)
        | (Shape::Null, Value::Null)
        | (Shape::Boolean, Value::Boolean(_))
        | (Shape::Integer { .. }, Value::Integer(_))
        | (Shape::Number(_), Value::Integer(_) | Value::Float(_))
        | (
            Shape::Text
            | Shape::Name
            | Shape::DataName
            | Shape::DataVersion
            | Shape::Column
            | Shape::Path
            | Shape::DataPath
            | Shape::Variable
            | Shape::Delimiter
            | Shape::Choice { .. }
            | Shape::Type(_)
            | Shape::Tagged(_),
            Value::Text(_),
        )
        | (
            Shape::Scalar,
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Text(_),
        )
        | (Shape::List { .. }, Value::List(_))
        | (
            Shape::Map { .. }
            | Shape::Object(_)
            | Shape::Tagged(_)
            | Shape::OneOrNamed(_)
            | Shape::Program(_)
            | Shape::Step,
            Value::Map(_),
        ) => true,
        (Shape::Map { .. } | Shape::Object(_), Value::Null) => shape.may_be_empty(),
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits(shape, node)),
        _ => false,
    }
}

fn mismatch(shape: &Shape, node: &Node, at: Span, report: &mut Report<'_>) {
    let span = if node.is_null() { at } else { node.span };
    let message = format!("{} is wanted, found {}", shape.wanted(), node.describe());
    report.add(span, message, mismatch_hint(shape, node));
}

fn mismatch_hint(shape: &Shape, node: &Node) -> Option<String> {
    let of = |wanted: fn(&Shape) -> bool| match shape {
        Shape::Either(shapes) => shapes.iter().any(wanted),
        shape => wanted(shape),
    };
    let textual = of(|shape| {
        matches!(
            shape,
            Shape::Text
                | Shape::Name
                | Shape::Column
                | Shape::Path
                | Shape::DataPath
                | Shape::Variable
                | Shape::Delimiter
        )
    });
    match &node.value {
        Value::Boolean(_) | Value::Integer(_) | Value::Float(_) if textual => {
            Some("put it in quotes if text is meant".to_owned())
        }
        Value::Null if textual => Some("write \"null\" in quotes if that text is meant".to_owned()),
        Value::Text(text) if of(|shape| matches!(shape, Shape::Boolean)) => matches!(
            text.to_lowercase().as_str(),
            "yes" | "no" | "on" | "off" | "true" | "false"
        )
        .then(|| "only true and false, without quotes, are booleans".to_owned()),
        Value::Text(text)
            if of(|shape| matches!(shape, Shape::Number(_) | Shape::Integer { .. })) =>
        {
            text.trim()
                .parse::<f64>()
                .is_ok()
                .then(|| "write it without quotes".to_owned())
        }
        Value::Text(text) if of(|shape| matches!(shape, Shape::List { .. })) => {
            Some(format!("write [{}]", shown(text)))
        }
        _ => None,
    }
}

fn check_scalar(shape: &Shape, node: &Node, report: &mut Report<'_>) {
    match (shape, &node.value) {
        (Shape::Integer { min, max }, Value::Integer(value)) if !(min..=max).contains(&value) => {
            mismatch(shape, node, node.span, report);
        }
        (Shape::Number(range), Value::Integer(_) | Value::Float(_))
            if !node.number().is_some_and(|value| range.holds(value)) =>
        {
            mismatch(shape, node, node.span, report);
        }
        (Shape::Name, Value::Text(text)) => check_name(text, node.span, report),
        (Shape::DataName, Value::Text(text)) => check_data_name(text, node.span, report),
        (Shape::DataVersion, Value::Text(text)) => check_data_version(text, node.span, report),
        (Shape::Column, Value::Text(text)) => check_column(text, node.span, report),
        (Shape::Path, Value::Text(text)) => check_path(text, node.span, report),
        (Shape::DataPath, Value::Text(text)) => match check_address(text) {
            Some(Err((message, hint))) => report.hinted(node.span, message, hint),
            Some(Ok(())) => {}
            None => check_path(text.strip_suffix('/').unwrap_or(text), node.span, report),
        },
        (Shape::Variable, Value::Text(text)) => programs::check_variable(text, node.span, report),
        (Shape::Delimiter, Value::Text(text)) if delimiter(text).is_none() => {
            report.hinted(
                node.span,
                format!("'{}' cannot stand between fields", shown(text)),
                "one ASCII character is wanted, no quote and no line break, such as \",\", \
                     \";\", \"|\" or \"\\t\"",
            );
        }
        (Shape::Choice { noun, of }, Value::Text(text)) if !of.contains(&text.as_str()) => {
            report.unknown(node.span, noun, text, of.iter().copied());
        }
        (Shape::Type(of), Value::Text(text)) => check_type(of, text, node.span, report),
        _ => {}
    }
}

fn check_type(of: &[&str], text: &str, span: Span, report: &mut Report<'_>) {
    if of.contains(&text) || DecimalType::named(text).is_some() {
        return;
    }
    if text.starts_with("decimal") {
        report.hinted(
            span,
            format!("unknown type '{}'", shown(text)),
            "write decimal(10, 2) for 10 digits, at most 38, of which 2 stand after the point; \
             inside braces in quotes: \"decimal(10, 2)\"",
        );
    } else {
        let known = of.iter().copied().chain(["decimal(10, 2)"]);
        report.unknown(span, "type", text, known);
    }
}

/// The delimiter that a text stands for.
pub(crate) fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Some(*byte),
        _ => None,
    }
}

fn check_name(text: &str, span: Span, report: &mut Report<'_>) {
    if let Err(error) = StepName::new(text) {
        let message = format!("'{}' is not a name: {}", shown(text), error.reason);
        report.error(span, message);
    }
}

fn check_data_name(text: &str, span: Span, report: &mut Report<'_>) {
    if StepName::new(text).is_ok() {
        return;
    }
    let hint = match text.rsplit_once('.') {
        _ if text.parse::<VersionRef>().is_ok() => {
            format!("a version is written {{version: {}}}", shown(text))
        }
        Some((_, "parquet")) => format!("a file is written {{parquet: {}}}", shown(text)),
        Some(_) => format!("a file is written {{csv: {}}}", shown(text)),
        None => "names begin with a letter and have letters, digits, _ and -, all lower case; \
                 reproof.toml declares them"
            .to_owned(),
    };
    let message = format!("'{}' is not the name of data", shown(text));
    report.hinted(span, message, hint);
}

fn check_data_version(text: &str, span: Span, report: &mut Report<'_>) {
    if let Err(error) = text.parse::<VersionRef>() {
        let message = format!("'{}' is not a stored version of data", shown(text));
        report.hinted(span, message, error.to_string());
    }
}

fn check_column(text: &str, span: Span, report: &mut Report<'_>) {
    if text.is_empty() {
        report.error(span, "a column's name is wanted, found an empty text");
    }
}

fn check_path(text: &str, span: Span, report: &mut Report<'_>) {
    let reason = match RelativePath::new(text) {
        // A shell's home folder: as a file's name it would be a trap.
        Ok(_) if text.starts_with("~/") => "",
        Ok(_) => return,
        Err(error) => error.reason,
    };
    let message = format!("'{}' is not a path inside the project", shown(text));
    let windows = text.get(1..3) == Some(":\\") || text.contains('\\');
    let hint = if text.contains("://") {
        "sources that are not files of the project are not supported by this version".to_owned()
    } else if text.starts_with('/') || text.starts_with('~') || text.get(1..3) == Some(":\\") {
        "only files inside the project can be read; write the path from the project's folder"
            .to_owned()
    } else if windows {
        format!(
            "write / between folders: {}",
            shown(&text.replace('\\', "/"))
        )
    } else if text.split('/').any(|part| part == "..") {
        "only files inside the project can be read; copy or link the file into it".to_owned()
    } else {
        let parts: Vec<_> = text
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        let tidy = parts.join("/");
        match RelativePath::new(tidy.as_str()) {
            Ok(tidy) => format!("write {tidy}"),
            Err(_) => reason.to_owned(),
        }
    };
    report.hinted(span, message, hint);
}

fn check_map(key: KeyShape, of: &Shape, node: &Node, report: &mut Report<'_>) {
    for entry in node.entries() {
        match key {
            KeyShape::Name => check_name(&entry.key.value, entry.key.span, report),
            KeyShape::Column => check_column(&entry.key.value, entry.key.span, report),
            KeyShape::Variable => {
                programs::check_variable(&entry.key.value, entry.key.span, report);
            }
            KeyShape::Any => {}
        }
        check(of, &entry.value, entry.key.span, report);
    }
}

/// Reports a key that is not among the fields.
fn unknown_key(object: &Object, key: &str, span: Span, report: &mut Report<'_>) {
    if let Some(later) = object.later.iter().find(|later| later.key == key) {
        report.error(span, format!("'{key}': {}", later.message));
    } else {
        let known = object.fields.iter().map(|field| field.name);
        report.unknown(span, object.noun, key, known);
    }
}

pub(crate) fn check_object(object: &Object, node: &Node, at: Span, report: &mut Report<'_>) {
    for entry in node.entries() {
        match object.field(&entry.key.value) {
            Some(field) => check(&field.shape, &entry.value, entry.key.span, report),
            None => unknown_key(object, &entry.key.value, entry.key.span, report),
        }
    }
    for field in object.fields.iter().filter(|field| field.required) {
        // A misspelt key is one error, not two.
        let misspelt = node.entries().iter().any(|entry| {
            object.field(&entry.key.value).is_none()
                && nearest(&entry.key.value, std::iter::once(field.name)).is_some()
        });
        let replaced = node.entries().iter().any(|entry| {
            object
                .later
                .iter()
                .any(|later| later.key == entry.key.value)
        });
        if node.get(field.name).is_none() && !misspelt && !replaced {
            report.error(
                at,
                format!("the {} '{}' is missing", object.noun, field.name),
            );
        }
    }
}

fn check_tagged(object: &Object, node: &Node, at: Span, report: &mut Report<'_>) {
    if let Some(text) = node.text() {
        match object.field(text) {
            Some(field) if field.shape.may_be_empty() || field.default.is_some() => {}
            Some(field) => {
                let message = format!("'{text}' needs {}", field.shape.wanted());
                report.error(node.span, message);
            }
            None => unknown_key(object, text, node.span, report),
        }
        return;
    }
    for entry in node.entries() {
        match object.field(&entry.key.value) {
            Some(field) if field.default.is_some() && entry.value.is_null() => {}
            Some(field) => check(&field.shape, &entry.value, entry.key.span, report),
            None => unknown_key(object, &entry.key.value, entry.key.span, report),
        }
    }
    let known = node
        .entries()
        .iter()
        .filter(|entry| object.field(&entry.key.value).is_some());
    let message = match (known.count(), node.entries().len()) {
        (0, 0) => format!("{} is wanted, found an empty mapping", wanted_tag(object)),
        (2.., _) => format!("only one {} may stand here", object.noun),
        _ => return,
    };
    report.error(at, message);
}

/// The operation that a step names, if there is such a one in this version.
pub(crate) fn step_operation(node: &Node) -> Option<&'static OperationSpec> {
    let text = node.get("operation")?.text()?;
    if !text.contains('@') {
        return operation(text);
    }
    let wanted: Operation = text.parse().ok()?;
    operation(wanted.name.as_str()).filter(|spec| spec.version == wanted.version)
}

fn check_step(node: &Node, at: Span, report: &mut Report<'_>) {
    if programs::is_step(node) {
        programs::check(&PROGRAM_STEP, node, at, report);
        return;
    }
    if let (Some(_), Some(run)) = (node.get("operation"), programs::command(node)) {
        let message = format!("a step has either 'operation' or '{}'", run.key.value);
        report.error(run.key.span, message);
        return;
    }
    check_object(&STEP, node, at, report);
    let Some(spec) = step_operation(node) else {
        if let Some(named) = node.get("operation") {
            unknown_operation(named, report);
        }
        return;
    };
    for entry in node.get("inputs").map(Node::entries).unwrap_or_default() {
        let key = &entry.key;
        if StepName::new(key.value.as_str()).is_ok() && spec.input(&key.value).is_none() {
            let noun = format!("input of {}", spec.name);
            let known = spec.inputs.iter().map(|input| input.name);
            report.unknown(key.span, &noun, &key.value, known);
        }
    }
    for input in spec.inputs.iter().filter(|input| input.required) {
        if node
            .get("inputs")
            .and_then(|inputs| inputs.get(input.name))
            .is_none()
        {
            let span = node.entry("inputs").map_or(at, |entry| entry.key.span);
            let message = format!("the input '{}' of {} is missing", input.name, spec.name);
            report.error(span, message);
        }
    }
    let nothing = Node::new(at, Value::Map(Vec::new()));
    let (parameters, span) = match node.entry("parameters") {
        Some(entry) => (&entry.value, entry.key.span),
        None => (&nothing, at),
    };
    check(&Shape::Object(spec.parameters), parameters, span, report);
    if let Some(entry) = node.entry("require") {
        if spec.action == crate::registry::Action::Evaluate {
            check(&REQUIRE_FIELD.shape, &entry.value, entry.key.span, report);
        } else {
            report.error(entry.key.span, "gates stand only at a step that evaluates");
        }
    }
}

fn unknown_operation(named: &Node, report: &mut Report<'_>) {
    let Some(text) = named.text() else {
        return;
    };
    let name = text.split('@').next().unwrap_or(text);
    if let Some(spec) = operation(name) {
        let message = format!(
            "this version has {}@{}, not '{}'",
            spec.name,
            spec.version,
            shown(text)
        );
        report.error(named.span, message);
    } else {
        let known = OPERATIONS.iter().map(|spec| spec.name);
        report.unknown(named.span, "operation", name, known);
    }
}
