"""Paddings that a layer does not have: the help gives what to write, with the layer's numbers."""

from __future__ import annotations

import re

import pytest

import netdsl

NET = "net N {{\n    input x: {}\n    {}\n}}"


def _advice(sizes: str, call: str) -> str:
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET.format(sizes, call))
    (found,) = caught.value.diagnostics
    assert found.help is not None
    return found.help


def _mended(call: str, pad: str, advice: str) -> str:
    """The call as the help has it."""
    if advice.startswith("put the border on first"):
        (border,) = re.findall("`(pad.*)`", advice)
        return f"{border} -> {call.replace(pad, '')}"
    written = re.findall("^write `(.*?)`", advice)
    mended = call.replace(pad, f", {written[0]}" if written else "")
    cut = re.findall("then `(crop.*)`", advice)
    return " -> ".join([mended, *cut])


@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "sumpool", "avgpool(count_pad)"])
@pytest.mark.parametrize("size", [8, 9, 10])
def test_same_in_pooling(kind: str, size: int) -> None:
    """With what the help has for `pad = same`, a size is the input's over the stride, rounded
    up.
    """
    name, _, more = kind.partition("(")
    tail = ", count_pad = false" if more else ""
    for k in range(1, 6):
        for stride in range(1, k + 1):
            call = f"{name}({k}, {stride}, pad = same{tail})"
            mended = _mended(call, ", pad = same", _advice(f"3x{size}x{size}", call))
            made = netdsl.loads(NET.format(f"3x{size}x{size}", mended)).outputs[0]
            assert str(made.value.type) == f"3x{-(-size // stride)}x{-(-size // stride)}", mended


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_in_deconv(k: int, stride: int, dilation: int) -> None:
    """With what the help has for `pad = same`, a size is the input's times the stride."""
    call = f"deconv(4, {k}, stride = {stride}, pad = same, dilation = {dilation})"
    mended = _mended(call, ", pad = same", _advice("3x8x8", call))
    made = netdsl.loads(NET.format("3x8x8", mended)).outputs[0]
    assert str(made.value.type) == f"4x{8 * stride}x{8 * stride}", mended


@pytest.mark.parametrize(
    ("sizes", "call", "wanted"),
    [
        ("3x8x8", "maxpool(3, pad = [(1, 1), (1, 1)])", "write `pad = 1`"),
        ("3x8x8", "maxpool(3, pad = [(1, 0), (0, 1)])", "`pad([(1, 0), (0, 1)])`"),
        ("3xHxW", "maxpool(3, 2, same)", "write `pad = 1`"),
        ("3xHxW", "maxpool(2, pad = same)", "write `ceil = true` in place of `pad`"),
        ("3xHxW", "sumpool(2, pad = same)", "write a number: at most 1, half the window"),
        ("3xHxW", "deconv(4, 2, pad = same)", "leave `pad` out, then `crop(@label)`"),
        ("3x8", "deconv(4, 4, pad = same)", "write `pad = 1`, then `crop(8)`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(1, 1), (0, 0)])", "write `pad = 1x0`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(1, 0), (1, 0)])", "write `pad = 1, output_pad = 1`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(0, 1), (1, 2)])", "`pad = 0x1`, and cut the rest"),
        ("3x8x8", "conv(4, 3, pad = valid)", "leave `pad` out"),
        ("3x8x8", 'maxpool(3, pad = "VALID")', "leave `pad` out"),
        ("3x8x8", 'conv(4, 3, pad = "SAME")', "it is written `same`"),
        ("3x8x8", "conv(4, 3, pad = SAME)", "it is written `same`"),
        ("3x8x8", "pad(same)", "`pad(1)`"),
    ],
)
def test_advice(sizes: str, call: str, wanted: str) -> None:
    """Pairs, open sizes and words of other libraries have their advice too."""
    assert wanted in _advice(sizes, call)
