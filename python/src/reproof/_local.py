"""A program that is run by hand, outside Reproof: where its inputs and outputs are."""

import os
import pathlib
from typing import Any, Dict, Mapping

from ._errors import ReproofError

#: Where outputs go that nothing else is said of. Git ignores it, and no step sees it.
LOCAL = pathlib.Path(".reproof") / "local"
_ENDINGS = (".parquet", ".csv", "")


def document(inputs: Mapping[str, Any], outputs: Mapping[str, Any], seed: int) -> Dict[str, Any]:
    """What `step.json` would say."""
    return {
        "inputs": {name: _entry(path) for name, path in inputs.items()},
        "outputs": {name: _entry(path) for name, path in outputs.items()},
        "seed": str(seed),
        "threads": os.cpu_count() or 1,
    }


def _entry(path: Any) -> Dict[str, str]:
    text = os.fspath(path)
    table = text.endswith((".parquet", ".csv"))
    return {"kind": "table" if table else "files", "path": text}


def find(name: str) -> pathlib.Path:
    """The input of this name in the folder `data`."""
    for ending in _ENDINGS:
        path = pathlib.Path("data") / (name + ending)
        if path.exists():
            return path
    raise ReproofError(
        f"there is no input '{name}': outside Reproof, reproof.step(inputs={{'{name}': 'FILE'}}) says "
        f"where it lies, or it is data/{name}.parquet, data/{name}.csv or data/{name}"
    )


def place(name: str) -> pathlib.Path:
    """Where the output of this name goes."""
    return LOCAL / name
