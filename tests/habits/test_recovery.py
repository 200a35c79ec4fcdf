"""A syntax error hides no other error, and causes none."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.diagnostics import Diagnostic


def errors(text: str) -> list[Diagnostic]:
    """The errors of a text."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text)
    return caught.value.diagnostics


def net(body: str) -> str:
    """A net with this body."""
    return (
        "net N {\n    input image: 3x32x32\n"
        + "".join(f"    {line}\n" for line in body.split("\n"))
        + "}\n"
    )


# Texts with the beginnings of the messages of all their errors, in the order of the text.
CASES = {
    "Conv2D(32, (3,3), activation='relu')": [
        "there is no layer or block `Conv2D`",
        "found a word in single quotes",
    ],
    "conv(8, 3);\nrelu;\nConv2d(8, 3)": [
        "found `;`",
        "found `;`",
        "there is no layer or block `Conv2d`",
    ],
    "if 1 == 1 && 2 == 2 { conv(8, 3, pad = 'same') }\nreluu": [
        "found `&&`",
        "found a word in single quotes",
        "there is no layer or block `reluu`",
    ],
    "x = conv(8, 3)\nx = relu(x)\nx = maxpool(x, 2)": ["found `=`"] * 3,
    "conv(8, 3) $ relu\nreluu": ["found `$`", "there is no layer or block `reluu`"],
    "tower: conv(8, 3) $ relu\n@tower -> tower": ["found `$`"],
    "let k $ 3\nconv(k, 3)": ["found `$`"],
    "for i in range(3):\n    conv(8, 3)\nif true:\n    relu\nelse:\n    tanh": ["found `:`"] * 3,
    "residual(conv(3, 1) -> relu)": ["layers cannot be arguments"],
    "conv(8, 3\nrelu": ["this `(` is not closed"],
    "conv(8, 30) => relu\nconv(8, 99)": ["this arrow is not `->`"],
}


@pytest.mark.parametrize("body", CASES)
def test_all_errors_and_no_others(body: str) -> None:
    """All errors of a net are reported at once, without those that only follow from others."""
    found = [d.message for d in errors(net(body))]
    assert len(found) == len(CASES[body]), found
    for message, wanted in zip(found, CASES[body], strict=True):
        assert message.startswith(wanted)


def test_another_language_gives_one_error() -> None:
    """A text of another language is named, instead of an error in each line."""
    texts = {
        "import torch\n\nclass Net(nn.Module):\n    def forward(self, x):\n": "a Python program",
        "[net]\nwidth=416\n\n[convolutional]\nfilters=32\n": "a Darknet net",
        'layer {\n  name: "c"\n  type: "Convolution"\n}\n': "a Caffe net",
        "backbone:\n  - [-1, 1, Conv, [64, 6, 2]]\n": "a YAML file",
        '{\n  "layers": ["conv"]\n}\n': "a JSON file",
    }
    for text, kind in texts.items():
        (diagnostic,) = errors(text)
        assert (diagnostic.code, kind in diagnostic.message) == ("wrong-format", True)


def test_places_are_those_of_the_original_text() -> None:
    """After a fix that makes a line shorter, the later errors of the line have their own places."""
    text = net("conv(8, 3) => relu -> conv(4, 3, 'same') -> Conv2D(8, 3)")
    for diagnostic in errors(text):
        assert diagnostic.span is not None
        assert diagnostic.span.text in diagnostic.message or diagnostic.span.text in text
    assert errors(text)[-1].span.text == "Conv2D"  # type: ignore[union-attr]
