"""The limits that environment variables set: their values, their errors, and the deepest texts."""

from __future__ import annotations

import re

import pytest

import netdsl
from netdsl.cli import run
from netdsl.layout.format import format_source
from netdsl.limits import DEFAULTS, MOST, WrongLimit, limit, raise_help
from netdsl.source import SourceFile

BODIES = [
    ("{ ", " }"),
    ("g: { ", " }"),
    ("residual { ", " }"),
    ("add { | ", " | identity }"),
    ("if true { ", " }"),
    ("repeat 1 { ", " }"),
    ("for i in [1] { ", " }"),
]
DEEP = {
    "conditional": "1 if true else " * 195 + "1",
    "power": "1 ** " * 195 + "1",
    "minus": "-" * 194 + "1",
}


@pytest.mark.parametrize("text", ["²", "9" * 5000, "-1", "1.5", "many", "0", " 7"])
def test_a_wrong_value(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that is not a positive integer is wrong usage; the error names the variable."""
    monkeypatch.setenv("NETDSL_MAX_LAYERS", text)
    message = f"NETDSL_MAX_LAYERS is `{text[:40]}`; it must be a whole number above 0"
    with pytest.raises(WrongLimit, match=re.escape(message)):
        limit("layers")
    assert run(["check", "lenet5"]) == 2
    assert capsys.readouterr().err == f"netdsl: {message}\n"


def test_an_unknown_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable of an unknown limit is wrong usage too; an empty variable has no effect."""
    monkeypatch.setenv("NETDSL_MAX_LAYERS", "")
    assert run(["layers", "relu"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("NETDSL_MAX_LAYER", "7")
    assert run(["layers", "relu"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "netdsl: NETDSL_MAX_LAYER is set, but there is no such limit; the limits are"
        " NETDSL_MAX_SOURCE_BYTES"
    )


NET = "net N {\n    input x: 4\n    %s\n}"
TOO_MUCH = {
    "tokens": (NET % "relu", "file-too-large"),
    "nesting": (NET % f"{'{' * 9}relu{'}' * 9}", "nesting-too-deep"),
    "depth": (NET % f"{'{' * 9}relu{'}' * 9}", "nesting-too-deep"),
    "name_length": (NET % "activation: relu", "name-too-long"),
    "layers": (NET % "repeat 9 { relu }", "too-many-layers"),
    "steps": (NET % "repeat 9 { relu }", "too-many-steps"),
    "list_length": (NET % "for i in range(9) { relu }", "list-too-long"),
}
# Limits with tests elsewhere, next to the code that they limit.
ELSEWHERE = {
    *("source_bytes", "array_bytes", "decoded_bytes"),
    *("model_bytes", "model_nodes", "model_steps", "model_depth", "module_seconds"),
}


def test_every_limit_is_tried() -> None:
    """Each limit of a text has a test in this file."""
    assert {*TOO_MUCH, *ELSEWHERE} == set(DEFAULTS)


@pytest.mark.parametrize("name", list(TOO_MUCH))
def test_each_limit_has_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of each limit names its variable, which raises that limit."""
    text, expected = TOO_MUCH[name]
    monkeypatch.setenv(f"NETDSL_MAX_{name.upper()}", "8")
    with pytest.raises(
        netdsl.CompileError, match=f"the limit `{name}` is 8; set NETDSL_MAX_{name.upper()} in"
    ) as caught:
        netdsl.loads(text)
    assert caught.value.diagnostics[0].code == expected
    monkeypatch.setenv(f"NETDSL_MAX_{name.upper()}", "99")
    netdsl.loads(text)


def test_source_bytes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The error of the limit on the bytes of a file names its variable."""
    monkeypatch.setenv("NETDSL_MAX_SOURCE_BYTES", "8")
    assert run(["check", "lenet5"]) == 1
    assert "set NETDSL_MAX_SOURCE_BYTES in the environment" in capsys.readouterr().err


@pytest.mark.slow
def test_more_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable of `layers` can allow more layers than the default."""
    monkeypatch.setenv("NETDSL_MAX_LAYERS", "130000")
    assert len(netdsl.loads(NET % "repeat 130_000 { relu }").graph.nodes) == 130_000


LONG = "n" * 128


@pytest.mark.parametrize(
    "body",
    [
        f"{LONG}: relu",
        f"{LONG} : relu",
        f"{LONG}: relu\n    @{LONG} -> relu",
        f"{LONG}: {{ {LONG}: relu }}\n    @{LONG}.{LONG} -> relu",
        f"let {LONG} = 4\n    dense({LONG})",
        "repeat 2 as i { " + "n" * 100 + "{i + 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1}: relu }",
        f"output {LONG}: relu",
    ],
)
def test_names_as_long_as_allowed(body: str) -> None:
    """A label, a reference and each part of a path may have 128 characters.

    Only the name itself counts, without a formula in braces, a colon or other parts of the path.
    """
    netdsl.loads(NET % body)
    with pytest.raises(
        netdsl.CompileError, match=r"the name has 129 characters|is not a valid name"
    ) as caught:
        netdsl.loads(
            NET % body.replace(LONG, f"{LONG}n").replace("n" * 100 + "{i", "n" * 128 + "{i")
        )
    assert caught.value.diagnostics[0].code in ("name-too-long", "bad-label")


def test_sizes_are_not_called_a_name() -> None:
    """The error for sizes that are too long calls them sizes, not a name."""
    with pytest.raises(netdsl.CompileError, match="the sizes have 129 characters"):
        netdsl.loads(NET % f"reshape({'x'.join('1' * 65)})")


def test_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits can be raised, but depths only as far as Python's stack allows, and the help fits."""
    assert (
        raise_help("depth")
        == "the limit `depth` is 100; set NETDSL_MAX_DEPTH in the environment to raise it"
    )
    for name in DEFAULTS:
        value = MOST.get(name, 1_000_000)
        monkeypatch.setenv(f"NETDSL_MAX_{name.upper()}", str(value))
        assert limit(name) == value
    assert raise_help("depth") == "the limit `depth` is 500, and cannot be raised"
    assert raise_help("steps").startswith("the limit `steps` is 1,000,000; set ")


@pytest.mark.parametrize("name", MOST)
def test_a_limit_above_its_maximum(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit above its maximum is wrong usage; it is not lowered silently."""
    most = MOST[name]
    monkeypatch.setenv(f"NETDSL_MAX_{name.upper()}", str(most + 1))
    assert run(["check", "lenet5"]) == 2
    message = f"netdsl: NETDSL_MAX_{name.upper()} is {most + 1}; it can be at most {most}\n"
    assert capsys.readouterr().err == message


def nested(body: tuple[str, str], levels: int, expression: str = "3") -> str:
    """A net of nested bodies with convolutions in the innermost."""
    return (
        f"net N {{\n    input image: 3x8x8\n    {body[0] * levels}conv({expression}, 1) -> conv(3,"
        f" 1){body[1] * levels}\n}}"
    )


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b[0].strip())
@pytest.mark.parametrize("expression", DEEP)
def test_as_deep_as_allowed(body: tuple[str, str], expression: str) -> None:
    """The deepest possible expression works in the deepest possible body."""
    text = nested(body, DEFAULTS["nesting"] - 2, DEEP[expression])
    assert netdsl.loads(text).layers
    format_source(SourceFile("n.net", text))


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b[0].strip())
def test_as_deep_as_the_highest_limits(
    body: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It also works with the highest limits, and more levels are an error."""
    monkeypatch.setenv("NETDSL_MAX_NESTING", "500")
    monkeypatch.setenv("NETDSL_MAX_DEPTH", "500")
    monkeypatch.setenv("NETDSL_MAX_NAME_LENGTH", "9999")
    assert netdsl.loads(nested(body, MOST["nesting"] - 2, DEEP["conditional"])).layers
    with pytest.raises(netdsl.CompileError, match="cannot be raised"):
        netdsl.loads(nested(body, MOST["nesting"]))
