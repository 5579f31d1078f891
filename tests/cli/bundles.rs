//! `reproof bundle`: a record in one file.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Call, Project, call};

/// A program that reads the project's data.
const STEPS: &str = "  count:\n    shell: cat words /reproof/in/rows.parquet > /reproof/out/o\n    \
                     code: [words]\n    inputs: {rows: data}\n    outputs: {o: o}\n";

fn shell() -> Project {
    let project = Project::shell(STEPS);
    project.write("words", "first\n");
    project
}

/// An empty project with a cache of its own.
fn elsewhere(cache: &TempDir, arguments: &[&str]) -> (Project, Call) {
    let project = Project::empty();
    project.write("reproof.toml", "");
    let call = call(
        project
            .command(arguments)
            .env("XDG_CACHE_HOME", cache.path()),
    );
    (project, call)
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_record_verifies_from_a_bundle_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("record.bundle");
    let project = shell();
    let record = project.record(&[]);
    let made = project
        .reproof(&["bundle", "create", &record[..12], text(&file), "--json"])
        .json();
    assert_eq!(made["bytes"], std::fs::metadata(&file).unwrap().len());
    drop(project);

    let cache = TempDir::new().unwrap();
    let (other, opened) = elsewhere(&cache, &["bundle", "open", text(&file)]);
    assert!(opened.expect(0).out.contains(&record));
    let verified = call(
        other
            .command(&["verify", &record])
            .env("XDG_CACHE_HOME", cache.path()),
    );
    assert!(verified.expect(0).out.contains("identical"));
    // What came out of a bundle goes into the same bundle again.
    let again = folder.path().join("again.bundle");
    other
        .reproof(&["bundle", "create", &record, text(&again)])
        .expect(0);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        std::fs::read(&again).unwrap()
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    // A bundle is shown where there is no project.
    let nowhere = Project::empty();
    let shown = nowhere
        .reproof(&["bundle", "show", text(&file), "--json"])
        .json();
    assert_eq!(shown["record_id"], record.as_str());
    let shown = nowhere.reproof(&["bundle", "show", text(&file)]).expect(0);
    assert!(shown.out.contains("steps   count"), "{}", shown.out);
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let files: Vec<PathBuf> = ["a", "b"].map(|name| folder.path().join(name)).into();
    let projects = [Project::diabetes(), Project::diabetes()];
    // One of the two has stored other things before.
    projects[1].record(&["--set", "seed=7"]);
    for (project, file) in projects.iter().zip(&files) {
        project.record(&[]);
        project
            .reproof(&["bundle", "create", "@latest", text(file)])
            .expect(0);
    }
    assert!(std::fs::read(&files[0]).unwrap() == std::fs::read(&files[1]).unwrap());
}

#[test]
fn a_bundle_that_is_not_right_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("record.bundle");
    let project = Project::diabetes();
    let record = project.record(&[]);
    project
        .reproof(&["bundle", "create", &record, text(&file)])
        .expect(0);
    let right = std::fs::read(&file).unwrap();
    let cache = TempDir::new().unwrap();
    let step = right.len() / 12;
    for at in (0..12).map(|part| 9 + part * step).chain([right.len() - 1]) {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        std::fs::write(&file, &wrong).unwrap();
        let (other, opened) = elsewhere(&cache, &["bundle", "open", text(&file)]);
        opened.expect(30).says(&["record.bundle", "is damaged"]);
        assert!(other.store().blobs().unwrap().is_empty(), "byte {at}");
        other.reproof(&["show", &record]).expect(2);
    }
    let mut longer = right.clone();
    longer.push(0);
    for (bytes, code, says) in [
        (&longer[..], 30, "bytes behind its end"),
        (&right[..right.len() / 2], 30, "cut short"),
        (b"something else, and long enough", 2, "is not a bundle"),
        (b"", 2, "is not a bundle"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let (_, opened) = elsewhere(&cache, &["bundle", "open", text(&file)]);
        opened.expect(code).says(&[says]);
    }
    project
        .reproof(&["bundle", "create", &record, "no/such/folder"])
        .expect(31);
    project.reproof(&["bundle", "show", "nothing"]).expect(31);
}
