//! `reproof verify`.

use tempfile::TempDir;

use crate::support::{Project, call};

#[test]
fn a_record_verifies_as_identical() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    let call = project.reproof(&["verify", &record[..12]]).expect(0);
    assert!(
        call.out
            .starts_with("identical   4 of 4 steps, 10 of 10 outputs"),
        "{}",
        call.out
    );
    let shown = project.reproof(&["show", &record]).expect(0);
    assert!(
        shown.out.contains("identical: every step run again"),
        "{}",
        shown.out
    );
    assert!(
        project
            .reproof(&["log"])
            .expect(0)
            .out
            .contains("identical")
    );
}

#[test]
fn it_needs_no_file_of_the_project_but_the_store() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    std::fs::remove_dir_all(project.path("data")).unwrap();
    std::fs::remove_dir_all(project.path("pipelines")).unwrap();
    std::fs::remove_file(project.path("reproof.lock")).unwrap();
    project
        .reproof(&["verify", &record, "--threads", "3"])
        .expect(0);
    assert!(
        !project.path("reproof.lock").exists(),
        "verify must not write the lock file"
    );
}

#[test]
fn latest_and_executions_name_records() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let execution = document["execution"]["id"].as_str().unwrap();
    for name in [
        "@latest",
        "diabetes@latest",
        execution,
        &format!("x:{}", &execution[24..]),
    ] {
        let verified = project.reproof(&["verify", name, "--json"]).json();
        assert_eq!(verified["record"], document["record"], "{name}");
    }
    project
        .reproof(&["verify", "other@latest"])
        .expect(2)
        .says(&["other"]);
    project
        .reproof(&["verify", "0000000000000"])
        .expect(2)
        .says(&["nothing here is named"]);
}

#[test]
fn missing_data_makes_it_impossible() {
    let project = Project::diabetes();
    let document = project.reproof(&["run", "--json"]).json();
    let version = document["execution"]["data"]["data"]["version"]["digest"]
        .as_str()
        .unwrap();
    for place in project
        .store()
        .whereabouts(&version.parse().unwrap())
        .unwrap()
    {
        std::fs::remove_file(place.path).unwrap();
    }
    let call = project.reproof(&["verify", "@latest"]).expect(14);
    assert!(call.out.contains("impossible"), "{}", call.out);
    assert!(call.out.contains(&version[..12]), "{}", call.out);
}

#[test]
fn a_record_that_claims_another_result_diverges() {
    // Forged from outside with the format's own rules: the record names the recipe of the true
    // one, and a model that the recipe does not give.
    let project = Project::diabetes();
    let run = project.reproof(&["run", "--json"]).json();
    let shown = project
        .reproof(&["show", run["record"].as_str().unwrap(), "--json"])
        .json();
    let mut record: reproof_record::Record =
        serde_json::from_value(shown["record"].clone()).unwrap();
    let other = record.results["preprocess"]["state"].digest;
    record
        .results
        .get_mut("train")
        .unwrap()
        .get_mut("model")
        .unwrap()
        .digest = other;
    let store = reproof_store::Store::open(
        &project.path(".reproof/store"),
        std::sync::Arc::new(reproof_store::fs::RealIo),
    )
    .unwrap();
    let mut batch = store.batch();
    batch.put(&record.to_bytes().unwrap()).unwrap();
    batch.commit().unwrap();
    let catalog =
        reproof_catalog::SqliteCatalog::open(&project.path(".reproof/catalog.db")).unwrap();
    let mut execution: reproof_record::Execution =
        serde_json::from_value(run["execution"].clone()).unwrap();
    execution.id = reproof_record::ExecutionId::new(execution.ended, [7; 10]);
    execution.record = Some(record.id().unwrap());
    let entry = reproof_catalog::RecordEntry {
        id: record.id().unwrap(),
        recipe: record.recipe.id().unwrap(),
        results: record.results_id().unwrap(),
        created: execution.ended,
    };
    reproof_catalog::Catalog::finish(&catalog, &execution, Some(&entry)).unwrap();
    let call = project
        .reproof(&["verify", &entry.id.to_string()])
        .expect(12);
    assert!(call.out.starts_with("diverged"), "{}", call.out);
    assert!(call.out.contains("train.model"), "{}", call.out);
    // Two records of one recipe on one machine: every list that shows it says so.
    assert!(
        project
            .reproof(&["log"])
            .expect(0)
            .out
            .contains("not reproducible")
    );
}

/// An environment that another project built comes from the cache that both share, and is kept in the
/// store of each.
#[test]
fn a_record_is_whole_without_the_cache() {
    let cache = TempDir::new().unwrap();
    let with_cache = |project: &Project, cache: &TempDir, arguments: &[&str]| {
        let mut command = project.command(arguments);
        call(command.env("XDG_CACHE_HOME", cache.path())).expect(0)
    };
    let pipeline = "pipeline: own\ndata: {csv: data/pima_diabetes.csv}\nsteps:\n  count:\n    \
                    shell: wc -c < /reproof/in/table.parquet > /reproof/out/count\n    \
                    environment: tools\n    inputs: {table: data}\n    outputs: {count: count}\n";
    let projects = [Project::diabetes(), Project::diabetes()];
    for project in &projects {
        project.write(
            "reproof.toml",
            "[environments.tools]\nsystem = [\"sh\", \"wc\"]\n",
        );
        project.write("pipelines/own.yaml", pipeline);
        with_cache(project, &cache, &["run", "own"]);
    }
    let empty = TempDir::new().unwrap();
    let verified = with_cache(&projects[1], &empty, &["verify", "@latest"]);
    assert!(verified.out.contains("identical"), "{}", verified.out);
}
