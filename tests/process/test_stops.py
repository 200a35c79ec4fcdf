"""Control-C and `kill`: every command ends at once with 130 or 143, and `train` saves first."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Iterator
from tests.support.small_nets import TINY

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
HANGING = 60.0  # seconds after which a process counts as one that does not end
ENDING = 10.0  # seconds within which a killed process is gone; the work in `heavy` takes longer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a parent watches")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Commands inherit an ignored SIGINT, as a shell gives it to what it starts in the
    background.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def heavy(model_folder: Path) -> Path:
    """A folder with work for minutes: a product in onnxruntime, a net, a `dot` that never ends."""
    side = 5_000
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [side, side]) for n in ("0", "20")]
    nodes = [helper.make_node("MatMul", [str(i), "0"], [str(i + 1)]) for i in range(20)]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "heavy.onnx")
    np.save("heavy.npy", np.zeros((side, side), np.float32))
    (model_folder / "tiny.net").write_text(TINY)
    repeated = "net A {\n input x: 8\n repeat 90_000 {\n dense(8)\n }\n}\n"
    (model_folder / "huge.net").write_text(repeated)
    (model_folder / "bin").mkdir()
    (model_folder / "bin" / "dot").write_text("#!/bin/sh\nexec sleep 600\n")
    (model_folder / "bin" / "dot").chmod(0o755)
    return model_folder


def start(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "TMPDIR": str(folder / "tmp"),
    }
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "netdsl", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def children(process: int) -> list[int]:
    """The processes below one."""
    try:
        own = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended since its parent listed it
        return []
    return [int(p) for p in own] + [q for p in own for q in children(int(p))]


def runs(process: int) -> bool:
    """Whether a process has not ended; one that only waits to be collected (`Z`) has."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_ended(processes: list[int]) -> None:
    """The kernel may still be taking a process apart when its parent has already gone."""
    deadline = time.monotonic() + ENDING
    while left := [p for p in processes if runs(p)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def busy(process: int) -> float:
    """Seconds of processor time that a process and those below it have used."""
    ticks = 0
    for number in (process, *children(process)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2]
            ticks += sum(int(f) for f in fields.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_until_busy(running: subprocess.Popen[str], seconds: float) -> None:
    """Until so much processor time is used; a command that only waits counts when it has a
    child.
    """
    while busy(running.pid) < seconds and running.poll() is None:
        time.sleep(0.02)
    assert running.poll() is None, running.communicate()


COMMANDS = {
    "onnxruntime": (["run", "heavy.onnx", "heavy.npy"], 3.0),
    "bench": (["bench", "heavy.onnx", "--batch", "5000"], 4.0),
    "torch": (["verify", "resnet:ResNet152"], 4.0),
    "export": (["export", "vgg:VGG16", "-o", "v.onnx"], 0.0),
    "check": (["check", "huge.net"], 0.8),
    "imports": (["verify", "tiny.net"], 0.5),
}


@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_ends_a_command(
    case: str, number: signal.Signals, group: bool, heavy: Path
) -> None:
    """Wherever it is computing, sent to the process or as a terminal does to all of its group."""
    arguments, seconds = COMMANDS[case]
    running = start(arguments, heavy)
    wait_until_busy(running, seconds)
    while case == "export" and not list(heavy.glob(".*")):  # it has begun to write
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    below = children(running.pid)
    (os.killpg if group else os.kill)(running.pid, number)
    _, said = running.communicate(timeout=HANGING)
    assert (running.returncode, said) == (CODES[number], f"{WORDS[number]}\n")
    wait_until_ended(below)
    assert not list((heavy / "tmp").glob("netdsl*"))
    assert not list(heavy.glob(".*")) + list(heavy.glob("v.onnx*"))


def test_a_signal_ends_a_drawing(heavy: Path) -> None:
    """The program `dot` ends too, to which only the terminal would send the signal."""
    running = start(["draw", "tiny.net", "-o", "t.svg"], heavy)
    while len(children(running.pid)) < 2:
        time.sleep(0.02)
    below = children(running.pid)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=HANGING)
    assert (running.returncode, said) == (130, "interrupted\n")
    wait_until_ended(below)
    assert not (heavy / "t.svg").exists()


def test_a_drawing_that_is_killed_leaves_no_process(heavy: Path) -> None:
    """`SIGKILL` ends the process that draws before it can end `dot`."""
    running = start(["draw", "tiny.net", "-o", "t.svg"], heavy)
    while len(children(running.pid)) < 2:
        time.sleep(0.02)
    below = children(running.pid)
    os.kill(below[0], signal.SIGKILL)
    _, said = running.communicate(timeout=HANGING)
    assert running.returncode == 1
    assert said.startswith("error[killed]: the system ended the process with SIGKILL\n")
    wait_until_ended(below)


def test_the_worker_ends_with_its_parent(heavy: Path) -> None:
    """A parent that is killed leaves no process that goes on computing."""
    running = start(["run", "heavy.onnx", "heavy.npy"], heavy)
    wait_until_busy(running, 3.0)
    (worker,) = children(running.pid)
    running.kill()
    running.communicate(timeout=HANGING)  # the worker would keep the pipes open
    wait_until_ended([worker])


def test_an_ignored_signal_stays_ignored(heavy: Path) -> None:
    """As a shell that starts a command in the background and `nohup` want it."""
    command = f"trap '' INT HUP; exec {sys.executable} -m netdsl verify tiny.net"
    running = subprocess.Popen(
        ["bash", "-c", command],
        cwd=heavy,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_busy(running, 0.5)
    os.killpg(running.pid, signal.SIGINT)
    os.killpg(running.pid, signal.SIGHUP)
    out, said = running.communicate(timeout=300)
    assert (running.returncode, said) == (0, "")
    assert "values compared" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_saves_first(number: signal.Signals, heavy: Path) -> None:
    """Weights, log, checkpoint and curves are there, and the run goes on from them."""
    arguments = ["train", "lenet5", "--out", "t", "--set", "train.epochs=1000"]
    running = start(arguments, heavy)
    while not (heavy / "t" / "checkpoint.safetensors").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    os.killpg(running.pid, number)
    _, said = running.communicate(timeout=HANGING)
    assert (running.returncode, said.splitlines()[-1]) == (CODES[number], WORDS[number])
    names = {p.name for p in (heavy / "t").iterdir()}
    assert names == {"checkpoint.safetensors", "weights.safetensors", "log.jsonl", "curves.png"}
    done = len((heavy / "t" / "log.jsonl").read_text().splitlines())
    more = [*arguments[:-1], f"train.epochs={done + 1}", "--resume"]
    resumed = start(more, heavy)
    assert resumed.communicate(timeout=300)[1] == ""
    assert len((heavy / "t" / "log.jsonl").read_text().splitlines()) == done + 1


SENDER = """
import os, sys
number, module = os.environ["TEST_SIGNAL"].split()
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Sender())
"""
STARTS = {
    "script": ["-c", "import sys; from netdsl.__main__ import main; sys.exit(main())"],
    "module": ["-m", "netdsl"],
}
EARLY = [
    *("netdsl.process.stops", "netdsl.errors", "netdsl.cli", "argparse", "netdsl.version"),
    *("netdsl.analysis.figures", "netdsl.commands.check", "netdsl.elaborate.infer"),
]


def _signalled(start: list[str], number: int, module: str, folder: Path) -> tuple[int, str]:
    """The exit code and messages of Python that gets a signal while it imports a module."""
    (folder / "sitecustomize.py").write_text(SENDER)
    paths = [str(folder), str(Path(__file__).parent.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment["TEST_SIGNAL"] = f"{int(number)} {module}"
    done = subprocess.run(
        [sys.executable, *start], check=False, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("module", EARLY)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("number", CODES)
def test_a_signal_during_imports(
    number: signal.Signals, start: str, module: str, tmp_path: Path
) -> None:
    """A signal while the first modules are imported ends the command, without a traceback."""
    code, said = _signalled([*STARTS[start], "check", "lenet5"], number, module, tmp_path)
    if number == signal.SIGTERM and code == -signal.SIGTERM:  # no handler yet: the system's own way
        assert said == ""
    else:
        assert (code, said) == (CODES[number], f"{WORDS[number]}\n")


def test_the_package_imports_nothing() -> None:
    """`import netdsl` loads no other module, so that the command soon reaches its own handler."""
    code = "import sys; before = {*sys.modules}; import netdsl; print({*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "{'netdsl'}\n"


def test_the_package_installs_no_handler() -> None:
    """`import netdsl` in a user's program leaves Control-C as it is."""
    code = (
        "import signal; before = [signal.getsignal(n) for n in (2, 15)]; import netdsl;"
        " netdsl.loads('net N {\\n input x: 3\\n relu\\n}');"
        " assert before == [signal.getsignal(n) for n in (2, 15)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
