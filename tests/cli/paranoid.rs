//! `--paranoid`: what the file system says of files is not believed.

use std::path::Path;

use reproof_catalog::{Catalog, FileDigest, KnownFacts, SqliteCatalog};
use reproof_record::Timestamp;
use reproof_store::fs::{Facts, Io, RealIo};

use crate::support::Project;

/// Long after whatever the tests write.
const LATER: Timestamp = Timestamp(4_000_000_000_000_000);

fn facts(path: &Path) -> Facts {
    RealIo
        .metadata(&std::fs::canonicalize(path).unwrap())
        .unwrap()
}

/// Makes the catalogue remember the facts that the files have now, as if they had had them when they
/// were hashed: nothing short of the machine's clock changes when an inode last changed.
fn keep_facts(project: &Project, source: &str, files: &[(&str, &str)]) {
    let catalog = SqliteCatalog::open(&project.path(".reproof/catalog.db")).unwrap();
    let mut snapshot = catalog.source(source).unwrap().unwrap();
    if snapshot.files.is_none() {
        snapshot.facts = facts(&project.path(files[0].0));
        snapshot.hashed_at = LATER;
        catalog.set_source(source, &snapshot).unwrap();
    }
    for (path, remembered) in files {
        let mut known = catalog.file_digests(&[remembered]).unwrap();
        let digest = known.remove(*remembered).map(|file| file.digest);
        let Some(digest) = digest else { continue };
        let known = KnownFacts {
            facts: facts(&project.path(path)),
            hashed_at: LATER,
        };
        catalog
            .set_file_digests(&[((*remembered).to_owned(), FileDigest { known, digest })])
            .unwrap();
    }
}

#[test]
fn a_file_whose_facts_were_kept_is_found() {
    let project = Project::diabetes();
    let record = project.record(&[]);
    let data = "data/pima_diabetes.csv";
    let text = project.read(data);
    let edited = text.replacen("No", "NO", 1);
    assert_ne!(text, edited);
    project.write(data, &edited);
    keep_facts(&project, &format!("csv:{data}"), &[(data, data)]);
    // Size and times are those of the file that was read.
    assert_eq!(project.record(&[]), record);
    project
        .reproof(&["plan", "--paranoid", "--locked"])
        .expect(40)
        .says(&["is not the version"]);
    // What was found is known from then on.
    project.reproof(&["run", "--locked"]).expect(40);
    project.write(data, &text);
    keep_facts(&project, &format!("csv:{data}"), &[(data, data)]);
    project.reproof(&["run", "--locked"]).expect(40);
    let same = project.run(&["--paranoid", "--locked"]);
    assert_eq!(same["record"], record.as_str());
    let steps = same["execution"]["steps"].as_object().unwrap();
    assert!(steps.values().all(|step| step["status"] == "cached"));
}

#[test]
fn a_file_of_many_whose_facts_were_kept_is_found() {
    let project = Project::empty();
    project.write("reproof.toml", "[data.goods]\ncsv = \"data/\"\n");
    project.write("data/1.csv", "a\n1\n");
    project.write("data/2.csv", "a\n2\n");
    // At rest, so that their digests are remembered.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let commit = |more: &[&str]| {
        let mut all = vec!["data", "commit", "goods", "-m", "x"];
        all.extend(more);
        project.reproof(&all).expect(0).out
    };
    assert!(commit(&[]).contains("2 rows x 1"));
    project.write("data/2.csv", "a\n7\n");
    keep_facts(&project, "csv:data", &[("data/2.csv", "/data/2.csv")]);
    assert!(commit(&[]).contains("unchanged"));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(commit(&["--paranoid"]).contains("was 2 rows"));
    assert!(commit(&[]).contains("unchanged"));
}
