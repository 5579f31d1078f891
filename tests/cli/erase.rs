//! `reproof data erase`: every byte is gone, and what happened is known.

use std::path::Path;

use reproof_record::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Call, Project, call};

/// Something that only one version holds.
const SECRET: &str = "Hildegard-Unverwechselbar";
const PIPELINE: &str = "pipeline: people\ndata: people\nsteps:\n  halves:\n    operation: split_random\n    \
                        inputs: {table: data}\n    parameters: {ratios: {train: 0.5, eval: 0.5}}\n";

/// A table of many people, the last of whom has this name.
fn people(last: &str) -> String {
    let mut text = String::from("id,name,value\n");
    for row in 0_u64..60_000 {
        let noise = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name = if row == 30_000 {
            last.to_owned()
        } else {
            format!("person {:x}", noise >> 24)
        };
        text.push_str(&format!("{row},{name},{}\n", noise >> 40));
    }
    text
}

/// A project with three versions of `people`. The first one holds the secret; the others are stored
/// as what changed.
fn project() -> Project {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write("pipelines/people.yaml", PIPELINE);
    project.write("data/people.csv", &people(SECRET));
    project
        .reproof(&["data", "add", "people", "data/people.csv", "-m", "first"])
        .expect(0);
    project
}

fn second(project: &Project) {
    project.write("data/people.csv", &people("nobody"));
    project
        .reproof(&["data", "commit", "people", "-m", "without"])
        .expect(0);
}

const ERASE: [&str; 6] = [
    "data",
    "erase",
    "people@~1",
    "--reason",
    "asked for",
    "--yes",
];

/// Whether any entry of a store's packs, or of the files in this folder, holds a text.
fn holds(folder: &Path, store: &reproof_store::Store, text: &str) -> bool {
    let contains = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let entries = store.blobs().unwrap();
    let in_entries = entries
        .iter()
        .any(|digest| contains(&store.read(digest, 1 << 30).unwrap_or_default()));
    in_entries
        || files(folder)
            .iter()
            .any(|file| contains(&std::fs::read(file).unwrap()))
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all
}

fn has_secret(project: &Project) -> bool {
    holds(&project.path(".reproof"), &project.store(), SECRET)
}

fn log(project: &Project) -> Vec<Value> {
    let log = project
        .reproof(&["data", "log", "people", "--all", "--json"])
        .json();
    log["versions"].as_array().unwrap().clone()
}

#[test]
fn no_byte_of_an_erased_version_stays() {
    let project = project();
    let record = project.record(&[]);
    second(&project);
    assert!(has_secret(&project), "it was never there");
    let bundle = project.path("given.bundle");
    project
        .reproof(&["bundle", "create", &record, bundle.to_str().unwrap()])
        .expect(0);

    // First only the plan.
    let dry: Vec<&str> = ERASE[..5].iter().copied().chain(["--dry-run"]).collect();
    let plan = project.reproof(&dry).expect(0).out;
    for says in [
        "people@",
        "table",
        "split_random",
        &record[..12],
        "given.bundle",
        "shared",
        "reproof data erase people@",
        "is not touched",
    ] {
        assert!(plan.contains(says), "no '{says}' in\n{plan}");
    }
    project
        .reproof(&ERASE[..5])
        .expect(40)
        .says(&["nothing was erased", "--yes"]);
    assert!(has_secret(&project));
    assert!(
        log(&project)
            .iter()
            .all(|version| version["erased"].is_null())
    );

    let erased = project.reproof(&ERASE).expect(0);
    assert!(erased.out.contains("erased"), "{}", erased.out);
    assert!(!has_secret(&project), "{}", erased.out);
    // The other version is whole.
    let file = project.path("second.csv");
    project
        .reproof(&["data", "restore", "people", file.to_str().unwrap()])
        .expect(0);
    assert_eq!(project.read("second.csv"), people("nobody"));
    project.reproof(&["fsck", "--full"]).expect(0);
    project.reproof(&["data", "show", "people"]).expect(0);

    // What happened is known.
    let versions = log(&project);
    assert_eq!(versions[1]["erased"]["reason"], "asked for", "{versions:?}");
    assert!(versions[0]["erased"].is_null());
    let shown = project.reproof(&["data", "log", "people"]).expect(0).out;
    assert!(
        shown.contains("was erased on") && shown.contains("asked for"),
        "{shown}"
    );
    let shown = project.reproof(&["show", &record]).expect(0).out;
    assert!(shown.contains("was erased on"), "{shown}");
    let shown = project.reproof(&["show", &record, "--json"]).json();
    assert_eq!(shown["erased"]["data"]["reason"], "asked for", "{shown}");
    let file = project.path("again.bundle");
    project
        .reproof(&["bundle", "create", &record, file.to_str().unwrap()])
        .expect(14)
        .says(&["was erased on"]);
    let verified = project.reproof(&["verify", &record]).expect(14);
    assert!(
        verified.out.contains("asked for") || verified.err.contains("asked for"),
        "{}{}",
        verified.out,
        verified.err
    );
    for arguments in [
        &["data", "restore", "people@~1", "x.csv"][..],
        &["data", "export", "people@~1", "x.csv"],
        &["data", "diff", "people@~1", "people"],
        &["data", "show", "people@~1"],
    ] {
        project
            .reproof(arguments)
            .expect(14)
            .says(&["was erased on", "asked for"]);
    }
    // Again, and gc: nothing is left to do, and nothing breaks.
    project.reproof(&ERASE).expect(0);
    project.reproof(&["gc"]).expect(0);
    project.reproof(&["fsck", "--full"]).expect(0);
}

#[test]
fn what_was_erased_does_not_come_back_by_itself() {
    let project = project();
    let record = project.record(&[]);
    let bundle = project.path("given.bundle");
    let bundle = bundle.to_str().unwrap();
    project
        .reproof(&["bundle", "create", &record, bundle])
        .expect(0);
    second(&project);
    project.reproof(&ERASE).expect(0);
    project.write("data/people.csv", &people(SECRET));
    let says = ["was erased on", "asked for", "--allow-erased"];
    project.reproof(&["run"]).expect(40).says(&says);
    project
        .reproof(&["data", "commit", "people", "-m", "again"])
        .expect(40)
        .says(&says);
    project
        .reproof(&["bundle", "open", bundle])
        .expect(40)
        .says(&says);
    assert!(!has_secret(&project));
    // Who insists may, and that is known, too.
    project.reproof(&["run", "--allow-erased"]).expect(0);
    assert!(has_secret(&project));
    project.reproof(&["gc"]).expect(0);
    project.reproof(&["fsck", "--full"]).expect(0);
    project.reproof(&["verify", &record]).expect(0);
    assert!(
        log(&project)
            .iter()
            .all(|version| version["erased"].is_null())
    );
    let shown = project.reproof(&["show", &record, "--json"]).json();
    assert_eq!(shown["erased"], serde_json::json!({}), "{shown}");
    // And once more.
    let again = ["data", "erase", "people", "--reason", "again", "--yes"];
    project.reproof(&again).expect(0);
    assert!(!has_secret(&project));
}

#[test]
fn remotes_forget_it_with_the_next_push_and_do_not_get_it_back() {
    let folder = TempDir::new().unwrap();
    let remote = folder.path().join("remote");
    let url = format!("file://{}", remote.display());
    let project = project();
    let record = project.record(&[]);
    second(&project);
    let other = Project::empty();
    other.write("reproof.toml", "");
    for project in [&project, &other] {
        project
            .reproof(&["remote", "add", "origin", &url])
            .expect(0);
    }
    project.reproof(&["push", "--all"]).expect(0);
    other.reproof(&["pull", "--all"]).expect(0);
    assert!(remote_holds(&remote, SECRET));

    project.reproof(&ERASE).expect(0);
    assert!(remote_holds(&remote, SECRET), "nobody told the remote yet");
    project
        .reproof(&["push", "data:people"])
        .expect(0)
        .says(&["is gone from 'origin'"]);
    assert!(!remote_holds(&remote, SECRET));

    // Somebody who has it still cannot bring it back.
    other
        .reproof(&["push", &record])
        .expect(40)
        .says(&["was erased on", "data erase"]);
    other.reproof(&["push", "--all"]).expect(0);
    assert!(!remote_holds(&remote, SECRET));
    // Nor does anybody get it.
    let third = Project::empty();
    third.write("reproof.toml", "");
    third.reproof(&["remote", "add", "origin", &url]).expect(0);
    third
        .reproof(&["pull", &record])
        .expect(14)
        .says(&["was erased on", "asked for"]);
    third.reproof(&["pull", "data:people"]).expect(0);
    let file = third.path("second.csv");
    third
        .reproof(&["data", "restore", "people", file.to_str().unwrap()])
        .expect(0);
    assert_eq!(third.read("second.csv"), people("nobody"));
    project.reproof(&["verify", &record]).expect(14);
    assert!(!has_secret(&project));
}

#[test]
fn a_bucket_forgets_it_too() {
    let bucket = crate::s3::Bucket::new("erase");
    let keyed = |project: &Project, arguments: &[&str]| -> Call {
        let mut command = project.command(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        call(&mut command)
    };
    let url = format!("s3://{}/team/a", bucket.name);
    let endpoint = bucket.endpoint();
    let project = project();
    let record = project.record(&[]);
    second(&project);
    let others = [Project::empty(), Project::empty()];
    for other in &others {
        other.write("reproof.toml", "");
    }
    for project in [&project, &others[0], &others[1]] {
        let add = ["remote", "add", "origin", &url, "--endpoint", &endpoint];
        keyed(project, &add).expect(0);
    }
    keyed(&project, &["push", "--all"]).expect(0);
    keyed(&others[0], &["pull", "--all"]).expect(0);
    keyed(&project, &ERASE).expect(0);
    bucket.requests();
    keyed(&project, &["push", "data:people"])
        .expect(0)
        .says(&["is gone from 'origin'"]);
    let requests = bucket.requests();
    let deleted = |what: &str| {
        let mut lines = requests.iter();
        lines.any(|line| line.starts_with("DELETE") && line.contains(what))
    };
    assert!(deleted("/packs/") && deleted("/index/"), "{requests:?}");
    keyed(&others[0], &["push", &record]).expect(40);
    keyed(&others[1], &["pull", &record]).expect(14);
    keyed(&others[1], &["pull", "data:people"]).expect(0);
    let file = others[1].path("second.csv");
    keyed(
        &others[1],
        &["data", "restore", "people", file.to_str().unwrap()],
    )
    .expect(0);
    assert_eq!(others[1].read("second.csv"), people("nobody"));
}

/// Whether anything that can be fetched from a remote, or lies in its files, holds a text.
fn remote_holds(remote: &Path, text: &str) -> bool {
    let project = Project::empty();
    project.write("reproof.toml", "");
    // The packs of a remote are those of a store.
    project.reproof(&["log"]).expect(0);
    let packs = project.path(".reproof/store/packs");
    for pack in std::fs::read_dir(remote.join("packs")).unwrap() {
        let pack = pack.unwrap();
        std::fs::copy(pack.path(), packs.join(pack.file_name())).unwrap();
    }
    holds(remote, &project.store(), text)
}

#[test]
fn whoever_is_killed_finishes_it_the_next_time() {
    let project = project();
    project.record(&[]);
    second(&project);
    for pause in [0, 5, 10, 20, 40, 60, 80, 120, 160, 250, 400] {
        let mut child = project.command(&ERASE).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        project.reproof(&["fsck", "--quick"]).expect(0);
    }
    project.reproof(&ERASE).expect(0);
    assert!(!has_secret(&project));
    project.reproof(&["fsck", "--full"]).expect(0);
    let events = log(&project);
    assert_eq!(events[1]["erased"]["reason"], "asked for");
}

#[test]
fn a_process_that_may_rely_on_it_is_waited_for() {
    let project = project();
    second(&project);
    // This process has the store open.
    let store = project.store();
    project
        .reproof(&ERASE)
        .expect(40)
        .says(&["noted as erased", "once the others have ended"]);
    drop(store);
    // What is noted is noted: gc finishes it, too.
    project.reproof(&["gc"]).expect(0);
    assert!(!has_secret(&project));
    project.reproof(&ERASE).expect(0);
}

#[test]
fn models_stay_unless_they_are_named() {
    let project = Project::diabetes();
    let toml = project.read("reproof.toml");
    project.write(
        "reproof.toml",
        &format!("{toml}\n[data.pima]\ncsv = \"data/pima_diabetes.csv\"\n"),
    );
    let run = project.run(&[]);
    let record = run["record"].as_str().unwrap();
    let model: Digest = run["execution"]["steps"]["train"]["outputs"]["model"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let erase = |more: &[&'static str]| {
        let all = ["data", "erase", "pima", "--reason", "asked for", "--json"];
        let all: Vec<&str> = all.into_iter().chain(more.iter().copied()).collect();
        project.reproof(&all).json()
    };
    let plan = erase(&["--dry-run"]);
    let kept = plan["kept_models"].as_array().unwrap();
    let is_model = |made: &Value| made["artifact"]["digest"] == model.to_string().as_str();
    assert!(kept.iter().any(is_model), "{plan}");
    let derived = plan["derived"].as_array().unwrap();
    assert!(derived.len() > 3, "{plan}");
    let shown = |project: &Project| project.reproof(&["show", record]).expect(0).out;
    erase(&["--yes"]);
    assert!(project.store().contains(&model).unwrap());
    // The figures are there still.
    assert!(shown(&project).contains("roc_auc"), "{}", shown(&project));
    project.reproof(&["fsck", "--full"]).expect(0);
    project.reproof(&["verify", record]).expect(14);
    let read = project.reproof(&["run"]).expect(40);
    assert!(read.err.contains("was erased on"), "{}", read.err);
}

#[test]
fn rows_that_a_run_told_of_go_too() {
    let project = Project::empty();
    project.write("reproof.toml", "[data.people]\ncsv = \"data/people.csv\"\n");
    project.write("data/people.csv", &format!("id,name\n1,ada\n2,{SECRET}\n"));
    let expecting = PIPELINE.replace(
        "data: people",
        "data: {name: people, expect: {allowed: {name: [ada]}}}",
    );
    project.write("pipelines/people.yaml", &expecting);
    let run = project.reproof(&["run"]).expect(10);
    assert!(run.out.contains(SECRET), "{}", run.out);
    assert!(has_secret(&project));
    project
        .reproof(&["data", "erase", "people", "--reason", "asked for", "--yes"])
        .expect(0);
    assert!(!has_secret(&project));
    // What became of the expectation is known still.
    let log = project.reproof(&["log", "--json"]).json();
    let shown = log.to_string();
    assert!(!shown.contains(SECRET), "{shown}");
    project.reproof(&["fsck", "--full"]).expect(0);
}

#[test]
fn a_project_that_shares_the_store_keeps_what_it_needs() {
    let home = TempDir::new().unwrap();
    let reproof = |project: &Project, arguments: &[&str]| -> Call {
        let mut command = project.command(arguments);
        call(command.env("XDG_DATA_HOME", home.path()))
    };
    let projects = [Project::empty(), Project::empty()];
    for project in &projects {
        project.write("reproof.toml", "[store]\nlocation = \"user\"\n");
        project.write("data/people.csv", &people(SECRET));
        let add = ["data", "add", "people", "data/people.csv"];
        reproof(project, &add).expect(0);
    }
    let store = || {
        let root = home.path().join("reproof/store");
        let io = std::sync::Arc::new(reproof_store::fs::RealIo);
        reproof_store::Store::open(&root, io).unwrap()
    };
    let erase = ["data", "erase", "people", "--reason", "asked for", "--yes"];
    let other = projects[1].root().file_name().unwrap().to_str().unwrap();
    reproof(&projects[0], &erase)
        .expect(40)
        .says(&["uses the same store", other]);
    assert!(holds(home.path(), &store(), SECRET));
    reproof(&projects[1], &["fsck", "--full"]).expect(0);
    reproof(&projects[1], &erase).expect(0);
    assert!(!holds(home.path(), &store(), SECRET));
    for project in &projects {
        reproof(project, &erase).expect(0);
        reproof(project, &["fsck", "--full"]).expect(0);
    }
}

#[test]
fn what_only_a_remote_has_of_it_goes_whole() {
    let folder = TempDir::new().unwrap();
    let remote = folder.path().join("remote");
    let url = format!("file://{}", remote.display());
    let project = project();
    second(&project);
    let other = Project::empty();
    other.write("reproof.toml", "");
    for project in [&project, &other] {
        project
            .reproof(&["remote", "add", "origin", &url])
            .expect(0);
    }
    project.reproof(&["push", "data:people"]).expect(0);
    // Here there are only documents.
    other.reproof(&["pull", "data:people"]).expect(0);
    assert!(!has_secret(&other));
    other.reproof(&ERASE).expect(0);
    assert!(!has_secret(&other));
    other.reproof(&["push", "data:people"]).expect(0);
    assert!(!remote_holds(&remote, SECRET));
    other.reproof(&["fsck", "--full"]).expect(0);
    // The other version is whole.
    let file = other.path("second.csv");
    other
        .reproof(&["data", "restore", "people", file.to_str().unwrap()])
        .expect(0);
    assert_eq!(other.read("second.csv"), people("nobody"));
}

#[test]
fn an_erasure_needs_a_version_and_a_reason() {
    let project = project();
    project
        .reproof(&["data", "erase", "people", "--yes"])
        .expect(2)
        .says(&["--reason"]);
    project
        .reproof(&["data", "erase", "people", "--reason", " ", "--yes"])
        .expect(2)
        .says(&["the reason is empty"]);
    project
        .reproof(&["data", "erase", "peple", "--reason", "x", "--yes"])
        .expect(2)
        .says(&["people"]);
    assert!(has_secret(&project));
}
