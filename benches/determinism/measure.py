"""Runs every program of `programs.py` in several settings, and writes what stays the same.

`table BINARY FOLDER PAGE`, which `run` calls: works in the folder and renews the page's table.
`elsewhere PROJECT ENVIRONMENT PROFILE CPU PROGRAM`, which a test calls: prints the hashes of what
one program makes outside of Reproof.
"""

import csv
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
PROGRAMS = [
    "logistic_regression",
    "ridge",
    "pca",
    "kmeans",
    "mlp",
    "random_forest",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
]
NUMBERS = ["carat", "depth", "table", "x", "y", "z", "price"]
EVERY = 7
# The profile portable@1, for a program that no sandbox starts; each run of one checks it.
COMMON = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "HOME": "/tmp/home",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "LOGNAME": "reproof",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    "PATH": "/reproof/env/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUNBUFFERED": "1",
    "SOURCE_DATE_EPOCH": "315532800",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "USER": "reproof",
}
THREADS = [
    "BLIS_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "PYTHON_CPU_COUNT",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
]
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    "MKL_CBWR": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
# By which the libraries of a program with native@1 take the processor for one without AVX.
OLDER = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Nehalem",
}


class Project:
    """A project in a folder of its own, whose steps are the programs."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.root = folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "data").mkdir(parents=True)
        (folder / "pipelines").mkdir()
        for name in ["programs.py", "reproof.toml", "requirements.txt"]:
            shutil.copy(HERE / name, folder)
        with open(EXAMPLES / "diamonds/data/diamonds.csv", newline="") as file:
            rows = list(csv.DictReader(file))[::EVERY]
        self.rows = len(rows)
        with open(folder / "data/diamonds.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, NUMBERS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    def reproof(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments, "--json"], cwd=self.root, stdout=subprocess.PIPE, check=True
        )
        return json.loads(done.stdout)

    def run(self, name, profile, threads=1, parameters=None):
        """The hashes of each program's files, from one run of all of them."""
        steps = {
            program: {
                "run": ["python", "programs.py", program],
                "profile": profile,
                "threads": threads,
                "inputs": {"table": "data"},
                "parameters": parameters or {},
                "outputs": {"model": "model", "predictions": "predictions"},
            }
            for program in PROGRAMS
        }
        pipeline = {"pipeline": name, "data": {"csv": "data/diamonds.csv"}, "steps": steps}
        # JSON is YAML.
        (self.root / f"pipelines/{name}.yaml").write_text(json.dumps(pipeline, indent=1))
        steps = self.reproof("run", name, "--no-cache")["execution"]["steps"]
        found = {program: hashes(steps[program]["observations"]) for program in PROGRAMS}
        assert len({run["model"] for run in found.values()}) == len(PROGRAMS), "models are equal"
        return found

    def run_elsewhere(self, environment, profile, cpu):
        """The same without Reproof, in the root of the environment and on a processor of qemu."""
        return {
            program: elsewhere(self.root, environment, profile, cpu, program)
            for program in PROGRAMS
        }

def elsewhere(project, environment, profile, cpu, program):
    """The hashes of what a program makes in its environment without Reproof; none if it fails."""
    work = project / ".elsewhere"
    shutil.rmtree(work, ignore_errors=True)
    for name in ["code", "in", "out", "report"]:
        (work / name).mkdir(parents=True)
    shutil.copy(project / "programs.py", work / "code")
    shutil.copy(project / "data/diamonds.csv", work / "in/table.csv")
    outputs = {name: {"path": f"/reproof/out/{name}"} for name in ["model", "predictions"]}
    step = {
        "inputs": {"table": {"path": "/reproof/in/table.csv"}},
        "outputs": outputs,
        "observations": "/reproof/report/observations.jsonl",
        "parameters": {},
        "threads": 1,
    }
    (work / "step.json").write_text(json.dumps(step))
    variables = {
        **COMMON,
        **(PORTABLE if profile == "portable" else {}),
        **{name: "1" for name in THREADS},
        "REPROOF_STEP": "/reproof/step.json",
    }
    texts = (f"{name}={value}\0" for name, value in variables.items())
    (work / "variables").write_text("".join(texts))
    python = ["/reproof/env/bin/python3.11", "/reproof/code/programs.py", program]
    call = [HERE / "in_root", environment, work, cpu, *python]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode != 0:
        # qemu itself may fail, too: that is no result.
        print(f"{program} on {cpu} failed:\n{done.stderr}", file=sys.stderr)
        return None
    lines = (work / "report/observations.jsonl").read_text().splitlines()
    said = {line["name"]: line["value"] for line in map(json.loads, lines)}
    return hashes(said)


def hashes(observations):
    return {name: int(observations[name]) for name in ["model", "predictions", "variables"]}


def same(found):
    """What several runs of a program say of what is the same in them."""
    if None in found:
        return "no result"
    models, made = ({run[name] for run in found} for name in ["model", "predictions"])
    if len(models) == 1 and len(made) == 1:
        return "identical"
    if len(made) == 1:
        return "only predictions"
    return "only the model" if len(models) == 1 else "**differ**"


def measure(project):
    """For each setting its runs: for each program the hashes of its files."""
    found = {
        "portable": [project.run("portable", "portable") for _ in range(3)],
        "native": [project.run("native", "native") for _ in range(3)],
        "threads": [project.run("threads", "portable", threads=2) for _ in range(3)],
        "older": [project.run("older", "native", parameters={"variables": OLDER})],
    }
    if qemu := shutil.which("qemu-x86_64"):
        environment = project.reproof("env", "show")["folder"]
        for name, profile, cpu in [
            ("portable here", "portable", "-"),
            ("portable Haswell", "portable", "Haswell"),
            ("portable EPYC", "portable", "EPYC"),
            ("native Haswell", "native", "Haswell"),
        ]:
            print(f"{qemu}: {name}", file=sys.stderr)
            found[name] = [project.run_elsewhere(environment, profile, cpu)]
    return found


def check_variables(found):
    """What ran elsewhere must have had the variables of the profile."""
    for name in found:
        profile, *where = name.split()
        if not where:
            continue
        for program, there in found[name][0].items():
            here = found[profile][0][program]
            if there and there["variables"] != here["variables"]:
                sys.exit(f"{program}, {name}: not the variables of {profile}")


def tabulate(found):
    """For each row of the table its title, and for each program what is the same."""
    rows = [
        ("`portable@1`, three runs", ["portable"]),
        ("`native@1`, three runs", ["native"]),
        ("`portable@1`, 2 threads, three runs", ["threads"]),
        ("2 threads against 1", ["portable", "threads"]),
        ("`portable@1` in no sandbox", ["portable", "portable here"]),
        ("`portable@1` on Haswell", ["portable", "portable Haswell"]),
        ("`portable@1` on EPYC", ["portable", "portable EPYC"]),
        ("`native@1` on Haswell", ["native", "native Haswell"]),
        ("`native@1` as if without AVX", ["native", "older"]),
        ("`native@1` against `portable@1`", ["native", "portable"]),
    ]
    for title, names in rows:
        if all(name in found for name in names):
            runs = [run for name in names for run in found[name]]
            yield title, {program: same([run[program] for run in runs]) for program in PROGRAMS}


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def page(table, described, rows):
    """The lines that the page holds between its two marks."""
    packages = {name: package["version"] for name, package in described["packages"].items()}
    wanted = ["numpy", "scipy", "scikit-learn", "xgboost-cpu", "lightgbm", "pandas", "pyarrow"]
    versions = ", ".join(f"{name} {packages[name]}" for name in wanted)
    yield (
        f"Measured on {datetime.date.today()}, on {processor()} ({os.cpu_count()} processors), "
        f"with {rows:,} rows of the diamonds and Python {described['python']}, {versions}."
    )
    yield ""
    yield "| setting | " + " | ".join(f"`{program}`" for program in PROGRAMS) + " |"
    yield "|---" * (len(PROGRAMS) + 1) + "|"
    for title, cells in table:
        yield f"| {title} | " + " | ".join(cells[program] for program in PROGRAMS) + " |"


def write_table(binary, folder, file):
    project = Project(binary.resolve(), folder.resolve())
    found = measure(project)
    check_variables(found)
    described = project.reproof("env", "show")["description"]
    lines = "\n".join(page(tabulate(found), described, project.rows))
    print(lines)
    begin, end = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
    before, rest = file.read_text().split(begin)
    _, after = rest.split(end)
    file.write_text(f"{before}{begin}{lines}\n{end}{after}")


def main():
    match sys.argv[1:]:
        case ["table", *paths] if len(paths) == 3:
            write_table(*map(pathlib.Path, paths))
        case ["elsewhere", project, environment, profile, cpu, program]:
            found = elsewhere(pathlib.Path(project), environment, profile, cpu, program)
            print(json.dumps(found))
            sys.exit(0 if found else 1)
        case _:
            sys.exit(__doc__)


main()
