"""Which `expect` lines are checked, and which values the names in them have."""

from __future__ import annotations

import pytest

from netdsl.driver import check_expects, compile_net, compile_picked, program_of
from netdsl.errors import NetdslError
from netdsl.source import SourceFile


def checked(text: str, net: str) -> tuple[int, list[str]]:
    """The number of `expect` lines that are true, and the messages of the others."""
    true, false = check_expects(compile_net(program_of(SourceFile("n.net", text)), net))
    return true, [diagnostic.message for diagnostic in false]


def test_open_sizes_have_the_values_that_at_gives_them() -> None:
    """In a line with `at`, `H` is a number, and so is a `let` that is computed from it."""
    body = "input x: 3xHxW\n let half = H // 2\n conv(4, 1) -> c: maxpool(2)\n"
    lines = "expect shape(c) == [4, half, W // 2] at 3x8x10\n expect half == 4 at 3x8x10\n"
    assert checked(f"net N {{\n {body} {lines}}}\n", "N") == (2, [])


def test_a_member_of_a_family_has_expectations_of_its_own() -> None:
    """If all parameters have defaults, the lines are checked for the net with these defaults.

    A member of the family has lines of its own.
    """
    family = "net B(n = 3) {\n input x: 4\n dense(n)\n expect params == 15\n}\n"
    text = family + "net A = B(5) {\n expect params == 25\n}\n"
    assert checked(text, "B") == (1, [])
    assert checked(text, "A") == (1, [])


def test_lines_of_a_family_that_needs_arguments_are_checked_for_its_members() -> None:
    """Without arguments there is no net for which the lines could be checked."""
    text = "net B(n) {\n input x: 4\n dense(n)\n expect params == 5 * n\n}\nnet A = B(5)\n"
    assert checked(text, "A") == (1, [])


def test_an_error_that_ends_the_work_comes_with_those_before_it() -> None:
    """A file that has a wrong `let` and no net gives two errors."""
    program = program_of(SourceFile("n.net", "let a = b\n"))
    with pytest.raises(NetdslError) as caught:
        compile_picked(program, None)
    assert [d.code for d in caught.value.diagnostics] == ["unknown-name", "no-net"]


def test_in_is_the_input_of_the_block_with_the_line() -> None:
    """Each call of a block has its own input, whose sizes are those that `at` gives."""
    lines = "expect params(c) == in.channels * width\n expect in.height == 8 * width at 3x24x10\n"
    block = f"block B(width) {{\n c: conv(width, 1, bias = false)\n {lines}}}\n"
    text = block + "net N {\n input x: 3xHxW\n B(3) -> upsample(2) -> B(6)\n}\n"
    assert checked(text, "N") == (4, [])


def test_a_line_sees_the_values_at_its_place() -> None:
    """A later `let` gives the name another value, and a later layer is another current value."""
    body = (
        "let n = 3\n expect n == 3\n dense(n)\n expect shape(@) == [3] and params(@) == 15\n"
        "let n = 2\n dense(n)\n expect n == 2 and shape(@) == [2] and shape(@in) == [4]\n"
    )
    assert checked(f"net N {{\n input x: 4\n {body}}}\n", "N") == (3, [])


def test_the_current_value_and_the_input_are_those_of_the_block() -> None:
    """In a line with `at`, they have the sizes that `at` gives them."""
    block = (
        "block B() {\n conv(4, 3)\n expect shape(@in) == 3x8x8 and shape(@) == 4x6x6 at 3x8x8\n}\n"
    )
    assert checked(f"{block}net N {{\n input x: 3xHxW\n B -> relu\n}}\n", "N") == (1, [])


def test_a_layer_without_a_label_is_named_by_its_position_in_quotes() -> None:
    """A number, as in `values(0)`, is no label; it is not the last layer either."""
    for figure in ("shape", "params", "values"):
        line = f"expect {figure}(0) == [1]"
        text = f"net N {{\n input x: 4 = [1, 2, 3, 4]\n (@ * 2) -> relu\n {line}\n}}\n"
        _, broken = check_expects(compile_net(program_of(SourceFile("n.net", text)), "N"))
        assert [d.help for d in broken] == ['the layer at position 0 is `@"0"`']
