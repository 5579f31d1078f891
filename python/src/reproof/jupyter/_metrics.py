"""The metrics of a record, on all rows and on slices: as tables, with pictures of their intervals."""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import _html

#: How many slices are shown before they are folded.
_UNFOLDED = 20


class Metric(NamedTuple):
    """A metric: `value`, and `low` and `high`, which are its 95 % interval.

    `reason` says why the value or the interval is missing, which is then None.
    """

    value: Optional[float]
    low: Optional[float] = None
    high: Optional[float] = None
    reason: Optional[str] = None

    def ends(self) -> Optional[Tuple[float, float]]:
        """The interval, if there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def __str__(self) -> str:
        reason = f"({self.reason.replace('_', ' ')})" if self.reason else ""
        if self.value is None:
            return f"not defined {reason}".rstrip()
        ends = self.ends()
        if ends is None:
            return f"{_html.number(self.value)} {reason}".rstrip()
        return f"{_html.number(self.value)} [{_html.number(ends[0])}, {_html.number(ends[1])}]"


class Slice(NamedTuple):
    """The rows for which some columns have these values: `name`, `rows`, and `metrics` by name."""

    name: str
    rows: int
    metrics: Dict[str, Metric]


def read(document: Optional[Dict[str, Any]]) -> Dict[str, Metric]:
    """Metrics by name."""
    keys = ("value", "low", "high", "reason")
    found = sorted((document or {}).items())
    return {name: Metric(*(one.get(key) for key in keys)) for name, one in found}


def slices(document: Dict[str, Any]) -> List[Slice]:
    """The slices of an evaluation, named as the command names them."""
    found = []
    for one in document.get("slices", []):
        values = ("(missing)" if value is None else value for value in one["values"])
        name = ", ".join(f"{column}={value}" for column, value in zip(one["columns"], values))
        found.append(Slice(name, one["rows"], read(one["metrics"])))
    return found


def shown(document: Dict[str, Any]) -> str:
    """One table: a line for each slice, a column and a scale for each metric; then the confusion matrix."""
    overall, parts = read(document.get("overall")), slices(document)
    if not overall:
        return ""
    baseline = read(document.get("baseline"))
    measured = [overall, baseline, *(one.metrics for one in parts)]
    scales = {name: _scale(name, measured) for name in overall}
    lines = [_line("all rows", document["rows"], overall, scales, {})]
    if baseline:
        lines.append(_line("baseline: labels alone", document["rows"], baseline, scales, overall))
    first = len(lines) + _UNFOLDED
    lines += [_line(one.name, one.rows, one.metrics, scales, overall) for one in parts]
    heads = ["", "rows", *overall]
    table = _html.table(heads, lines[:first], [1])
    if len(lines) > first:
        title = f"{len(lines) - first} more slices"
        table += _html.folded(title, _html.table(heads, lines[first:], [1]))
    return table + _confusion(document)


def _line(
    name: str,
    rows: int,
    metrics: Dict[str, Metric],
    scales: Dict[str, Tuple[float, float]],
    overall: Dict[str, Metric],
) -> List[str]:
    cells = [_html.escaped(name), f"{rows:,}"]
    for metric, scale in scales.items():
        found = metrics.get(metric)
        if found is None:
            cells.append("")
            continue
        whole = overall[metric].value if overall else None
        picture = _html.interval(found.value, found.ends(), scale, whole)
        cells.append(_html.escaped(found) + picture)
    return cells


def _scale(name: str, measured: List[Dict[str, Metric]]) -> Tuple[float, float]:
    """From where to where the pictures of a metric go: 0 to 1 where all of it lies there."""
    found = [one.get(name) for one in measured]
    ends = [
        end
        for metric in found
        if metric is not None
        for end in (metric.value, *(metric.ends() or ()))
        if end is not None
    ]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def _confusion(document: Dict[str, Any]) -> str:
    counts, classes = document.get("confusion_matrix"), document.get("classes")
    if not counts or not classes:
        return ""
    names = [one if isinstance(one, str) else json.dumps(one) for one in classes]
    rows = []
    for name, row in zip(names, counts):
        # The darker, the larger the share of the class.
        total = sum(row) or 1
        rows.append(
            [
                f"<b>{_html.escaped(name)}</b>",
                *(_html.shaded(f"{one:,}", one / total) for one in row),
            ]
        )
    heads = ["class, by predicted class", *names]
    return _html.table(heads, rows, range(1, len(heads)))


def contributions(models: Dict[str, List[Dict[str, Any]]]) -> str:
    """What each feature contributes to a model, the largest first."""
    parts = []
    for step, features in models.items():
        rows = []
        for one in features:
            linear = "coefficient" in one
            size = f"{one['coefficient']:+.4g}" if linear else f"{100 * one['gain_share']:.1f} %"
            rows.append([_html.escaped(one["feature"]), size])
        what = "coefficient" if features and "coefficient" in features[0] else "share of the gain"
        table = _html.table(["feature", what], rows, [1])
        parts.append(_html.folded(f"features of {step}: {len(features)}", table))
    return "".join(parts)
