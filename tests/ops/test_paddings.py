"""If a layer does not have a form of padding, the help gives a replacement with its numbers."""

from __future__ import annotations

import re

import pytest

import netdsl

NET = "net N {{\n    input x: {}\n    {}\n}}"


def _advice(sizes: str, call: str) -> str:
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET.format(sizes, call))
    (error,) = caught.value.diagnostics
    assert error.help is not None
    return error.help


def _mended(call: str, pad: str, advice: str) -> str:
    """The call, changed as the help advises."""
    if advice.startswith("pad with zeros in a layer before it"):
        (border,) = re.findall("`(pad.*)`", advice)
        return f"{border} -> {call.replace(pad, '')}"
    paddings = re.findall("^write `(.*?)`", advice)
    mended = call.replace(pad, f", {paddings[0]}" if paddings else "")
    crops = re.findall("then `(crop.*)`", advice)
    return " -> ".join([mended, *crops])


@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "sumpool", "avgpool(count_pad)"])
@pytest.mark.parametrize("size", [8, 9, 10])
def test_same_in_pooling(kind: str, size: int) -> None:
    """With the replacement for `pad = same`, the size is that of the input over the stride.

    It is rounded up.
    """
    name, _, more = kind.partition("(")
    tail = ", count_pad = false" if more else ""
    for k in range(1, 6):
        for stride in range(1, k + 1):
            call = f"{name}({k}, {stride}, pad = same{tail})"
            mended = _mended(call, ", pad = same", _advice(f"3x{size}x{size}", call))
            output = netdsl.loads(NET.format(f"3x{size}x{size}", mended)).outputs[0]
            assert str(output.value.type) == f"3x{-(-size // stride)}x{-(-size // stride)}", mended


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_in_deconv(k: int, stride: int, dilation: int) -> None:
    """With the replacement for `pad = same`, the size is that of the input times the stride."""
    call = f"deconv(4, {k}, stride = {stride}, pad = same, dilation = {dilation})"
    mended = _mended(call, ", pad = same", _advice("3x8x8", call))
    output = netdsl.loads(NET.format("3x8x8", mended)).outputs[0]
    assert str(output.value.type) == f"4x{8 * stride}x{8 * stride}", mended


@pytest.mark.parametrize(
    ("sizes", "call", "expected"),
    [
        ("3x8x8", "maxpool(3, pad = [(1, 1), (1, 1)])", "write `pad = 1`"),
        ("3x8x8", "maxpool(3, pad = [(1, 0), (0, 1)])", "`pad([(1, 0), (0, 1)])`"),
        ("3xHxW", "maxpool(3, 2, same)", "write `pad = 1`"),
        ("3xHxW", "maxpool(2, pad = same)", "write `ceil = true` in place of `pad`"),
        ("3xHxW", "sumpool(2, pad = same)", "write a number of at most 1, half the window"),
        ("3xHxW", "deconv(4, 2, pad = same)", "leave `pad` out, then `crop(@label)`"),
        ("3x8", "deconv(4, 4, pad = same)", "write `pad = 1`, then `crop(8)`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(1, 1), (0, 0)])", "write `pad = 1x0`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(1, 0), (1, 0)])", "write `pad = 1, output_pad = 1`"),
        ("3x8x8", "deconv(4, 3, 2, pad = [(0, 1), (1, 2)])", "`pad = 0x1`, and cut the rest"),
        ("3x8x8", "conv(4, 3, pad = valid)", "leave `pad` out"),
        ("3x8x8", 'maxpool(3, pad = "VALID")', "leave `pad` out"),
        ("3x8x8", 'conv(4, 3, pad = "SAME")', "write `same` in lower case"),
        ("3x8x8", "conv(4, 3, pad = SAME)", "write `same` in lower case"),
        ("3x8x8", "pad(same)", "`pad(1)`"),
    ],
)
def test_advice(sizes: str, call: str, expected: str) -> None:
    """There is also advice for pairs, for open sizes, and for words of other libraries."""
    assert expected in _advice(sizes, call)
