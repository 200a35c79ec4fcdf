"""Where the formatter ends lines: where the author did, but for what the canonical layout joins and
opens.

A body `{ ... }` has one of three forms: `ONE` line; `BLOCK`, with each statement or arm on a line
of its own and the closing brace on another; `HANG`, of one or two statements, the first on the line
of the opening brace and the last on that of the closing one. Parentheses and lists are `BLOCK`
where the opening bracket ends its line, else `HANG`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from netdsl.layout.pieces import ARROW
from netdsl.syntax.parser import CLOSE, OPEN

if TYPE_CHECKING:
    from netdsl.layout.pieces import Piece

ONE, HANG, BLOCK = "ONE", "HANG", "BLOCK"


class Breaks:
    """The line breaks of a text:

    `before[i]` says whether one stands before piece i, `form[i]` the form of the bracket there.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.match: dict[int, int] = {}
        self.arms: dict[int, list[int]] = {}
        self.further: dict[int, list[int]] = {}  # the statements of a body after its first
        self._find_brackets()
        self.form: dict[int, str] = {}
        self.before = [p.newline and self._kept(i) for i, p in enumerate(pieces)]
        self._chains = self._if_chains()
        self._set_forms()
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
        """Whether a comment stands between the last piece and this one."""
        return bool(i and self.pieces[i - 1].comments) or any(self.pieces[i].above)

    def _kept(self, i: int) -> bool:
        """Whether a line break of the author's stays."""
        piece, before = self.pieces[i], self.pieces[i - 1].kind if i else ""
        if i == 0 or self.commented(i) or piece.separated or piece.kind in (ARROW, "VBAR"):
            return i > 0
        if OPEN.get(before) == piece.kind or before == "VBAR" or piece.kind == "ELSE":
            return False
        if piece.kind in ("RPAR", "RSQB", "EQUAL") or before == "EQUAL":
            return False  # set again where the bracket is a block
        return bool(piece.space) or before in OPEN or piece.kind == "RBRACE"

    def _if_chains(self) -> dict[int, list[int]]:
        """The opening braces of each `if`, `else if`, `else`, under every one of them."""
        chains: dict[int, list[int]] = {}
        following = _next_braces(self.pieces)
        for i, piece in enumerate(self.pieces):
            if piece.kind == "LBRACE":
                chain = chains.setdefault(i, [i])
                after = self.match[i] + 1
                if self.pieces[after].kind == "ELSE":
                    chain.append(following[after])
                    chains[following[after]] = chain
        return chains

    def _set_forms(self) -> None:
        for i, kind in enumerate(p.kind for p in self.pieces):
            if kind in ("LPAR", "LSQB"):
                self.form[i] = (
                    BLOCK
                    if (self.before[i + 1] and self.match[i] > i + 1) or self.commented(i + 1)
                    else HANG
                )
                if self.form[i] == BLOCK:
                    self.before[self.match[i]] = True
        count = list(accumulate(self.before))
        for i in (i for i, p in enumerate(self.pieces) if p.kind == "LBRACE"):
            last = self.match[self._chains[i][-1]]
            first = self._chains[i][0]
            if count[last] == count[first]:
                self.form[i] = ONE
            elif (
                len(self._chains[i]) > 1
                or self.before[i + 1]
                or self.before[last]
                or not self._can_hang(i)
            ):
                self.open(i)
            else:
                self.form[i] = HANG

    def _can_hang(self, brace: int) -> bool:
        """Whether a body is short enough to read well beside its brace: two statements, no arms."""
        further = self.further.get(brace, ())
        return (
            brace not in self.arms
            and not self._is_train(brace)
            and len(further) < 2
            and not any(self.pieces[i].above for i in further)
        )

    def _is_train(self, brace: int) -> bool:
        return brace > 1 and self.pieces[brace - 2].kind == "TRAIN"

    def chain(self, brace: int) -> list[int]:
        """The braces that are opened together with this one."""
        return self._chains[brace]

    def open(self, brace: int) -> None:
        """Make a block of a body."""
        self.form[brace] = BLOCK
        for i in (brace + 1, self.match[brace], *self.arms.get(brace, ())):
            self.before[i] = True

    def _align_entries(self) -> None:
        """The `=` of the entries of a `train` section stand in one column."""
        for brace in (
            i for i, p in enumerate(self.pieces) if p.kind == "LBRACE" and self._is_train(i)
        ):
            names = [
                i
                for i in range(brace + 1, self.match[brace])
                if i == brace + 1 or self.pieces[i].separated
            ]
            widest = max((len(self.pieces[i].text) for i in names), default=0)
            for i in names:
                self.pieces[i + 1].space = widest - len(self.pieces[i].text) + 1


def _next_braces(pieces: list[Piece]) -> list[int]:
    """For each piece the first opening brace from there on."""
    found = [0] * len(pieces)
    brace = len(pieces)
    for i in range(len(pieces) - 1, -1, -1):
        brace = i if pieces[i].kind == "LBRACE" else brace
        found[i] = brace
    return found
