"""With the packages that read and write tables. Other tests need none."""

import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from conftest import Folder

import reproof

ROWS = {"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, 2.5]}


def test_a_table_is_read_with_each_library(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow.parquet.write_table(pyarrow.table(ROWS), str(folder.input("t", "t.parquet")))
    table = folder.step(monkeypatch).input("t")
    assert table.pandas().shape == (3, 3)
    assert list(table.pandas(columns=["c", "a"]).columns) == ["c", "a"]
    assert table.polars(columns=["a"]).rows() == [(1,), (2,), (3,)]
    assert table.arrow().to_pydict() == ROWS
    assert table.arrow(columns=["b"]).column_names == ["b"]


def test_csv_is_read_by_hand(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    table = reproof.step(inputs={"t": "t.csv"}).input("t")
    assert table.pandas(["b"])["b"].tolist() == ["x", "y"]
    assert table.polars(["a"])["a"].to_list() == [1, 2]
    assert table.arrow(["a"]).to_pydict() == {"a": [1, 2]}


def test_what_is_no_table_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.input("files", "files", "files").mkdir()
    (folder.root / "in" / "files" / "rows.csv").write_text("a\n1\n")
    (folder.root / "in" / "files" / "x.txt").write_text("a\n1\n")
    files = folder.step(monkeypatch).input("files")
    with pytest.raises(reproof.ReproofError, match="'files' is a folder and no table"):
        files.pandas()
    with pytest.raises(reproof.ReproofError, match=r"'x\.txt' is no table"):
        (files / "x.txt").arrow()
    assert (files / "rows.csv").pandas()["a"].tolist() == [1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_is_written_from_each_library(
    ending: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [pandas.DataFrame(ROWS), polars.DataFrame(ROWS), pyarrow.table(ROWS)]
    for at in range(len(tables)):
        folder.output(f"t{at}", f"tables/t{at}.{ending}", "table")
    step = folder.step(monkeypatch)
    for at, table in enumerate(tables):
        step.output(f"t{at}").write_table(table)
        path = step.output(f"t{at}").path
        first = path.read_bytes()
        step.output(f"t{at}").write_table(table)
        assert path.read_bytes() == first
        read = pandas.read_csv(path) if ending == "csv" else pandas.read_parquet(path)
        assert read["a"].tolist() == ROWS["a"] and read["c"].tolist() == ROWS["c"]
        assert list(read.columns) == ["a", "b", "c"]
    with pytest.raises(reproof.ReproofError, match=r"not builtins\.list"):
        step.output("t0").write_table([1])


def test_numbers_of_numpy_are_numbers(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.output("j", "j.json")
    step = folder.step(monkeypatch)
    step.metric("a", numpy.float32(0.5))
    step.metric("b", numpy.int64(3))
    step.metric("c", numpy.array([1.5]))
    step.metric("d", numpy.float64("inf"))
    with pytest.raises(reproof.ReproofError, match="one number"):
        step.metric("e", numpy.array([1, 2]))
    assert [line["value"] for line in folder.lines("metrics")] == [0.5, 3, 1.5, None]
    step.output("j").write_json({"a": numpy.arange(2), "b": numpy.float64(0.5)})
    assert step.output("j").read_text() == '{\n  "a": [\n    0,\n    1\n  ],\n  "b": 0.5\n}\n'


def test_numpy_is_seeded() -> None:
    step = reproof.step(seed=7)
    step.seed_everything()
    first = numpy.random.rand()
    step.seed_everything()
    assert numpy.random.rand() == first


def test_numpy_is_seeded_when_it_is_imported_later() -> None:
    code = (
        "import reproof\nreproof.step(seed=7).seed_everything()\n"
        "import numpy, numpy.linalg\nprint(numpy.random.rand(), type(numpy.__loader__).__module__)\n"
    )
    source = str(Path(reproof.__file__).parent.parent)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": source},
    )
    numpy.random.seed(7)
    value, loader = ran.stdout.split()
    assert float(value) == numpy.random.rand()
    assert not loader.startswith("reproof")


def test_numbers_of_numpy_stand_in_a_pipeline() -> None:
    @reproof.program(outputs={"o": "o"})
    def fit(*, c: float, names: object) -> None:
        pass

    @reproof.pipeline
    def one() -> None:
        fit(c=numpy.float64(0.5), names=[numpy.int64(3), numpy.bool_(True)])

    assert one()["steps"]["fit"]["parameters"] == {"c": 0.5, "names": [3, True]}
