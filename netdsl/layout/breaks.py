"""Decides where the lines of the canonical layout end.

They end where the author ended them, except where the layout joins lines or opens a bracket.

A body `{ ... }` has one of three forms:

- `ONE`: everything is on one line
- `BLOCK`: each statement or arm has a line of its own, and so has the closing brace
- `HANG`: of one or two statements, the first is on the line of the opening brace, and the last on
  the line of the closing brace

Parentheses and lists are `BLOCK` if the opening bracket ends its line, else `HANG`.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from netdsl.layout.pieces import ARROW
from netdsl.syntax.parser import CLOSE, OPEN

if TYPE_CHECKING:
    from netdsl.layout.pieces import Piece

LOOPS = ("FOR", "REPEAT", "IF")
ONE, HANG, BLOCK = "ONE", "HANG", "BLOCK"
ALLOW = re.compile(r"#\s*allow:")  # a comment that silences a warning on its line


class Breaks:
    """The line breaks of a text.

    `before[i]` is whether there is one before piece i, `form[i]` the form of the bracket that piece
    i opens, and `match[i]` the piece that closes it. `makers` are the first pieces of the loops and
    conditions that make arms.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.match: dict[int, int] = {}
        self.arms: dict[int, list[int]] = {}  # the `|` of each body
        self.further: dict[int, list[int]] = {}  # the statements of each body after its first
        self._allowing = {p.line for p in pieces if any(map(ALLOW.match, p.comments))}
        self._find_brackets()
        self.form: dict[int, str] = {}
        self.before = [piece.newline and self._kept(i) for i, piece in enumerate(pieces)]
        self._next_brace = _next_braces(pieces)
        self._chains = self._if_chains()
        self.makers: set[int] = set()
        self._find_makers()
        for i, piece in enumerate(pieces):
            if piece.kind in ("LPAR", "LSQB"):
                self._set_bracket_form(i)
        self._set_body_forms()
        self._align_entries()

    def _find_brackets(self) -> None:
        open_ = [-1]
        for i, piece in enumerate(self.pieces):
            if piece.kind in OPEN:
                open_.append(i)
            elif piece.kind in CLOSE:
                self.match[open_.pop()] = i
            elif piece.kind == "VBAR":
                self.arms.setdefault(open_[-1], []).append(i)
            elif piece.separated:
                self.further.setdefault(open_[-1], []).append(i)

    def commented(self, i: int) -> bool:
        """Whether there is a comment between the previous piece and this one."""
        return bool(i and self.pieces[i - 1].comments) or any(self.pieces[i].above)

    def _kept(self, i: int) -> bool:
        """Whether the author's line break before a piece stays."""
        if i == 0:
            return False
        piece, before = self.pieces[i], self.pieces[i - 1].kind
        if self.commented(i) or piece.separated or piece.kind in (ARROW, "VBAR"):
            return True
        if OPEN.get(before) == piece.kind or before == "VBAR" or piece.kind == "ELSE":
            return False
        if piece.kind in ("RPAR", "RSQB", "EQUAL") or before == "EQUAL":
            return False  # `_set_bracket_form` puts it back if the bracket is a block
        return bool(piece.space) or before in OPEN or piece.kind == "RBRACE"

    def _if_chains(self) -> dict[int, list[int]]:
        """For each opening brace, those of all branches of its `if`, `else if` and `else`."""
        chains: dict[int, list[int]] = {}
        for i, piece in enumerate(self.pieces):
            if piece.kind == "LBRACE":
                chain = chains.setdefault(i, [i])
                after = self.match[i] + 1
                if self.pieces[after].kind == "ELSE":
                    chain.append(self._next_brace[after])
                    chains[self._next_brace[after]] = chain
        return chains

    def _find_makers(self) -> None:
        """Find the loops and conditions that make arms, the inner ones first."""
        around = _braces_around(self.pieces)
        for i in reversed(range(len(self.pieces))):
            if self.pieces[i].kind not in LOOPS or not self._begins_statement(i):
                continue
            if any(brace in self.arms for brace in self._chains[self._next_brace[i]]):
                self.makers.add(i)
                self.arms.setdefault(around[i], [])

    def _begins_statement(self, i: int) -> bool:
        return self.pieces[i].separated or self.pieces[i - 1].kind in ("LBRACE", "VBAR")

    def _set_bracket_form(self, bracket: int) -> None:
        """Set the form of parentheses or a list."""
        first, last = bracket + 1, self.match[bracket]
        if (self.before[first] and last > first) or self.commented(first):
            self.form[bracket] = BLOCK
            self.before[last] = True
        else:
            self.form[bracket] = HANG

    def _set_body_forms(self) -> None:
        lines = list(accumulate(self.before))  # the number of the line of each piece
        for brace, piece in enumerate(self.pieces):
            if piece.kind != "LBRACE":
                continue
            chain = self._chains[brace]
            last = self.match[chain[-1]]
            if lines[last] == lines[chain[0]]:
                self.form[brace] = ONE
            elif len(chain) > 1 or self.before[last] or not self._can_hang(brace):
                self.open(brace)
            else:
                self.form[brace] = HANG

    def _can_hang(self, brace: int) -> bool:
        """Whether a body can begin beside its brace: with up to two statements and no arms."""
        further = self.further.get(brace, ())
        return (
            not self.before[brace + 1]
            and brace not in self.arms
            and not self._is_train(brace)
            and len(further) < 2
            and not any(self.pieces[i].above for i in further)
        )

    def _is_train(self, brace: int) -> bool:
        return brace > 1 and self.pieces[brace - 2].kind == "TRAIN"

    def chain(self, brace: int) -> list[int]:
        """The braces that are opened together with this one."""
        return self._chains[brace]

    def _is_pinned(self, brace: int) -> bool:
        """Whether a body is on one line with a comment that allows something on this line."""
        line = self.pieces[brace].line
        return line in self._allowing and self.pieces[self.match[brace]].line == line

    def open(self, brace: int) -> None:
        """Turn a body into a block, unless it would part a comment `# allow:` from its line."""
        if self._is_pinned(brace):
            self.form[brace] = ONE
            return
        self.form[brace] = BLOCK
        for i in (brace + 1, self.match[brace], *self.arms.get(brace, ())):
            self.before[i] = True

    def _align_entries(self) -> None:
        """Align the `=` of the entries of each `train` section."""
        for brace, piece in enumerate(self.pieces):
            if piece.kind != "LBRACE" or not self._is_train(brace):
                continue
            inside = range(brace + 1, self.match[brace])
            names = [i for i in inside if i == brace + 1 or self.pieces[i].separated]
            widest = max((len(self.pieces[i].text) for i in names), default=0)
            for i in names:
                self.pieces[i + 1].space = widest - len(self.pieces[i].text) + 1


def _braces_around(pieces: list[Piece]) -> list[int]:
    """For each piece, the opening brace of the body that contains it; -1 outside all bodies."""
    open_ = [-1]
    around: list[int] = []
    for i, piece in enumerate(pieces):
        if piece.kind == "RBRACE":
            open_.pop()
        around.append(open_[-1])
        if piece.kind == "LBRACE":
            open_.append(i)
    return around


def _next_braces(pieces: list[Piece]) -> list[int]:
    """For each piece, the first opening brace at or after it."""
    braces = [0] * len(pieces)
    brace = len(pieces)
    for i in reversed(range(len(pieces))):
        if pieces[i].kind == "LBRACE":
            brace = i
        braces[i] = brace
    return braces
