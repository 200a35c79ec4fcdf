"""The figures that `python benchmarks/code_figures.py` prints stay within their limits."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

sys.path.insert(0, str(ROOT / "benchmarks"))
code_figures: Any = import_module("code_figures")
NETDSL = ROOT / "netdsl"
MODULES = code_figures.modules_of(NETDSL)
LINES = sum(len(m.lines) for m in MODULES)


def test_no_line_is_long() -> None:
    """Lines have at most 100 columns."""
    assert code_figures.long_lines(MODULES) == []


def test_no_file_is_long() -> None:
    """Every file has fewer than 400 lines."""
    assert {m.name: len(m.lines) for m in MODULES if len(m.lines) >= 400} == {}


def test_functions_are_short() -> None:
    """No function has more than 60 lines, and nine in ten have at most 30."""
    lengths = code_figures.function_lengths(MODULES)
    assert {name: n for name, n in lengths.items() if n > 60} == {}
    assert sum(n <= 30 for n in lengths.values()) >= 0.9 * len(lengths)


def test_conditional_expressions_are_rare() -> None:
    """There are at most 12 conditional expressions in 1,000 lines."""
    assert 1000 * code_figures.conditional_expressions(MODULES) <= 12 * LINES


def test_any_is_rare() -> None:
    """`Any` is used at most 300 times."""
    assert code_figures.uses_of_any(MODULES) <= 300


def test_no_imports_form_a_circle() -> None:
    """No imports form a circle, including those inside functions and for type checking."""
    assert code_figures.import_circles(code_figures.import_graph(MODULES, NETDSL.name)) == []


def test_nothing_is_repeated() -> None:
    """No six lines of code occur twice, and no two classes have the same name."""
    assert code_figures.repeated_runs(MODULES) == []
    assert code_figures.repeated_classes(MODULES) == {}


def test_public_names_are_documented() -> None:
    """Every public class, function and method has a docstring or inherits one."""
    assert code_figures.undocumented(MODULES) == []


CIRCLE = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}


@pytest.mark.parametrize(
    ("source", "figure", "count"),
    [
        ("x = 1  # " + "a" * 100, lambda ms: len(code_figures.long_lines(ms)), 1),
        ("x = 1 if y else 2 if z else 3", code_figures.conditional_expressions, 2),
        ("from typing import Any\nx: Any = f\ny: typing.Any", code_figures.uses_of_any, 2),
        (
            "def f():\n    '''Text.'''\n    a\n    b",
            lambda ms: next(iter(code_figures.function_lengths(ms).values())),
            2,
        ),
        ("class A:\n    def f(self): pass", lambda ms: len(code_figures.undocumented(ms)), 2),
        (
            "@overload\ndef f(): ...\ndef f():\n    '''Text.'''",
            lambda ms: len(code_figures.undocumented(ms)),
            0,
        ),
    ],
)
def test_the_script_counts_correctly(
    source: str, figure: Callable[[list[Any]], int], count: int, tmp_path: Path
) -> None:
    """The figures of a small module equal those counted by hand."""
    path = tmp_path / "m.py"
    path.write_text(source)
    assert figure([code_figures.Module("m", path)]) == count


def test_the_script_finds_circles_and_repetitions(tmp_path: Path) -> None:
    """It finds a circle of three modules, and six lines and a class name that two files repeat."""
    assert code_figures.import_circles(CIRCLE) == [["a", "b", "c"]]
    run = "".join(f"a_long_name_{i} = some_function({i}, {i})\n" for i in range(6))
    modules = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.py"
        path.write_text(f"class Twice: pass\nx{name} = 0\n{run}y{name} = 1\n")
        modules.append(code_figures.Module(name, path))
    assert len(code_figures.repeated_runs(modules)) == 1
    assert code_figures.repeated_classes(modules) == {"Twice": ["one", "two"]}
