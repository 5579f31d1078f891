"""Pipelines as functions: programs that are steps, and a function that puts them together."""

import functools
import inspect
import os
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
    overload,
)

from ._errors import ReproofError, unknown
from ._step import Input

if TYPE_CHECKING:
    from ._built import Built

Function = Callable[..., Any]

#: The output that every program has: the metrics that it reports.
_REPORTED = "reported"


class Origin(NamedTuple):
    """Where something stands in a file: the lines from the first on may be about it."""

    file: str
    line: int


class Result:
    """An output of a step, or data, to be given to another step."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"<{self.source}>"


class Data(Result):
    """Data of the pipeline, see `data`."""


class Node:
    """A step of the pipeline: `node.model` and `node["model"]` are its output `model`."""

    def __init__(
        self,
        name: str,
        entry: Dict[str, Any],
        outputs: Optional[Tuple[str, ...]],
        origins: Dict[str, Origin],
    ) -> None:
        self._name = name
        self._entry = entry
        self._outputs = outputs
        self._origins = origins
        self._lacking: List[str] = []

    def __getitem__(self, output: str) -> Result:
        if self._outputs is not None and output not in self._outputs:
            raise unknown(f"output of step '{self._name}'", output, self._outputs)
        return Result(f"{self._name}.{output}")

    def __getattr__(self, output: str) -> Result:
        if output.startswith("_"):
            raise AttributeError(output)
        return self[output]

    def __repr__(self) -> str:
        return f"<step {self._name}>"


class Draft:
    """A pipeline while its function runs."""

    def __init__(self) -> None:
        self.data: Dict[str, Any] = {}
        self.data_origins: Dict[str, Origin] = {}
        self.nodes: Dict[str, Node] = {}

    def add(self, node: Node) -> Node:
        """Adds a step, whose name must be new."""
        if node._name in self.nodes:
            raise ReproofError(
                f"two steps have the name '{node._name}': give one another, with "
                f'.options(name="{node._name}_2")'
            )
        self.nodes[node._name] = node
        return node


_draft: Optional[Draft] = None
#: The pipelines of the files that were imported, in the order of their decorators.
PIPELINES: List["Pipeline"] = []


def _building() -> Draft:
    if _draft is None:
        raise ReproofError("this belongs into a function that is decorated with @reproof.pipeline")
    return _draft


def _caller() -> Origin:
    """The place outside this package from which it was called."""
    here = os.path.dirname(os.path.abspath(__file__)) + os.sep
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(here):
        frame = frame.f_back
    return Origin(frame.f_code.co_filename, frame.f_lineno)


class Program:
    """A function that is a program, see `program`.

    Called while a pipeline is built it makes a step. Called anywhere else, as in a test, it is the
    function.
    """

    def __init__(
        self,
        function: Function,
        settings: Mapping[str, Any],
        places: Optional[Mapping[str, Origin]] = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._settings = dict(settings)
        # Where settings stand that are not the decorator's.
        self._places = dict(places or {})
        code = function.__code__
        self.origin = Origin(code.co_filename, code.co_firstlineno)
        self._signature = inspect.signature(function)
        for parameter in self._signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                raise ReproofError(
                    f"{function.__name__}: inputs and parameters have names, so there can be no "
                    f"'{parameter}'"
                )

    def options(self, **settings: Any) -> "Program":
        """The same program with other settings, and with `name` another name of its step."""
        places = {**self._places, **dict.fromkeys(settings, _caller())}
        return Program(self.function, {**self._settings, **_settings(settings)}, places)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _draft is None:
            return self.function(*args, **kwargs)
        return _draft.add(self._node(self._bound(args, kwargs), _caller()))

    def _bound(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> inspect.BoundArguments:
        declared = self._signature.parameters
        rest = any(one.kind is one.VAR_KEYWORD for one in declared.values())
        for name in kwargs:
            if not rest and name not in declared:
                raise unknown(f"input or parameter of {self.function.__name__}()", name, declared)
        try:
            return self._signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise ReproofError(f"{self.function.__name__}(): {error}") from None

    def _node(self, bound: inspect.BoundArguments, caller: Origin) -> Node:
        inputs: Dict[str, str] = {}
        parameters: Dict[str, Any] = {}
        lacking: List[str] = []
        given: Dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            given.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
        for name, declared in self._signature.parameters.items():
            if name in given or declared.kind is declared.VAR_KEYWORD:
                continue
            optional = declared.default is None and declared.kind is not declared.KEYWORD_ONLY
            if declared.default is declared.empty:
                lacking.append(name)
            elif not optional:
                given[name] = declared.default
        for name, value in given.items():
            source = _source(value)
            if source is None:
                parameters[name] = value
            else:
                inputs[name] = source
        settings = dict(self._settings)
        name = settings.pop("name", self.function.__name__)
        path = os.path.relpath(self.origin.file)
        entry: Dict[str, Any] = {
            "run": ["python", "-m", "reproof.call", path, self.function.__qualname__],
            **settings,
        }
        if parameters:
            entry["parameters"] = parameters
        if inputs:
            entry["inputs"] = inputs
        outputs = settings.get("outputs")
        names = None if outputs is None else (*outputs, _REPORTED)
        origins = {"": self.origin, "inputs": caller, "parameters": caller, **self._places}
        node = Node(name, entry, names, origins)
        node._lacking = lacking
        return node

    def run(self, inputs: Mapping[str, Input], parameters: Mapping[str, Any]) -> None:
        """Calls the function with the inputs and parameters of the step that runs."""
        from ._step import like

        declared = self._signature.parameters
        rest = any(one.kind is one.VAR_KEYWORD for one in declared.values())
        defaults = {name: one.default for name, one in declared.items()}
        names = [name for name, one in declared.items() if one.kind is not one.VAR_KEYWORD]
        given = {name: path for name, path in inputs.items() if rest or name in declared}
        for name, value in like(parameters, defaults).items():
            if not rest and name not in declared:
                raise unknown(f"parameter of {self.function.__name__}()", name, names)
            given[name] = value
        for name in names:
            if name not in given and defaults[name] is inspect.Parameter.empty:
                known = [*inputs, *parameters]
                raise unknown("input or parameter", name, known, "The pipeline's step has none")
        self.function(**given)


def _source(value: Any) -> Optional[str]:
    """What a step's input is written as; none if the value is none."""
    if isinstance(value, Result):
        return value.source
    if not isinstance(value, Node):
        return None
    if value._outputs is not None:
        outputs = [name for name in value._outputs if name != _REPORTED]
        if len(outputs) == 1:
            return value[outputs[0]].source
        raise ReproofError(
            f"the step '{value._name}' has several outputs ({', '.join(outputs)}): say which, such as "
            f"{value._name}.{outputs[0] if outputs else _REPORTED}"
        )
    raise ReproofError(
        f"say which output of the step '{value._name}' is meant: {value._name}[\"…\"]"
    )


#: What can be said of a program beside its inputs and parameters.
_SETTINGS = (
    "cache",
    "code",
    "environment",
    "name",
    "network",
    "outputs",
    "profile",
    "resources",
    "secrets",
    "threads",
    "variables",
)


def _settings(given: Mapping[str, Any]) -> Dict[str, Any]:
    for name in given:
        if name not in _SETTINGS:
            raise unknown("setting of a program", name, _SETTINGS)
    return {name: value for name, value in given.items() if value is not None}


@overload
def program(function: Function) -> Program: ...


@overload
def program(
    *,
    outputs: Optional[Mapping[str, Union[str, Mapping[str, Any]]]] = ...,
    environment: Optional[str] = ...,
    threads: Optional[int] = ...,
    code: Optional[Sequence[str]] = ...,
    variables: Union[Sequence[str], Mapping[str, Optional[str]], None] = ...,
    secrets: Optional[Sequence[str]] = ...,
    network: Optional[bool] = ...,
    cache: Optional[bool] = ...,
    profile: Optional[str] = ...,
    resources: Optional[Mapping[str, Any]] = ...,
    name: Optional[str] = ...,
) -> Callable[[Function], Program]: ...


def program(function: Optional[Function] = None, **settings: Any) -> Any:
    """Makes a function a program: a step, wherever a pipeline calls it.

    ```python
    @reproof.program(outputs={"model": "model/"})
    def train(features, table, *, max_iter=100):
        step = reproof.step()
        ...
    ```

    When the step runs, the arguments that the pipeline gives as data or outputs of other steps are
    inputs of it (`Input`), and all others its parameters, defaults included. The settings are those
    of a program in a pipeline file. What ran is the function's file with what it imports: that is
    the step's code.
    """
    checked = _settings(settings)
    if function is not None:
        return Program(function, checked)
    return lambda function: Program(function, checked)


class Pipeline:
    """A function that is a pipeline, see `pipeline`."""

    def __init__(
        self,
        function: Callable[[], Any],
        name: str,
        seed: Optional[int],
        environment: Optional[str],
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.seed = seed
        self.environment = environment
        code = function.__code__
        self.origin = Origin(code.co_filename, code.co_firstlineno)

    def build(self) -> "Built":
        """Calls the function and gives the pipeline that it stands for."""
        global _draft
        if _draft is not None:
            raise ReproofError("a pipeline cannot be built inside another one")
        from ._built import Built

        _draft = Draft()
        try:
            returned = self.function()
            return Built(self, _draft, returned)
        finally:
            _draft = None

    def __call__(self) -> Dict[str, Any]:
        """The pipeline as a mapping, as a pipeline file holds it."""
        return self.build().document


@overload
def pipeline(function: Callable[[], Any]) -> Pipeline: ...


@overload
def pipeline(
    *, seed: Optional[int] = ..., name: Optional[str] = ..., environment: Optional[str] = ...
) -> Callable[[Callable[[], Any]], Pipeline]: ...


def pipeline(
    function: Optional[Callable[[], Any]] = None,
    *,
    seed: Optional[int] = None,
    name: Optional[str] = None,
    environment: Optional[str] = None,
) -> Any:
    """Makes a function the pipeline of its file, which `reproof run FILE.py` runs.

    The function returns the blocks that a pipeline file has, with programs where they stand:

    ```python
    @reproof.pipeline(seed=42)
    def churn():
        return {
            "data": {"csv": "data/churn.csv"},
            "label": "churn",
            "train": train(max_iter=150),
            "predict": predict(),
            "evaluate": {"metrics": ["roc_auc"]},
        }
    ```

    or it calls programs with data and with outputs of others, and returns nothing:

    ```python
    @reproof.pipeline
    def weekly():
        cleaned = clean(raw=reproof.data(csv="data/rows.csv"))
        report(rows=cleaned.rows)
    ```

    The file is run once, isolated and without data, to see the graph: that is what is recorded, the
    same as if it had been written as YAML. It runs in the environment of this name, `default` if
    none is given, and so do its programs that name no other. The name is read before the file is
    run, so it must be a plain text.
    """

    def decorate(function: Callable[[], Any]) -> Pipeline:
        made = Pipeline(function, name or function.__name__, seed, environment)
        PIPELINES.append(made)
        return made

    return decorate if function is None else decorate(function)


def data(name: str = "data", reference: Optional[str] = None, /, **source: Any) -> Data:
    """Data of the pipeline, to be given to programs: `data(csv="data/rows.csv")`.

    The keys are those under `data` of a pipeline file. Several have names:
    `data("orders", csv="data/orders.csv")`. `data("orders", "orders@v3")` is named data.
    """
    draft = _building()
    if name in draft.data:
        raise ReproofError(f"there are two data named '{name}': data(\"NAME\", …) names one")
    draft.data[name] = source if reference is None else reference
    draft.data_origins[name] = _caller()
    return Data(name)


def operation(
    kind: str,
    /,
    *,
    name: Optional[str] = None,
    inputs: Optional[Mapping[str, Union[Result, Node]]] = None,
    parameters: Optional[Mapping[str, Any]] = None,
) -> Node:
    """A built-in operation as a step, such as `split_random`; `name` is the step's name.

    ```python
    split = reproof.operation(
        "split_random",
        name="split",
        inputs={"table": reproof.data(csv="data/rows.csv")},
        parameters={"ratios": {"train": 0.7, "eval": 0.3}},
    )
    fit(table=split.train)
    ```
    """
    draft = _building()
    entry: Dict[str, Any] = {"operation": kind}
    if inputs:
        entry["inputs"] = {key: _source(value) or value for key, value in inputs.items()}
    if parameters:
        entry["parameters"] = dict(parameters)
    return draft.add(Node(name or kind, entry, None, {"": _caller()}))
