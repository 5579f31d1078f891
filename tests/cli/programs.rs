//! Steps that run a program: what it sees, what makes it run again, and how it may end.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use reproof_record::Digest;

use crate::support::{Project, call, statuses};

/// A step that writes one line.
const ONE: &str = "  one:\n    shell: echo made > /reproof/out/o.txt\n    outputs: {o: o.txt}\n";

fn all(run: &serde_json::Value, status: &str) -> bool {
    let found = statuses(run);
    assert!(!found.is_empty());
    found.iter().all(|(_, found)| found == status)
}

#[test]
fn what_a_program_sees_is_the_protocol_and_no_more() {
    let project = Project::shell(concat!(
        "  look:\n",
        "    shell: env > /reproof/out/env; cat /reproof/step.json > /reproof/out/step;",
        " echo /* /reproof/* /reproof/code/* /reproof/in/* /home/* /root/* > /reproof/out/files\n",
        "    code: [seen.txt]\n",
        "    parameters: {depth: 3, list: [a, 1.5]}\n",
        "    variables: {MODE: fast}\n",
        "    threads: 2\n",
        "    inputs: {rows: data}\n",
        "    outputs: {env: env, step: step, files: files}\n",
    ));
    project.write("seen.txt", "");
    project.write("unseen.txt", "");
    let mut command = project.command(&["run", "--json"]);
    let run = call(command.env("UNDECLARED", "x").env("LD_PRELOAD", "")).json();
    let env = project.output(&run, "look", "env");
    for line in ["MODE=fast", "HOME=/tmp/home", "TZ=UTC", "OMP_NUM_THREADS=2"] {
        assert!(env.lines().any(|found| found == line), "no {line}:\n{env}");
    }
    assert!(!env.contains("UNDECLARED"), "{env}");
    assert!(!env.contains("XDG_CACHE_HOME"), "{env}");
    let step = project.output(&run, "look", "step");
    let step: serde_json::Value = serde_json::from_str(&step).unwrap();
    assert_eq!(step["format"], "reproof.program/1");
    assert_eq!(step["parameters"]["list"][1], 1.5);
    assert_eq!(step["inputs"]["rows"]["path"], "/reproof/in/rows.parquet");
    assert_eq!(step["outputs"]["env"]["path"], "/reproof/out/env");
    assert_eq!(step["threads"], 2);
    assert!(
        step["seed"].is_number() || step["seed"].is_string(),
        "{step}"
    );
    let files = project.output(&run, "look", "files");
    let files: Vec<&str> = files.split_whitespace().collect();
    for there in ["/reproof/code/seen.txt", "/reproof/in/rows.parquet"] {
        assert!(files.contains(&there), "{files:?}");
    }
    let below: Vec<_> = files
        .iter()
        .filter(|file| file.starts_with("/reproof/code/"))
        .collect();
    assert_eq!(below, [&"/reproof/code/seen.txt"], "{files:?}");
    // Nothing matched: the shell leaves the pattern as it is.
    for empty in ["/home/*", "/root/*"] {
        assert!(files.contains(&empty), "{files:?}");
    }
}

#[test]
fn declared_variables_decide_whether_a_step_runs_again() {
    let project = Project::shell(concat!(
        "  mode:\n",
        "    shell: echo $MODE > /reproof/out/o.txt\n",
        "    variables: {MODE: null}\n",
        "    outputs: {o: o.txt}\n",
    ));
    let with = |mode: &str| {
        let mut command = project.command(&["run", "--json"]);
        call(command.env("MODE", mode)).json()
    };
    let first = with("a");
    assert_eq!(project.output(&first, "mode", "o"), "a\n");
    assert!(all(&with("a"), "cached"));
    let other = with("b");
    assert!(all(&other, "ran"));
    assert_eq!(project.output(&other, "mode", "o"), "b\n");
    assert_ne!(first["record"], other["record"]);
    assert_eq!(with("a")["record"], first["record"]);
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["variable MODE", "not set", "hint:"]);
}

#[test]
fn a_tampered_output_is_noticed_and_made_again() {
    let project = Project::shell(ONE);
    let first = project.run(&[]);
    let made = project.output_file(&first, "one", "o");
    assert!(all(&project.run(&[]), "cached"));
    project.damage_blob(&made);
    let call = project.reproof(&["run", "--json"]);
    let call = call.says(&["a stored output of step 'one' is damaged", "made again"]);
    let again = call.json();
    assert!(all(&again, "ran"));
    assert_eq!(again["record"], first["record"]);
    assert_eq!(project.blob(&made), "made\n");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Asserts that nothing that Reproof keeps of the project holds this text: no file, no name of one
/// and no stored blob.
#[track_caller]
fn nowhere(project: &Project, text: &str) {
    let holds = |bytes: &[u8]| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    for path in files(&project.path(".reproof")) {
        let name = path.display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!holds(&bytes) && !name.contains(text), "{name}");
    }
    let store = project.store();
    let blobs = store.blobs().unwrap();
    assert!(blobs.len() > 3, "{}", blobs.len());
    for digest in blobs {
        let blob = store.read(&digest, 1 << 30).unwrap();
        assert!(!holds(&blob), "blob {digest} of {} bytes", blob.len());
    }
}

#[test]
fn a_secret_is_masked_and_kept_nowhere() {
    const SECRET: &str = "hunter2-correct-horse";
    let step = |line: &str, more: &str| {
        format!("  s:\n    shell: '{line}'\n    secrets: [TOKEN]\n    outputs: {{o: o}}\n{more}")
    };
    let run = |project: &Project, arguments: &[&str]| {
        let mut command = project.command(arguments);
        call(command.env("TOKEN", SECRET))
    };
    let project = Project::shell(&step(
        "echo it is $TOKEN; echo ${#TOKEN} > /reproof/out/o",
        "",
    ));
    let first = run(&project, &["run", "--json"]).json();
    assert_eq!(project.output(&first, "s", "o"), "21\n");
    let again = run(&project, &["run", "--json"]).json();
    assert!(all(&again, "ran"), "a step with a secret is not pinned");
    let shown = project.reproof(&["show", "@latest"]).expect(0);
    assert!(shown.out.contains("unpinned"), "{}", shown.out);
    let plan = run(&project, &["plan", "--json"]).json();
    assert_eq!(plan["steps"][0]["cached"], false, "{plan}");
    // Nothing of it can be run again, which is not the same as having been found right.
    let verified = project.reproof(&["verify", "@latest"]).expect(14);
    assert!(verified.out.contains("unpinned"), "{}", verified.out);
    project
        .reproof(&["run"])
        .expect(2)
        .says(&["secret TOKEN", "not set", "hint:"]);
    nowhere(&project, SECRET);

    let cached = Project::shell(&step("echo 1 > /reproof/out/o", "    cache: true\n"));
    run(&cached, &["run", "--json"]).expect(0);
    assert!(all(&run(&cached, &["run", "--json"]).json(), "cached"));

    for (line, says) in [
        ("echo it is $TOKEN; false", "it is ***"),
        ("echo $TOKEN > /reproof/out/o", "the secret TOKEN"),
        (
            "mkdir /reproof/out/o; echo 1 > /reproof/out/o/$TOKEN",
            "the secret TOKEN",
        ),
        (
            "mkdir /reproof/out/o; ln -s $TOKEN /reproof/out/o/link",
            "the secret TOKEN",
        ),
        (
            "echo 1 > /reproof/out/o; echo x$TOKEN > /reproof/report/metrics.jsonl",
            "metrics.jsonl",
        ),
        (
            "echo 1 > /reproof/out/o; echo \"{\\\"name\\\":\\\"$TOKEN\\\",\\\"value\\\":1}\" \
             > /reproof/report/metrics.jsonl",
            "the secret TOKEN",
        ),
    ] {
        let line = line.replace('\'', "''");
        let project = Project::shell(&step(&line, ""));
        let failed = run(&project, &["run"]).expect(11).says(&[says]);
        assert!(!failed.err.contains(SECRET), "{}", failed.err);
        nowhere(&project, SECRET);
    }
}

#[test]
fn a_secret_in_a_note_or_an_observation_is_masked() {
    const SECRET: &str = "hunter2-correct-horse";
    let project = Project::shell(concat!(
        "  s:\n",
        "    shell: 'echo 1 > /reproof/out/o; echo 1 > /reproof/out/x$TOKEN; ",
        "echo \"{\\\"name\\\":\\\"$TOKEN\\\",\\\"value\\\":1}\" > /reproof/report/observations.jsonl'\n",
        "    secrets: [TOKEN]\n    outputs: {o: o}\n",
    ));
    let mut command = project.command(&["run"]);
    let ran = call(command.env("TOKEN", SECRET));
    assert!(!ran.err.contains(SECRET), "{}", ran.err);
    nowhere(&project, SECRET);
}

/// A step that takes a variable by way of a secret, and one that needs what it made.
const FETCH: &str = concat!(
    "  fetch:\n    shell: echo ${#TOKEN} > /reproof/out/rows; echo > /reproof/out/more\n",
    "    secrets: [TOKEN]\n    outputs: {rows: rows, more: {path: more, compare: ignore}}\n",
    "  count:\n    shell: cat /reproof/in/rows/rows > /reproof/out/o\n",
    "    inputs: {rows: fetch.rows}\n    outputs: {o: o}\n",
);

#[test]
fn what_came_out_of_an_unpinned_step_is_pinned_for_those_that_follow() {
    let project = Project::shell(FETCH);
    let fetch = |token: &str, arguments: &[&str]| {
        let mut command = project.command(arguments);
        call(command.env("TOKEN", token)).expect(0)
    };
    let first = fetch("secret", &["run", "--json"]).json();
    assert_eq!(project.output(&first, "count", "o"), "6\n");
    let lock = project.read("reproof.lock");
    assert!(
        lock.contains(r#"{"pipeline":"steps","step":"fetch","key":"#),
        "{lock}"
    );
    assert!(
        !lock.contains("more"),
        "it is not compared, and nothing needs it: {lock}"
    );
    assert_eq!(
        first["execution"]["lock"],
        Digest::of(lock.as_bytes()).to_hex().as_str(),
        "the run knows the lock it wrote"
    );

    let shown = project.reproof(&["show", "@latest"]).expect(0);
    assert_eq!(shown.out.matches("  pinned\n").count(), 2, "{}", shown.out);

    // Locked, it is not run, and needs no secret.
    let locked = project.reproof(&["run", "--locked", "--json"]).json();
    assert_eq!(locked["record"], first["record"]);
    assert_eq!(
        statuses(&locked),
        [
            ("count".to_owned(), "cached".to_owned()),
            ("fetch".to_owned(), "pinned".to_owned())
        ]
    );
    let text = project.reproof(&["run", "--locked"]).expect(0);
    assert!(
        text.out.contains("0 steps run, 1 cached, 1 pinned"),
        "{}",
        text.out
    );

    // Nor is it for a verification, which says so.
    let verified = project.reproof(&["verify", "@latest"]).expect(0);
    assert!(
        verified
            .out
            .contains("identical   1 of 2 steps, 2 of 2 outputs"),
        "{}",
        verified.out
    );
    assert!(
        verified.out.contains("fetch   unpinned: not run again"),
        "{}",
        verified.out
    );

    // What it makes another time is another recipe and another record.
    let call = fetch("another secret", &["run"]);
    assert!(
        call.err
            .contains("'rows' is another than reproof.lock pinned"),
        "{}",
        call.err
    );
    let second = project.reproof(&["run", "--locked", "--json"]).json();
    assert_ne!(second["recipe"], first["recipe"]);
    assert_eq!(project.output(&second, "count", "o"), "14\n");
    let old = first["record"].as_str().unwrap();
    project.reproof(&["verify", old]).expect(0);

    // Another step of that name is not the one that was pinned.
    let pipeline = project.read("pipelines/steps.yaml");
    project.write(
        "pipelines/steps.yaml",
        &pipeline.replace("${#TOKEN} >", "x${#TOKEN} >"),
    );
    project.reproof(&["run", "--locked"]).expect(40).says(&[
        "'fetch' is unpinned",
        "its code, environment",
        "--locked",
    ]);
    project.write("pipelines/steps.yaml", &pipeline.replace("fetch", "get"));
    project
        .reproof(&["run", "--locked"])
        .expect(40)
        .says(&["'get' is unpinned", "does not say what came out"]);
}

/// Answers each line that a connection sends once so many connections have sent one.
fn meeting(connections: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        loop {
            let mut met = Vec::new();
            while met.len() < connections {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                met.push(stream);
            }
            for mut stream in met {
                stream.write_all(b"met\n").unwrap();
            }
        }
    });
    port
}

/// A step that sends a line to a port of this machine and keeps the answer.
fn caller(name: &str, more: &str) -> String {
    let line =
        "exec 3<>/dev/tcp/127.0.0.1/$PORT && echo hello >&3 && head -n 1 <&3 > /reproof/out/o";
    format!(
        "  {name}:\n    run: [bash, -c, '{line}']\n    variables: {{PORT: null}}\n    \
         outputs: {{o: o}}\n    resources: {{wall_seconds: 30}}\n{more}"
    )
}

#[test]
fn the_network_is_there_only_where_it_is_declared() {
    let port = meeting(1).to_string();
    let run = |project: &Project| {
        let mut command = project.command(&["run", "--json"]);
        call(command.env("PORT", &port))
    };
    let without = Project::shell(&caller("net", ""));
    run(&without).expect(11);
    let with = Project::shell(&caller("net", "    network: true\n"));
    let first = run(&with).json();
    assert_eq!(with.output(&first, "net", "o"), "met\n");
    assert!(all(&run(&with).json(), "ran"), "it is not pinned");
    let shown = with.reproof(&["show", "@latest"]).expect(0);
    assert!(shown.out.contains("unpinned"), "{}", shown.out);
    let cached = Project::shell(&caller("net", "    network: true\n    cache: true\n"));
    run(&cached).expect(0);
    assert!(all(&run(&cached).json(), "cached"));
}

#[test]
fn steps_that_do_not_need_each_other_run_at_once() {
    let network = "    network: true\n";
    let project = Project::shell(&(caller("left", network) + &caller("right", network)));
    let mut command = project.command(&["run", "--json", "--threads", "2"]);
    let run = call(command.env("PORT", meeting(2).to_string())).json();
    assert_eq!(project.output(&run, "left", "o"), "met\n");
    assert_eq!(project.output(&run, "right", "o"), "met\n");
}

#[test]
fn limits_and_step_names_are_no_part_of_the_record() {
    let project = Project::shell(ONE);
    let first = project.run(&[]);
    let pipeline = project.read("pipelines/steps.yaml");
    let limited = format!("{pipeline}    resources: {{wall_seconds: 60}}\n");
    project.write("pipelines/steps.yaml", &limited);
    let second = project.run(&[]);
    assert!(all(&second, "cached"));
    assert_eq!(second["record"], first["record"]);
}

#[test]
fn a_failure_is_shown_with_its_end_and_what_may_help() {
    let project = Project::shell(concat!(
        "  fit:\n    shell: 'echo begun; f=settings; cat $f/a.txt > /reproof/out/o'\n",
        "    outputs: {o: o}\n",
        "  later:\n    shell: cat /reproof/in/o/o > /reproof/out/o\n",
        "    inputs: {o: fit.o}\n    outputs: {o: o}\n",
    ));
    project.write("settings/a.txt", "found\n");
    let failed = project.reproof(&["run"]).expect(11).says(&[
        "fit | begun",
        "settings/a.txt",
        "step 'fit' failed: '/bin/sh' ended with code 1",
        "hint: the step sees only its code closure: add 'code: [settings/a.txt]' to it",
    ]);
    assert!(failed.out.contains("1 not run"), "{}", failed.out);
    let log = project.reproof(&["log"]).expect(0);
    assert!(log.out.contains("failed"), "{}", log.out);
    project.edit(
        "pipelines/steps.yaml",
        "    outputs",
        "    code: [settings/a.txt]\n    outputs",
    );
    let run = project.run(&[]);
    assert_eq!(project.output(&run, "later", "o"), "found\n");
}

#[test]
fn a_program_that_is_not_there_says_so() {
    let project = Project::shell("  r:\n    run: [Rscript, a.R]\n    outputs: {o: o}\n");
    project.write("a.R", "");
    project
        .reproof(&["run"])
        .expect(11)
        .says(&["step 'r' failed", "Rscript"]);
}

#[test]
fn outputs_are_those_that_were_declared() {
    let missing = Project::shell(concat!(
        "  s:\n    shell: echo 1 > /reproof/out/other.txt\n",
        "    outputs: {o: o.txt}\n",
    ));
    missing.reproof(&["run"]).expect(11).says(&[
        "did not write its output 'o' (/reproof/out/o.txt)",
        "it wrote other.txt",
    ]);
    let more = Project::shell(concat!(
        "  s:\n    shell: cd /reproof/out; echo 1 > o.txt; echo 2 > more.txt\n",
        "    outputs: {o: o.txt}\n",
    ));
    more.reproof(&["run"]).expect(0).says(&[
        "note: step 's': a file was not kept, because no output is declared for it: more.txt",
    ]);
}

/// What a program may put where its output should be, and what must come of it. Whatever it is,
/// nothing of this machine may get into the store.
#[test]
fn outputs_that_are_not_plain_are_refused() {
    for (line, output, says) in [
        (
            "mkdir o; ln -s /etc/hostname o/l",
            "o/",
            "'o': 'l' is a link that leaves",
        ),
        (
            "mkdir o; ln -s ../../x o/l",
            "o/",
            "'o': 'l' is a link that leaves",
        ),
        (
            "ln -s /outside/secret.csv o",
            "o",
            "neither a file nor a folder",
        ),
        ("mkdir o; mkfifo o/pipe", "o/", "'o': 'pipe' is neither"),
        ("mkfifo o", "o", "neither a file nor a folder"),
        ("ln -s /outside/secret.csv o.csv", "o.csv", "must be a file"),
        ("mkfifo o.csv", "o.csv", "must be a file"),
        ("mkdir o.csv", "o.csv", "must be a file"),
        ("rmdir a; ln -s /outside a", "a/secret.csv", "a link"),
        ("ln -s /outside/secret.csv o; mkdir x", "x/", ""),
        (
            "echo 1 > o; ln -s /outside/secret.csv ../report/metrics.jsonl",
            "o",
            "metrics.jsonl",
        ),
        (
            "echo 1 > o; mkfifo ../report/metrics.jsonl",
            "o",
            "metrics.jsonl",
        ),
        (
            "echo 1 > o; mkdir ../report/metrics.jsonl",
            "o",
            "metrics.jsonl",
        ),
    ] {
        let outside = tempfile::tempdir().unwrap();
        let line = line.replace("/outside", outside.path().to_str().unwrap());
        std::fs::write(
            outside.path().join("secret.csv"),
            "kept-from-programs,x\n3,4\n",
        )
        .unwrap();
        let project = Project::shell(&format!(
            "  s:\n    shell: 'cd /reproof/out; {line}'\n    outputs: {{o: {output}}}\n"
        ));
        let call = project.reproof(&["run"]);
        let expected = if says.is_empty() { 0 } else { 11 };
        assert_eq!(call.code, expected, "{line}: {}{}", call.out, call.err);
        assert!(call.err.contains(says), "{line}: {}", call.err);
        nowhere(&project, "kept-from-programs");
    }
}

#[test]
fn outputs_and_inputs_of_every_kind_come_through() {
    let project = Project::shell(concat!(
        "  make:\n",
        "    shell: cd /reproof/out; mkdir -p d/e; echo x > d/e/f; ln -s e/f d/l;",
        " printf 'a,b\\n1,2\\n' > t.csv; echo '{}' > m.json\n",
        "    outputs: {d: d/, t: t.csv, m: {path: m.json, kind: model}}\n",
        "  use:\n",
        "    shell: cd /reproof/in; cat d/l d/e/f m/m.json > /reproof/out/o; head -c 4 t.parquet >> /reproof/out/o;",
        " echo >> d/e/f || echo refused >> /reproof/out/o\n",
        "    inputs: {d: make.d, t: make.t, m: make.m}\n",
        "    outputs: {o: o}\n",
    ));
    let run = project.run(&[]);
    assert_eq!(project.output(&run, "use", "o"), "x\nx\n{}\nPAR1refused\n");
    let verified = project.reproof(&["verify", "@latest"]).expect(0);
    assert!(verified.out.starts_with("identical"), "{}", verified.out);
}

#[test]
fn an_ignored_output_may_differ() {
    let project = Project::shell(concat!(
        "  s:\n    shell: cd /reproof/out; echo same > o; cat /proc/sys/kernel/random/uuid > log\n",
        "    outputs: {o: o, log: {path: log, compare: ignore}}\n",
    ));
    let first = project.run(&[]);
    let second = project.run(&["--no-cache"]);
    assert!(all(&second, "ran"));
    assert_eq!(second["record"], first["record"]);
    let digest = |run: &serde_json::Value| {
        run["execution"]["steps"]["s"]["outputs"]["log"]["digest"].to_string()
    };
    assert_ne!(digest(&first), digest(&second));
    let verified = project.reproof(&["verify", "@latest"]).expect(0);
    assert!(verified.out.starts_with("identical"), "{}", verified.out);
    // What may differ does not make the step one that does not repeat.
    let third = project.reproof(&["run", "--json"]);
    assert!(!third.err.contains("different"), "{}", third.err);
    assert!(all(&third.json(), "cached"));
}

#[test]
fn a_program_that_does_not_repeat_is_found_out() {
    let project = Project::shell(concat!(
        "  s:\n    shell: cat /proc/sys/kernel/random/uuid > /reproof/out/o\n",
        "    outputs: {o: o}\n",
    ));
    project.run(&[]);
    let verified = project.reproof(&["verify", "@latest"]).expect(12);
    assert!(verified.out.starts_with("diverged"), "{}", verified.out);
    assert!(verified.out.contains("s.o"), "{}", verified.out);
}
