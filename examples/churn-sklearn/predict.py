import json

import joblib
import pandas as pd

step = json.load(open("/reproof/step.json"))
model = joblib.load(step["inputs"]["model"]["path"] + "/model.joblib")
x = pd.read_parquet(step["inputs"]["features"]["path"])

# The probability of the positive class, a row for each row of the part in its order.
predictions = pd.DataFrame({"prediction": model.predict_proba(x)[:, 1]})
predictions.to_parquet(step["outputs"]["predictions"]["path"])
