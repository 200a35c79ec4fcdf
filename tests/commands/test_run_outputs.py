"""Where the outputs of `netdsl run` go: to the right stream, to each file its own, under names that
clash with nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.commands import run_command

if TYPE_CHECKING:
    from pathlib import Path

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
VALUES = np.random.default_rng(0).standard_normal((7, 3, 4), dtype=np.float32)
OUTPUTS: dict[str, tuple[str, int, list[Any], dict[str, Any]]] = {
    "sum": ("ReduceSum", FLOAT, [], {"keepdims": 0}),
    "kept": ("ReduceSum", FLOAT, [1, 1, 1], {"keepdims": 1}),
    "first": ("Transpose", FLOAT, [3, "N", 4], {"perm": [1, 0, 2]}),
    "places": ("NonZero", INT64, [3, "K"], {}),
    "shape": ("Shape", INT64, [3], {}),
    "rows": ("Flatten", FLOAT, ["N", 12], {}),
    "other": ("Flatten", FLOAT, ["M", 12], {}),
}


def model(path: str, *kinds: str, names: tuple[str, ...] = (), batch: int | str = "N") -> None:
    made = [(name, *OUTPUTS[kind]) for name, kind in zip(names or kinds, kinds, strict=True)]
    nodes = [
        helper.make_node(operator, ["x"], [name], **arguments)
        for name, operator, _, _, arguments in made
    ]
    outputs = [
        helper.make_tensor_value_info(name, element, shape) for name, _, element, shape, _ in made
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", FLOAT, [batch, 3, 4])], outputs
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )


@pytest.fixture
def arrays_folder(folder: Path) -> Path:
    """A folder with three files of inputs."""
    for name, rows in (("a", VALUES[:3]), ("b", VALUES[3:5]), ("c", VALUES[5:])):
        np.save(f"{name}.npy", rows)
    return folder


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("batch", [(), ("--batch", "2"), ("--batch", "3")])
def test_each_file_has_its_own_outputs(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str], kind: str, batch: tuple[str, ...]
) -> None:
    """Whether or not an output has a row for each sample: what three files give together is what
    each gives alone.
    """
    model("m.onnx", kind)
    alone = [run_command(capsys, "run", "m.onnx", f"{name}.npy")[0] for name in "abc"]
    assert run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "c.npy", *batch)[0] == "".join(
        alone
    )
    assert len({line.split(":", 1)[-1] for line in alone}) == 3 or kind in {"places", "shape"}


@pytest.mark.parametrize("kind", ["first", "shape"])
def test_as_many_rows_as_samples_by_chance(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Three samples, and an output with three rows that are not theirs."""
    model("m.onnx", kind)
    for i in range(3):
        np.save(f"s{i}.npy", VALUES[i])
    alone = [run_command(capsys, "run", "m.onnx", f"s{i}.npy")[0] for i in range(3)]
    assert run_command(capsys, "run", "m.onnx", "s0.npy", "s1.npy", "s2.npy")[0] == "".join(alone)


def test_a_fixed_batch_whose_outputs_have_no_rows(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model for one sample runs once for each; one for three takes three, and nothing is filled
    up.
    """
    model("one.onnx", "sum", batch=1)
    run_command(capsys, "run", "one.onnx", "a.npy", "-o", "out.npz")
    np.testing.assert_allclose(np.load("out.npz")["sum"], VALUES[:3].sum((1, 2)), rtol=1e-4)
    model("three.onnx", "sum", batch=3)
    out, err = run_command(capsys, "run", "three.onnx", "a.npy", "b.npy", code=1)
    assert out.startswith("a.npy: scalar float32")
    assert "error[wrong-shape]: three.onnx takes 3 samples at once, not 2" in err


def test_json_of_an_output_without_rows(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each sample; what they have together stands in each."""
    model("m.onnx", "rows", "sum")
    made = [
        json.loads(line)
        for line in run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "--json", "--top", "1")[
            0
        ].splitlines()
    ]
    assert [(m["input"], m["sample"]) for m in made] == [
        ("a.npy", 0),
        ("a.npy", 1),
        ("a.npy", 2),
        ("b.npy", 0),
        ("b.npy", 1),
    ]
    assert [m["outputs"]["sum"]["min"] for m in made] == pytest.approx(
        [VALUES[:3].sum()] * 3 + [VALUES[3:5].sum()] * 2, rel=1e-4
    )
    assert [m["outputs"]["rows"][0]["class"] for m in made] == VALUES[:5].reshape(5, 12).argmax(
        1
    ).tolist()


def test_outputs_of_text(arrays_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING)],
        "g",
        [helper.make_tensor_value_info("x", INT64, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, ["N", 2])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        "m.onnx",
    )
    np.save("n.npy", np.arange(2)[None])
    assert (
        run_command(capsys, "run", "m.onnx", "n.npy", "-o", "out.npz")[0]
        == "n.npy: 1x2 object: 0, 1\n"
    )
    assert np.load("out.npz")["y"].tolist() == [["0", "1"]]
    assert json.loads(run_command(capsys, "run", "m.onnx", "n.npy", "--json")[0])["outputs"][
        "y"
    ] == {"shape": [2], "dtype": "object"}


@pytest.mark.parametrize("name", ["file", "args", "kwds", "allow_pickle", "self", "a/b"])
def test_an_output_may_have_any_name(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Those of numpy's own parameters among them."""
    model("m.onnx", "rows", names=(name,))
    run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "-o", "out.npz")
    made = np.load("out.npz")
    assert sorted(made.files) == sorted([name, "inputs"])
    np.testing.assert_array_equal(made[name], VALUES[:5].reshape(5, 12))


def test_names_that_are_taken(arrays_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output called `inputs`, and one that has the name of another's piece: both stay, and it is
    said which.
    """
    model("m.onnx", "rows", "sum", "rows", names=("inputs", "y", "y_0"))
    err = run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "-o", "out.npz")[1]
    made = np.load("out.npz")
    assert made["inputs"].tolist() == ["a.npy"] * 3 + ["b.npy"] * 2
    np.testing.assert_array_equal(made["inputs_"], VALUES[:5].reshape(5, 12))
    np.testing.assert_array_equal(made["y_0_"], made["inputs_"])
    assert made["y_0"] == pytest.approx(VALUES[:3].sum(), rel=1e-4)
    assert "note: the output `inputs` is called `inputs_` in out.npz" in err


# ---- streams


COMMAND = [sys.executable, "-m", "netdsl", "run", "m.onnx"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_results_go_to_standard_output_where_the_bar_is_on_a_terminal(arrays_folder: Path) -> None:
    """Whole lines in the file, whatever the width of the terminal that shows the bar; on one
    terminal lines alone.
    """
    model("m.onnx", "rows")

    def on_terminal(*options: str, together: bool) -> tuple[str, str]:
        ours, theirs = os.openpty()
        with open("out.txt", "wb") as file:
            environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40"}
            process = subprocess.Popen(
                [*COMMAND, "a.npy", "b.npy", *options],
                stdout=theirs if together else file,
                stderr=theirs,
                env=environment,
            )
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux says so that the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0
        return (arrays_folder / "out.txt").read_text(), shown.decode()

    written, shown = on_terminal("--json", together=False)
    assert [json.loads(line)["input"] for line in written.splitlines()] == ["a.npy"] * 3 + [
        "b.npy"
    ] * 2
    assert "running" in shown
    assert "sample" not in shown
    assert "running" not in on_terminal(together=True)[1]


def test_the_file_is_written_where_nobody_reads_the_lines(arrays_folder: Path) -> None:
    """A closed pipe takes neither the outputs nor the exit code along."""
    model("m.onnx", "rows")
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*COMMAND, "no.npy", "a.npy", "b.npy", "--batch", "3", "-o", "out.npz"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "error[file-not-found]" in done.stderr
    assert np.load("out.npz")["rows"].shape == (5, 12)
    assert (
        subprocess.run(
            [*COMMAND, "no.npy", "a.npy", "b.npy", "--batch", "3"],
            stdout=theirs,
            stderr=subprocess.PIPE,
            check=False,
        ).returncode
        == 1
    )
    os.close(theirs)
