"""The outputs of `netdsl run`: each file's own, on the right stream, under unique names."""

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
    named = [(name, *OUTPUTS[kind]) for name, kind in zip(names or kinds, kinds, strict=True)]
    nodes = [
        helper.make_node(operator, ["x"], [name], **arguments)
        for name, operator, _, _, arguments in named
    ]
    outputs = [
        helper.make_tensor_value_info(name, element, shape) for name, _, element, shape, _ in named
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
    """Three files in one call give the same lines as in three calls.

    This is so whether or not an output has one row for each sample.
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
    """An output with three rows that are not samples is not split among three samples."""
    model("m.onnx", kind)
    for i in range(3):
        np.save(f"s{i}.npy", VALUES[i])
    alone = [run_command(capsys, "run", "m.onnx", f"s{i}.npy")[0] for i in range(3)]
    assert run_command(capsys, "run", "m.onnx", "s0.npy", "s1.npy", "s2.npy")[0] == "".join(alone)


def test_a_fixed_batch_whose_outputs_have_no_rows(
    arrays_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model for one sample runs once for each sample; a model for three takes exactly three.

    The samples cannot be padded to three, since the output mixes them.
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
    """Each sample has a line; an output of the whole file is repeated in the line of each."""
    model("m.onnx", "rows", "sum")
    records = [
        json.loads(line)
        for line in run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "--json", "--top", "1")[
            0
        ].splitlines()
    ]
    assert [(m["input"], m["sample"]) for m in records] == [
        ("a.npy", 0),
        ("a.npy", 1),
        ("a.npy", 2),
        ("b.npy", 0),
        ("b.npy", 1),
    ]
    assert [m["outputs"]["sum"]["min"] for m in records] == pytest.approx(
        [VALUES[:3].sum()] * 3 + [VALUES[3:5].sum()] * 2, rel=1e-4
    )
    assert [m["outputs"]["rows"][0]["class"] for m in records] == VALUES[:5].reshape(5, 12).argmax(
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
    """Names of numpy's own parameters and names with a slash are possible."""
    model("m.onnx", "rows", names=(name,))
    run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "-o", "out.npz")
    arrays = np.load("out.npz")
    assert sorted(arrays.files) == sorted([name, "inputs"])
    np.testing.assert_array_equal(arrays[name], VALUES[:5].reshape(5, 12))


def test_names_that_are_taken(arrays_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outputs whose names are already taken in the file are renamed, and a note names them.

    One is called `inputs`, another has the name of a piece of a third.
    """
    model("m.onnx", "rows", "sum", "rows", names=("inputs", "y", "y_0"))
    err = run_command(capsys, "run", "m.onnx", "a.npy", "b.npy", "-o", "out.npz")[1]
    arrays = np.load("out.npz")
    assert arrays["inputs"].tolist() == ["a.npy"] * 3 + ["b.npy"] * 2
    np.testing.assert_array_equal(arrays["inputs_"], VALUES[:5].reshape(5, 12))
    np.testing.assert_array_equal(arrays["y_0_"], arrays["inputs_"])
    assert arrays["y_0"] == pytest.approx(VALUES[:3].sum(), rel=1e-4)
    assert "note: the output `inputs` is called `inputs_` in out.npz" in err


# ---- streams


COMMAND = [sys.executable, "-m", "netdsl", "run", "m.onnx"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_results_go_to_standard_output_and_the_bar_to_a_terminal(arrays_folder: Path) -> None:
    """Lines in a file are whole, whatever the width of the terminal that shows the bar.

    If both streams are the same terminal, there is no bar.
    """
    model("m.onnx", "rows")

    def on_terminal(*options: str, together: bool) -> tuple[str, str]:
        terminal, program_end = os.openpty()
        with open("out.txt", "wb") as file:
            environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40"}
            process = subprocess.Popen(
                [*COMMAND, "a.npy", "b.npy", *options],
                stdout=program_end if together else file,
                stderr=program_end,
                env=environment,
            )
        os.close(program_end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # Linux raises this when the other end is closed
            pass
        os.close(terminal)
        assert process.wait() == 0
        return (arrays_folder / "out.txt").read_text(), shown.decode()

    written, shown = on_terminal("--json", together=False)
    assert [json.loads(line)["input"] for line in written.splitlines()] == ["a.npy"] * 3 + [
        "b.npy"
    ] * 2
    assert "running" in shown
    assert "sample" not in shown
    assert "running" not in on_terminal(together=True)[1]


def test_the_file_is_written_although_the_pipe_is_closed(arrays_folder: Path) -> None:
    """If nobody reads standard output, the file and the exit code are the same as otherwise."""
    model("m.onnx", "rows")
    reading_end, writing_end = os.pipe()
    os.close(reading_end)
    process = subprocess.run(
        [*COMMAND, "no.npy", "a.npy", "b.npy", "--batch", "3", "-o", "out.npz"],
        stdout=writing_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == 1, process.stderr
    assert "error[file-not-found]" in process.stderr
    assert np.load("out.npz")["rows"].shape == (5, 12)
    assert (
        subprocess.run(
            [*COMMAND, "no.npy", "a.npy", "b.npy", "--batch", "3"],
            stdout=writing_end,
            stderr=subprocess.PIPE,
            check=False,
        ).returncode
        == 1
    )
    os.close(writing_end)
