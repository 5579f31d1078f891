//! Steps that run without isolation: only where the person at the machine says so, and never taken for
//! isolated ones.

use std::process::Command;

use crate::support::{Project, SIX_16, call, statuses};

const NONE: [&str; 2] = ["--isolation", "none"];

/// A step that shows where it is.
fn looking() -> Project {
    let project = Project::shell(concat!(
        "  look:\n",
        "    shell: env > /reproof/out/env; cat $REPROOF_STEP > /reproof/out/step; cat conf/a.txt;",
        " echo $0 > /reproof/out/shell; cat /reproof/in/rows.parquet > $TMPDIR/copy\n",
        "    code: [conf/a.txt]\n",
        "    variables: {MODE: fast}\n",
        "    inputs: {rows: data}\n",
        "    outputs: {env: {path: env, compare: ignore}, step: {path: step, compare: ignore},",
        " shell: shell}\n",
    ));
    project.write("conf/a.txt", "a\n");
    project
}

#[test]
fn a_step_finds_everything_where_it_lies() {
    let project = looking();
    let mut command = project.command(&["run", "--json", "--isolation", "none"]);
    let ran = call(command.env("UNDECLARED", "x"));
    let ran = ran.says(&["note: the programs of this pipeline are not isolated"]);
    let run = ran.json();
    let env = project.output(&run, "look", "env");
    for line in ["MODE=fast", "TZ=UTC", "OMP_NUM_THREADS=1"] {
        assert!(env.lines().any(|found| found == line), "no {line}:\n{env}");
    }
    for absent in ["UNDECLARED", "XDG_CACHE_HOME", "=/reproof"] {
        assert!(!env.contains(absent), "{absent}:\n{env}");
    }
    let step = project.output(&run, "look", "step");
    let step: serde_json::Value = serde_json::from_str(&step).unwrap();
    let root = project.root().canonicalize().unwrap();
    for (kind, name) in [("inputs", "rows"), ("outputs", "env")] {
        let path = step[kind][name]["path"].as_str().unwrap();
        assert!(path.starts_with(root.to_str().unwrap()), "{path}");
    }
    // The environment's shell, not the machine's.
    let shell = project.output(&run, "look", "shell");
    assert!(shell.contains("/closures/"), "{shell}");
    let shown = project.reproof(&["show", "@latest"]).expect(0);
    assert!(shown.out.contains("isolation none"), "{}", shown.out);
}

#[test]
fn results_without_isolation_are_those_of_no_isolated_step() {
    let project = Project::shell(
        "  one:\n    shell: echo made > /reproof/out/o.txt\n    outputs: {o: o.txt}\n",
    );
    let run = |arguments: &[&str]| {
        let run = project.run(arguments);
        let status = statuses(&run)[0].1.clone();
        (run["record"].as_str().unwrap().to_owned(), status)
    };
    let (full, status) = run(&[]);
    assert_eq!(status, "ran");
    let (none, status) = run(&NONE);
    assert_eq!(status, "ran", "not from the cache of isolated steps");
    assert_ne!(none, full);
    assert_eq!(run(&NONE), (none.clone(), "cached".to_owned()));
    assert_eq!(run(&[]), (full.clone(), "cached".to_owned()));

    let refused = project.reproof(&["verify", &none]).expect(40);
    refused.says(&["step 'one'", "ran without isolation", "--isolation none"]);
    let verified = project.reproof(&["verify", &none, "--isolation", "none"]);
    let verified = verified.expect(0).says(&["are not isolated"]);
    assert!(verified.out.starts_with("identical"), "{}", verified.out);
    // What is granted is not what is needed.
    let verified = project.reproof(&["verify", &full, "--isolation", "none"]);
    let verified = verified.expect(0);
    assert!(!verified.err.contains("not isolated"), "{}", verified.err);

    let toml = project.read("reproof.toml");
    let policy = format!("[policy]\nisolation = \"full\"\n{toml}");
    project.write("reproof.toml", &policy);
    for arguments in [
        vec!["run", "--isolation", "none"],
        vec!["plan", "--isolation", "none"],
        vec!["verify", &none, "--isolation", "none"],
    ] {
        let refused = project.reproof(&arguments).expect(40);
        refused.says(&["policy.isolation", "full"]);
    }
    project.reproof(&["run"]).expect(0);
    let unknown = project.reproof(&["run", "--isolation", "some"]).expect(2);
    unknown.says(&["some", "isolation"]);
}

#[test]
fn a_step_sees_the_machine_and_is_told_what_it_did_not_declare() {
    let project = Project::shell(concat!(
        "  see:\n    shell: c=conf; cat $WHERE/secret.txt > /reproof/out/o.txt; cat $c/none.txt || true\n",
        "    variables: {WHERE: null}\n    outputs: {o: o.txt}\n",
    ));
    project.write("secret.txt", "seen\n");
    project.write("conf/none.txt", "not seen\n");
    let mut command = project.command(&["run", "--json", "--isolation", "none"]);
    let ran = call(command.env("WHERE", project.root()));
    let ran = ran.says(&[
        "closure: conf/none.txt (add 'code: [conf/none.txt]'",
        "by their paths on this machine, which no isolated step sees: secret.txt",
    ]);
    let run = ran.json();
    assert_eq!(project.output(&run, "see", "o"), "seen\n");
}

#[test]
fn limits_failures_and_hints_are_as_with_isolation() {
    let failing = Project::shell(
        "  s:\n    shell: (sleep 7041 &) ; c=conf; cat $c/a.txt > /reproof/out/o\n    outputs: {o: o}\n",
    );
    failing.write("conf/a.txt", "a\n");
    let failed = failing.reproof(&["run", "--isolation", "none"]).expect(11);
    failed.says(&["'/bin/sh' ended with code 1", "add 'code: [conf/a.txt]'"]);
    let slow = Project::shell(
        "  s:\n    shell: sleep 7042\n    resources: {wall_seconds: 1}\n    outputs: {o: o}\n",
    );
    let ended = slow.reproof(&["run", "--isolation", "none"]).expect(11);
    ended.says(&["it was ended after 1 s"]);
    for argument in ["7041", "7042"] {
        let pattern = format!("sleep {argument}");
        let found = Command::new("pgrep").args(["-f", &pattern]).output();
        assert!(found.unwrap().stdout.is_empty(), "{argument} is left");
    }
    let missing = Project::shell("  r:\n    run: [Rscript, a.R]\n    outputs: {o: o}\n");
    missing.write("a.R", "");
    let missing = missing.reproof(&["run", "--isolation", "none"]).expect(11);
    missing.says(&["step 'r' failed", "Rscript"]);
}

/// The interpreter, its packages and its libraries are the environment's, and give what isolated
/// ones give.
#[test]
fn python_runs_from_its_environment() {
    let project = Project::python(
        SIX_16,
        "  p:\n    run: [python, main.py, /reproof/out/o.json]\n    outputs: {o: o.json}\n",
    );
    project.write(
        "main.py",
        "import ctypes, json, os, subprocess, sys\nimport six, pkg.inner\n\
         libc = [line.split()[-1] for line in open('/proc/self/maps') if 'libc.so' in line]\n\
         inner = [sys.executable, '-c', 'import six; print(six.__version__)']\n\
         step = json.load(open(os.environ['REPROOF_STEP']))\n\
         print('prefix', sys.prefix, 'libc', libc[0], 'six', six.__file__)\n\
         json.dump([sys.version, six.__version__, pkg.inner.X, step['threads'],\n\
         subprocess.check_output(inner, text=True)], open(sys.argv[1], 'w'))\n",
    );
    project.write("pkg/__init__.py", "");
    project.write("pkg/inner.py", "X = 7\n");
    let none = project.run(&NONE);
    let log = project
        .reproof(&["show", "@latest", "--log", "p"])
        .expect(0);
    let words: Vec<_> = log.out.split_whitespace().collect();
    assert_eq!(words.len(), 6, "{}", log.out);
    for path in [words[1], words[3], words[5]] {
        assert!(path.contains("/closures/"), "{}", log.out);
    }
    let full = project.run(&[]);
    let output = |run| project.output(run, "p", "o");
    assert_eq!(output(&none), output(&full));
    assert!(output(&none).contains("1.16.0"), "{}", output(&none));
}

/// A machine whose kernel gives no namespaces, as in many containers: a namespace in which no more can
/// be made.
#[test]
fn where_there_are_no_namespaces_the_way_out_is_named_and_works() {
    let project = Project::python(
        SIX_16,
        concat!(
            "  p:\n    run: [python, main.py]\n    variables: {OUT: /reproof/out/o.txt}\n",
            "    outputs: {o: o.txt}\n",
        ),
    );
    project.write(
        "main.py",
        "import os, six\nopen(os.environ['OUT'], 'w').write(six.__cached__)\n",
    );
    let cache = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let script = format!(
            "echo 0 > /proc/sys/user/max_user_namespaces && exec '{}' {arguments}",
            env!("CARGO_BIN_EXE_reproof")
        );
        let mut command = project.command(&[]);
        let mut outer = Command::new("unshare");
        outer.args(["--user", "--map-root-user", "sh", "-c", &script]);
        outer.current_dir(project.root());
        for (name, value) in command.env("XDG_CACHE_HOME", cache.path()).get_envs() {
            if let Some(value) = value {
                outer.env(name, value);
            }
        }
        call(&mut outer)
    };
    let refused = run("run").expect(20);
    refused.says(&[
        "make namespaces",
        "max_user_namespaces",
        "hint:",
        "--isolation none",
    ]);
    let ran = run("run --json --isolation none").json();
    // The environment was built here, with its bytecode.
    let bytecode = project.output(&ran, "p", "o");
    assert!(std::path::Path::new(&bytecode).is_file(), "{bytecode}");
    run("verify @latest").expect(40);
    let verified = run("verify @latest --isolation none").expect(0);
    assert!(verified.out.starts_with("identical"), "{}", verified.out);
}

/// What a record brings is not run without isolation because somebody asks what it depends on.
#[test]
fn a_metric_is_shared_out_without_isolation_only_where_that_is_granted() {
    let project = Project::shell(concat!(
        "  look:\n    shell: |\n",
        "      S=$(cat $REPROOF_STEP); M=${S#*'\"metrics\":\"'}; M=${M%%'\"'*}\n",
        "      echo '{\"name\":\"m\",\"value\":'$P'}' > $M; echo > /reproof/out/o\n",
        "    variables: {P: \"1\"}\n    inputs: {rows: data}\n    outputs: {o: o}\n",
    ));
    let record = || {
        let run = project.run(&NONE);
        run["record"].as_str().unwrap().to_owned()
    };
    let first = record();
    project.edit("pipelines/steps.yaml", "P: \"1\"", "P: \"3\"");
    project.write("data/rows.csv", "a,b\n1,3\n");
    let command = ["why", &first, &record(), "--attribute", "m"];
    project
        .reproof(&command)
        .expect(40)
        .says(&["ran without isolation", "--isolation none"]);
    let said = project
        .reproof(&[&command[..], &NONE].concat())
        .expect(0)
        .out;
    assert!(said.contains("m 1.000 -> 3.000   +2.000"), "{said}");
    assert!(said.contains("  configuration  +2.000"), "{said}");
}
