"""Computes what the example `metrics` computed with scikit-learn, scipy and numpy, and compares."""

import json
import sys
import warnings

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics as sk

LIMIT = 1e-12
# Of the width of an interval that both draw at random, by draws of their own.
DRAWN_LIMIT = 0.35
Z = 1.959963984540054


def binary(labels, p):
    predicted = p >= 0.5
    return {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "brier": sk.brier_score_loss(labels, p),
        "f1": sk.f1_score(labels, predicted),
        "log_loss": sk.log_loss(labels, p),
        "pr_auc": sk.average_precision_score(labels, p),
        "precision": sk.precision_score(labels, predicted),
        "recall": sk.recall_score(labels, predicted),
        "roc_auc": sk.roc_auc_score(labels, p),
    }


def multiclass(labels, p):
    classes = np.arange(p.shape[1])
    predicted = p.argmax(axis=1)
    hot = labels[:, None] == classes
    found = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "brier": ((p - hot) ** 2).sum(axis=1).mean(),
        "log_loss": sk.log_loss(labels, p, labels=classes),
    }
    scores = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    for name, score in scores.items():
        for average in ("macro", "micro", "weighted"):
            found[f"{name}_{average}"] = score(labels, predicted, average=average, zero_division=0)
    # Both are defined where every class has rows, and then sums of one class against the others.
    if hot.any(axis=0).all():
        found["roc_auc_macro"] = np.mean([sk.roc_auc_score(hot[:, c], p[:, c]) for c in classes])
        found["pr_auc_macro"] = np.mean(
            [sk.average_precision_score(hot[:, c], p[:, c]) for c in classes]
        )
    return found


def regression(labels, p):
    return {
        "mae": sk.mean_absolute_error(labels, p),
        "mape": sk.mean_absolute_percentage_error(labels, p),
        "r2": sk.r2_score(labels, p),
        "rmse": sk.root_mean_squared_error(labels, p),
    }


PEERS = {
    "binary_classification": binary,
    "multiclass_classification": multiclass,
    "regression": regression,
}


def row_values(task, metric, labels, p):
    """What each row adds to a mean, for the delta method."""
    if metric == "mae":
        return np.abs(labels - p)
    if metric == "mape":
        return np.abs((labels - p) / labels)
    if metric == "rmse":
        return (labels - p) ** 2
    if task == "binary_classification":
        true = np.where(labels, p, 1 - p)
        squares = (p - labels) ** 2
    else:
        hot = labels[:, None] == np.arange(p.shape[1])
        true = p[np.arange(len(labels)), labels]
        squares = ((p - hot) ** 2).sum(axis=1)
    return -np.log(np.maximum(true, 2.0**-52)) if metric == "log_loss" else squares


def half_width(values):
    return Z * values.std(ddof=1) / np.sqrt(len(values))


def wilson(task, metric, labels, p):
    if task == "binary_classification":
        predicted = p >= 0.5
        trials = {"precision": predicted, "recall": labels}.get(metric, np.ones(len(labels), bool))
    else:
        predicted = p.argmax(axis=1)
        trials = np.ones(len(labels), bool)
    right = int((labels == predicted)[trials].sum())
    return stats.binomtest(right, int(trials.sum())).proportion_ci(0.95, method="wilson")


def placements(labels, p):
    """DeLong's, from the matrix of all pairs."""
    wins = (p[labels][:, None] > p[~labels]) + 0.5 * (p[labels][:, None] == p[~labels])
    return wins.mean(axis=1), wins.mean(axis=0)


def delong(labels, p):
    winners, losers = placements(labels, p)
    area = winners.mean()
    variance = winners.var(ddof=1) / len(winners) + losers.var(ddof=1) / len(losers)
    half = Z * np.sqrt(variance) / (area * (1 - area))
    logit = np.log(area / (1 - area))
    return 1 / (1 + np.exp(half - logit)), 1 / (1 + np.exp(-half - logit))


def drawn(task, labels, sides, draws=200):
    """By a plain bootstrap: the interval of every metric of each side, and of every difference."""
    generator = np.random.default_rng(1)
    found = [[], [], []]
    while len(found[0]) < draws:
        rows = generator.integers(len(labels), size=len(labels))
        if task != "regression" and len(np.unique(labels[rows])) < len(np.unique(labels)):
            continue
        first, second = (PEERS[task](labels[rows], side[rows]) for side in sides)
        found[0].append(first)
        found[1].append(second)
        found[2].append({name: second[name] - first[name] for name in first})
    return [
        {name: np.percentile([draw[name] for draw in all], [2.5, 97.5]) for name in all[0]}
        for all in found
    ]


def interval(task, metric, method, labels, p, value):
    if method == "wilson":
        return wilson(task, metric, labels, p)
    if method == "delong_logit":
        return delong(labels, p)
    if method == "delta":
        slope = 0.5 / value if metric == "rmse" else 1.0
        half = half_width(row_values(task, metric, labels, p)) * slope
        return max(value - half, 0.0), value + half
    return None


def paired_interval(task, metric, method, labels, sides, values):
    difference = values[1] - values[0]
    if method == "paired_delta":
        rows = [row_values(task, metric, labels, side) for side in sides]
        if metric == "rmse":
            rows = [row * 0.5 / value for row, value in zip(rows, values)]
        half = half_width(rows[1] - rows[0])
        return difference - half, difference + half
    if method == "paired_delong":
        before, after = (placements(labels, side) for side in sides)
        moved = [a - b for a, b in zip(after, before)]
        half = Z * np.sqrt(sum(m.var(ddof=1) / len(m) for m in moved))
        return difference - half, difference + half
    if method == "bonett_price":
        if task == "binary_classification":
            right = [labels == (side >= 0.5) for side in sides]
            right = [r[labels] if metric == "recall" else r for r in right]
        else:
            right = [labels == side.argmax(axis=1) for side in sides]
        size = len(right[0]) + 2
        less = ((right[0] & ~right[1]).sum() + 1) / size
        more = ((~right[0] & right[1]).sum() + 1) / size
        half = Z * np.sqrt((less + more - (more - less) ** 2) / size)
        return more - less - half, more - less + half
    return None


class Report:
    def __init__(self):
        self.largest, self.widths, self.failed = {}, {}, 0

    def note(self, kind, ours, theirs):
        difference = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(ours, theirs))
        self.largest[kind] = max(self.largest.get(kind, 0.0), difference)
        if difference > LIMIT:
            self.failed += 1
            print(f"  {kind}: {ours} where {theirs} is expected  FAILED")

    def note_drawn(self, kind, ours, theirs):
        width = theirs[1] - theirs[0]
        if width == 0:
            return
        off = max(abs(a - b) for a, b in zip(ours, theirs)) / width
        self.widths[kind] = max(self.widths.get(kind, 0.0), off)
        if off > DRAWN_LIMIT:
            self.failed += 1
            print(f"  {kind}: {ours} where about {theirs} is expected  FAILED")


def check(case, report):
    task, labels = case["task"], np.array(case["labels"])
    sides = [np.array(side) for side in case["predictions"]]
    if task == "multiclass_classification":
        sides = [side.T for side in sides]
    peers = [PEERS[task](labels, side) for side in sides]
    bootstrap = drawn(task, labels, sides) if len(labels) == 300 else [{}, {}, {}]
    for side, peer, measured, about in zip(sides, peers, case["measured"], bootstrap):
        for metric, found in measured["overall"].items():
            if found["value"] is None:
                assert metric not in peer or np.isnan(peer[metric]), metric
                continue
            report.note(metric, [found["value"]], [peer[metric]])
            method = found.get("method")
            bounds = [found.get("low"), found.get("high")]
            expect = interval(task, metric, method, labels, side, peer[metric])
            if expect is not None:
                report.note(f"interval {method}", bounds, expect)
            elif method == "poisson_bootstrap" and metric in about:
                report.note_drawn(method, bounds, about[metric])
        if task != "regression":
            predicted = side.argmax(axis=1) if side.ndim == 2 else side >= 0.5
            classes = np.arange(side.shape[1]) if side.ndim == 2 else [False, True]
            matrix = sk.confusion_matrix(labels, predicted, labels=classes)
            assert (matrix == np.array(measured["confusion_matrix"])).all()
    for metric, found in case["compared"]["overall"].items():
        if found["value"] is None:
            continue
        values = [peer[metric] for peer in peers]
        report.note(f"difference", [found["value"]], [values[1] - values[0]])
        method = found.get("method")
        bounds = [found.get("low"), found.get("high")]
        expect = paired_interval(task, metric, method, labels, sides, values)
        if expect is not None:
            report.note(f"interval {method}", bounds, expect)
        elif method == "paired_bootstrap" and metric in bootstrap[2]:
            report.note_drawn(method, bounds, bootstrap[2][metric])


def main(path):
    with open(path) as file:
        cases = json.load(file)
    print(f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}")
    report = Report()
    for case in cases:
        check(case, report)
    for kind, largest in sorted(report.largest.items()):
        print(f"{kind:<32} largest difference {largest:.1e}")
    for kind, off in sorted(report.widths.items()):
        print(f"{kind:<32} at most {off:.0%} of the width from a plain bootstrap's bounds")
    if report.failed:
        sys.exit(f"{report.failed} numbers differ")
    print(f"all of {len(cases)} cases agree to {LIMIT}")


if __name__ == "__main__":
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=".*ill-defined.*")
    warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
    main(*sys.argv[1:])
