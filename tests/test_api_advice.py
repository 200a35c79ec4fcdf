"""The Python API tells users of other libraries what to write here."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netdsl
from netdsl.api_advice import in_python
from netdsl.diagnostics import Diagnostic
from netdsl.train.loop import Result
from netdsl.train.records import EpochRecord
from netdsl.verify.report import Report
from tests.support.small_nets import TINY

if TYPE_CHECKING:
    from collections.abc import Callable

MODULE: Any = netdsl


@pytest.mark.parametrize(
    ("name", "advice"),
    [("fit", "`net.train()`"), ("parameters", "`net.params`"), ("to_onnx", "save_onnx")],
)
def test_attributes_of_other_libraries(name: str, advice: str) -> None:
    """A missing attribute is still an AttributeError, and names what a net has in its place."""
    net = netdsl.loads(TINY)
    with pytest.raises(AttributeError, match=f"'{name}'.*{re.escape(advice)}"):
        getattr(net, name)
    assert not hasattr(net, "_repr_png_")


def test_names_of_the_module() -> None:
    """The module names its own functions."""
    with pytest.raises(AttributeError, match=r"no attribute 'parse'; `netdsl\.load"):
        _ = MODULE.parse


@pytest.mark.parametrize(
    ("call", "help_"),
    [
        (lambda: netdsl.load(TINY), "write `netdsl.loads(text)`"),
        (lambda: netdsl.loads("lenet5"), 'this is a name: write `netdsl.load("lenet5")`'),
        (
            lambda: netdsl.loads(TINY, input_shape=4),
            '`inputs={"image": (3, 224, 224)}` gives sizes, by the names of the inputs',
        ),
    ],
)
def test_help_of_load(call: Any, help_: str) -> None:
    """A text for a name, a name for a text, and arguments that are no parameters."""
    with pytest.raises(netdsl.CompileError) as caught:
        call()
    assert caught.value.help == help_


@pytest.mark.parametrize(
    ("command", "python"),
    [
        ("use `--device cpu`", 'use `device="cpu"`'),
        ("give `--overwrite`", "give `overwrite=True`"),
        ("write `-D classes=3`", "write `classes=3`"),
        ("`netdsl check --lint all` does", "`netdsl check --lint all` does"),
    ],
)
def test_options_become_arguments(command: str, python: str) -> None:
    """Advice about options of the command is about arguments here; whole commands stay."""
    diagnostic = Diagnostic("no-device", "none", help=command)
    in_python(diagnostic)
    assert diagnostic.help == python


def test_indices_beyond_an_embedding() -> None:
    """A wrong index is refused before the net runs."""
    net = netdsl.loads("net A { input x: T int64\n embedding(10, 4)\n}")
    with pytest.raises(ValueError, match="x has the number 12, but `embedding` takes indices from"):
        net.run(np.array([[3, 12]]))


OBJECTS: dict[str, Callable[[netdsl.Net], Any]] = {
    "row": lambda net: net.layers[0],
    "layers": lambda net: net.layers,
    "port": lambda net: net.inputs[0],
    "memory": lambda net: net.memory,
    "expect": lambda net: net.expects[0],
    "changes": lambda net: net.diff(net),
    "report": lambda net: Report("A"),
    "result": lambda net: Result((), Path("w")),
}


@pytest.mark.parametrize(
    ("of", "name", "message"),
    [
        ("row", "param", "'Row' object has no attribute 'param'; write `params`"),
        ("row", "output_shape", "'Row' object has no attribute 'output_shape'; write `shape`"),
        ("row", "shpe", "'Row' object has no attribute 'shpe'; did you mean `shape`?"),
        (
            "row",
            "zzzz",
            "it has at_least, aux, buffers, bytes, field, file, kind, line, macs, name, ",
        ),
        ("layers", "C1", "'Layers' object has no attribute 'C1'; write `layers[\"C1\"]`"),
        ("layers", "macs", "each row has it: `[row.macs for row in layers]`"),
        ("layers", "zzzz", "the layers are C1, 1, S2, 3 and y"),
        ("port", "size", "'Port' object has no attribute 'size'; write `shape`"),
        ("memory", "peek", "'Memory' object has no attribute 'peek'; did you mean `peak`?"),
        ("expect", "ok", "'ExpectLine' object has no attribute 'ok'; write `holds`"),
        ("changes", "figure", "'Changes' object has no attribute 'figure'; did you mean"),
        ("report", "passed", "'Report' object has no attribute 'passed'; write `ok`"),
        ("result", "accuracy", "'Result' object has no attribute 'accuracy'; write `final`"),
    ],
)
def test_attributes_of_what_a_net_gives(of: str, name: str, message: str) -> None:
    """The error of a wrong attribute names the right one, or all that there are."""
    value = OBJECTS[of](netdsl.loads(FIVE))
    with pytest.raises(AttributeError) as caught:
        getattr(value, name)
    assert message in str(caught.value)
    assert not hasattr(value, "_repr_png_")
    assert repr(copy.deepcopy(value)) == repr(value) or of == "changes"


FIVE = """
net Five {
    input image: 1x8x8
    C1: conv(2, 3) -> relu -> S2: avgpool(2)
    output y: flatten -> dense(3)
    expect params == 77
}
"""


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda net: net.layers["C9"], "there is no layer 'C9'; the layers are C1, 1, S2, 3 and y"),
        (lambda net: net.layers["conv"], "there is no layer 'conv'; it is the kind of C1"),
        (lambda net: net.inputs["imag"], "there is no 'imag'; did you mean `image`?"),
        (lambda net: net.outputs["zzz"], "there is no 'zzz'; the names are y"),
        (lambda net: EpochRecord(epoch=1, lr=2)["acc"], "no 'acc'; the keys are epoch, lr"),
    ],
)
def test_keys(give: Callable[[netdsl.Net], Any], message: str) -> None:
    """A key that is missing names those that there are."""
    with pytest.raises(KeyError) as caught:
        give(netdsl.loads(FIVE))
    assert message in caught.value.args[0]


def test_many_layers() -> None:
    """A long list of names has an end."""
    net = netdsl.loads("net A { input x: 4\n repeat 20 { relu } }")
    with pytest.raises(KeyError, match=r"the layers are 0, 1, 2, .*, 11 and 8 more"):
        _ = net.layers["zzzz"]


def test_ends_by_name() -> None:
    """Inputs and outputs are found by their names, and by their numbers."""
    net = netdsl.loads(FIVE)
    assert net.inputs["image"].shape == net.inputs[0].shape == (1, 8, 8)
    assert net.outputs["y"].shape == (3,)
    assert repr(net.inputs[:1]) == "[image: 1x8x8 float32]"


def test_a_file_for_a_model() -> None:
    """`onnx` takes weights; the file of a model is an argument of `save_onnx`."""
    net = netdsl.loads(FIVE)
    for name in ("m.onnx", Path("m.onnx")):
        with pytest.raises(ValueError, match=r'and `net\.save_onnx\("m\.onnx"\)` writes one'):
            net.onnx(name)
    with pytest.raises(TypeError, match="takes no arguments: it returns the text"):
        net.pytorch_source("m.py")  # type: ignore[call-arg]


def test_a_net_is_not_a_module() -> None:
    """A call of the net itself names what takes arrays and what takes tensors."""
    with pytest.raises(
        TypeError, match=r"net\.run\(array\) computes.* net\.torch\(\) is the module"
    ):
        netdsl.loads(FIVE)([1.0])


def test_a_net_has_no_items() -> None:
    """`net["C1"]` names what has it."""
    net: Any = netdsl.load("lenet5")
    with pytest.raises(TypeError, match=r"""not subscriptable; write `net.layers\["C1"\]`"""):
        net["C1"]
    with pytest.raises(TypeError, match=r"not subscriptable; the layers are `net\.layers`"):
        net[0]
    with pytest.raises(TypeError, match="not iterable"):
        iter(net)
