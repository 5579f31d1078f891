import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, List

import pytest
from conftest import Folder

import reproof
import reproof._pipeline
from reproof.call import call
from reproof.graph import document, find, text


@pytest.fixture(autouse=True)
def no_pipelines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    path = list(sys.path)
    monkeypatch.setattr(reproof._pipeline, "PIPELINES", [])
    monkeypatch.setattr(reproof.graph, "PIPELINES", reproof._pipeline.PIPELINES)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@reproof.program(outputs={"rows": "rows.csv", "log": "log.txt"}, threads=2)
def clean(raw: Any, limit: int = 3, other: Any = None, *, ratio: float = 0.5) -> List[Any]:
    return [raw, limit, other, ratio]


@reproof.program(outputs={"model": "model/"})
def train(features: Any, *, depth: int, **more: Any) -> None:
    """What it does."""


def graph(function: Any) -> Any:
    return reproof.pipeline(function)()["steps"]


def test_a_program_is_its_function_outside_of_a_pipeline() -> None:
    assert clean("r", ratio=1) == ["r", 3, None, 1]
    assert (train.__name__, train.__doc__) == ("train", "What it does.")


def test_defaults_are_parameters_and_handles_inputs() -> None:
    def one() -> None:
        data = reproof.data(csv="rows.csv")
        cleaned = clean(data, other=data, ratio=0.25)
        train(cleaned["rows"], depth=2, extra=[1, {"a": None}])

    steps = graph(one)
    here = steps["clean"]["run"][3]
    assert steps == {
        "clean": {
            "run": ["python", "-m", "reproof.call", here, "clean"],
            "outputs": {"rows": "rows.csv", "log": "log.txt"},
            "threads": 2,
            "parameters": {"ratio": 0.25, "limit": 3},
            "inputs": {"raw": "data", "other": "data"},
        },
        "train": {
            "run": ["python", "-m", "reproof.call", here, "train"],
            "outputs": {"model": "model/"},
            "parameters": {"depth": 2, "extra": [1, {"a": None}]},
            "inputs": {"features": "clean.rows"},
        },
    }


def test_settings_of_the_pipeline() -> None:
    @reproof.pipeline(seed=4, name="named")
    def one() -> Any:
        orders = reproof.data("orders", csv="o.csv")
        reproof.data("people", "people@v3")
        split = reproof.operation(
            "split_random", name="split", inputs={"table": orders}, parameters={"ratios": {"a": 1}}
        )
        train.options(name="deep", environment="big")(split.a, depth=9)
        return {"expect": {"orders": []}}

    assert one() == {
        "pipeline": "named",
        "seed": 4,
        "data": {"orders": {"csv": "o.csv"}, "people": "people@v3"},
        "expect": {"orders": []},
        "steps": {
            "split": {
                "operation": "split_random",
                "inputs": {"table": "orders"},
                "parameters": {"ratios": {"a": 1}},
            },
            "deep": {
                "run": [
                    *["python", "-m", "reproof.call"],
                    one()["steps"]["deep"]["run"][3],
                    "train",
                ],
                "outputs": {"model": "model/"},
                "environment": "big",
                "parameters": {"depth": 9},
                "inputs": {"features": "split.a"},
            },
        },
    }


def test_programs_run_in_the_environment_of_their_pipeline() -> None:
    @reproof.pipeline(environment="deep")
    def one() -> None:
        data = reproof.data(csv="x.csv")
        train(reproof.operation("split_random", inputs={"table": data})["train"], depth=1)
        clean.options(environment="other")(data)

    steps = one()["steps"]
    found = {name: step.get("environment") for name, step in steps.items()}
    assert found == {"split_random": None, "train": "deep", "clean": "other"}


def test_a_step_of_one_output_stands_for_it() -> None:
    @reproof.program(outputs={"o": "o"})
    def use(model: Any) -> None:
        pass

    def one() -> None:
        use(train(reproof.data(csv="x.csv"), depth=1))

    assert graph(one)["use"]["inputs"] == {"model": "train.model"}


def two_of_a_name() -> None:
    data = reproof.data(csv="x.csv")
    clean(data)
    clean(data)


def an_output_too_many() -> None:
    train(clean(reproof.data(csv="x.csv")), depth=1)


def no_such_output() -> None:
    train(clean(reproof.data(csv="x.csv")).row, depth=1)


def an_operation_whole() -> None:
    train(reproof.operation("split_random"), depth=1)


def an_input_left_out() -> None:
    train(depth=1)


def a_value_that_is_none() -> None:
    train(reproof.data(csv="x.csv"), depth=float("nan"))


def a_key_that_is_no_text() -> Any:
    return {"split": {1: 2}}


def a_step_inside_a_block() -> Any:
    return {"evaluate": {"on": train(depth=1)}}


def no_mapping() -> Any:
    return [1]


def data_twice() -> None:
    reproof.data(csv="x.csv")
    reproof.data(csv="y.csv")


def an_argument_that_is_none() -> None:
    clean(reproof.data(csv="x.csv"), ration=1)


def too_many_arguments() -> None:
    clean(1, 2, 3, 4, 5)


def a_setting_that_is_none() -> None:
    train.options(thread=2)


@pytest.mark.parametrize(
    ("function", "expect"),
    [
        (two_of_a_name, r"two steps have the name 'clean'.*options\(name"),
        (an_output_too_many, r"'clean' has several outputs \(rows, log\)"),
        (no_such_output, "no output of step 'clean' 'row': did you mean 'rows'"),
        (an_operation_whole, "say which output of the step 'split_random'"),
        (an_input_left_out, r"the step 'train' lacks features.*test_pipeline\.py:\d+"),
        (a_value_that_is_none, "steps.train.parameters.depth is nan"),
        (a_key_that_is_no_text, "split has the key 1"),
        (a_step_inside_a_block, "stands where no step can: evaluate.on"),
        (no_mapping, r"no_mapping\(\) returns a mapping of blocks, or nothing, not list"),
        (data_twice, "two data named 'data'"),
        (an_argument_that_is_none, r"parameter of clean\(\) 'ration': did you mean 'ratio'"),
        (too_many_arguments, r"clean\(\): too many positional arguments"),
        (a_setting_that_is_none, "'thread': did you mean 'threads'"),
    ],
)
def test_mistakes_in_a_pipeline(function: Any, expect: str) -> None:
    with pytest.raises(reproof.ReproofError, match=expect):
        graph(function)
    # Nothing of it is left.
    with pytest.raises(reproof.ReproofError, match=r"decorated with @reproof\.pipeline"):
        reproof.data(csv="x.csv")


def test_functions_that_cannot_be_programs() -> None:
    with pytest.raises(reproof.ReproofError, match=r"inputs and parameters have names.*\*args"):

        @reproof.program
        def one(*args: Any) -> None:
            pass


STEPS = """import json
import reproof

class Thing:
    pass

@reproof.program(outputs={"o": "o.json"})
def fit(table, names=None, *, rate: float = 0.5, **more):
    out = [type(table).__name__, names, rate, more, Thing.__module__]
    reproof.step().output("o").write_json(out)

@reproof.program
def other(): pass
"""


def test_a_step_calls_its_function(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder.input("table", "table.parquet")
    out = folder.output("o", "o.json")
    folder.document["parameters"] = {"rate": 2, "deep": 1}
    folder.step(monkeypatch)
    call("lib/steps.py", "fit")
    assert json.loads(out.read_text()) == ["Input", None, 2.0, {"deep": 1}, "lib.steps"]
    with pytest.raises(reproof.UnknownNameError, match="did you mean 'other'"):
        call("lib/steps.py", "othr")
    with pytest.raises(reproof.UnknownNameError, match=r"no parameter of other\(\) 'rate'"):
        call("lib/steps.py", "other")
    folder.document["inputs"] = {}
    folder.step(monkeypatch, seed=1)
    with pytest.raises(reproof.UnknownNameError, match="input or parameter 'table'"):
        call("lib/steps.py", "fit")


def run(module: str, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    source = str(Path(reproof.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-m", f"reproof.{module}", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": source},
    )


def test_errors_begin_in_the_own_code(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(
        "import reproof\n\ndef helper():\n    raise ValueError('no') from KeyError('why')\n\n"
        "@reproof.pipeline\ndef p():\n    helper()\n"
    )
    ran = run("graph", "p.py", folder=tmp_path)
    assert ran.returncode == 1
    files = [line.strip() for line in ran.stderr.splitlines() if line.strip().startswith("File")]
    assert files == ['File "p.py", line 8, in p', 'File "p.py", line 4, in helper']
    for arguments, expect in [
        (["graph"], "usage: python -m reproof.graph FILE"),
        (["graph", "none.py"], "none.py"),
        (["call", "p.py"], "usage: python -m reproof.call FILE FUNCTION"),
        (["call", "p.py", "p"], "there is no program in p.py 'p'"),
    ]:
        ran = run(*arguments, folder=tmp_path)
        assert ran.returncode == 1 and expect in ran.stderr, ran.stderr


def test_the_graph_of_a_file_names_its_lines(tmp_path: Path) -> None:
    (tmp_path / "my-pipeline.py").write_text(
        "import reproof\n\n"
        "@reproof.program(\n    outputs={'m': 'm'},\n    threads=4,\n)\ndef fit(*, c=1):\n    pass\n\n"
        "@reproof.pipeline(seed=1)\ndef p():\n"
        "    steps = fit\n"
        "    steps(c=[2, 'é\\u2028'])\n"
    )
    made = document("my-pipeline.py")
    assert made["format"] == "reproof.graph/1"
    lines = made["pipeline"].splitlines()
    assert len(lines) == len(made["places"])
    at = {line.strip(): (place[0], place[1]) for line, place in zip(lines, made["places"])}
    assert at['"threads": 4,'] == ("my-pipeline.py", 5)
    assert at['"m": "m"'] == ("my-pipeline.py", 4)
    assert at['"c": ['] == ("my-pipeline.py", 13)
    assert at['"é\\u2028"'] == ("my-pipeline.py", 13)
    assert at['"seed": 1,'] == ("my-pipeline.py", 10)
    assert json.loads(made["pipeline"])["steps"]["fit"]["parameters"] == {"c": [2, "é\u2028"]}
    ran = run("graph", "my-pipeline.py", folder=tmp_path)
    assert json.loads(ran.stdout) == json.loads(made["pipeline"])


def test_the_graph_is_that_of_the_page(tmp_path: Path) -> None:
    page = Path(reproof.__file__).parents[3] / "docs" / "formats" / "program.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    vector = next(line for line in lines if line.startswith('{"format":"reproof.graph/1"'))
    (tmp_path / "p.py").write_text("import reproof\n\n\n@reproof.pipeline\ndef p(): pass\n")
    assert document("p.py") == json.loads(vector)


def test_names_are_found_as_words(tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    file.write_text("a(\n  rate_2=1, # rate=3\n  rate=2,\n  x='rate')\n\ndef b(rate=5): pass\n")
    place = reproof._pipeline.Origin(str(file), 1)
    assert find(place, "rate", True).line == 3
    assert find(place, "rate", False).line == 4
    assert find(place, "none", True) == place
    assert find(reproof._pipeline.Origin(str(file), 4), "rate", True).line == 4


def test_texts_are_yaml_too() -> None:
    assert text("a\x7f\ufeff\ud800\n") == '"a\\u007f\\ufeff\\ud800\\n"'
