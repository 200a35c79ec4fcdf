"""Every net that `check` accepts can be lowered to PyTorch and ONNX.

The tests try every kind of layer with different open sizes, element types and ranks.
"""

from __future__ import annotations

import re
from itertools import count, product
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

import netdsl
from netdsl.analysis.sizes import two_settings
from netdsl.backends.onnx.form import Form
from netdsl.backends.onnx.graph import skeleton
from netdsl.cli import run
from netdsl.ir.types import ITEM_BYTES
from netdsl.ops import LAYERS
from netdsl.verify.numbers import shape_of
from tests.fuzz.settings import chosen
from tests.support.back_ends import inputs_for, run_torch
from tests.support.contract import inputs_and_call
from tests.wrong import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Shapes = list[tuple[list[str], str]]  # the sizes of each input, and its element type
LOWERED = [Form(), Form(fold=True), Form(dtype="float16", keep_io=True), Form(functions=True)]
# Calls with open sizes that the examples in the reference do not cover.
MORE = {
    "reshape": [
        ("3x8x9", "reshape([1, 3, 8, 9])"),
        ("3x8x9", "reshape([24, 9])"),
        ("3x8x9", "reshape([9, 8, 3])"),
        ("3x8", "reshape([-1, 3])"),
    ],
    "adaptive_avgpool": [("3x9x7", "adaptive_avgpool(4x3)"), ("3x9x7x5", "adaptive_avgpool(2)")],
    "spp": [("2x9x7", "spp([3, 2, 1])")],
    "maxpool": [
        ("2x9x8", "maxpool(2, stride = 4, pad = 1, ceil = true)"),
        ("2x9", "maxpool(4, stride = 3, pad = 2, ceil = true)"),
    ],
    "avgpool": [
        ("2x9x8", "avgpool(2, stride = 4, pad = 1, ceil = true)"),
        ("2x9x8", "avgpool(3, ceil = true, count_pad = false)"),
    ],
    "upsample": [
        ("2x3x4", "upsample(size = 2x9, mode = bilinear)"),
        ("2x3, 1x7", "upsample"),
        ("2x3x4x5, 1x4x3x9", "upsample"),
    ],
    "slice": [
        ("7x8x9", "slice(2)"),
        ("7x8", "slice(-3, -1)"),
        ("7x8", "slice(1, -1, axis = 2)"),
        ("7x8", "slice(end = -3)"),
        ("7x8", "slice(-5, 5)"),
    ],
    "select": [("7x8x9", "select(-3)"), ("7", "select(4)"), ("7x8", "select(0, axis = -1)")],
    "crop": [("2x6x7, 2x3x4", "crop"), ("2x9, 2x9", "crop")],
    "split": [("7x12", "split(3, 2, axis = 2)"), ("6x4", "split(2, 0)")],
}


def examples(kind: str) -> Iterator[tuple[Shapes, str]]:
    """The inputs and the call of each example of a kind."""
    for shapes, call in (*LAYERS[kind].examples, *MORE.get(kind, ())):
        parts = [s.split() for s in shapes.split(",")]
        inputs = [([] if p[0] == "[]" else p[0].split("x"), [*p, ""][1]) for p in parts]
        yield inputs, inputs_and_call(len(inputs), call)[1]


def written(inputs: Shapes, call: str) -> str:
    """The text of a net of one layer."""
    named = [name for name in re.findall(r"@(\w+)", call) if not re.fullmatch(r"x\d+", name)]
    names = [f"x{i}" for i in range(len(inputs) - len(named))] + named
    lines = [
        f"    input {name}: {'x'.join(sizes) or '[]'} {t}\n"
        for name, (sizes, t) in zip(names, inputs, strict=True)
    ]
    return f"net N {{\n{''.join(lines)}    {call}\n}}\n"


def opened(inputs: Shapes, is_chosen: Callable[[int], bool]) -> Shapes:
    """The inputs with a letter for each number on the chosen axes.

    Equal numbers get the same letter.
    """
    letters: dict[str, str] = {}
    fresh = (chr(ord("A") + i) for i in count() if chr(ord("A") + i) != "N")
    result: Shapes = []
    for sizes, dtype in inputs:
        result.append(
            (
                [_letter(s, letters, fresh) if is_chosen(i) else s for i, s in enumerate(sizes)],
                dtype,
            )
        )
    return result


def _letter(size: str, letters: dict[str, str], fresh: Iterator[str]) -> str:
    if size not in letters:
        letters[size] = next(fresh)
    return letters[size]


CHOICES: dict[str, Callable[[int], bool]] = {
    "no size": lambda _: False,
    "the spatial sizes": lambda i: i > 0,
    "all sizes": lambda _: True,
    "the channels": lambda i: i == 0,
    "the first spatial size": lambda i: i == 1,
    "the second spatial size": lambda i: i == 2,
}


def accepted(text: str) -> netdsl.Net | None:
    """The net, or None if it is refused. Each diagnostic must then have a place in the text."""
    try:
        return netdsl.loads(text)
    except netdsl.CompileError as error:
        assert all(d.span is not None for d in error.diagnostics), text
        return None


def assert_lowered(net: netdsl.Net, settings: Iterable[dict[str, int]], text: str) -> None:
    """Check that every back end lowers the net, and that ONNX's full check accepts the model.

    For each setting of the open sizes, the result in PyTorch and onnxruntime must have the shape
    that the compiler inferred.
    """
    net.pytorch_source()
    for form in LOWERED:
        skeleton(net.graph, form)
    model = net.onnx()
    onnx.checker.check_model(model, full_check=True)
    assert net.graph.nodes, text
    assert_shapes(net, model, settings, text)


@pytest.mark.parametrize("kind", LAYERS)
def test_open_sizes(kind: str) -> None:
    """A net with any sizes open is refused, or both back ends lower it.

    The results in both then have the shapes that the compiler inferred.
    """
    texts: set[str] = set()  # the same axes may be chosen in several ways
    for inputs, call in examples(kind):
        for is_chosen in CHOICES.values():
            texts.add(written(opened(inputs, is_chosen), call))
    for text in sorted(texts):
        net = accepted(text)
        if net is not None:
            assert_lowered(net, two_settings(net.graph), text)


def assert_shapes(
    net: netdsl.Net, model: onnx.ModelProto, settings: Iterable[dict[str, int]], text: str
) -> None:
    """Check the shape of the result in PyTorch and onnxruntime against the inferred type."""
    module = net.torch().eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = chosen().threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    used = {v.name for v in session.get_inputs()}
    (output,) = net.graph.outputs
    for sizes in settings:
        tensors = inputs_for(net, 2, sizes)
        expected = shape_of(output.value, 2, sizes)
        assert expected == tuple(run_torch(module, tensors)[0].shape), text
        arrays = {v.name: np.asarray(t) for v, t in zip(net.graph.inputs, tensors, strict=True)}
        (result,) = session.run(None, {k: array for k, array in arrays.items() if k in used})
        assert expected == result.shape, text


@pytest.mark.parametrize("kind", LAYERS)
def test_element_types(kind: str) -> None:
    """A net with inputs of any element type is refused, or both back ends run it."""
    dtypes = [t for t in ITEM_BYTES if t != "float32"]
    for (inputs, call), dtype in product(examples(kind), dtypes):
        text = written([(sizes, dtype) for sizes, _ in inputs], call)
        net = accepted(text)
        if net is not None:
            assert_lowered(net, [{}], text)


@pytest.mark.parametrize("kind", LAYERS)
def test_ranks(kind: str) -> None:
    """A net with an input of any rank is refused, or both back ends run it."""
    for (inputs, call), rank in product(examples(kind), range(6)):
        text = written([(["4", "2", "3", "8", "8"][:rank], inputs[0][1]), *inputs[1:]], call)
        net = accepted(text)
        if net is not None:
            assert_lowered(net, [{}], text)


REFUSED = {
    "no formula for -1": (
        "input a: 3xHxW\ntokens -> permute([2, 1]) -> reshape([3, H + 1, -1])",
        "open-size",
        (3, 38),
    ),
    "16 bits": ("input a: 3x8x8 float16\nconv(4, 3)", "wrong-dtype", (3, 1)),
    "64 bits": ("input a: 3x8x8\ninput b: 3x8x8 float64\nx: @b -> add(@a)", "wrong-dtype", (4, 10)),
    "integers into space": ("input a: 4x8x8 int64\npixel_shuffle(2)", "wrong-dtype", (3, 1)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_its_line(case: str) -> None:
    """A net that a back end cannot lower is refused by `check`, at the line and column."""
    body, code, place = REFUSED[case]
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(f"net N {{\n{body}\n}}")
    (error,) = caught.value.diagnostics
    assert error.span is not None
    assert (error.code, (error.span.first.line, error.span.first.column)) == (code, place)


def test_every_diagnostic_has_a_place() -> None:
    """Every diagnostic in the catalogue of wrong programs has a line and a column."""
    assert [] == [
        case.name
        for case in catalogue.load()
        if any(w.line is None or w.column is None for w in case.wanted)
    ]


def test_pictures_for_a_net_that_takes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If a net takes no pictures, the error of `export --with-preprocess` points at the input."""
    path = tmp_path / "n.net"
    path.write_text("net N {\n    input x: 5\n    relu\n}")
    assert run(["export", str(path), "-o", str(tmp_path / "n.onnx"), "--with-preprocess"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error[wrong-shape]: `x` takes 5, which cannot be a picture\n")
    assert "n.net:2:5\n" in err
