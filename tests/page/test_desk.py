"""What the desk answers to the page."""

from __future__ import annotations

import base64
import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import netdsl
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.errors import NetdslError
from netdsl.library import library_names
from netdsl.lsp.positions import Offsets
from netdsl.page.desk import Desk

NET = "net A {\n    input x: 1xHxW\n    C1: conv(2, 3) -> relu\n    output y: gap -> flatten\n}\n"


@pytest.mark.parametrize(
    "text", ["", "abc", "a\U0001f600b", "\U0001f600\U0001f600", "ä\U0001f600é"]
)
def test_offsets(text: str) -> None:
    """Offsets in UTF-16 and in characters are those of the encodings."""
    offsets = Offsets(text)
    for place in range(len(text) + 1):
        wide = len(text[:place].encode("utf-16-le")) // 2
        assert offsets.to_utf16(place) == wide
        assert offsets.from_utf16(wide) == place


@pytest.mark.parametrize("name", library_names())
def test_every_file_of_the_library(name: str) -> None:
    """Each file has a table, a picture and PyTorch source, and every answer is JSON."""
    desk = Desk()
    made = desk.update(desk.example(name), None, {})
    json.dumps(made)
    assert made["table"]["rows"]
    assert made["net"] in made["names"]
    assert "digraph" in (desk.picture("dark", None, "right") or "")
    assert "import torch" in desk.torch_source() or desk.torch_source().startswith("#")


def test_sizes() -> None:
    """Sizes that the visitor gives replace the open ones; wrong ones are an error."""
    desk = Desk()
    rows = desk.update(NET, None, {})["table"]["rows"]
    assert "H" in rows[0]["output"]
    made = desk.update(NET, None, {"H": 8, "W": 6})
    assert made["table"]["rows"][0]["output"] == "2x6x4"
    assert made["table"]["symbols"] == ["H", "W"]
    assert "H" in desk.update(NET, None, {"H": 8})["table"]["rows"][0]["output"]
    wrong = desk.update(NET, None, {"H": 2, "W": 2})
    assert [d["severity"] for d in wrong["diagnostics"]] == ["error"]


def test_sizes_of_several_inputs() -> None:
    """Every open size has a name, whichever inputs have it."""
    text = "net A {\n input a: Tx4\n input b: TxM\n output x: @a -> dense(3)\n"
    text += " output y: @b -> flatten\n}\n"
    desk = Desk()
    assert desk.update(text, None, {})["table"]["symbols"] == ["T", "M"]
    table = desk.update(text, None, {"T": 5, "M": 6})["table"]
    assert [end["shape"] for end in table["inputs"]] == [["5", "4"], ["5", "6"]]
    assert [end["shape"] for end in table["outputs"]] == [["5", "3"], ["30"]]


def test_a_diagnostic_has_offsets_in_utf16() -> None:
    """The places of an error and of its fix count characters as JavaScript does."""
    desk = Desk()
    text = "# \U0001f600\n" + NET.replace("relu", "rellu")
    [found] = desk.update(text, None, {})["diagnostics"]
    units = text.encode("utf-16-le")
    assert units[2 * found["from"] : 2 * found["to"]].decode("utf-16-le") == "rellu"
    assert found["fix"] == [{"from": found["from"], "to": found["to"], "insert": "relu"}]


def test_completion_in_a_newer_text() -> None:
    """The page asks about its text before it has been checked."""
    desk = Desk()
    desk.update(NET, None, {})
    text = NET.replace("-> relu", "-> maxp")
    found = desk.complete(text, text.index("maxp") + 4)
    assert found["items"][0]["label"] == "maxpool"
    assert found["from"] == text.index("maxp")


TRAINED = """net A {{
    input x: {shape}
    flatten
    output y: dense(2)
}}
train A {{    # allow: default-data
    epochs   = 4
    {entry}
}}
"""


def rates(entry: str, shape: str = "1x8x8", steps: int = 3) -> tuple[list[float], list[str]]:
    """The factors of the rate in each step, and the entries that the page does not use."""
    desk = Desk()
    assert desk.update(TRAINED.format(entry=entry, shape=shape), None, {})["table"] is not None
    return desk.rates(steps), desk.training(2, "wasm")["recipe"]["unused"]


def test_schedule() -> None:
    """The rate follows the schedule as in `netdsl train`: here, it is halved after 2 epochs."""
    assert rates("schedule = step(every = 2, gamma = 0.5)") == ([1.0] * 6 + [0.5] * 6, [])
    factors, _ = rates("schedule = cosine(warmup = 1)")
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factors[3] == 1
    assert factors[-1] < 0.1
    assert rates("batch = 4") == ([], [])


def test_schedules_that_the_page_cannot_follow() -> None:
    """One by the losses, and one of points, which are trained without an end, are named."""
    assert rates("schedule = plateau") == ([], ["schedule"])
    assert rates("schedule = cosine", "2") == ([], ["schedule"])
    with pytest.raises(NetdslError, match=r"400,000 steps, but the page trains at most 300,000"):
        rates("schedule = cosine", steps=100_000)


def test_imports() -> None:
    """The files beside the open one can be imported; no path leaves their folder."""
    desk = Desk()
    desk.open("a.net", {"parts/b.net": "block one() { conv(3, 1) }\n", "../../evil.net": "x"})
    text = 'import "parts/b.net"\n' + NET.replace("-> relu", "-> one")
    assert desk.update(text, None, {})["diagnostics"] == []


def test_model_in_pieces() -> None:
    """The pieces with numbers between them are the model with these weights."""
    desk = Desk()
    desk.update(desk.example("lenet5"), None, {})
    made = desk.onnx_model()
    assert made is not None
    weights = {
        t["name"]: np.random.default_rng(0).random(t["shape"], np.float32) for t in made["tensors"]
    }
    data = b"".join(
        base64.b64decode(piece) + weights[tensor["name"]].tobytes()
        for piece, tensor in zip(made["pieces"], made["tensors"], strict=True)
    )
    model = onnx.ModelProto.FromString(data)
    onnx.checker.check_model(model, full_check=True)
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert all(np.array_equal(found[name], array) for name, array in weights.items())


@pytest.mark.parametrize(
    "form", [Form(), Form(fold=True), Form(functions=True), Form(dtype="float16")]
)
@pytest.mark.parametrize(
    "name", ["lenet5", "resnet:ResNet18", "vae", "senet:SEResNet50", "kernels:RGB"]
)
def test_messages_are_those_of_onnx(name: str, form: Form) -> None:
    """Our messages have the bytes that the package `onnx` writes for the same model."""
    data = skeleton(netdsl.load(name).graph, form).model.serialized()
    assert onnx.ModelProto.FromString(data).SerializeToString(deterministic=True) == data
