"""CPU and wall time of one training each, in turn: ours and the peers on the same rows.

What is timed begins with plain arrays and ends with a trained model, so finding bins counts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

COLUMNS, ROUNDS, DEPTH, BINS, RATE, MIN_ROWS = 20, 100, 6, 255, 0.1, 20
OURS = os.path.join(os.environ["GBDT_EXAMPLES"], "gbdt_speed")


def auc(labels, scores):
    import numpy as np

    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    positives = labels.sum()
    rank_sum = ranks[labels > 0].sum() - positives * (positives + 1) / 2
    return rank_sum / (positives * (len(labels) - positives))


def peer(name, threads, path, rows):
    """Runs in a process of its own; prints CPU, wall and AUC on held-out rows."""
    import numpy as np

    block = np.fromfile(path, dtype="<f8").reshape(COLUMNS + 1, rows + rows // 10)
    x, y = np.ascontiguousarray(block[:-1].T), block[-1]
    train, test = slice(0, rows), slice(rows, None)
    if name == "xgboost":
        import xgboost
    elif name == "lightgbm":
        import lightgbm
    else:
        from sklearn.ensemble import HistGradientBoostingClassifier
    cpu, wall = time.process_time(), time.perf_counter()
    if name == "xgboost":
        matrix = xgboost.QuantileDMatrix(x[train], y[train], max_bin=BINS, nthread=threads)
        settings = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": DEPTH,
            "max_bin": BINS,
            "eta": RATE,
            "nthread": threads,
        }
        model = xgboost.train(settings, matrix, ROUNDS)
    elif name == "lightgbm":
        settings = {
            "objective": "binary",
            "max_depth": DEPTH,
            "num_leaves": 2**DEPTH,
            "max_bin": BINS,
            "learning_rate": RATE,
            "min_data_in_leaf": MIN_ROWS,
            "num_threads": threads,
            "verbose": -1,
        }
        model = lightgbm.train(settings, lightgbm.Dataset(x[train], y[train]), ROUNDS)
    else:
        model = HistGradientBoostingClassifier(
            max_iter=ROUNDS,
            learning_rate=RATE,
            max_depth=DEPTH,
            max_leaf_nodes=2**DEPTH,
            max_bins=BINS,
            min_samples_leaf=MIN_ROWS,
            early_stopping=False,
        ).fit(x[train], y[train])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if name == "xgboost":
        scores = model.predict(xgboost.DMatrix(x[test]))
    elif name == "lightgbm":
        scores = model.predict(x[test])
    else:
        scores = model.predict_proba(x[test])[:, 1]
    print(json.dumps({"cpu": cpu, "wall": wall, "auc": auc(y[test], scores)}))


def measure(name, threads, path, rows):
    if name == "reproof":
        command = [OURS, "train", path, str(rows), str(COLUMNS), str(ROUNDS), str(threads)]
    else:
        command = [sys.executable, __file__, "--peer", name, str(threads), path, str(rows)]
    variables = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"}
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def main(rows=1_000_000, turns=3):
    rows, turns = int(rows), int(turns)
    cases = [("reproof", 1), ("xgboost", 1), ("lightgbm", 1), ("reproof", 2), ("xgboost", 2)]
    cases += [("lightgbm", 2)]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows")
        with open(path, "wb") as file:
            command = [OURS, "rows", str(rows + rows // 10), str(COLUMNS)]
            subprocess.run(command, stdout=file, check=True)
        found = {case: [] for case in cases}
        for _ in range(turns):
            for case in cases:
                found[case].append(measure(*case, path, rows))
        found["scikit-learn", 1] = [measure("scikit-learn", 1, path, rows)]
    print(f"{rows} rows x {COLUMNS}, {ROUNDS} rounds, depth {DEPTH}: medians of {turns} turns")
    print(f"{'trainer':<14} {'threads':>7} {'CPU s':>8} {'wall s':>8} {'AUC':>8}")
    middle = {}
    for case, results in found.items():
        middle[case] = {
            key: statistics.median(result[key] for result in results) for key in results[0]
        }
        line = "{cpu:>8.2f} {wall:>8.2f} {auc:>8.4f}".format(**middle[case])
        print(f"{case[0]:<14} {case[1]:>7} {line}")
    ours = middle["reproof", 1]
    ratio = ours["cpu"] / middle["xgboost", 1]["cpu"]
    speed_up = ours["wall"] / middle["reproof", 2]["wall"]
    print(f"CPU to XGBoost's on one thread: {ratio:.2f} (at most 1)")
    print(f"speed-up on two threads: {speed_up:.2f} (at least 1.6, on two idle cores)")
    # The load of other work shows in the sum of CPU and not in its share of the wall time.
    print(f"load: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        name, threads, path, rows = sys.argv[2:]
        peer(name, int(threads), path, int(rows))
    else:
        main(*sys.argv[1:])
