//! Documents that earlier versions wrote must be read for ever, with the IDs they had then.

use reproof_record::{Execution, Recipe, Record};

const RECIPE_1: &[u8] = include_bytes!("fixtures/recipe-1.json");
const RECORD_1: &[u8] = include_bytes!("fixtures/record-1.json");
const RECIPE_PROGRAM_1: &[u8] = include_bytes!("fixtures/recipe-program-1.json");
const RECORD_PROGRAM_1: &[u8] = include_bytes!("fixtures/record-program-1.json");
const EXECUTION_1: &[u8] = include_bytes!("fixtures/execution-1.json");
/// The page that promises these IDs.
const PAGE: &str = include_str!("../../../docs/formats/record.md");

/// The page names this ID of this file.
fn promised(file: &str, id: &str) {
    assert!(PAGE.contains(&format!("| `{file}` | `{id}` |")), "{id}");
}

#[test]
fn recipes_of_version_1() {
    let recipe = Recipe::from_bytes(RECIPE_1).unwrap();
    promised("recipe-1.json", &recipe.id().unwrap().to_string());
    assert_eq!(recipe.to_bytes().unwrap(), RECIPE_1);
}

#[test]
fn records_of_version_1() {
    let record = Record::from_bytes(RECORD_1).unwrap();
    promised("record-1.json", &record.id().unwrap().to_string());
    assert_eq!(record.recipe, Recipe::from_bytes(RECIPE_1).unwrap());
}

#[test]
fn recipes_and_records_with_programs() {
    let recipe = Recipe::from_bytes(RECIPE_PROGRAM_1).unwrap();
    promised("recipe-program-1.json", &recipe.id().unwrap().to_string());
    assert_eq!(recipe.to_bytes().unwrap(), RECIPE_PROGRAM_1);
    let record = Record::from_bytes(RECORD_PROGRAM_1).unwrap();
    promised("record-program-1.json", &record.id().unwrap().to_string());
    assert_eq!(record.recipe, recipe);
    assert_eq!(record.to_bytes().unwrap(), RECORD_PROGRAM_1);
}

/// The keys of the page's steps: with and without every field that may be left out.
#[test]
fn keys_of_programs() {
    let record = Record::from_bytes(RECORD_PROGRAM_1).unwrap();
    for (name, step) in &record.recipe.steps {
        let inputs = step.inputs.iter();
        let inputs =
            inputs.map(|(input, source)| (input.clone(), record.artifact(source).unwrap()));
        let key = step.key(&inputs.collect()).unwrap();
        promised(&format!("{name}"), &key.to_string());
    }
}

#[test]
fn executions_of_version_1() {
    let execution: Execution = serde_json::from_slice(EXECUTION_1).unwrap();
    assert_eq!(execution.format, Execution::FORMAT);
    let record = Record::from_bytes(RECORD_1).unwrap();
    assert_eq!(execution.record, Some(record.id().unwrap()));
    assert_eq!(execution.results, Some(record.results_id().unwrap()));
}
