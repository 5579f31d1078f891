"""Notebooks that are executed in a kernel of their own, with the command as it is built."""

import html.parser
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import reproof
from reproof.jupyter import Findings, Record, _command, _html, _notebook

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = "e7293bbf1890"
LOAD = "%load_ext reproof"

Execute = Callable[..., List[Dict[str, Any]]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, whose record everyone knows, and the working folder."""
    assert os.access(os.environ.get("REPROOF_BINARY", ""), os.X_OK), (
        "REPROOF_BINARY says where the command is: scripts/python sets it"
    )
    project = tmp_path / "project"
    example = ROOT / "examples" / "diabetes"
    shutil.copytree(example, project, ignore=shutil.ignore_patterns(".reproof"))
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def execute(project: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    """Executes cells as a notebook of the project, and gives all outputs, cell by cell."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python" / "src"))
    monkeypatch.setenv("IPYTHONDIR", str(project.parent / "ipython"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)

    def execute(*cells: str, file: str = "analysis.ipynb", server: bool = True) -> List[Any]:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
        nbformat.write(notebook, project / file)
        if server:
            # As Jupyter's server tells it to the kernel.
            monkeypatch.setenv("JPY_SESSION_NAME", str(project / file))
        client = NotebookClient(notebook, timeout=120, kernel_name="python3")
        with client.setup_kernel(cwd=str(project)):
            for index, cell in enumerate(notebook.cells):
                try:
                    client.execute_cell(cell, index)
                except CellExecutionError:
                    break
        return [cell.outputs for cell in notebook.cells]

    return execute


def shown(outputs: List[Any]) -> Dict[str, str]:
    """What a cell displays, by type."""
    found = [one["data"] for one in outputs if one["output_type"] == "display_data"]
    assert len(found) == 1, outputs
    return dict(found[0])


def told(outputs: List[Any]) -> str:
    """What a cell writes to its standard error."""
    return "".join(one["text"] for one in outputs if one.get("name") == "stderr")


class Page(html.parser.HTMLParser):
    """The tables of a page, and the names of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: List[List[str]] = []
        self.elements: List[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        self.elements.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


def test_status_names_what_would_not_repeat(execute: Execute) -> None:
    outputs = execute(
        LOAD,
        "import numpy as np\nx = np.random.rand()",
        "print(frame) if 0 else 0",
        "%reproof status",
    )
    data = shown(outputs[3])
    rows = Page(data["text/html"]).rows
    assert rows[0] == ["cell : line", "rule", "found", "what to do"]
    assert [row[1] for row in rows[1:]] == ["unseeded-random", "undefined-name"]
    assert rows[1][0].startswith("2") and rows[1][0].endswith("2")
    assert "each run draws other numbers" in rows[1][2]
    assert "np.random.default_rng(0)" in rows[1][3]
    assert "2 findings" in data["text/html"]
    assert "cell 2, line 2  unseeded-random" in data["text/plain"]
    assert "as it was last saved" in data["text/html"]


def test_status_of_a_notebook_in_which_nothing_is_found(execute: Execute) -> None:
    data = shown(execute(LOAD, "x = 1", "%reproof")[2])
    assert '<p class="good">nothing was found that would keep' in data["text/html"]
    assert Page(data["text/html"]).rows == []
    assert "nothing was found that would keep" in data["text/plain"]


def test_status_finds_the_notebook_as_vs_code_and_a_person_name_it(
    execute: Execute, project: Path
) -> None:
    name = str(project / "other.ipynb")
    cells = [LOAD, f"__vsc_ipynb_file__ = {name!r}", "%reproof status"]
    page = shown(execute(*cells, file="other.ipynb", server=False)[2])["text/html"]
    assert "<b>other.ipynb</b>" in page and str(project) not in page

    cells = [LOAD, "%reproof status 'my notes.ipynb'"]
    outputs = execute(*cells, file="my notes.ipynb", server=False)
    assert "my notes.ipynb" in shown(outputs[1])["text/html"]


def test_status_says_what_to_do_where_the_notebook_is_not_known(execute: Execute) -> None:
    outputs = execute(LOAD, "%reproof status", server=False)
    assert "name it, as in '%reproof status analysis.ipynb'" in told(outputs[1])
    outputs = execute(LOAD, "%reproof status gone.ipynb")
    assert told(outputs[1]) == "UsageError: there is no file or folder 'gone.ipynb'\n"


def test_run_shows_the_record(execute: Execute) -> None:
    cells = [
        LOAD,
        "%reproof run",
        "!{__import__('os').environ['REPROOF_BINARY']} verify @latest",
        "%reproof show",
    ]
    outputs = execute(*cells)
    data = shown(outputs[1])
    page = Page(data["text/html"])
    assert f">{GOLDEN}</code>" in data["text/html"] and "not verified yet" in data["text/html"]
    assert page.rows[0] == ["", "rows", "accuracy", "log_loss", "roc_auc"]
    assert page.rows[1][:2] == ["all rows", "83"]
    assert page.rows[1][4] == "0.891 [0.787, 0.948]"
    slices = [row for row in page.rows if row[0].startswith("pregnancies=")]
    assert slices[0] == [
        "pregnancies=0",
        "13",
        "1.000 [0.772, 1.000]",
        "0.134 [0.095, 0.173]",
        "1.000 [0.207, 1.000]",
    ]
    assert [
        "pregnancies=13",
        "1",
        "1.000 [0.207, 1.000]",
        "0.228 (too few rows)",
        "not defined (one class)",
    ] in slices
    # A picture for each metric that is defined.
    defined = sum("not defined" not in cell for row in [page.rows[1], *slices] for cell in row[2:])
    assert page.elements.count("svg") == defined
    assert ["roc_auc >= 0.75", "", "0.891", "passed", ""] in page.rows
    assert ["data", "data/pima_diabetes.csv", "532 x 8", "75a7f3894ceb"] in page.rows
    assert [row[:2] for row in page.rows if row[1:2] == ["train_logistic_regression@1"]] == [
        ["train", "train_logistic_regression@1"]
    ]
    assert ["glucose", "+0.9799"] in page.rows
    assert f"record    {GOLDEN}" in data["text/plain"]
    assert "identical: every step run again" in shown(outputs[3])["text/html"]


def test_log_lists_what_was_run(execute: Execute) -> None:
    outputs = execute(LOAD, "%reproof log", "%reproof run", "%reproof log --limit 1")
    assert "no execution is there" in shown(outputs[1])["text/plain"]
    rows = Page(shown(outputs[3])["text/html"]).rows
    assert len(rows) == 2
    assert rows[1][1:4] == ["diabetes", "done", GOLDEN]


def test_a_run_that_fails_is_shown_and_ends_the_cell(execute: Execute, project: Path) -> None:
    outputs = execute(LOAD, "%reproof run --set train.logistic_regression.l3=1", "1")
    assert "l3" in told(outputs[1]) and not outputs[2]

    # A gate that is not met: the record is there.
    file = project / "pipelines" / "diabetes.yaml"
    text = file.read_text(encoding="utf-8")
    assert "roc_auc >= 0.75" in text
    file.write_text(text.replace("roc_auc >= 0.75", "roc_auc >= 0.99"), encoding="utf-8")
    outputs = execute(LOAD, "%reproof run", "1")
    assert "gate failed" in shown(outputs[1])["text/html"]
    assert "the run ended with 10: gate failed" in told(outputs[1])
    assert not outputs[2]


def test_what_is_no_command_is_said(execute: Execute) -> None:
    outputs = execute(LOAD, "%reproof stauts")
    assert "%reproof has no 'stauts': it has status, run, show, log" in told(outputs[1])
    outputs = execute(LOAD, "%reproof show nothing")
    assert "nothing here is named 'nothing'\nhint: 'reproof log' lists records" in told(outputs[1])
    outputs = execute(LOAD, "%reproof show a b")
    assert "takes one ID" in told(outputs[1])


def test_a_step_passes_the_magic_over(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPROOF_STEP", "/reproof/step.json")
    assert execute(LOAD, "%reproof status", "%reproof show")[1:] == [[], []]
    with pytest.raises(reproof.ReproofError, match="a step sees no records"):
        reproof.record()


@pytest.mark.usefixtures("project")
def test_a_record_for_code() -> None:
    _command.ask(["run"])
    record = reproof.record(GOLDEN[:8])
    assert isinstance(record, Record) and record.id.startswith(GOLDEN)
    assert record.metrics["roc_auc"].value == pytest.approx(0.8910, abs=1e-4)
    assert record.metrics["roc_auc"].ends() == pytest.approx((0.7868, 0.9477), abs=1e-4)
    assert [one.name for one in record.slices[:2]] == ["pregnancies=0", "pregnancies=1"]
    assert record.slices[1].rows == 23
    assert (record.pipeline, record.status, record.verdict) == ("diabetes", "succeeded", None)
    assert list(record.steps) == ["evaluate", "preprocess", "split", "train"]
    assert record.data["data"].startswith("75a7f3894ceb")
    assert len(record.gates) == 14
    _command.ask(["verify", "@latest"])
    again = reproof.record()
    assert (again.id, again.verdict, again.level) == (record.id, "identical", "rerun")
    with pytest.raises(reproof.ReproofError, match="is no record"):
        reproof.record(f"recipe:{record.recipe[:12]}")


@pytest.mark.usefixtures("project")
def test_where_the_command_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.environ["REPROOF_BINARY"]
    monkeypatch.setenv("REPROOF_BINARY", str(tmp_path / "gone"))
    with pytest.raises(reproof.ReproofError, match="no program is there"):
        _command.binary()
    monkeypatch.delenv("REPROOF_BINARY")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(tmp_path / "environment" / "python"))
    with pytest.raises(reproof.ReproofError, match="pip install reproof"):
        _command.binary()
    (folder / "reproof").symlink_to(real)
    assert _command.binary() == str(folder / "reproof")
    beside = tmp_path / "environment" / "reproof"
    beside.parent.mkdir()
    beside.symlink_to(real)
    assert _command.binary() == str(beside)


def test_the_command_ends_before_an_interrupted_cell_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands in for a long run: it tells the moment to interrupt, and writes down that it was.
    command = tmp_path / "reproof"
    command.write_text(
        f"#!{sys.executable}\n"
        "import os, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.2)\n"
        "    open('interrupted', 'w').close()\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, end)\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    command.chmod(0o755)
    monkeypatch.setenv("REPROOF_BINARY", str(command))
    # Whoever is started in the background has the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _command.ask(["run"], watched=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "interrupted").exists()


def test_a_notebook_that_was_renamed_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "gone.ipynb"))
    with pytest.raises(reproof.ReproofError, match="renamed"):
        _notebook.find("", {})
    (tmp_path / "here.ipynb").write_text("{}", encoding="utf-8")
    # Servers that know the folder of a notebook by another name say its name.
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/here.ipynb")
    assert _notebook.find("", {}) == "here.ipynb"


def test_nothing_of_what_is_shown_becomes_markup() -> None:
    evil = "<script>alert(1)</script>$x$\x1b"
    finding = dict.fromkeys(["rule", "what", "why", "advice"], evil)
    notebook = {"path": evil, "notes": [evil], "findings": [{"cell": 1, "line": 1, **finding}]}
    page = Findings({"notebooks": [notebook], "notes": [evil]})._repr_html_()
    assert "script" not in Page(page).elements and "$" not in page and "\x1b" not in page

    metrics = {"overall": {evil: {"value": 1.5, "low": 1, "high": 2}}, "rows": 3}
    metrics["confusion_matrix"], metrics["classes"] = [[1, 2], [0, 0]], [evil, True]
    metrics["slices"] = [
        {
            "columns": [evil],
            "values": [None],
            "rows": 1,
            "metrics": {evil: {"value": None, "reason": evil}},
        }
    ]
    step = {"operation": evil}
    execution = {
        "kind": "run",
        "pipeline": evil,
        "status": evil,
        "gates": [{"requirement": evil, "slice": evil, "verdict": evil, "reason": evil}],
        "data": {evil: {"source": evil, "rows": 1, "columns": 2}},
        "steps": {evil: {"status": evil}},
    }
    record = {"recipe": {"steps": {evil: step}, "data": {evil: {"digest": evil}}}}
    features = {evil: [{"feature": evil, "gain_share": 0.5}]}
    document = {"record_id": evil, "recipe_id": evil, "record": record, "metrics": metrics}
    shown = Record(
        {**document, "executions": [execution], "erased": {evil: {}}, "features": features}
    )
    text = shown._repr_html_()
    page = Page(text)
    assert "script" not in page.elements and "$" not in text and "\x1b" not in text
    assert any(row[0].endswith("=(missing)") for row in page.rows)
    assert any(row[0] == "true" for row in page.rows)


def test_a_table_is_bounded() -> None:
    rows = Page(_html.table(["a"], [[str(row)] for row in range(1234)])).rows
    assert (len(rows), rows[-1]) == (202, ["and 1,034 more"])
