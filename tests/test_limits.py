"""The bounds that the environment sets: which texts of it count, and that a text may be as deep as they go."""

from __future__ import annotations

import pytest

import netdsl
from netdsl.limits import DEFAULTS, MOST, limit, raise_help
from netdsl.source import SourceFile
from netdsl.syntax.format import format_source

BODIES = [("{ ", " }"), ("g: { ", " }"), ("residual { ", " }"), ("add { | ", " | identity }"), ("if true { ", " }"), ("repeat 1 { ", " }"), ("for i in [1] { ", " }")]
DEEP = {"conditional": "1 if true else " * 195 + "1", "power": "1 ** " * 195 + "1", "minus": "-" * 194 + "1"}


@pytest.mark.parametrize("text", ["²", "9" * 5000, "-1", "1.5", "many", "", " 7"])
def test_what_is_no_number_sets_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python reads more as a number than `int` takes."""
    monkeypatch.setenv("NETDSL_MAX_LAYERS", text)
    assert limit("layers") == DEFAULTS["layers"]


def test_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound goes where it is set, depths no further than Python can call; the advice says which."""
    assert raise_help("depth") == "the limit `depth` is 100; set NETDSL_MAX_DEPTH in the environment to raise it"
    for name in DEFAULTS:
        monkeypatch.setenv(f"NETDSL_MAX_{name.upper()}", "1000000")
        assert limit(name) == MOST.get(name, 1_000_000)
    assert raise_help("depth") == "the limit `depth` is 500, the most that it can be"
    assert raise_help("steps").startswith("the limit `steps` is 1,000,000; set ")


def nested(body: tuple[str, str], levels: int, expression: str = "3") -> str:
    """A net of bodies inside one another, with a convolution at the bottom."""
    return f"net N {{\n    input image: 3x8x8\n    {body[0] * levels}conv({expression}, 1) -> conv(3, 1){body[1] * levels}\n}}"


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b[0].strip())
@pytest.mark.parametrize("expression", DEEP)
def test_as_deep_as_allowed(body: tuple[str, str], expression: str) -> None:
    """The deepest expression stands in the deepest body."""
    text = nested(body, DEFAULTS["nesting"] - 2, DEEP[expression])
    assert netdsl.loads(text).layers
    format_source(SourceFile("n.net", text))


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b[0].strip())
def test_as_deep_as_it_goes(body: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """So it does where the bounds are at their most, and one level more is an error."""
    monkeypatch.setenv("NETDSL_MAX_NESTING", "9999")
    monkeypatch.setenv("NETDSL_MAX_DEPTH", "9999")
    monkeypatch.setenv("NETDSL_MAX_NAME_LENGTH", "9999")
    assert netdsl.loads(nested(body, MOST["nesting"] - 2, DEEP["conditional"])).layers
    with pytest.raises(netdsl.CompileError, match="the most that it can be"):
        netdsl.loads(nested(body, MOST["nesting"]))
