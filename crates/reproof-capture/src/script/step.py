import ast
import gc
import json
import os
import runpy
import shutil
import sys
import tempfile

with open(os.environ["REPROOF_STEP"]) as file:
    STEP = json.load(file)


def files_below(folder):
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            yield path, os.path.relpath(path, folder)


def with_constants(source):
    """The script with what the pipeline says in place of its constants, line by line as it was."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    edits = []
    waiting = list(CONSTANTS)
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        name = getattr(target, "id", None)
        if name not in waiting:
            continue
        waiting.remove(name)
        now, wanted = ast.literal_eval(node.value), STEP["parameters"][name]
        if isinstance(now, float) and type(wanted) is int:
            wanted = float(wanted)
        if wanted != now:
            value = node.value
            start = starts[value.lineno - 1] + value.col_offset
            end = starts[value.end_lineno - 1] + value.end_col_offset
            edits.append((start, end, repr(wanted).encode()))
    if waiting:
        sys.exit(f"{SCRIPT} sets no {waiting[0]}: take it out of the pipeline and of CONSTANTS")
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source


def arguments():
    given = []
    for name, flag, form in ARGUMENTS:
        value = STEP["parameters"][name]
        if value is None:
            continue
        if form == "true" or form == "false":
            given += [flag] if value is (form == "true") else []
        elif form == "either":
            given.append(flag if value else "--no-" + flag[2:])
        elif isinstance(value, list):
            given += ([flag] if flag else []) + [str(one) for one in value]
        elif flag and flag.startswith("--"):
            given.append(f"{flag}={value}")
        else:
            given += ([flag] if flag else []) + [str(value)]
    return given


class Both:
    """Standard output, and a copy of what is printed to it."""

    def __init__(self, first, copy):
        self.first, self.copy = first, copy

    def write(self, text):
        self.copy.write(text)
        return self.first.write(text)

    def __getattr__(self, name):
        return getattr(self.first, name)


def main():
    work = os.path.join(tempfile.gettempdir(), "project")
    if os.path.lexists(work):
        work = tempfile.mkdtemp()
    for path, inside in list(files_below(os.getcwd())):
        target = os.path.join(work, inside)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(path, target)
    script = os.path.join(work, SCRIPT)
    if CONSTANTS:
        with open(script, "rb") as file:
            source = file.read()
        with open(script, "wb") as file:
            file.write(with_constants(source))
    for name, folder in DATA.items():
        for path, inside in files_below(STEP["inputs"][name]["path"]):
            target = os.path.join(work, folder, inside)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(path, target)
    for folder in FOLDERS:
        os.makedirs(os.path.join(work, folder), exist_ok=True)
    os.makedirs(os.path.join(work, FOLDER), exist_ok=True)
    # Where outputs go, though the project may not have the folder yet.
    for path in OUTPUTS.values():
        if path is not None:
            os.makedirs(os.path.dirname(os.path.join(work, path.rstrip("/"))), exist_ok=True)
    before = {inside for _, inside in files_below(work)}
    os.chdir(os.path.join(work, FOLDER))
    sys.path[0] = os.path.dirname(script)
    sys.argv = [script, *arguments()]
    printed = [name for name, path in OUTPUTS.items() if path is None]
    if printed:
        copy = open(STEP["outputs"][printed[0]]["path"], "w", encoding="utf-8")
        sys.stdout = Both(sys.stdout, copy)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    if printed:
        sys.stdout = sys.stdout.first
        copy.close()
    # Files that the script left open are closed with it.
    gc.collect()
    for name, path in OUTPUTS.items():
        if path is None:
            continue
        made, target = os.path.join(work, path.rstrip("/")), STEP["outputs"][name]["path"].rstrip("/")
        if not os.path.exists(made):
            sys.exit(f"{SCRIPT} wrote no '{path}': take the output '{name}' out of the pipeline and of OUTPUTS")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.move(made, target)
    for _, inside in files_below(work):
        if inside not in before and "__pycache__" not in inside:
            print(f"note: {SCRIPT} wrote '{inside}', which is no output of the pipeline", file=sys.stderr)


main()
