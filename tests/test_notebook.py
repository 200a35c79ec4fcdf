"""`%%netdsl`: a cell of a notebook is compiled, its errors are shown, its nets become variables."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import netdsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[str], Any]

interactiveshell: Any = pytest.importorskip(
    "IPython.core.interactiveshell", reason="needs the extra `dev`"
)
config: Any = pytest.importorskip("traitlets.config", reason="needs the extra `dev`")


@pytest.fixture
def shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell without history, in an empty folder, that has loaded the extension."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # the shell replaces it
    settings = config.Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    made = interactiveshell.InteractiveShell(config=settings)
    assert made.run_cell("%load_ext netdsl").success
    yield made
    made.reset()


@pytest.fixture
def run(shell: Any) -> Run:
    """Runs a cell, which must succeed, and returns its result."""

    def run_cell(text: str) -> Any:
        done = shell.run_cell(text)
        assert done.success
        return done.result

    return run_cell


ONE = "%%netdsl\nnet One {\n    input x: 4\n    dense(3)\n    expect params == 15\n}\n"


def test_a_net_becomes_a_variable(run: Run, shell: Any) -> None:
    """The result of the cell is the net, which is bound to its name."""
    net = run(ONE)
    assert isinstance(net, netdsl.Net)
    assert net is shell.user_ns["One"]
    assert 15 == run("One.params")
    assert "<svg" in net._repr_html_()
    assert "folded to depth 2" in netdsl.load("resnet:ResNet50")._repr_html_()


def test_several_nets(run: Run, shell: Any) -> None:
    """Each net becomes a variable, and the result is their list; blocks do not."""
    nets = run(
        "%%netdsl\nnet A { input x: 4\n part(3) }\nnet B { input x: 4\n part(5) }\n"
        "block part(n) { dense(n) }"
    )
    assert ["A", "B"] == [net.name for net in nets]
    assert (15, 25) == (shell.user_ns["A"].params, shell.user_ns["B"].params)
    assert "part" not in shell.user_ns


def test_options(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """Parameters, sizes and silence are asked for as on the command line."""
    text = "net P(n, k = 3) { input x: 3xHxW\n conv(n, k) }"
    net = run(f"%%netdsl -D n=4 -D 'k = [1, 3]' --input x=3x8x8 -q\n{text}")
    assert net is None
    assert 4 * 9 * 8 * 6 == run("P.macs")
    run("size = 7")
    run(f"%%netdsl -D n={{size}}\n{text}")
    assert "[output: 7x(H-2)x(W-2) float32]" == run("repr(P.outputs)")
    assert "" == capfd.readouterr().err


def test_errors_have_carets_and_no_traceback(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Every error of the cell is shown, with the lines of the cell, and no variable changes."""
    shell.run_cell(ONE)
    capfd.readouterr()
    done = shell.run_cell(
        "%%netdsl\nnet One {\n    input x: 4\n    dens(3)\n}\n"
        "net Two {\n    input x: 4\n    conv(3, 3)\n}"
    )
    assert not done.success
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert "error[unknown-layer]: there is no layer or block `dens`\n --> <cell>:4:5\n" in out + err
    assert "4 |     dens(3)\n  |     ^^^^\n" in out + err
    assert "error[wrong-rank]" in out + err
    assert 15 == shell.user_ns["One"].params
    assert "Two" not in shell.user_ns


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%netdsl\nnet {", "syntax-error"),
        ("%%netdsl\nblock b() { relu }", "no-net"),
        ("%%netdsl\nnet A(n) { input x: 4\n dense(n) }", "net `A` needs `n`"),
        (ONE.replace("15", "16"), "`params` is 15, expected 16"),
        ("%%netdsl -D m=3\nnet A { input x: 4\n relu }", "has no parameter `m`"),
        ("%%netdsl --input y=4\nnet A { input x: D\n relu }", "has no input `y`"),
        ('%%netdsl\nimport "none.net"\nnet A { input x: 4\n relu }', "there is no file `none.net`"),
        ("%%netdsl -D n\nnet A", "-D: it takes NAME=VALUE, found `n`"),
        ("%%netdsl --input 3xy\nnet A", "--input: it takes NAME=SIZES such as image=3x224x224"),
        ("%%netdsl --loud\nnet A", "unrecognized arguments: --loud"),
        ('%%netdsl -D "n\nnet A', "no closing quotation"),
    ],
)
def test_wrong_cells(
    shell: Any, capfd: pytest.CaptureFixture[str], cell: str, message: str
) -> None:
    """A wrong text, option or expectation fails the cell with a message."""
    assert not shell.run_cell(cell).success
    shown = "".join(capfd.readouterr())
    assert message in shown
    assert "Traceback" not in shown


def test_warnings_are_shown(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """A warning is shown with its place, and the net becomes a variable all the same."""
    run("%%netdsl\nnet A {\n    input x: 4\n    dense(3) -> relu -> relu\n}")
    err = capfd.readouterr().err
    assert "warning[double-activation]" in err
    assert "<cell>:4" in err
    assert 15 == run("A.params")


def test_imports(run: Run, folder: Path) -> None:
    """A cell can import files from the folder of the notebook, and the library."""
    (folder / "part.net").write_text("block part() { dense(3) }")
    run(
        '%%netdsl -q\nimport "part.net"\nimport resnet\nnet A { input x: 4\n part }\n'
        "net B = ResNet(basicblock, [1, 1, 1, 1])"
    )
    assert 15 == run("A.params")


def test_the_help_has_the_options(shell: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """`%%netdsl?` explains the options."""
    magic = shell.find_cell_magic("netdsl")
    assert "--input NAME=SIZES" in magic.__doc__


def test_ipython_is_imported_only_by_the_extension() -> None:
    """The API works without IPython."""
    code = "import sys, netdsl; netdsl.load('lenet5')._repr_html_(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "netdsl.api_net" in done.stdout.split()
    assert not {"IPython", "netdsl.notebook"} & set(done.stdout.split())
