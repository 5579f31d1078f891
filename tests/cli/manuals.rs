//! `reproof completions` and `reproof man`.

use crate::support::Project;

#[test]
fn every_shell_has_completions() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let call = project.reproof(&["completions", shell]).expect(0);
        assert!(call.out.contains("verify"), "{shell}");
    }
    project
        .reproof(&["completions", "tcsh"])
        .expect(2)
        .says(&["bash"]);
}

#[test]
fn there_is_a_page_for_each_command() {
    let project = Project::empty();
    project.reproof(&["man", "man1"]).expect(0);
    let page = project.read("man1/reproof-run.1");
    assert!(page.contains("\\-\\-no\\-cache"), "{page}");
    assert!(project.read("man1/reproof.1").contains("Exit codes"));
}
