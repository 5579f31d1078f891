//! `reproof data used-by` and `lineage`: what came from data, and what a record came from.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use reproof_engine::{EngineError, LineageNode, find_data, lineage_of, resolve_record, uses_of};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::{format, session};

/// The options of `data used-by`.
#[derive(Debug, Args)]
pub struct UsedBy {
    /// A version, as `data show` takes it.
    #[arg(value_name = "VERSION")]
    pub version: String,
}

/// The options of `data lineage`.
#[derive(Debug, Args)]
pub struct Lineage {
    /// The record: an ID or a prefix of it, PIPELINE@latest or @latest.
    #[arg(value_name = "RECORD", default_value = "@latest")]
    pub record: String,
    /// Print it for Graphviz.
    #[arg(long)]
    pub dot: bool,
}

/// Runs `data used-by`.
pub fn used_by(options: &UsedBy, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    let project = session::project(global)?;
    let found = find_data(&project, &options.version)?;
    let uses = uses_of(&project, &found.content)?;
    if printer.json {
        let runs: Vec<_> = uses.runs.iter().map(|run| run.id).collect();
        printer.document(&json!({
            "version": found.label(), "data_id": found.content, "runs": runs, "uses": uses,
        }));
        return Ok(Exit::Done);
    }
    let label = printer.paint(Style::Strong, &found.label());
    if uses.runs.is_empty() {
        printer.line(&format!("{label}  no run used it"));
        return Ok(Exit::Done);
    }
    printer.line(&format!(
        "{label}  {}",
        format::counted(uses.runs.len() as u64, "run")
    ));
    for pipeline in &uses.pipelines {
        printer.line(&format!("pipeline  {pipeline}"));
    }
    for (record, pipelines) in &uses.records {
        let pipelines: Vec<_> = pipelines.iter().map(String::as_str).collect();
        printer.line(&format!(
            "record    {}  {}",
            record.short(),
            pipelines.join(", ")
        ));
    }
    for model in &uses.models {
        printer.line(&format!(
            "model     {}  {}.{} of record {}",
            model.model.short(),
            model.step,
            model.output,
            model.record.short()
        ));
    }
    Ok(Exit::Done)
}

/// Runs `data lineage`.
pub fn lineage(options: &Lineage, global: &Global, printer: &Printer) -> Result<Exit, EngineError> {
    if options.dot && printer.json {
        return Err(EngineError::usage("either --dot or --json, not both"));
    }
    let project = session::project(global)?;
    let record = resolve_record(&project, &options.record)?;
    let nodes = lineage_of(&project, &record)?;
    if printer.json {
        printer.document(&json!({ "record": record, "nodes": nodes }));
    } else if options.dot {
        printer.text(&dot(&nodes));
    } else {
        let by_id: BTreeMap<&str, &LineageNode> =
            nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut tree = Tree {
            by_id,
            shown: BTreeSet::new(),
            lines: Vec::new(),
        };
        if let Some(root) = nodes.first() {
            tree.add(root, "", "");
        }
        for line in tree.lines {
            printer.line(&line);
        }
    }
    Ok(Exit::Done)
}

/// The lineage as lines; what two things were made from is drawn once.
struct Tree<'a> {
    by_id: BTreeMap<&'a str, &'a LineageNode>,
    shown: BTreeSet<&'a str>,
    lines: Vec<String>,
}

impl<'a> Tree<'a> {
    fn add(&mut self, node: &'a LineageNode, first: &str, rest: &str) {
        let label = format::visible(&node.label);
        if !self.shown.insert(&node.id) && !node.from.is_empty() {
            self.lines.push(format!("{first}{label} (see above)"));
            return;
        }
        self.lines.push(format!("{first}{label}"));
        let below: Vec<_> = node
            .from
            .iter()
            .filter_map(|id| self.by_id.get(id.as_str()))
            .copied()
            .collect();
        for (index, node) in below.iter().enumerate() {
            let (branch, go_on) = if index + 1 == below.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            self.add(node, &format!("{rest}{branch}"), &format!("{rest}{go_on}"));
        }
    }
}

/// The lineage in the language of Graphviz.
fn dot(nodes: &[LineageNode]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n");
    for node in nodes {
        let shape = match node.kind {
            "record" => "doubleoctagon",
            "step" => "box",
            "artifact" => "ellipse",
            "data" => "cylinder",
            _ => "note",
        };
        let label = quoted(&format::visible(&node.label));
        text += &format!("  {} [shape={shape}, label={label}];\n", quoted(&node.id));
    }
    for node in nodes {
        for from in &node.from {
            text += &format!("  {} -> {};\n", quoted(from), quoted(&node.id));
        }
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphviz_gets_its_quotes() {
        let node = LineageNode {
            kind: "source",
            id: "a\"b".to_owned(),
            label: "c\\d".to_owned(),
            from: Vec::new(),
        };
        let text = dot(&[node]);
        assert!(
            text.contains("\"a\\\"b\" [shape=note, label=\"c\\\\d\"];"),
            "{text}"
        );
    }
}
