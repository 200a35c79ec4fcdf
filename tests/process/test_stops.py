"""Control-C and `kill` end every command promptly with 130 or 143; `train` saves first."""

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

from netdsl.cli import run
from tests.support.paths import ROOT
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
HANGING = 60.0  # seconds after which a test assumes that a process does not end
ENDING = 10.0  # seconds in which a killed process must end; the work in `heavy` takes longer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a parent watches")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let commands receive SIGINT even if the tests run in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def heavy(model_folder: Path) -> Path:
    """A folder with minutes of work: a model with products, a huge net, and an endless `dot`."""
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
    """Start a command in its own process group."""
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


def descendants(process: int) -> list[int]:
    """The descendants of a process."""
    try:
        own = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):  # it ended after its parent listed it
        return []
    return [int(p) for p in own] + [q for p in own for q in descendants(int(p))]


def is_running(process: int) -> bool:
    """Whether a process has not ended; a zombie (`Z`) has."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_ended(processes: list[int]) -> None:
    """Wait until processes have ended, which may take longer than the end of their parent."""
    deadline = time.monotonic() + ENDING
    while left := [p for p in processes if is_running(p)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def processor_time(process: int) -> float:
    """The processor time in seconds that a process and its descendants have used."""
    ticks = 0
    for number in (process, *descendants(process)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2]
            ticks += sum(int(f) for f in fields.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def wait_until_busy(running: subprocess.Popen[str], seconds: float) -> None:
    """Wait until a command has used a given processor time; it must still be running then."""
    while processor_time(running.pid) < seconds and running.poll() is None:
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


# Quick tests send each command one of the signals.
@pytest.mark.parametrize(
    ("case", "number", "group"),
    [
        pytest.param(case, number, group, marks=[pytest.mark.slow] * (i % 2 != j))
        for i, case in enumerate(COMMANDS)
        for j, (number, group) in enumerate([(signal.SIGINT, True), (signal.SIGTERM, False)])
    ],
)
def test_a_signal_ends_a_command(
    case: str, number: signal.Signals, group: bool, heavy: Path
) -> None:
    """A signal ends a command, whether it is sent to the process or to its whole group.

    A terminal sends it to the group. The command leaves no process and no temporary file.
    """
    arguments, seconds = COMMANDS[case]
    running = start(arguments, heavy)
    wait_until_busy(running, seconds)
    while case == "export" and not list(heavy.glob(".*")):  # until it begins to write
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    below = descendants(running.pid)
    (os.killpg if group else os.kill)(running.pid, number)
    _, message = running.communicate(timeout=HANGING)
    assert (running.returncode, message) == (CODES[number], f"{WORDS[number]}\n")
    wait_until_ended(below)
    assert not list((heavy / "tmp").glob("netdsl*"))
    assert not list(heavy.glob(".*")) + list(heavy.glob("v.onnx*"))


def test_a_signal_ends_a_drawing(heavy: Path) -> None:
    """A signal to the command also ends its child `dot`, which does not get the signal itself."""
    running = start(["draw", "tiny.net", "-o", "t.svg", "--program", "dot"], heavy)
    while len(descendants(running.pid)) < 2:
        time.sleep(0.02)
    below = descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, message = running.communicate(timeout=HANGING)
    assert (running.returncode, message) == (130, "interrupted\n")
    wait_until_ended(below)
    assert not (heavy / "t.svg").exists()


def test_a_drawing_that_is_killed_leaves_no_process(heavy: Path) -> None:
    """`dot` ends even if its parent gets `SIGKILL` and so cannot end it."""
    running = start(["draw", "tiny.net", "-o", "t.svg", "--program", "dot"], heavy)
    while len(descendants(running.pid)) < 2:
        time.sleep(0.02)
    below = descendants(running.pid)
    os.kill(below[0], signal.SIGKILL)
    _, message = running.communicate(timeout=HANGING)
    assert running.returncode == 1
    assert message.startswith("error[killed]: the system ended the process with SIGKILL\n")
    wait_until_ended(below)


def test_the_worker_ends_with_its_parent(heavy: Path) -> None:
    """If the parent is killed, the worker ends too."""
    running = start(["run", "heavy.onnx", "heavy.npy"], heavy)
    wait_until_busy(running, 3.0)
    (worker,) = descendants(running.pid)
    running.kill()
    running.communicate(timeout=HANGING)  # returns when the worker closes the pipes
    wait_until_ended([worker])


def test_an_ignored_signal_stays_ignored(heavy: Path) -> None:
    """A command keeps ignoring signals that its parent ignores, as a shell and `nohup` expect."""
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
    out, message = running.communicate(timeout=300)
    assert (running.returncode, message) == (0, "")
    assert "values compared" in out


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_training_saves_first(
    number: signal.Signals, heavy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal during training writes weights, checkpoint and reports; `--resume` continues."""
    data = "fashion_mnist_sample(pad = 2, limit = 100)"
    arguments = ["train", "lenet5", "--out", "t", "--data", data, "--set", "train.epochs=1000"]
    running = start(arguments, heavy)
    while not (heavy / "t" / "checkpoint.safetensors").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    os.killpg(running.pid, number)
    _, message = running.communicate(timeout=HANGING)
    assert (running.returncode, message.splitlines()[-1]) == (CODES[number], WORDS[number])
    names = {p.name for p in (heavy / "t").iterdir()} - {".lock"}
    assert names == {
        *("checkpoint.safetensors", "weights.safetensors", "log.jsonl", "curves.png"),
        *("confusion.csv", "net.net", "report.html", "run.json"),
    }
    epochs = len((heavy / "t" / "log.jsonl").read_text().splitlines())
    more = [*arguments[:-1], f"train.epochs={epochs + 1}", "--resume", "--allow-changes"]
    assert run(more) == 0  # in this process, which has imported PyTorch
    assert capsys.readouterr().err == ""
    assert len((heavy / "t" / "log.jsonl").read_text().splitlines()) == epochs + 1


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
    """The exit code and messages of a process that gets a signal while it imports a module."""
    (folder / "sitecustomize.py").write_text(SENDER)
    paths = [str(folder), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment["TEST_SIGNAL"] = f"{int(number)} {module}"
    process = subprocess.run(
        [sys.executable, *start], check=False, env=environment, capture_output=True, text=True
    )
    return process.returncode, process.stderr


@pytest.mark.parametrize("module", EARLY)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("number", CODES)
def test_a_signal_during_imports(
    number: signal.Signals, start: str, module: str, tmp_path: Path
) -> None:
    """A signal while the first modules are imported ends the command, without a traceback."""
    code, message = _signalled([*STARTS[start], "check", "lenet5"], number, module, tmp_path)
    if number == signal.SIGTERM and code == -signal.SIGTERM:  # no handler is installed yet
        assert message == ""
    else:
        assert (code, message) == (CODES[number], f"{WORDS[number]}\n")


def test_the_package_imports_nothing() -> None:
    """`import netdsl` loads no other module, so the command can install its handler early."""
    code = "import sys; before = {*sys.modules}; import netdsl; print({*sys.modules} - before)"
    process = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert process.stdout == "{'netdsl'}\n"


def test_the_package_installs_no_handler() -> None:
    """netdsl does not change how a user's program handles Control-C."""
    code = (
        "import signal; before = [signal.getsignal(n) for n in (2, 15)]; import netdsl;"
        " netdsl.loads('net N {\\n input x: 3\\n relu\\n}');"
        " assert before == [signal.getsignal(n) for n in (2, 15)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
