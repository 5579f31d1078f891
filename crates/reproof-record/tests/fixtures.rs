//! Documents that earlier versions wrote must be read for ever, with the IDs they had then.

use reproof_record::{Execution, Recipe, Record};

const RECIPE_1: &[u8] = include_bytes!("fixtures/recipe-1.json");
const RECORD_1: &[u8] = include_bytes!("fixtures/record-1.json");
const EXECUTION_1: &[u8] = include_bytes!("fixtures/execution-1.json");
/// The page that promises these IDs.
const PAGE: &str = include_str!("../../../docs/formats/record.md");

#[test]
fn recipes_of_version_1() {
    let recipe = Recipe::from_bytes(RECIPE_1).unwrap();
    let id = recipe.id().unwrap().to_string();
    assert!(
        PAGE.contains(&format!("| `recipe-1.json` | `{id}` |")),
        "{id}"
    );
    assert_eq!(recipe.to_bytes().unwrap(), RECIPE_1);
}

#[test]
fn records_of_version_1() {
    let record = Record::from_bytes(RECORD_1).unwrap();
    let id = record.id().unwrap().to_string();
    assert!(
        PAGE.contains(&format!("| `record-1.json` | `{id}` |")),
        "{id}"
    );
    assert_eq!(record.recipe, Recipe::from_bytes(RECIPE_1).unwrap());
}

#[test]
fn executions_of_version_1() {
    let execution: Execution = serde_json::from_slice(EXECUTION_1).unwrap();
    assert_eq!(execution.format, Execution::FORMAT);
    let record = Record::from_bytes(RECORD_1).unwrap();
    assert_eq!(execution.record, Some(record.id().unwrap()));
    assert_eq!(execution.results, Some(record.results_id().unwrap()));
}
