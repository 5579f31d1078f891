"""The step that a program is: its inputs, parameters, seed, outputs, metrics."""

import os
import pathlib
import re
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from ._errors import ReproofError, unknown

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    if sys.platform == "win32":
        _Path = pathlib.WindowsPath
    else:
        _Path = pathlib.PosixPath
else:
    # The class for this machine: `Path` itself cannot be derived from before Python 3.12.
    _Path = type(pathlib.Path())

Location = Union[str, "os.PathLike[str]"]

#: Words in the name of a metric that say that it is no result: it differs from run to run.
_OBSERVED = re.compile(
    "cpu|duration|elapsed|gpu|latency|mb|memory|millis|milliseconds|ms|ram|rss|runtime|secs?"
    "|seconds?|throughput|time|wall"
)


class Input(_Path):
    """An input of the step: a path, which also reads tables.

    A table is a file, whatever it was made of; anything else is a folder, in which
    `step.input("model") / "model.json"` is a file.
    """

    @property
    def path(self) -> pathlib.Path:
        """The path, as a plain one."""
        return pathlib.Path(os.fspath(self))

    def pandas(self, columns: Optional[Sequence[str]] = None) -> "pandas.DataFrame":
        """The table, or these columns of it, as a DataFrame of pandas."""
        from . import _tables

        return _tables.read_pandas(self.path, columns)

    def polars(self, columns: Optional[Sequence[str]] = None) -> "polars.DataFrame":
        """The table, or these columns of it, as a DataFrame of Polars."""
        from . import _tables

        return _tables.read_polars(self.path, columns)

    def arrow(self, columns: Optional[Sequence[str]] = None) -> "pyarrow.Table":
        """The table, or these columns of it, as a Table of Arrow."""
        from . import _tables

        return _tables.read_arrow(self.path, columns)


class Output(_Path):
    """An output of the step: the path to write to, whose folder is there.

    It writes open formats so that equal values are equal bytes. In an output that is a folder,
    `step.output("model") / "weights.json"` is a file that does the same.
    """

    @property
    def path(self) -> pathlib.Path:
        """The path, as a plain one."""
        return pathlib.Path(os.fspath(self))

    def write_json(self, value: Any) -> None:
        """Writes a value as JSON: keys sorted, numbers of NumPy as numbers. NaN is refused."""
        from . import _tables

        _tables.write_json(self._file("write_json", "NAME.json"), value)

    def write_table(self, table: Any) -> None:
        """Writes a table as Parquet or CSV, as the path's ending says.

        It may be a DataFrame of pandas or Polars, or a Table of Arrow. The index of pandas is not
        written: `reset_index()` makes it a column.
        """
        from . import _tables

        _tables.write_table(self._file("write_table", "NAME.parquet"), table)

    def _file(self, method: str, name: str) -> pathlib.Path:
        path = self.path
        if path.is_dir():
            raise ReproofError(
                f"the output '{path.name}' is a folder: name a file in it, "
                f'(step.output("{path.name}") / "{name}").{method}(…)'
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class Parameters(Mapping[str, Any]):
    """The parameters of the step: `parameters.c`, `parameters["c"]`, or `**parameters` for all."""

    def __init__(self, values: Mapping[str, Any], hint: str) -> None:
        self._values = dict(values)
        self._hint = hint

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise unknown("parameter", name, self._values, self._hint) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter, or this value where it is not declared."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Parameters({self._values!r})"


class Step:
    """What Reproof gives a program, and where the program says what came out. See `step`."""

    def __init__(
        self,
        document: Mapping[str, Any],
        parameters: Mapping[str, Any],
        isolated: bool,
    ) -> None:
        self._document = document
        self._isolated = isolated
        hint = "" if isolated else "Outside Reproof, reproof.step(parameters={…}) gives them"
        if isolated:
            hint = "Declare it under 'parameters' of the step in the pipeline"
        self._parameters = Parameters(parameters, hint)
        self._metrics: Dict[Tuple[str, Optional[int]], Optional[float]] = {}

    @property
    def inputs(self) -> Tuple[str, ...]:
        """The names of the inputs."""
        return tuple(sorted(self._document["inputs"]))

    @property
    def outputs(self) -> Tuple[str, ...]:
        """The names of the outputs."""
        return tuple(sorted(self._document["outputs"]))

    @property
    def parameters(self) -> Parameters:
        """The parameters, by attribute or by key."""
        return self._parameters

    @property
    def threads(self) -> int:
        """How many threads the program may start."""
        return int(self._document["threads"])

    @property
    def seed(self) -> int:
        """The step's seed, as NumPy and scikit-learn take one: from 0 to 2**32 - 1."""
        seed = self._document.get("seed")
        if seed is None:
            raise ReproofError("this step has no seed")
        return int(seed) % 2**32

    def seed_everything(self) -> int:
        """Seeds `random`, NumPy, PyTorch and TensorFlow with `seed`, and gives it.

        What is imported later is seeded then; what is never imported is not touched. PyTorch and
        TensorFlow are told to use only algorithms that repeat their results, and refuse others.
        """
        from . import _seeding

        return _seeding.seed_everything(self.seed, self.threads)

    def input(self, name: str) -> Input:
        """The input of this name."""
        declared = self._document["inputs"]
        if name in declared:
            return Input(declared[name]["path"])
        if not self._isolated and not declared:
            from . import _local

            return Input(_local.find(name))
        hint = "Outside Reproof, reproof.step(inputs={…}) gives them"
        if self._isolated:
            hint = "Declare it under 'inputs' of the step in the pipeline"
        raise unknown("input", name, declared, hint)

    def output(self, name: str) -> Output:
        """The path of the output of this name.

        A declared path with an ending, such as `curve.svg`, is a file, of which the folder is made;
        one without is a folder, which is made.
        """
        declared = self._document["outputs"]
        if name in declared:
            path = Output(declared[name]["path"])
            table = declared[name]["kind"] == "table"
        elif not self._isolated and not declared:
            from . import _local

            path, table = Output(_local.place(name)), False
        else:
            hint = "Outside Reproof, reproof.step(outputs={…}) gives them"
            if self._isolated:
                hint = "Declare it under 'outputs' of the step in the pipeline"
            raise unknown("output", name, declared, hint)
        folder = path.parent if table or path.suffix else path
        folder.mkdir(parents=True, exist_ok=True)
        return path

    def metric(self, name: str, value: Any, *, step: Optional[int] = None) -> None:
        """Reports a metric: part of the results, compared when the record is verified.

        `step` is the number of an iteration, such as an epoch. A name and step have one value. What
        differs from run to run, such as seconds, belongs to `observe`. A value that is not finite
        is reported as missing.
        """
        number = _number(name, value)
        key = (_name("metric", name), _step_number(step))
        known = self._metrics.setdefault(key, number)
        if known != number:
            at = "" if step is None else f" at step {step}"
            more = " (in a loop: metric(name, value, step=epoch))" if step is None else ""
            raise ReproofError(
                f"the metric '{name}'{at} is {known} already, and cannot be {number}{more}"
            )
        if any(map(_OBSERVED.fullmatch, _words(name))):
            import warnings

            warnings.warn(
                f"the metric '{name}' sounds like a time or an amount of memory: these differ from "
                "run to run, so that no run would give the same record. "
                f"step.observe('{name}', …) is for them",
                stacklevel=2,
            )
        self._report("metrics", key, number)

    def observe(self, name: str, value: Any, *, step: Optional[int] = None) -> None:
        """Reports an observation: a fact of this run, such as seconds, and no result."""
        key = (_name("observation", name), _step_number(step))
        self._report("observations", key, _number(name, value))

    def _report(self, file: str, key: Tuple[str, Optional[int]], value: Optional[float]) -> None:
        name, step = key
        if not self._isolated:
            at = "" if step is None else f" [{step}]"
            print(f"{file[:-1]} {name}{at} = {value}")
            return
        import json

        line: Dict[str, Any] = {"name": name, "value": value}
        if step is not None:
            line["step"] = step
        with open(self._document[file], "a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    def __repr__(self) -> str:
        return f"<step with inputs {self.inputs} and outputs {self.outputs}>"


def _name(noun: str, name: str) -> str:
    if not isinstance(name, str) or not name:
        raise ReproofError(
            f"the name of {'a' if noun == 'metric' else 'an'} {noun} is a text, not {name!r}"
        )
    return name


def _step_number(step: Optional[int]) -> Optional[int]:
    if step is None:
        return None
    number = int(step)
    if number < 0 or number != step:
        raise ReproofError(f"the step of an iteration is a whole number from 0 on, not {step!r}")
    return number


def _number(name: str, value: Any) -> Optional[float]:
    """A number of Python: those of NumPy and PyTorch say what they are."""
    if hasattr(value, "item") and not isinstance(value, (int, float)):
        try:
            value = value.item()
        except (TypeError, ValueError, RuntimeError):
            raise ReproofError(f"'{name}' is to be one number, not {value!r}") from None
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)):
        try:
            value = float(value)
        except (TypeError, ValueError):
            raise ReproofError(f"'{name}' is to be a number, not {value!r}") from None
    if isinstance(value, int):
        # The largest whole number that every reader of JSON keeps.
        return value if abs(value) < 2**53 else float(value)
    value = float(value)
    return value if value - value == 0 else None


def _words(name: str) -> "list[str]":
    parts = re.sub("([a-z])([A-Z])", r"\1 \2", name)
    return re.findall("[a-z]+", parts.lower())


_current: Optional[Step] = None


def step(
    *,
    inputs: Optional[Mapping[str, Location]] = None,
    parameters: Optional[Mapping[str, Any]] = None,
    outputs: Optional[Mapping[str, Location]] = None,
    seed: int = 0,
) -> Step:
    """The step that this program is.

    Inside Reproof it needs no arguments: what the pipeline declares counts, and of the arguments
    only parameters that it does not declare. Where the program is run by hand, the arguments say
    where inputs lie, what the parameters are, and where outputs go, so that one script does both:

    ```python
    step = reproof.step(
        inputs={"table": "data/churn.csv"},
        parameters={"c": 1.0},
        outputs={"model": "model/"},
    )
    ```

    Without `inputs` it then looks for `data/NAME.parquet`, `data/NAME.csv` and `data/NAME`; without
    `outputs` they go to `.reproof/local/NAME`. Metrics and observations are printed.
    """
    global _current
    file = os.environ.get("REPROOF_STEP")
    given = inputs is not None or parameters is not None or outputs is not None or seed != 0
    if _current is not None and not given:
        return _current
    defaults = dict(parameters or {})
    if file is None:
        from . import _local

        document = _local.document(inputs or {}, outputs or {}, seed)
        _current = Step(document, defaults, False)
        return _current
    import json

    with open(file, encoding="utf-8") as text:
        document = json.load(text)
    if document.get("format") != "reproof.program/1":
        raise ReproofError(
            f"{file} has the format '{document.get('format')}', and this package reads "
            "'reproof.program/1': the environment's own package 'reproof' is too old or too new"
        )
    declared = document["parameters"]
    metrics = _current._metrics if _current is not None else {}
    _current = Step(document, {**defaults, **like(declared, defaults)}, True)
    _current._metrics = metrics
    return _current


def like(declared: Mapping[str, Any], defaults: Mapping[str, Any]) -> Dict[str, Any]:
    """The declared parameters, whole numbers as floats where the default is one.

    Canonical JSON writes 1.0 as 1, and some libraries tell the two apart.
    """

    def one(name: str, value: Any) -> Any:
        is_float = isinstance(defaults.get(name), float)
        return float(value) if is_float and type(value) is int else value

    return {name: one(name, value) for name, value in declared.items()}
