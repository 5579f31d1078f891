"""A pipeline as a file would hold it, of what its function did and returned."""

import os
from typing import Any, Dict, List, Mapping, Tuple

from ._errors import ReproofError
from ._pipeline import Draft, Node, Origin, Pipeline, Result


class Built:
    """A pipeline as a file would hold it, and where each part of it comes from."""

    def __init__(self, pipeline: Pipeline, draft: Draft, returned: Any) -> None:
        if returned is not None and not isinstance(returned, Mapping):
            raise ReproofError(
                f"{pipeline.function.__name__}() returns a mapping of blocks, or nothing, not "
                f"{type(returned).__name__}"
            )
        self.origins: Dict[Tuple[str, ...], Origin] = {(): pipeline.origin}
        self._environment = pipeline.environment
        self._placed: List[str] = []
        document: Dict[str, Any] = {"pipeline": pipeline.name}
        if pipeline.seed is not None:
            document["seed"] = pipeline.seed
        if draft.data:
            single = list(draft.data) == ["data"]
            document["data"] = draft.data["data"] if single else draft.data
            for name, origin in draft.data_origins.items():
                self.origins[("data",) if single else ("data", name)] = origin
        for key, value in (returned or {}).items():
            document[key] = self._plain(value, (key,))
        steps = {}
        for name, node in draft.nodes.items():
            if name in self._placed:
                continue
            if node._lacking:
                raise ReproofError(
                    f"the step '{name}' lacks {', '.join(node._lacking)}: give what "
                    f"{name}() takes, in {_place(node._origins['inputs'])}"
                )
            steps[name] = self._node(node, ("steps", name))
        if steps:
            document["steps"] = steps
        self.document = document

    def _node(self, node: Node, at: Tuple[str, ...]) -> Dict[str, Any]:
        for key, origin in node._origins.items():
            self.origins[(*at, key) if key else at] = origin
        entry = dict(node._entry)
        if "run" in entry and self._environment is not None:
            entry.setdefault("environment", self._environment)
        return {key: self._plain(value, (*at, key)) for key, value in entry.items()}

    def _plain(self, value: Any, at: Tuple[str, ...]) -> Any:
        """A value as YAML holds it; a step where a block stands."""
        if isinstance(value, Node):
            if len(at) > 1:
                raise ReproofError(
                    f"the step '{value._name}' stands where no step can: {'.'.join(at)}"
                )
            self._placed.append(value._name)
            return self._node(value, at)
        if isinstance(value, Result):
            return value.source
        if isinstance(value, Mapping):
            return {_key(key, at): self._plain(one, (*at, str(key))) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(one, (*at, str(index))) for index, one in enumerate(value)]
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (int, float)) and value - value == 0:
            # A number of NumPy may be one of Python, too.
            return int(value) if isinstance(value, int) else float(value)
        if hasattr(value, "item"):
            return self._plain(value.item(), at)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        raise ReproofError(
            f"{'.'.join(at)} is {value!r}: a pipeline holds finite numbers, texts, true, false, null, "
            "lists and mappings"
        )


def _key(key: Any, at: Tuple[str, ...]) -> str:
    if not isinstance(key, str):
        raise ReproofError(f"{'.'.join(at)} has the key {key!r}: keys are texts")
    return key


def _place(origin: Origin) -> str:
    return f"{os.path.relpath(origin.file)}:{origin.line}"
