"""What the tests share: a folder that looks as a step sees it."""

import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

import reproof
import reproof._step


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A program of its own for each test, in a folder of its own."""
    monkeypatch.setattr(reproof._step, "_current", None)
    monkeypatch.delenv("REPROOF_STEP", raising=False)
    monkeypatch.chdir(tmp_path)
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders


class Folder:
    """What a step finds and leaves."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.document: Dict[str, Any] = {
            "format": "reproof.program/1",
            "inputs": {},
            "parameters": {"c": 1, "kernel": "rbf"},
            "seed": "18446744073709551615",
            "threads": 2,
            "outputs": {},
            "metrics": str(root / "report" / "metrics.jsonl"),
            "observations": str(root / "report" / "observations.jsonl"),
        }
        for folder in ("in", "out", "report"):
            (root / folder).mkdir()

    def input(self, name: str, file: str, kind: str = "table") -> Path:
        """Declares an input."""
        path = self.root / "in" / file
        self.document["inputs"][name] = {"kind": kind, "path": str(path)}
        return path

    def output(self, name: str, file: str, kind: str = "files") -> Path:
        """Declares an output."""
        path = self.root / "out" / file
        self.document["outputs"][name] = {"kind": kind, "path": str(path)}
        return path

    def lines(self, file: str) -> List[Any]:
        """What the program reported."""
        text = (self.root / "report" / f"{file}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def step(self, monkeypatch: pytest.MonkeyPatch, **given: Any) -> reproof.Step:
        """The step, as Reproof starts it."""
        file = self.root / "step.json"
        file.write_text(json.dumps(self.document), encoding="utf-8")
        monkeypatch.setenv("REPROOF_STEP", str(file))
        return reproof.step(**given)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A step's folder."""
    root = tmp_path / "reproof"
    root.mkdir()
    return Folder(root)
