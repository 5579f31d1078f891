//! Programs in the short form: the blocks `train` and `predict`, and what `evaluate` then stands
//! for.

use reproof_record::{ArtifactKind, StepName};

use super::{Blocks, Parts};
use crate::check::runs_program;
use crate::diagnostic::{Report, Span};
use crate::pipeline::draft::{Label, Parameters, ProgramDraft};
use crate::pipeline::{parameters, programs};
use crate::registry::PROGRAM;
use crate::tables::{DATA_PROGRAM, PREDICT_PROGRAM, TRAIN_PROGRAM};
use crate::tree::{Entry, Node};

/// What `evaluate` scores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scored {
    /// The model of a built-in trainer.
    Model,
    /// The output `predictions` of this step.
    Predictions(&'static str),
}

impl Blocks<'_> {
    /// Whether a program trains.
    pub(super) fn program_trains(&self) -> bool {
        self.root.get("train").is_some_and(runs_program)
    }

    /// Whether there is no preprocessing: `preprocess: none`, or a program that looks at images, unless
    /// there are features.
    pub(super) fn takes_tables(&self) -> bool {
        match self.root.get("preprocess") {
            Some(node) => node.text() == Some("none"),
            None => {
                self.images.is_some()
                    && self.root.entry("features").is_none()
                    && self.program_trains()
            }
        }
    }

    /// Checks what stands beside `preprocess: none`.
    pub(super) fn check_no_preprocessing(&self, report: &mut Report<'_>) {
        let Some(entry) = self.root.entry("preprocess") else {
            return;
        };
        let train = self.root.get("train");
        if !self.program_trains() && train.is_some_and(|train| !train.is_invalid()) {
            report.hinted(
                entry.value.span,
                "a built-in trainer needs features: 'none' is for a program in 'train'",
                "leave 'preprocess' out for the defaults",
            );
        }
        if let Some(features) = self.root.entry("features") {
            report.hinted(
                features.key.span,
                "'features' has no use beside 'preprocess: none': the program gets the whole table",
                "leave one of the two out",
            );
        }
    }

    /// The block `data` where it runs a program.
    pub(super) fn data(&mut self, report: &mut Report<'_>) -> Option<()> {
        let entry = self.root.entry("data")?;
        if !runs_program(&entry.value) {
            return None;
        }
        let span = entry.key.span;
        let program = programs::read(&DATA_PROGRAM, &entry.value, span, report)?;
        if !makes_table(&program, "table") {
            report.hinted(
                entry
                    .value
                    .get("outputs")
                    .map_or(span, |outputs| outputs.span),
                "the program in 'data' makes no table 'table', which the data would be",
                "add it to its outputs: table: table.parquet",
            );
            return None;
        }
        let inputs = entry.value.get("inputs").map(Node::entries);
        let inputs = inputs.unwrap_or_default().iter();
        let inputs: Vec<_> = inputs
            .map(|input| (input.key.value.as_str(), input.key.value.as_str()))
            .collect();
        let program = Parameters::Program(program);
        self.add("data", &PROGRAM, &inputs, span, program);
        Some(())
    }

    /// The block `train` where it runs a program.
    pub(super) fn train_program(
        &mut self,
        entry: &Entry,
        parts: Option<&Parts>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let span = entry.key.span;
        let program = programs::read(&TRAIN_PROGRAM, &entry.value, span, report)?;
        let from = &parts?.from;
        let mut inputs = vec![("table", from.get("train")?.as_str())];
        if let Some(eval) = from.get("eval") {
            inputs.push(("eval_table", eval));
        }
        if !self.takes_tables() {
            inputs.push(("features", "preprocess.train"));
            if from.contains_key("eval") {
                inputs.push(("eval_features", "preprocess.eval"));
            }
        }
        inputs.extend(self.images_from().map(|files| ("images", files)));
        self.add(
            "train",
            &PROGRAM,
            &inputs,
            span,
            Parameters::Program(program),
        );
        Some(())
    }

    /// The block `predict`.
    pub(super) fn predict(&mut self, parts: Option<&Parts>, report: &mut Report<'_>) -> Option<()> {
        let entry = self.root.entry("predict")?;
        let span = entry.key.span;
        let program = programs::read(&PREDICT_PROGRAM, &entry.value, span, report)?;
        let parts = parts?;
        let part = self.scored_part()?;
        let Some(table) = parts.from.get(part) else {
            // Where it is scored, `evaluate` reports it.
            if self.root.get("evaluate").is_none() {
                parts.report_missing(part, "to predict", span, report);
            }
            return None;
        };
        let features = format!("preprocess.{part}");
        let rows = if self.takes_tables() {
            ("table", table.as_str())
        } else {
            ("features", features.as_str())
        };
        let mut inputs = vec![("model", "train.model"), rows];
        if let Some(files) = self.images_from() {
            inputs.push(("images", files));
            if !self.takes_tables() {
                inputs.push(("table", table));
            }
        }
        self.add(
            "predict",
            &PROGRAM,
            &inputs,
            span,
            Parameters::Program(program),
        );
        Some(())
    }

    /// The part that is scored; none if what is written is none.
    pub(super) fn scored_part(&self) -> Option<&'static str> {
        match self.root.get("evaluate").and_then(|node| node.get("on")) {
            None => Some("eval"),
            Some(on) => ["eval", "test"]
                .into_iter()
                .find(|part| on.text() == Some(part)),
        }
    }

    /// The evaluation of predictions that a program made; false if a model is scored.
    pub(super) fn evaluate_program(
        &mut self,
        entry: &Entry,
        label: Option<&Label>,
        (parts, part): (&Parts, &str),
        span: Span,
        report: &mut Report<'_>,
    ) -> bool {
        let scored = self.scored(entry, part, report);
        if scored == Some(Scored::Model) {
            return false;
        }
        let node = &entry.value;
        let mut evaluate = parameters::evaluate(Some(node), node.get("require"), report);
        if let (Some(Scored::Predictions(step)), Some(label), Some(table)) =
            (scored, label, parts.from.get(part))
        {
            evaluate.target = Some(parameters::target(label.clone(), Some(node), report));
            evaluate.baseline = parameters::set_flag(Some(node), "baseline");
            let predictions = format!("{step}.predictions");
            let mut inputs = vec![("predictions", predictions.as_str()), ("table", table)];
            if let Some(train) = parts.from.get("train") {
                inputs.push(("training", train));
            }
            let parameters = Parameters::Evaluate(evaluate);
            self.add_named(
                "evaluate",
                "evaluate_predictions",
                &inputs,
                span,
                parameters,
            );
        }
        true
    }

    /// What is scored; none if there is nothing.
    fn scored(&self, evaluate: &Entry, part: &str, report: &mut Report<'_>) -> Option<Scored> {
        if let Some(predict) = self.root.entry("predict") {
            let program = self.program("predict")?;
            if !makes_table(program, PREDICTIONS) {
                report.hinted(
                    predict.key.span,
                    "'predict' makes no table 'predictions' to score",
                    "add it to its outputs: predictions: predictions.parquet",
                );
                return None;
            }
            return Some(Scored::Predictions("predict"));
        }
        if !self.program_trains() {
            return Some(Scored::Model);
        }
        let program = self.program("train")?;
        if !makes_table(program, PREDICTIONS) {
            report.hinted(
                evaluate.key.span,
                format!("nothing predicts the part '{part}' that is scored"),
                "add a block 'predict' with a program that does, or let the program in 'train' make \
                 the output 'predictions: predictions.parquet' of the part 'eval'",
            );
            return None;
        }
        if part != "eval" {
            let on = evaluate
                .value
                .get("on")
                .map_or(evaluate.key.span, |on| on.span);
            report.hinted(
                on,
                format!("the part '{part}' is to be scored, but 'train' predicts 'eval'"),
                "predict it with a program of its own: add a block 'predict'",
            );
            return None;
        }
        Some(Scored::Predictions("train"))
    }

    /// The program of a step that was read.
    fn program(&self, step: &str) -> Option<&ProgramDraft> {
        match &self.drafts.steps.get(step)?.parameters {
            Parameters::Program(program) => Some(program),
            _ => None,
        }
    }
}

/// The output that is scored.
const PREDICTIONS: &str = "predictions";

/// Whether a program makes a table of this name.
fn makes_table(program: &ProgramDraft, name: &str) -> bool {
    let outputs = &program.spec.outputs;
    StepName::new(name)
        .ok()
        .and_then(|name| outputs.get(&name))
        .is_some_and(|output| output.kind == ArtifactKind::Table)
}
