"""Seeded splits of three data sets: paired differences to scikit-learn's HistGradientBoosting.

Same rounds, rate, depth, leaves, bins, least rows of a leaf and penalty for all, no early stopping.
Texts become their place among the sorted texts, missing values stay missing. The second of two lines of a
trainer is with texts as categories. Where that says `many`, a column of 200 texts without an order stands
in for a city or a product.
"""

import csv
import json
import os
import subprocess
import sys
import warnings

import numpy as np

ROUNDS, RATE, DEPTH, LEAVES, BINS, MIN_ROWS = 100, 0.1, 6, 31, 255, 20
LIMIT = -0.003
OURS = os.path.join(os.environ["GBDT_EXAMPLES"], "gbdt_fit")
DATA = os.environ["GBDT_DATA"]
SETS = [
    ("diabetes/data/pima_diabetes.csv", "has_diabetes", "binary_classification"),
    ("churn/data/telco_churn.csv", "churn", "binary_classification"),
    ("diamonds/data/diamonds.csv", "price", "regression"),
    ("diamonds/data/diamonds.csv", "cut", "multiclass_classification"),
]


def numbers(texts):
    """A column as numbers: texts by their place among the sorted ones."""
    try:
        return np.array([float(text) if text not in ("", "NA") else np.nan for text in texts])
    except ValueError:
        places = {text: place for place, text in enumerate(sorted(set(texts) - {"", "NA"}))}
        return np.array([places.get(text, np.nan) for text in texts], dtype=float)


def is_text(texts):
    try:
        [float(text) for text in texts if text not in ("", "NA")]
    except ValueError:
        return True
    return False


def many(y):
    """A column of 200 categories, each with an effect of its own on the label, in no order."""
    random = np.random.RandomState(7)
    noise = random.normal(size=len(y))
    rank = np.argsort(np.argsort(y + noise * 2 * y.std()))
    return random.permutation(200)[rank * 200 // len(y)].astype(float)


def read(path, label):
    with open(os.path.join(DATA, path), newline="") as file:
        rows = list(csv.DictReader(file))
    features = [name for name in rows[0] if name != label]
    x = np.array([numbers([row[name] for row in rows]) for name in features]).T
    texts = [place for place, name in enumerate(features) if is_text([row[name] for row in rows])]
    return np.ascontiguousarray(x), numbers([row[label] for row in rows]), texts


def reproof(x, y, train, test, task, texts=()):
    parameters = {
        "task": task,
        "label": {"column": "y"},
        "rounds": ROUNDS,
        "learning_rate": RATE,
        "max_depth": DEPTH,
        "max_leaves": LEAVES,
        "min_rows": MIN_ROWS,
        "l2": 0.0,
        "min_gain": 0.0,
        "bins": BINS,
        "row_fraction": 1.0,
        "column_fraction": 1.0,
        "early_stopping_rounds": None,
        "class_weights": None,
    }
    if len(texts):
        names = [f"x{place:03}" for place in texts]
        parameters |= {"categorical": names, "cat_smooth": 10.0, "cat_l2": 10.0}
    head = {"rows": len(train), "others": len(test), "columns": x.shape[1]}
    head = json.dumps({**head, "parameters": parameters}).encode() + b"\n"
    blocks = [x[train].T, y[train], x[test].T]
    body = b"".join(np.ascontiguousarray(block, dtype="<f8").tobytes() for block in blocks)
    result = subprocess.run([OURS], input=head + body, check=True, capture_output=True)
    return np.frombuffer(result.stdout, dtype="<f8").reshape(-1, len(test)).T


def sklearn(x, y, train, test, task, texts=()):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    model = kind(
        max_iter=ROUNDS,
        learning_rate=RATE,
        max_depth=DEPTH,
        max_leaf_nodes=LEAVES,
        max_bins=BINS,
        min_samples_leaf=MIN_ROWS,
        early_stopping=False,
        categorical_features=list(texts) or None,
    ).fit(x[train], y[train])
    return model.predict(x[test]) if task == "regression" else model.predict_proba(x[test])


def xgboost(x, y, train, test, task):
    import xgboost

    objective = {"binary": "binary:logistic", "multic": "multi:softprob"}
    settings = {
        "objective": objective.get(task[:6], "reg:squarederror"),
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": DEPTH,
        "max_leaves": LEAVES,
        "max_bin": BINS,
        "eta": RATE,
        "min_child_weight": MIN_ROWS if task == "regression" else 1,
        "lambda": 0.0,
        "nthread": 1,
    }
    if task.startswith("multi"):
        settings["num_class"] = int(y.max()) + 1
    model = xgboost.train(settings, xgboost.DMatrix(x[train], y[train]), ROUNDS)
    return model.predict(xgboost.DMatrix(x[test]))


def lightgbm(x, y, train, test, task, texts=()):
    import lightgbm

    objective = {"binary": "binary", "multic": "multiclass"}
    settings = {
        "objective": objective.get(task[:6], "regression"),
        "max_depth": DEPTH,
        "num_leaves": LEAVES,
        "max_bin": BINS,
        "learning_rate": RATE,
        "min_data_in_leaf": MIN_ROWS,
        "num_threads": 1,
        "verbose": -1,
    }
    if task.startswith("multi"):
        settings["num_class"] = int(y.max()) + 1
    data = lightgbm.Dataset(x[train], y[train], categorical_feature=list(texts))
    return lightgbm.train(settings, data, ROUNDS).predict(x[test])


def score(y, predictions, task):
    """ROC AUC, R² or accuracy; more is better."""
    if task == "regression":
        errors = y - predictions.reshape(-1)
        return 1 - (errors**2).sum() / ((y - y.mean()) ** 2).sum()
    if task == "multiclass_classification":
        return (predictions.argmax(axis=1) == y).mean()
    from sklearn.metrics import roc_auc_score

    scores = predictions if predictions.ndim == 1 else predictions[:, -1]
    return roc_auc_score(y, scores)


def main(splits=30, only=""):
    trainers = [reproof, sklearn, xgboost, lightgbm]
    print(f"{splits} splits, {ROUNDS} rounds, rate {RATE}, depth {DEPTH}, {LEAVES} leaves")
    failed = False
    for path, label, task in SETS:
        if only not in (label, ""):
            continue
        x, y, texts = read(path, label)
        rows = {trainer.__name__: [] for trainer in trainers}
        with_categories = [reproof, sklearn, lightgbm] if texts else []
        rows |= {f"{trainer.__name__}, categories": [] for trainer in with_categories}
        wide, all_texts = np.column_stack([x, many(y)]), [*texts, x.shape[1]]
        rows |= {f"{trainer.__name__}, many as {kind}": []
                 for trainer in [reproof, sklearn, lightgbm] for kind in ("places", "categories")}
        for seed in range(int(splits)):
            order = np.random.RandomState(seed).permutation(len(y))
            train, test = order[: len(y) * 7 // 10], order[len(y) * 7 // 10 :]
            for trainer in trainers:
                predictions = trainer(x, y, train, test, task)
                rows[trainer.__name__].append(score(y[test], predictions, task))
            for trainer in with_categories:
                predictions = trainer(x, y, train, test, task, texts)
                rows[f"{trainer.__name__}, categories"].append(score(y[test], predictions, task))
            for trainer in [reproof, sklearn, lightgbm]:
                for kind, marked in ("places", ()), ("categories", all_texts):
                    predictions = trainer(wide, y, train, test, task, marked)
                    value = score(y[test], predictions, task)
                    rows[f"{trainer.__name__}, many as {kind}"].append(value)
        base = np.array(rows["sklearn"])
        print(f"{os.path.basename(path)} {label} ({task}, {len(y)} rows)")
        for name, values in rows.items():
            differences = (np.array(values) - base) / base
            error = differences.std(ddof=1) / np.sqrt(len(differences))
            print(
                f"  {name:<28} {np.mean(values):.5f}  to sklearn"
                f" {100 * differences.mean():+.3f} % ± {100 * error:.3f}"
            )
        failed |= ((np.array(rows["reproof"]) - base) / base).mean() < LIMIT
    if failed:
        sys.exit("a mean difference to scikit-learn is below -0.3 %")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
