"""Runs a notebook from its first cell to its last in a new kernel of IPython.

Carried by Reproof and laid out beside the notebook, so its bytes are part of the step's key. It needs
`ipykernel`, and of the machine nothing: the kernel is a child of this process, and they speak over
sockets in a private folder, for which no network is needed.
"""

import ast
import json
import keyword
import os
import queue
import re
import sys
import tempfile
import time

# A kernel searches modules from its working folder, not from where this file lies.
del sys.path[0]

from ipykernel.kernelapp import IPKernelApp
from jupyter_client.connect import write_connection_file

CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
START_SECONDS = 120
END_SECONDS = 60


class Failed(Exception):
    """The notebook cannot be run to its end: one line, and what to show above it."""

    def __init__(self, line, shown=""):
        super().__init__(line)
        self.line = line
        self.shown = shown


def main():
    path = sys.argv[1]
    with open(os.environ["REPROOF_STEP"], encoding="utf-8") as file:
        step = json.load(file)
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    try:
        notebook["cells"] = with_parameters(notebook["cells"], step["parameters"])
        with tempfile.TemporaryDirectory() as folder:
            run(notebook["cells"], os.path.dirname(path), folder)
    except Failed as error:
        keep(notebook, step)
        print(error.shown, file=sys.stderr, end="")
        note = os.path.join(os.path.dirname(step["metrics"]), "failure.txt")
        with open(note, "w", encoding="utf-8") as file:
            file.write(error.line)
        sys.exit(1)
    keep(notebook, step)


def keep(notebook, step):
    """Writes the notebook with what its cells put out so far."""
    for cell in notebook["cells"]:
        cell.pop("number", None)
    with open(step["outputs"]["executed"]["path"], "w", encoding="utf-8") as file:
        json.dump(notebook, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")


def tags(cell):
    return cell["metadata"].get("tags", [])


def with_parameters(cells, parameters):
    """The cells with one that sets the parameters, behind the one that is tagged `parameters`."""
    for number, cell in enumerate(cells, 1):
        cell["number"] = number
    # What another run put there.
    cells = [cell for cell in cells if "injected-parameters" not in tags(cell)]
    if not parameters:
        return cells
    tagged = [at for at, cell in enumerate(cells) if "parameters" in tags(cell)]
    if len(tagged) > 1:
        numbers = " and ".join(str(cells[at]["number"]) for at in tagged)
        raise Failed(f"the cells {numbers} are all tagged 'parameters': one cell may be")
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise Failed(f"the parameter '{name}' is not a name in Python")
    if tagged:
        own = assigned(cells[tagged[0]])
        unknown = sorted(set(parameters) - own)
        if unknown:
            number = cells[tagged[0]]["number"]
            known = ", ".join(sorted(own)) or "nothing"
            raise Failed(
                f"the parameter '{unknown[0]}' is none of the notebook: cell {number}, which is "
                f"tagged 'parameters', sets {known}"
            )
    lines = [f"{name} = {value!r}" for name, value in sorted(parameters.items())]
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "injected-parameters",
        "metadata": {"tags": ["injected-parameters"]},
        "number": "of the parameters",
        "outputs": [],
        "source": "# Parameters\n" + "\n".join(lines),
    }
    at = tagged[0] + 1 if tagged else 0
    return cells[:at] + [cell] + cells[at:]


def assigned(cell):
    """The names that a cell sets."""
    try:
        tree = ast.parse(source(cell))
    except SyntaxError as error:
        raise Failed(f"cell {cell['number']}, which is tagged 'parameters', is no Python: {error}")
    stores = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in stores if isinstance(node.ctx, ast.Store)}


def source(cell):
    return "".join(cell["source"])


def run(cells, folder, private):
    """Runs all cells; their outputs are put into them."""
    connection = os.path.join(private, "kernel.json")
    socket = os.path.join(private, "socket")
    if len(socket) < 95:
        write_connection_file(connection, transport="ipc", ip=socket)
    else:
        # Longer than the path of a socket may be, as it may be without isolation.
        write_connection_file(connection)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        become_kernel(connection, folder, private)
    kernel = Kernel(connection, pid)
    kernel.wait_until_ready()
    try:
        for cell in cells:
            if cell["cell_type"] == "code" and source(cell).strip():
                if "skip-execution" not in tags(cell):
                    kernel.execute(cell)
    except BaseException:
        kernel.kill()
        raise
    kernel.end()


def become_kernel(connection, folder, private):
    """The child's part: it ends with the kernel."""
    code = 1
    try:
        os.environ["IPYTHONDIR"] = os.path.join(private, "ipython")
        if folder:
            os.chdir(folder)
        # Modules lie beside the notebook, as in Jupyter.
        sys.path.insert(0, os.getcwd())
        sys.argv = ["ipykernel_launcher", "-f", connection]
        IPKernelApp.launch_instance(
            sys.argv[1:]
            + [
                "--HistoryManager.enabled=False",
                "--InteractiveShell.colors=NoColor",
                "--Application.log_level=CRITICAL",
            ]
        )
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        try:
            import atexit

            atexit._run_exitfuncs()
            sys.stdout.flush()
        finally:
            os._exit(code)


class Kernel:
    """A kernel that was started, as seen from here."""

    def __init__(self, connection, pid):
        from jupyter_client import BlockingKernelClient

        self.pid = pid
        self.ended = None
        self.client = BlockingKernelClient(connection_file=connection)
        self.client.load_connection_file()
        self.client.start_channels()
        self.displays = {}

    def is_alive(self):
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended = status
        return self.ended is None

    def how_it_ended(self):
        if os.WIFSIGNALED(self.ended):
            return f"signal {os.WTERMSIG(self.ended)}"
        return f"code {os.waitstatus_to_exitcode(self.ended)}"

    def wait_until_ready(self):
        until = time.monotonic() + START_SECONDS
        # A socket that is not there yet is tried again.
        while time.monotonic() < until:
            if not self.is_alive():
                raise Failed(f"the kernel ended with {self.how_it_ended()} before any cell")
            self.client.kernel_info()
            try:
                self.client.get_shell_msg(timeout=0.2)
            except queue.Empty:
                continue
            while True:
                try:
                    self.client.get_shell_msg(timeout=0.05)
                except queue.Empty:
                    break
            if self.listens():
                return
        raise Failed(f"the kernel did not answer within {START_SECONDS} s")

    def listens(self):
        """Whether what the kernel publishes comes here: the first messages may be lost."""
        found = False
        while True:
            try:
                self.client.get_iopub_msg(timeout=0.05)
                found = True
            except queue.Empty:
                return found

    def execute(self, cell):
        sent = self.client.execute(source(cell), store_history=True, allow_stdin=False)
        outputs = Outputs(cell, self.displays)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                if self.is_alive():
                    continue
                raise failed(cell, f"the kernel ended with {self.how_it_ended()}", "")
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            outputs.take(kind, content)
        error = outputs.error
        if error and "raises-exception" not in tags(cell):
            value = CONTROL.sub("", error["evalue"]).strip()
            first = value.splitlines()[0] if value else ""
            name = f"{error['ename']}: {first}" if first else error["ename"]
            traceback = CONTROL.sub("", "\n".join(error["traceback"])).rstrip()
            raise failed(cell, name, traceback)
        # Nothing of it may be taken for the answer to another.
        try:
            self.client.get_shell_msg(timeout=START_SECONDS)
        except queue.Empty:
            pass

    def end(self):
        self.client.shutdown()
        until = time.monotonic() + END_SECONDS
        while self.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
        if self.is_alive():
            self.kill()
            raise Failed(f"the kernel did not end within {END_SECONDS} s after the last cell")
        self.client.stop_channels()

    def kill(self):
        if self.is_alive():
            os.kill(self.pid, 9)
            _, self.ended = os.waitpid(self.pid, 0)


def failed(cell, what, traceback):
    lines = source(cell).splitlines()
    width = len(str(len(lines)))
    shown = [f"--- cell {cell['number']} ---"]
    shown += [f"{number:>{width}} | {line}" for number, line in enumerate(lines, 1)]
    if traceback:
        shown += ["---", traceback]
    shown += ["---", what, ""]
    return Failed(f"cell {cell['number']} failed: {what}", "\n".join(shown))


class Outputs:
    """What a cell puts out, as a notebook holds it."""

    def __init__(self, cell, displays):
        self.cell = cell
        self.outputs = cell["outputs"] = []
        self.displays = displays
        self.error = None
        self.clear = False

    def take(self, kind, content):
        if kind == "execute_input":
            self.cell["execution_count"] = content["execution_count"]
        elif kind == "stream":
            stream = sys.stdout if content["name"] == "stdout" else sys.stderr
            stream.write(content["text"])
            stream.flush()
            self.clear_first()
            last = self.outputs[-1] if self.outputs else {}
            if last.get("output_type") == "stream" and last["name"] == content["name"]:
                last["text"] += content["text"]
            else:
                self.add({"output_type": "stream", "name": content["name"], "text": content["text"]})
        elif kind in ("display_data", "execute_result"):
            self.clear_first()
            output = {
                "output_type": kind,
                "data": content["data"],
                "metadata": content["metadata"],
            }
            if kind == "execute_result":
                output["execution_count"] = content["execution_count"]
            self.add(output)
            display = content.get("transient", {}).get("display_id")
            if display is not None:
                self.displays.setdefault(display, []).append(output)
        elif kind == "update_display_data":
            for output in self.displays.get(content["transient"]["display_id"], []):
                output["data"], output["metadata"] = content["data"], content["metadata"]
        elif kind == "clear_output":
            self.clear = True
            if not content.get("wait"):
                self.clear_first()
        elif kind == "error":
            self.error = content
            self.add(
                {
                    "output_type": "error",
                    "ename": content["ename"],
                    "evalue": content["evalue"],
                    "traceback": content["traceback"],
                }
            )

    def clear_first(self):
        if self.clear:
            self.outputs.clear()
            self.clear = False

    def add(self, output):
        self.outputs.append(output)


main()
