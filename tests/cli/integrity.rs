//! Wrong bytes are found, and nothing that was acknowledged is lost.

use std::path::PathBuf;

use crate::support::{Project, call};

fn objects(project: &Project) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(project.path(".reproof/store/objects")).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Flips one bit, keeping the file's times, as a failing disk does.
fn flip(path: &PathBuf, at: usize) {
    let times = std::fs::metadata(path).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1 << (at % 8);
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let stamp = std::fs::FileTimes::new().set_modified(times.modified().unwrap());
    file.set_times(stamp).unwrap();
}

#[test]
fn one_flipped_byte_in_any_stored_file_is_found_by_verify() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let record = document["record"].as_str().unwrap();
    let paths = objects(&project);
    assert!(paths.len() > 30, "{}", paths.len());
    for (index, path) in paths.iter().enumerate() {
        let right = std::fs::read(path).unwrap();
        flip(path, 31 * index);
        let call = project.reproof(&["verify", record]);
        assert_eq!(call.code, 30, "{path:?} of {}: {}", right.len(), call.out);
        assert!(call.err.contains("damaged"), "{path:?}: {}", call.err);
        std::fs::write(path, right).unwrap();
    }
    project.reproof(&["verify", record]).expect(0);
}

#[test]
fn what_verify_makes_again_replaces_damaged_outputs() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let model = &document["execution"]["steps"]["train"]["outputs"]["model"]["digest"];
    flip(
        &project.path(&format!(
            ".reproof/store/objects/{}",
            model.as_str().unwrap()
        )),
        9,
    );
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
    flip(
        &project.path(&format!(".reproof/store/objects/{record}")),
        20,
    );
    project
        .reproof(&["show", &record])
        .expect(30)
        .says(&[&record[..12], "damaged"]);
    project
        .reproof(&["verify", &record])
        .expect(30)
        .says(&["damaged"]);
}

#[test]
fn a_damaged_output_is_made_again() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    for (index, path) in objects(&project).iter().enumerate() {
        flip(path, 7 * index);
    }
    let call = project
        .reproof(&["run", "--json"])
        .expect(0)
        .says(&["made again"]);
    assert!(call.out.contains(&record));
    project.reproof(&["verify", &record]).expect(0);
}

#[test]
fn a_deleted_output_is_made_again() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    for path in objects(&project).iter().step_by(2) {
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
        .says(&["reproof.store/9", "reproof.store/1"]);
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
