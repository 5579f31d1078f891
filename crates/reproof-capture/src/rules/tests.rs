//! Each rule on code that it is about, and on code that it must leave alone.

use super::*;

/// What is found in a text, as `RULE@LINE:COLUMN`; a `!` stands before errors.
fn found_in(text: &str, context: &Context) -> Vec<String> {
    let checked = check(text.as_bytes(), context).unwrap_or_else(|| panic!("no Python:\n{text}"));
    let others = BTreeSet::new();
    let findings = checked.findings(&others, |_| false);
    let show = |finding: &Finding| {
        let mark = if finding.severity == Severity::Error {
            "!"
        } else {
            ""
        };
        format!("{mark}{}@{}:{}", finding.rule, finding.line, finding.column)
    };
    findings.map(show).collect()
}

fn context() -> Context {
    Context {
        is_step: true,
        variables: BTreeSet::from(["HOME".to_owned(), "DECLARED".to_owned()]),
        threads: 1,
        network: false,
    }
}

/// Each line is the head of an example by itself, after these imports.
const IMPORTS: &str = "\
import os, time, uuid, random, secrets, glob, pickle, joblib, datetime as dt, requests, torch, urllib.request
import numpy as np, pandas as pd, scipy.stats
from os import listdir, environ
from pathlib import Path
from datetime import datetime, date
from concurrent.futures import as_completed
from sklearn.ensemble import RandomForestClassifier, HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split, KFold
from sklearn.linear_model import LogisticRegression
from sklearn.decomposition import PCA
";

/// Asserts that each of these texts, alone, fires this rule and nothing else, and which is an error.
#[track_caller]
fn fires(rule: &str, texts: &[&str]) {
    for text in texts {
        let found = found_in(&format!("{IMPORTS}{text}\n"), &context());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let (name, _) = found[0].split_once('@').unwrap();
        assert_eq!(name, rule, "{text}");
    }
}

/// Asserts that each of these texts, alone, fires nothing.
#[track_caller]
fn quiet(texts: &[&str]) {
    for text in texts {
        let found = found_in(&format!("{IMPORTS}{text}\n"), &context());
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn unsorted_files() {
    fires(
        "!unsorted-files",
        &[
            "names = os.listdir('.')",
            "for name in listdir('.'): print(name)",
            "x = [open(p) for p in glob.glob('*.csv')]",
            "for p in glob.iglob('*'): print(p)",
            "for p in Path('.').iterdir(): print(p)",
            "frames = [pd.read_csv(p) for p in Path('d').rglob('*.csv')]",
            "for entry in os.scandir('.'): print(entry)",
            "for root, dirs, files in os.walk('.'):\n    for f in files: print(f)",
            "total = sum(size(p) for p in Path('.').glob('*'))",
        ],
    );
    quiet(&[
        "names = sorted(os.listdir('.'))",
        "names = sorted(p.name for p in Path('.').iterdir() if p.is_file())",
        "names = os.listdir('.')\nnames.sort()",
        "names = os.listdir('.')\nfor name in sorted(names): print(name)",
        "names = [n for n in os.listdir('.') if n.endswith('.csv')]\nnames.sort()",
        "count = len(os.listdir('.'))",
        "known = set(glob.glob('*'))",
        "there = 'a' in os.listdir('.')",
        "for root, dirs, files in os.walk('.'):\n    dirs.sort()\n    for f in sorted(files): print(f)",
        "def f(self):\n    return self.listdir()",
    ]);
}

#[test]
fn clock() {
    fires(
        "!clock",
        &[
            "x = time.time()\nprint(x)",
            "stamp = int(time.time())",
            "age = (datetime.now() - born).days",
            "today = date.today()",
            "name = dt.datetime.utcnow().isoformat()",
            "name = time.strftime('%Y')",
            "x = pd.Timestamp.now()",
            "x = pd.to_datetime('today')",
        ],
    );
    quiet(&[
        "start = time.time()\nwork()\nprint(time.time() - start)",
        "start = time.perf_counter()\nprint(time.perf_counter() - start)",
        "class T:\n    def go(self):\n        self.begin = time.time()\n    def end(self):\n        return time.time() - self.begin",
        "name = time.strftime('%Y', moment)",
        "x = datetime(2020, 1, 1)",
        "x = pd.to_datetime('2020-01-01')",
        "time.sleep(1)",
    ]);
}

#[test]
fn entropy() {
    fires(
        "!entropy",
        &[
            "x = uuid.uuid4()",
            "x = os.urandom(8)",
            "x = secrets.token_hex()",
            "x = open('/dev/urandom', 'rb').read(8)",
            "r = random.SystemRandom()",
        ],
    );
    quiet(&[
        "x = uuid.uuid5(uuid.NAMESPACE_URL, 'a')",
        "r = random.Random(5)",
    ]);
}

#[test]
fn unseeded_random() {
    fires(
        "!unseeded-random",
        &[
            "x = random.random()",
            "random.shuffle(rows)",
            "random.seed()",
            "r = random.Random()",
            "x = np.random.rand(3)",
            "g = np.random.default_rng()",
            "g = np.random.RandomState(None)",
            "x = torch.rand(3)",
            "layer = torch.nn.Linear(3, 1)",
            "a, b = train_test_split(x)",
            "m = HistGradientBoostingClassifier(max_iter=5)",
            "m = RandomForestClassifier(random_state=None)",
            "f = KFold(5, shuffle=True)",
            "m = LogisticRegression(solver='saga')",
            "p = PCA(2, svd_solver='randomized')",
            "x = table.sample(frac=0.5)",
            "x = norm.rvs(size=3)",
        ],
    );
    quiet(&[
        "random.seed(1)\nx = random.random()",
        "np.random.seed(1)\nx = np.random.rand(3)\na, b = train_test_split(x)\ny = table.sample(n=3)",
        "torch.manual_seed(1)\nlayer = torch.nn.Linear(3, torch.rand(1))",
        "g = np.random.default_rng(seed)\nx = g.normal()",
        "r = random.Random(1)\nx = r.random()",
        "a, b = train_test_split(x, random_state=0)",
        "a, b = train_test_split(x, shuffle=False)",
        "f = KFold(5)",
        "m = LogisticRegression()",
        "p = PCA(2)",
        "m = RandomForestClassifier(**parameters)",
        "x = table.sample(frac=0.5, random_state=1)",
        "x = population.sample()",
        "x = norm.rvs(size=3, rng=generator)",
    ]);
    // A seed that stands below comes too late, unless it may be set before.
    fires(
        "!unseeded-random",
        &["x = np.random.rand(3)\ny = random.Random(1)\nnp.random.seed(1)"],
    );
    quiet(&[
        "def draw():\n    return np.random.rand(3)\nnp.random.seed(1)\ndraw()",
        "def fix():\n    np.random.seed(1)\nfix()\nx = np.random.rand(3)",
        "seed_everything(1)\nx = np.random.rand(3)",
        "x = 1\nos = lib()\nos.listdir('.')",
    ]);
    // One seed mends all that draws from a generator.
    fires(
        "!unseeded-random",
        &["x = np.random.rand(3)\ny = np.random.rand(4)"],
    );
    // A seed that another module sets counts.
    let checked = check(b"import random\nx = random.random()\n", &context()).unwrap();
    let seeds = BTreeSet::from([Generator::Python]);
    assert_eq!(checked.findings(&seeds, |_| false).count(), 0);
    assert_eq!(checked.findings(&BTreeSet::new(), |_| false).count(), 1);
}

#[test]
fn set_order() {
    fires(
        "set-order",
        &[
            "for x in {'a', 'b'}: print(x)",
            "names = list(set(words))",
            "kinds = set()\nfor k in kinds: print(k)",
            "kinds = {w for w in words}\nx = [k for k in kinds]",
            "line = ','.join(set(words) | other)",
            "y = [*set(words)]",
            "x = {k: 1 for k in frozenset(words)}",
            "kinds = set(words)\nx = kinds.pop()",
        ],
    );
    quiet(&[
        "for x in sorted({'a', 'b'}): print(x)",
        "names = sorted(set(words))",
        "for x in {1, 2, 3}: print(x)",
        "x = list(set(range(5)))",
        "for x in dict.fromkeys(words): print(x)",
        "n = len(set(words))",
        "x = {f(k) for k in set(words)}",
        "if 'a' in {'a', 'b'}: pass",
        "kinds = set(words)\nkinds = sorted(kinds)\nfor k in kinds: print(k)",
        "stack = []\nx = stack.pop()",
    ]);
}

#[test]
fn string_hash() {
    fires("string-hash", &["x = hash(name) % 10"]);
    quiet(&[
        "x = hash(5)",
        "class A:\n    def __hash__(self): return hash(self.name)",
        "def hash(x): return 1\ny = hash(name)",
    ]);
}

#[test]
fn undeclared_variable() {
    fires(
        "!undeclared-variable",
        &["x = os.environ['KEY']", "x = environ['KEY']"],
    );
    fires(
        "undeclared-variable",
        &["x = os.environ.get('KEY')", "x = os.getenv('KEY', '1')"],
    );
    quiet(&[
        "x = os.environ['DECLARED']",
        "x = os.getenv('HOME')",
        "os.environ['OMP_NUM_THREADS'] = '1'",
        "os.environ.setdefault('KEY', '1')",
        "x = os.environ[name]",
    ]);
}

#[test]
fn parallel_forest() {
    let parallel = |jobs: &str, rest: &str| {
        format!("m = RandomForestClassifier(n_jobs={jobs}, random_state=0)\nm.fit(x, y)\n{rest}")
    };
    fires(
        "!parallel-forest",
        &[&parallel("2", "p = m.predict_proba(x)")],
    );
    quiet(&[
        &parallel("1", "p = m.predict_proba(x)"),
        &parallel("2", "p = m.predict(x)"),
        &parallel("-1", "p = m.predict_proba(x)"),
        &parallel("jobs", "p = m.predict_proba(x)"),
    ]);
    let text = format!("{IMPORTS}{}\n", parallel("-1", "p = m.predict_proba(x)"));
    let context = Context {
        threads: 4,
        ..context()
    };
    assert_eq!(found_in(&text, &context).len(), 1);
}

#[test]
fn pickle_output() {
    fires(
        "pickle-output",
        &[
            "pickle.dump(model, file)",
            "joblib.dump(model, 'model.joblib')",
            "torch.save(model, 'model.pt')",
            "table.to_pickle('table.pkl')",
        ],
    );
    quiet(&[
        "x = pickle.load(file)",
        "np.save('x.npy', x)",
        "model.save_model('m.ubj')",
    ]);
}

#[test]
fn absolute_path() {
    fires(
        "!absolute-path",
        &[
            "f = open('/home/me/data.csv')",
            "t = pd.read_csv('/data/rows.csv')",
            "p = Path('~/data')",
            "p = Path('C:\\\\data')",
            "table.to_parquet('/srv/out.parquet')",
            "place = '/home/me/rows.csv'",
            "place = f'/mnt/data/{name}.csv'",
            "words = open('/usr/share/dict/words')",
        ],
    );
    quiet(&[
        "f = open('/reproof/step.json')",
        "f = open('/tmp/scratch')",
        "f = open('data/rows.csv')",
        "x = text.split('/')",
        "url = '/api/v1'",
        "price = page.xpath('/root/item')",
        "def f():\n    '/home/me is where it lies'",
    ]);
}

#[test]
fn network() {
    fires(
        "!network",
        &[
            "x = requests.get(url)",
            "x = urllib.request.urlopen(url)",
            "t = pd.read_csv('https://example.org/rows.csv')",
        ],
    );
    quiet(&["t = pd.read_csv('rows.csv')", "x = urllib.parse.quote(y)"]);
}

#[test]
fn completion_order() {
    fires(
        "!completion-order",
        &[
            "for f in as_completed(futures):\n    results.append(f.result())",
            "results = [f.result() for f in as_completed(futures)]",
            "for x in pool.imap_unordered(f, rows): print(x)",
        ],
    );
    quiet(&[
        "for f in as_completed(futures):\n    results[places[f]] = f.result()",
        "results = sorted(pool.imap_unordered(f, rows))",
        "results = [f.result() for f in futures]",
    ]);
}

#[test]
fn a_comment_silences_a_rule_on_its_line() {
    let text = "import os, time\n\
        a = os.listdir('.')  # reproof: ignore[unsorted-files]\n\
        b = os.listdir(str(time.time()))  # reproof: ignore[clock, unsorted-files] the clock is no result\n\
        c = os.listdir('.')  # reproof: ignore[clock]\n\
        d = '# reproof: ignore[unsorted-files]', os.listdir('.')\n\
        e = 1  # reproof: ignore[unsorted]\n";
    assert_eq!(
        found_in(text, &context()),
        [
            "!unsorted-files@4:5",
            "!unsorted-files@5:42",
            "!unknown-rule@6:8"
        ]
    );
    assert!(suppressed_in(
        "threads: 4  # reproof: ignore[threads]",
        Rule::Threads
    ));
    assert!(!suppressed_in(
        "threads: 4  # reproof: ignore[threads]",
        Rule::Network
    ));
    assert!(!suppressed_in(
        "text: 'reproof: ignore[threads]'",
        Rule::Threads
    ));
}

#[test]
fn fixes_make_it_right() {
    let text = "\u{feff}import os, glob\nfrom pathlib import Path\n\
        ä = [glob.glob('é*'), os.listdir('.')]\n\
        for p in Path('.').glob('*'): print(p)\n\
        first = next(Path('.').iterdir())\n";
    let checked = check(text.as_bytes(), &context()).unwrap();
    let findings: Vec<_> = checked.findings(&BTreeSet::new(), |_| false).collect();
    assert_eq!(findings.len(), 4);
    let fixed = fixed(text.as_bytes(), findings.iter().copied()).unwrap();
    let fixed = String::from_utf8(fixed).unwrap();
    assert!(
        fixed.contains("[sorted(glob.glob('é*')), sorted(os.listdir('.'))]"),
        "{fixed}"
    );
    assert!(
        fixed.contains("in sorted(Path('.').glob('*')): "),
        "{fixed}"
    );
    // An iterator that something else takes is for a person to look at.
    let left = found_in(&fixed, &context());
    assert_eq!(left, ["!unsorted-files@5:14"]);
    assert!(super::fixed(b"x = 1\n", std::iter::empty()).is_none());
}

#[test]
fn archives_with_the_time_in_their_heads() {
    const HEAD: &str = "import gzip, zipfile, tarfile, shutil\n";
    for bad in [
        "x = gzip.compress(b'x')",
        "x = gzip.open('/tmp/x.gz', 'wb')",
        "x = gzip.open('/tmp/x.gz', mode='at')",
        "x = gzip.GzipFile('/tmp/x.gz', 'wb')",
        "x = tarfile.open('/tmp/x', 'w:gz')",
        "x = shutil.make_archive('/tmp/x', 'zip')",
        "z.writestr('a', b'x')",
        "z.writestr(f'{a}.json', b'x')",
    ] {
        let found = found_in(&format!("{HEAD}{bad}\n"), &context());
        assert_eq!(
            found,
            ["!archive-time@2:5".replace(":5", if bad.starts_with('z') { ":1" } else { ":5" })]
        );
    }
    for good in [
        "x = gzip.compress(b'x', mtime=0)",
        "x = gzip.compress(b'x', 9, **more)",
        "x = gzip.open('/tmp/x.gz')",
        "x = gzip.open('/tmp/x.gz', 'rt')",
        "x = gzip.GzipFile('', 'wb', fileobj=f, mtime=0)",
        "x = tarfile.open('/tmp/x')",
        "z.writestr(zipfile.ZipInfo('a'), b'x')",
        "z.writestr(info, b'x')",
    ] {
        let found = found_in(&format!("{HEAD}{good}\n"), &context());
        assert!(found.is_empty(), "{good}: {found:?}");
    }
}

#[test]
fn texts_that_are_sorted_by_the_locale() {
    for (text, places) in [
        (
            "import locale\nx = sorted(y, key=locale.strxfrm)\n",
            vec!["locale-order@2:19"],
        ),
        (
            "from locale import strcoll as by\nx = sorted(y, key=cmp_to_key(by))\n",
            vec!["locale-order@2:30"],
        ),
        (
            "import locale\nx = locale.strcoll(a, b)\n",
            vec!["locale-order@2:5"],
        ),
        ("import locale\nx = locale.getlocale()\n", vec![]),
        ("x = sorted(y, key=strxfrm)\n", vec![]),
    ] {
        assert_eq!(found_in(text, &context()), places, "{text}");
    }
}

#[test]
fn a_generator_that_tasks_of_a_pool_share() {
    let program = |function: &str, pool: &str| {
        format!(
            "import random, numpy as np, multiprocessing\nfrom concurrent.futures import ThreadPoolExecutor\n\
             np.random.seed(1)\nrandom.seed(1)\ndef draw(n):\n    {function}\n{pool}\n"
        )
    };
    let threads = "with ThreadPoolExecutor(2) as pool:\n    x = list(pool.map(draw, y))";
    for (function, pool, place) in [
        ("return np.random.rand()", threads, "8:14"),
        ("return random.gauss(0, 1)", threads, "8:14"),
        (
            "return np.random.rand()",
            "pool = multiprocessing.Pool()\nx = pool.imap(draw, y)",
            "8:5",
        ),
        (
            "return np.random.rand()",
            "pool = ThreadPoolExecutor(max_workers=n)\nx = [pool.submit(draw, n) for n in y]",
            "8:6",
        ),
    ] {
        let found = found_in(&program(function, pool), &context());
        assert_eq!(
            found,
            [format!("!shared-generator@{place}")],
            "{function} {pool}"
        );
    }
    for (function, pool) in [
        ("return np.random.default_rng(n).random()", threads),
        ("np.random.seed(n); return np.random.rand()", threads),
        (
            "return np.random.rand()",
            "with ThreadPoolExecutor(1) as pool:\n    x = list(pool.map(draw, y))",
        ),
        ("return np.random.rand()", "x = list(map(draw, y))"),
        ("return np.random.rand()", "x = series.map(draw)"),
    ] {
        let found = found_in(&program(function, pool), &context());
        assert!(found.is_empty(), "{function} {pool}: {found:?}");
    }
}

#[test]
fn files_that_the_step_may_not_see() {
    let seen = |text: &str, unseen: &[&str]| {
        let text = format!("{IMPORTS}{text}\n");
        let checked = check(text.as_bytes(), &context()).unwrap();
        let unseen = |path: &str| unseen.contains(&path);
        checked.findings(&checked.seeds, unseen).count()
    };
    for reads in [
        "x = open('conf/a.json')",
        "x = open('./conf/a.json', 'rb')",
        "x = pd.read_csv('conf/a.json')",
        "x = np.load('conf/a.json')",
        "x = Path('conf/a.json').read_text()",
    ] {
        assert_eq!(seen(reads, &["conf/a.json"]), 1, "{reads}");
        assert_eq!(seen(reads, &["conf/b.json"]), 0, "{reads}");
    }
    for other in [
        "x = open('conf/a.json', 'w')",
        "x = open('../conf/a.json')",
        "x = open(f'conf/{a}.json')",
        "x = open('conf/a.json')  # reproof: ignore[undeclared-file]",
    ] {
        assert_eq!(seen(other, &["conf/a.json"]), 0, "{other}");
    }
}

#[test]
fn places_count_characters() {
    let text = "import time\nä = 'é', time.time()\n";
    assert_eq!(found_in(text, &context()), ["!clock@2:10"]);
}

#[test]
fn nothing_that_nests_does_harm() {
    for text in [
        "(".repeat(3000) + "1" + &")".repeat(3000),
        "-".repeat(200_000) + "1",
        "[".repeat(5_000) + &"]".repeat(5_000),
    ] {
        if let Some(checked) = check(text.as_bytes(), &context()) {
            assert_eq!(checked.findings(&BTreeSet::new(), |_| false).count(), 0);
        }
    }
    assert!(check(b"def (", &context()).is_none());
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert_eq!(rule.name().parse().as_ref(), Ok(rule));
    }
}

/// The page that explains each rule, with code that fires it and code that does not.
#[test]
fn the_page_explains_every_rule() {
    const PAGE: &str = include_str!("../../../../docs/src/doctor.md");
    for rule in Rule::ALL {
        assert!(PAGE.contains(&format!("\n### {rule}\n")), "{rule}");
    }
    // Of each section, what stands first in it as Python fires the rule, and what stands second does not.
    for section in PAGE.split("\n### ").skip(1) {
        let name = section.lines().next().unwrap_or_default();
        let examples: Vec<_> = section.split("```python\n").skip(1).collect();
        let [bad, good] = examples[..] else {
            assert!(examples.is_empty(), "{name} has no two examples");
            continue;
        };
        let [bad, good] = [bad, good].map(|text| text.split("```").next().unwrap_or_default());
        let fired = found_in(bad, &context());
        assert!(
            fired.iter().any(|found| found
                .trim_start_matches('!')
                .starts_with(&format!("{name}@"))),
            "{name}: {fired:?}"
        );
        assert_eq!(found_in(good, &context()), Vec::<String>::new(), "{name}");
    }
}
