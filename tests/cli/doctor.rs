//! `reproof doctor`.

use crate::support::Project;

#[test]
fn a_sound_project_is_good() {
    let project = Project::committed();
    project.record(&[]);
    let call = project.reproof(&["doctor"]).expect(0);
    for text in [
        "clean at commit",
        "1 data source pinned",
        "GB free",
        "every byte right",
    ] {
        assert!(call.out.contains(text), "no '{text}' in:\n{}", call.out);
    }
    assert!(!call.out.contains("bad"), "{}", call.out);
}

#[test]
fn what_is_doubtful_or_bad_is_named() {
    let project = Project::diabetes();
    let call = project.reproof(&["doctor"]).expect(0);
    assert!(call.out.contains("not in a git repository"), "{}", call.out);

    let project = Project::committed();
    project.write("notes.txt", "more\n");
    project.edit("reproof.lock", "\"rows\":532", "\"rows\":533");
    let call = project.reproof(&["doctor"]).expect(0);
    assert!(call.out.contains("notes.txt"), "{}", call.out);
    assert!(
        call.out.contains("reproof.lock is not committed"),
        "{}",
        call.out
    );

    project.write("reproof.lock", "# reproof.lock/1\n<<<<<<< ours\n");
    project.reproof(&["doctor"]).expect(2);
}

#[test]
fn a_damaged_blob_is_30() {
    let project = Project::committed();
    let record = project.record(&[]);
    project.damage_blob(&record.parse().unwrap());
    let call = project.reproof(&["doctor"]).expect(30);
    assert!(call.out.contains(&record[..12]), "{}", call.out);
}
