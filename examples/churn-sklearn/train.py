import json
import os

import joblib
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

step = json.load(open("/reproof/step.json"))
x = pd.read_parquet(step["inputs"]["features"]["path"])
table = pd.read_parquet(step["inputs"]["table"]["path"])
y = (table["churn"] == "Yes").astype(int)

model = HistGradientBoostingClassifier(
    random_state=int(step["seed"]) % 2**32,
    **step["parameters"],
)
model.fit(x, y)
folder = step["outputs"]["model"]["path"]
os.makedirs(folder, exist_ok=True)
joblib.dump(model, f"{folder}/model.joblib")

auc = roc_auc_score(y, model.predict_proba(x)[:, 1])
print(f"{len(x):,} rows, {x.shape[1]} features, AUC on them {auc:.4f}")
with open(step["metrics"], "a") as file:
    print(json.dumps({"name": "train_roc_auc", "value": auc}), file=file)
