//! `fsck` and `gc`: what is stored is looked at, and what nobody needs is deleted.

use std::process::Stdio;

use serde_json::Value;

use crate::support::Project;

/// Stores something that nobody needs.
fn litter(project: &Project, text: &str) -> reproof_record::Digest {
    let store = project.store();
    let mut batch = store.batch();
    let digest = batch.put(text.repeat(999).as_bytes()).unwrap().digest;
    batch.commit().unwrap();
    digest
}

#[test]
fn gc_deletes_what_nobody_needs_and_nothing_else() {
    let project = Project::committed();
    let records: Vec<String> = ["seed=1", "seed=2"]
        .map(|set| project.record(&["--set", set]))
        .into();
    project.reproof(&["data", "list"]).expect(0);
    let shown: Vec<String> = records
        .iter()
        .map(|record| project.reproof(&["show", record]).expect(0).out)
        .collect();
    let litter = litter(&project, "nobody needs this");
    let dry = project.reproof(&["gc", "--dry-run", "--json"]).json();
    assert_eq!(dry["dead"], 1);
    assert!(project.store().contains(&litter).unwrap());
    let done = project.reproof(&["gc", "--json"]).json();
    assert_eq!(
        (&done["dead"], &done["waiting"]),
        (&dry["dead"], &Value::Bool(false))
    );
    assert!(!project.store().contains(&litter).unwrap());
    for (record, shown) in records.iter().zip(shown) {
        assert_eq!(project.reproof(&["show", record]).expect(0).out, shown);
        project.reproof(&["verify", record]).expect(0);
        let code = project.path(&format!("code-{record}"));
        project
            .reproof(&["checkout", record, code.to_str().unwrap()])
            .expect(0);
        std::fs::remove_dir_all(code).unwrap();
    }
    let checked = project.reproof(&["fsck"]).expect(0).out;
    for text in ["every bit", "all of it is there"] {
        assert!(checked.contains(text), "{checked}");
    }
    let again = project
        .reproof(&["run", "--json", "--set", "seed=2"])
        .json();
    assert_eq!(again["record"], records[1].as_str());
    let steps = again["execution"]["steps"].as_object().unwrap();
    assert!(
        steps.values().all(|step| step["status"] == "cached"),
        "{steps:?}"
    );
}

#[test]
fn fsck_names_who_needs_what_is_damaged() {
    let project = Project::diabetes();
    let run = project.run(&[]);
    let record = run["record"].as_str().unwrap().to_owned();
    let model = project.output_file(&run, "train", "model");
    project.reproof(&["fsck"]).expect(0);
    project.reproof(&["fsck", "--quick"]).expect(0);
    project.damage_blob(&model);
    // What was not hashed was not found.
    project.reproof(&["fsck", "--quick"]).expect(0);
    let found = project.reproof(&["fsck"]).expect(30);
    let model = model.to_hex();
    for text in [
        model.as_str(),
        "model.json",
        &record[..12],
        "execution x:",
        ".pack",
    ] {
        assert!(found.out.contains(text), "no '{text}' in {}", found.out);
    }
    assert!(found.err.contains("reproof verify"), "{}", found.err);
    let document = project.reproof(&["fsck", "--json"]);
    assert_eq!(document.code, 30);
    let document: Value = serde_json::from_str(&document.out).unwrap();
    assert_eq!(document["lost"][0]["digest"], model);
    // Made again it is there again; the damaged copy is still told of until `gc` removes it.
    project.reproof(&["verify", &record]).expect(30);
    let found = project.reproof(&["fsck"]).expect(30);
    assert!(!found.out.contains("lost  "), "{}", found.out);
    assert!(found.err.contains("another copy"), "{}", found.err);
    project.reproof(&["gc"]).expect(0);
    project.reproof(&["fsck"]).expect(0);
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn fsck_finds_what_is_missing() {
    let project = Project::diabetes();
    let run = project.run(&[]);
    let needed = format!("record {}", &run["record"].as_str().unwrap()[..12]);
    let model = project.output_file(&run, "train", "model");
    for place in project.store().whereabouts(&model).unwrap() {
        std::fs::remove_file(place.path).unwrap();
    }
    for arguments in [&["fsck", "--quick"][..], &["fsck"]] {
        let found = project.reproof(arguments).expect(30);
        assert!(found.out.contains("missing"), "{}", found.out);
        assert!(found.out.contains(&needed), "{}", found.out);
    }
}

#[test]
fn a_wrong_index_is_written_anew() {
    let project = Project::diabetes();
    project.record(&[]);
    let index = project.path(".reproof/store/index");
    assert!(!index.exists());
    project.reproof(&["fsck", "--rebuild-index"]).expect(0);
    let right = std::fs::read(&index).unwrap();
    let mut wrong = right.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    std::fs::write(&index, wrong).unwrap();
    let checked = project.reproof(&["fsck"]).expect(0).out;
    assert!(checked.contains("written anew"), "{checked}");
    assert_eq!(std::fs::read(&index).unwrap(), right);
}

/// Two projects with one store: neither loses what the other needs.
#[test]
fn a_shared_store_asks_every_project() {
    let home = tempfile::tempdir().unwrap();
    let [one, two] = [Project::diabetes(), Project::diabetes()];
    let call = |project: &Project, arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("XDG_DATA_HOME", home.path());
        crate::support::call(&mut command)
    };
    for (project, set) in [(&one, "seed=1"), (&two, "seed=2")] {
        project.write("reproof.toml", "[store]\nlocation = \"user\"\n");
        call(project, &["run", "--set", set]).expect(0);
    }
    call(&one, &["gc"]).expect(0);
    call(&two, &["verify", "@latest"]).expect(0);
    call(&one, &["verify", "@latest"]).expect(0);
    let gone = std::fs::canonicalize(two.path("")).unwrap();
    drop(two);
    let refused = call(&one, &["gc"]).expect(40);
    for text in [gone.to_str().unwrap(), "--forget"] {
        assert!(refused.err.contains(text), "{}", refused.err);
    }
    call(&one, &["gc", "--forget", one.path("").to_str().unwrap()]).expect(2);
    call(&one, &["gc", "--forget", "/nowhere/at/all"]).expect(2);
    let freed = call(&one, &["gc", "--json", "--forget", gone.to_str().unwrap()]).json();
    assert!(freed["dead"].as_u64().unwrap() > 0, "{freed}");
    call(&one, &["verify", "@latest"]).expect(0);
    call(&one, &["fsck"]).expect(0);
}

#[test]
fn runs_beside_gc_lose_nothing() {
    let project = Project::diabetes();
    litter(&project, "nobody needs this");
    let spawn = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut runs = Vec::new();
    for seed in 0..6 {
        let set = format!("seed={}", seed / 2);
        runs.push(spawn(&["run", "--json", "--set", &set]));
        // Refused while another one is at work.
        let collected = spawn(&["gc"]).wait().unwrap();
        assert!(matches!(collected.code(), Some(0 | 40)), "{collected:?}");
    }
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    project.reproof(&["gc"]).expect(0);
    for seed in 0..3 {
        let set = format!("seed={seed}");
        let record = project.record(&["--set", &set]);
        project.reproof(&["verify", &record]).expect(0);
    }
    project.reproof(&["fsck"]).expect(0);
}
