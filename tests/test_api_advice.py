"""The Python API tells users of other libraries what to write here."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import netdsl
from netdsl.api_advice import in_python
from netdsl.diagnostics import Diagnostic
from tests.support.small_nets import TINY

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
