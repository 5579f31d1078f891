//! `tolerance:` in pipeline files.

use super::programs::{BLOCKS, PROGRAMS};
use super::*;

fn with(text: &str, tolerance: &str) -> String {
    text.replacen("seed: ", &format!("tolerance: {tolerance}\nseed: "), 1)
}

#[test]
fn a_tolerance_is_of_an_output_by_its_step_or_alone() {
    let written = "{train.model: {ulp: 4}, predict.predictions: {abs: 1e-9, flips: 0}, metrics: {rel: 0.001}}";
    let (pipeline, graph) =
        expand(&with(BLOCKS, written)).unwrap_or_else(|errors| panic!("{errors}"));
    let shown = |step: &str, output: &str| json!(graph.steps[&name(step)].tolerance[&name(output)]);
    assert_eq!(shown("train", "model"), json!({"ulp": 4}));
    assert_eq!(
        shown("predict", "predictions"),
        json!({"abs": 1e-9, "flips": 0})
    );
    assert_eq!(shown("evaluate", "metrics"), json!({"rel": 0.001}));

    // It is part of the recipe, and without it the recipe is as it always was.
    assert_ne!(id(&with(BLOCKS, written)), id(BLOCKS));
    assert_eq!(id(&with(BLOCKS, "{}")), id(BLOCKS));
    assert_eq!(
        id(&with(BLOCKS, "{train.model: {ulp: 4}}")),
        id(&with(BLOCKS, "{model: {ulp: 4}}"))
    );

    // The graph that `plan` prints is the same recipe.
    let printed = graph.to_steps_yaml(&pipeline);
    assert!(
        printed.contains("tolerance:\n  evaluate.metrics: {rel: 0.001}\n"),
        "{printed}"
    );
    assert_eq!(id(&printed), id(&with(BLOCKS, written)));
}

#[test]
fn tolerances_that_cannot_be_meant_are_refused() {
    refused(
        &with(BLOCKS, "{modle: {ulp: 4}}"),
        "2:13: unknown output 'modle' (did you mean 'model'?)",
    );
    refused(
        &with(BLOCKS, "{model: {ulp: 4}, train.model: {abs: 1}}"),
        "2:30: 'train.model' has a tolerance already",
    );
    refused(
        &with(PROGRAMS, "{reported: {abs: 1}}"),
        "2:13: several steps have an output 'reported' (write which: predict.reported, train.reported)",
    );
    // What is not compared needs none.
    begins(
        &with(PROGRAMS, "{train.notes: {abs: 1}}"),
        "2:13: unknown output 'train.notes'",
    );
    refused(
        &with(BLOCKS, "{model: {}}"),
        "2:13: the tolerance says nothing (give it 'abs', 'rel', 'ulp' or 'flips', such as {abs: 1e-9})",
    );
    begins(&with(BLOCKS, "{model: {abs: -1}}"), "2:26: ");
}

/// Asserts that a file is refused with an error that begins like this.
#[track_caller]
fn begins(text: &str, expect: &str) {
    let errors = expand(text).map(|_| ()).unwrap_err();
    let found = lines(&errors);
    assert!(found.starts_with(expect), "{found}");
}
