"""Other ways to give names to values, and values of other languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import parts
from netdsl.habits.grammar import identifier
from netdsl.habits.statements import is_layer, named_end

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched


def one_each(matched: Matched) -> Fix:
    """One `let` on each line for `let a = 1, b = 2` and `let a = 1; b = 2`."""
    pairs = parts(matched.group("pairs").strip().rstrip(";"), matched.group("at").strip())
    pairs = [pair.removeprefix("let ").strip() for pair in pairs]
    if not all(re.match(r"[A-Za-z_]\w*\s*=(?!=)", pair) for pair in pairs):
        return None
    line = matched.match.string
    indentation = line[: len(line) - len(line.lstrip())]
    return f"\n{indentation}".join(f"let {pair}" for pair in pairs)


def same_value(matched: Matched) -> Fix:
    """`let a = 3` and `let b = 3` for `a = b = 3`."""
    names, value = matched.group("names").split("="), matched.group("value")
    line = matched.match.string
    indentation = line[: len(line) - len(line.lstrip())]
    return f"\n{indentation}".join(f"let {name.strip()} = {value}" for name in names)


def named_chain(matched: Matched) -> Fix:
    """`@a -> b: relu` for `let b = @a -> relu`."""
    return named_end(matched.group("name"), matched.group("chain").strip())


def numbers(matched: Matched) -> Fix:
    """`[3, 3]` for `{3, 3}`."""
    inside = matched.group("inside")
    return f"[{inside.strip()}]" if re.fullmatch(r"\s*-?\d[\d\s,.-]*", inside) else None


def computed_label(matched: Matched) -> Fix:
    """`layer{i}` for `layer[i]`, unless that is a layer with its arguments."""
    name, number = matched.group("name"), matched.group("number").strip()
    is_call = is_layer(matched, name) and matched.group("at") != "["
    if is_call or not number:
        return None
    return f"{name}{{{number}}}" if re.search(r"[A-Za-z_]", number) else f"{name}{number}"


def without_method(matched: Matched) -> Fix:
    """A list as the method `reverse` or `sort` leaves it, or a comprehension for a name."""
    written, method = matched.group("list"), matched.group("method")
    if written.startswith("[") and method in ("reverse", "reversed", "sort", "sorted"):
        items = parts(written[1:-1])
        if method.startswith("sort"):
            if not all(re.fullmatch(r"\d+", item) for item in items):
                return None
            return f"[{', '.join(sorted(items, key=int))}]"
        return f"[{', '.join(reversed(items))}]"
    if method in ("reverse", "reversed") and not written.startswith("["):
        return f"[{written}[-1 - i] for i in range(len({written}))]"
    return None


HABITS = (
    Habit(
        r"(?P<fix>(?P<list>\[[^\[\]{}]*\]|\b[a-z_]\w*)\.(?P<method>reversed?|sort|sorted|copy"
        r"|pop|index|count)\s*(?P<at>\()[^()]*\))",
        "for w in [3, 4].reverse‹(›) { relu }",
        "write `$fix`",
        "a list has no methods",
        without_method,
        "write all elements of the list: it does not change",
    ),
    Habit(
        r"(?:^|->|[{|])\s*(?P<fix>(?P<name>[A-Za-z_]\w*)(?P<at>[\[(<])(?P<number>[\w\s+*-]*)[\])>])"
        r"(?=\s*:\s*[A-Za-z{@])",
        "repeat 2 as i { layer‹[›i]: relu }",
        "write `$fix`; a computed label has braces: `stage{i}`",
        "found `$at` in a label",
        computed_label,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<pairs>\w+\s*=\s*[^,;=()\[\]]+?\s*(?P<at>[,;])\s*(?:let"
        r"\s+)?\w+\s*="
        r"[^=].*))$",
        "let k = 3‹,› s = 2",
        "write one `let` for each name, on a line of its own: `$fix`",
        "found `$at` after the value of a `let`",
        one_each,
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<names>[A-Za-z_]\w*\s*(?P<at>=)\s*[A-Za-z_]\w*)\s*=\s*"
        r"(?P<value>[\w.\"]+))\s*$",
        "k ‹=› s = 3",
        "write one `let` for each name, on a line of its own: `$fix`",
        "this gives one value to several names",
        same_value,
    ),
    Habit(
        r"^\s*(?P<fix>let\s+(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<chain>[^{}]*?(?P<at>->).*))$",
        "let b = @image ‹->› relu",
        "a `let` names a number or a layer, and a label the result: write `$fix`",
        "found `->` in the value of a `let`",
        named_chain,
        "a `let` names a number or a layer, and a label the result: write `... -> $name: relu`",
        where="body",
    ),
    Habit(
        r"^\s*let\s+(?P<name>\w+)\s*=?\s*$",
        "let a‹\n›",
        "give it a value: `let $name = 3`",
    ),
    Habit(
        r"^\s*let\s+(?P<fix>(?P<at>(?P<name>(?!\d)[\w.@'-]*[.@'-][\w.@'-]*)))\s*=(?P<rest>)",
        "let ‹k-1› = 3",
        "names consist of letters, digits and `_`: `let $fix = ...`",
        "`$name` is not a name",
        identifier,
    ),
    Habit(
        r"=\s*(?P<fix>(?P<f>sqrt|abs|floor|ceil|round|len|sum|max|min)\s+(?P<at>[\w.]+))\s*$",
        "let k = sqrt ‹9›",
        "write the argument in parentheses: `$fix`",
        "the argument of `$f` is not in parentheses",
        "$f($at)",
    ),
    Habit(
        r"(?P<fix>(?P<at>√)\s*\(?(?P<x>[\w.]+)\)?)",
        "let k = ‹√›9",
        "write `$fix`",
        "found `√`",
        "sqrt($x)",
    ),
    Habit(
        r"^(?!\s*(?:net|block)\b).*?[=(,]\s*(?P<fix>(?P<at>\{)(?P<inside>[^{}]*)\})",
        "let k = ‹{›3, 4}",
        "a list is in brackets: write `$fix`",
        "found `{` where a value is expected",
        numbers,
        "write a list, `[3, 4]`, or give each value a name with `let`: there are no dictionaries",
    ),
    Habit(
        r"^\s*(?:let|def)\s+\w+(?P<at>\()[\w\s,]*\)\s*=",
        "let f‹(›x) = x + 1",
        "write the calculation where its value is needed, or a `block` with parameters",
        "found `(` after the name of a value, but there are no functions of your own",
    ),
    Habit(
        r"(?P<a>\w+)(?P<at>!)\s*$",
        "let k = 3‹!›",
        "write the product: `2 * 3`",
        "found `!` after a value",
    ),
)
