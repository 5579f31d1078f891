"""`python -m reproof.call FILE FUNCTION`: runs a program that was written as a function."""

import sys
from typing import List

from ._errors import ReproofError, unknown
from ._load import fail, load
from ._pipeline import Program
from ._step import step


def call(path: str, name: str) -> None:
    """Calls the program of this name in this file with what the step is given."""
    module = load(path)
    found = vars(module).get(name)
    if not isinstance(found, Program):
        programs = [key for key, value in vars(module).items() if isinstance(value, Program)]
        raise unknown(f"program in {path}", name, programs)
    current = step()
    inputs = {key: current.input(key) for key in current.inputs}
    found.run(inputs, current.parameters)


def main(arguments: List[str]) -> None:
    """Runs the command."""
    try:
        if len(arguments) != 2:
            raise ReproofError("usage: python -m reproof.call FILE FUNCTION")
        call(arguments[0], arguments[1])
    except Exception as error:
        fail(error)


if __name__ == "__main__":
    main(sys.argv[1:])
