"""Who has diabetes. `reproof run` runs this file once, isolated, to see the graph."""

import reproof
from steps import LABEL, predict, train

# Gates of what is called by the same name everywhere.
LEAST = {"roc_auc": 0.75, "accuracy": 0.6}


@reproof.pipeline(seed=42)
def diabetes():
    return {
        "data": {"csv": "data/pima_diabetes.csv"},
        "label": LABEL,
        "split": {"random": {"train": 0.7, "eval": 0.15, "test": 0.15}},
        "train": train(max_depth=5),
        "predict": predict(),
        "evaluate": {
            "metrics": [*LEAST, "log_loss"],
            "require": [f"{metric} >= {least}" for metric, least in LEAST.items()],
        },
    }
