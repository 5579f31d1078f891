//! Pairs of records that differ for one reason: `why` names the step, what of it differs, and how.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::{Project, SIX_16, SIX_17, call};

/// Two records, and what `why` is to say of them.
pub(super) struct Pair {
    /// Its name, as the page has it.
    pub name: &'static str,
    /// The step at which the results part.
    pub step: &'static str,
    /// What of it differs.
    pub aspect: &'static str,
    /// What stands in the text, too; the end of it on the page.
    pub says: &'static [&'static str],
    /// Makes the project and both records.
    make: fn() -> (Project, [String; 2]),
}

pub(super) const PAIRS: &[Pair] = &[
    Pair {
        name: "a function of another module",
        step: "draw",
        aspect: "code",
        says: &["helpers.py   changed: scaled   seen by draw"],
        make: || edited("helpers.py", "* 2", "* 3"),
    },
    Pair {
        name: "a default in a settings file",
        step: "draw",
        aspect: "code",
        says: &["settings.json   changed   seen by draw"],
        make: || edited("settings.json", "3", "4"),
    },
    Pair {
        name: "numbers written with fewer digits",
        step: "draw",
        aspect: "code",
        says: &["draw.py   changed", "by at most 3.333e-5"],
        make: || edited("draw.py", "round(number, 9)", "round(number, 4)"),
    },
    Pair {
        name: "a parameter",
        step: "draw",
        aspect: "configuration",
        says: &["draw.parameters.weight  1 -> 5"],
        make: || edited("pipelines/steps.yaml", "weight: 1", "weight: 5"),
    },
    Pair {
        name: "a declared variable",
        step: "draw",
        aspect: "configuration",
        says: &["draw.program.variables.LEVEL  high -> low"],
        make: || edited("pipelines/steps.yaml", "LEVEL: high", "LEVEL: low"),
    },
    Pair {
        name: "the seed",
        step: "draw",
        aspect: "configuration",
        says: &["draw.seed  "],
        make: || edited("pipelines/steps.yaml", "seed: 1", "seed: 2"),
    },
    Pair {
        name: "an upgraded package",
        step: "draw",
        aspect: "environment",
        says: &["package  six  1.16.0 -> 1.17.0"],
        make: || edited("requirements.txt", SIX_16, SIX_17),
    },
    Pair {
        name: "a package of the same version with an edited file",
        step: "draw",
        aspect: "environment",
        says: &["package  planted  the same version with other content"],
        make: edited_package,
    },
    Pair {
        name: "one cell of the data",
        step: "split",
        aspect: "data",
        says: &["1 row changed in place", "row 5: glucose 107 -> 9107"],
        make: || of_rows(|rows| rows[4] = rows[4].replacen(',', ",9", 1)),
    },
    Pair {
        name: "the rows in another order",
        step: "split",
        aspect: "data",
        says: &["the same rows, in another order"],
        make: || of_rows(|rows| rows.reverse()),
    },
    Pair {
        name: "some rows twice",
        step: "split",
        aspect: "data",
        says: &["20 rows added, all copies of rows that were there"],
        make: || of_rows(|rows| rows.extend_from_within(..20)),
    },
    Pair {
        name: "the labels of one small group",
        step: "split",
        aspect: "data",
        says: &["slices, what matters most first\n  group=e "],
        make: relabelled,
    },
];

/// The records before and after a text of a file was replaced by another one.
fn edited(file: &str, from: &str, to: &str) -> (Project, [String; 2]) {
    let project = Project::python(SIX_16, "");
    project.write(
        "pipelines/steps.yaml",
        "pipeline: steps\nseed: 1\ndata: {csv: data/rows.csv}\nsteps:\n  draw:\n    run: [python, draw.py]\n    \
         code: [settings.json]\n    parameters: {weight: 1}\n    variables: {LEVEL: high}\n    \
         outputs: {model: model.json}\n",
    );
    project.write("settings.json", "{\"rounds\": 3}\n");
    project.write(
        "helpers.py",
        "def scaled(number):\n    return number * 2\n\n\ndef unused():\n    return 0\n",
    );
    project.write(
        "draw.py",
        "import json, os, six\nfrom helpers import scaled\nstep = json.load(open('/reproof/step.json'))\n\
         settings = json.load(open('settings.json'))\nnumber = scaled(1 / 3 + settings['rounds'])\n\
         value = [round(number, 9), step['parameters'], step['seed'], os.environ['LEVEL'], six.__version__]\n\
         with open('/reproof/out/model.json', 'w') as file:\n    json.dump(value, file)\n",
    );
    let before = project.record(&[]);
    project.edit(file, from, to);
    let after = project.record(&[]);
    (project, [before, after])
}

/// Builds a wheel of the package `planted` 1.0 with this module in a folder, and gives its hash.
fn wheel(folder: &Path, module: &str) -> String {
    const BUILD: &str = "import hashlib, os, sys, zipfile\nos.makedirs(sys.argv[1])\n\
        path = os.path.join(sys.argv[1], 'planted-1.0-py3-none-any.whl')\n\
        meta = 'planted-1.0.dist-info/'\n\
        files = {'planted.py': sys.argv[2], meta + 'METADATA': 'Metadata-Version: 2.1\\nName: planted\\nVersion: 1.0\\n',\n\
        meta + 'WHEEL': 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}\n\
        files[meta + 'RECORD'] = ''.join(name + ',,\\n' for name in [*files, meta + 'RECORD'])\n\
        with zipfile.ZipFile(path, 'w') as wheel:\n    [wheel.writestr(*file) for file in files.items()]\n\
        print(hashlib.sha256(open(path, 'rb').read()).hexdigest())\n";
    let mut python = Command::new("python3");
    let call = call(python.args(["-c", BUILD]).arg(folder).arg(module)).expect(0);
    call.out.trim().to_owned()
}

/// A package that someone built twice under one version, such as in a folder of the company's own.
fn edited_package() -> (Project, [String; 2]) {
    let project = Project::python(
        "",
        "  draw:\n    run: [python, draw.py]\n    outputs: {model: model.txt}\n",
    );
    project.write(
        "draw.py",
        "import planted\nwith open('/reproof/out/model.txt', 'w') as file:\n    file.write(planted.WORD)\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let record = |name: &str, word: &str| {
        let links: PathBuf = folder.path().join(name);
        let hash = wheel(&links, &format!("WORD = '{word}'\n"));
        let pinned = format!("planted==1.0 --hash=sha256:{hash}\n");
        project.write("requirements.txt", &pinned);
        let mut run = project.command(&["run", "--json"]);
        let run = call(run.env("UV_FIND_LINKS", &links)).json();
        run["record"].as_str().unwrap().to_owned()
    };
    let both = [record("one", "first"), record("other", "second")];
    (project, both)
}

/// The records before and after something was done to the rows of the diabetes example.
fn of_rows(edit: fn(&mut Vec<String>)) -> (Project, [String; 2]) {
    const DATA: &str = "data/pima_diabetes.csv";
    let project = Project::diabetes();
    // Whether the gates pass does not matter here.
    let record = || -> String {
        let call = project.reproof(&["run", "--json"]);
        let run: serde_json::Value = serde_json::from_str(&call.out).unwrap();
        run["record"].as_str().unwrap().to_owned()
    };
    let before = record();
    let text = project.read(DATA);
    let (header, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<_> = rows.lines().map(str::to_owned).collect();
    edit(&mut rows);
    project.write(DATA, &format!("{header}\n{}\n", rows.join("\n")));
    let both = [before, record()];
    (project, both)
}

/// The labels of a group of 4 % of the rows turned round.
fn relabelled() -> (Project, [String; 2]) {
    let project = Project::empty();
    project.write("reproof.toml", "");
    project.write(
        "pipelines/groups.yaml",
        "pipeline: groups\nseed: 1\ndata: {csv: data/groups.csv}\nlabel: {column: label, positive: \"Yes\"}\n\
         features: [a, b]\nsplit: {random: {train: 0.5, eval: 0.5}}\n\
         train: {logistic_regression: {l2: 1.0}}\n\
         evaluate: {metrics: [accuracy, roc_auc], slices: [group]}\n",
    );
    let write = |turned: bool| {
        let mut bits = 1_u64;
        let mut draw = |below: u64| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) % below
        };
        let mut text = "a,b,group,label\n".to_owned();
        for _ in 0..4_000 {
            let (a, b, noise) = (draw(100), draw(100), draw(40));
            let group = ["a", "b", "c", "d", "e"][(draw(25) / 6) as usize];
            let label = (a + b + noise > 118) != (turned && group == "e");
            let label = if label { "Yes" } else { "No" };
            text += &format!("{a},{b},{group},{label}\n");
        }
        project.write("data/groups.csv", &text);
        project.record(&[])
    };
    let both = [write(false), write(true)];
    (project, both)
}

#[test]
fn pairs_of_records_are_explained() {
    let mut wrong = Vec::new();
    for pair in PAIRS {
        let (project, [before, after]) = (pair.make)();
        let begin = Instant::now();
        let found = project.reproof(&["why", &before, &after, "--json"]).json();
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("| {} | {seconds:.2} s", pair.name);
        let cause = json!({"kind": "aspects", "step": pair.step, "aspects": [pair.aspect]});
        let text = project.reproof(&["why", &before, &after]).expect(0).out;
        let first = format!(
            "The results part at step '{}', whose {} differs.",
            pair.step, pair.aspect
        );
        let said = text.lines().nth(1).is_some_and(|line| line == first);
        let lacks = pair.says.iter().find(|wanted| !text.contains(**wanted));
        if found["cause"] != cause || !said || lacks.is_some() {
            wrong.push(format!(
                "{}: no {lacks:?} in {}\n{text}",
                pair.name, found["cause"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The total barely moves, one slice falls: that slice is told first, by value and by order.
#[test]
fn the_slice_that_fell_is_told_first() {
    let (project, [before, after]) = relabelled();
    let found = project.reproof(&["why", &before, &after, "--json"]).json();
    let metrics = &found["metrics"];
    let value = |of: &serde_json::Value| of["value"].as_f64().unwrap();
    let sides = metrics["found"].as_array().unwrap().iter();
    let overall: Vec<_> = sides
        .map(|side| value(&side["overall"]["accuracy"]))
        .collect();
    assert!((overall[0] - overall[1]).abs() < 0.05, "{overall:?}");
    let slices = metrics["slices"].as_array().unwrap();
    assert_eq!(slices[0]["name"], "group=e");
    let fell = |at: usize| {
        let [good, bad] = [0, 1].map(|side| value(&slices[at]["metrics"]["accuracy"][side]));
        good - bad
    };
    assert!(fell(0) > 0.5, "{slices:?}");
    let others = 1..slices.len();
    assert!(
        others.map(fell).all(|by| fell(0) > 3.0 * by.abs()),
        "{slices:?}"
    );
}
