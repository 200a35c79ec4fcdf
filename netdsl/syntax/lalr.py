"""A small LALR(1) parser: turns tokens into a tree, with tables generated from the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netdsl.syntax.lexer import Token, UnexpectedToken, token_at
from netdsl.syntax.tables import ENDS, FOLLOWERS, GOTOS, IGNORED, RULES, SHIFTS, STARTS, STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ParseNode:
    """A rule of the grammar, applied to a part of the text.

    The children are nodes, tokens, and None for each optional part that is absent. `start_pos` and
    `end_pos` are offsets in the text, both 0 where the node takes up no text.
    """

    __slots__ = ("children", "data", "end_pos", "start_pos")

    def __init__(self, data: str, children: list[Any], start_pos: int, end_pos: int) -> None:
        self.data = data
        self.children = children
        self.start_pos = start_pos
        self.end_pos = end_pos


Child = ParseNode | Token | None


class Rule(NamedTuple):
    """How the last `size` values become one node.

    Each of `parts` adds children to the node: a number n adds value n, `~n` adds the children of
    value n, and None adds a None. If `single` is set, a single child replaces its node.
    """

    symbol: str
    size: int
    data: str
    parts: tuple[int | None, ...]
    single: bool

    def node(self, values: list[Any]) -> Child:
        """The node that these values make."""
        children: list[Child] = []
        for part in self.parts:
            if part is None:
                children.append(None)
            elif part >= 0:
                children.append(values[part])
            elif children:
                children += values[~part].children
            else:  # without a copy: a list of n members would be copied n times
                children = values[~part].children
        if self.single and len(children) == 1:
            return children[0]
        start = next((value.start_pos for value in values if value.end_pos), 0)
        end = max((value.end_pos for value in values), default=0)
        return ParseNode(self.data, children, start, end)


_RULES = [Rule(*row) for row in RULES]


def _actions(shifts: int, reductions: tuple[tuple[int, int], ...]) -> dict[str, int]:
    """The action at each terminal: the next state, or `~number` of a rule to apply."""
    row = dict(SHIFTS[shifts])
    for rule, followers in reductions:
        row |= dict.fromkeys(FOLLOWERS[followers], ~rule)
    return row


_ACTIONS = [_actions(shifts, reductions) for shifts, _, reductions in STATES]
_GOTOS = [GOTOS[gotos] for _, gotos, _ in STATES]


def parse(
    text: str, start: str, process: Callable[[Iterator[Token]], Iterator[Token]]
) -> ParseNode:
    """The tree of a text, which must match the rule `start`; `process` may drop tokens.

    Raises `UnexpectedToken` and `UnexpectedCharacter`.
    """
    parser = _Parser(text, start)
    for token in process(parser.tokens()):
        parser.take(token)
    return parser.finish()


class _Parser:
    """A parser with its stacks: the states it went through, and the values between them."""

    def __init__(self, text: str, start: str) -> None:
        self.text = text
        self.end = ENDS[start]
        self.states = [STARTS[start]]
        self.values: list[Child] = []

    def tokens(self) -> Iterator[Token]:
        """The tokens of the text. What is allowed next depends on the tokens taken so far."""
        position = 0
        while position < len(self.text):
            try:
                token = token_at(self.text, position, _ACTIONS[self.states[-1]])
            except UnexpectedToken as error:
                raise UnexpectedToken(error.token, self._expected()) from None
            position = token.end_pos  # before the token is used: its place may be changed then
            if token.type not in IGNORED:
                yield token

    def take(self, token: Token) -> None:
        """Apply the rules that are complete before this token, then push the token."""
        while (action := self._action(token)) < 0:
            self._apply(_RULES[~action])
        self.states.append(action)
        self.values.append(token)

    def finish(self) -> ParseNode:
        """The node of the whole text."""
        end = Token("", "$END", len(self.text))
        while self.states[-1] != self.end:
            self._apply(_RULES[~self._action(end)])
        node = self.values[-1]
        assert isinstance(node, ParseNode)
        return node

    def _action(self, token: Token) -> int:
        action = _ACTIONS[self.states[-1]].get(token.type)
        if action is None:
            raise UnexpectedToken(token, self._expected())
        return action

    def _apply(self, rule: Rule) -> None:
        first = len(self.values) - rule.size
        if not (rule.single and rule.size == 1):  # most rules only pass an expression through
            self.values[first:] = [rule.node(self.values[first:])]
        del self.states[first + 1 :]
        self.states.append(_GOTOS[self.states[-1]][rule.symbol])

    def _expected(self) -> frozenset[str]:
        """The terminals that could come next, with `$END` if the text could end here."""
        terminals = (*_ACTIONS[self.states[-1]], "$END")
        return frozenset(terminal for terminal in terminals if self._goes_on(terminal))

    def _goes_on(self, terminal: str) -> bool:
        """Whether the terminal can follow once the rules that end before it have been applied."""
        states = self.states.copy()
        while (action := _ACTIONS[states[-1]].get(terminal, 0)) < 0:
            rule = _RULES[~action]
            del states[len(states) - rule.size :]
            states.append(_GOTOS[states[-1]][rule.symbol])
        return action > 0 or (terminal == "$END" and states[-1] == self.end)
