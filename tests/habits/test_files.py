"""Files of other kinds are named, with the command that reads them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl import library
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 8 << 20  # above the limit `source_bytes`
STARTS = {
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "`--weights`"),
    "model.tflite": (
        b"\x1c\0\0\0TFL3" + bytes(99),
        "a TensorFlow Lite model",
        "`netdsl import model.onnx",
    ),
    "model.pb": (b"\n\x0b\xff\xfe\0" * 9, "a TensorFlow model", "tf2onnx"),
    "model.caffemodel": (b"\n\x0b\xff\xfe\0" * 9, "a Caffe model", "`netdsl import net.prototxt"),
    "net.weights": (b"\0\0\xff\xfe\0" * 9, "a Darknet model", "net.weights -o net.net`"),
    "text.pdf": (b"%PDF-1.7\n\xff\xfe\0", "a PDF document", "`net Name"),
    "a.tar.gz": (b"\x1f\x8b\x08\0" + bytes(9), "a compressed file", "unpack"),
}


def refused(path: Path) -> tuple[str, str, str]:
    """The code, message and help of the error for a file."""
    with pytest.raises(NetdslError) as caught:
        library.read(str(path))
    return caught.value.code, caught.value.message, str(caught.value.help)


@pytest.mark.parametrize("name", STARTS)
def test_first_bytes(name: str, tmp_path: Path) -> None:
    """A file is recognised by its first bytes or by its name, however large it is."""
    start, kind, advice = STARTS[name]
    for padding in (0, LARGE):
        (tmp_path / name).write_bytes(start + bytes(padding))
        code, message, help_ = refused(tmp_path / name)
        assert (code, kind in message, advice in help_) == ("wrong-format", True, True)


@pytest.mark.parametrize(
    ("name", "text"), [("a.cfg", "[net]\nwidth=8\n"), ("a.prototxt", "layer {\n  name: 'c'\n}\n")]
)
def test_nets_of_other_tools(name: str, text: str, tmp_path: Path) -> None:
    """`import` reads them by their names; in a file of another name, they must be rewritten."""
    for file, advice in ((name, f"{name} -o file.net`"), ("a.net", "netdsl import net.")):
        (tmp_path / file).write_text(text)
        with pytest.raises(NetdslError) as caught:
            netdsl.load(str(tmp_path / file))
        assert "wrong-format" == caught.value.code
        assert advice in (caught.value.help or "")


def test_files_of_libraries(tmp_path: Path) -> None:
    """The files that PyTorch, NumPy, safetensors, Pillow and netdsl itself write."""
    tensors = {"a": torch.zeros(3)}
    torch.save(tensors, tmp_path / "a.pt")
    torch.save(tensors, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "c.safetensors")
    np.savez(tmp_path / "d.npz", x=np.zeros(3))
    np.save(tmp_path / "e.npy", np.zeros(3))
    Image.new("RGB", (4, 4)).save(tmp_path / "f.png")
    netdsl.load("lenet5").save_onnx(str(tmp_path / "g.onnx"))
    with zipfile.ZipFile(tmp_path / "h.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    (tmp_path / "renamed.net").write_bytes((tmp_path / "g.onnx").read_bytes())
    kinds = {
        "a.pt": ("a PyTorch checkpoint", "--weights"),
        "b.pth": ("a Python pickle", "--weights"),
        "c.safetensors": ("a safetensors file", "--weights"),
        "d.npz": ("an archive of arrays", "`netdsl run`"),
        "e.npy": ("an array", "`netdsl run`"),
        "f.png": ("a picture", "`netdsl run`"),
        "g.onnx": ("an ONNX model", "`netdsl import` turns a model into a text"),
        "h.keras": ("a Keras model", "`--weights`"),
        "renamed.net": ("an ONNX model", "a name that ends in .onnx"),
    }
    for name, (kind, advice) in kinds.items():
        code, message, help_ = refused(tmp_path / name)
        assert (code, kind in message, advice in help_) == ("wrong-format", True, True), name


def test_texts_by_their_names(tmp_path: Path) -> None:
    """A net is read from a file of any name; the name only explains errors."""
    good = tmp_path / "net.py"
    good.write_text("net N {\n    input x: 3\n    dense(3)\n}\n")
    assert netdsl.load(str(good)).params == 12
    bad = tmp_path / "other.py"
    bad.write_text("x = 3\nprint(x)\n")
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load(str(bad))
    assert "a Python program" in caught.value.diagnostics[0].message
    bad.write_text(netdsl.loads(good.read_text()).pytorch_source())
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.load(str(bad))
    assert "a module that `netdsl export` wrote" in caught.value.diagnostics[0].message


def test_other_bytes(tmp_path: Path) -> None:
    """A file of no known kind is only said to be no text."""
    (tmp_path / "x.net").write_bytes(b"net \xff\xfe")
    assert refused(tmp_path / "x.net")[0] == "not-text"
    (tmp_path / "x.net").write_bytes(b"# " + b"a" * LARGE)
    assert refused(tmp_path / "x.net")[0] == "file-too-large"
