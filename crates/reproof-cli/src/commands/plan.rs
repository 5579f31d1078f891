//! `reproof plan`: shows the steps of a pipeline, without running them.

use clap::Args;
use reproof_engine::{EngineError, plan};
use serde_json::json;

use super::run::PipelineOptions;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Style};
use crate::progress::Progress;
use crate::{session, summary};

/// The options of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which pipeline, and how strictly.
    #[command(flatten)]
    pub pipeline: PipelineOptions,
}

/// Runs the command.
pub fn execute(
    arguments: &Arguments,
    global: &Global,
    printer: &Printer,
) -> Result<Exit, EngineError> {
    let mut project = session::project(global)?;
    project.paranoid = arguments.pipeline.paranoid;
    let request = arguments.pipeline.request(&project, global)?;
    let progress = Progress::new(printer);
    let plan = plan(&project, &request, &progress);
    progress.clear();
    let plan = plan?;
    let recipe = plan.prepared.recipe.id()?;
    if printer.json {
        let steps: Vec<_> = plan
            .steps
            .iter()
            .map(|step| json!({ "step": step.name, "cached": step.cached }))
            .collect();
        printer.document(&json!({
            "recipe_id": recipe, "recipe": plan.prepared.recipe, "steps": steps,
            "expectations": plan.prepared.expectations, "partial": plan.prepared.partial,
        }));
        return Ok(Exit::Done);
    }
    printer.text(&plan.prepared.graph.to_steps_yaml(&plan.prepared.pipeline));
    printer.line("");
    for line in summary::expectation_lines(&plan.prepared.expectations, printer) {
        printer.line(&format!("#{line}"));
    }
    for step in &plan.steps {
        let state = if step.cached { "cached" } else { "to be run" };
        printer.line(&printer.paint(Style::Dim, &format!("# {:<12} {state}", step.name)));
    }
    if plan.prepared.partial {
        let open = plan.steps.iter().filter(|step| !step.cached);
        let names: Vec<_> = open.map(|step| format!("'{}'", step.name)).collect();
        printer.line(&format!(
            "# {} must run before the rest can be planned: the columns of what comes out are not known; \
             'reproof run' goes on by itself",
            names.join(", ")
        ));
        return Ok(Exit::Done);
    }
    printer.line(&printer.paint(Style::Dim, &format!("# recipe:{}", recipe.short())));
    Ok(Exit::Done)
}
