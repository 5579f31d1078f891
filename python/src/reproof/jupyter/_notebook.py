"""Which notebook this is, and what would keep it from reproducing."""

import os
from typing import Any, Dict, List

from .._errors import ReproofError
from . import _html


def find(named: str, names: Dict[str, Any]) -> str:
    """The notebook's file: the one that is named, else as VS Code or Jupyter's server says it."""
    if named:
        return named
    # VS Code sets a name in the kernel, Jupyter's server a variable when it starts the kernel.
    for said in (names.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")):
        if isinstance(said, str) and said:
            for path in (said, os.path.basename(said)):
                if path.endswith(".ipynb") and os.path.isfile(path):
                    return _short(path)
    raise ReproofError(
        "which file this notebook is cannot be found out here (or it was renamed since the kernel was "
        "started): name it, as in '%reproof status analysis.ipynb'"
    )


def _short(path: str) -> str:
    """The path as seen from the working folder, so that what is shown names no folder of this machine."""
    inside = os.path.relpath(os.path.realpath(path))
    return path if inside.startswith(os.pardir) else inside


class Findings(_html.Shown):
    """What `reproof notebook check` found."""

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document
        self.notebooks: List[Dict[str, Any]] = document["notebooks"]

    @property
    def findings(self) -> List[Dict[str, Any]]:
        """All that was found: `cell`, `line`, `rule`, `severity`, `what`, `why` and `advice` of each."""
        return [one for notebook in self.notebooks for one in notebook["findings"]]

    def _notes(self) -> List[str]:
        own = [note for notebook in self.notebooks for note in notebook["notes"]]
        return own + list(self.document["notes"]) + ["the file was checked as it was last saved"]

    def __repr__(self) -> str:
        lines = []
        for notebook in self.notebooks:
            lines.append(notebook["path"])
            lines += [
                f"  cell {one['cell']}, line {one['line']}  {one['rule']}: {one['what']}\n"
                f"    why: {one['why']}\n    do:  {one['advice']}"
                for one in notebook["findings"]
            ] or [f"  {_NOTHING}"]
        return "\n".join(lines + [f"note: {note}" for note in self._notes()])

    def _body(self) -> str:
        parts = []
        for notebook in self.notebooks:
            found = notebook["findings"]
            many = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
            state = _html.badge("bad", many) if found else _html.badge("good", "nothing found")
            parts.append(f"<p><b>{_html.escaped(notebook['path'])}</b> {state}</p>")
            if found:
                rows = [
                    [
                        f"<b>{one['cell']}</b>&#8202;:&#8202;{one['line']}",
                        f"<code>{_html.escaped(one['rule'])}</code>",
                        f"{_html.escaped(one['what'])}"
                        f'<div class="dim">{_html.escaped(one["why"])}</div>',
                        _html.escaped(one["advice"]),
                    ]
                    for one in found
                ]
                parts.append(_html.table(["cell : line", "rule", "found", "what to do"], rows))
            else:
                parts.append(f'<p class="good">{_NOTHING}</p>')
        parts += [f'<p class="dim">{_html.escaped(note)}</p>' for note in self._notes()]
        return "".join(parts)


_NOTHING = "nothing was found that would keep this notebook from reproducing"
