//! Steps that repeat: nothing may be said of them, but that the step's seed matters to one that takes it.

use super::{CASE, Case};

/// Of plain Python.
pub(super) const PLAIN: &[Case] = &[
    Case {
        name: "a sorted set",
        script: "value = sorted({'a', 'b', 'c'})",
        ..CASE
    },
    Case {
        name: "a sorted listing",
        script: concat!("import os\n", "value = sorted(os.listdir('.'))\n",),
        ..CASE
    },
    Case {
        name: "a seeded `random`",
        script: concat!(
            "import random\n",
            "random.seed(1)\n",
            "value = random.random()\n",
        ),
        ..CASE
    },
    Case {
        name: "a generator of its own",
        script: concat!("import random\n", "value = random.Random(7).random()\n",),
        ..CASE
    },
    Case {
        name: "how long it took, printed",
        script: concat!(
            "import time\n",
            "begin = time.time()\n",
            "value = 1\n",
            "print(time.time() - begin)\n",
        ),
        ..CASE
    },
    Case {
        name: "`uuid5`",
        script: concat!(
            "import uuid\n",
            "value = str(uuid.uuid5(uuid.NAMESPACE_URL, 'a'))\n",
        ),
        ..CASE
    },
    Case {
        name: "`hashlib`",
        script: concat!(
            "import hashlib\n",
            "value = hashlib.sha256(b'a').hexdigest()\n",
        ),
        ..CASE
    },
    Case {
        name: "a fixed date",
        script: concat!(
            "import datetime\n",
            "value = datetime.date(2020, 1, 1).isoformat()\n",
        ),
        ..CASE
    },
    Case {
        name: "the order of a dictionary",
        script: "value = list(dict.fromkeys('hello'))",
        ..CASE
    },
    Case {
        name: "a set that is only counted",
        script: "value = len({'a', 'b'}) + ('a' in {'a', 'b'})",
        ..CASE
    },
];

/// With NumPy and scikit-learn.
pub(super) const NUMERIC: &[Case] = &[
    Case {
        name: "a seeded `default_rng`",
        script: concat!(
            "import numpy as np\n",
            "value = np.random.default_rng(7).random(5).tolist()\n",
        ),
        ..CASE
    },
    Case {
        name: "NumPy's generator, seeded",
        script: concat!(
            "import numpy as np\n",
            "np.random.seed(7)\n",
            "value = np.random.rand(5).tolist()\n",
        ),
        ..CASE
    },
    Case {
        name: "tasks of a pool, each with a generator of its own",
        script: concat!(
            "import numpy as np\n",
            "from concurrent.futures import ThreadPoolExecutor\n",
            "def draw(number):\n",
            "    return float(np.random.default_rng([7, number]).random())\n",
            "with ThreadPoolExecutor(2) as pool:\n",
            "    value = list(pool.map(draw, range(6)))\n",
        ),
        ..CASE
    },
    Case {
        name: "the step's seed",
        script: concat!(
            "import numpy as np\n",
            "seed = int(json.load(open('/reproof/step.json'))['seed'])\n",
            "value = np.random.default_rng(seed).random(5).tolist()\n",
        ),
        factors: &["seed"],
        ..CASE
    },
    Case {
        name: "a decision tree",
        script: concat!(
            "import numpy as np\n",
            "from sklearn.tree import DecisionTreeClassifier\n",
            "rows = np.random.default_rng(1).random((400, 5))\n",
            "model = DecisionTreeClassifier(random_state=0).fit(rows, rows[:, 0] > rows[:, 1])\n",
            "value = model.predict_proba(rows).tolist()\n",
        ),
        ..CASE
    },
];
