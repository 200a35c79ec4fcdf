"""`netdsl run`: what it prints for pictures and arrays, and its errors for bad files."""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save_file

import netdsl
from netdsl.cli import run
from netdsl.commands.run import as_probabilities, top_lines
from netdsl.runtime.images import load_input
from netdsl.runtime.session import open_session
from tests.support.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NET = "net Tiny {\n input image: 1x4x4\n flatten\n output y: dense(3)\n}"
COLOUR = "net Tiny {\n input image: 3xHxW\n output map: conv(2, 1)\n}"


def with_metadata(source: str, target: str, **entries: object) -> None:
    model = onnx.load(source)
    helper.set_model_props(
        model,
        {f"netdsl.{k}": v if isinstance(v, str) else json.dumps(v) for k, v in entries.items()},
    )
    onnx.save(model, target)


# ---- what is printed


def test_top_classes_are_those_of_onnxruntime(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = run_command(capsys, "run", "m.onnx", "one.npy")
    scores = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"]).run(
        None, {"image": np.ones((1, 1, 4, 4), np.float32)}
    )[0][0]
    raised = np.exp(scores) / np.exp(scores).sum()
    expected = [f"  {100 * raised[k]:6.2f} %  {k}" for k in np.argsort(-raised)]
    assert out.splitlines() == ["one.npy", *expected]
    assert len(run_command(capsys, "run", "m.onnx", "one.npy", "--top", "2")[0].splitlines()) == 3


def test_lines_are_aligned() -> None:
    lines = top_lines(np.array([0.0] * 10 + [9.0]), [f"name {i}" for i in range(11)], 2)
    assert lines == ["   99.88 %  10  name 10", "    0.01 %   0  name 0"]


def test_softmax_unless_the_outputs_sum_to_one() -> None:
    assert as_probabilities(np.array([0.25, 0.75])).tolist() == [0.25, 0.75]
    assert as_probabilities(np.array([1000.0, 1000.0])).tolist() == [0.5, 0.5]
    assert as_probabilities(np.array([-0.5, 1.5])).sum() == pytest.approx(1)


def test_names_come_from_the_file_or_the_metadata(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_metadata("m.onnx", "named.onnx", classes=["cat", "dog\x1b[2J", "hen"])
    out, _ = run_command(capsys, "run", "named.onnx", "one.npy")
    assert "cat" in out
    assert "\x1b" not in out
    (model_folder / "names.txt").write_text("Katze\nHund\nHuhn\n")
    out, _ = run_command(capsys, "run", "named.onnx", "one.npy", "--labels", "names.txt")
    assert "Katze" in out
    assert "cat" not in out


def test_a_batch_has_a_paragraph_for_each_sample(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("many.npy", np.random.default_rng(0).random((130, 1, 4, 4), dtype=np.float32))
    out, _ = run_command(capsys, "run", "m.onnx", "many.npy", "--top", "1")
    assert out.startswith("many.npy[0]\n")
    assert out.endswith("... and 30 more samples\n")


def test_a_model_for_one_sample_gets_them_one_by_one(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load("m.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, "single.onnx")
    np.save("many.npy", np.random.default_rng(0).random((3, 1, 4, 4), dtype=np.float32))
    assert (
        run_command(capsys, "run", "single.onnx", "many.npy")[0]
        == run_command(capsys, "run", "m.onnx", "many.npy")[0]
    )


def test_an_output_without_classes_is_summed_up(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    out, _ = run_command(capsys, "run", "map.onnx", "ok.png")
    assert out.startswith("ok.png: 1x2x8x6 float32, from ")


# ---- pictures


def test_a_picture_is_converted_to_the_channels_and_size_of_the_input(model_folder: Path) -> None:
    array = load_input(model_folder / "ok.png", open_session(model_folder / "m.onnx"))
    np.testing.assert_allclose(array, np.full((1, 1, 4, 4), 0.2), rtol=1e-6)
    assert array.dtype == np.float32


def test_an_open_size_is_that_of_the_picture(model_folder: Path) -> None:
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    assert load_input(model_folder / "ok.png", open_session(model_folder / "map.onnx")).shape == (
        1,
        3,
        8,
        6,
    )


def test_a_picture_is_normalised_with_the_metadata(model_folder: Path) -> None:
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    with_metadata("map.onnx", "scaled.onnx", mean=[0.2, 0.1, 0.0], std=[0.5, 0.5, 0.1])
    array = load_input(model_folder / "ok.png", open_session(model_folder / "scaled.onnx"))
    np.testing.assert_allclose(array[0, :, 0, 0], [0, 0.2, 2], atol=1e-6)


def test_sixteen_bit_grey_keeps_its_range(model_folder: Path) -> None:
    Image.fromarray(np.full((4, 4), 13107, np.uint16)).save("deep.png")
    array = load_input(model_folder / "deep.png", open_session(model_folder / "m.onnx"))
    np.testing.assert_allclose(array, np.full((1, 1, 4, 4), 0.2), rtol=1e-6)


def test_a_turned_photo_is_turned_back(model_folder: Path) -> None:
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("ok.png").save("turned.jpg", exif=exif)
    assert load_input(
        model_folder / "turned.jpg", open_session(model_folder / "map.onnx")
    ).shape == (1, 3, 6, 8)


@pytest.mark.parametrize(
    "entries",
    [
        {"mean": "[0.5"},
        {"mean": "7"},
        {"mean": [0.1, 0.2]},
        {"mean": ["x"]},
        {"std": [0]},
        {"std": "[NaN]"},
        {"mean": "[" * 100000},
    ],
)
def test_bad_metadata_is_named(
    model_folder: Path, capsys: pytest.CaptureFixture[str], entries: dict[str, object]
) -> None:
    with_metadata("m.onnx", "bad.onnx", **entries)
    assert "bad-metadata" in run_command(capsys, "run", "bad.onnx", "ok.png", code=1)[1]


def bomb() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


BAD_PICTURES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "text": (lambda good: b"this is text", "bad-picture"),
    "empty": (lambda good: b"", "bad-picture"),
    "cut": (lambda good: good[:48], "bad-picture"),
    "head": (lambda good: good[:20], "bad-picture"),
    "broken": (lambda good: good[:40] + b"\xff" * 12 + good[52:], "bad-picture"),
    "bomb": (lambda good: bomb(), "picture-too-large"),
}


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_bad_picture_is_named_and_the_others_run(
    model_folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    spoil, code = BAD_PICTURES[kind]
    (model_folder / "bad.png").write_bytes(spoil((model_folder / "ok.png").read_bytes()))
    out, err = run_command(capsys, "run", "m.onnx", "ok.png", "bad.png", "one.npy", code=1)
    assert f"error[{code}]: bad.png" in err
    assert err.count("error[") == 1
    assert "ok.png\n" in out
    assert "one.npy\n" in out


# ---- arrays


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((4, 4), np.float32), "wrong-shape"),
        (np.zeros((1, 5, 4), np.float32), "wrong-shape"),
        (np.zeros((0, 1, 4, 4), np.float32), "wrong-shape"),
        (np.float32(1), "wrong-shape"),
        (np.zeros((1, 4, 4), np.uint8), "wrong-dtype"),
        (np.zeros((1, 4, 4), complex), "wrong-dtype"),
        (np.full((1, 4, 4), "a"), "wrong-dtype"),
        (np.full((1, 4, 4), np.nan, np.float32), "not-finite"),
    ],
)
def test_a_bad_array_is_named(
    model_folder: Path, capsys: pytest.CaptureFixture[str], array: np.ndarray, code: str
) -> None:
    np.save("bad.npy", array)
    out, err = run_command(capsys, "run", "m.onnx", "bad.npy", "one.npy", code=1)
    assert f"error[{code}]" in err
    assert "bad.npy" in err
    assert out.startswith("one.npy")


def test_an_array_of_objects_is_never_unpickled(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("bad.npy", np.array([{"a": 1}]), allow_pickle=True)
    (model_folder / "cut.npy").write_bytes((model_folder / "one.npy").read_bytes()[:-8])
    (model_folder / "text.npy").write_text("text")
    np.savez("several.npz", a=1)
    (model_folder / "several.npz").rename("several.npy")
    _, err = run_command(
        capsys, "run", "m.onnx", "bad.npy", "cut.npy", "text.npy", "several.npy", code=1
    )
    assert err.count("error[bad-array]") == 4


def test_an_index_out_of_range(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    netdsl.loads(
        "net E {\n input a: 4 int64\n embedding(9, 2) -> flatten\n output y: dense(3)\n}"
    ).save_onnx("e.onnx")
    np.save("ids.npy", np.array([1, 2, 3, 4], np.int32))
    np.save("high.npy", np.array([1, 2, 3, 90]))
    out, err = run_command(capsys, "run", "e.onnx", "ids.npy", "high.npy", "ok.png", code=1)
    assert out.startswith("ids.npy")
    assert "run-failed" in err
    assert "ok.png is a picture" in err


# ---- models


@pytest.mark.parametrize("size", [0, 10, 200, -5])
def test_a_model_that_is_cut_off(
    model_folder: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    (model_folder / "cut.onnx").write_bytes((model_folder / "m.onnx").read_bytes()[:size])
    assert (
        "error[corrupt-model]: cut.onnx"
        in run_command(capsys, "run", "cut.onnx", "one.npy", code=1)[1]
    )


@pytest.mark.parametrize("domain", ["", "my.ops"])
def test_an_unknown_operator_is_named(
    model_folder: Path, capsys: pytest.CaptureFixture[str], domain: str
) -> None:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 3]) for n in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Frobnicate", ["x"], ["y"], domain=domain)], "g", values[:1], values[1:]
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), "odd.onnx")
    assert (
        "Frobnicate`, which onnxruntime does not support"
        in run_command(capsys, "run", "odd.onnx", "one.npy", code=1)[1]
    )


def test_missing_files(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no file no.onnx" in run_command(capsys, "run", "no.onnx", "one.npy", code=1)[1]
    assert "there is no file no.png" in run_command(capsys, "run", "m.onnx", "no.png", code=1)[1]
    assert (
        "no.txt cannot be read"
        in run_command(capsys, "run", "m.onnx", "one.npy", "--labels", "no.txt", code=1)[1]
    )


def test_labels_that_do_not_fit(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model_folder / "two.txt").write_text("a\nb\n")
    assert (
        "labels-mismatch"
        in run_command(capsys, "run", "m.onnx", "one.npy", "--labels", "two.txt", code=1)[1]
    )
    assert (
        "bad-labels"
        in run_command(capsys, "run", "m.onnx", "one.npy", "--labels", "ok.png", code=1)[1]
    )


def test_several_inputs(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    netdsl.loads("net T {\n input a: 4\n input b: 4\n add(@a)\n output y: dense(2)\n}").save_onnx(
        "two.onnx"
    )
    assert "several-inputs" in run_command(capsys, "run", "two.onnx", "one.npy", code=1)[1]


def test_a_net_with_weights(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model_folder / "tiny.net").write_text(NET)
    model = onnx.load("m.onnx")
    save_file(
        {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer},
        "w.safetensors",
        {"classes": '["a", "b", "c"]'},
    )
    out, _ = run_command(capsys, "run", "tiny.net", "one.npy", "--weights", "w.safetensors")
    with_metadata("m.onnx", "named.onnx", classes=["a", "b", "c"])
    assert out == run_command(capsys, "run", "named.onnx", "one.npy")[0]
    np.save("bad.npy", np.full((1, 4, 4), np.inf, np.float32))
    assert (
        "the output of tiny.net"
        in run_command(capsys, "run", "tiny.net", "bad.npy", "--weights", "w.safetensors", code=1)[
            1
        ]
    )
    assert "--weights" in run_command(capsys, "run", "tiny.net", "one.npy", code=2)[1]
    assert (
        "--weights"
        in run_command(capsys, "run", "m.onnx", "one.npy", "--weights", "w.safetensors", code=2)[1]
    )
    assert "--top" in run_command(capsys, "run", "m.onnx", "one.npy", "--top", "0", code=2)[1]


# ---- folders, patterns, several inputs, batches, output files


def test_folders_and_patterns(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder gives its pictures in order, and a pattern gives the files that match it.

    A folder or pattern without files is an error.
    """
    (model_folder / "many" / "empty").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "c.PNG"):
        Image.new("RGB", (5, 5)).save(model_folder / "many" / name)
    (model_folder / "many" / "notes.txt").write_text("no picture")
    Image.new("RGB", (5, 5)).save(model_folder / "many" / "d.tif")
    out, err = run_command(capsys, "run", "m.onnx", "many", "--top", "1")
    assert [line for line in out.splitlines() if "%" not in line] == [
        "many/a.png",
        "many/b.jpg",
        "many/c.PNG",
        "many/d.tif",
    ]
    assert (
        err == "note: skipped 1 of the 5 files in many, which do not have the suffix of a picture\n"
        "note: skipped 1 subfolder of many; -r enters them\n"
    )
    assert run_command(capsys, "run", "m.onnx", "many/?.png", "--top", "1")[0].startswith(
        "many/a.png\n"
    )
    assert (
        "error[no-inputs]: the folder many/empty"
        in run_command(capsys, "run", "m.onnx", "many/empty", code=1)[1]
    )
    out, err = run_command(capsys, "run", "m.onnx", "*.webp", "one.npy", code=1)
    assert "error[no-inputs]" in err
    assert out.startswith("one.npy")


def test_subfolders(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-r` runs the pictures below a folder too, except in hidden folders; without it, a note
    counts the subfolders, or an error suggests it.
    """
    for name in ("a.png", "deep/b.png", "deep/er/c.jpg", ".hidden/d.png", "deep/notes.txt"):
        path = model_folder / "many" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.touch()
        else:
            Image.new("RGB", (5, 5)).save(path)
    out, err = run_command(capsys, "run", "m.onnx", "many", "-r", "--top", "1")
    assert [line for line in out.splitlines() if "%" not in line] == [
        "many/a.png",
        "many/deep/b.png",
        "many/deep/er/c.jpg",
    ]
    assert "skipped 1 of the 4 files in many" in err
    assert "subfolder" not in err
    out, err = run_command(capsys, "run", "m.onnx", "many", "--top", "1")
    assert "deep" not in out
    assert err == "note: skipped 1 subfolder of many; -r enters them\n"
    (model_folder / "many" / "a.png").unlink()
    _, err = run_command(capsys, "run", "m.onnx", "many", code=1)
    assert "error[no-inputs]: the folder many has no pictures" in err
    assert "help: -r also runs the pictures in its 1 subfolder\n" in err


def test_a_subfolder_that_cannot_be_read(
    model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and the other inputs are run."""
    (model_folder / "many" / "deep").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    out, err = run_command(capsys, "run", "m.onnx", "-r", "many", "one.npy", code=1)
    assert "error[cannot-read]: many/deep: Permission denied\n" in err
    assert out.startswith("one.npy")


def test_batches_change_nothing(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The batch size changes nothing, for pictures of several sizes and one damaged file.

    Each input has its own lines, in the order of the arguments.
    """
    stream = np.random.default_rng(0)
    for i in range(7):
        Image.fromarray(stream.integers(0, 256, (5 + i % 2, 6, 3), dtype=np.uint8)).save(
            f"p{i}.png"
        )
    (model_folder / "p3.png").write_text("text")
    np.save("p5.npy", stream.random((3, 1, 4, 4), dtype=np.float32))
    expected, err = run_command(capsys, "run", "m.onnx", "p?.png", "p5.npy", "--batch", "1", code=1)
    assert err.count("error[") == 1
    for batch in ("2", "4", "100"):
        assert (
            run_command(capsys, "run", "m.onnx", "p?.png", "p5.npy", "--batch", batch, code=1)[0]
            == expected
        )


def test_a_bad_sample_does_not_stop_its_batch(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    netdsl.loads(
        "net E {\n input a: 4 int64\n embedding(9, 2) -> flatten\n output y: dense(3)\n}"
    ).save_onnx("e.onnx")
    for name, high in (("a", 1), ("b", 90), ("c", 2)):
        np.save(f"{name}.npy", np.array([1, 2, 3, high]))
    out, err = run_command(capsys, "run", "e.onnx", "a.npy", "b.npy", "c.npy", "--top", "1", code=1)
    assert [line for line in out.splitlines() if "%" not in line] == ["a.npy", "c.npy"]
    assert err.count("error[run-failed]") == 1


def test_a_model_for_a_fixed_batch_gets_that_many(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load("m.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, "four.onnx")
    np.save("many.npy", np.random.default_rng(0).random((6, 1, 4, 4), dtype=np.float32))
    assert (
        run_command(capsys, "run", "four.onnx", "many.npy")[0]
        == run_command(capsys, "run", "m.onnx", "many.npy")[0]
    )


def test_several_inputs_come_by_name(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    netdsl.loads("net T {\n input a: 4\n input b: 4\n sub(@a)\n output y: dense(2)\n}").save_onnx(
        "two.onnx"
    )
    a, b = np.random.default_rng(0).random((2, 3, 4), dtype=np.float32)
    np.savez("both.npz", b=b, a=a)
    run_command(capsys, "run", "two.onnx", "both.npz", "-o", "out.npz")
    expected = onnxruntime.InferenceSession("two.onnx", providers=["CPUExecutionProvider"]).run(
        None, {"a": a, "b": b}
    )[0]
    np.testing.assert_allclose(np.load("out.npz")["y"], expected, rtol=1e-5, atol=1e-6)
    np.savez("one.npz", a=a)
    np.savez("uneven.npz", a=a, b=b[:2])
    (model_folder / "cut.npz").write_bytes((model_folder / "both.npz").read_bytes()[:-40])
    err = run_command(capsys, "run", "two.onnx", "one.npz", "uneven.npz", "cut.npz", code=1)[1]
    assert "one.npz has `a`, but two.onnx takes `a`, `b`" in err
    assert "different numbers of samples: a 3, b 2" in err
    assert "cut.npz is not a .npz file" in err


def test_outputs_go_to_a_file(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o` writes one array of all samples, with the name of each sample's file.

    Outputs of different sizes become one array for each file. If nothing runs, nothing is written.
    """
    np.save("many.npy", np.random.default_rng(0).random((3, 1, 4, 4), dtype=np.float32))
    run_command(capsys, "run", "m.onnx", "one.npy", "many.npy", "no.npy", "-o", "out.npz", code=1)
    arrays = np.load("out.npz")
    assert arrays["inputs"].tolist() == ["one.npy", *["many.npy"] * 3]
    assert arrays["y"].shape == (4, 3)
    run_command(capsys, "run", "m.onnx", "no.npy", "-o", "none.npz", code=1)
    assert not (model_folder / "none.npz").exists()
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    Image.new("RGB", (3, 2)).save("small.png")
    run_command(capsys, "run", "map.onnx", "ok.png", "small.png", "-o", "maps.npz")
    assert [np.load("maps.npz")[f"map_{i}"].shape for i in range(2)] == [(1, 2, 8, 6), (1, 2, 2, 3)]
    assert (
        "ends in .npz"
        in run_command(capsys, "run", "m.onnx", "one.npy", "-o", "out.txt", code=2)[1]
    )


def test_json_lines(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_metadata("m.onnx", "named.onnx", classes=["a", "b", "c"])
    np.save("many.npy", np.random.default_rng(0).random((2, 1, 4, 4), dtype=np.float32))
    out, _ = run_command(capsys, "run", "named.onnx", "one.npy", "many.npy", "--json", "--top", "2")
    records = [json.loads(line) for line in out.splitlines()]
    assert [(m["input"], m["sample"]) for m in records] == [
        ("one.npy", 0),
        ("many.npy", 0),
        ("many.npy", 1),
    ]
    assert [c["name"] for c in records[0]["outputs"]["y"]] == [
        "abc"[c["class"]] for c in records[0]["outputs"]["y"]
    ]
    assert len(records[0]["outputs"]["y"]) == 2
    netdsl.loads(COLOUR).save_onnx("map.onnx")
    assert json.loads(run_command(capsys, "run", "map.onnx", "ok.png", "--json")[0])["outputs"][
        "map"
    ]["shape"] == [2, 8, 6]


def test_a_model_that_prepares_pictures_itself(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model with `--with-preprocess` gives the classes of the model that `run` prepares for."""
    (model_folder / "tiny.net").write_text(
        "net Tiny {\n input image: 3x8x6\n flatten\n output y: dense(3)\n}"
    )
    for name, options in (("plain", []), ("whole", ["--with-preprocess"])):
        assert (
            run(
                [
                    "export",
                    "tiny.net",
                    "-o",
                    f"{name}.onnx",
                    "--mean",
                    "0.5",
                    "--std",
                    "0.25",
                    *options,
                ]
            )
            == 0
        )
    capsys.readouterr()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)).save(
        "noise.png"
    )
    assert (
        run_command(capsys, "run", "whole.onnx", "noise.png")[0]
        == run_command(capsys, "run", "plain.onnx", "noise.png")[0]
    )


def test_a_model_that_prepares_pictures_of_open_sizes(
    model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An open size keeps the net's name and becomes that of the picture.

    `run` resizes the picture to a fixed size before the graph, so both models give the same result.
    """
    (model_folder / "map.net").write_text(
        "net Map {\n input image: 3x4xW\n output map: conv(2, 1)\n}"
    )
    for name, options in (("plain", []), ("whole", ["--with-preprocess"])):
        assert run(["export", "map.net", "-o", f"{name}.onnx", *options]) == 0
    assert open_session(model_folder / "whole.onnx").inputs[0].shape == ("N", 4, "W", 3)
    capsys.readouterr()
    assert (
        run_command(capsys, "run", "whole.onnx", "ok.png")[0]
        == run_command(capsys, "run", "plain.onnx", "ok.png")[0]
    )


@pytest.mark.parametrize("where", [0, 0.5, 1])
def test_a_flipped_bit_of_an_exported_model_is_found(
    model_folder: Path, capsys: pytest.CaptureFixture[str], where: float
) -> None:
    (model_folder / "tiny.net").write_text(NET)
    assert run(["export", "tiny.net", "-o", "e.onnx"]) == 0
    run_command(capsys, "run", "e.onnx", "one.npy")
    data = bytearray((model_folder / "e.onnx").read_bytes())
    data[int(where * (len(data) - 1))] ^= 1
    (model_folder / "e.onnx").write_bytes(data)
    out, err = run_command(capsys, "run", "e.onnx", "one.npy", code=1)
    assert not out
    assert err.startswith("error[corrupt-model]: e.onnx")
    (model_folder / "e.onnx").write_bytes(data[:-3])
    assert "cut off" in run_command(capsys, "run", "e.onnx", "one.npy", code=1)[1]
