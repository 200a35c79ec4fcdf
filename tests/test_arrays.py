"""Arrays as inputs: read only where they fit, in little memory, and under the right names."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

import netdsl
from netdsl.arrays import PIECE, open_archive, open_array
from netdsl.cli import run
from netdsl.errors import NetdslError
from tests.support.memory import peak_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = 64 << 20  # bytes
LITTLE = 2 * PIECE + (4 << 20)
Say = pytest.CaptureFixture[str]


def header(shape: tuple[int, ...], descr: str = "<f4", *, columns_first: bool = False) -> bytes:
    made = io.BytesIO()
    entries = {"descr": descr, "fortran_order": columns_first, "shape": shape}
    np.lib.format.write_array_header_1_0(made, entries)
    return made.getvalue()


def write_zeros(path: Path, name: str, shape: tuple[int, ...], descr: str = "<f4") -> None:
    """An archive in which an array of zeros takes a thousandth of its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        content = header(shape, descr) + bytes(int(np.prod(shape)) * np.dtype(descr).itemsize)
        archive.writestr(f"{name}.npy", content)


def run_error(capsys: Say, *arguments: str) -> str:
    assert run(["run", *arguments]) == 1
    return capsys.readouterr().err


# ---- memory


@pytest.mark.parametrize(
    ("shape", "descr", "code"),
    [
        ((LARGE // 4,), "<f4", "wrong-shape"),
        ((LARGE // 64, 1, 4, 2), "<f4", "wrong-shape"),
        ((LARGE // 64, 1, 4, 4), "<i4", "wrong-dtype"),
        ((LARGE // 64, 1, 4, 4), "<U1", "wrong-dtype"),
        ((LARGE // 64, 1, 4, 4), "<c8", "wrong-dtype"),
    ],
)
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_what_does_not_fit_is_not_read(
    model_folder: Path, capsys: Say, shape: tuple[int, ...], descr: str, code: str, suffix: str
) -> None:
    """An array of another rank, shape or type costs no memory, packed or not."""
    write_zeros(model_folder / "x.npz", "image", shape, descr)
    if suffix == "npy":
        with zipfile.ZipFile("x.npz") as archive:
            (model_folder / "x.npy").write_bytes(archive.read("image.npy"))
    run(["run", "m.onnx", "one.npy"])  # what the first run loads is not counted
    capsys.readouterr()
    assert peak_of(lambda: run(["run", "m.onnx", f"x.{suffix}"])) < LITTLE
    assert f"error[{code}]" in capsys.readouterr().err


def test_other_names_are_not_read(model_folder: Path, capsys: Say) -> None:
    """An archive without the inputs of the model costs no memory either."""
    write_zeros(model_folder / "x.npz", "other", (LARGE // 64, 1, 4, 4))
    assert peak_of(lambda: run(["run", "m.onnx", "x.npz"])) < LITTLE
    assert "error[bad-array]" in capsys.readouterr().err


@pytest.mark.parametrize("descr", ["<f4", "<f8", ">f2"])
def test_an_array_is_read_once(tmp_path: Path, descr: str) -> None:
    """Reading and converting take the memory of the result and of one piece."""
    write_zeros(tmp_path / "x.npz", "image", (LARGE // 64, 1, 4, 4), descr)
    stored = open_archive(tmp_path / "x.npz")["image"]
    assert peak_of(lambda: stored.read(np.dtype(np.float32))) < LARGE + 3 * PIECE + LITTLE


def test_a_batch_is_not_copied(model_folder: Path, capsys: Say) -> None:
    """An array that fits goes into the model from where it was read."""
    netdsl.loads("net T {\n input image: 1x64x64\n output y: gap\n}").save_onnx("gap.onnx")
    write_zeros(model_folder / "x.npz", "image", (LARGE // (64 * 64 * 4), 1, 64, 64))
    assert peak_of(lambda: run(["run", "gap.onnx", "x.npz"])) < LARGE + 3 * PIECE + LITTLE


def test_the_limit_of_an_array(model_folder: Path, capsys: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array beyond the limit is not read, whatever fits it; the limit can be raised."""
    netdsl.loads("net T {\n input image: 1xHxW\n output y: gap\n}").save_onnx("open.onnx")
    write_zeros(model_folder / "x.npz", "image", (1, 1000, 1000))
    monkeypatch.setenv("NETDSL_MAX_ARRAY_BYTES", "3999999")
    err = run_error(capsys, "open.onnx", "x.npz")
    assert (
        "error[array-too-large]: `image` of x.npz has 4,000,000 bytes, the limit is 3,999,999"
        in err
    )
    assert "NETDSL_MAX_ARRAY_BYTES" in err
    monkeypatch.setenv("NETDSL_MAX_ARRAY_BYTES", "4000000")
    assert run(["run", "open.onnx", "x.npz"]) == 0


# ---- numbers


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i8", ">i2", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numbers_are_those_of_numpy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    order: Literal["C", "F"],
    save: Callable[..., None],
) -> None:
    """Of every type and order, in pieces that do not divide the array."""
    monkeypatch.setattr("netdsl.arrays.PIECE", 40)
    array = np.asarray(
        np.random.default_rng(0).integers(0, 99, (3, 5, 7)).astype(dtype), order=order
    )
    np.save(tmp_path / "a.npy", array)
    save(tmp_path / "a.npz", a=array, b=array[0, 0, 0])
    archive = open_archive(tmp_path / "a.npz")
    for stored in (open_array(tmp_path / "a.npy"), archive["a"]):
        assert (stored.shape, stored.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(stored.read(array.dtype), array)
        np.testing.assert_array_equal(np.asarray(stored), array)
        np.testing.assert_array_equal(stored.read(np.dtype("<i4")), array.astype("<i4"))
    assert archive["b"].read(np.dtype("<f4")) == array[0, 0, 0]


def test_numbers_beyond_the_type_of_the_model(model_folder: Path, capsys: Say) -> None:
    """They are refused without a warning of NumPy; infinities of the array are its own."""
    np.save("far.npy", np.full((1, 4, 4), -1e300))
    err = run_error(capsys, "m.onnx", "far.npy")
    assert err == "error[wrong-dtype]: far.npy has the number -1e+300, which float32 cannot hold\n"
    netdsl.loads("net E {\n input a: 2 int64\n embedding(9, 2)\n}").save_onnx("e.onnx")
    np.save("far.npy", np.array([1, 2**63 + 5], np.uint64))
    assert "has the number 9223372036854775813, which int64 cannot" in run_error(
        capsys, "e.onnx", "far.npy"
    )
    np.save("inf.npy", np.full((1, 4, 4), np.inf))
    assert "error[not-finite]" in run_error(capsys, "m.onnx", "inf.npy")


# ---- names


def write_ones(names: list[str]) -> None:
    arrays: dict[str, Any] = dict.fromkeys(names, np.ones((1, 4, 4), np.float32))
    np.savez("x.npz", **arrays)


@pytest.mark.parametrize("names", [["arr_0"], ["image"]])
def test_names_for_one_input(model_folder: Path, capsys: Say, names: list[str]) -> None:
    """The input's own name, or the one that `numpy.savez(file, array)` gives."""
    write_ones(names)
    assert run(["run", "m.onnx", "x.npz"]) == 0
    assert run(["run", "m.onnx", "one.npy"]) == 0
    first, second = capsys.readouterr().out.split("one.npy")
    assert first == "x.npz" + second


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["pixels"], "`pixels`"),
        (["image", "label"], "`image`, `label`"),
        (["arr_0", "arr_1"], "`arr_0`, `arr_1`"),
        (["arr_1"], "`arr_1`"),
        ([], "no arrays"),
        ([f"a{i}" for i in range(9)], "`a0`, `a1`, `a2`, `a3`, `a4`, `a5` and 3 more"),
    ],
)
def test_other_names_are_refused(model_folder: Path, capsys: Say, names: list[str], listed: str) -> None:
    """Arrays that the model has no input for are named, beside the inputs that it has."""
    write_ones(names)
    assert f"error[bad-array]: x.npz has {listed}, m.onnx takes `image`" in run_error(
        capsys, "m.onnx", "x.npz"
    )


def test_positions_do_not_name_several_inputs(model_folder: Path, capsys: Say) -> None:
    """The order of several arrays is no sign of which is meant for which input."""
    netdsl.loads("net T {\n input a: 4\n input b: 4\n sub(@a)\n}").save_onnx("two.onnx")
    a = np.ones((3, 4), np.float32)
    np.savez("x.npz", a, a)
    assert "x.npz has `arr_0`, `arr_1`, two.onnx takes `a`, `b`" in run_error(
        capsys, "two.onnx", "x.npz"
    )
    np.savez("x.npz", a=a, b=a, c=a)
    assert "x.npz has `a`, `b`, `c`, two.onnx takes `a`, `b`" in run_error(
        capsys, "two.onnx", "x.npz"
    )


# ---- damage


def archive_of(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


FINE = header((1, 4, 4)) + bytes(64)
DAMAGED = {
    "a header of more": archive_of([("image.npy", header((1, 4, 5)) + bytes(64))]),
    "a header of less": archive_of([("image.npy", header((1, 4, 3)) + bytes(64))]),
    "a huge header": archive_of([("image.npy", header((1 << 40, 1 << 40)) + bytes(64))]),
    "a negative size": archive_of([("image.npy", header((-1, -4, 4)) + bytes(64))]),
    "objects": archive_of([("image.npy", header((1, 4, 4), "|O") + bytes(128))]),
    "no array": archive_of([("image.npy", b"text")]),
    "one name twice": archive_of([("image.npy", FINE), ("image", FINE)]),
    "a wrong sum": archive_of([("image.npy", FINE)]).replace(bytes(64), bytes(63) + b"\1", 1),
    "a wrong stream": archive_of([("image.npy", FINE)], zipfile.ZIP_DEFLATED)[:60] + bytes(200),
    "format 3": archive_of([("image.npy", FINE.replace(b"NUMPY\1", b"NUMPY\3"))]),
    "an array": FINE,
    "text": b"text",
    "empty": b"",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_archives(model_folder: Path, capsys: Say, case: str) -> None:
    """One message, and no array is made."""
    (model_folder / "x.npz").write_bytes(DAMAGED[case])
    err = run_error(capsys, "m.onnx", "x.npz")
    assert err.startswith("error[bad-array]: x.npz is not a .npz file of numbers: ")
    assert err.count("error") == 1


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 4, 3), (1 << 40, 1 << 40), (-1, -4, 4)])
def test_headers_of_arrays_that_lie(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A file must have the bytes that its header declares."""
    (tmp_path / "x.npy").write_bytes(header(shape) + bytes(64))
    with pytest.raises(NetdslError, match=r"bad-array.*its header declares"):
        open_array(tmp_path / "x.npy")
