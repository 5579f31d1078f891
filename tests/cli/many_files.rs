//! Tables of many files: folders, patterns, partitions.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Call, Project};

/// A project whose data are these files, read as the pipeline says.
fn project(data: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write(".gitignore", "/.reproof/\n");
    let pipeline = format!(
        "pipeline: p\ndata: {data}\nlabel: {{column: y, positive: \"yes\"}}\nsplit: \
         {{random: {{train: 0.5, eval: 0.5}}}}\ntrain: logistic_regression\n"
    );
    project.write("pipelines/p.yaml", &pipeline);
    for (path, text) in files {
        project.write(path, text);
    }
    project
}

/// Rows of a table with the columns `a` and `y`.
fn rows(from: usize, to: usize) -> String {
    let row = |row: usize| {
        format!(
            "{},{}\n",
            row * 7 % 13,
            if row.is_multiple_of(3) { "yes" } else { "no" }
        )
    };
    std::iter::once("a,y\n".to_owned())
        .chain((from..to).map(row))
        .collect()
}

/// Lets files be as old as those that are at rest.
fn age(project: &Project, paths: &[&str]) {
    for path in paths {
        let file = std::fs::File::options()
            .write(true)
            .open(project.path(path))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(1))
            .unwrap();
    }
    // What was changed within 2 s is hashed again: the change of times was one.
    std::thread::sleep(Duration::from_millis(2100));
}

/// The entry of the lock file for a source.
fn pinned(project: &Project, source: &str) -> Value {
    let lock = project.read("reproof.lock");
    let lines = lock
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .into_iter()
        .find(|entry| entry["source"] == source)
        .unwrap()
}

fn says_read(call: &Call) -> bool {
    call.out.contains("changed, was")
}

#[test]
fn many_files_are_the_record_of_one() {
    let one = project("{csv: data/all.csv}", &[("data/all.csv", &rows(0, 60))]);
    let record = one.record(&[]);
    let parts = [
        ("data/b/2.csv", &*rows(20, 60)),
        ("data/a.csv", &*rows(0, 20)),
        ("data/_drafts/x.csv", "broken\"\n"),
        ("data/.hidden.csv", "broken\"\n"),
        ("data/_SUCCESS", ""),
        ("data/notes.txt", "no table"),
    ];
    for data in [
        "{csv: data/}",
        "{csv: data}",
        "{csv: data/**/*.csv}",
        "{csv: \"data/{a,b/[1-3]}.csv\"}",
    ] {
        let many = project(data, &parts);
        assert_eq!(many.record(&[]), record, "{data}");
    }
    let many = project("{csv: data/**}", &parts);
    // A pattern takes what fits it, so notes are a table, too, but marks and drafts are not.
    many.reproof(&["run"])
        .expect(2)
        .says(&["data/notes.txt: it lacks the column 'a', unlike"]);
}

#[test]
fn what_is_unchanged_is_not_read_again() {
    let files = [
        ("data/1.csv", &*rows(0, 20)),
        ("data/2.csv", &*rows(20, 60)),
    ];
    let project = project("{csv: data}", &files);
    age(&project, &["data/1.csv", "data/2.csv"]);
    project.reproof(&["run"]).expect(0);
    let lock = project.read("reproof.lock");
    assert!(lock.contains("\"source\":\"csv:data\""), "{lock}");
    let read = |arguments: &[&str]| {
        let mut all = vec!["run"];
        all.extend(arguments);
        project.reproof(&all).expect(0)
    };
    assert!(!says_read(&read(&["--locked"])));
    // A file that was only touched has the digest that it had.
    project.write("data/1.csv", &rows(0, 20));
    assert!(!says_read(&read(&["--locked"])));
    assert_eq!(project.read("reproof.lock"), lock);
    // One that changed, one more, one less.
    project.write("data/1.csv", &rows(1, 20));
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["59 rows, were 60"]);
    assert!(says_read(&read(&[])));
    project.write("data/3.csv", &rows(0, 1));
    assert!(read(&[]).out.contains("60 rows x 2"));
    std::fs::remove_file(project.path("data/2.csv")).unwrap();
    assert!(read(&[]).out.contains("20 rows x 2"));
    assert_eq!(pinned(&project, "csv:data")["rows"], 20);
}

#[test]
fn folders_give_columns_that_the_lock_pins() {
    let files = [
        ("data/year=2023/1.csv", &*rows(0, 30)),
        ("data/year=2024/1.csv", &*rows(30, 60)),
    ];
    let project = project("{csv: data}", &files);
    project.reproof(&["run"]).expect(0);
    let columns = pinned(&project, "csv:data")["columns"].clone();
    let names: Vec<_> = columns
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert_eq!(names, ["a", "y", "year"]);
    assert_eq!(columns[2]["type"], "integer");
    project.write("data/year=new/1.csv", &rows(0, 3));
    project.reproof(&["run"]).expect(2).says(&[
        "year=new/1.csv",
        "column 'year' is pinned to the type integer",
    ]);
    std::fs::remove_dir_all(project.path("data/year=new")).unwrap();
    project.write("data/year=2025/1.csv", "a,y,year\n1,yes,2025\n");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["year=2025/1.csv", "has a column 'year', too"]);
    std::fs::remove_dir_all(project.path("data/year=2025")).unwrap();
    project.edit(
        "pipelines/p.yaml",
        "{csv: data}",
        "{csv: data, schema: {year: string}}",
    );
    project.reproof(&["run"]).expect(0);
    let pinned = pinned(&project, "csv{\"schema\":{\"year\":\"string\"}}:data");
    assert_eq!(pinned["columns"][2]["type"], "string");
}

#[test]
fn where_nothing_fits_the_nearest_folder_is_named() {
    let files = [("data/raw/1.txt", "x"), ("data/raw/2.txt", "x")];
    for (data, says) in [
        (
            "{csv: data/raw/}",
            &["the folder data/raw holds no file that ends in .csv or .tsv; 2 others"][..],
        ),
        (
            "{csv: data/raw/*.csv}",
            &[
                "no file fits data/raw/*.csv",
                "data/raw; there lies 2 files that do not fit",
            ],
        ),
        (
            "{csv: data/raw/x/**/*.csv}",
            &[
                "there is no file data/raw/x/",
                "nearest folder that is there is data/raw;",
            ],
        ),
        (
            "{csv: none/*.csv}",
            &[
                "there is no file none/*.csv",
                "paths are inside the project",
            ],
        ),
        ("{csv: \"data/[raw\"}", &["'data/[raw' is no pattern"]),
        ("{csv: ../x/*.csv}", &["is not a path inside the project"]),
    ] {
        project(data, &files).reproof(&["run"]).expect(2).says(says);
    }
    // A file may be named like a pattern.
    let odd = project("{csv: \"data/[1].csv\"}", &[("data/[1].csv", &rows(0, 60))]);
    odd.reproof(&["run"]).expect(0);
}

#[test]
fn links_are_followed_to_files_only() {
    let project = project(
        "{csv: data}",
        &[("data/1.csv", &rows(0, 30)), ("more/2.csv", &rows(30, 60))],
    );
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(project.path(target), project.path(name)).unwrap();
    };
    link("more/2.csv", "data/2.csv");
    assert!(
        project
            .reproof(&["run"])
            .expect(0)
            .out
            .contains("60 rows x 2")
    );
    // What a link points to has changed.
    project.write("more/2.csv", &rows(30, 61));
    assert!(
        project
            .reproof(&["run"])
            .expect(0)
            .out
            .contains("61 rows x 2")
    );
    link("more", "data/3.csv");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["data/3.csv is a link to a folder"]);
    std::fs::remove_file(project.path("data/3.csv")).unwrap();
    link("nothing.csv", "data/3.csv");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["data/3.csv is a link to nothing"]);
}

#[test]
fn files_of_a_source_are_no_code() {
    let project = project("{csv: data/*.csv}", &[("data/1.csv", &rows(0, 60))]);
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.commit("first");
    let dirty = |project: &Project| project.run(&[])["execution"]["code"]["dirty"].clone();
    project.run(&[]);
    project.write("data/2.csv", &rows(0, 3));
    assert_eq!(dirty(&project), Value::Bool(false));
    project.write("data/other.py", "");
    assert_eq!(dirty(&project), Value::Bool(true));
}

#[test]
fn named_data_of_many_files_has_a_history() {
    let project = project(
        "goods",
        &[
            ("data/1.csv", &rows(0, 30)),
            ("data/b/2.csv", &rows(30, 60)),
        ],
    );
    project
        .reproof(&["data", "add", "goods", "data", "-m", "x"])
        .expect(2)
        .says(&["data is a folder", "--format"]);
    project
        .reproof(&["data", "add", "goods", "data/**/*.csv", "-m", "first"])
        .expect(0);
    assert_eq!(
        project.read("reproof.toml").trim(),
        "[data.goods]\ncsv = \"data/**/*.csv\""
    );
    let record = project.record(&[]);
    project.write("data/b/2.csv", &rows(30, 61));
    project
        .reproof(&["data", "commit", "goods", "-m", "one more"])
        .expect(0);
    let log = project.reproof(&["data", "log", "goods", "--json"]).json();
    let entry = &log["versions"][1]["entry"];
    assert_eq!(entry["source"]["location"], "data/**/*.csv");
    assert_eq!(
        (&entry["source"]["files"], &entry["rows"]),
        (&2.into(), &60.into())
    );
    // The bytes of each version come back, and verified ones only.
    let restore =
        |version: &str, folder: &str| project.reproof(&["data", "restore", version, folder]);
    restore("goods@~1", "old").expect(0);
    assert_eq!(project.read("old/1.csv"), rows(0, 30));
    assert_eq!(project.read("old/b/2.csv"), rows(30, 60));
    restore("goods@~1", "old")
        .expect(2)
        .says(&["old is there already"]);
    project.reproof(&["gc"]).expect(0);
    restore("goods", "new").expect(0);
    assert_eq!(project.read("new/b/2.csv"), rows(30, 61));
    project.edit(
        "pipelines/p.yaml",
        "data: goods",
        "data: {version: goods@~1}",
    );
    assert_eq!(project.record(&[]), record);
    project.reproof(&["fsck"]).expect(0);
}
