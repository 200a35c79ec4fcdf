"""Random calls of layers that suit a type, and conversions from one type to another."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netdsl.ops import LAYERS

from .layers import LARGEST, MAKERS, WIDTHS
from .shape import Skip, Type
from .write import Block, Frame, Label, Weight, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

SYMBOLS = ["H", "W", "S", "L", "M", "T", "K2"]
PLAIN = re.compile(r"\w+ = (\d+|true|false)")  # an argument that means the same everywhere
JOINS = ("add", "mul", "sub", "max", "concat")


class Kind(str):
    """A layer kind as a value, which a block can have as a parameter and call."""

    __slots__ = ()


class Layer(str):
    """A layer with some arguments as a value, which a block can have as a parameter and call."""

    __slots__ = ()


class Generator(Writer):
    """Writes a program from its input on, and tracks the type of the current value."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.symbols: dict[str, int] = {}
        self.inputs: list[tuple[str, Type, str]] = []
        self.blocks: list[str] = []
        self.reusable: list[tuple[Block, Type, Type]] = []
        self.pending: list[Type] = []
        self.weight: Weight | None = None  # of the layer that was written last
        self.results: dict[str, Type] = {}  # the further results of the last layer

    @contextmanager
    def inside(self, frame: Frame) -> Iterator[Frame]:
        """Write in a frame; afterwards the former frame is current again."""
        outer, self.frame = self.frame, frame
        try:
            yield frame
        finally:
            self.frame = outer

    # ---- tensors

    def refer(self, t: Type) -> None:
        """Record that the current layer takes one more tensor of that type."""
        self.pending.append(t)

    def axis(self, t: Type) -> int:
        """A random axis, counted from the front (the batch is 0) or from the end."""
        i = self.random.randrange(t.rank)
        return i + 1 if self.chance(0.6) else i - t.rank

    def tensor(self, t: Type) -> str:
        """A tensor of that type: a visible label, a new input, or a new parameter of the block."""
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
        """A reference to a new input of the net; open sizes are written as symbols."""
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
        """A symbol with that value, existing or new."""
        known = [s for s, v in self.symbols.items() if v == value]
        if known and self.chance(0.8):
            return self.pick(known)
        name = self.pick([s for s in SYMBOLS if s not in self.symbols])
        self.symbols[name] = value
        self._undo.append(lambda: self.symbols.pop(name))
        return name

    # ---- one layer

    def layer(self, t: Type, kind: str | None = None, keep: bool = False) -> tuple[str, Type]:
        """A call of a layer that suits the type, and its output type: with `keep`, the same."""
        for _ in range(40):
            mark, self.pending, self.weight, self.results = self.mark(), [], None, {}
            name = kind or self.pick(self._kinds(t))
            try:
                arguments, result = MAKERS[name](self, t)
                if (
                    (keep and result != t)
                    or result.size > max(LARGEST, t.size)
                    or max(result.shape) > max(200, *t.shape)
                ):
                    raise Skip
                return self.call(name, arguments, [self.tensor(p) for p in self.pending]), result
            except Skip:
                self.back(mark)
        raise Skip

    def _kinds(self, t: Type) -> list[str]:
        """The kinds to choose from; rare kinds that suit the rank occur several times."""
        kinds = list(MAKERS)
        if t.rank == 2:
            kinds += ["rnn", "lstm", "gru", "attention", "gcn", "cheb", "sage"] * 2
        if t.rank == 3:
            kinds += [
                "attention",
                "attention",
                "conv",
                "roi_pool",
                "roi_align",
                "spp",
                "pixel_shuffle",
                "maxpool",
                "avgpool",
            ]
        if t.rank == 1:
            kinds += ["dense", "rbf", "reshape", "reshape"]
        if not t.floats:
            kinds = (
                ["embedding"] * 6
                + ["float"] * 2
                + [
                    "reshape",
                    "permute",
                    "flatten",
                    "tokens",
                    "slice",
                    "select",
                    "split",
                    "concat",
                    "channel_shuffle",
                    "roll",
                ]
            )
        return kinds

    def call(self, kind: str, arguments: list[tuple[str, str]], references: list[str]) -> str:
        """The text of a call, with some arguments by position and the rest by name in any order."""
        declared = [a.name for a in LAYERS[kind].args if not a.dtypes]
        given = dict(arguments)
        longest = 0
        while longest < len(declared) and declared[longest] in given:
            longest += 1
        count = self.random.randint(0, longest) if self.chance(0.5) else min(longest, 2)
        front = [given.pop(n) for n in declared[:count]]
        for reference in references:
            front.insert(self.random.randint(0, len(front)), reference)
        rest = [f"{n} = {v}" for n, v in given.items()]
        if self.chance(0.5):
            self.random.shuffle(rest)
        if self.frame.block is not None and kind not in JOINS and self.chance(0.08):
            kind = self._kind_parameter(self.frame.block, kind)
        elif self.frame.block is not None and kind not in JOINS and rest and self.chance(0.2):
            kind, rest = self.given_to_block(self.frame.block, kind, rest)
        inside = ", ".join(front + rest)
        return f"{kind}({inside})" if inside or self.chance(0.1) else kind

    def given_to_block(self, block: Block, kind: str, rest: list[str]) -> tuple[str, list[str]]:
        """A parameter of the block that has the kind with some of its arguments, and the others."""
        moved = [text for text in rest if PLAIN.fullmatch(text)]
        if not moved:
            raise Skip
        text = f"{kind}({', '.join(moved)})"
        name = self._parameter(block, Layer(text), text)
        return name, [argument for argument in rest if argument not in moved]

    def _kind_parameter(self, block: Block, kind: str) -> str:
        names = self.frame.named(Kind(kind))
        return self.pick(names) if names else self._parameter(block, Kind(kind), kind)

    # ---- from one type to another

    def coerce(self, t: Type, want: Type) -> list[str]:
        """Layers that convert `t` to `want`."""
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
            result = []
            if t.spatial != want.spatial:
                if self.chance(0.7):
                    kind = self.pick(["adaptive_avgpool", "adaptive_maxpool"])
                    result.append(f"{kind}({self.dims(want.spatial)})")
                else:
                    result.append(f"upsample(size = {self.dims(want.spatial)})")
            if t.channels != want.channels or not result:
                result.append(f"conv({self.whole(want.channels)}, 1)")
            return result
        if not t.closed or not want.closed:
            raise Skip
        result = [] if t.rank == 1 else ["flatten"]
        if t.size != want.size or self.chance(0.5):
            result.append(f"dense({self.whole(want.size)})")
        return result if want.rank == 1 else [*result, f"reshape({self.sizes(want.shape)})"]

    def bounded(self, t: Type, widths: tuple[int, ...] = WIDTHS) -> Type:
        """The type with another number of channels, for the arms of a `concat`."""
        return t if t.open[0] else t.with_(self.pick(widths))
