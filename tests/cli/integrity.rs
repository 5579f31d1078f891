//! Wrong bytes are found, and nothing that was acknowledged is lost.

use crate::support::{Project, call, flip};

#[test]
fn one_flipped_byte_in_any_stored_blob_is_found_by_verify() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let record = document["record"].as_str().unwrap();
    let blobs = project.store().blobs().unwrap();
    assert!(blobs.len() > 30, "{}", blobs.len());
    for blob in &blobs {
        let undo = project.damage_blob(blob);
        let call = project.reproof(&["verify", record]);
        assert_eq!(call.code, 30, "{blob}: {}", call.out);
        assert!(call.err.contains("damaged"), "{blob}: {}", call.err);
        for (path, right) in undo {
            std::fs::write(path, right).unwrap();
        }
    }
    project.reproof(&["verify", record]).expect(0);
}

/// Also in what no blob needs: the beginning of a pack, and the index at its end.
#[test]
fn one_flipped_byte_anywhere_in_the_store_is_found_by_doctor() {
    let project = Project::diabetes();
    project.record(&[]);
    for (number, path) in project.packs().iter().enumerate() {
        let right = std::fs::read(path).unwrap();
        let somewhere = 7919 * (number + 1);
        for at in [number % 8, somewhere, right.len() - 1 - number % 140] {
            flip(path, at);
            let call = project.reproof(&["doctor"]).expect(30);
            assert!(call.out.contains("damaged"), "byte {at}: {}", call.out);
            std::fs::write(path, &right).unwrap();
        }
    }
    project.reproof(&["doctor"]).expect(0);
}

#[test]
fn what_verify_makes_again_replaces_damaged_outputs() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let model = &document["execution"]["steps"]["train"]["outputs"]["model"]["digest"];
    project.damage_blob(&model.as_str().unwrap().parse().unwrap());
    let call = project
        .reproof(&["verify", "@latest"])
        .expect(30)
        .says(&["train.model", "damaged"]);
    assert!(call.out.starts_with("identical"), "{}", call.out);
    project.reproof(&["verify", "@latest"]).expect(0);
}

#[test]
fn a_damaged_record_is_found_when_it_is_read() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    project.damage_blob(&record.parse().unwrap());
    project
        .reproof(&["show", &record])
        .expect(30)
        .says(&[&record, "damaged", ".pack"]);
    project
        .reproof(&["verify", &record])
        .expect(30)
        .says(&["damaged"]);
}

#[test]
fn a_damaged_output_is_made_again() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    for blob in project.store().blobs().unwrap() {
        project.damage_blob(&blob);
    }
    let call = project
        .reproof(&["run", "--json"])
        .expect(0)
        .says(&["made again"]);
    assert!(call.out.contains(&record));
    project.reproof(&["verify", &record]).expect(0);
}

/// A file of the code that is damaged in the store is stored again by the next run, since the pack
/// that the code's tree lies in has changed.
#[test]
fn damaged_code_is_kept_again() {
    let project = Project::committed();
    let document = project.reproof(&["run", "--json"]).json();
    let tree = &document["execution"]["code"]["tree"];
    let tree = project
        .store()
        .tree(&tree.as_str().unwrap().parse().unwrap());
    let file = tree.unwrap().files[0].digest;
    project.damage_blob(&file);
    assert!(project.store().verify_blob(&file).is_err());
    project.reproof(&["verify", "@latest"]).expect(30);
    project.record(&[]);
    project.store().verify_blob(&file).unwrap();
    project.reproof(&["verify", "@latest"]).expect(0);
}

#[test]
fn a_deleted_output_is_made_again() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    for path in project.packs().iter().step_by(2) {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(project.record(&[]), record);
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn runs_at_the_same_time_all_succeed() {
    let project = Project::diabetes();
    let children: Vec<_> = (0..8)
        .map(|seed| {
            let set = format!("seed={}", seed / 2);
            let mut command = project.command(&["run", "--json", "--set", &set]);
            command
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut records = std::collections::BTreeSet::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        records.insert(document["record"].as_str().unwrap().to_owned());
    }
    assert_eq!(records.len(), 4);
    let log = project.reproof(&["log", "--json"]).json();
    assert_eq!(log["executions"].as_array().unwrap().len(), 8);
}

#[test]
fn a_later_store_is_refused() {
    let project = Project::diabetes();
    project.record(&[]);
    project.write(".reproof/store/FORMAT", "reproof.store/9\n");
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["reproof.store/9", "reproof.store/2"]);
}

#[test]
fn an_interrupted_run_leaves_the_next_one_working() {
    let project = Project::diabetes();
    let mut killed = 0;
    for round in 0..10u64 {
        let mut child = project
            .command(&["run", "--no-cache"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3 * round));
        // It may have ended by itself.
        if child.kill().is_ok() && !child.wait().unwrap().success() {
            killed += 1;
        }
    }
    assert!(killed > 0, "no run was killed");
    let record = project.record(&[]);
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn a_signal_to_stop_gives_130_and_a_run_that_can_be_repeated() {
    use std::os::unix::process::CommandExt;
    let project = Project::diabetes();
    // Rows enough for a run that takes a while.
    let data = project.read("data/pima_diabetes.csv");
    let (header, rows) = data.split_once('\n').unwrap();
    project.write(
        "data/pima_diabetes.csv",
        &format!("{header}\n{}", rows.repeat(100)),
    );
    let mut command = project.command(&["run"]);
    command.process_group(0).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(150));
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status()
        .unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    project
        .reproof(&["run", "--set", "evaluate.require=[]"])
        .expect(0);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_storage_error() {
    let project = Project::diabetes();
    // A file where the store's folder must be: no account can write there.
    std::fs::create_dir_all(project.path(".reproof")).unwrap();
    project.write(".reproof/store", "in the way");
    let call = call(&mut project.command(&["run"])).expect(31);
    assert!(call.err.contains(".reproof/store"), "{}", call.err);
}
