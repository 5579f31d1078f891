//! Every complete pipeline that the book shows is one that the program takes.

use crate::support::{Project, example};

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
