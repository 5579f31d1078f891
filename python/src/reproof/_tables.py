"""Tables from and to files, with whichever library the program uses."""

import json
import pathlib
from typing import TYPE_CHECKING, Any, Optional, Sequence

from ._errors import MissingPackageError, ReproofError, missing

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Columns = Optional[Sequence[str]]


def _is_csv(path: pathlib.Path) -> bool:
    """Whether a table is CSV; it is Parquet otherwise. Refuses what is no table."""
    if path.is_dir():
        raise ReproofError(
            f"the input '{path.name}' is a folder and no table: name a file in it, such as "
            f'(step.input("{path.name}") / "rows.csv")'
        )
    if path.suffix not in (".csv", ".parquet"):
        raise ReproofError(
            f"'{path.name}' is no table: its name ends neither in .parquet nor in .csv"
        )
    return path.suffix == ".csv"


def read_pandas(path: pathlib.Path, columns: Columns) -> "pandas.DataFrame":
    """A table as a DataFrame of pandas."""
    csv = _is_csv(path)
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise _missing(error, "reading a table with pandas", ["pandas", "pyarrow"]) from None
    if csv:
        return pandas.read_csv(path, usecols=None if columns is None else list(columns))
    try:
        return pandas.read_parquet(path, columns=None if columns is None else list(columns))
    except ImportError as error:
        raise missing("reading Parquet with pandas", "pyarrow") from error


def read_polars(path: pathlib.Path, columns: Columns) -> "polars.DataFrame":
    """A table as a DataFrame of Polars."""
    csv = _is_csv(path)
    try:
        import polars
    except ModuleNotFoundError as error:
        raise _missing(error, "reading a table with Polars", ["polars"]) from None
    chosen = None if columns is None else list(columns)
    return (
        polars.read_csv(path, columns=chosen) if csv else polars.read_parquet(path, columns=chosen)
    )


def read_arrow(path: pathlib.Path, columns: Columns) -> "pyarrow.Table":
    """A table as a Table of Arrow."""
    csv = _is_csv(path)
    chosen = None if columns is None else list(columns)
    try:
        if csv:
            import pyarrow.csv

            options = pyarrow.csv.ConvertOptions(include_columns=chosen)
            return pyarrow.csv.read_csv(str(path), convert_options=options)
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise _missing(error, "reading a table with Arrow", ["pyarrow"]) from None
    return pyarrow.parquet.read_table(str(path), columns=chosen)


def _missing(error: ModuleNotFoundError, what: str, needed: "list[str]") -> MissingPackageError:
    """The error for the package that was not found, which may be one that another needs."""
    package = (error.name or needed[0]).split(".")[0]
    return missing(what, package, needed if package in needed else [package])


def write_table(path: pathlib.Path, table: Any) -> None:
    """Writes a table as the ending of its path says."""
    if path.suffix not in (".csv", ".parquet"):
        raise ReproofError(
            f"the output '{path.name}' is no table: declare a path that ends in .parquet or .csv"
        )
    csv = path.suffix == ".csv"
    kind = f"{type(table).__module__.split('.')[0]}.{type(table).__name__}"
    if kind == "pandas.DataFrame":
        if csv:
            table.to_csv(path, index=False)
            return
        try:
            table.to_parquet(path, index=False)
        except ImportError as error:
            raise missing("writing Parquet with pandas", "pyarrow") from error
    elif kind == "polars.DataFrame":
        table.write_csv(path) if csv else table.write_parquet(path)
    elif kind == "pyarrow.Table":
        if csv:
            import pyarrow.csv

            pyarrow.csv.write_csv(table, str(path))
        else:
            import pyarrow.parquet

            pyarrow.parquet.write_table(table, str(path))
    else:
        raise ReproofError(
            f"a table is a DataFrame of pandas or Polars or a Table of Arrow, not {kind}"
        )


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a value as JSON, the same bytes for the same value."""
    try:
        text = json.dumps(
            value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=plain
        )
    except ValueError as error:
        raise ReproofError(f"'{path.name}' cannot be written as JSON: {error}") from None
    path.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """What JSON has no form for: numbers and arrays of NumPy and PyTorch, sets, paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, pathlib.PurePath):
        return value.as_posix()
    raise ReproofError(f"a {type(value).__name__} cannot be written as JSON")
