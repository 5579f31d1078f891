import json

import numpy as np
import pandas as pd
import xgboost as xgb

from features import features

step = json.load(open("/reproof/step.json"))
model = xgb.Booster(model_file=step["inputs"]["model"]["path"] + "/model.ubj")
model.set_param({"nthread": step["threads"]})
table = pd.read_parquet(step["inputs"]["table"]["path"])

predicted = np.exp(model.predict(xgb.DMatrix(features(table))).astype("float64"))
pd.DataFrame({"prediction": predicted}).to_parquet(step["outputs"]["predictions"]["path"])
