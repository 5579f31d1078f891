//! Steps with NumPy and scikit-learn that would not repeat, here or elsewhere.

use super::{CASE, Case};

pub(super) const NUMERIC: &[Case] = &[
    Case {
        name: "NumPy's generator without a seed",
        script: concat!(
            "import numpy as np\n",
            "value = np.random.rand(3).tolist()\n",
        ),
        rules: &["unseeded-random"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "`default_rng()` without a seed",
        script: concat!(
            "import numpy as np\n",
            "value = np.random.default_rng().random(3).tolist()\n",
        ),
        rules: &["unseeded-random"],
        verdict: "diverged",
        factors: &["randomness"],
        ..CASE
    },
    Case {
        name: "one seed, drawn from by two threads",
        script: concat!(
            "import numpy as np\n",
            "from concurrent.futures import ThreadPoolExecutor\n",
            "np.random.seed(7)\n",
            "def draw(part):\n",
            "    return float(np.random.rand(200, 2_000).sum(axis=1)[-1]) + sum(float(np.random.rand()) for _ in range(20_000))\n",
            "with ThreadPoolExecutor(2) as pool:\n",
            "    value = list(pool.map(draw, range(6)))\n",
        ),
        rules: &["shared-generator"],
        verdict: "diverged",
        factors: &["scheduling"],
        ..CASE
    },
    Case {
        name: "one seed, drawn from in the order of a set",
        script: concat!(
            "import numpy as np\n",
            "np.random.seed(7)\n",
            "value = {name: float(np.random.rand()) for name in {'age', 'bmi', 'glucose', 'insulin'}}\n",
        ),
        rules: &["set-order"],
        verdict: "identical",
        factors: &["hash_seed"],
        ..CASE
    },
    Case {
        name: "`KMeans` on four threads",
        // Several, as the sums of one have but a few orders.
        script: concat!(
            "import numpy as np\n",
            "from sklearn.cluster import KMeans\n",
            "draws = np.random.default_rng(1)\n",
            "value = []\n",
            "for _ in range(8):\n",
            "    rows = draws.random((4_000, 5))\n",
            "    model = KMeans(8, n_init=1, max_iter=20, random_state=0).fit(rows)\n",
            "    value.append(model.cluster_centers_.tolist())\n",
        ),
        rules: &["threads"],
        verdict: "diverged",
        factors: &["threads"],
        step: "threads: 4",
        ..CASE
    },
    Case {
        name: "logistic regression",
        script: concat!(
            "import numpy as np\n",
            "from sklearn.linear_model import LogisticRegression\n",
            "rows = np.random.default_rng(1).random((400, 6))\n",
            "model = LogisticRegression().fit(rows, rows.sum(axis=1) > 3)\n",
            "value = model.predict_proba(rows)[:, 1].tolist()\n",
        ),
        rules: &[],
        verdict: "identical",
        factors: &["processor"],
        ..CASE
    },
    Case {
        name: "a forest's probabilities by two jobs",
        script: concat!(
            "import numpy as np\n",
            "from sklearn.ensemble import RandomForestClassifier\n",
            "rows = np.random.default_rng(1).random((500, 5))\n",
            "model = RandomForestClassifier(100, max_depth=6, n_jobs=2, random_state=0).fit(rows, rows[:, 0] > rows[:, 1] * rows[:, 2])\n",
            "value = model.predict_proba(rows).tolist()\n",
        ),
        rules: &["parallel-forest", "threads"],
        verdict: "diverged",
        factors: &["scheduling"],
        step: "threads: 2",
        ..CASE
    },
    Case {
        name: "a pickle with the number of threads in it",
        script: concat!(
            "import pickle\n",
            "import numpy as np\n",
            "from sklearn.cluster import KMeans\n",
            "rows = np.array([[0.0, 0.0], [0.0, 1.0], [8.0, 8.0], [8.0, 9.0]])\n",
            "model = KMeans(2, n_init=1, random_state=0).fit(rows)\n",
            "with open('/reproof/out/model.pickle', 'wb') as file:\n",
            "    pickle.dump(model, file)\n",
        ),
        rules: &["pickle-output"],
        verdict: "identical",
        factors: &["threads"],
        output: "model.pickle",
        ..CASE
    },
];
