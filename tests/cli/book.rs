//! Every complete pipeline that the book shows is one that the program takes.

use crate::support::{Project, call, example};

/// The YAML blocks of a page that are whole pipeline files of built-in steps.
fn pipelines(page: &str) -> Vec<String> {
    let blocks = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    // Programs need their files and environments; that they are read is tested where that is done.
    let is_program = |line: &str| line.contains("run: ") || line.contains("shell: ");
    blocks
        .filter(|block| block.lines().any(|line| line.starts_with("pipeline:")))
        .filter(|block| !block.lines().any(is_program))
        .map(str::to_owned)
        .collect()
}

/// The blocks of a page that begin with this line.
fn blocks<'a>(page: &'a str, begin: &str) -> Vec<&'a str> {
    let blocks = page.split(begin).skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_page_on_predictions_shows_what_comes_out() {
    let project = Project::diabetes();
    project.record(&[]);
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/predict.md");
    let page = std::fs::read_to_string(page).unwrap();
    project.write("patients.csv", blocks(&page, "```csv\n")[0]);
    let shown = blocks(&page, "```text\n$ reproof ");
    assert_eq!(shown.len(), 2);
    for block in shown {
        let (command, expect) = block.split_once('\n').unwrap();
        let call = project.reproof(&command.split(' ').collect::<Vec<_>>());
        let folder = format!("{}/", project.root().canonicalize().unwrap().display());
        let found = (call.out + &call.err).replace(&folder, "");
        assert_eq!(found, expect, "{command}");
    }
}

/// A page of the book.
fn page(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The example's data, and the environment `tools` with these programs of the machine.
fn with_tools(programs: &str) -> Project {
    let project = Project::diabetes();
    let settings = format!("[environments.tools]\nsystem = [{programs}]\n");
    project.write("reproof.toml", &settings);
    project
}

/// The one pipeline of a page that has this name.
fn pipeline(page: &str, name: &str) -> String {
    let begin = format!("pipeline: {name}\n");
    let found = blocks(page, "```yaml\n").into_iter();
    let found: Vec<_> = found.filter(|block| block.starts_with(&begin)).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0].to_owned()
}

/// The text block of a page that holds this line.
fn shown<'a>(page: &'a str, line: &str) -> &'a str {
    let found = blocks(page, "```text\n").into_iter();
    let found: Vec<_> = found.filter(|block| block.contains(line)).collect();
    assert_eq!(found.len(), 1, "{line}");
    found[0]
}

/// Runs a program of the book, made to fail at its end so that what it wrote is shown, and expects
/// the lines that the page shows.
fn writes_what_the_page_shows(project: &Project, page: &str, name: &str, last: &str) {
    let failing = pipeline(page, name).replace(last, "exit 3");
    project.write("pipelines/book.yaml", &failing);
    let mut command = project.command(&["run", "book"]);
    let variables = [("REGION", "eu"), ("TOKEN", "s3cret"), ("EDITOR", "vi")];
    let call = call(command.envs(variables)).expect(11);
    let begin = format!("{name} | ");
    let text = shown(page, &begin);
    let lines = text.lines().filter(|line| line.starts_with(&begin));
    assert!(lines.clone().count() >= 1);
    for line in lines {
        assert!(call.err.contains(line), "no '{line}' in:\n{}", call.err);
    }
}

#[test]
fn a_program_sees_what_the_page_on_isolation_shows() {
    let project = with_tools("\"sh\", \"cat\", \"ls\", \"touch\"");
    let page = page("isolation.md");
    let last = "echo done > /reproof/out/seen.txt";
    writes_what_the_page_shows(&project, &page, "look", last);
    project.write("pipelines/book.yaml", &pipeline(&page, "look"));
    let record = project.record(&["book"]);
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn a_program_gets_the_variables_that_the_page_on_programs_shows() {
    let project = with_tools("\"sh\"");
    let page = page("programs.md");
    let last = "echo \"$LEVEL\" > /reproof/out/level.txt";
    writes_what_the_page_shows(&project, &page, "fetch", last);
    project.write("pipelines/book.yaml", &pipeline(&page, "fetch"));
    let missing = project.reproof(&["run", "book"]).expect(2);
    missing.says(&["step 'fetch' declares the variable REGION, which is not set"]);
}

#[test]
fn a_missing_file_is_named_as_the_page_on_code_shows() {
    let project = with_tools("\"sh\", \"cat\"");
    let page = page("code.md");
    project.write("sql/scores.sql", "select 1\n");
    project.write("pipelines/book.yaml", &pipeline(&page, "scores"));
    let call = project.reproof(&["run", "book"]).expect(11);
    for line in shown(&page, "hint: the step sees").lines() {
        assert!(call.err.contains(line), "no '{line}' in:\n{}", call.err);
    }
    project.edit(
        "pipelines/book.yaml",
        "    shell:",
        "    code: [sql/]\n    shell:",
    );
    let record = project.record(&["book"]);
    // What is beside the closure changes nothing; what is in it does.
    project.write("sql.txt", "beside\n");
    assert_eq!(project.record(&["book"]), record);
    project.write("sql/scores.sql", "select 2\n");
    assert_ne!(project.record(&["book"]), record);
    let folder = project.path("again");
    let folder = folder.to_str().unwrap();
    project.reproof(&["checkout", &record, folder]).expect(0);
    assert_eq!(project.read("again/sql/scores.sql"), "select 1\n");
}

#[test]
fn every_pipeline_in_the_book_can_be_planned() {
    let project = Project::diabetes();
    for (name, file) in [("churn", "telco_churn.csv"), ("diamonds", "diamonds.csv")] {
        let to = project.path(&format!("data/{file}"));
        std::fs::copy(example(name).join("data").join(file), to).unwrap();
    }
    // Names that the book uses for the parts of data that comes in parts.
    let data = project.read("data/telco_churn.csv");
    for file in ["train", "training", "eval", "validation", "test"] {
        project.write(&format!("data/{file}.csv"), &data);
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        for pipeline in pipelines(&page) {
            project.write("pipelines/book.yaml", &pipeline);
            let call = project.reproof(&["plan", "book"]);
            assert_eq!(
                call.code,
                0,
                "{}:\n{pipeline}\n{}",
                path.display(),
                call.err
            );
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
