//! Environments that programs run in: built once, kept with the project, the same wherever they
//! are laid out; and the code of a record, laid out again.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Call, Project, SIX_16, SIX_17, call, statuses};

/// A step in Python.
const TRAIN: &str = "  train:\n    run: [python, train.py]\n    outputs: {o: o.txt}\n";
const TRAIN_PY: &str = "import six\nfrom helpers.io import save\n\nsave(six.__version__)\n";
const HELPER: &str = "def save(text):\n    with open('/reproof/out/o.txt', 'w') as file:\n        \
                      file.write(text)\n";

/// A project of a program in Python that imports a module of its own, all committed.
#[track_caller]
fn python() -> Project {
    let project = Project::python(SIX_16, TRAIN);
    project.write("train.py", TRAIN_PY);
    project.write("helpers/io.py", HELPER);
    project.write("notes.py", "unused = 1\n");
    project.write("README.md", "first\n");
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.commit("first");
    project
}

/// A step that needs next to nothing.
const ONE: &str =
    "  one:\n    shell: cat words > /reproof/out/o\n    code: [words]\n    outputs: {o: o}\n";

fn shell() -> Project {
    let project = Project::shell(ONE);
    project.write("words", "first\n");
    project
}

/// Calls the binary with a cache of the user's that is not that of all tests.
fn with_cache(project: &Project, cache: &Path, arguments: &[&str]) -> Call {
    call(project.command(arguments).env("XDG_CACHE_HOME", cache))
}

fn closures(cache: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(cache.join("reproof/closures"));
    let entries = folder.into_iter().flatten().map(|entry| entry.unwrap());
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn a_step_runs_again_when_what_it_needs_changed_and_only_then() {
    let project = python();
    let first = project.run(&[]);
    assert_eq!(project.output(&first, "train", "o"), "1.16.0");
    let status = |run: &Value| statuses(run)[0].1.clone();
    let same = |what: &str| {
        let run = project.run(&[]);
        assert_eq!(status(&run), "cached", "{what}");
        assert_eq!(run["record"], first["record"], "{what}");
    };
    same("nothing changed");
    project.write("README.md", "second\n");
    same("a file that no program needs was edited");
    project.commit("second");
    same("it was committed");
    project.write("notes.py", "unused = 2\n");
    project.write("data/other.csv", "x\n1\n");
    same("a module that is not imported was edited");
    project.write(
        "helpers/io.py",
        &HELPER.replace("write(text)", "write(text + '!')"),
    );
    let edited = project.run(&[]);
    assert_eq!(status(&edited), "ran", "an imported module was edited");
    assert_ne!(edited["record"], first["record"]);
    assert_eq!(project.output(&edited, "train", "o"), "1.16.0!");
    project.write("helpers/io.py", HELPER);
    same("it is as it was");
    project.write("requirements.txt", SIX_17);
    let upgraded = project.run(&[]);
    assert_eq!(status(&upgraded), "ran", "a package was upgraded");
    assert_eq!(project.output(&upgraded, "train", "o"), "1.17.0");
    project.write("requirements.txt", SIX_16);
    same("the package is as it was");
    project.reproof(&["verify", "@latest"]).expect(0);

    let difference = {
        let list = project.reproof(&["env", "list", "--json"]).json();
        let old = list["environments"][0]["closures"][0]
            .as_str()
            .unwrap()
            .to_owned();
        project.write("requirements.txt", SIX_17);
        project.reproof(&["env", "diff", &old, "default"]).expect(0)
    };
    assert_eq!(difference.out, "package  six  1.16.0 -> 1.17.0\n");
    let shown = project.reproof(&["env", "show"]).expect(0);
    assert!(shown.out.contains("  six  1.17.0"), "{}", shown.out);
    assert!(shown.out.contains("python         3."), "{}", shown.out);
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn what_was_run_in_python_is_verified_where_there_is_none() {
    let project = python();
    let run = project.run(&[]);
    let elsewhere = Project::empty();
    copy(&project.path(".reproof"), &elsewhere.path(".reproof"));
    elsewhere.write("reproof.toml", "");
    let cache = tempfile::tempdir().unwrap();
    let bare = Project::empty();
    let mut command = elsewhere.command(&["verify", run["record"].as_str().unwrap()]);
    command
        .env("XDG_CACHE_HOME", cache.path())
        .env("PATH", bare.root())
        .env_remove("REPROOF_UV");
    let verified = call(&mut command).expect(0);
    assert!(
        verified.out.starts_with("identical"),
        "{}{}",
        verified.out,
        verified.err
    );
    assert_eq!(closures(cache.path()).len(), 1, "laid out from the store");
}

#[test]
fn the_code_of_a_record_comes_back_whatever_became_of_git() {
    let project = python();
    project.git(&["checkout", "--quiet", "-b", "work"]);
    project.write(
        "helpers/io.py",
        &HELPER.replace("write(text)", "write(text + '?')"),
    );
    project.commit("second");
    // Dirty, and with an untracked file that the program needs.
    project.write(
        "train.py",
        &TRAIN_PY.replace("save(", "from helpers.more import MORE\nsave(MORE + "),
    );
    project.write("helpers/more.py", "MORE = 'untracked '\n");
    let run = project.run(&[]);
    assert_eq!(project.output(&run, "train", "o"), "untracked 1.16.0?");
    let shown = project.reproof(&["show", "@latest"]).expect(0);
    for text in ["on work", "2 files changed"] {
        assert!(shown.out.contains(text), "no '{text}' in:\n{}", shown.out);
    }
    let code = [
        "train.py",
        "helpers/io.py",
        "helpers/more.py",
        "reproof.lock",
        "README.md",
    ];
    let before = code.map(|file| project.read(file));

    project.git(&["stash", "--quiet", "--include-untracked"]);
    project.git(&["stash", "drop", "--quiet"]);
    project.git(&["checkout", "--quiet", "main"]);
    project.git(&["branch", "--quiet", "-D", "work"]);
    project.write("train.py", "raise SystemExit(3)\n");
    project.git(&[
        "commit",
        "--quiet",
        "--all",
        "--amend",
        "--message",
        "pushed by force",
    ]);
    project.git(&["reflog", "expire", "--expire=now", "--all"]);
    project.git(&["gc", "--quiet", "--prune=now"]);

    let record = run["record"].as_str().unwrap();
    let said = project.reproof(&["checkout", record, "again"]).expect(0);
    assert!(said.out.contains("files of record"), "{}", said.out);
    let after = code.map(|file| project.read(&format!("again/{file}")));
    assert_eq!(after, before);
    let again = project.path("again");
    std::fs::create_dir_all(again.join("data")).unwrap();
    std::fs::copy(project.path("data/rows.csv"), again.join("data/rows.csv")).unwrap();
    std::fs::write(again.join(".gitignore"), "/.reproof/\n").unwrap();
    let mut command = project.command(&["run", "--json", "--locked"]);
    let second = call(command.current_dir(&again)).json();
    assert_eq!(second["record"], run["record"]);
    project
        .reproof(&["checkout", record, "again"])
        .expect(2)
        .says(&["again"]);
    project
        .reproof(&["checkout", "0000000000000", "other"])
        .expect(2);
}

#[test]
fn an_edited_file_of_an_environment_is_noticed() {
    let project = shell();
    let cache = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| with_cache(&project, cache.path(), arguments);
    let first = run(&["run", "--json"]).json();
    let [closure] = closures(cache.path()).try_into().unwrap();
    let passwd = closure.join("root/etc/passwd");
    let edit = || {
        let line = "chmod u+w \"$1\"; echo evil:x:0:0::/:/bin/sh >> \"$1\"";
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", line, "sh"]).arg(&passwd);
        assert!(shell.status().unwrap().success());
    };
    let right = std::fs::read(&passwd).unwrap();
    for arguments in [
        &["run", "--json", "--no-cache"][..],
        &["verify", "@latest"],
        &["env", "show"],
    ] {
        edit();
        run(arguments)
            .expect(0)
            .says(&["was changed in the cache (etc/passwd)", "laid out again"]);
        assert_eq!(std::fs::read(&passwd).unwrap(), right, "{arguments:?}");
    }
    let again = run(&["run", "--json"]);
    assert!(!again.err.contains("changed"), "{}", again.err);
    assert_eq!(again.json()["record"], first["record"]);
}

#[test]
fn a_closure_in_the_cache_of_another_project_is_kept_with_this_one_too() {
    let cache = tempfile::tempdir().unwrap();
    let one = shell();
    with_cache(&one, cache.path(), &["run"]).expect(0);
    let other = shell();
    with_cache(&other, cache.path(), &["run"]).expect(0);
    let another = tempfile::tempdir().unwrap();
    let call = with_cache(&other, another.path(), &["verify", "@latest"]).expect(0);
    assert!(
        call.out.starts_with("identical"),
        "{}{}",
        call.out,
        call.err
    );
}

#[test]
fn wrong_bytes_of_code_environment_and_log_are_found() {
    let project = Project::shell(&ONE.replace("cat words", "echo told; cat words"));
    project.write("words", "first\n");
    let run = project.run(&[]);
    let shown = project.reproof(&["show", "@latest", "--json"]).json();
    let program = &shown["record"]["recipe"]["steps"]["one"]["program"];
    let digest = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let file = |tree: &Value, path: &str| {
        let files = project.store().tree(&digest(tree)).unwrap().files;
        let found = files.iter().find(|file| file.path.as_str() == path);
        found.unwrap().digest
    };
    for blob in [
        file(&program["code"], "words"),
        file(&program["environment"], "etc/passwd"),
        file(&run["execution"]["code"]["tree"], "pipelines/steps.yaml"),
        digest(&run["execution"]["steps"]["one"]["log"]),
    ] {
        let undo = project.damage_blob(&blob);
        let call = project.reproof(&["verify", "@latest"]);
        assert_eq!(call.code, 30, "{blob}: {}{}", call.out, call.err);
        assert!(call.err.contains("damaged"), "{}", call.err);
        for (path, right) in undo {
            std::fs::write(path, right).unwrap();
        }
    }
    project.reproof(&["verify", "@latest"]).expect(0);
}

#[test]
fn an_environment_that_is_damaged_in_the_store_is_mended_from_the_cache() {
    let project = shell();
    project.run(&[]);
    let shown = project.reproof(&["show", "@latest", "--json"]).json();
    let closure = &shown["record"]["recipe"]["steps"]["one"]["program"]["environment"];
    let closure = closure.as_str().unwrap().parse().unwrap();
    let tree = project.store().tree(&closure).unwrap();
    let blob = tree
        .files
        .iter()
        .find(|file| file.path.as_str() == "etc/passwd");
    project.damage_blob(&blob.unwrap().digest);
    project
        .reproof(&["verify", "@latest"])
        .expect(30)
        .says(&["environment", "damaged"]);
    project.reproof(&["verify", "@latest"]).expect(0);
}

#[test]
fn environments_are_listed_and_swept() {
    let project = shell();
    let cache = tempfile::tempdir().unwrap();
    let env = |arguments: &[&str]| with_cache(&project, cache.path(), arguments).expect(0);
    let before = env(&["env", "list"]);
    assert!(before.out.contains("not built yet"), "{}", before.out);
    assert!(
        before.out.contains("0 closures in the user's cache"),
        "{}",
        before.out
    );
    env(&["run"]);
    let after = env(&["env", "list"]);
    assert!(after.out.contains("default     bash, cat"), "{}", after.out);
    assert!(
        after.out.contains("1 closure in the user's cache"),
        "{}",
        after.out
    );
    let shown = env(&["env", "show", "--json"]).json();
    let closure = shown["closure"].as_str().unwrap();
    assert!(project.read("reproof.lock").contains(closure));
    let same = env(&["env", "diff", "default", &closure[..12]]);
    assert_eq!(same.out, "identical\n");

    // What the lock file names is kept, and what was used a moment ago.
    assert_eq!(
        env(&["env", "gc", "--unused-for", "0", "--json"]).json()["removed"],
        serde_json::json!([])
    );
    std::fs::remove_file(project.path("reproof.lock")).unwrap();
    assert_eq!(
        env(&["env", "gc", "--json"]).json()["removed"],
        serde_json::json!([])
    );
    let removed = env(&["env", "gc", "--unused-for", "0"]);
    assert!(removed.out.contains("1 closure removed"), "{}", removed.out);
    assert_eq!(closures(cache.path()), Vec::<PathBuf>::new());
    // It is laid out again, with the same bytes.
    assert_eq!(
        env(&["run", "--json"]).json()["execution"]["steps"]["one"]["status"],
        "cached"
    );
    assert_eq!(env(&["env", "show", "--json"]).json()["closure"], closure);
}

#[test]
fn locked_refuses_an_environment_that_is_not_in_the_lock_file() {
    let project = shell();
    project.reproof(&["run"]).expect(0);
    let lock = project.read("reproof.lock");
    let data = lock.lines().filter(|line| !line.contains("\"closure\""));
    let data = data.collect::<Vec<_>>().join("\n") + "\n";
    project.write("reproof.lock", &data);
    project.reproof(&["run", "--locked"]).expect(40).says(&[
        "environment 'default'",
        "lock file",
        "hint:",
    ]);
    project.reproof(&["run"]).expect(0);
    project.reproof(&["run", "--locked"]).expect(0);
    project.edit("reproof.toml", "\"cat\", ", "");
    let lock = project.read("reproof.lock");
    project.reproof(&["run", "--locked"]).expect(40);
    project.write(
        "reproof.toml",
        &format!("[policy]\nlocked = true\n{}", project.read("reproof.toml")),
    );
    project
        .reproof(&["run"])
        .expect(40)
        .says(&["policy.locked"]);
    project.reproof(&["env", "show"]).expect(40);
    assert_eq!(project.read("reproof.lock"), lock);
}

#[test]
fn requirements_are_pinned_with_hashes() {
    let project = Project::python("", TRAIN);
    project.write("train.py", TRAIN_PY);
    project.write("helpers/io.py", HELPER);
    project.write("requirements.txt", "six==1.16.0\n");
    project.reproof(&["run"]).expect(2).says(&[
        "environment 'default': requirements.txt",
        "line 1",
        "hint: 'reproof env lock default' pins what requirements.txt asks for",
    ]);
    let locked = project.reproof(&["env", "lock"]).expect(0);
    assert!(
        locked.out.contains("1 pinned package in requirements.txt"),
        "{}",
        locked.out
    );
    let pinned = project.read("requirements.txt");
    assert!(pinned.starts_with("six==1.16.0"), "{pinned}");
    for hash in [
        "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",
        "sha256:1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926",
    ] {
        assert!(pinned.contains(hash), "{pinned}");
    }
    assert!(
        !pinned.contains("://"),
        "no address of a registry: {pinned}"
    );
    // A file beside says what is wanted.
    project.write("requirements.in", "six<1.17\n");
    project.reproof(&["env", "lock", "--json"]).expect(0);
    assert_eq!(project.read("requirements.txt"), pinned);
    project
        .reproof(&["env", "lock", "other"])
        .expect(2)
        .says(&["no environment 'other'"]);
}

/// Asks uv for a `uv.lock` of this version of six, in a project whose name no other has.
fn uv_lock(project: &Project, six: &str) {
    let name = project.root().file_name().unwrap().to_str().unwrap();
    let name = name.trim_matches('.');
    let text = format!(
        "[project]\nname = \"{name}\"\nversion = \"1\"\nrequires-python = \">=3.9\"\n\
         dependencies = [\"six=={six}\"]\n"
    );
    project.write("pyproject.toml", &text);
    let mut uv = std::process::Command::new(std::env::var_os("REPROOF_UV").unwrap());
    let locked = uv.arg("lock").current_dir(project.root()).output().unwrap();
    assert!(
        locked.status.success(),
        "{}",
        String::from_utf8_lossy(&locked.stderr)
    );
}

#[test]
fn a_uv_lock_is_read_once() {
    let project = Project::python("", TRAIN);
    std::fs::remove_file(project.path("requirements.txt")).unwrap();
    project.write("train.py", TRAIN_PY);
    project.write("helpers/io.py", HELPER);
    project.write(
        "pyproject.toml",
        "[project]\nname = \"x\"\nversion = \"1\"\n",
    );
    project.reproof(&["run"]).expect(2).says(&[
        "there is no uv.lock beside pyproject.toml",
        "hint: 'uv lock' makes it",
    ]);
    uv_lock(&project, "1.16.0");
    let first = project.run(&[]);
    assert_eq!(project.output(&first, "train", "o"), "1.16.0");
    // What uv said of these bytes is known: it is not asked again.
    let bare = Project::empty();
    let without_uv = |project: &Project| {
        let mut command = project.command(&["run", "--locked", "--json"]);
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).filter(|folder| !folder.join("uv").exists());
        let path = std::env::join_paths(folders).unwrap();
        call(
            command
                .env("REPROOF_UV", bare.path("no-uv"))
                .env("PATH", path),
        )
    };
    let again = without_uv(&project).json();
    assert_eq!(statuses(&again)[0].1, "cached");
    assert_eq!(again["record"], first["record"]);
    uv_lock(&project, "1.17.0");
    without_uv(&project).expect(20).says(&["there is no uv"]);
    project.reproof(&["run", "--locked"]).expect(40);
    let upgraded = project.run(&[]);
    assert_eq!(project.output(&upgraded, "train", "o"), "1.17.0");
    project
        .reproof(&["env", "lock"])
        .expect(2)
        .says(&["pinned by uv.lock"]);
}

#[test]
fn a_registry_that_is_not_there_and_a_package_without_a_wheel_are_named() {
    let project = Project::python(SIX_16, TRAIN);
    project.write("train.py", TRAIN_PY);
    project.write("helpers/io.py", HELPER);
    let cache = tempfile::tempdir().unwrap();
    let mut command = project.command(&["run"]);
    command
        .env("XDG_CACHE_HOME", cache.path())
        .env("UV_CACHE_DIR", cache.path().join("uv"))
        .env("UV_HTTP_RETRIES", "0")
        .env("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple");
    call(&mut command).expect(20).says(&[
        "environment 'default'",
        "the package registry cannot be reached",
    ]);
    // This package was published as source alone.
    let source = "docopt==0.6.2 \
         --hash=sha256:49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491\n";
    project.write("requirements.txt", source);
    with_cache(&project, cache.path(), &["run"])
        .expect(20)
        .says(&["environment 'default'", "docopt", "wheel", "allow_builds"]);
    project.write(
        "reproof.toml",
        "[environments.default]\nrequirements = \"requirements.txt\"\nallow_builds = true\n",
    );
    project.write("train.py", &TRAIN_PY.replace("six", "docopt"));
    with_cache(&project, cache.path(), &["run"]).expect(0);
    assert!(!closures(cache.path()).is_empty());
}

#[test]
fn what_is_wrong_with_an_environment_is_said() {
    let project = Project::python(SIX_16, TRAIN);
    project.write("train.py", TRAIN_PY);
    project.write("helpers/io.py", HELPER);
    let cache = tempfile::tempdir().unwrap();
    let run = || with_cache(&project, cache.path(), &["run"]);

    let wrong = SIX_16.replace("8abb2f", "8abb2e");
    project.write("requirements.txt", &wrong);
    run().expect(20).says(&[
        "environment 'default'",
        "not the one that was pinned",
        "six",
    ]);

    project.write("requirements.txt", SIX_16);
    project.write(
        "reproof.toml",
        "[environments.default]\nrequirements = \"requirements.txt\"\npython = \"3.99\"\n",
    );
    run()
        .expect(20)
        .says(&["environment 'default'", "no Python 3.99 here; found: 3."]);
    project.write(
        "reproof.toml",
        "[environments.default]\nrequirements = \"requirements.txt\"\npython = \"three\"\n",
    );
    let refused = run();
    assert!([2, 20].contains(&refused.code), "{}", refused.code);
    refused.says(&["three"]);

    project.write(
        "reproof.toml",
        "[environments.default]\nrequirements = \"other.txt\"\n",
    );
    let missing = run().expect(2);
    missing.says(&["other.txt"]);

    project.write("reproof.toml", "");
    let bare = Project::empty();
    let mut command = project.command(&["run"]);
    command
        .env("XDG_CACHE_HOME", cache.path())
        .env("PATH", bare.root())
        .env_remove("REPROOF_UV");
    call(&mut command)
        .expect(20)
        .says(&["there is no uv", "pip install uv"]);

    project.write(
        "reproof.toml",
        "[environments.default]\nsystem = [\"no-such-program\"]\n",
    );
    run()
        .expect(20)
        .says(&["'no-such-program' is not installed here"]);
    project.write("reproof.toml", "[environments.other]\nsystem = [\"sh\"]\n");
    std::fs::remove_file(project.path("requirements.txt")).unwrap();
    run().expect(2).says(&["environment 'default'", "other"]);
    assert!(!project.path("reproof.lock").exists());
}

#[test]
fn the_policy_of_isolation_is_full_or_none_at_all() {
    let project = shell();
    let toml = project.read("reproof.toml");
    project.write(
        "reproof.toml",
        &format!("[policy]\nisolation = \"full\"\n{toml}"),
    );
    let run = project.run(&[]);
    let shown = project.reproof(&["show", "@latest"]).expect(0);
    assert!(shown.out.contains("isolation full"), "{}", shown.out);
    project.write("reproof.toml", &toml);
    assert_eq!(
        project.run(&[])["record"],
        run["record"],
        "a policy is no part of a recipe"
    );
    // A project can ask for more than the person at the machine does, never for less.
    project.write(
        "reproof.toml",
        &format!("[policy]\nisolation = \"none\"\n{toml}"),
    );
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["reproof.toml", "isolation", "full"]);
}

#[test]
fn a_socket_is_no_output_and_the_host_cannot_be_reached() {
    let project = Project::python(
        SIX_16,
        "  s:\n    run: [python, s.py]\n    outputs: {o: o/}\n",
    );
    let try_it = |line: &str| {
        project.write(
            "s.py",
            &format!("import os, socket\nos.makedirs('/reproof/out/o')\n{line}\n"),
        );
        project.reproof(&["run"]).expect(11)
    };
    try_it("socket.socket(socket.AF_UNIX).bind('/reproof/out/o/s')").says(&["s", "neither"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    try_it(&format!(
        "socket.create_connection(('127.0.0.1', {port}), 5)"
    ))
    .says(&["ConnectionRefusedError", "s.py\", line 3"]);
    try_it("import missing_module").says(&["s |", "No module named 'missing_module'"]);
    project.write("extra.py", "");
    try_it("__import__('ext' + 'ra')").says(&["hint:", "code: [extra.py]"]);
}
