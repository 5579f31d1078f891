//! Planted cases: small steps that would not repeat, and some that do, with what `doctor`, `verify` and
//! experiments say of each. The page on verification has the table.

use serde_json::Value;

use crate::support::{Project, SIX_16};

/// A planted case: its name, the script, the rules that `doctor` names, the verdict, what experiments find.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

const PLANTED: &[Case] = &[
    (
        "a set of texts as a list",
        "value = list({'a', 'b', 'c', 'd', 'e', 'f'})",
        &["set-order"],
        "identical",
        &["hash_seed"],
    ),
    (
        "`hash()` of a text",
        "value = hash('a')",
        &["string-hash"],
        "identical",
        &["hash_seed"],
    ),
    (
        "an unsorted `os.listdir`",
        "import os, pathlib\nfor n in 'abc': pathlib.Path('/tmp', n).touch()\nvalue = [n for n in os.listdir('/tmp') if len(n) == 1]",
        &["unsorted-files"],
        "identical",
        &["file_order"],
    ),
    (
        "an unsorted `Path.glob`",
        "import pathlib\nfor n in 'abc': pathlib.Path('/tmp', n + '.q').touch()\nvalue = [p.name for p in pathlib.Path('/tmp').glob('*.q')]",
        &["unsorted-files"],
        "identical",
        &["file_order"],
    ),
    (
        "the clock in a feature",
        "import time\nvalue = time.time() % 1000",
        &["clock"],
        "diverged",
        &["clock"],
    ),
    (
        "`datetime.now`",
        "import datetime\nassert isinstance(datetime.datetime(2020, 1, 1), datetime.date)\nvalue = datetime.datetime.now().isoformat()",
        &["clock"],
        "diverged",
        &["clock"],
    ),
    (
        "the year of today",
        "import datetime\nvalue = datetime.date.today().year",
        &["clock"],
        "identical",
        &["clock"],
    ),
    (
        "the time in a gzip head",
        "import gzip, time\ntime.sleep(1.1)\nvalue = gzip.compress(b'x').hex()",
        &[],
        "diverged",
        &["clock"],
    ),
    (
        "`uuid4`",
        "import uuid\nvalue = str(uuid.uuid4())",
        &["entropy"],
        "diverged",
        &["randomness"],
    ),
    (
        "`os.urandom`",
        "import os\nvalue = os.urandom(4).hex()",
        &["entropy"],
        "diverged",
        &["randomness"],
    ),
    (
        "`secrets`",
        "import secrets\nvalue = secrets.token_hex()",
        &["entropy"],
        "diverged",
        &["randomness"],
    ),
    (
        "`random` without a seed",
        "import random\nvalue = random.random()",
        &["unseeded-random"],
        "diverged",
        &["randomness"],
    ),
    (
        "`random.Random()` without a seed",
        "import random\nvalue = random.Random().random()",
        &["unseeded-random"],
        "diverged",
        &["randomness"],
    ),
    (
        "the clock and `random`",
        "import random, time\nvalue = [random.random(), time.time()]",
        &["clock", "unseeded-random"],
        "diverged",
        &["clock", "randomness"],
    ),
    (
        "random bits that Python is not asked for",
        "import _random\nvalue = _random.Random().random()",
        &[],
        "diverged",
        &[],
    ),
    (
        "an undeclared variable",
        "import os\nvalue = os.environ.get('DEBUG', '0')",
        &["undeclared-variable"],
        "identical",
        &[],
    ),
    (
        "the number of processors",
        "import os\nvalue = os.environ['OMP_NUM_THREADS']",
        &[],
        "identical",
        &["threads"],
    ),
    (
        "the instructions of the processor",
        "import os\nvalue = os.environ.get('OPENBLAS_CORETYPE')",
        &[],
        "identical",
        &["processor"],
    ),
    (
        "the local time",
        "import time\nvalue = time.localtime(0).tm_hour",
        &[],
        "identical",
        &["time_zone"],
    ),
    (
        "a pickle",
        "import pickle\nvalue = pickle.dumps([1, 2]).hex()",
        &["pickle-output"],
        "identical",
        &[],
    ),
];

/// Steps that repeat anywhere: nothing may be said of them.
const CLEAN: &[(&str, &str)] = &[
    ("a sorted set", "value = sorted({'a', 'b', 'c'})"),
    (
        "a sorted listing",
        "import os\nvalue = sorted(os.listdir('.'))",
    ),
    (
        "a seeded `random`",
        "import random\nrandom.seed(1)\nvalue = random.random()",
    ),
    (
        "a generator of its own",
        "import random\nvalue = random.Random(7).random()",
    ),
    (
        "how long it took, printed",
        "import time\nbegin = time.time()\nvalue = 1\nprint(time.time() - begin)",
    ),
    (
        "`uuid5`",
        "import uuid\nvalue = str(uuid.uuid5(uuid.NAMESPACE_URL, 'a'))",
    ),
    (
        "`hashlib`",
        "import hashlib\nvalue = hashlib.sha256(b'a').hexdigest()",
    ),
    (
        "a fixed date",
        "import datetime\nvalue = datetime.date(2020, 1, 1).isoformat()",
    ),
    (
        "the order of a dictionary",
        "value = list(dict.fromkeys('hello'))",
    ),
    (
        "a set that is only counted",
        "value = len({'a', 'b'}) + ('a' in {'a', 'b'})",
    ),
];

/// A project with a step of Python in an environment of one small package.
fn project() -> Project {
    let project = Project::python(
        SIX_16,
        "  draw:\n    run: [python, draw.py]\n    outputs: {model: model.json}\n",
    );
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project
}

/// What a call printed as JSON, whatever its exit code.
#[track_caller]
fn printed(project: &Project, arguments: &[&str]) -> Value {
    let call = project.reproof(arguments);
    serde_json::from_str(&call.out).unwrap_or_else(|error| panic!("{error}: {call:?}"))
}

/// What is said of a script: by `doctor`, by `verify`, by experiments.
fn said(project: &Project, script: &str) -> (Vec<String>, String, Vec<String>) {
    let script = format!(
        "import json\n{script}\nwith open('/reproof/out/model.json', 'w') as file:\n    json.dump(value, file)\n"
    );
    project.write("draw.py", &script);
    let record = project.record(&[]);
    project.commit("the script, and the lock file");
    let found = printed(project, &["doctor", "steps", "--json"]);
    let rules = found["code"][0]["findings"].as_array().unwrap().iter();
    let mut rules: Vec<_> = rules
        .map(|one| one["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let verdict = printed(project, &["verify", &record, "--json"])["verdict"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = printed(
        project,
        &["why", &record, "--experiment", "--step", "draw", "--json"],
    );
    let explained = made["experiments"]["explained"].as_array().unwrap().iter();
    let factors = explained
        .map(|one| one["factor"].as_str().unwrap().to_owned())
        .collect();
    (rules, verdict, factors)
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn planted_cases_are_found() {
    let project = project();
    for (name, script, rules, verdict, factors) in PLANTED {
        let expected = (owned(rules), (*verdict).to_owned(), owned(factors));
        assert_eq!(said(&project, script), expected, "{name}");
    }
}

#[test]
fn clean_cases_are_left_alone() {
    let project = project();
    for (name, script) in CLEAN {
        let expected = (Vec::new(), "identical".to_owned(), Vec::new());
        assert_eq!(said(&project, script), expected, "{name}");
    }
}

/// The page has a line for each case, and says of it what the tests above find.
#[test]
fn the_page_lists_the_cases() {
    const PAGE: &str = include_str!("../../docs/src/verify.md");
    let listed = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    };
    for (name, _, rules, verdict, factors) in PLANTED {
        let line = format!(
            "| {name} | {} | {verdict} | {} |\n",
            listed(rules),
            listed(factors)
        );
        assert!(PAGE.contains(&line), "{line}");
    }
    for (name, _) in CLEAN {
        assert!(PAGE.contains(&format!("\n- {name}\n")), "{name}");
    }
}
