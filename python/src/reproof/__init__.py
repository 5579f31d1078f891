"""What a program of yours uses inside a step of Reproof, and pipelines written in Python.

A program asks for its step, reads its inputs, and writes its outputs and metrics:

```python
import reproof

step = reproof.step()
table = step.input("table").pandas()
model = fit(table, c=step.parameters.c, seed=step.seed)
step.metric("train_accuracy", model.score(table))
step.output("model").joinpath("model.txt").write_text(model.dump())
```

`program` and `pipeline` write a pipeline as functions; `record` and `%load_ext reproof` show results in
notebooks. Nothing here needs a package, and nothing is imported before it is used.
"""

import os
from typing import TYPE_CHECKING, Any

from ._errors import MissingPackageError, ReproofError, UnknownNameError
from ._step import Input, Output, Parameters, Step, step

if TYPE_CHECKING:
    from ._pipeline import Data, Node, Pipeline, Program, Result, data, operation, pipeline, program
    from .jupyter import Record

__all__ = [
    "Data",
    "Input",
    "MissingPackageError",
    "Node",
    "Output",
    "Parameters",
    "Pipeline",
    "Program",
    "ReproofError",
    "Result",
    "Step",
    "UnknownNameError",
    "data",
    "operation",
    "pipeline",
    "program",
    "record",
    "step",
]


def record(name: str = "@latest") -> "Record":
    """A record: its metrics, slices, gates, steps, and what verifying it came to.

    `name` is an ID or how one begins, `@latest`, or `PIPELINE@latest`. The command `reproof` is asked, in the
    working folder's project. Shown in a notebook it is a table.
    """
    if "REPROOF_STEP" in os.environ:
        raise ReproofError("a step sees no records: what it needs is given to it as an input")
    from . import jupyter

    return jupyter.read_record(name)


def load_ipython_extension(ipython: Any) -> None:
    """Gives a notebook `%reproof`. In a step, which sees no project, that does nothing."""
    if "REPROOF_STEP" in os.environ:
        ipython.register_magic_function(lambda _line: None, magic_name="reproof")
    else:
        from . import jupyter

        jupyter.load(ipython)


def __getattr__(name: str) -> Any:
    # A step that writes no pipeline does not load what pipelines are written with.
    if name in __all__:
        from . import _pipeline

        return getattr(_pipeline, name)
    raise AttributeError(f"module 'reproof' has no attribute '{name}'")


def __dir__() -> "list[str]":
    return sorted(__all__)
