import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Folder

import reproof


def test_what_the_step_says_counts(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = folder.input("model", "model", "model")
    folder.output("plots", "plots")
    step = folder.step(
        monkeypatch,
        inputs={"model": "elsewhere"},
        outputs={"plots": "elsewhere"},
        parameters={"c": 0.5, "more": 1},
        seed=3,
    )
    assert step.inputs == ("model",)
    assert step.input("model") == model
    assert step.input("model").path == model
    assert step.output("plots") == folder.root / "out" / "plots"
    assert dict(step.parameters) == {"c": 1.0, "kernel": "rbf", "more": 1}
    assert isinstance(step.parameters.c, float)
    assert step.seed == 2**32 - 1
    assert step.threads == 2
    assert reproof.step() is step


def test_parameters_are_a_mapping_with_attributes(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = folder.step(monkeypatch).parameters
    assert parameters.kernel == parameters["kernel"] == "rbf"
    assert {**parameters} == {"c": 1, "kernel": "rbf"}
    assert parameters.get("none", 7) == 7
    assert "c" in parameters and len(parameters) == 2
    assert not hasattr(parameters, "none")
    with pytest.raises(
        reproof.UnknownNameError, match=r"did you mean 'kernel'.*declared: c, kernel"
    ):
        _ = parameters.kernle
    with pytest.raises(LookupError, match="'parameters' of the step"):
        _ = parameters["x"]


def test_folders_are_made_for_outputs(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = folder.output("model", "deep/model")
    folder.output("curve", "plots/curve.svg")
    folder.output("rows", "tables/rows", "table")
    step = folder.step(monkeypatch)
    file = step.output("model") / "parts" / "w.json"
    file.write_json({"b": math.pi, "a": {3, 1}, "path": Path("x/y")})
    assert model.is_dir()
    assert file.read_text() == (
        '{\n  "a": [\n    1,\n    3\n  ],\n  "b": 3.141592653589793,\n  "path": "x/y"\n}\n'
    )
    step.output("curve").write_text("<svg/>")
    assert step.output("rows").parent.is_dir()
    assert not step.output("rows").exists()
    with pytest.raises(reproof.ReproofError, match="'model' is a folder"):
        step.output("model").write_json(1)
    with pytest.raises(reproof.ReproofError, match="cannot be written as JSON"):
        step.output("curve").write_json([math.inf])
    with pytest.raises(reproof.ReproofError, match="a complex cannot be written"):
        step.output("curve").write_json([1j])
    with pytest.raises(reproof.ReproofError, match="no table"):
        step.output("curve").write_table([])


def test_unknown_names_are_told_with_the_nearest(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.input("features", "features.parquet")
    step = folder.step(monkeypatch)
    with pytest.raises(reproof.UnknownNameError, match="did you mean 'features'"):
        step.input("feature")
    with pytest.raises(reproof.UnknownNameError, match="no output is declared"):
        step.output("model")


def test_metrics_are_lines_and_have_one_value(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = folder.step(monkeypatch)
    for epoch, value in enumerate([1, 0.5, True, math.nan, None, 2**60]):
        step.metric("loss", value, step=epoch)
    step.metric("same", 0.25)
    step.metric("same", 0.25)
    with pytest.raises(reproof.ReproofError, match=r"is 0\.25 already.*step=epoch"):
        step.metric("same", 0.5)
    with pytest.raises(reproof.ReproofError, match=r"'loss' at step 1 is 0\.5 already"):
        step.metric("loss", 2, step=1)
    values = [line["value"] for line in folder.lines("metrics")]
    assert values == [1, 0.5, 1, None, None, float(2**60), 0.25, 0.25]
    assert folder.lines("metrics")[5]["step"] == 5


@pytest.mark.parametrize("value", ["x", [1], object()])
def test_a_metric_is_a_number(
    value: object, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = folder.step(monkeypatch)
    with pytest.raises(reproof.ReproofError, match="'a' is to be a number"):
        step.metric("a", value)
    with pytest.raises(reproof.ReproofError, match="a whole number"):
        step.metric("a", 1, step=-1)
    with pytest.raises(reproof.ReproofError, match="is a text"):
        step.metric("", 1)


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("fit_seconds", True),
        ("trainTime", True),
        ("elapsed", True),
        ("peak-memory-mb", True),
        ("roc_auc", False),
        ("timeliness", False),
        ("sectors", False),
    ],
)
def test_metrics_that_sound_like_times_are_warned_of(
    name: str, warned: bool, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = folder.step(monkeypatch)
    if not warned:
        step.metric(name, 1)
        return
    with pytest.warns(UserWarning, match=r"step\.observe") as found:
        step.metric(name, 1)
    assert found[0].filename == __file__
    step.observe(name, 2)
    assert folder.lines("observations") == [{"name": name, "value": 2}]


def test_a_format_of_another_version_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.document["format"] = "reproof.program/2"
    with pytest.raises(reproof.ReproofError, match="too old or too new"):
        folder.step(monkeypatch)


def test_by_hand_the_call_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    step = reproof.step(
        inputs={"rows": "rows.csv"}, outputs={"model": "made/model"}, parameters={"c": 2}, seed=5
    )
    assert step.input("rows").read_text() == "a\n1\n"
    (step.output("model") / "m.txt").write_text("m")
    assert (tmp_path / "made" / "model" / "m.txt").is_file()
    assert (step.parameters.c, step.seed) == (2, 5)
    step.metric("loss", 0.5, step=2)
    step.observe("rows", 1)
    assert capsys.readouterr().out == "metric loss [2] = 0.5\nobservation rows = 1\n"
    with pytest.raises(reproof.UnknownNameError, match=r"reproof\.step\(inputs="):
        step.input("row")
    with pytest.raises(reproof.UnknownNameError, match=r"reproof\.step\(parameters="):
        _ = step.parameters.d


def test_by_hand_without_arguments_folders_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("a\n1\n")
    step = reproof.step()
    assert step.input("rows").name == "rows.csv"
    with pytest.raises(reproof.ReproofError, match=r"data/none\.parquet"):
        step.input("none")
    assert step.output("model") == Path(".reproof/local/model")
    assert step.output("model").is_dir()


def test_everything_is_seeded_now_or_once_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in of the package: what is called is what counts.
    (tmp_path / "torch.py").write_text(
        "called = []\n"
        "def manual_seed(seed): called.append(('seed', seed))\n"
        "def use_deterministic_algorithms(on): called.append(('deterministic', on))\n"
        "def set_num_threads(count): called.append(('threads', count))\n"
        "class backends:\n    class cudnn:\n        benchmark = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    step = reproof.step(seed=11)
    assert step.seed_everything() == 11
    first = random.random()
    assert "torch" not in sys.modules
    import torch  # type: ignore[import-not-found]

    expect = [("seed", 11), ("deterministic", True), ("threads", step.threads)]
    assert torch.called == expect
    assert torch.backends.cudnn.benchmark is False
    assert type(torch.__spec__.loader).__module__ != "reproof._seeding"
    step.seed_everything()
    assert random.random() == first
    assert torch.called == expect * 2


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, reproof\n"
        "heavy = {'inspect', 'difflib', 'json', 'warnings', 'reproof._pipeline', 'numpy', 'pandas'}\n"
        "before = heavy & set(sys.modules)\n"
        "reproof.program\n"
        "print(sorted(before - {'warnings'}), 'reproof._pipeline' in sys.modules)\n"
    )
    source = str(Path(reproof.__file__).parent.parent)
    ran = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys\nsys.path.insert(0, {source!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[] True\n"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = reproof.nothing
    assert "pipeline" in dir(reproof)
    assert json.dumps(reproof.__all__)
