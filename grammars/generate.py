"""Writes `netdsl/syntax/tables.py`: the grammar `netdsl.lark` as tables for our parser, `lalr.py`.

    python grammars/generate.py

Run it after every change to the grammar. Lark checks the grammar and computes the tables; netdsl
does not need lark at run time.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from lark import Lark
from lark.grammar import NonTerminal, Terminal
from lark.lexer import BasicLexer, PatternStr
from lark.parsers.lalr_analysis import LALR_Analyzer, Shift

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lark.grammar import Rule

GRAMMAR = Path(__file__).with_name("netdsl.lark")
TABLES = GRAMMAR.parents[1] / "netdsl" / "syntax" / "tables.py"
START = ["expr", "file"]
WIDTH = 100
PART = 60  # characters of a long pattern that share a line
HEAD = '''"""The grammar as tables; `python grammars/generate.py` writes this file.

What each table means is explained where it is read, in `lalr.py` and `lexer.py`.
"""

# fmt: off
'''


RuleRow = tuple[str, int, str, tuple[int | None, ...], bool]
Targets = tuple[tuple[str, int], ...]  # symbols with the states they lead to
Row = TypeVar("Row", bound=Hashable)


class State(NamedTuple):
    """What the parser does in one state."""

    shifts: dict[str, int]
    gotos: dict[str, int]
    reductions: dict[int, tuple[str, ...]]  # for each rule, what may follow


class Shared(Generic[Row]):
    """Rows without duplicates; other tables refer to a row by its number."""

    def __init__(self) -> None:
        self.rows: dict[Row, int] = {}

    def number(self, row: Row) -> int:
        """The number of a row, which is added if it is new."""
        return self.rows.setdefault(row, len(self.rows))


def tables_text() -> str:
    """The text of `tables.py`."""
    lark = Lark(
        GRAMMAR.read_text(encoding="utf-8"), parser="lalr", start=START, maybe_placeholders=True
    )
    rules = Shared[RuleRow]()
    shifts, gotos = Shared[Targets](), Shared[Targets]()
    followers = Shared[tuple[str, ...]]()
    states, starts, ends = states_of(lark, rules)
    rows = [
        (
            shifts.number(tuple(sorted(state.shifts.items()))),
            gotos.number(tuple(sorted(state.gotos.items()))),
            tuple(
                (rule, followers.number(after)) for rule, after in sorted(state.reductions.items())
            ),
        )
        for state in states
    ]
    tables = [
        table("TERMINALS", terminals_of(lark)),
        table("KEYWORDS", keywords_of(lark).items()),
        f"IGNORED = {tuple(sorted(lark.ignore_tokens))}",
        table("RULES", rules.rows),
        table("SHIFTS: tuple[dict[str, int], ...]", map(dict, shifts.rows)),
        table("GOTOS: tuple[dict[str, int], ...]", map(dict, gotos.rows)),
        table("FOLLOWERS", followers.rows),
        table("STATES", rows),
        f"STARTS = {starts}",
        f"ENDS = {ends}",
    ]
    return HEAD + "\n".join(tables) + "\n"


def table(name: str, rows: Iterable[object]) -> str:
    """The definition of a table: short rows share a line, and a long row takes several lines."""
    lines: list[str] = []
    for row in rows:
        text = f"{row!r},"
        if lines and len(lines[-1]) + 1 + len(text) <= WIDTH:
            lines[-1] += f" {text}"
        else:
            lines += row_lines(row, text)
    return f"{name} = (\n" + "\n".join(lines) + "\n)"


def row_lines(row: object, text: str) -> list[str]:
    """The lines of a row with this text; a long pattern is divided, blanks and all."""
    match row:
        case (str(name), str(pattern)) if len(text) > WIDTH:
            parts = (pattern[i : i + PART] for i in range(0, len(pattern), PART))
            return [f"({name!r},", *map(repr, parts), "),"]
    return [text] if len(text) <= WIDTH else textwrap.wrap(text, WIDTH)


def states_of(
    lark: Lark, rules: Shared[RuleRow]
) -> tuple[list[State], dict[str, int], dict[str, int]]:
    """The states, in the order in which they are reached, and those that begin and end a parse."""
    analysis = LALR_Analyzer(lark.parser.parser.parser_conf)
    analysis.compute_lalr()  # type: ignore[no-untyped-call]
    parse_table = analysis.parse_table
    waiting = [parse_table.start_states[name] for name in START]
    numbers: dict[object, int] = dict(zip(waiting, count()))
    for state in waiting:
        for _, (action, target) in sorted(parse_table.states[state].items()):
            if action is Shift and target not in numbers:
                numbers[target] = len(numbers)
                waiting.append(target)
    states = [state_of(parse_table.states[state], numbers, rules) for state in waiting]
    starts = {name: numbers[parse_table.start_states[name]] for name in START}
    ends = {name: numbers[parse_table.end_states[name]] for name in START}
    return states, starts, ends


def state_of(
    actions: Mapping[str, tuple[Any, Any]], numbers: Mapping[object, int], rules: Shared[RuleRow]
) -> State:
    """One state of lark's, with our numbers."""
    state = State({}, {}, {})
    for symbol, (action, target) in sorted(actions.items()):
        if action is Shift and symbol.isupper():
            state.shifts[symbol] = numbers[target]
        elif action is Shift:
            state.gotos[symbol] = numbers[target]
        else:
            rule = rules.number(rule_row(target))
            state.reductions[rule] = (*state.reductions.get(rule, ()), symbol)
    return state


def rule_row(rule: Rule) -> RuleRow:
    """The fields of `Rule` in `lalr.py`."""
    empty = rule.options.empty_indices or (False,) * len(rule.expansion)
    symbols = iter(enumerate(rule.expansion))
    children: list[int | None] = []
    for is_empty in empty:
        if is_empty:
            children.append(None)
            continue
        number, symbol = next(symbols)
        if isinstance(symbol, NonTerminal):
            children.append(~number if symbol.name.startswith("_") else number)
        elif isinstance(symbol, Terminal) and not symbol.filter_out:
            children.append(number)
    name = str(rule.origin.name)
    single = rule.options.expand1 and not rule.alias
    return name, len(rule.expansion), rule.alias or name, tuple(children), single


def terminals_of(lark: Lark) -> list[tuple[str, str]]:
    """Names and patterns, in the order of trial; the pattern of `NAME` matches keywords too."""
    lexer = BasicLexer(lark.lexer_conf)
    keywords = keywords_of(lark).values()
    return [(t.name, t.pattern.to_regexp()) for t in lexer.terminals if t.name not in keywords]


def keywords_of(lark: Lark) -> dict[str, str]:
    """The words that have a terminal of their own."""
    words = [t for t in lark.terminals if isinstance(t.pattern, PatternStr)]
    return dict(sorted((t.pattern.value, t.name) for t in words if t.pattern.value.isalpha()))


if __name__ == "__main__":
    TABLES.write_text(tables_text(), encoding="utf-8")
