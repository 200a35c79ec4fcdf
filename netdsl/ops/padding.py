"""Padding: its forms, `same`, and how the back ends put a border around the spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import Correction, OpError
from netdsl.ops.base import END, spread
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import TypeIs

    from netdsl.ir.lowering import Emitter
    from netdsl.ir.op import Op
    from netdsl.ir.types import Sym
    from netdsl.ops.args import Dims, Padding, Pairs

TORCH_MODES = {"reflect": "reflect", "edge": "replicate", "circular": "circular"}


def is_even(pad: Padding) -> TypeIs[Dims]:
    """Whether a padding is one number for both sides of an axis."""
    return isinstance(pad, int) or (isinstance(pad, tuple) and isinstance(pad[0], int))


def sizes_text(values: Sequence[int]) -> str:
    """One number if all axes have the same, else sizes such as 1x2."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def pair_text(pair: tuple[int, int]) -> str:
    """`1`, or `1 and 2` if the sides differ."""
    begin, end = pair
    return str(begin) if begin == end else f"{begin} and {end}"


def spread_pairs(pad: Dims | Pairs, n: int, kind: str) -> Pairs:
    """A (begin, end) pair for each of `n` spatial axes; raises `OpError` for a wrong number."""
    if is_even(pad):
        return tuple((width, width) for width in spread(pad, n, kind, "pad"))
    if len(pad) != n:
        raise OpError(
            "wrong-rank",
            f"`pad` has {counted(len(pad), 'pair')}, but the input has"
            f" {counted(n, 'spatial axis')}",
            "pad",
            *_for_all_pairs(pad),
        )
    return pad


def _for_all_pairs(pairs: Pairs) -> tuple[str, Correction | None]:
    """Advice for a wrong number of (begin, end) pairs; one number is enough if all are equal."""
    numbers = {number for pair in pairs for number in pair}
    if len(numbers) > 1:
        return "give a (begin, end) pair for each axis", None
    text = str(numbers.pop())
    return f"one number is enough for all sides: write `{text}`", Correction({"pad": text})


def onnx_pads(pairs: Pairs) -> list[int]:
    """ONNX's order: before each axis, then after each axis."""
    return [begin for begin, _ in pairs] + [end for _, end in pairs]


# ---- `same`: ceil(size / stride) positions, as in TensorFlow


def same_total(size: int | Sym, extent: int, stride: int) -> int | Sym:
    """How far the last window of `same` extends past the input.

    The padding is this number, or 0 if it is negative.
    """
    return (size - 1) // stride * stride + extent - size


def same_pair(size: int | Sym, extent: int, stride: int) -> tuple[int, int]:
    """The padding of `same` along an axis, with the odd pixel at the end.

    For an open size on which the padding depends, it is that of a size which the stride divides.
    """
    total = same_total(size, extent, stride)
    if not isinstance(total, int):
        total = extent - stride
    total = max(total, 0)
    return total // 2, total - total // 2


def same_width(size: int | Sym, extent: int, stride: int) -> int | Sym:
    """The padding of `same` at the end of an axis, which is the wider side."""
    total = same_total(size, extent, stride)
    if isinstance(total, int):
        total = max(total, 0)
    return (total + 1) // 2


# ---- borders


class Border(NamedTuple):
    """What `pad` puts around the spatial axes.

    `pairs` are the widths before and after each axis. With `same`, they depend on sizes that are
    known only when the net runs; it holds the extent and the stride of the window along each axis.
    `value` is that of a constant border, whose mode is empty. Such a border can also have
    `channels` before and after those of the input.
    """

    pairs: Pairs
    same: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    mode: str = ""
    value: float | None = None
    channels: int = 0

    def torch(self) -> str:
        """The padded input {0} as PyTorch source."""
        arguments = ""
        if self.mode:
            arguments = f', mode="{TORCH_MODES[self.mode]}"'
        elif self.value is not None:
            arguments = f", value={_number(self.value)}"
        if self.same is not None:
            return f"pad_same({{0}}, {self.same[0]}, {self.same[1]}{arguments})"
        # PyTorch counts the axes from the last one.
        pairs = [(self.channels,) * 2, *self.pairs] if self.channels else self.pairs
        flat = tuple(width for pair in reversed(pairs) for width in pair)
        return f"F.pad({{0}}, {flat}{arguments})"

    @property
    def uses(self) -> tuple[str, ...]:
        """The names in `modules` that the source refers to."""
        return () if self.same is None else ("pad_same",)

    def onnx(self, g: Emitter, x: str) -> str:
        """Add the nodes that pad an input; returns the name of the result."""
        if self.same is None:
            if self.mode == "circular":
                return _wrapped(g, x, self.pairs)
            widths = [(self.channels, self.channels), *self.pairs]
            return g.pad(x, widths, self._onnx_value(g), self.mode or "constant")
        begins, ends = _widths_of_same(g, x, *self.same)
        if self.mode == "circular":
            axes = range(len(self.pairs))
            picked = [(_element(g, begins, i), _element(g, ends, i)) for i in axes]
            return _wrapped(g, x, picked)
        none = g.ints([0, 0])
        pads = g.op("Concat", none, begins, none, ends, axis=0)
        all_axes = g.ints(list(range(2 + len(self.pairs))))
        return g.op("Pad", x, pads, self._onnx_value(g), all_axes, mode=self.mode or "constant")

    def _onnx_value(self, g: Emitter) -> str:
        return "" if self.mode else g.floats(self.value or 0.0)


def _number(value: float) -> str:
    return repr(value) if abs(value) < float("inf") else f"{value:+}".replace("inf", "torch.inf")


def _widths_of_same(
    g: Emitter, x: str, extent: Sequence[int], stride: Sequence[int]
) -> tuple[str, str]:
    """Vectors with the padding before and after each spatial axis, for the sizes at run time."""
    sizes, steps = g.op("Shape", x, start=2), g.ints(stride)
    last = g.op("Mul", g.op("Div", g.op("Sub", sizes, g.ints([1])), steps), steps)
    total = g.op("Sub", g.op("Add", last, g.ints(extent)), sizes)
    total = g.op("Max", total, g.ints([0]))
    begins = g.op("Div", total, g.ints([2]))
    return begins, g.op("Sub", total, begins)


def _element(g: Emitter, vector: str, i: int) -> str:
    return g.op("Slice", vector, g.ints([i]), g.ints([i + 1]))


def _wrapped(g: Emitter, x: str, pairs: Iterable[tuple[int | str, int | str]]) -> str:
    """A circular border of these widths, which are numbers or the names of values.

    The mode `wrap` of ONNX's operator is missing in older versions.
    """
    for axis, (begin, end) in enumerate(pairs, start=2):
        parts = [x]
        axes = g.ints([axis])
        if isinstance(begin, str):
            size = g.op("Shape", x, start=axis, end=axis + 1)
            parts.insert(0, g.op("Slice", x, g.op("Sub", size, begin), g.ints([END]), axes))
        elif begin:
            parts.insert(0, g.op("Slice", x, g.ints([-begin]), g.ints([END]), axes))
        if end != 0:
            stop = end if isinstance(end, str) else g.ints([end])
            parts.append(g.op("Slice", x, g.ints([0]), stop, axes))
        if len(parts) > 1:
            x = g.op("Concat", *parts, axis=axis)
    return x


def check_border(op: Op, mode: str, size: int | Sym, width: int | Sym, argument: str) -> None:
    """Raise `OpError` if an axis is too short for a border of that mode and width.

    `argument` is the name of the layer's argument for the mode.
    """
    if width == 0:
        return
    if mode == "reflect" and not op.needs_at_least(size, width + 1):
        message = f"a reflected border of {width} needs an input larger than {size}"
        advice = f"make it at most {size - 1}, or write `{argument} = edge`"
        raise OpError("bad-padding", message, "pad", advice)
    if mode == "circular" and not op.needs_at_least(size, width):
        message = f"a circular border of {width} is wider than the input's {size}"
        raise OpError("bad-padding", message, "pad", f"make it at most {size}")
