//! Data that is files: folders as they are.

use std::os::unix::fs::PermissionsExt;

use reproof_record::{Digest, Tree, TreeEntry};
use tempfile::TempDir;

use crate::support::{Project, call, statuses};

/// A program that reads all files, and tries to write one.
const STEPS: &str = "  look:\n    shell: cd /reproof/in/photos; echo * b/* .* > /reproof/out/o; cat a.txt \
                     b/run.sh >> /reproof/out/o; (echo x > /reproof/in/photos/new) 2>/dev/null || \
                     echo read-only >> /reproof/out/o\n    inputs: {photos: data}\n    outputs: {o: o}\n";

fn photos(data: &str) -> Project {
    let project = Project::shell(STEPS);
    project.edit("pipelines/steps.yaml", "{csv: data/rows.csv}", data);
    project.write("photos/a.txt", "first\n");
    project.write("photos/b/run.sh", "second\n");
    project.write("photos/.kept", "");
    let script = std::fs::File::open(project.path("photos/b/run.sh")).unwrap();
    script
        .set_permissions(std::fs::Permissions::from_mode(0o755))
        .unwrap();
    project
}

fn entry(path: &str, executable: bool, text: &str) -> TreeEntry {
    TreeEntry {
        path: path.parse().unwrap(),
        executable,
        digest: Digest::of(text.as_bytes()),
    }
}

#[test]
fn a_program_gets_exactly_the_files() {
    let project = photos("{files: photos/}");
    let run = project.run(&[]);
    let tree = Tree::new([
        entry(".kept", false, ""),
        entry("a.txt", false, "first\n"),
        entry("b/run.sh", true, "second\n"),
    ]);
    let used = &run["execution"]["data"]["data"];
    assert_eq!(used["version"]["kind"], "files");
    assert_eq!(
        used["version"]["digest"],
        tree.digest().unwrap().to_string()
    );
    assert_eq!((&used["rows"], &used["columns"]), (&3.into(), &0.into()));
    let seen = project.output(&run, "look", "o");
    let lines: Vec<_> = seen.lines().collect();
    assert!(
        lines[0].starts_with("a.txt b b/run.sh") && lines[0].contains(".kept"),
        "{seen}"
    );
    assert_eq!(lines[1..], ["first", "second", "read-only"]);
    // The working folder is not needed any more.
    std::fs::remove_dir_all(project.path("photos")).unwrap();
    let record = run["record"].as_str().unwrap();
    assert!(
        project
            .reproof(&["verify", record])
            .expect(0)
            .out
            .contains("identical")
    );
    let show = project.reproof(&["data", "show", "photos"]).expect(0).out;
    assert!(
        show.contains("files     3, 13 bytes") && show.contains("b/run.sh"),
        "{show}"
    );
    project
        .reproof(&["data", "stats", "photos"])
        .expect(2)
        .says(&["is files"]);
}

#[test]
fn what_changes_in_a_folder_makes_the_step_run_again() {
    let project = photos("{files: photos}");
    let first = project.run(&[]);
    assert_eq!(
        statuses(&project.run(&["--locked"])),
        [("look".to_owned(), "cached".to_owned())]
    );
    project.write("photos/a.txt", "other\n");
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["3 files, were 3"]);
    let text = project.reproof(&["run"]).expect(0).out;
    assert!(
        text.contains("3 files") && text.contains("changed, was 3 files"),
        "{text}"
    );
    project.write("photos/a.txt", "first\n");
    assert_eq!(project.run(&[])["record"], first["record"]);
    // A pattern takes some of the files, with paths from the folder before it.
    project.edit(
        "pipelines/steps.yaml",
        "{files: photos}",
        "{files: photos/**/*.sh}",
    );
    project.edit("pipelines/steps.yaml", "cat a.txt ", "cat ");
    let run = project.run(&[]);
    let tree = Tree::new([entry("b/run.sh", true, "second\n")]);
    let used = &run["execution"]["data"]["data"]["version"]["digest"];
    assert_eq!(*used, tree.digest().unwrap().to_string());
}

#[test]
fn what_cannot_be_stored_is_named() {
    let project = photos("{files: photos}");
    std::os::unix::fs::symlink("a.txt", project.path("photos/link")).unwrap();
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["photos/link is a symbolic link", "put the file itself"]);
    std::fs::remove_file(project.path("photos/link")).unwrap();
    project.write("photos/new\nline", "");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["control character"]);
    std::fs::remove_dir_all(project.path("photos")).unwrap();
    std::fs::create_dir(project.path("photos")).unwrap();
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["the folder photos holds no file"]);
}

#[test]
fn tables_are_wanted_where_tables_are_worked_on() {
    let project = Project::empty();
    project.write("reproof.toml", "[data.photos]\nfiles = \"photos/\"\n");
    project.write("photos/a", "x");
    let pipeline = |data: &str| {
        let text = format!(
            "pipeline: p\ndata: {data}\nlabel: y\nsplit: {{random: {{train: 0.5, eval: 0.5}}}}\n\
             train: logistic_regression\n"
        );
        project.write("pipelines/p.yaml", &text);
        project.reproof(&["run"]).expect(2)
    };
    for data in ["{files: photos/}", "photos"] {
        pipeline(data).says(&["the files of a data source", "under 'steps'"]);
    }
    for key in [
        "schema: {a: date}",
        "statistics: none",
        "expect: {rows: {min: 1}}",
        "delimiter: \";\"",
    ] {
        pipeline(&format!("{{files: photos/, {key}}}")).says(&["' is for "]);
    }
    project.write(
        "pipelines/p.yaml",
        "pipeline: p\ndata: {name: photos, expect: {rows: {min: 1}}}\nsteps:\n  a:\n    shell: cp -r \
         /reproof/in/p /reproof/out/o\n    inputs: {p: data}\n    outputs: {o: o/}\n",
    );
    project.write(
        "reproof.toml",
        "[data.photos]\nfiles = \"photos/\"\n[environments.default]\nsystem = [\"cp\"]\n",
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["is files, of which nothing can be expected"]);
}

#[test]
fn named_files_have_a_history() {
    let project = photos("photos");
    project
        .reproof(&[
            "data", "add", "photos", "photos/", "--format", "files", "-m", "first",
        ])
        .expect(0);
    assert!(
        project
            .read("reproof.toml")
            .contains("[data.photos]\nfiles = \"photos\"\n")
    );
    project.reproof(&["data", "tag", "photos", "v1"]).expect(0);
    project.run(&[]);
    project.write("photos/a.txt", "other\n");
    project.write("photos/c", "third\n");
    std::fs::remove_file(project.path("photos/.kept")).unwrap();
    let commit = project
        .reproof(&["data", "commit", "photos", "-m", "more"])
        .expect(0)
        .out;
    // A stored version of files goes to programs as they did.
    let now = project.read("pipelines/steps.yaml");
    project.edit(
        "pipelines/steps.yaml",
        "data: photos",
        "data: {version: photos@v1}",
    );
    let stored = project.run(&[]);
    assert!(
        statuses(&stored)
            .iter()
            .all(|(_, status)| status == "cached")
    );
    project.write("pipelines/steps.yaml", &now);
    assert!(commit.contains("3 files, was 3 files"), "{commit}");
    let again = project
        .reproof(&["data", "commit", "photos", "-m", "again"])
        .expect(0)
        .out;
    assert!(again.contains("unchanged"), "{again}");
    let log = project.reproof(&["data", "log", "photos"]).expect(0).out;
    assert_eq!(log.matches("3 files").count(), 2, "{log}");
    let diff = project
        .reproof(&["data", "diff", "photos@v1", "photos"])
        .expect(0)
        .out;
    for line in [
        "files 3 → 3: 1 added, 1 removed, 1 changed",
        "- .kept",
        "+ c",
        "~ a.txt",
    ] {
        assert!(diff.contains(line), "{diff}");
    }
    let diff = project
        .reproof(&["data", "diff", "photos@v1", "photos", "--json"])
        .json();
    assert_eq!(diff["diff"]["changed"], serde_json::json!(["a.txt"]));
    project.reproof(&["gc"]).expect(0);
    for (command, folder) in [("restore", "r"), ("export", "e")] {
        project
            .reproof(&["data", command, "photos@v1", folder])
            .expect(0);
        assert_eq!(project.read(&format!("{folder}/a.txt")), "first\n");
        assert!(project.path(&format!("{folder}/.kept")).is_file());
        let mode = std::fs::metadata(project.path(&format!("{folder}/b/run.sh"))).unwrap();
        assert_ne!(mode.permissions().mode() & 0o100, 0);
        project
            .reproof(&["data", command, "photos@v1", folder])
            .expect(2)
            .says(&["is there already"]);
    }
    let uses = project
        .reproof(&["data", "used-by", "photos@v1"])
        .expect(0)
        .out;
    assert!(uses.contains("record"), "{uses}");
    let show = project
        .reproof(&["data", "show", "photos@v1", "--json"])
        .json();
    assert_eq!(show["files"][1]["path"], "a.txt");
    assert_eq!(show["files"][1]["size"], 6);
    project.reproof(&["fsck"]).expect(0);
}

#[test]
fn files_travel_with_their_record() {
    let project = photos("{files: photos}");
    let record = project.record(&[]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bundle");
    project
        .reproof(&["bundle", "create", &record[..12], file.to_str().unwrap()])
        .expect(0);
    drop(project);
    let cache = TempDir::new().unwrap();
    let other = Project::empty();
    other.write("reproof.toml", "");
    for arguments in [
        ["bundle", "open", file.to_str().unwrap()].as_slice(),
        &["verify", &record],
    ] {
        let mut command = other.command(arguments);
        call(command.env("XDG_CACHE_HOME", cache.path())).expect(0);
    }
}
