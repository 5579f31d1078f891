"""A record, for code and as a table."""

from typing import Any, Dict, List, Optional

from . import _executions, _html, _metrics
from ._metrics import Metric, Slice


class Record(_html.Shown):
    """A record: what came of a recipe. Shown in a notebook it is a table.

    `document` is all of it, as `reproof show --json` has it.
    """

    def __init__(
        self, document: Dict[str, Any], execution: Optional[Dict[str, Any]] = None
    ) -> None:
        self.document = document
        # The one that is shown, if it is not the newest.
        self._execution = execution

    @property
    def id(self) -> str:
        """Its ID, in full."""
        return str(self.document["record_id"])

    @property
    def recipe(self) -> str:
        """The ID of its recipe."""
        return str(self.document["recipe_id"])

    @property
    def executions(self) -> List[Dict[str, Any]]:
        """What made or verified it, newest first, as `reproof log --json` has them."""
        return list(self.document["executions"])

    @property
    def execution(self) -> Optional[Dict[str, Any]]:
        """The newest run that gave it; none where it came from elsewhere."""
        runs = (one for one in self.executions if one["kind"] == "run")
        return self._execution or next(runs, None)

    @property
    def pipeline(self) -> Optional[str]:
        """The pipeline of that run."""
        return self.execution["pipeline"] if self.execution else None

    @property
    def status(self) -> Optional[str]:
        """How that run ended: `succeeded` or `gate_failed`."""
        return self.execution["status"] if self.execution else None

    @property
    def _verified(self) -> Optional[Dict[str, Any]]:
        found = (one for one in self.executions if one.get("verification"))
        return next(found, None)

    @property
    def verdict(self) -> Optional[str]:
        """What the newest verification came to, such as `identical`; none if it was never verified."""
        return self._verified["verification"]["verdict"] if self._verified else None

    @property
    def level(self) -> Optional[str]:
        """How far that verification went: `rerun`, or `fresh` with environments built again."""
        if not self._verified:
            return None
        return str(self._verified["verification"].get("level") or "rerun")

    @property
    def metrics(self) -> Dict[str, Metric]:
        """The metrics of the evaluation on all rows, by name."""
        return _metrics.read(self._measured.get("overall"))

    @property
    def slices(self) -> List[Slice]:
        """The slices of the evaluation."""
        return _metrics.slices(self._measured)

    @property
    def _measured(self) -> Dict[str, Any]:
        return self.document["metrics"] or {}

    @property
    def gates(self) -> List[Dict[str, Any]]:
        """The requirements, and what was judged of each: `passed`, `failed` or `not_judged`."""
        return list((self.execution or {}).get("gates", []))

    @property
    def steps(self) -> Dict[str, str]:
        """The operations of the steps, by name."""
        steps = self.document["record"]["recipe"]["steps"]
        return {name: str(step["operation"]) for name, step in steps.items()}

    @property
    def data(self) -> Dict[str, str]:
        """The versions of the data, by name."""
        data = self.document["record"]["recipe"]["data"]
        return {name: str(version["digest"]) for name, version in data.items()}

    def _standing(self) -> str:
        if self.verdict is None:
            return "recorded, not verified yet"
        level = " in environments that were built again" if self.level == "fresh" else ""
        return f"{self.verdict}: every step run again{level}"

    def __repr__(self) -> str:
        lines = [f"record    {self.id}", f"status    {self._standing()}"]
        if self.execution:
            lines.insert(1, f"pipeline  {self.pipeline}: {_executions.ending(self.execution)[1]}")
        lines += [f"{name:<10}{metric}" for name, metric in self.metrics.items()]
        for one in self.slices:
            of_each = "   ".join(f"{name} {metric}" for name, metric in one.metrics.items())
            lines.append(f"  {one.name}   {one.rows:,} rows   {of_each}")
        return "\n".join(lines)

    def _body(self) -> str:
        return self._head() + _metrics.shown(self._measured) + self._judged() + self._made()

    def _head(self) -> str:
        state = ""
        if self.execution:
            state = " " + _html.badge(*_executions.ending(self.execution))
        kind = _executions.VERDICTS.get(self.verdict or "", "dim")
        name = f"<b>{_html.escaped(self.pipeline)}</b> " if self.pipeline else ""
        head = (
            f'<p>{name}record <code title="{_html.escaped(self.id)}">{_html.escaped(self.id[:12])}</code>'
            f"{state} {_html.badge(kind, self._standing())}</p>"
        )
        for erased in self.document.get("erased") or {}:
            head += f'<p class="bad">the data {_html.escaped(erased)} was erased</p>'
        return head

    def _judged(self) -> str:
        if not self.gates:
            return ""
        kinds = {"passed": "good", "failed": "bad"}
        rows = []
        for gate in self.gates:
            verdict = gate["verdict"]
            value = gate.get("value")
            rows.append(
                [
                    _html.escaped(gate["requirement"]),
                    _html.escaped(gate.get("slice") or ""),
                    "" if value is None else _html.number(value),
                    f'<span class="{kinds.get(verdict, "dim")}">'
                    f"{_html.escaped(verdict.replace('_', ' '))}</span>",
                    _html.escaped(gate.get("reason") or ""),
                ]
            )
        table = _html.table(["requirement", "slice", "value", "verdict", "why"], rows, [2])
        judged = [gate["verdict"] for gate in self.gates]
        counts = [(judged.count(one), one.replace("_", " ")) for one in dict.fromkeys(judged)]
        title = "gates: " + ", ".join(f"{count} {what}" for count, what in counts)
        # What failed is to be seen at once.
        return (
            f"<p>{_html.escaped(title)}</p>{table}"
            if "failed" in judged
            else _html.folded(title, table)
        )

    def _made(self) -> str:
        used = (self.execution or {}).get("data", {})
        data = []
        for name, digest in self.data.items():
            one = used.get(name, {})
            size = (
                f"{one['rows']:,} x {one['columns']:,}"
                if "rows" in one and "columns" in one
                else ""
            )
            source = _html.escaped(one.get("source") or "")
            data.append(
                [_html.escaped(name), source, size, f"<code>{_html.escaped(digest[:12])}</code>"]
            )
        took = (self.execution or {}).get("steps", {})
        steps = []
        for name, operation in self.steps.items():
            one = took.get(name, {})
            time = (
                _html.seconds(one["micros"])
                if one.get("status") == "ran" and "micros" in one
                else ""
            )
            status = _html.escaped(one.get("status") or "")
            steps.append([_html.escaped(name), _html.escaped(operation), status, time])
        return _metrics.contributions(self.document["features"]) + _html.folded(
            f"data and steps: {len(data)} and {len(steps)}",
            _html.table(["data", "source", "rows x columns", "version"], data)
            + _html.table(["step", "operation", "", "time"], steps, [3]),
        )
