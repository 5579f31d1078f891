//! What a program and Reproof tell each other: version 1, `docs/formats/program.md`.
//!
//! The program finds `/reproof/step.json`, reads its inputs where that says, writes its outputs
//! where that says, and may add lines of JSON to the files of metrics and observations.

use std::collections::BTreeMap;

use reproof_record::{
    Artifact, ArtifactKind, CanonicalError, RecipeStep, Seed, StepName, to_canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::places::Places;

/// Where a program sees what.
pub(crate) const CODE: &str = "/reproof/code";
pub(crate) const INPUTS: &str = "/reproof/in";
pub(crate) const OUTPUTS: &str = "/reproof/out";
pub(crate) const REPORT: &str = "/reproof/report";
pub(crate) const STEP: &str = "/reproof/step.json";
/// The files in the report folder.
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const OBSERVATIONS: &str = "observations.jsonl";
/// Why a notebook could not be run to its end, as its runner says it.
pub(crate) const FAILURE: &str = "failure.txt";

/// The file of that output.
pub(crate) const REPORTED_FILE: &str = "reported.json";

/// The most lines of metrics, and of observations.
const MAX_LINES: usize = 1_000_000;

#[derive(Serialize)]
struct Place {
    kind: ArtifactKind,
    path: String,
}

#[derive(Serialize)]
struct StepFile<'a> {
    format: &'static str,
    inputs: BTreeMap<&'a StepName, Place>,
    parameters: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Seed>,
    threads: u32,
    outputs: BTreeMap<&'a StepName, Place>,
    metrics: String,
    observations: String,
}

/// The name of an input below the folder of inputs: a table is a file, the rest are folders.
pub(crate) fn input_file(name: &StepName, kind: ArtifactKind) -> String {
    match kind {
        ArtifactKind::Table => format!("{name}.parquet"),
        _ => name.to_string(),
    }
}

/// The bytes of `step.json` for a program that finds everything at these places. The step's name is not in it: a step of another name with the
/// same key makes the same.
pub(crate) fn step_file(
    step: &RecipeStep,
    inputs: &BTreeMap<StepName, Artifact>,
    places: &Places,
) -> Result<Vec<u8>, CanonicalError> {
    let program = step.program.as_ref();
    let outputs = program.into_iter().flat_map(|program| &program.outputs);
    to_canonical(&StepFile {
        format: "reproof.program/1",
        inputs: inputs
            .iter()
            .map(|(name, artifact)| {
                let kind = artifact.kind;
                let path = format!("{}/{}", places.inputs, input_file(name, kind));
                (name, Place { kind, path })
            })
            .collect(),
        parameters: &step.parameters,
        seed: step.seed,
        threads: program.map_or(1, |program| program.threads),
        outputs: outputs
            .filter_map(|(name, path)| {
                let kind = *step.outputs.get(name)?;
                let path = format!("{}/{path}", places.outputs);
                Some((name, Place { kind, path }))
            })
            .collect(),
        metrics: format!("{}/{METRICS}", places.report),
        observations: format!("{}/{OBSERVATIONS}", places.report),
    })
}

/// A value that a program reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedValue {
    /// Its name.
    pub name: String,
    /// The step of an iteration that it belongs to, such as an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// The value; null where it is no finite number.
    pub value: Option<Number>,
}

/// The metrics that a program reported, sorted by name and step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// [`Reported::FORMAT`].
    pub format: String,
    /// The values.
    pub metrics: Vec<ReportedValue>,
}

impl Reported {
    /// The format's name and version.
    pub const FORMAT: &str = "reproof.reported/1";
}

/// Reads the lines of a file of metrics or observations. Of two lines with one name and step the
/// second must say the same; with `last` it replaces the first.
///
/// # Errors
/// What is wrong, and in which line.
pub(crate) fn read_lines(
    file: &str,
    text: &[u8],
    last: bool,
) -> Result<Vec<ReportedValue>, String> {
    let mut values: BTreeMap<(String, Option<u64>), Option<Number>> = BTreeMap::new();
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    for (line, number) in lines {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if number > MAX_LINES {
            return Err(format!("{file} has more than {MAX_LINES} lines"));
        }
        let read: ReportedValue = serde_json::from_slice(line).map_err(|error| {
            format!(
                "line {number} of {file} is not {{\"name\": …, \"value\": …}} with an optional \
                 whole number \"step\": {error} (a value that is not finite is written null)"
            )
        })?;
        if read.name.is_empty() {
            return Err(format!("line {number} of {file} has an empty name"));
        }
        let key = (read.name, read.step);
        match values.get(&key) {
            Some(known) if !last && *known != read.value => {
                let at = key.1.map(|step| format!(" at step {step}"));
                return Err(format!(
                    "line {number} of {file} gives '{}'{} another value than a line before",
                    key.0,
                    at.unwrap_or_default()
                ));
            }
            _ => values.insert(key, read.value),
        };
    }
    let values = values.into_iter();
    Ok(values
        .map(|((name, step), value)| ReportedValue { name, step, value })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that promises these bytes.
    const PAGE: &str = include_str!("../../../../docs/formats/program.md");

    #[test]
    fn the_step_file_is_that_of_the_page() {
        let digest = "0".repeat(64);
        let source = serde_json::json!({"data": "data"});
        let step = serde_json::json!({
            "operation": "program@1",
            "program": {
                "run": ["python", "predict.py"], "code": digest, "environment": digest,
                "profile": "portable@1", "isolation": "full", "threads": 2,
                "outputs": {"predictions": "predictions.parquet"},
            },
            "inputs": {"model": source, "table": source},
            "parameters": {"c": 1.5},
            "seed": "18446744073709551615",
            "outputs": {"predictions": "table", "reported": "metrics"},
        });
        let inputs = serde_json::json!({
            "model": {"kind": "model", "digest": digest},
            "table": {"kind": "table", "digest": digest},
        });
        let step: RecipeStep = serde_json::from_value(step).unwrap();
        let inputs: BTreeMap<StepName, Artifact> = serde_json::from_value(inputs).unwrap();
        let file =
            String::from_utf8(step_file(&step, &inputs, &Places::inside()).unwrap()).unwrap();
        assert!(PAGE.contains(&format!("\n{file}\n")), "{file}");
    }

    #[test]
    fn what_is_reported_is_that_of_the_page() {
        let lines = PAGE.split("of the lines\n\n```text\n").nth(1).unwrap();
        let metrics = read(lines.split("```").next().unwrap()).unwrap();
        let format = Reported::FORMAT.to_owned();
        let document = to_canonical(&Reported { format, metrics }).unwrap();
        let document = String::from_utf8(document).unwrap();
        assert!(PAGE.contains(&format!("\n{document}\n")), "{document}");
    }

    fn read(text: &str) -> Result<Vec<ReportedValue>, String> {
        read_lines("metrics.jsonl", text.as_bytes(), false)
    }

    #[test]
    fn values_are_sorted_by_name_and_step() {
        let text = "{\"name\":\"b\",\"value\":1}\n\n{\"name\":\"a\",\"step\":10,\"value\":0.5}\n\
                    {\"name\":\"a\",\"step\":9,\"value\":null}\n{\"name\":\"b\",\"value\":1}";
        let found = read(text).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|value| (value.name.as_str(), value.step))
            .collect();
        assert_eq!(names, [("a", Some(9)), ("a", Some(10)), ("b", None)]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_no_value_is_named_by_its_line() {
        for (text, expect) in [
            ("{\"name\":\"a\",\"value\":NaN}", "line 1"),
            ("{\"name\":\"a\",\"value\":1}\nx", "line 2"),
            ("{\"name\":\"a\",\"value\":1,\"x\":2}", "unknown field"),
            ("{\"name\":\"\",\"value\":1}", "empty name"),
            (
                "{\"name\":\"a\",\"value\":1}\n{\"name\":\"a\",\"value\":2}",
                "line 2 of metrics.jsonl gives 'a' another value",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
        let twice = b"{\"name\":\"a\",\"value\":1}\n{\"name\":\"a\",\"value\":2}";
        let found = read_lines("o", twice, true).unwrap();
        assert_eq!(found[0].value, Some(Number::from(2)));
    }
}
