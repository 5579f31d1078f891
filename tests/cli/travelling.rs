//! The history of named data on remotes and in bundles.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Call, Project};

const FIRST: &str = "id,price,sold\n1,10.5,No\n2,3,Yes\n3,7,No\n";
const SECOND: &str = "id,price,sold\n1,10.5,No\n2,4,Yes\n3,7,No\n4,0.1,Yes\n";
const THIRD: &str = "id,price,sold\n1,9,No\n";

/// A pipeline whose only step splits its data.
const PIPELINE: &str = "pipeline: goods\ndata: goods\nsteps:\n  halves:\n    operation: split_random\n    \
                        inputs: {table: data}\n    parameters: {ratios: {train: 0.5, eval: 0.5}}\n";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A project with the data `goods` in two versions, the first of which has a tag, and a remote.
fn goods(remote: &Path) -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write("pipelines/goods.yaml", PIPELINE);
    connect(&project, remote);
    append(&project, FIRST, "first");
    project.reproof(&["data", "tag", "goods", "v1"]).expect(0);
    append(&project, SECOND, "second");
    project
}

fn connect(project: &Project, remote: &Path) {
    let url = format!("file://{}", remote.display());
    project
        .reproof(&["remote", "add", "origin", &url])
        .expect(0);
}

/// Writes the source and appends it as a version.
#[track_caller]
fn append(project: &Project, source: &str, message: &str) {
    project.write("data/goods.csv", source);
    let declared = project.read("reproof.toml").contains("[data.goods]");
    let call = if declared {
        project.reproof(&["data", "commit", "goods", "-m", message])
    } else {
        project.reproof(&["data", "add", "goods", "data/goods.csv", "-m", message])
    };
    call.expect(0);
}

/// An empty project elsewhere with the same remote.
fn elsewhere(remote: &Path) -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    connect(&project, remote);
    project
}

fn messages(project: &Project) -> Vec<String> {
    let log = project
        .reproof(&["data", "log", "goods", "--all", "--json"])
        .json();
    let versions = log["versions"].as_array().unwrap().iter();
    versions
        .map(|version| version["entry"]["message"].as_str().unwrap().to_owned())
        .collect()
}

fn is_well(project: &Project) {
    project.reproof(&["fsck", "--full"]).expect(0);
}

#[test]
fn a_pushed_record_brings_the_history_of_its_data() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    let record = project.record(&[]);
    let pushed = project.reproof(&["push", "--json"]).json();
    assert_eq!(pushed["data"][0]["versions"], 2, "{pushed}");
    let again = project.reproof(&["push", "--json"]).json();
    assert_eq!(
        (&again["data"][0]["versions"], &again["entries"]),
        (&0.into(), &0.into())
    );

    let other = elsewhere(remote.path());
    let pulled = other.reproof(&["pull", &record, "--json"]).json();
    assert_eq!(pulled["data"][0]["name"], "goods", "{pulled}");
    assert_eq!(messages(&other), ["second", "first"]);
    let log = other.reproof(&["data", "log", "goods"]).expect(0).out;
    assert!(log.contains("(head)") && log.contains("(v1)"), "{log}");
    // What was not fetched is not missed.
    is_well(&other);
    // The bytes of the tag come when they are asked for.
    let file = other.path("old.csv");
    other
        .reproof(&["data", "restore", "goods@v1", text(&file)])
        .expect(0)
        .says(&["fetched from 'origin'"]);
    assert_eq!(other.read("old.csv"), FIRST);
    other
        .reproof(&["data", "diff", "goods@v1", "goods", "--key", "id"])
        .expect(0);
    std::fs::remove_dir_all(remote.path()).unwrap();
    let diff = other
        .reproof(&["data", "diff", "goods@v1", "goods", "--key", "id"])
        .expect(0);
    assert!(diff.out.contains("1 added"), "{}", diff.out);
    is_well(&other);
}

#[test]
fn a_history_travels_by_its_name() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    append(&project, THIRD, "third");
    project.reproof(&["push", "data:goods"]).expect(0);
    project
        .reproof(&["push", "data:godos"])
        .expect(2)
        .says(&["did you mean 'goods'?"]);
    let other = elsewhere(remote.path());
    other
        .reproof(&["pull", "data:godos"])
        .expect(2)
        .says(&["did you mean data:goods?"]);
    other.reproof(&["pull", "data:goods"]).expect(0);
    assert_eq!(messages(&other), ["third", "second", "first"]);
    // The bytes of every version are there, not only those of head and tags.
    let file = other.path("second.csv");
    other
        .reproof(&["data", "restore", "goods@~1", text(&file)])
        .expect(0);
    assert_eq!(other.read("second.csv"), SECOND);
    is_well(&other);

    // What is appended there is taken here, and the other way round.
    append(&other, FIRST, "fourth");
    other.reproof(&["push", "data:goods"]).expect(0);
    project.reproof(&["pull", "data:goods"]).expect(0);
    assert_eq!(messages(&project), ["fourth", "third", "second", "first"]);
    append(&project, SECOND, "fifth");
    project.reproof(&["push", "data:goods"]).expect(0);
    // Whoever is only behind pushes nothing back.
    other.reproof(&["push", "data:goods"]).expect(40);
    other.reproof(&["pull", "--all"]).expect(0);
    other.reproof(&["push", "data:goods"]).expect(0);
    assert_eq!(messages(&other).len(), 5);
}

#[test]
fn histories_that_went_different_ways_are_not_joined() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    project.reproof(&["push", "data:goods"]).expect(0);
    let other = elsewhere(remote.path());
    other.reproof(&["pull", "data:goods"]).expect(0);
    append(&project, THIRD, "ours");
    append(&other, FIRST, "theirs");
    project.reproof(&["data", "tag", "goods", "best"]).expect(0);
    other.reproof(&["data", "tag", "goods", "best"]).expect(0);
    other.reproof(&["push", "data:goods"]).expect(0);
    let refused = project.reproof(&["push", "data:goods"]).expect(40).says(&[
        "went different ways",
        "goods@best",
        "data head",
        "--replace",
    ]);
    // Both heads are named.
    for project in [&project, &other] {
        let log = project.reproof(&["data", "log", "goods", "--json"]).json();
        let head = log["versions"][0]["id"].as_str().unwrap()[..12].to_owned();
        assert!(refused.err.contains(&head), "{}", refused.err);
    }
    project
        .reproof(&["pull", "data:goods"])
        .expect(40)
        .says(&["went different ways"]);
    // Nothing is lost: their version is here, beside ours.
    let all = messages(&project);
    assert!(all.contains(&"theirs".to_owned()), "{all:?}");
    assert_eq!(all[0], "ours");
    project
        .reproof(&["push", "data:goods", "--replace"])
        .expect(0);
    let third = elsewhere(remote.path());
    third.reproof(&["pull", "data:goods"]).expect(0);
    assert_eq!(messages(&third), ["ours", "second", "first", "theirs"]);
    let file = third.path("best.csv");
    third
        .reproof(&["data", "restore", "goods@best", text(&file)])
        .expect(0);
    assert_eq!(third.read("best.csv"), THIRD);
}

#[test]
fn two_heads_at_once_are_seen_by_everybody() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    project.reproof(&["push", "data:goods"]).expect(0);
    let other = elsewhere(remote.path());
    other.reproof(&["pull", "data:goods"]).expect(0);
    append(&project, THIRD, "ours");
    append(&other, FIRST, "theirs");
    // Both push in the same moment: neither sees the other's event.
    let refs = remote.path().join("refs/goods");
    let kept = TempDir::new().unwrap();
    let moved = |from: &Path, to: &Path, known: &[std::ffi::OsString]| {
        for entry in std::fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            if !known.contains(&name) {
                std::fs::rename(from.join(&name), to.join(&name)).unwrap();
            }
        }
    };
    let known: Vec<_> = std::fs::read_dir(&refs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    other.reproof(&["push", "data:goods"]).expect(0);
    moved(&refs, kept.path(), &known);
    project.reproof(&["push", "data:goods"]).expect(0);
    moved(kept.path(), &refs, &[]);
    for project in [&project, &other] {
        project
            .reproof(&["pull", "data:goods"])
            .expect(40)
            .says(&["went different ways"]);
        assert_eq!(messages(project).len(), 4);
    }
    let third = elsewhere(remote.path());
    third
        .reproof(&["pull", "data:goods"])
        .expect(40)
        .says(&["several heads"]);
    project
        .reproof(&["push", "data:goods", "--replace"])
        .expect(0);
    third.reproof(&["push", "data:goods"]).expect(40);
    project.reproof(&["pull", "data:goods"]).expect(0);
}

#[test]
fn a_document_that_is_wrong_is_refused() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    project.reproof(&["push", "data:goods"]).expect(0);
    let folder = remote.path().join("versions/goods");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    // The documents of two versions, exchanged: each is right, and none is what its name says.
    let bytes = [&files[0], &files[1]].map(|file| std::fs::read(file).unwrap());
    std::fs::write(&files[0], &bytes[1]).unwrap();
    let other = elsewhere(remote.path());
    let damaged = |call: Call, says: &[&str]| {
        call.expect(30).says(says);
        other
            .reproof(&["data", "log", "goods"])
            .expect(2)
            .says(&["no data 'goods'"]);
    };
    damaged(
        other.reproof(&["pull", "data:goods"]),
        &["versions/goods", "not this version"],
    );
    std::fs::write(&files[0], &bytes[0][..100]).unwrap();
    damaged(other.reproof(&["pull", "data:goods"]), &["check sum"]);
    std::fs::write(&files[0], &bytes[0]).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let pulled = other.reproof(&["pull", "data:goods"]);
    // Which of the two is gone decides whether the other one can stand alone.
    assert!([0, 31].contains(&pulled.code), "{}", pulled.err);
    std::fs::write(&files[1], &bytes[1]).unwrap();
    other.reproof(&["pull", "data:goods"]).expect(0);
    assert_eq!(messages(&other), ["second", "first"]);
}

#[test]
fn a_bundle_holds_the_versions_that_its_record_uses() {
    let (remote, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let project = goods(remote.path());
    let record = project.record(&[]);
    append(&project, THIRD, "third, of which the record knows nothing");
    let file = folder.path().join("goods.bundle");
    project
        .reproof(&["bundle", "create", &record, text(&file)])
        .expect(0);
    let other = Project::empty();
    other.write("reproof.toml", "");
    other.reproof(&["bundle", "open", text(&file)]).expect(0);
    assert_eq!(messages(&other), ["second", "first"]);
    other.reproof(&["verify", &record]).expect(0);
    is_well(&other);
    // The same bytes again.
    let again = folder.path().join("again.bundle");
    other
        .reproof(&["bundle", "create", &record, text(&again)])
        .expect(0);
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes, std::fs::read(&again).unwrap());
    assert!(String::from_utf8_lossy(&bytes[..200]).contains("reproof.bundle/2"));
    // The first version's own bytes are not in it.
    let restored = other.path("first.csv");
    other
        .reproof(&["data", "restore", "goods@~1", text(&restored)])
        .expect(14)
        .says(&["are not here"]);
}

#[test]
fn a_pipeline_names_a_version_by_its_id() {
    let remote = TempDir::new().unwrap();
    let project = goods(remote.path());
    let record = project.record(&[]);
    let list = project.reproof(&["data", "log", "goods", "--json"]).json();
    let content = |version: &Value| {
        let digest = &version["entry"]["content"]["digest"];
        digest.as_str().unwrap().to_owned()
    };
    let second = content(&list["versions"][0]);
    let named = PIPELINE.replace(
        "data: goods",
        &format!("data: {{version: \"data:{}\"}}", &second[..10]),
    );
    project.write("pipelines/goods.yaml", &named);
    assert_eq!(project.record(&[]), record, "the same data, another record");
    let lock = project.read("reproof.lock");
    assert!(
        lock.contains(&format!("version:data:{}", &second[..10])),
        "{lock}"
    );
    project.reproof(&["run", "--locked"]).expect(0);
    project.reproof(&["push", "data:goods"]).expect(0);
    // Elsewhere the lock file alone says which version it is, and the remote has it.
    let other = elsewhere(remote.path());
    other.write("pipelines/goods.yaml", &named);
    other.write("reproof.lock", &lock);
    let run = other.run(&["--locked"]);
    assert_eq!(run["record"], record.as_str());
    for (bad, says) in [
        ("data:8c", "not a stored version of data"),
        ("data:0000000000", "nothing here is named"),
    ] {
        project.write(
            "pipelines/goods.yaml",
            &PIPELINE.replace("data: goods", &format!("data: {{version: \"{bad}\"}}")),
        );
        project.reproof(&["run"]).expect(2).says(&[says]);
    }
}
