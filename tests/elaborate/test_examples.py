"""Examples of inputs: they are numbers of the graph, and change nothing else."""

from __future__ import annotations

import pytest

from netdsl.driver import Compiled, compile_net, program_of
from netdsl.layout.format import format_source
from netdsl.source import SourceFile

BODY = "\n    conv(2, 1)\n"


def compiled(
    head: str, body: str = BODY, inputs: dict[str, tuple[int, ...]] | None = None
) -> Compiled:
    text = f"let numbers = 2 * [[1, 2, 3]]\nnet N(rows = 3 * [[4, 5]]) {{\n    {head}{body}}}\n"
    return compile_net(program_of(SourceFile("n.net", text)), "N", inputs)


@pytest.mark.parametrize(
    ("head", "shape", "numbers"),
    [
        ("input x: 1x2x3 = [[1, 2, 3], [4, 5, 6]]", (1, 2, 3), (1, 2, 3, 4, 5, 6)),
        ("input x: 1x2x3 = numbers", (1, 2, 3), (1, 2, 3, 1, 2, 3)),
        ("input x: 1x3x2 = rows", (1, 3, 2), (4, 5) * 3),
        ("input x: 1xHxW = 2 * [[0.5]]", (1, 2, 1), (0.5, 0.5)),
        ("input x: 1x1x2 = [[1, 2]]", (1, 1, 2), (1, 2)),
        ("input x: 2x1x1 = [[[1]], [[2]]]", (2, 1, 1), (1, 2)),
        ("input x: 1x2x2 float32 = [\\n[1, 2],\\n[3, 4]]", (1, 2, 2), (1, 2, 3, 4)),
    ],
)
def test_an_example_is_kept(head: str, shape: tuple[int, ...], numbers: tuple[float, ...]) -> None:
    """A literal, a `let`, a parameter or a product; leading sizes of 1 may be left out."""
    example = compiled(head.replace("\\n", "\n")).graph.examples["x"]
    assert (shape, numbers) == (example.shape, example.numbers)


def test_types_of_numbers() -> None:
    """Integers stay integers, and an input of truths takes both ways to write them."""
    text = "input x: 2x2 int64 = [[9007199254740993, 2], [3, 4]]\n    input b: 2 bool = [true, 0]"
    examples = compiled(text, "\n    flatten\n").graph.examples
    assert (9007199254740993, 2, 3, 4) == examples["x"].numbers
    assert (True, 0) == examples["b"].numbers
    scalar = compiled("input x: 2 = [1, 2]\n    input s: [] = 3", "\n    relu\n").graph.examples[
        "s"
    ]
    assert ((), (3,)) == scalar


def test_an_example_changes_nothing_else() -> None:
    """Shapes, counts and the places of the input are those of the net without the example."""
    plain = compiled("input x: 1xHxW")
    with_example = compiled("input x: 1xHxW = [[1, 2], [3, 4]]")
    for net in (plain, with_example):
        assert "1xHxW" in net.graph.inputs[0].site.span.text
        assert net.graph.inputs[0].site.span.text.endswith("1xHxW")
    assert plain.costs.totals() == with_example.costs.totals()
    assert [n.type for n in plain.graph.nodes] == [n.type for n in with_example.graph.nodes]


def test_given_sizes_drop_an_example_that_does_not_fit() -> None:
    """`--input` with other sizes is no error: the example is only left out."""
    head = "input x: 1xHxW = [[1, 2], [3, 4]]"
    assert not compiled(head, inputs={"": (1, 5, 5)}).graph.examples
    assert compiled(head, inputs={"": (1, 2, 2)}).graph.examples


def test_a_called_net_ignores_its_example() -> None:
    """The input of a net that is called like a block is the value before the call."""
    text = (
        "net A {\n    input x: 1xHxW = [[1]]\n    relu\n}\nnet B {\n    input y: 1x4x4\n    A\n}\n"
    )
    graph = compile_net(program_of(SourceFile("n.net", text)), "B").graph
    assert not graph.examples


def test_layout() -> None:
    """The rows of an example are aligned, and formatting twice changes nothing."""
    text = "net N {\ninput x: 1x2x2   =[[1,2],\n[3,4]]\nrelu\n}\n"
    laid_out = format_source(SourceFile("n.net", text))
    assert "    input x: 1x2x2 = [[1, 2],\n                      [3, 4]]\n" in laid_out
    assert laid_out == format_source(SourceFile("n.net", laid_out))
