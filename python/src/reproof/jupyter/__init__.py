"""Reproof inside Jupyter: `%load_ext reproof` gives a notebook the magic `%reproof`.

    %reproof status [NOTEBOOK]        what would keep this notebook from reproducing
    %reproof run [PIPELINE] [OPTION]  runs a pipeline and shows its record
    %reproof show [ID]                shows a record, the newest one if no ID is given
    %reproof log [PIPELINE] [OPTION]  lists executions, newest first

Everything is asked of the command `reproof`, and shown as it says it. No step has this folder: it needs
a project and the command, which steps do not see.
"""

import shlex
from typing import Any, Callable, Dict, List, Optional, Tuple

from .._errors import ReproofError
from . import _command
from ._executions import Log, Run, ending
from ._metrics import Metric, Slice
from ._notebook import Findings, find
from ._record import Record

__all__ = ["Findings", "Log", "Metric", "Record", "Run", "Slice", "load", "read_record"]


def read_record(name: str = "@latest", execution: Optional[Dict[str, Any]] = None) -> Record:
    """The record of this name, as `reproof show` tells of it, and as one execution of it if that is given."""
    document = _command.ask(["show", name]).document
    if "record_id" not in document:
        raise ReproofError(
            f"'{name}' is no record: give the ID of one, '@latest' or 'PIPELINE@latest'; "
            f"'reproof show {name}' in a terminal shows what it is"
        )
    return Record(document, execution)


def load(ipython: Any) -> None:
    """Gives the shell the magic `%reproof`."""

    def reproof(line: str) -> None:
        from IPython.core.error import UsageError
        from IPython.display import display

        try:
            shown, problem = _perform(line, ipython.user_ns)
        except ReproofError as error:
            # Shown as one line: a traceback would be of this package's own calls.
            raise UsageError(str(error)) from None
        display(shown)
        if problem:
            raise UsageError(problem)

    reproof.__doc__ = __doc__
    ipython.register_magic_function(reproof, magic_kind="line", magic_name="reproof")


#: What is shown, and what then ends the cell with an error, if anything.
_Result = Tuple[object, str]


def _perform(line: str, names: Dict[str, Any]) -> _Result:
    verbs: Dict[str, Callable[[List[str]], _Result]] = {
        "status": lambda arguments: _status(arguments, names),
        "run": _run,
        "show": _show,
        "log": _log,
    }
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ReproofError(f"%reproof {line}: {error}") from None
    verb, arguments = (words[0], words[1:]) if words else ("status", [])
    if verb not in verbs:
        raise ReproofError(
            f"%reproof has no '{verb}': it has {', '.join(verbs)}. "
            f"All else is a command of its own: !reproof {verb}"
        )
    return verbs[verb](arguments)


def _status(arguments: List[str], names: Dict[str, Any]) -> _Result:
    path = find(_only("status", "NOTEBOOK", arguments), names)
    answer = _command.ask(["notebook", "check", path], also=[_command.FOUND])
    return Findings(answer.document), ""


def _show(arguments: List[str]) -> _Result:
    return read_record(_only("show", "ID", arguments) or "@latest"), ""


def _run(arguments: List[str]) -> _Result:
    # Whatever became of the run is shown; one that failed ends the cell, and what runs all cells, too.
    answer = _command.ask(["run", *arguments], watched=True, failing=True)
    execution, record = answer.document["execution"], answer.document["record"]
    problem = f"the run ended with {answer.code}: {ending(execution)[1]}" if answer.code else ""
    if record is None:
        return Run(answer.document), problem
    return read_record(record, execution), problem


def _log(arguments: List[str]) -> _Result:
    return Log(_command.ask(["log", *arguments]).document), ""


def _only(verb: str, what: str, arguments: List[str]) -> str:
    if len(arguments) > 1:
        raise ReproofError(f"%reproof {verb} takes one {what}, not {len(arguments)} words")
    return arguments[0] if arguments else ""
