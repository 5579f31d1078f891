use super::*;

const FILES: [&str; 6] = [
    "data/x.csv",
    "data/y.csv",
    "images/a.png",
    "out/old.txt",
    "helpers.py",
    "work/own.csv",
];

fn look(path: &str) -> Place {
    let below = |file: &&str| file.starts_with(&format!("{path}/"));
    match FILES {
        files if files.contains(&path) => Place::File,
        files if files.iter().any(below) => Place::Folder,
        _ => Place::Nothing,
    }
}

fn imported_at(path: &str, text: &str) -> Imported {
    imported_with(path, text, &[])
}

/// What becomes of a script with modules in these files.
fn imported_with(path: &str, text: &str, modules: &[(&str, &str)]) -> Imported {
    let mut open = |path: &str| {
        let found = modules.iter().find(|(file, _)| *file == path);
        found.map(|(_, text)| text.as_bytes().to_vec())
    };
    let script = read(text.as_bytes(), path, &mut open).unwrap();
    propose(&script, path, "train", "steps/train.py", &mut look)
}

fn imported(text: &str) -> Imported {
    imported_at("train.py", text)
}

fn data(imported: &Imported) -> Vec<&str> {
    imported.data.values().map(String::as_str).collect()
}

fn outputs(imported: &Imported) -> Vec<&str> {
    let paths = imported.outputs.values();
    paths.map(|path| path.as_deref().unwrap_or("-")).collect()
}

#[track_caller]
fn checks(imported: &Imported, line: u32, text: &str) {
    let mut all = imported.check.iter();
    let there = all.any(|note| note.at == At::line(line) && note.text.contains(text));
    assert!(there, "no {line}: {text} in {:#?}", imported.check);
    let written = format!("# check: line {line}: ");
    assert!(line == 0 || imported.pipeline.contains(&written));
}

#[test]
fn files_that_are_read() {
    for text in [
        "pd.read_csv('data/x.csv')",
        "X = 'data/x.csv'\npd.read_csv(X)",
        "from pathlib import Path\nD = Path('data')\npd.read_csv(D / 'x.csv')",
        "pd.read_csv(os.path.join('data', 'x.csv'))",
        "d = 'data'\nopen(f'{d}/x.csv')",
        "Path('data/x.csv').read_text()",
        "HERE = Path(__file__).resolve().parent\nopen(HERE / 'data' / 'x.csv')",
        "open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data/x.csv'))",
        "p.add_argument('--data', default='data/x.csv')\npd.read_csv(args.data)",
        "def load(path):\n    return pd.read_csv(path)\nload('data/x.csv')",
        "pd.read_csv(filepath_or_buffer='./data/x.csv')",
    ] {
        assert_eq!(data(&imported(text)), ["data/x.csv"], "{text}");
    }
    assert_eq!(data(&imported("glob.glob('data/*.csv')")), ["data/*.csv"]);
    assert_eq!(data(&imported("os.listdir('images')")), ["images/"]);
    let found = imported("for n in names:\n    pd.read_csv(f'data/{n}.csv')\nopen('data/x.csv')\n");
    assert_eq!(data(&found), ["data/"]);
    checks(&found, 2, "the whole folder is data");
    checks(&imported("pd.read_csv(path)"), 1, "is not known");
    checks(&imported("pd.read_csv('no.csv')"), 1, "is not there");
    checks(&imported("open('/srv/x.csv')"), 1, "outside of the project");
    checks(
        &imported("pd.read_csv('https://example.org/x')"),
        1,
        "network",
    );
    // A text that says something to a reader, and what no call opens, is no data.
    let found = imported("'data/x.csv'\nd = 'images'\n");
    assert!(found.data.is_empty());
    assert!(found.pipeline.contains("project: {files: reproof.toml}"));
}

#[test]
fn files_that_are_written() {
    for (text, path) in [
        ("df.to_csv('out/x.csv')", "out/x.csv"),
        ("joblib.dump(model, 'model.pkl')", "model.pkl"),
        (
            "from joblib import dump\ndump(model, 'model.pkl')",
            "model.pkl",
        ),
        ("json.dump(scores, open('scores.json', 'w'))", "scores.json"),
        ("with gzip.open('a.gz', mode='wb') as f:\n    pass", "a.gz"),
        ("plt.savefig('plot')", "plot.png"),
        ("np.save('x', a)", "x.npy"),
        ("torch.save(m.state_dict(), 'm.pt')", "m.pt"),
        ("model.save_model('m.ubj')", "m.ubj"),
        ("Path('out', 'x.txt').write_text('')", "out/x.txt"),
        ("open(f'out/{name}.txt', 'w')", "out/"),
        (
            "p.add_argument('--out', default='o.pkl')\nopen(args.out, 'wb')",
            "o.pkl",
        ),
        // What is written first is no data when it is read.
        (
            "x.to_csv('data/x.csv')\npd.read_csv('data/x.csv')",
            "data/x.csv",
        ),
    ] {
        let found = imported(text);
        assert_eq!(outputs(&found), [path], "{text}");
        assert!(found.data.is_empty(), "{text}");
    }
    let found = imported("if save:\n    x.to_csv('x.csv')");
    checks(&found, 2, "may not be written");
    let found = imported("if __name__ == '__main__':\n    x.to_csv('x.csv')");
    assert!(!found.check.iter().any(|note| note.text.contains("may not")));
    let found = imported("print(1)");
    assert_eq!(outputs(&found), ["-"]);
    checks(&found, 0, "what it prints");
    checks(
        &imported("open(name, 'w')"),
        1,
        "where 'open' writes is not known",
    );
    checks(&imported("open('data/x.csv', 'r+')"), 1, "read-only");
}

#[test]
fn parameters_are_settings_and_arguments() {
    let found = imported(
        "import x\nLR = 0.1\nepochs = 1_000\nDATA = 'data/x.csv'\nDEFAULT = 3\n_own = 1\n\
         df = load()\nlater = 5\nCAPITAL = 'a'\nTWICE = 1\nTWICE = 2\n\
         p.add_argument('--n-jobs', '-j', type=int, default=DEFAULT)\n\
         p.add_argument('-q', action='store_true')\n\
         p.add_argument('--data', default=DATA)\n\
         p.add_argument('--sizes', nargs='+', default=[1, 2])\n\
         p.add_argument('--who', default=who())\np.add_argument('--must', required=True)\n",
    );
    let shown: Vec<String> = found
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        shown,
        [
            "CAPITAL=\"a\"",
            "LR=0.1",
            "epochs=1000",
            "must=null",
            "n_jobs=3",
            "q=false",
            "sizes=[1, 2]"
        ]
    );
    let numbers = "A = .5\nB = -1.\nC = +2\nD = 0x1f\nE = 1_0e-1\nF = 1j\nG = ~1\nH = 9**9";
    let numbers = imported(numbers).parameters;
    let shown: Vec<String> = numbers.values().cloned().collect();
    assert_eq!(shown, ["0.5", "-1.0", "2", "31", "1.0"]);
    checks(&found, 16, "'who'");
    checks(&found, 17, "must be given");
    for line in [
        "    (\"q\", \"-q\", \"true\"),\n",
        "    (\"n_jobs\", \"--n-jobs\", \"value\"),\n",
        "CONSTANTS = [\"LR\", \"epochs\", \"CAPITAL\"]\n",
    ] {
        assert!(found.program.contains(line), "{}", found.program);
    }
    checks(&imported("import sys\nprint(sys.argv[1])"), 2, "ARGUMENTS");
    checks(&imported("import click"), 1, "click");
}

#[test]
fn options_of_click_are_arguments() {
    let text = "import click\nDEPTH = 3\n\
         @click.command()\n\
         @click.argument('table', default='data/x.csv')\n\
         @click.argument('name')\n\
         @click.option('--learning-rate', '-l', default=.1, show_default=True)\n\
         @click.option('-d', '--depth', 'levels', default=DEPTH)\n\
         @click.option('--quiet', is_flag=True)\n\
         @click.option('--shuffle/--no-shuffle', default=True)\n\
         @click.option('--on/--off', default=True)\n\
         @click.option('--many', multiple=True)\n\
         @click.option('--seed', type=int, required=True)\n\
         def main(table, name, learning_rate, levels, quiet, shuffle, on, many, seed):\n    \
             pd.read_csv(table)\nmain()\n";
    let found = imported(text);
    let shown: Vec<String> = found
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        shown,
        [
            "learning_rate=0.1",
            "levels=3",
            "name=null",
            "quiet=false",
            "seed=null",
            "shuffle=true"
        ]
    );
    assert_eq!(data(&found), ["data/x.csv"]);
    for line in [
        "    (\"name\", None, \"value\"),\n",
        "    (\"learning_rate\", \"--learning-rate\", \"value\"),\n",
        "    (\"levels\", \"--depth\", \"value\"),\n",
        "    (\"quiet\", \"--quiet\", \"true\"),\n",
        "    (\"shuffle\", \"--shuffle\", \"either\"),\n",
        "CONSTANTS = []\n",
    ] {
        assert!(found.program.contains(line), "{}", found.program);
    }
    checks(&found, 5, "'name' must be given");
    checks(&found, 10, "'on'");
    checks(&found, 11, "'many'");
    checks(&found, 12, "'seed' must be given");
    assert!(
        !found
            .check
            .iter()
            .any(|note| note.text.contains("read by click"))
    );
    // Of several commands it is not known which is run.
    let several = "from click import group, option\n@group\ndef all(): pass\n\
                   @all.command()\n@option('--x', default=1)\ndef one(x): pass\n";
    checks(&imported(several), 1, "read by click");
}

#[test]
fn seeds_imports_and_what_would_not_repeat() {
    let found = imported(
        "import numpy as np, sklearn.svm, json\nimport strange\nimport helpers\n\
         try:\n    import torch\nexcept ImportError:\n    torch = None\n\
         np.random.seed(42)\nf(random_state=7)\nimport os\nos.environ['HOST_X']\n",
    );
    let seeds = [("np.random.seed(42)", 8), ("random_state=7", 9)];
    let note = |(text, line): (&str, u32)| Note {
        at: At::line(line),
        text: text.to_owned(),
    };
    assert_eq!(found.seeds, seeds.map(note));
    assert!(
        found
            .pipeline
            .contains("# seed, line 8: np.random.seed(42)\n")
    );
    let lines: Vec<&str> = found.requirements.lines().collect();
    assert!(lines.contains(&"numpy") && lines.contains(&"scikit-learn"));
    assert!(lines.contains(&"# strange") && lines.contains(&"# torch"));
    assert!(!found.requirements.contains("json") && !found.requirements.contains("helpers\n"));
    checks(&found, 2, "strange");
    checks(&found, 3, "'helpers' lies in the project");
    checks(&found, 11, "HOST_X");
}

#[test]
fn a_script_in_a_folder_is_run_where_its_files_are() {
    let found = imported_at("work/train.py", "open('own.csv')\nopen('made.txt', 'w')");
    assert_eq!(data(&found), ["work/own.csv"]);
    assert_eq!(outputs(&found), ["work/made.txt"]);
    assert!(found.program.contains("FOLDER = \"work\""));
    let found = imported_at("work/train.py", "open('data/x.csv')");
    assert_eq!(data(&found), ["data/x.csv"]);
    assert!(found.program.contains("FOLDER = \"\""));
    let above = "open(Path(__file__).parent.parent / 'data' / 'y.csv')";
    assert_eq!(data(&imported_at("work/train.py", above)), ["data/y.csv"]);
}

#[test]
fn what_is_no_python_is_said_with_its_place() {
    let error = read(b"x = 1\nif x\n", "train.py", &mut |_| None).unwrap_err();
    assert!(
        matches!(
            error,
            ScriptError::Syntax {
                line: 2,
                column: 5,
                ..
            }
        ),
        "{error:?}"
    );
    let large = vec![b'#'; (1 << 20) + 1];
    assert_eq!(
        read(&large, "train.py", &mut |_| None),
        Err(ScriptError::TooLarge)
    );
    assert!(read(b"", "train.py", &mut |_| None).is_ok());
    assert!(read("ä = '\u{fffd}'".as_bytes(), "train.py", &mut |_| None).is_ok());
}

#[test]
fn modules_of_the_project_are_looked_at_like_the_script() {
    let modules = [
        (
            "work/helpers.py",
            "import xgboost\nfrom pkg.deep import load\nfrom . import beside\nimport helpers\nSIZE = 3\n\
             def read():\n    return open('data/x.csv')\n",
        ),
        ("pkg/__init__.py", "import numpy as np\nnp.random.seed(1)\n"),
        (
            "pkg/deep.py",
            "import os\nHERE = os.path.dirname(__file__)\ndef load():\n    \
             open('out/made.txt', 'w')\n    return open(HERE + '/../data/y.csv')\nos.environ['X']\n",
        ),
        ("work/beside.py", "def ("),
        ("work/unused.py", "open('images/a.png')"),
    ];
    let text = "import numpy as np\nimport helpers\nx = np.random.rand(3)\n";
    let found = imported_with("work/train.py", text, &modules);
    assert_eq!(data(&found), ["data/x.csv", "data/y.csv"]);
    assert_eq!(outputs(&found), ["out/made.txt"]);
    assert!(found.parameters.is_empty(), "{:?}", found.parameters);
    let lines: Vec<&str> = found.requirements.lines().skip(1).collect();
    assert_eq!(lines, ["numpy", "xgboost"]);
    let seed = Note {
        at: At {
            file: Some("pkg/__init__.py".to_owned()),
            line: 2,
        },
        text: "np.random.seed(1)".to_owned(),
    };
    assert_eq!(found.seeds, [seed]);
    let checks: Vec<String> = found
        .check
        .iter()
        .map(|note| format!("{}: {}", note.at, note.text))
        .collect();
    let there = |begin: &str| checks.iter().any(|check| check.starts_with(begin));
    assert!(
        there("pkg/deep.py, line 6: the step has no variable X"),
        "{checks:?}"
    );
    assert!(
        there("work/helpers.py, line 3: work/beside.py:1:"),
        "{checks:?}"
    );
    // The seed of the package counts for the script.
    assert!(!there("line 3:"), "{checks:?}");
    for line in [
        "# seed, pkg/__init__.py, line 2: np.random.seed(1)\n",
        "  x: {files: data/x.csv}  # work/helpers.py, line 7: open\n",
    ] {
        assert!(found.pipeline.contains(line), "{}", found.pipeline);
    }
}
