"""Prints the reference of the Python package, made of its docstrings.

python3 scripts/sdk_reference.py

Nothing is imported: the files are parsed, so that it needs neither packages nor a Python of some
version.
"""

import ast
import inspect
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "python" / "src" / "reproof"

SECTIONS = [
    ("Inside a step", "_step.py", ["step", "Step", "Input", "Output", "Parameters"]),
    (
        "Pipelines",
        "_pipeline.py",
        ["program", "pipeline", "data", "operation", "Program", "Pipeline", "Node", "Result", "Data"],
    ),
    ("Records", "__init__.py", ["record"]),
    ("", "jupyter/_record.py", ["Record"]),
    ("", "jupyter/_metrics.py", ["Metric", "Slice"]),
    ("Errors", "_errors.py", ["ReproofError", "UnknownNameError", "MissingPackageError"]),
]

HEAD = """# Reference of the Python package

Generated from the package itself: [The Python package](sdk.md) tells how it is used.
"""


def module(file):
    """The module that has what a file defines for its users."""
    return "reproof.jupyter" if file.startswith("jupyter/") else "reproof"


def doc(node):
    """The docstring of a definition, which all that is public has."""
    text = ast.get_docstring(node)
    if not text:
        raise SystemExit(f"{node.name} has no docstring")
    return inspect.cleandoc(text)


def is_overload(node):
    return any(ast.unparse(one) == "overload" for one in node.decorator_list)


def signature(name, node):
    """A call as a person writes it: a line for each argument where one line is too long."""
    arguments = [
        one for one in ast.unparse(node.args).split(", ") if one not in ("self", "cls")
    ]
    # Texts with commas in brackets are one argument.
    joined = []
    for one in arguments:
        if joined and joined[-1].count("[") > joined[-1].count("]"):
            joined[-1] += f", {one}"
        else:
            joined.append(one)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    returns = returns.replace("'", "")
    line = f"{name}({', '.join(joined)}){returns}"
    if len(line) <= 90:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in joined), f"){returns}"])


def code(text):
    return f"```python\n{text}\n```\n"


def function(level, name, nodes):
    """A function or method; of several forms the last that says what it does."""
    forms = [node for node in nodes if is_overload(node)] or nodes
    print(f"{'#' * level} `{name}`\n")
    print(code("\n".join(signature(name, node) for node in forms)))
    print(doc(nodes[-1]) + "\n")


def members(name, node):
    """The public methods and properties of a class."""
    for one in node.body:
        if not isinstance(one, ast.FunctionDef) or one.name.startswith("_"):
            continue
        short = f"{name}.{one.name}"
        if any(ast.unparse(decorator) == "property" for decorator in one.decorator_list):
            returns = ast.unparse(one.returns).replace("'", "")
            print(f"### `{short}`\n")
            print(code(f"{short}: {returns}"))
            print(doc(one) + "\n")
        else:
            function(3, short, [one])


def main():
    print(HEAD)
    for title, file, names in SECTIONS:
        tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
        if title:
            print(f"# {title}\n")
        for name in names:
            found = [node for node in tree.body if getattr(node, "name", None) == name]
            if isinstance(found[-1], ast.FunctionDef):
                function(2, f"{module(file)}.{name}", found)
            else:
                print(f"## `{module(file)}.{name}`\n")
                print(doc(found[-1]) + "\n")
                if title != "Errors":
                    members(name, found[-1])


if __name__ == "__main__":
    main()
