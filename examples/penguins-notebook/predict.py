import json

import numpy as np
import pandas as pd

step = json.load(open("/reproof/step.json"))
model = json.load(open(step["inputs"]["model"]["path"] + "/model.json"))
x = pd.read_parquet(step["inputs"]["features"]["path"])

scores = x.to_numpy() @ np.array(model["weights"]).T + np.array(model["intercepts"])
odds = np.exp(scores - scores.max(axis=1, keepdims=True))
shares = odds / odds.sum(axis=1, keepdims=True)
# The probability of each class, a row for each row of the part in its order.
columns = [f"probability={species}" for species in model["species"]]
pd.DataFrame(shares, columns=columns).to_parquet(step["outputs"]["predictions"]["path"])
