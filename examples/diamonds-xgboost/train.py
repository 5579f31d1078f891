import json
import os

import numpy as np
import pandas as pd
import xgboost as xgb

from features import features

step = json.load(open("/reproof/step.json"))
parameters = step["parameters"]


def matrix(name):
    table = pd.read_parquet(step["inputs"][name]["path"])
    # Errors of a share of the price count alike, whatever the price.
    return xgb.DMatrix(features(table), label=np.log(table["price"]))


train, evaluation = matrix("table"), matrix("eval_table")
history = {}
model = xgb.train(
    {
        "eta": parameters["eta"],
        "max_depth": parameters["max_depth"],
        "subsample": parameters["subsample"],
        "seed": int(step["seed"]) % 2**31,
        "nthread": step["threads"],
    },
    train,
    num_boost_round=parameters["rounds"],
    evals=[(train, "train"), (evaluation, "eval")],
    evals_result=history,
    verbose_eval=50,
)
folder = step["outputs"]["model"]["path"]
os.makedirs(folder, exist_ok=True)
model.save_model(f"{folder}/model.ubj")

with open(step["metrics"], "a") as file:
    for part in ("train", "eval"):
        for iteration, value in enumerate(history[part]["rmse"]):
            line = {"name": f"{part}_log_rmse", "step": iteration, "value": value}
            print(json.dumps(line), file=file)
