"""The command `reproof`, asked for a document."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Collection, Dict, List, NamedTuple

from .._errors import ReproofError

#: The exit code of a check that found something.
FOUND = 10


class Answer(NamedTuple):
    """What the command printed, and how it ended."""

    document: Dict[str, Any]
    code: int


def binary() -> str:
    """Where the command is: as `REPROOF_BINARY` says, else beside this Python, else in the search path."""
    named = os.environ.get("REPROOF_BINARY")
    if named:
        found = shutil.which(named)
        if found is None:
            raise ReproofError(f"REPROOF_BINARY says '{named}', and no program is there")
        return found
    beside = shutil.which("reproof", path=os.path.dirname(sys.executable))
    found = beside or shutil.which("reproof")
    if found is None:
        raise ReproofError(
            "the command 'reproof' is neither beside this kernel's Python nor in the search path: "
            "'pip install reproof' into the kernel's environment brings it, or set REPROOF_BINARY to "
            "where it is"
        )
    return found


def ask(
    arguments: List[str],
    also: Collection[int] = (),
    watched: bool = False,
    failing: bool = False,
) -> Answer:
    """Runs the command for its document.

    Exit codes but 0 and those in `also` are errors; with `failing` none is that has a document of its own
    kind. With `watched` what the command tells while it runs is passed on as it comes.
    """
    # A file, so that a large document cannot keep the command waiting while its other output is read.
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [binary(), *arguments, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        told = _told(process, watched)
        out.seek(0)
        printed = out.read().decode("utf-8", "replace")
    try:
        document = json.loads(printed)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ReproofError(
            told.strip() or f"reproof ended with {process.returncode}, without a word"
        )
    # Of a run that failed the document has what became of it, which is to be shown.
    error = document.get("error")
    if error is not None:
        hint = error.get("hint")
        raise ReproofError(error["message"] + (f"\nhint: {hint}" if hint else ""))
    if process.returncode != 0 and process.returncode not in also and not failing:
        raise ReproofError(told.strip() or f"reproof ended with {process.returncode}")
    return Answer(document, process.returncode)


def _told(process: "subprocess.Popen[str]", watched: bool) -> str:
    """What the command wrote for a person, until it ended."""
    lines: List[str] = []
    assert process.stderr is not None
    try:
        for line in process.stderr:
            lines.append(line)
            if watched:
                sys.stderr.write(line)
                sys.stderr.flush()
        process.wait()
    except KeyboardInterrupt:
        # The command ends its steps and writes down that it was interrupted.
        process.send_signal(2)
        process.wait()
        raise
    finally:
        process.stderr.close()
    return "".join(lines)
