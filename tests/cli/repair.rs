//! `reproof repair`: what is damaged or missing comes again from a remote.

use std::fmt::Write;
use std::path::Path;

use reproof_record::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Project, flip};

const PIPELINE: &str = "pipeline: rows\ndata: {csv: data/rows.csv}\nsteps:\n  halves:\n    operation: \
                        split_random\n    inputs: {table: data}\n    parameters: {ratios: {train: 0.5, \
                        eval: 0.5}}\n";

/// A project with so much data that it is stored in chunks, and its record on a remote.
fn pushed(remote: &Path) -> (Project, Value) {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write("pipelines/rows.yaml", PIPELINE);
    let mut text = String::from("id,value\n");
    for row in 0_u64..120_000 {
        let value = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        writeln!(text, "{row},{value}").unwrap();
    }
    project.write("data/rows.csv", &text);
    let run = project.run(&[]);
    let url = format!("file://{}", remote.display());
    project
        .reproof(&["remote", "add", "origin", &url])
        .expect(0);
    project.reproof(&["push"]).expect(0);
    (project, run)
}

/// The stored columns of the data that a run read.
fn columns(project: &Project, run: &Value) -> Vec<Digest> {
    let data = run["execution"]["data"].as_object().unwrap();
    let used = data.values().next().unwrap();
    let digest = used["version"]["digest"].as_str().unwrap();
    let table = project.store().table_object(&digest.parse().unwrap());
    table.unwrap().columns
}

fn is_well(project: &Project, record: &str) {
    let checked = project.reproof(&["fsck", "--full"]).expect(0);
    assert!(!checked.out.contains("damaged"), "{}", checked.out);
    project.reproof(&["verify", record]).expect(0);
}

#[test]
fn damage_of_every_kind_is_mended() {
    let remote = TempDir::new().unwrap();
    let (project, run) = pushed(remote.path());
    let record = run["record"].as_str().unwrap();
    let none = project.reproof(&["repair"]).expect(0);
    assert!(none.out.contains("nothing is damaged"), "{}", none.out);

    // The list of a large column, and chunks of another one.
    let columns = columns(&project, &run);
    project.damage_blob(&columns[0]);
    let entries = project
        .store()
        .entries_of(&[columns[1]].into_iter().collect());
    let chunks: Vec<Digest> = entries.unwrap().into_iter().collect();
    assert!(chunks.len() > 2, "it is not cut: {chunks:?}");
    for chunk in chunks.iter().filter(|chunk| **chunk != columns[1]).take(2) {
        project.damage_blob(chunk);
    }
    // The record itself, which leads to everything else.
    project.damage_blob(&record.parse().unwrap());
    project
        .reproof(&["fsck"])
        .expect(30)
        .says(&["reproof repair"]);
    let repaired = project.reproof(&["repair", "--from", "origin", "--json"]);
    let repaired = repaired.json();
    assert_eq!(repaired["well"], true, "{repaired}");
    assert!(
        repaired["mended"].as_object().unwrap().len() >= 4,
        "{repaired}"
    );
    is_well(&project, record);

    // Every pack: its end, its middle, all of it.
    for (number, pack) in project.packs().into_iter().enumerate() {
        let length = std::fs::metadata(&pack).unwrap().len() as usize;
        match number % 3 {
            0 => flip(&pack, length - 20),
            1 => flip(&pack, length / 2),
            _ => std::fs::remove_file(&pack).unwrap(),
        }
    }
    project.reproof(&["fsck"]).expect(30);
    project.reproof(&["repair"]).expect(0);
    is_well(&project, record);
}

#[test]
fn what_no_remote_has_is_named_with_what_needs_it() {
    let remote = TempDir::new().unwrap();
    let (project, run) = pushed(remote.path());
    let there = columns(&project, &run)[0];
    let second = project.run(&["--set", "seed=9"]);
    let record = second["record"].as_str().unwrap();
    project.damage_blob(&there);
    let artifact = &second["execution"]["steps"]["halves"]["outputs"]["train"]["digest"];
    let lost: Digest = artifact.as_str().unwrap().parse().unwrap();
    project.damage_blob(&lost);
    let repaired = project.reproof(&["repair"]).expect(30);
    assert!(
        repaired.out.contains(&format!("blob {there}, from origin")),
        "{}",
        repaired.out
    );
    let out = &repaired.out;
    assert!(out.contains(&format!("lost       blob {lost}")), "{out}");
    assert!(out.contains(&format!("record {}", &record[..12])), "{out}");
    let repaired = repaired.says(&["no remote has all"]);
    drop(repaired);
    // What is made again mends the rest.
    project.reproof(&["verify", record]).expect(30);
    project.reproof(&["repair"]).expect(0);
    is_well(&project, record);
}

#[test]
fn a_remote_that_is_damaged_itself_mends_what_it_can() {
    let remote = TempDir::new().unwrap();
    let (project, run) = pushed(remote.path());
    let columns = columns(&project, &run);
    let entries = project
        .store()
        .entries_of(&[columns[1]].into_iter().collect());
    let chunks: Vec<Digest> = entries.unwrap().into_iter().collect();
    let chunks: Vec<_> = chunks
        .iter()
        .filter(|chunk| **chunk != columns[1])
        .collect();
    for chunk in &chunks {
        project.damage_blob(chunk);
    }
    for pack in std::fs::read_dir(remote.path().join("packs")).unwrap() {
        let pack = pack.unwrap().path();
        let length = std::fs::metadata(&pack).unwrap().len() as usize;
        flip(&pack, length / 2);
    }
    let repaired = project.reproof(&["repair"]);
    assert!([0, 30].contains(&repaired.code), "{}", repaired.err);
    let mended = repaired.out.matches("mended     blob").count();
    assert!(mended + 2 >= chunks.len(), "{}", repaired.out);
}

#[test]
fn repair_needs_a_remote() {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project
        .reproof(&["repair"])
        .expect(2)
        .says(&["no remote", "remote add"]);
    project
        .reproof(&["repair", "--from", "origin"])
        .expect(2)
        .says(&["no remote 'origin'"]);
}
