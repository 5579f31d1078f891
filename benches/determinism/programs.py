"""A step: fits one model, named on the command line, to a table, and writes it with predictions.

It says what it made by observations: the first 48 bits of the SHA-256 of each file, which a number
of JSON holds exactly.
"""

import contextlib
import hashlib
import json
import os
import pickle
import sys

STEP = json.load(open("/reproof/step.json"))


def told_of_another_processor():
    """Starts itself again with the variables that the parameters name, where they do."""
    variables = STEP["parameters"].get("variables", {})
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.environ.update(variables)
        os.execv(sys.executable, [sys.executable, *sys.argv])


told_of_another_processor()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

SEED = 7


def scaled(model):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def scikit_learn(model, predict):
    def fit(x, classes, number):
        y = number if predict == "regression" else classes
        # Not `n_jobs`, which would stand in the model.
        import joblib

        threads = STEP["threads"]
        several = joblib.parallel_config(backend="threading", n_jobs=threads)
        with several if threads > 1 else contextlib.nullcontext():
            model.fit(x, y)
            made = getattr(model, "transform" if predict == "transform" else predict_by(model))(x)
        return pickle.dumps(model, protocol=5), made

    return fit


def predict_by(model):
    return "predict_proba" if hasattr(model, "predict_proba") else "predict"


def logistic_regression():
    from sklearn.linear_model import LogisticRegression

    return scikit_learn(scaled(LogisticRegression(max_iter=1000)), "classes")


def ridge():
    from sklearn.linear_model import Ridge

    return scikit_learn(scaled(Ridge()), "regression")


def pca():
    from sklearn.decomposition import PCA

    return scikit_learn(scaled(PCA(4, svd_solver="full")), "transform")


def kmeans():
    from sklearn.cluster import KMeans

    return scikit_learn(scaled(KMeans(8, n_init=3, random_state=SEED)), "transform")


def mlp():
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((32,), max_iter=20, tol=0, random_state=SEED)
    return scikit_learn(scaled(model), "classes")


def random_forest():
    from sklearn.ensemble import RandomForestClassifier

    return scikit_learn(RandomForestClassifier(50, random_state=SEED), "classes")


def hist_gradient_boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return scikit_learn(HistGradientBoostingClassifier(max_iter=50, random_state=SEED), "classes")


def xgboost():
    import xgboost as xgb

    def fit(x, classes, number):
        parameters = {
            "objective": "binary:logistic",
            "subsample": 0.8,
            "seed": SEED,
            "nthread": STEP["threads"],
        }
        data = xgb.DMatrix(x, label=classes)
        model = xgb.train(parameters, data, num_boost_round=50)
        return bytes(model.save_raw("ubj")), model.predict(data)

    return fit


def lightgbm():
    import lightgbm as lgb

    def fit(x, classes, number):
        # Not `num_threads`, which would stand in the model: it takes that of OpenMP.
        parameters = {
            "objective": "binary",
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "seed": SEED,
            "verbose": -1,
        }
        model = lgb.train(parameters, lgb.Dataset(x, label=classes), num_boost_round=50)
        return model.model_to_string().encode(), model.predict(x)

    return fit


PROGRAMS = {
    program.__name__: program
    for program in [
        logistic_regression,
        ridge,
        pca,
        kmeans,
        mlp,
        random_forest,
        hist_gradient_boosting,
        xgboost,
        lightgbm,
    ]
}


def short_hash(data):
    return int(hashlib.sha256(data).hexdigest()[:12], 16)


def main():
    path = STEP["inputs"]["table"]["path"]
    table = pd.read_csv(path) if path.endswith(".csv") else pd.read_parquet(path)
    number = table.pop("price").to_numpy(dtype="float64")
    classes = (number > np.median(number)).astype("int64")
    x = table.to_numpy(dtype="float64")
    model, made = PROGRAMS[sys.argv[1]]()(x, classes, number)
    made = np.ascontiguousarray(made).tobytes()
    variables = {name: value for name, value in os.environ.items() if name != "REPROOF_STEP"}
    said = {
        "model": model,
        "predictions": made,
        "variables": json.dumps(variables, sort_keys=True).encode(),
    }
    for name, data in [("model", model), ("predictions", made)]:
        with open(STEP["outputs"][name]["path"], "wb") as file:
            file.write(data)
    with open(STEP["observations"], "a") as file:
        for name, data in said.items():
            print(json.dumps({"name": name, "value": short_hash(data)}), file=file)


main()
