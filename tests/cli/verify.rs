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

/// A step that gives another number each time, near 1.
fn wavering(tolerance: &str) -> Project {
    let project = Project::shell(
        "  make:\n    run: [bash, make.sh]\n    outputs: {model: model.json, same: same.txt}\n",
    );
    project.write(
        "make.sh",
        "printf '{\"x\": 1.0000%08d}\\n' $((SRANDOM % 100000000)) > /reproof/out/model.json\n\
         echo same > /reproof/out/same.txt\n",
    );
    project.edit(
        "pipelines/steps.yaml",
        "steps:\n",
        &format!("{tolerance}steps:\n"),
    );
    project
}

#[test]
fn within_a_tolerance_it_is_equivalent() {
    let project = wavering("tolerance: {model: {abs: 1e-3}}\n");
    let record = project.record(&[]);
    let call = project.reproof(&["verify", &record]).expect(0);
    for text in [
        "equivalent   1 of 1 steps, 2 of 3 outputs",
        "make.model   equivalent:",
        "1 value off, by at most ",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    project.reproof(&["verify", &record, "--strict"]).expect(13);
    let found = project.reproof(&["verify", &record, "--json"]).json();
    assert_eq!(found["verdict"], "equivalent");
    let outputs = found["verification"]["outputs"].as_array().unwrap();
    let far = &outputs[0]["distance"];
    assert_eq!((&far["values"], &far["beyond"]), (&1.into(), &0.into()));
    let apart = far["abs"].as_f64().unwrap();
    assert!(apart > 0.0 && apart < 1e-3, "{apart}");
    let shown = project.reproof(&["show", &record]).expect(0);
    assert!(
        shown.out.contains("equivalent: every step run again on"),
        "{}",
        shown.out
    );
    let bounds = "tolerance   model {\"abs\":0.001}";
    assert!(shown.out.contains(bounds), "{}", shown.out);
    let log = project.reproof(&["log"]).expect(0);
    assert!(log.out.contains("equivalent (rerun)"), "{}", log.out);

    // Beyond it, it diverges, and says how far.
    let project = wavering("tolerance: {make.model: {ulp: 4}}\n");
    let record = project.record(&[]);
    let call = project.reproof(&["verify", &record]).expect(12);
    assert!(call.out.contains("1 beyond the tolerance"), "{}", call.out);
    // Without one, every bit counts, as ever.
    let project = wavering("");
    let record = project.record(&[]);
    let call = project.reproof(&["verify", &record]).expect(12);
    assert!(!call.out.contains("beyond"), "{}", call.out);
}

#[test]
fn several_runs_tell_the_natural_spread() {
    let project = wavering("");
    let script = project.read("make.sh");
    let metric = "printf '{\"name\": \"loss\", \"value\": 1.0000%08d}\\n' $((SRANDOM % 100000000)) \
                  > /reproof/report/metrics.jsonl\n";
    project.write("make.sh", &(script + metric));
    let record = project.record(&[]);
    let found = project
        .reproof(&["verify", &record, "--times", "3", "--json"])
        .expect(12);
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(
        (&found["verdict"], &found["times"]),
        (&"diverged".into(), &3.into())
    );
    let spread = found["spread"].as_array().unwrap();
    let of = |output: &str| spread.iter().find(|one| one["output"] == output).unwrap();
    assert_eq!(of("same")["distinct"], 1);
    assert_eq!(
        (&of("model")["runs"], &of("model")["distinct"]),
        (&3.into(), &4.into())
    );
    assert!(of("model")["distance"]["abs"].as_f64().unwrap() > 0.0);
    let loss = &of("reported")["metrics"]["loss"];
    let [least, most] = [0, 1].map(|side| loss[side].as_f64().unwrap());
    assert!(1.0 <= least && least < most && most < 1.001, "{loss}");
    let all = found["verifications"].as_array().unwrap();
    assert_eq!(all[1]["verification"]["time"], serde_json::json!([2, 3]));

    let project = Project::diabetes();
    project.record(&[]);
    let call = project
        .reproof(&["verify", "@latest", "--times", "2"])
        .expect(0);
    assert!(
        call.out
            .contains("in 2 runs every output came out the same"),
        "{}",
        call.out
    );
}

#[test]
fn all_records_are_verified_for_a_nightly_job() {
    let project = wavering("");
    project.record(&[]);
    let call = project.reproof(&["verify", "--all"]).expect(12);
    assert!(
        call.out.contains("1 record verified: 1 diverged"),
        "{}",
        call.out
    );

    let project = Project::diabetes();
    let first = project.record(&[]);
    let second = project.record(&["--set", "train.logistic_regression.l2=5"]);
    let found = project
        .reproof(&["verify", "--all", "--since", "1d", "--json"])
        .json();
    let records = found["records"].as_array().unwrap();
    let ids: Vec<_> = records
        .iter()
        .map(|one| one["record"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [first.as_str(), second.as_str()]);
    assert!(records.iter().all(|one| one["verdict"] == "identical"));
    let call = project
        .reproof(&["verify", "--all", "--sample", "100%"])
        .expect(0);
    assert!(
        call.out.contains("2 records verified: 2 identical"),
        "{}",
        call.out
    );
    let call = project
        .reproof(&["verify", "--all", "--since", "2099-01-01"])
        .expect(0);
    assert!(call.out.contains("0 records verified"), "{}", call.out);
    for wrong in [
        &["verify"][..],
        &["verify", &first, "--all"],
        &["verify", &first, "--sample", "5%"],
        &["verify", "--all", "--sample", "5"],
        &["verify", &first, "--runner", "container"],
        &["verify", &first, "--level", "deep"],
    ] {
        project.reproof(wrong).expect(2);
    }
}

#[test]
fn a_record_is_compared_with_another_one() {
    let project = Project::diabetes();
    let first = project.record(&[]);
    let second = project.record(&["--set", "train.logistic_regression.l2=5"]);
    let call = project
        .reproof(&["verify", &second, "--against", &first])
        .expect(12);
    assert!(
        call.out.contains(&format!("as in record {}", &first[..12])),
        "{}",
        call.out
    );
    assert!(call.out.contains("train.model   diverged"), "{}", call.out);
    // That is no verdict on the record itself.
    let shown = project.reproof(&["show", &second]).expect(0);
    assert!(
        shown.out.contains("recorded, not verified yet"),
        "{}",
        shown.out
    );
    project
        .reproof(&["verify", &second, "--against", &second])
        .expect(0);
}

#[test]
fn fresh_builds_the_environments_again() {
    let project =
        Project::shell("  make:\n    run: [bash, make.sh]\n    outputs: {same: same.txt}\n");
    project.write("make.sh", "echo same > /reproof/out/same.txt\n");
    let record = project.record(&[]);
    let call = project
        .reproof(&["verify", &record, "--level", "fresh"])
        .expect(0);
    for text in [
        "identical   1 of 1 steps, 2 of 2 outputs, run again in environments that were built again",
        "the environment 'default' was built again in a new folder",
        "from the last file to the first",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    let shown = project.reproof(&["show", &record]).expect(0);
    assert!(
        shown.out.contains("in environments that were built again,"),
        "{}",
        shown.out
    );
    let found = project.reproof(&["show", &record, "--json"]).json();
    let newest = &found["executions"][0]["verification"];
    assert_eq!(newest["level"], "fresh");

    // Of built-in steps there is nothing to build, so no more is claimed than was done.
    let built_in = Project::diabetes();
    let record_of_built_in = built_in.record(&[]);
    let arguments = ["verify", &record_of_built_in, "--level", "fresh"];
    let call = built_in
        .reproof(&arguments)
        .expect(0)
        .says(&["no environment to be built again"]);
    assert!(call.out.contains("run again from nothing"), "{}", call.out);

    // Where the specification is not that of the record any more, nothing is claimed.
    project.edit("reproof.toml", "\"cat\", ", "");
    let call = project
        .reproof(&["verify", &record, "--level", "fresh"])
        .expect(14);
    assert!(
        call.err
            .contains("nothing here says from what the environment"),
        "{}",
        call.err
    );
    project.reproof(&["verify", &record]).expect(0);
}
