"""Files of other kinds: how to recognise them, and which command reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

_MODEL = (
    "`netdsl import` turns a model into a text; commands that take models need a name that ends in"
    " .onnx"
)
_WEIGHTS = (
    "weights belong to a net: `netdsl run file.net --weights FILE`, like `verify` and `test`; for a"
    ' PyTorch module, run `netdsl import "file:Class()" --input 3x224x224 -o file.net`'
)
_TENSORS = "weights belong to a net: `netdsl run file.net --weights FILE`, like `verify` and `test`"
_PICTURE = "`netdsl run` reads pictures, after the model: `netdsl run model.onnx FILE`"
_ARRAY = "`netdsl run` reads arrays, after the model: `netdsl run model.onnx FILE`"
_IN_NET = "write it as `net Name { input image: 3x224x224 ... }` with layers such as "
_NOTEBOOK = _IN_NET + "`conv1: conv(32, 3) -> relu`"
_PYTHON = (
    'a PyTorch module in a .py file becomes a text by `netdsl import "file:Class()" --input 3x32x32'
    " -o net.net`; otherwise " + _NOTEBOOK
)
_CAFFE = "`netdsl import net.prototxt -o net.net` writes it as a text"
_DARKNET = "`netdsl import net.cfg -o net.net` writes it as a text"
_YOLO = _IN_NET + "`conv(64, 3, stride = 2, pad = 1)`"
_OTHER = "write the net as text: `net Name { input image: 3x224x224 ... }`"
_KERAS = (
    'write it as an ONNX model with `model.export("model.onnx", format="onnx")`: `netdsl import`'
    " reads that; `--weights` reads safetensors and .npz"
)
_TENSORFLOW = (
    "turn it into an ONNX model with tf2onnx: `netdsl import model.onnx -o file.net` reads that"
)
_CAFFEMODEL = (
    "`netdsl import net.prototxt -o net.net` reads the net that belongs to it, without the weights"
)
_DARKNET_WEIGHTS = "`netdsl import net.cfg --from-weights FILE -o net.net` reads it with its net"
_IMPORT = "`netdsl import FILE -o file.net` turns it into a .net text"


class FileKind(NamedTuple):
    """A kind of file: its suffixes, how its bytes begin, what it is, and what reads it.

    `by_name` is what reads a file whose name has one of the suffixes, if that matters.
    """

    suffixes: tuple[str, ...]
    start: bytes | None  # a pattern
    name: str
    help: str
    by_name: str = ""

    def advice(self, file: str) -> str:
        """What reads a file of this name."""
        is_named = file.lower().endswith(self.suffixes)
        return (self.by_name * is_named or self.help).replace("FILE", file)


BINARY = (
    FileKind((".onnx",), rb"\x08[\x01-\x0f][\x12:B\"].{0,2000}", "an ONNX model", _MODEL),
    FileKind(
        (".pt", ".pth", ".ckpt", ".bin"),
        rb"PK\x03\x04.{26}[^/]{0,80}/(?:data\.pkl|version|byteorder|\.)",
        "a PyTorch checkpoint",
        _WEIGHTS,
    ),
    FileKind((".pt", ".pth", ".pkl", ".ckpt"), rb"\x80[\x02-\x05]", "a Python pickle", _WEIGHTS),
    FileKind((".keras",), rb"PK\x03\x04.{26}(?:metadata|config)\.json", "a Keras model", _KERAS),
    FileKind((".npz",), rb"PK\x03\x04.{26}[^/]{0,80}\.npy", "an archive of arrays", _ARRAY),
    FileKind((".safetensors",), rb".{3}\x00\x00\x00\x00\x00\{", "a safetensors file", _TENSORS),
    FileKind((".h5", ".hdf5"), rb"\x89HDF\r\n", "an HDF5 file, such as a Keras model", _KERAS),
    FileKind((".tflite",), rb".{4}TFL3", "a TensorFlow Lite model", _TENSORFLOW),
    FileKind((".pb",), None, "a TensorFlow model", _TENSORFLOW),
    FileKind((".npy",), rb"\x93NUMPY", "an array", _ARRAY),
    FileKind((".png",), rb"\x89PNG", "a picture", _PICTURE),
    FileKind((".jpg", ".jpeg"), rb"\xff\xd8\xff", "a picture", _PICTURE),
    FileKind((".gif",), rb"GIF8", "a picture", _PICTURE),
    FileKind((".bmp",), rb"BM.{4}\x00\x00\x00\x00", "a picture", _PICTURE),
    FileKind((".webp",), rb"RIFF.{4}WEBP", "a picture", _PICTURE),
    FileKind((".tif", ".tiff"), rb"II\*\x00|MM\x00\*", "a picture", _PICTURE),
    FileKind((".pdf",), rb"%PDF", "a PDF document", _OTHER),
    FileKind((".gz", ".tgz"), rb"\x1f\x8b", "a compressed file", "unpack it first"),
    FileKind(
        (".zip", ".whl"), rb"PK\x03\x04", "a ZIP archive", "unpack it, and name a .net file in it"
    ),
    FileKind((".caffemodel",), None, "a Caffe model", _CAFFEMODEL),
    FileKind((".weights",), None, "the weights of a Darknet model", _DARKNET_WEIGHTS),
    FileKind((".engine", ".plan"), None, "a TensorRT engine", _OTHER),
)

WRITTEN = b": written by netdsl."  # in the first line of exported modules
_MODULE = "name the text that it was written from, such as `net.net`"

# Texts, by their suffix or by a line of another language that occurs in no net.
TEXTS = (
    FileKind((".ipynb",), rb'\s*\{\s*"(?:cells|nbformat|metadata)"', "a notebook", _NOTEBOOK),
    FileKind(
        (".py", ".pyi"),
        rb"(?m)^(?:(?:import|from) (?:torch|tensorflow|keras)|class \w+\(.*\):)",
        "a Python program",
        _PYTHON,
    ),
    FileKind(
        (".prototxt",),
        rb"(?m)^\s*layers?\s*\{\s*(?:\n\s*)?(?:name|type|bottom|top)\s*:",
        "a Caffe net",
        _CAFFE,
        _IMPORT,
    ),
    FileKind(
        (".cfg",),
        rb"(?m)^\s*\[(?:net|network|convolutional)\]",
        "a Darknet net",
        _DARKNET,
        _IMPORT,
    ),
    FileKind(
        (".yaml", ".yml"),
        rb"(?m)^(?:backbone|layers|model|nc|net|network)\s*:\s*(?:#.*|\d*)$",
        "a YAML file",
        _YOLO,
    ),
    FileKind((".json",), rb'\s*\{\s*"', "a JSON file", _OTHER),
    FileKind((".pbtxt",), None, "a TensorFlow graph", _OTHER),
    FileKind((".toml", ".ini"), None, "a configuration file", _OTHER),
    FileKind((".xml", ".html", ".svg"), rb"\s*<(?:\?xml|!DOCTYPE|html|svg)", "a document", _OTHER),
    FileKind((".mmd", ".dot"), None, "a drawing", "it is drawn by `netdsl draw` from a .net file"),
    FileKind((".csv", ".tsv"), None, "a table", _OTHER),
    FileKind((".md", ".rst", ".tex"), None, "a document", _OTHER),
    FileKind(
        (
            ".c",
            ".cpp",
            ".cc",
            ".h",
            ".hpp",
            ".js",
            ".ts",
            ".jl",
            ".rs",
            ".go",
            ".java",
            ".m",
            ".lua",
            ".sh",
        ),
        None,
        "a program in another language",
        _OTHER,
    ),
)
_START = 4096  # the bytes that are looked at


def binary_kind(name: str, data: bytes) -> FileKind | None:
    """What a file is that is not text, judging by how it begins, or else by its suffix."""
    start = data[:_START]
    for kind in BINARY:
        if kind.start is not None and re.match(kind.start, start, re.DOTALL):
            return kind
    return None if is_text(start) else _of_suffix(BINARY, name)


def is_text(start: bytes) -> bool:
    """Whether a file that begins with these bytes is text."""
    return b"\x00" not in start and _is_utf8(start)


def text_kind(name: str, text: str) -> FileKind | None:
    """What a text is that has syntax errors, judging by its suffix, or else by its lines."""
    if re.search(r"(?m)^\s*(?:net\s+\w+|block\s+\w+\s*\()[^:\n]*(?:\{|$)", text):
        return None
    start = text[:_START].encode()
    if start.startswith(b'"""') and WRITTEN in start.partition(b"\n")[0]:
        return FileKind((), None, "a module that `netdsl export` wrote", _MODULE)
    matching = (k for k in TEXTS if k.start is not None and re.search(k.start, start))
    return _of_suffix(TEXTS, name) or next(matching, None)


def _of_suffix(kinds: tuple[FileKind, ...], name: str) -> FileKind | None:
    return next((kind for kind in kinds if name.lower().endswith(kind.suffixes)), None)


def _is_utf8(start: bytes) -> bool:
    return "\ufffd" not in start[:-4].decode("utf-8", "replace")
