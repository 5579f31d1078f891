"""What everything that is shown in a notebook has in common.

There is no script in it, nothing is fetched, and it is light or dark as the notebook is. Without its style, which Jupyter takes out of notebooks that are not trusted, the tables
stay readable.
"""

import abc
from datetime import datetime
from typing import List, Optional, Sequence, Tuple

# Colours are those of JupyterLab, else of VS Code, else what stands last. The class stands twice where
# Jupyter's own rules for tables would weigh as much.
_STYLE = """<style>
.reproof { --rp-ink: var(--jp-content-font-color1, var(--vscode-editor-foreground, currentcolor));
  --rp-dim: var(--jp-content-font-color2, var(--vscode-descriptionForeground, #778));
  --rp-line: var(--jp-border-color2, var(--vscode-panel-border, #8884));
  --rp-mark: var(--jp-brand-color1, var(--vscode-charts-blue, #3b6fb6));
  --rp-good: var(--jp-success-color1, var(--vscode-charts-green, #2e8b57));
  --rp-bad: var(--jp-error-color1, var(--vscode-charts-red, #c0392b));
  --rp-warn: var(--jp-warn-color1, var(--vscode-charts-orange, #b9770e));
  color: var(--rp-ink); font-size: 13px; line-height: 1.45; overflow-x: auto; }
.reproof p { margin: .3em 0; } .reproof .dim { color: var(--rp-dim); }
.reproof .good { color: var(--rp-good); } .reproof .bad { color: var(--rp-bad); }
.reproof .warn { color: var(--rp-warn); }
.reproof .badge { border: 1px solid currentcolor; border-radius: 1em; padding: 0 .6em; font-size: .9em;
  margin-left: .4em; white-space: nowrap; }
.reproof table { border-collapse: collapse; margin: .4em 0 .8em; font-variant-numeric: tabular-nums; }
.reproof.reproof table th, .reproof.reproof table td { text-align: left; vertical-align: top; padding: .25em .8em .25em 0;
  border: 0; border-bottom: 1px solid var(--rp-line); background: none; color: inherit; max-width: 34em;
  overflow-wrap: anywhere; white-space: normal; }
.reproof.reproof table th { color: var(--rp-dim); font-weight: 600; }
.reproof.reproof table .number { text-align: right; }
.reproof .shaded { display: block; padding: 0 .4em; }
.reproof svg { display: block; } .reproof svg .range { stroke: var(--rp-mark); stroke-width: 2; opacity: .55; }
.reproof svg .value { fill: var(--rp-mark); } .reproof svg .overall { stroke: var(--rp-dim); stroke-dasharray: 2 2; }
.reproof summary { cursor: pointer; color: var(--rp-dim); }
</style>"""

#: How many rows of a table are shown: a notebook keeps all of its outputs.
_MOST = 200

#: The size of the picture of an interval.
_WIDTH, _HEIGHT = 120.0, 12.0


class Shown(abc.ABC):
    """What a notebook shows as HTML, and a terminal as text."""

    @abc.abstractmethod
    def _body(self) -> str:
        """What stands in the frame, as HTML."""

    def _repr_html_(self) -> str:
        return f'{_STYLE}<div class="reproof">{self._body()}</div>'


def escaped(text: object) -> str:
    """A text as HTML, with nothing in it that a browser would take for more."""
    out = []
    for c in str(text):
        if c in _ESCAPES:
            out.append(_ESCAPES[c])
        else:
            out.append("\ufffd" if ord(c) < 32 or 127 <= ord(c) < 160 else c)
    return "".join(out)


# A dollar sign begins a formula in Jupyter.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "$": "&#36;"}


def badge(kind: str, text: str) -> str:
    """A short state in a frame: `good`, `bad`, `warn` or `dim`."""
    return f'<span class="badge {kind}">{escaped(text)}</span>'


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int] = (),
) -> str:
    """A table: cells are HTML, heads are text, and the columns `numbers` stand to the right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        marked: List[str] = []
        for index, cell in enumerate(cells):
            number = ' class="number"' if index in numbers else ""
            marked.append(f"<{tag}{number}>{cell}</{tag}>")
        return f"<tr>{''.join(marked)}</tr>"

    head = line("th", [escaped(one) for one in heads])
    body = "".join(line("td", row) for row in rows[:_MOST])
    if len(rows) > _MOST:
        body += (
            f'<tr><td class="dim" colspan="{len(heads)}">and {len(rows) - _MOST:,} more</td></tr>'
        )
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def shaded(text: str, share: float) -> str:
    """A text on a ground that is the darker, the larger the share."""
    return f'<span class="shaded" style="background: rgba(80, 130, 210, {share * 0.6:.2f})">{escaped(text)}</span>'


def folded(title: str, body: str) -> str:
    """What is shown once its title is clicked."""
    return f"<details><summary>{escaped(title)}</summary>{body}</details>"


def interval(
    value: Optional[float],
    ends: Optional[Tuple[float, float]],
    scale: Tuple[float, float],
    overall: Optional[float] = None,
) -> str:
    """A value as a point in its interval; the dashed line is where the whole lies."""
    if value is None:
        return ""
    low, high = scale
    room = (high - low) or 1.0

    def place(number: float) -> str:
        return f"{4 + (number - low) / room * (_WIDTH - 8):.1f}"

    parts = []
    middle = _HEIGHT / 2
    if overall is not None:
        x = place(overall)
        parts.append(f'<line class="overall" x1="{x}" x2="{x}" y1="0" y2="{_HEIGHT}"/>')
    if ends is not None:
        parts.append(
            f'<line class="range" x1="{place(ends[0])}" x2="{place(ends[1])}" y1="{middle}" y2="{middle}"/>'
        )
    parts.append(f'<circle class="value" cx="{place(value)}" cy="{middle}" r="3"/>')
    return (
        f'<svg width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="interval">{"".join(parts)}</svg>'
    )


def number(value: float) -> str:
    """A metric, with as many digits as the command shows."""
    size = abs(value)
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:.1f}"


def moment(micros: int) -> str:
    """A time of the catalogue, as it was on a clock here."""
    return datetime.fromtimestamp(micros / 1e6).strftime("%Y-%m-%d %H:%M:%S")


def seconds(micros: int) -> str:
    """How long something took."""
    return f"{micros / 1e6:.3f} s" if micros < 1_000_000 else f"{micros / 1e6:,.1f} s"
