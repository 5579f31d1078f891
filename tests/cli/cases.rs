//! Planted cases: small projects whose results differ, or would elsewhere, each for one reason, and some
//! that repeat, with what Reproof says of each. The page on planted cases has the tables.

#[path = "cases/clean.rs"]
mod clean;
#[path = "cases/numeric.rs"]
mod numeric;
#[path = "cases/plain.rs"]
mod plain;
#[path = "cases/records.rs"]
mod records;

use std::sync::Once;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Project, SIX_16};

/// A step, and what is to be said of it.
struct Case {
    /// Its name, as the page has it.
    name: &'static str,
    /// The script. It sets `value`, or writes the output itself where that is no JSON.
    script: &'static str,
    /// What the pipeline says of the step beside its command.
    step: &'static str,
    /// The file that is its output.
    output: &'static str,
    /// The rules of `doctor`.
    rules: &'static [&'static str],
    /// What `verify` finds on the same machine.
    verdict: &'static str,
    /// What experiments name.
    factors: &'static [&'static str],
}

/// A step of which nothing is said.
const CASE: Case = Case {
    name: "",
    script: "",
    step: "threads: 1",
    output: "model.json",
    rules: &[],
    verdict: "identical",
    factors: &[],
};

/// What was said of a step: by `doctor`, by `verify`, by experiments.
#[derive(Debug, PartialEq)]
struct Said {
    rules: Vec<String>,
    verdict: String,
    factors: Vec<String>,
}

impl Case {
    fn expected(&self) -> Said {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Said {
            rules: owned(self.rules),
            verdict: self.verdict.to_owned(),
            factors: owned(self.factors),
        }
    }

    /// Makes it the step of a project.
    fn write(&self, project: &Project) {
        let mut script = format!("import json\n{}", self.script);
        if self.output == CASE.output {
            script += "\nwith open('/reproof/out/model.json', 'w') as file:\n    json.dump(value, file)\n";
        }
        project.write("draw.py", &script);
        let pipeline = format!(
            "pipeline: steps\ndata: {{csv: data/rows.csv}}\nsteps:\n  draw:\n    run: [python, draw.py]\n    \
             {}\n    outputs: {{model: {}}}\n",
            self.step, self.output
        );
        project.write("pipelines/steps.yaml", &pipeline);
    }
}

/// A project whose steps run in an environment of one small package.
fn plain_project() -> Project {
    let project = Project::python(SIX_16, "");
    prepared(project)
}

/// A project whose steps run in an environment of NumPy and scikit-learn, which is built once.
fn numeric_project() -> Project {
    static BUILT: Once = Once::new();
    let project = Project::python(include_str!("cases/requirements.txt"), "");
    let toml = "[environments.default]\nrequirements = \"requirements.txt\"\npython = \"3.11\"\n";
    project.write("reproof.toml", toml);
    BUILT.call_once(|| {
        project.reproof(&["env", "show"]).expect(0);
    });
    prepared(project)
}

fn prepared(project: Project) -> Project {
    project.write("settings.json", "\"declared\"\n");
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project
}

/// What a call printed as JSON, whatever its exit code.
#[track_caller]
fn printed(project: &Project, arguments: &[&str]) -> Value {
    let call = project.reproof(arguments);
    serde_json::from_str(&call.out).unwrap_or_else(|error| panic!("{error}: {call:?}"))
}

/// The texts of a field of each of a list.
fn each(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[field].as_str().unwrap().to_owned())
        .collect()
}

/// What is said of a case.
fn said(project: &Project, case: &Case) -> Said {
    case.write(project);
    let run = project.reproof(&["run", "--json"]);
    project.commit("the script, and the lock file");
    let found = printed(project, &["doctor", "steps", "--json"]);
    let mut rules = each(&found["code"][0]["findings"], "rule");
    rules.sort_unstable();
    rules.dedup();
    if run.code == 11 {
        assert!(run.err.contains("step 'draw' failed"), "{run:?}");
        return Said {
            rules,
            verdict: "does not run".to_owned(),
            factors: Vec::new(),
        };
    }
    let record = run.json()["record"].as_str().unwrap().to_owned();
    let verdict = printed(project, &["verify", &record, "--json"])["verdict"].clone();
    let experiments = ["why", &record, "--experiment", "--step", "draw", "--json"];
    let made = printed(project, &experiments);
    Said {
        rules,
        verdict: verdict.as_str().unwrap().to_owned(),
        factors: each(&made["experiments"]["explained"], "factor"),
    }
}

/// Asserts that of all cases is said what is expected. All of them are tried, and the times are told,
/// which the page has as well.
#[expect(clippy::print_stderr)]
fn check(project: &Project, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let begin = Instant::now();
        let said = said(project, case);
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("| {} | {seconds:.1} s", case.name);
        if said != case.expected() {
            wrong.push(format!("{}: {said:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_cases_of_plain_python_are_found() {
    let project = plain_project();
    check(&project, plain::PLAIN);
    // What only packs the same content in another way is told from what matters.
    let zip = plain::PLAIN.iter().find(|case| case.output == "model.zip");
    zip.unwrap().write(&project);
    let record = project.record(&[]);
    project.reproof(&["verify", &record]).expect(12);
    let text = project.reproof(&["why", &record]).expect(0).out;
    for wanted in [
        "Step 'draw' is not deterministic",
        "What it holds is the same: only how it is packed differs.",
    ] {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
}

#[test]
fn planted_cases_of_numeric_libraries_are_found() {
    check(&numeric_project(), numeric::NUMERIC);
}

#[test]
fn clean_cases_of_plain_python_are_left_alone() {
    check(&plain_project(), clean::PLAIN);
}

#[test]
fn clean_cases_of_numeric_libraries_are_left_alone() {
    check(&numeric_project(), clean::NUMERIC);
}

/// The page has a line for each case, and says of it what the tests find; the times are those of one
/// machine.
#[test]
fn the_page_lists_the_cases() {
    const PAGE: &str = include_str!("../../docs/src/planted-cases.md");
    let listed = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        match &names[..] {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        }
    };
    let mut lines: Vec<_> = PAGE.lines().filter(|line| line.starts_with("| ")).collect();
    let mut take = |begin: String| {
        let at = lines.iter().position(|line| line.starts_with(&begin));
        let line = lines.remove(at.unwrap_or_else(|| panic!("the page lacks: {begin}")));
        let time = line[begin.len()..].strip_suffix(" s |");
        assert!(
            time.is_some_and(|time| time.parse::<f64>().is_ok()),
            "{line}"
        );
    };
    let cases = [plain::PLAIN, numeric::NUMERIC, clean::PLAIN, clean::NUMERIC];
    for case in cases.into_iter().flatten() {
        take(format!(
            "| {} | {} | {} | {} | ",
            case.name,
            listed(case.rules),
            case.verdict,
            listed(case.factors)
        ));
    }
    for pair in records::PAIRS {
        let says = pair.says.last().and_then(|says| says.lines().last());
        let says: Vec<_> = says.unwrap_or_default().split_whitespace().collect();
        take(format!(
            "| {} | `{}` | {} | `{}` | ",
            pair.name,
            pair.step,
            pair.aspect,
            says.join(" ")
        ));
    }
    lines.retain(|line| !line.starts_with("| a step") && !line.starts_with("| what"));
    assert!(lines.is_empty(), "no cases: {lines:?}");
}
