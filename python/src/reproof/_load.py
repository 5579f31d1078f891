"""Imports a file of the project as the module that it is, and shows errors without this package."""

import importlib
import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import NoReturn

from ._errors import ReproofError

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def load(path: str) -> ModuleType:
    """Imports the file of this path from the working folder.

    Its name is that by which another file of the project would import it, so that what it pickles
    is found again.
    """
    full = os.path.abspath(path)
    name = os.path.splitext(path)[0].replace(os.sep, ".")
    if all(part.isidentifier() for part in name.split(".")):
        try:
            module = importlib.import_module(name)
            if os.path.abspath(getattr(module, "__file__", None) or "") == full:
                return module
        except ModuleNotFoundError as error:
            if error.name is None or not (name + ".").startswith(error.name + "."):
                raise
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise ReproofError(f"{path} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def fail(error: BaseException) -> NoReturn:
    """Ends the program with an error, whose traceback begins in the project's own code."""
    shown = traceback.TracebackException.from_exception(error)
    _trim(shown)
    sys.stderr.write("".join(shown.format()))
    raise SystemExit(1)


def _trim(shown: traceback.TracebackException) -> None:
    for frame in list(shown.stack):
        inside = frame.filename.startswith(_HERE) or frame.filename.startswith("<frozen ")
        if inside:
            shown.stack.remove(frame)
        else:
            frame.filename = _relative(frame.filename)
    if isinstance(shown, traceback.TracebackException):
        for other in (shown.__cause__, shown.__context__):
            if other is not None:
                _trim(other)


def _relative(path: str) -> str:
    folder = os.getcwd() + os.sep
    return path[len(folder) :] if path.startswith(folder) else path
