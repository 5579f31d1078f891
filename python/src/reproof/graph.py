"""`python -m reproof.graph FILE`: prints the pipeline that a file of Python stands for.

What it prints is the pipeline as YAML, a key or an item in each line, and for each line the line of
the Python file that it comes from: see `docs/formats/program.md`.
"""

import json
import linecache
import os
import re
import sys
from typing import Any, Dict, List, Tuple

from ._built import Built
from ._errors import ReproofError
from ._load import fail, load
from ._pipeline import PIPELINES, Origin, Pipeline

#: How many lines after a place are searched for a name that belongs to it.
_FAR = 200

Path = Tuple[str, ...]


def the_pipeline(path: str) -> Pipeline:
    """The pipeline of a file."""
    load(path)
    full = os.path.abspath(path)
    found = [one for one in PIPELINES if os.path.abspath(one.origin.file) == full]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ReproofError(f"no function in {path} is decorated with @reproof.pipeline")
    names = ", ".join(f"{one.name} (line {one.origin.line})" for one in found)
    raise ReproofError(f"{path} has several pipelines: {names}. Give each a file of its own")


class Writer:
    """Writes a pipeline, and remembers where each line of it comes from."""

    def __init__(self, built: Built) -> None:
        self._origins = built.origins
        self.lines: List[str] = []
        self.places: List[Origin] = []
        self._value("", built.document, "", (), built.origins[()])

    def _value(self, lead: str, value: Any, end: str, path: Path, place: Origin) -> None:
        indent = " " * len(path)
        if isinstance(value, dict) and value:
            self._line(f"{indent}{lead}{{", place)
            self._items([(f"{text(key)}: ", key, one) for key, one in value.items()], path, place)
            self._line(f"{indent}}}{end}", place)
        elif isinstance(value, list) and value:
            self._line(f"{indent}{lead}[", place)
            self._items([("", str(at), one) for at, one in enumerate(value)], path, place)
            self._line(f"{indent}]{end}", place)
        else:
            self._line(f"{indent}{lead}{text(value)}{end}", place)

    def _items(self, items: "List[Tuple[str, str, Any]]", path: Path, place: Origin) -> None:
        for at, (lead, key, value) in enumerate(items):
            inner = (*path, key)
            known = self._origins.get(inner)
            begin = known or place
            # An item has no name of its own: its text is looked for.
            sought = key if lead else value
            found = find(begin, sought, bool(lead)) if isinstance(sought, str) else begin
            self._value(lead, value, "," if at + 1 < len(items) else "", inner, found)

    def _line(self, line: str, place: Origin) -> None:
        self.lines.append(line)
        self.places.append(place)


def find(begin: Origin, name: str, key: bool) -> Origin:
    """The line, at or after a place, in which a name stands, as a key or as a text."""
    word = rf"(?<![\w.]){re.escape(name)}(?!\w)"
    pattern = re.compile(rf"{word}[\"']?\s*[:=](?!=)" if key else rf"[\"']{re.escape(name)}[\"']")
    for line in range(begin.line, begin.line + _FAR):
        content = linecache.getline(begin.file, line)
        if line > begin.line and re.match(r"(@|def |class )", content):
            # Another function; the decorators of one stand before its own `def`.
            above = linecache.getline(begin.file, line - 1)
            if not above.lstrip().startswith(("@", ")")):
                break
        if pattern.search(content.split("#")[0]):
            return Origin(begin.file, line)
    return begin


def text(value: Any) -> str:
    """A scalar, or an empty list or mapping, in the part of JSON that is YAML, too."""
    written = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]", _escaped, written)


def _escaped(match: "re.Match[str]") -> str:
    return f"\\u{ord(match.group()):04x}"


def document(path: str) -> Dict[str, Any]:
    """What is printed for a file."""
    writer = Writer(the_pipeline(path).build())
    places = []
    for place in writer.places:
        content = linecache.getline(place.file, place.line).rstrip("\r\n")
        places.append([os.path.relpath(place.file), place.line, content])
    return {
        "format": "reproof.graph/1",
        "pipeline": "\n".join(writer.lines) + "\n",
        "places": places,
    }


def main(arguments: List[str]) -> None:
    """Runs the command."""
    try:
        if len(arguments) != 1:
            raise ReproofError("usage: python -m reproof.graph FILE")
        made = document(arguments[0])
        step = os.environ.get("REPROOF_STEP")
        if step is None:
            # A person looks at it.
            sys.stdout.write(made["pipeline"])
            return
        with open(step, encoding="utf-8") as file:
            output = json.load(file)["outputs"]["graph"]["path"]
        with open(output, "w", encoding="utf-8") as file:
            json.dump(made, file, ensure_ascii=False)
    except Exception as error:
        fail(error)


if __name__ == "__main__":
    main(sys.argv[1:])
