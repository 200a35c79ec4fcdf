"""Nets of a few lines, for tests of single sentences of the language reference."""

from __future__ import annotations

import pytest

import netdsl
from tests.support.paths import ROOT

LANGUAGE = ROOT / "docs" / "language.md"
X = "input x: 3x8x8\n"


def net(body: str, before: str = "") -> netdsl.Net:
    """The net of a body, with what stands before it in the file."""
    return netdsl.loads(f"{before}\nnet N {{\n{body}\n}}", "N")


def shape(body: str, before: str = "") -> str:
    """The type of the output."""
    return str(net(body, before).outputs[0].value.type)


def code_of(body: str, before: str = "") -> tuple[str, int, str | None]:
    """The code, the line in the body and the help of the one error."""
    text = f"{before}\nnet N {{\n{body}\n}}"
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(text, "N")
    (found,) = caught.value.diagnostics
    assert found.span is not None
    return found.code, found.span.first.line - before.count("\n") - 2, found.help
