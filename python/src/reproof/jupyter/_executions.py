"""Executions: what was run, and how it ended."""

from typing import Any, Dict, List, Tuple

from . import _html

#: How a verdict of a verification looks.
VERDICTS = {
    "identical": "good",
    "equivalent": "warn",
    "diverged": "bad",
    "failed": "bad",
    "impossible": "bad",
}

_ENDINGS = {
    "succeeded": ("good", "done"),
    "gate_failed": ("bad", "gate failed"),
    "data_refused": ("bad", "data refused"),
    "interrupted": ("warn", "interrupted"),
}


def ending(execution: Dict[str, Any]) -> Tuple[str, str]:
    """How it looks, and what it is called."""
    verification = execution.get("verification")
    if verification:
        return VERDICTS.get(verification["verdict"], "bad"), str(verification["verdict"])
    status = str(execution["status"])
    return _ENDINGS.get(status, ("bad", status.replace("_", " ")))


def _code(execution: Dict[str, Any]) -> str:
    code = execution["code"]
    commit = code.get("commit")
    if not commit:
        return ""
    branch = f" on {code['branch']}" if code.get("branch") else ""
    return f"{commit[:7]}{branch}{', changed' if code.get('dirty') else ''}"


class Log(_html.Shown):
    """Executions, newest first."""

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document
        self.executions: List[Dict[str, Any]] = [one["execution"] for one in document["executions"]]

    def _rows(self) -> List[Tuple[str, str, str, str, str, str]]:
        rows = []
        for entry in self.document["executions"]:
            one = entry["execution"]
            verified = one.get("verification") or {}
            record = one.get("record") or verified.get("record") or ""
            newest = entry.get("newest_verification") or {}
            verdict = "" if verified else str(newest.get("verdict") or "")
            said = ", ".join(text for text in (verdict, entry.get("not_reproducible")) if text)
            what = f"verify {one['pipeline']}" if one["kind"] == "verify" else str(one["pipeline"])
            rows.append(
                (_html.moment(one["started"]), what, ending(one)[1], record[:12], said, _code(one))
            )
        return rows

    def __repr__(self) -> str:
        lines = ["  ".join(cell for cell in row if cell) for row in self._rows()]
        return "\n".join(lines) or _NOTHING

    def _body(self) -> str:
        rows = []
        for one, row in zip(self.executions, self._rows()):
            time, what, ended, record, said, code = (_html.escaped(cell) for cell in row)
            state = f'<span class="{ending(one)[0]}">{ended}</span>'
            rows.append([time, what, state, f"<code>{record}</code>" if record else "", said, code])
        if not rows:
            return f"<p>{_NOTHING}</p>"
        return _html.table(["began", "pipeline", "ended", "record", "verified", "code"], rows)


_NOTHING = "no execution is there"


class Run(_html.Shown):
    """A run that gave no record."""

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document

    @property
    def errors(self) -> List[Dict[str, Any]]:
        """What went wrong: `step`, `message` and `hint` of each."""
        return list(self.document["errors"])

    def __repr__(self) -> str:
        lines = [f"no record: {ending(self.document['execution'])[1]}"]
        for error in self.errors:
            lines.append(f"step '{error['step']}': {error['message']}")
            if error.get("hint"):
                lines.append(f"  hint: {error['hint']}")
        return "\n".join(lines)

    def _body(self) -> str:
        execution = self.document["execution"]
        name = _html.escaped(execution["pipeline"])
        parts = [f"<p><b>{name}</b> no record {_html.badge(*ending(execution))}</p>"]
        for error in self.errors:
            step, message = _html.escaped(error["step"]), _html.escaped(error["message"])
            parts.append(f'<p class="bad">step {step}: {message}</p>')
            if error.get("hint"):
                parts.append(f'<p class="dim">{_html.escaped(error["hint"])}</p>')
        return "".join(parts)
