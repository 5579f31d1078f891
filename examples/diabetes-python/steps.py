"""The programs: each is a step, wherever a pipeline calls it."""

import joblib
import pandas as pd
import reproof
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

LABEL = {"column": "has_diabetes", "positive": "Yes"}


@reproof.program(outputs={"model": "model/", "importance": "importance.json"})
def train(features, table, *, trees=200, max_depth=4):
    step = reproof.step()
    x = features.pandas()
    y = table.pandas([LABEL["column"]])[LABEL["column"]] == LABEL["positive"]
    model = RandomForestClassifier(trees, max_depth=max_depth, random_state=step.seed)
    model.fit(x, y)
    joblib.dump(model, step.output("model") / "model.joblib")
    step.output("importance").write_json(dict(zip(x.columns, model.feature_importances_)))
    step.metric("train_roc_auc", roc_auc_score(y, model.predict_proba(x)[:, 1]))


@reproof.program
def predict(model, features):
    forest = joblib.load(model / "model.joblib")
    probability = forest.predict_proba(features.pandas())[:, 1]
    # A row for each row of the part, in its order.
    reproof.step().output("predictions").write_table(pd.DataFrame({"prediction": probability}))
