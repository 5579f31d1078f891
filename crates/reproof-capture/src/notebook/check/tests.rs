use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// What is found in a notebook of these code cells, a line each: `RULE CELL:LINE WHAT`.
fn found(cells: &[&str]) -> Vec<String> {
    let cells: Vec<Value> = cells.iter().map(|source| code(source, None)).collect();
    found_in(&cells)
}

fn code(source: &str, count: Option<u64>) -> Value {
    json!({"cell_type": "code", "source": source, "execution_count": count,
           "metadata": {}, "outputs": []})
}

fn report(cells: &[Value]) -> Report {
    let declared = Declared::of_requirements(
        "requirements.txt",
        "pandas==2\nscikit-learn==1\nnumpy==2\ntorch==2\nsympy==1\n",
    );
    let own = BTreeSet::from(["helpers".to_owned()]);
    let text = json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells});
    let notebook = Notebook::parse(text.to_string().as_bytes()).unwrap();
    check(
        &notebook,
        Surroundings {
            declared: Some(&declared),
            own: &own,
            given: &BTreeSet::new(),
            context: &Context::default(),
        },
    )
}

fn found_in(cells: &[Value]) -> Vec<String> {
    let report = report(cells);
    let others = BTreeSet::new();
    let found = report.checked.findings(&others, |_| false);
    let found = found.filter(|finding| finding.rule.is_of_exploring());
    let show = |finding: &Finding| {
        let cell = finding.cell.unwrap();
        format!("{} {cell}:{} {}", finding.rule, finding.line, finding.text)
    };
    found.map(show).collect()
}

/// Asserts that exactly one thing is found, and how it begins.
#[track_caller]
fn one(cells: &[&str], expected: &str) {
    let found = found(cells);
    assert!(
        found.len() == 1 && found[0].starts_with(expected),
        "{cells:?}: {found:#?}, not {expected}"
    );
}

/// Asserts that nothing is found.
#[track_caller]
fn nothing(cells: &[&str]) {
    assert_eq!(found(cells), [] as [&str; 0], "{cells:?}");
}

/// What is found in cells that were run as these counts say.
fn order(counts: &[Option<u64>]) -> Vec<String> {
    let cells: Vec<Value> = counts.iter().map(|count| code("1", *count)).collect();
    found_in(&cells)
}

#[test]
fn cells_that_were_run_in_another_order() {
    assert_eq!(
        order(&[Some(1), Some(3), Some(2)]),
        [
            "out-of-order 3:1 In [2] stands below In [3], cell 2: it was run before it, or the \
             kernel was started again in between"
        ]
    );
    assert!(order(&[Some(1), Some(1)])[0].starts_with("out-of-order 2:1"));
    assert!(order(&[Some(1), Some(2), Some(3)]).is_empty());
    assert!(order(&[None, None]).is_empty());
}

#[test]
fn runs_that_no_cell_shows() {
    assert_eq!(
        order(&[Some(1), Some(4), Some(5)]),
        ["execution-gap 2:1 no cell shows In [2, 3]: cells were run again, or are gone"]
    );
    assert_eq!(
        order(&[Some(12), Some(13)])[0],
        "execution-gap 1:1 no cell shows In [1, 2, 3, 4, 5, 6, 5 more]: cells were run again, or are \
         gone"
    );
    assert!(order(&[Some(1), Some(2)]).is_empty());
}

#[test]
fn cells_that_were_not_run() {
    assert_eq!(
        order(&[Some(1), None]),
        ["not-run 2:1 this cell was not run, though others were"]
    );
    // Empty cells get no count, and comments change nothing.
    let cells = [
        code("1", Some(1)),
        code(" \n", None),
        code("# later\n", None),
        code("2", Some(2)),
    ];
    assert_eq!(found_in(&cells), [] as [&str; 0]);
}

#[test]
fn outputs_that_are_errors() {
    let mut cell = code("1 / 0", Some(1));
    cell["outputs"] = json!([{"output_type": "error", "ename": "ZeroDivisionError",
                              "evalue": "division by zero", "traceback": []}]);
    let expected = "error-output 1:1 its output is an error: ZeroDivisionError: division by zero";
    assert_eq!(found_in(&[cell.clone()]), [expected]);
    cell["metadata"] = json!({"tags": ["raises-exception"]});
    assert_eq!(found_in(&[cell]), [] as [&str; 0]);
}

#[test]
fn cells_that_are_no_python() {
    one(&["x = 1\nprint x\n"], "syntax-error 1:2");
    one(&["def f(:\n  pass", "f()"], "syntax-error 1:1");
    nothing(&[
        "%matplotlib inline\n%load_ext autoreload\nlen?\nawait_ = 1\nfiles = %who_ls\n",
        "%%html\n<b>not Python</b>",
        "%%time\nx = (1\n     % 2)\ns = '''\n!no command\n%no magic'''",
        "import asyncio\nawait asyncio.sleep(0)",
    ]);
}

#[test]
fn our_own_magic_hides_no_name() {
    one(
        &["%load_ext reproof\n%reproof status", "print(df)"],
        "undefined-name 2:1 'df' is defined nowhere",
    );
}

#[test]
fn names_that_are_defined_nowhere() {
    one(&["print(df)"], "undefined-name 1:1 'df' is defined nowhere");
    one(&["def f():\n    return df.x\n"], "undefined-name 1:2 'df'");
    one(
        &["class A:\n    x = 1\n    def f(self):\n        return x"],
        "undefined-name 1:4 'x'",
    );
    one(&["[y for x in [1]]"], "undefined-name 1:1 'y'");
    one(&["[x for x in [1]]\nprint(x)"], "undefined-name 1:2 'x'");
    one(
        &["import numpy.linalg as la", "numpy.zeros(3)"],
        "undefined-name 2:1 'numpy'",
    );
    one(&["open(__file__)"], "undefined-name 1:1 '__file__'");
    one(
        &["if unknown_flag:\n    pass"],
        "undefined-name 1:1 'unknown_flag'",
    );
    one(
        &["x = 1\ndel x\nprint(x)"],
        "undefined-name 1:3 'x' was deleted in cell 1",
    );
    one(&["%time y = f(1)", "y"], "undefined-name 1:1 'f'");
    // Once is enough.
    one(&["a", "a", "a"], "undefined-name 1:1 'a'");
}

#[test]
fn names_that_come_from_where_they_may() {
    nothing(&[
        "import os.path, pandas as pd\nfrom math import pi as p",
        "def f(a, *b, c=p, **d):\n    global g\n    g = a\n    return later(b, c, d, os, pd)",
        "def later(*x): return x",
        "f(1)\nprint(g)",
        "class A(object):\n    n = 1\n    m = n + 1\n    def f(self): return __class__, A.n",
        "[a + b for a in range(3) for b in range(a) if (last := b)]\nprint(last)",
        "h = lambda q, r=1: q + r + len(_) + _i1 + Out[1] + In + ___ + _12",
        "for i in range(3):\n    if i: print(before)\n    before = i",
        "try:\n    import json\nexcept ImportError as e:\n    json = None\n    print(e)",
        "try:\n    unicode\nexcept NameError:\n    unicode = str",
        "with open('a') as one, open('b') as (two, three):\n    display(one, two, three)",
        "match g:\n    case [first, *rest]: print(first, rest)\n    case {'k': k, **more}: print(k, more)\
         \n    case A(n=n) | n: print(n)",
        "while (line := input()): print(line)",
        "def gen():\n    x = yield\n    nested = 1\n    def inner():\n        nonlocal nested\n        \
         nested = x\n    return inner",
        "def typed[T](x: Unknown[T]) -> T: return x\ntype Alias[U] = list[U]\nz: Missing = 1",
        "__name__, __doc__, exit, quit, copyright, NotImplemented",
        "%%capture captured\nprint(1)",
        "captured.show()",
        "if False:\n    never_defined()",
        "import contextlib\nwith contextlib.suppress(NameError):\n    del maybe",
        "print(f'{g!r:>{p}}')",
        "def inside(): return locals(), dir()\nA().var('index')",
    ]);
}

#[test]
fn names_that_are_defined_below() {
    one(
        &["x + 1", "x = 1"],
        "used-before-definition 1:1 'x' is used here and defined only below, in cell 2",
    );
    one(
        &["print(x)\nx = 1"],
        "used-before-definition 1:1 'x' is used here and defined only below, in line 2",
    );
    one(
        &["for i in range(3):\n    f(i)", "def f(i): pass"],
        "used-before-definition 1:2 'f'",
    );
    one(
        &["def f():\n    return model", "f()", "model = 1"],
        "used-before-definition 2:1 'f', called here, needs 'model', which is defined only below, in cell 3",
    );
    one(
        &["x = [n for n in names]", "names = []"],
        "used-before-definition 1:1 'names'",
    );
    one(
        &["@wraps\ndef f(): pass", "from functools import wraps"],
        "used-before-definition 1:1 'wraps'",
    );
    one(
        &["x += 1"],
        "used-before-definition 1:1 'x' is used here to define 'x'",
    );
    one(
        &["y = 1", "x = [\n    x]"],
        "used-before-definition 2:2 'x' is used here to define 'x'",
    );
    // Not called, called later, not sure to be reached, or only there for a type.
    nothing(&["def f():\n    return model", "model = 1", "f()"]);
    nothing(&[
        "def f(c):\n    if c:\n        return model\n    return 0",
        "f(0)",
        "model = 1",
    ]);
    nothing(&["flag = 1", "if flag > 1:\n    print(x)", "x = 1"]);
    nothing(&[
        "flag = 1",
        "y = flag and x",
        "z = x if flag > 1 else 0",
        "x = 1",
    ]);
    nothing(&["def g():\n    yield model", "g()", "model = 1"]);
    nothing(&["g = (model for _ in [1])", "model = 1"]);
    nothing(&["def f(x: Later): pass", "class Later: pass"]);
}

#[test]
fn what_makes_names_uncertain_switches_them_off() {
    for cell in [
        "from pylab import *",
        "%run other.py",
        "%pylab inline",
        "exec('y = 1')",
        "globals()['y'] = 1",
        "get_ipython().run_line_magic('run', 'x')",
        "%%cython\ndef y(): pass",
        "from sympy import var\nvar('y')",
        "import sympy as sp\nsp.var('y')",
        "import __main__",
        "%store -r y",
    ] {
        let cells = [
            code(cell, None),
            code("print(y)", None),
            code("def f(): z", None),
        ];
        let report = report(&cells);
        assert_eq!(report.checked, Checked::default(), "{cell}");
        assert!(report.notes[0].contains("from cell 1 on names"), "{cell}");
    }
    // What stands above is still certain.
    one(
        &["print(y)", "from pylab import *"],
        "undefined-name 1:1 'y'",
    );
}

#[test]
fn paths_of_one_machine() {
    for cell in [
        "p = '/home/ann/data.csv'",
        "p = f'/Users/{1}'\nopen('/data/x.csv')",
        r"p = r'C:\Users\ann\data.csv'",
        "p = 'D:/data/x.csv'",
        "p = '~/data/x.csv'",
        "open(f'/srv/{1}.csv')",
        "import os\nos.chdir('/opt/project')",
        "p = '/content/drive/MyDrive/x'",
    ] {
        let found = found(&[cell]);
        assert_eq!(found.len(), 1, "{cell}: {found:?}");
        assert!(found[0].starts_with("absolute-path 1:"), "{found:?}");
    }
    nothing(&[
        "a = ['data/x.csv', '../x', '/', '/api/v1/users', 'https://example.org/home/x', 'y ~ x']",
        "b = ['~', '/home', 'A:', r'T:\\d+', 'C:/', '</home/x>', 'x~/y', 'a|/mnt/']",
        "open('/tmp/x')\nopen('/reproof/step.json')\nopen('/dev/null')\n'/home/ann is a text'\n'/'.join(['/a'])",
        "\"\"\"Lies in /home/ann.\"\"\"\ndef f():\n    '/home/ann/x'\n",
    ]);
}

#[test]
fn packages_that_are_not_declared() {
    one(
        &["import xgboost as xgb"],
        "undeclared-import 1:1 'xgboost' is imported, and requirements.txt has no 'xgboost'",
    );
    one(
        &["x = 1\nfrom PIL import Image"],
        "undeclared-import 1:2 'PIL' is imported, and requirements.txt has no 'pillow'",
    );
    one(&["import yaml", "import yaml"], "undeclared-import 1:1");
    nothing(&[
        "import os, json, tomllib\nimport pandas, sklearn.linear_model\nfrom . import x",
        "import helpers, unheard_of, IPython\nfrom IPython.display import HTML",
        "try:\n    import wandb\nexcept ImportError:\n    wandb = None",
    ]);
}

#[test]
fn random_numbers_without_a_seed() {
    one(
        &["import numpy as np\nx = np.random.rand(3)\ny = np.random.randn(3)"],
        "unseeded-random 1:2 numpy.random.rand draws from a generator that nothing seeds, and 1 more",
    );
    one(
        &["from numpy import random", "random.shuffle([])"],
        "unseeded-random 2:1",
    );
    one(
        &["import random", "random.random()", "random.seed(0)"],
        "unseeded-random 2:1 random.random draws from a generator that is seeded only below, in cell 3, line 1",
    );
    one(
        &["import numpy as np\nrng = np.random.default_rng()"],
        "unseeded-random 1:2 numpy.random.default_rng() without a seed",
    );
    one(
        &["import torch\nx = torch.randn(2)"],
        "unseeded-random 1:2 torch.randn draws from a generator that nothing seeds",
    );
}

#[test]
fn random_numbers_in_magics_and_functions() {
    one(
        &["import numpy as np\n%time x = np.random.rand(3)"],
        "unseeded-random 1:2",
    );
    one(
        &["import random\nf = lambda: random.random()"],
        "unseeded-random 1:2",
    );
    nothing(&[
        "import random\nf = lambda: random.random()",
        "%time random.seed(1)",
        "f()",
    ]);
    // A function that seeds may be called before.
    nothing(&[
        "import random\ndef fix():\n    random.seed(1)",
        "fix()\nrandom.random()",
    ]);
}

#[test]
fn comments_silence_rules_in_their_line() {
    nothing(&[
        "import random\nx = random.random()  # reproof: ignore[unseeded-random]",
        "!ls  # reproof: ignore[shell-command]",
        "%%bash\npip install x  # reproof: ignore[install]",
        "print(df)  # reproof: ignore[undefined-name, clock] it is there",
    ]);
    one(
        &[
            "print x  # reproof: ignore[syntax-error]",
            "1",
            "y = 2 # reproof: ignore[clok]",
        ],
        "unknown-rule 3:1 there is no rule 'clok'",
    );
    // Another line, another cell, another rule.
    one(
        &["# reproof: ignore[shell-command]\n!ls -l # reproof: ignore[install]"],
        "shell-command 1:2 '!ls -l' runs",
    );
}

#[test]
fn what_people_do_when_they_explore_is_left_alone() {
    nothing(&[
        "import time, os, pickle, urllib.request\nfrom datetime import datetime\nimport pandas as pd",
        "print(datetime.now())\nstart = time.time()\nprint(start)",
        "os.listdir('.')\nlist({'a', 'b'})\nhash('a')\nos.environ['HOME']",
        "urllib.request.urlopen('https://example.org')\npd.read_csv('https://example.org/x.csv')",
        "pickle.dump([], open('x.pkl', 'wb'))",
    ]);
}

#[test]
fn random_states_of_scikit_learn() {
    let import = "from sklearn.model_selection import train_test_split, KFold";
    one(
        &[import, "train_test_split([1, 2])"],
        "unseeded-random 2:1 sklearn.model_selection.train_test_split without random_state draws from NumPy's generator, which nothing seeds",
    );
    one(
        &[import, "KFold(3, shuffle=True, random_state=None)"],
        "unseeded-random 2:1",
    );
    one(
        &["import sklearn.cluster", "m = sklearn.cluster.KMeans(3)"],
        "unseeded-random 2:1",
    );
    nothing(&[
        import,
        "train_test_split([1], random_state=0)\nKFold(3)\ntrain_test_split([1], shuffle=False)",
    ]);
    nothing(&[import, "options = {}", "train_test_split([1], **options)"]);
    nothing(&[
        "import numpy as np\nnp.random.seed(1)",
        import,
        "train_test_split([1])",
    ]);
}

#[test]
fn random_numbers_with_a_seed() {
    nothing(&[
        "import numpy as np, random\nnp.random.seed(0)\nrandom.seed(0)",
        "np.random.rand()\nrandom.random()",
    ]);
    nothing(&[
        "import numpy as np",
        "rng = np.random.default_rng(0)\nrng.random()",
        "r = np.random.RandomState(seed=1)",
    ]);
    nothing(&[
        "import numpy as np\nfrom helpers import seed_everything",
        "seed_everything(1)",
        "np.random.rand()",
    ]);
    nothing(&[
        "import numpy as np\ndef draw():\n    return np.random.rand()",
        "np.random.seed(1)",
        "draw()",
    ]);
    nothing(&[
        "import random",
        "class X:\n    def random(self): return 1\nX().random()",
        "random = X()\nrandom.random()",
    ]);
}

#[test]
fn commands_of_the_machine() {
    one(
        &["!pip install pandas"],
        "install 1:1 '!pip install pandas' installs packages",
    );
    one(&["x = 1\n%pip install -q pandas"], "install 1:2");
    one(&["%conda install -y pandas"], "install 1:1");
    one(
        &["import sys", "!{sys.executable} -m pip install x"],
        "install 2:1",
    );
    one(&["%%bash\nset -e\napt-get -y install x"], "install 1:3");
    one(&["!wget https://example.org/x.csv"], "download 1:1");
    one(&["%%sh\ngit clone https://example.org/x"], "download 1:2");
    one(
        &["if True:\n    !ls -l"],
        "shell-command 1:2 '!ls -l' runs a command of the machine",
    );
    one(&["files = !ls"], "shell-command 1:1");
    nothing(&[
        "%pip list\n%matplotlib inline\n%env A=1",
        "%%bash\nls",
        "s = '!pip install x'",
    ]);
}

#[test]
fn other_languages_are_looked_at_in_their_order_only() {
    let text = json!({"nbformat": 4, "nbformat_minor": 2,
        "metadata": {"kernelspec": {"language": "R"}},
        "cells": [code("x <- df$y", Some(2)), code("library(ggplot2)", Some(1))]});
    let notebook = Notebook::parse(text.to_string().as_bytes()).unwrap();
    let own = BTreeSet::new();
    let around = Surroundings {
        declared: None,
        own: &own,
        given: &BTreeSet::new(),
        context: &Context::default(),
    };
    let report = check(&notebook, around);
    assert_eq!(
        report.checked.findings(&BTreeSet::new(), |_| false).count(),
        1
    );
    assert!(report.notes[0].contains("it is r, not Python"));
}

#[test]
fn code_that_is_nested_without_end_does_no_harm() {
    let deep = format!("x = {}1", "-".repeat(200_000));
    let found = report(&[code(&deep, None), code("print(y)", None)]);
    assert!(found.notes.len() == 1, "{:?}", found.notes);
    let calls = format!("f{}", "(f".repeat(3_000) + &")".repeat(3_000));
    report(&[code(&calls, None)]);
}
