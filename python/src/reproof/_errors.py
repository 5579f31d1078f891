"""What goes wrong, said so that a person knows what to do."""

from typing import Iterable, List, Optional


class ReproofError(Exception):
    """What a program asked for cannot be. The text says what is wrong and what to do."""

    __module__ = "reproof"


class UnknownNameError(ReproofError, LookupError, AttributeError):
    """A name that was not declared. The text has the nearest one, and all that are declared."""

    __module__ = "reproof"


class MissingPackageError(ReproofError, ImportError):
    """A package that is not in the step's environment. The text has the line for `requirements.in`."""

    __module__ = "reproof"


def unknown(noun: str, name: object, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """The error for a name that is none of those that are known."""
    import difflib

    names = sorted(known)
    text = f"there is no {noun} '{name}'"
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        text += f": did you mean '{near[0]}'?"
    if names:
        text += f" (declared: {', '.join(names)})"
    else:
        text += f": no {noun} is declared"
    return UnknownNameError(f"{text}. {hint}" if hint else text)


def missing(what: str, package: str, needed: Optional[List[str]] = None) -> MissingPackageError:
    """The error for a package that cannot be imported."""
    lines = " and ".join(f"'{line}'" for line in needed or [package])
    return MissingPackageError(
        f"{what} needs the package '{package}', which is not in this environment: add {lines} to "
        "requirements.in and run 'reproof env lock' (outside Reproof: 'pip install')"
    )
