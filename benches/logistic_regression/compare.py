"""Fits what the example `coefficients` fitted with scikit-learn, and compares the coefficients."""

import csv
import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

LIMIT = 1e-6


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def fit(columns, case):
    model = case["model"]
    x = np.array([[float(value) for value in columns[name]] for name in model["features"]]).T
    if case["standardised"]:
        x = StandardScaler().fit_transform(x)
    label, l2 = columns[model["label"]["column"]], model["l2"]
    if model["task"] == "regression":
        # A direct solver for each: Cholesky's loses digits on features that are not standardised.
        peer = Ridge(alpha=l2, solver="svd", tol=1e-12)
        peer.fit(x, np.array([float(value) for value in label]))
        return np.append(peer.coef_, peer.intercept_)
    strength = np.inf if l2 == 0 else 1 / l2
    peer = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    peer.fit(x, [value == model["label"]["positive"] for value in label])
    return np.append(peer.coef_[0], peer.intercept_[0])


def main(data, coefficients):
    columns = read(data)
    with open(coefficients) as file:
        cases = json.load(file)
    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}")
    print(f"{'task':<22} {'features':<13} {'l2':>8}  {'largest difference':>18}  {'relative':>8}")
    failed = 0
    for case in cases:
        model = case["model"]
        ours = np.append(model["coefficients"], model["intercept"])
        theirs = fit(columns, case)
        difference = np.abs(ours - theirs)
        largest = difference.max()
        relative = (difference / np.maximum(np.abs(theirs), 1e-300)).max()
        features = "standardised" if case["standardised"] else "as they are"
        good = largest <= LIMIT and (model["task"] != "regression" or relative <= LIMIT)
        failed += not good
        verdict = "" if good else "  FAILED"
        print(
            f"{model['task']:<22} {features:<13} {model['l2']:>8g}  {largest:>18.2e}"
            f"  {relative:>8.2e}{verdict}"
        )
    if failed:
        sys.exit(f"{failed} of {len(cases)} models differ by more than {LIMIT}")
    print(f"all {len(cases)} models agree to {LIMIT}")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(*sys.argv[1:])
