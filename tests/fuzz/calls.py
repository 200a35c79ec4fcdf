"""Calls of layers: kinds that suit a type, their tensors, how the arguments are given, and the way
from one type to another.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from netdsl.ops import LAYERS

from .layers import LARGEST, MAKERS, WIDTHS
from .shape import Skip, Type
from .write import Block, Frame, Label, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

SYMBOLS = ["H", "W", "S", "L", "M", "T", "K2"]
JOINS = ("add", "mul", "sub", "max", "concat")


class Kind(str):
    """A layer kind as a value: what a block takes as an argument and calls."""

    __slots__ = ()


class Generator(Writer):
    """Writes one program, forward, knowing the type of the current value at each point."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.symbols: dict[str, int] = {}
        self.inputs: list[tuple[str, Type, str]] = []
        self.blocks: list[str] = []
        self.made: list[tuple[Block, Type, Type]] = []
        self.pending: list[Type] = []

    @contextmanager
    def inside(self, frame: Frame) -> Iterator[Frame]:
        """Write in that frame."""
        outer, self.frame = self.frame, frame
        try:
            yield frame
        finally:
            self.frame = outer

    # ---- tensors

    def refer(self, t: Type) -> None:
        """The layer being made takes a second tensor of that type."""
        self.pending.append(t)

    def axis(self, t: Type) -> int:
        """An axis, the batch being 0, from the front or from the end."""
        i = self.random.randrange(t.rank)
        return i + 1 if self.chance(0.6) else i - t.rank

    def tensor(self, t: Type) -> str:
        """A reference to a tensor of that type: a label in sight, a parameter of the block, or a
        new input.
        """
        names = [n for n, label in self.frame.visible().items() if label.type == t]
        if names and self.chance(0.85):
            return "@" + self.pick(names)
        block = self.frame.block
        if block is None:
            return "@" + self.input(t)
        assert block.caller is not None
        with self.inside(block.caller):
            text = self.tensor(t)
        name = self.fresh("t")
        self._add(block.parameters, name, 0)
        self._add(block.arguments, (name, text), 0)
        block.tensors = True
        return name

    def input(self, t: Type) -> str:
        """A new input of the net; open sizes take a symbol that has the value."""
        parts = []
        for d, is_open in zip(t.shape, t.open, strict=True):
            parts.append(self.symbol(d) if is_open else str(d))
        text = "x".join(parts) if len(parts) > 1 else parts[0]
        if t.rank > 1 and t.closed and self.chance(0.1):
            text = "[" + ", ".join(parts) + "]"
        name = self.fresh("in_")
        self._add(
            self.inputs,
            (name, t, text + ("" if t.dtype == "float32" and self.chance(0.8) else f" {t.dtype}")),
        )
        net = self.frame_of_net()
        net.labels[name] = Label(t)
        self._undo.append(lambda: net.labels.pop(name, None))
        return name

    def symbol(self, value: int) -> str:
        """A symbol of that value: one that there is, or a new one."""
        known = [s for s, v in self.symbols.items() if v == value]
        if known and self.chance(0.8):
            return self.pick(known)
        name = self.pick([s for s in SYMBOLS if s not in self.symbols])
        self.symbols[name] = value
        self._undo.append(lambda: self.symbols.pop(name))
        return name

    # ---- one layer

    def layer(self, t: Type, kind: str | None = None, keep: bool = False) -> tuple[str, Type]:
        """A call of a layer that suits the type, and the type it makes; `keep`: the same type."""
        for _ in range(40):
            mark, self.pending = self.mark(), []
            name = kind or self.pick(self._kinds(t))
            try:
                arguments, made = MAKERS[name](self, t)
                if (
                    (keep and made != t)
                    or made.size > max(LARGEST, t.size)
                    or max(made.shape) > max(200, *t.shape)
                ):
                    raise Skip
                return self.call(name, arguments, [self.tensor(p) for p in self.pending]), made
            except Skip:
                self.back(mark)
        raise Skip

    def _kinds(self, t: Type) -> list[str]:
        """The kinds to choose from: rare ones, and those that need just this rank, oftener."""
        kinds = list(MAKERS)
        if t.rank == 2:
            kinds += ["rnn", "lstm", "gru", "attention", "gcn", "cheb", "sage"] * 2
        if t.rank == 3:
            kinds += ["conv", "roi_pool", "roi_align", "spp", "pixel_shuffle", "maxpool", "avgpool"]
        if t.rank == 1:
            kinds += ["dense", "rbf", "reshape", "reshape"]
        if not t.floats:
            kinds = ["embedding"] * 6 + [
                "reshape",
                "permute",
                "flatten",
                "tokens",
                "slice",
                "split",
                "concat",
                "channel_shuffle",
            ]
        return kinds

    def call(self, kind: str, arguments: list[tuple[str, str]], references: list[str]) -> str:
        """The text of a call: some arguments by position, the rest by name in any order."""
        declared = [a.name for a in LAYERS[kind].args]
        given = dict(arguments)
        most = 0
        while most < len(declared) and declared[most] in given:
            most += 1
        count = self.random.randint(0, most) if self.chance(0.5) else min(most, 2)
        front = [given.pop(n) for n in declared[:count]]
        for reference in references:
            front.insert(self.random.randint(0, len(front)), reference)
        rest = [f"{n} = {v}" for n, v in given.items()]
        if self.chance(0.5):
            self.random.shuffle(rest)
        if self.frame.block is not None and kind not in JOINS and self.chance(0.08):
            kind = self._kind_parameter(self.frame.block, kind)
        inside = ", ".join(front + rest)
        return f"{kind}({inside})" if inside or self.chance(0.1) else kind

    def _kind_parameter(self, block: Block, kind: str) -> str:
        names = self.frame.named(Kind(kind))
        return self.pick(names) if names else self._parameter(block, Kind(kind), kind)

    # ---- from one type to another

    def coerce(self, t: Type, want: Type) -> list[str]:
        """Layers that make `want` of `t`."""
        if t == want:
            return []
        if not (t.floats and want.floats):
            raise Skip
        if (
            t.rank == want.rank
            and 2 <= t.rank <= 4
            and not t.open[0]
            and not want.open[0]
            and (t.closed or (t.open == want.open and t.spatial == want.spatial))
        ):
            made = []
            if t.spatial != want.spatial:
                if self.chance(0.7):
                    kind = self.pick(["adaptive_avgpool", "adaptive_maxpool"])
                    made.append(f"{kind}({self.dims(want.spatial)})")
                else:
                    made.append(f"upsample(size = {self.dims(want.spatial)})")
            if t.channels != want.channels or not made:
                made.append(f"conv({self.whole(want.channels)}, 1)")
            return made
        if not t.closed or not want.closed:
            raise Skip
        made = [] if t.rank == 1 else ["flatten"]
        if t.size != want.size or self.chance(0.5):
            made.append(f"dense({self.whole(want.size)})")
        return made if want.rank == 1 else [*made, f"reshape({self.sizes(want.shape)})"]

    def bounded(self, t: Type, widths: tuple[int, ...] = WIDTHS) -> Type:
        """The type with other channels, for arms that are joined along them."""
        return t if t.open[0] else t.with_(self.pick(widths))
