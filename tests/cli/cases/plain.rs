//! Small steps of plain Python that would not repeat, here or elsewhere.

use super::{CASE, Case};

pub(super) const PLAIN: &[Case] = &[
    Case {
        name: "a set of texts as a list",
        script: "value = list({'a', 'b', 'c', 'd', 'e', 'f'})",
        rules: &["set-order"],
        verdict: "identical",
        factors: &["hash_seed"],
        ..CASE
    },
    Case {
        name: "`hash()` of a text",
        script: "value = hash('a')",
        rules: &["string-hash"],
        verdict: "identical",
        factors: &["hash_seed"],
        ..CASE
    },
    Case {
        name: "an unsorted `os.listdir`",
        script: concat!(
            "import os, pathlib\n",
            "for n in 'abc': pathlib.Path('/tmp', n).touch()\n",
            "value = [n for n in os.listdir('/tmp') if len(n) == 1]\n",
        ),
        rules: &["unsorted-files"],
        verdict: "identical",
        factors: &["file_order"],
        ..CASE
    },
    Case {
        name: "an unsorted `Path.glob`",
        script: concat!(
            "import pathlib\n",
            "for n in 'abc': pathlib.Path('/tmp', n + '.q').touch()\n",
            "value = [p.name for p in pathlib.Path('/tmp').glob('*.q')]\n",
        ),
        rules: &["unsorted-files"],
        verdict: "identical",
        factors: &["file_order"],
        ..CASE
    },
    Case {
        name: "the clock in a feature",
        script: concat!("import time\n", "value = time.time() % 1000\n",),
        rules: &["clock"],
        verdict: "diverged",
        factors: &["clock"],
        ..CASE
    },
    Case {
        name: "`datetime.now`",
        script: concat!(
            "import datetime\n",
            "assert isinstance(datetime.datetime(2020, 1, 1), datetime.date)\n",
            "value = datetime.datetime.now().isoformat()\n",
        ),
        rules: &["clock"],
        verdict: "diverged",
        factors: &["clock"],
        ..CASE
    },
    Case {
        name: "the year of today",
        script: concat!("import datetime\n", "value = datetime.date.today().year\n",),
        rules: &["clock"],
        verdict: "identical",
        factors: &["clock"],
        ..CASE
    },
    Case {
        name: "the time in a gzip head",
        script: concat!(
            "import gzip, time\n",
            "time.sleep(1.1)\n",
            "value = gzip.compress(b'x').hex()\n",
        ),
        rules: &["archive-time"],
        verdict: "diverged",
        factors: &["clock"],
        ..CASE
    },
    Case {
        name: "the time in a zip",
        script: concat!(
            "import time, zipfile\n",
            "time.sleep(2.1)\n",
            "with open('/tmp/words.txt', 'w') as file:\n",
            "    file.write('words')\n",
            "with zipfile.ZipFile('/reproof/out/model.zip', 'w') as file:\n",
            "    file.write('/tmp/words.txt', 'words.txt')\n",
            "    file.writestr('more.txt', 'more')\n",
        ),
        rules: &["archive-time"],
        verdict: "diverged",
        factors: &["clock"],
        output: "model.zip",
        ..CASE
    },
    Case {
        name: "`uuid4`",
        script: concat!("import uuid\n", "value = str(uuid.uuid4())\n",),
        rules: &["entropy"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "`os.urandom`",
        script: concat!("import os\n", "value = os.urandom(4).hex()\n",),
        rules: &["entropy"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "bits from `/dev/urandom`",
        script: "value = open('/dev/urandom', 'rb').read(8).hex()",
        rules: &["entropy"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "`secrets`",
        script: concat!("import secrets\n", "value = secrets.token_hex()\n",),
        rules: &["entropy"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "`random` without a seed",
        script: concat!("import random\n", "value = random.random()\n",),
        rules: &["unseeded-random"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "`random.Random()` without a seed",
        script: concat!("import random\n", "value = random.Random().random()\n",),
        rules: &["unseeded-random"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "the clock and `random`",
        script: concat!(
            "import random, time\n",
            "value = [random.random(), time.time()]\n",
        ),
        rules: &["clock", "unseeded-random"],
        verdict: "diverged",
        factors: &["clock", "randomness"],
        ..CASE
    },
    Case {
        name: "random bits that Python is not asked for",
        script: concat!("import _random\n", "value = _random.Random().random()\n",),
        rules: &[],
        verdict: "diverged",
        factors: &[],
        ..CASE
    },
    Case {
        name: "an undeclared variable",
        script: concat!("import os\n", "value = os.environ.get('DEBUG', '0')\n",),
        rules: &["undeclared-variable"],
        verdict: "identical",
        factors: &[],
        ..CASE
    },
    Case {
        name: "the number of processors",
        script: concat!("import os\n", "value = os.environ['OMP_NUM_THREADS']\n",),
        rules: &[],
        verdict: "identical",
        factors: &["threads"],
        ..CASE
    },
    Case {
        name: "the instructions of the processor",
        script: concat!(
            "import os\n",
            "value = os.environ.get('OPENBLAS_CORETYPE')\n",
        ),
        rules: &[],
        verdict: "identical",
        factors: &["processor"],
        ..CASE
    },
    Case {
        name: "the local time",
        script: concat!("import time\n", "value = time.localtime(0).tm_hour\n",),
        rules: &[],
        verdict: "identical",
        factors: &["time_zone"],
        ..CASE
    },
    Case {
        name: "a pickle",
        script: concat!("import pickle\n", "value = pickle.dumps([1, 2]).hex()\n",),
        rules: &["pickle-output"],
        verdict: "identical",
        factors: &[],
        ..CASE
    },
    Case {
        name: "a sort by the locale",
        script: concat!(
            "import locale\n",
            "locale.setlocale(locale.LC_ALL, '')\n",
            "value = sorted(['b', 'A', 'a', 'B'], key=locale.strxfrm)\n",
        ),
        rules: &["locale-order"],
        verdict: "identical",
        factors: &["locale"],
        ..CASE
    },
    Case {
        name: "a file that is not declared, gone on without",
        script: concat!(
            "try:\n",
            "    value = json.load(open('settings.json'))\n",
            "except OSError:\n",
            "    value = 'default'\n",
        ),
        rules: &["undeclared-file"],
        verdict: "identical",
        factors: &[],
        ..CASE
    },
    Case {
        name: "a network call",
        script: concat!(
            "import urllib.request\n",
            "value = urllib.request.urlopen('http://example.org/rows.json').read().decode()\n",
        ),
        rules: &["network"],
        verdict: "does not run",
        factors: &[],
        ..CASE
    },
    Case {
        name: "two processes that write in turn",
        script: concat!(
            "import multiprocessing\n",
            "def write(name):\n",
            "    for _ in range(2000):\n",
            "        with open('/reproof/out/model.txt', 'a') as file:\n",
            "            file.write(name)\n",
            "both = [multiprocessing.Process(target=write, args=(name,)) for name in 'ab']\n",
            "for one in both: one.start()\n",
            "for one in both: one.join()\n",
        ),
        rules: &[],
        verdict: "diverged",
        factors: &["scheduling"],
        output: "model.txt",
        ..CASE
    },
    Case {
        name: "results in the order in which they are ready",
        script: concat!(
            "import multiprocessing\n",
            "def work(number):\n",
            "    return number + 0 * sum(range(20_000 + 1_000 * (number % 7)))\n",
            "with multiprocessing.Pool(4) as pool:\n",
            "    value = list(pool.imap_unordered(work, range(200)))\n",
        ),
        rules: &["completion-order"],
        verdict: "diverged",
        factors: &["scheduling"],
        ..CASE
    },
];
