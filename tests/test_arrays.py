"""Arrays as inputs: they are read only if they fit, in little memory, under the right names."""

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
from tests.support.archives import encrypted, zip_file
from tests.support.memory import peak_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = 64 << 20  # the bytes of a large array
LITTLE = 8 * PIECE + (4 << 20)
Capture = pytest.CaptureFixture[str]


def header(shape: tuple[int, ...], descr: str = "<f4", *, columns_first: bool = False) -> bytes:
    buffer = io.BytesIO()
    entries = {"descr": descr, "fortran_order": columns_first, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, entries)
    return buffer.getvalue()


def write_zeros(path: Path, name: str, shape: tuple[int, ...], descr: str = "<f4") -> None:
    """Write an archive in which an array of zeros takes a thousandth of its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        content = header(shape, descr) + bytes(int(np.prod(shape)) * np.dtype(descr).itemsize)
        archive.writestr(f"{name}.npy", content)


def run_error(capsys: Capture, *arguments: str) -> str:
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
def test_an_array_that_does_not_fit_is_not_read(
    model_folder: Path, capsys: Capture, shape: tuple[int, ...], descr: str, code: str, suffix: str
) -> None:
    """An array of the wrong rank, shape or type takes no memory, compressed or not."""
    write_zeros(model_folder / "x.npz", "image", shape, descr)
    if suffix == "npy":
        with zipfile.ZipFile("x.npz") as archive:
            (model_folder / "x.npy").write_bytes(archive.read("image.npy"))
    run(["run", "m.onnx", "one.npy"])  # so that the memory of imports is not measured
    capsys.readouterr()
    assert peak_of(lambda: run(["run", "m.onnx", f"x.{suffix}"])) < LITTLE
    assert f"error[{code}]" in capsys.readouterr().err


def test_other_names_are_not_read(model_folder: Path, capsys: Capture) -> None:
    """Arrays with other names than the inputs of the model take no memory either."""
    write_zeros(model_folder / "x.npz", "other", (LARGE // 64, 1, 4, 4))
    assert peak_of(lambda: run(["run", "m.onnx", "x.npz"])) < LITTLE
    assert "error[bad-array]" in capsys.readouterr().err


@pytest.mark.parametrize("descr", ["<f4", "<f8", ">f2"])
def test_an_array_is_read_once(tmp_path: Path, descr: str) -> None:
    """Reading and converting take only the memory of the result and of one piece."""
    write_zeros(tmp_path / "x.npz", "image", (LARGE // 64, 1, 4, 4), descr)
    stored = open_archive(tmp_path / "x.npz")["image"]
    assert peak_of(lambda: stored.read(np.dtype(np.float32))) < LARGE + LITTLE


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_small_array_is_read_in_small_pieces(tmp_path: Path, save: Callable[..., None]) -> None:
    """Decompressing takes little memory even compared with an array of a few megabytes."""
    numbers = np.random.default_rng(0).standard_normal(1 << 20).astype(np.float32)
    save(tmp_path / "x.npz", a=numbers)
    stored = open_archive(tmp_path / "x.npz")["a"]
    assert peak_of(lambda: stored.read(np.dtype(np.float32))) < 1.5 * numbers.nbytes


def test_weights_of_a_module_are_read_one_at_a_time(tmp_path: Path) -> None:
    """A module's tensors are read from the archive without a second copy of all of them."""
    layers = "\n".join(f" d{i}: dense(1024, bias = false)" for i in range(8))
    net = netdsl.loads(f"net T {{\n input a: 1024\n{layers}\n}}")
    ones = np.ones((1024, 1024), np.float32)
    weights: dict[str, Any] = {f"d{i}.weight": ones for i in range(8)}
    np.savez(tmp_path / "w.npz", **weights)
    net.torch()  # so that the memory of imports is not measured
    size = 4 << 20  # the bytes of one tensor; PyTorch's own memory is not measured
    assert peak_of(lambda: net.torch(tmp_path / "w.npz")) < 3 * size


def test_a_batch_is_not_copied(model_folder: Path, capsys: Capture) -> None:
    """An array that fits is given to the model without a copy."""
    netdsl.loads("net T {\n input image: 1x64x64\n output y: gap\n}").save_onnx("gap.onnx")
    write_zeros(model_folder / "x.npz", "image", (LARGE // (64 * 64 * 4), 1, 64, 64))
    assert peak_of(lambda: run(["run", "gap.onnx", "x.npz"])) < LARGE + LITTLE


def test_the_limit_of_an_array(
    model_folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An array above the limit is refused even if it fits the input; the limit can be raised."""
    netdsl.loads("net T {\n input image: 1xHxW\n output y: gap\n}").save_onnx("open.onnx")
    write_zeros(model_folder / "x.npz", "image", (1, 1000, 1000))
    monkeypatch.setenv("NETDSL_MAX_ARRAY_BYTES", "3999999")
    err = run_error(capsys, "open.onnx", "x.npz")
    assert (
        "error[array-too-large]: `image` of x.npz has 4,000,000 bytes, but the limit is 3,999,999"
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
    """Arrays of every type and order have NumPy's values.

    They are read in pieces whose size does not divide that of the array.
    """
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


def test_numbers_beyond_the_type_of_the_model(model_folder: Path, capsys: Capture) -> None:
    """Numbers that the model's type cannot represent are refused without a warning of NumPy.

    An infinity in the array itself is a different error.
    """
    np.save("far.npy", np.full((1, 4, 4), -1e300))
    err = run_error(capsys, "m.onnx", "far.npy")
    assert err == (
        "error[wrong-dtype]: far.npy has the number -1e+300, which float32 cannot represent\n"
    )
    netdsl.loads("net E {\n input a: 2 int64\n embedding(9, 2)\n}").save_onnx("e.onnx")
    np.save("far.npy", np.array([1, 2**63 + 5], np.uint64))
    assert "has the number 9223372036854775813, which int64 cannot" in run_error(
        capsys, "e.onnx", "far.npy"
    )
    np.save("inf.npy", np.full((1, 4, 4), np.inf))
    assert "error[not-finite]" in run_error(capsys, "m.onnx", "inf.npy")


FLOATS = ["<f2", "<f4", ">f4", "<f8", np.dtype(np.longdouble).str]
INTEGERS = ["|i1", "|u1", "<u2", ">i4", "<i8", "<u8"]
NO_NUMBERS = {
    "<c8": "complex64",
    ">c16": "complex128",
    "<U3": "text",
    "|S3": "bytes",
    "|V4": "bytes without a type",
    "<M8[s]": "datetime64[s]",
    "<m8[s]": "timedelta64[s]",
}
MODELS = {
    "float32": "net T {\n input a: 4\n output y: dense(3)\n}",
    "int64": "net T {\n input a: 4 int64\n embedding(9, 2)\n}",
}


@pytest.mark.parametrize("model_dtype", MODELS)
@pytest.mark.parametrize("descr", ["|b1", *FLOATS, *INTEGERS, *NO_NUMBERS])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_kinds_of_numbers(
    model_folder: Path, capsys: Capture, model_dtype: str, descr: str, suffix: str
) -> None:
    """A model accepts numbers of its kind in any precision; the error for others names both types.

    The kinds are floating-point numbers and integers.
    """
    netdsl.loads(MODELS[model_dtype]).save_onnx("t.onnx")
    array = np.ones(4, np.dtype(descr))
    np.save("x.npy", array)
    np.savez("x.npz", a=array)
    code = run(["run", "t.onnx", f"x.{suffix}"])
    err = capsys.readouterr().err
    fits = FLOATS if model_dtype == "float32" else INTEGERS
    assert code == (descr not in fits)
    if code:
        place = "x.npy" if suffix == "npy" else "`a` of x.npz"
        shown = NO_NUMBERS.get(descr, np.dtype(descr).name)
        fact = f"error[wrong-dtype]: {place} contains {shown}, but the model takes {model_dtype}\n"
        assert err.startswith(fact)
        assert ("convert it" in err) == (descr not in NO_NUMBERS)


def test_records_are_refused(model_folder: Path, capsys: Capture) -> None:
    """An array of records is refused even if each record has only one number."""
    for fields in ([("a", "<f4")], [("a", "<f4"), ("b", "<i4")]):
        np.save("x.npy", np.zeros((1, 4, 4), fields))
        err = run_error(capsys, "m.onnx", "x.npy")
        assert "error[wrong-dtype]: x.npy contains records, but the model takes float32\n" in err


def test_a_size_that_is_true(model_folder: Path) -> None:
    """The command reads `True` in a header as the size 1, as NumPy does."""
    (model_folder / "x.npy").write_bytes(shaped("(True, 4, 4)", bytes(64)))
    assert run(["run", "m.onnx", "x.npy"]) == 0


# ---- names


def write_ones(names: list[str]) -> None:
    arrays: dict[str, Any] = dict.fromkeys(names, np.ones((1, 4, 4), np.float32))
    np.savez("x.npz", **arrays)


@pytest.mark.parametrize("names", [["arr_0"], ["image"]])
def test_names_for_one_input(model_folder: Path, capsys: Capture, names: list[str]) -> None:
    """The array may have the input's name or the one that `numpy.savez(file, array)` gives."""
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
def test_other_names_are_refused(
    model_folder: Path, capsys: Capture, names: list[str], listed: str
) -> None:
    """The error names the arrays that are no input of the model, and the model's inputs."""
    write_ones(names)
    assert f"error[bad-array]: x.npz has {listed}, but m.onnx takes `image`" in run_error(
        capsys, "m.onnx", "x.npz"
    )


def test_positions_do_not_name_several_inputs(model_folder: Path, capsys: Capture) -> None:
    """Several arrays need names, since their order does not tell which is for which input."""
    netdsl.loads("net T {\n input a: 4\n input b: 4\n sub(@a)\n}").save_onnx("two.onnx")
    a = np.ones((3, 4), np.float32)
    np.savez("x.npz", a, a)
    assert "x.npz has `arr_0`, `arr_1`, but two.onnx takes `a`, `b`" in run_error(
        capsys, "two.onnx", "x.npz"
    )
    np.savez("x.npz", a=a, b=a, c=a)
    assert "x.npz has `a`, `b`, `c`, but two.onnx takes `a`, `b`" in run_error(
        capsys, "two.onnx", "x.npz"
    )


# ---- damage


def raw(text: str, body: bytes = b"") -> bytes:
    """A .npy file with a given text as its header."""
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + body


def shaped(shape: str, body: bytes = b"") -> bytes:
    return raw(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}", body)


FINE = header((1, 4, 4)) + bytes(64)
NINES = "9" * 4000
BEYOND = "has a header that declares a size below 0 or above 2^63"
BROKEN = {  # the content of an array, and the reason in the error
    "a header of more": (
        header((1, 4, 5)) + bytes(64),
        "has 192 bytes, and its header declares 208",
    ),
    "a header of less": (
        header((1, 4, 3)) + bytes(64),
        "has 192 bytes, and its header declares 176",
    ),
    "a huge header": (
        header((1 << 40, 1 << 40)) + bytes(64),
        "has a header that declares more than 2^63 bytes",
    ),
    "a negative size": (header((-1, -4, 4)) + bytes(64), BEYOND),
    "4,000 digits": (shaped(f"({NINES},)"), BEYOND),
    "4,000 digits of nothing": (shaped(f"(0, {NINES})"), BEYOND),
    "4,000 digits below 0": (shaped(f"(-{NINES},)"), BEYOND),
    "5,000 digits": (shaped(f"({'9' * 5000},)"), "has a damaged header"),
    "no shape": (raw("{'a': 1}"), "has a damaged header"),
    "a word as shape": (shaped("'a'"), "has a damaged header"),
    "no type": (raw(FINE[10:80].decode().replace("<f4", "zz")), "has a damaged header"),
    "parentheses": (raw("(" * 9000), "has a damaged header"),
    "signs": (raw("-" * 9000 + "1"), "has a damaged header"),
    "3,000 axes": (shaped(f"({'1,' * 3000})", bytes(4)), "has a header that declares 3,000 axes"),
    "a long header": (
        b"\x93NUMPY\2\0" + b"\xff" * 4 + bytes(99),
        "has a header of 4,294,967,295 bytes, and the limit is 10,000",
    ),
    "objects": (header((1, 4, 4), "|O") + bytes(128), "contains Python objects"),
    "no array": (b"text", "does not begin like a NumPy array"),
    "nothing": (b"", "does not begin like a NumPy array"),
    "format 3": (
        FINE.replace(b"NUMPY\1", b"NUMPY\3"),
        "has the format 3.0, which netdsl does not read",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_arrays(model_folder: Path, capsys: Capture, case: str) -> None:
    """A broken array is refused with one sentence, in an archive and in a separate file."""
    content, reason = BROKEN[case]
    (model_folder / "x.npz").write_bytes(zip_file({"image.npy": content}))
    assert (
        run_error(capsys, "m.onnx", "x.npz")
        == f"error[bad-array]: x.npz is not a .npz file of numbers: `image` {reason}\n"
        "help: write it with numpy.savez\n"
    )
    (model_folder / "x.npy").write_bytes(content)
    assert (
        run_error(capsys, "m.onnx", "x.npy")
        == f"error[bad-array]: x.npy is not a .npy file of numbers: it {reason}\n"
        "help: write it with numpy.save\n"
    )


OTHER = "`image` is compressed by a method that NumPy does not use"
NO_ARCHIVE = "it is not a zip archive, or is damaged"
DAMAGED = {  # the content of an archive, and the reason in the error
    "encrypted": (encrypted(zip_file({"image.npy": FINE})), "`image` is encrypted"),
    "bzip2": (zip_file({"image.npy": FINE}, zipfile.ZIP_BZIP2), OTHER),
    "LZMA": (zip_file({"image.npy": FINE}, zipfile.ZIP_LZMA), OTHER),
    "one name twice": (
        zip_file([("image.npy", FINE), ("image", FINE)]),
        "it has two arrays with the same name",
    ),
    "a wrong sum": (
        zip_file({"image.npy": FINE}).replace(bytes(64), bytes(63) + b"\1", 1),
        "`image` is damaged",
    ),
    "a wrong stream": (
        zip_file({"image.npy": FINE}, zipfile.ZIP_DEFLATED)[:60] + bytes(200),
        NO_ARCHIVE,
    ),
    "another name": (
        zip_file({"image.npy": FINE}).replace(b"image", b"imago", 1),
        "`image` is damaged",
    ),
    "a long name": (
        zip_file({f"{'n' * 9000}.npy": b""}),
        f"`{'n' * 40}...` does not begin like a NumPy array",
    ),
    "cut off": (zip_file({"image.npy": FINE})[:100], NO_ARCHIVE),
    "an array": (FINE, NO_ARCHIVE),
    "text": (b"text", NO_ARCHIVE),
    "empty": (b"", NO_ARCHIVE),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_archives(model_folder: Path, capsys: Capture, case: str) -> None:
    """A damaged archive is refused with one sentence."""
    content, reason = DAMAGED[case]
    (model_folder / "x.npz").write_bytes(content)
    fact = f"error[bad-array]: x.npz is not a .npz file of numbers: {reason}\n"
    assert run_error(capsys, "m.onnx", "x.npz") == f"{fact}help: write it with numpy.savez\n"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system cannot read a file, its reason is given and the file is not called damaged."""
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(NetdslError, match=r"cannot-read.*cannot read .*x.npy: Is a directory"):
        open_array(tmp_path / "x.npy")


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 4, 3), (1 << 40, 1 << 40), (-1, -4, 4)])
def test_headers_that_contradict_the_size_of_the_file(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """A file must have as many bytes as its header declares."""
    (tmp_path / "x.npy").write_bytes(header(shape) + bytes(64))
    with pytest.raises(NetdslError, match=r"bad-array.*header (that )?declares"):
        open_array(tmp_path / "x.npy")
