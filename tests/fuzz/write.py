"""Writes values in many ways: as literals, as names of `let`s and parameters, as expressions.

Frames track which names are visible.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .shape import Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .shape import Type

T = TypeVar("T")
ODD_NAMES = [
    "class",
    "lambda",
    "weight",
    "nn",
    "torch",
    "F",
    "x0",
    "x",
    "größe",
    "None_",
    "self",
    "def",
    "_a",
    "Tt",
    "type_",
]

USUAL = ("-1", "0", "1", "0.5", "2", "-0.25", "1/3")
EXTREME = (  # literal weights near the limits of float32, mixed with usual ones
    ("1e-44", "-1e-40", "1"),
    ("1e-38", "-2e-37", "0"),
    ("1e-25", "-1e-22", "1"),
    ("1e19", "-3e18", "1"),
    ("1e30", "-1e20", "0", "1"),
    ("60", "-100", "0", "200"),
)


class Weight(NamedTuple):
    """The shape of a weight, and what follows the label in a reference to it."""

    shape: tuple[int, ...]
    suffix: str = ".weight"


@dataclass
class Label:
    """A label that references can use.

    `entry` is the input type of its layer if the label can be called again, or else None. `weight`
    is the weight of its layer, if it has one that other layers can share.
    """

    type: Type
    entry: Type | None = None
    weight: Weight | None = None


@dataclass
class Block:
    """A block while it is written: its parameters, and the text of each argument in the caller."""

    name: str
    parameters: list[str] = field(default_factory=list)
    # The text is None if the call uses the default.
    arguments: list[tuple[str, str | None]] = field(default_factory=list)
    caller: Frame | None = None
    tensors: bool = False  # whether an argument is a reference
    kinds: bool = False


class Frame:
    """The names that are visible in a body, and the scope of its labels."""

    def __init__(
        self, outer: Frame | None, *, block: Block | None = None, scope: bool = False
    ) -> None:
        self.outer = outer
        self.values: dict[str, object] = {}
        self.block: Block | None = block or (outer.block if outer else None)
        self.begins_block = block is not None
        self.labels: dict[str, Label] = {} if scope or outer is None else outer.labels
        self.begins_scope = scope or outer is None
        self.loops: list[tuple[str, int]] = [] if scope or outer is None else list(outer.loops)
        self.entry: Type | None = None if block or outer is None else outer.entry
        self.depth: int = outer.depth + 1 if outer else 0
        self.in_aux: bool = outer.in_aux if outer else False
        # Whether labels are allowed: not in a loop without a counter.
        self.can_name: bool = outer.can_name if outer else True

    def named(self, value: object) -> list[str]:
        """The visible names with that value."""
        names: list[str] = []
        seen: set[str] = set()
        frame: Frame | None = self
        while frame is not None:
            names += [
                n
                for n, v in frame.values.items()
                if n not in seen and type(v) is type(value) and v == value
            ]
            seen |= set(frame.values)
            frame = frame.outer
        return names

    def visible(self) -> dict[str, Label]:
        """The labels that references can use, from the scope and those around it.

        A block does not see the labels of its caller.
        """
        labels: dict[str, Label] = {}
        frame: Frame | None = self
        while frame is not None:
            for name, label in frame.labels.items():
                labels.setdefault(name, label)
            if frame.begins_block:
                break
            frame = frame.outer
        return labels


class Writer:
    """Writes values; `frame` is the frame of the text that is being written."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.file = Frame(None)
        self.frame = self.file
        self.lets: list[str] = []
        self.net_parameters: list[tuple[str, str]] = []
        self.defines: list[tuple[str, str]] = []
        self._count = 0
        self._odd = self.chance(0.25)
        self._undo: list[Callable[[], object]] = []

    # ---- chance

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.random.random() < p

    def pick(self, options: Sequence[T]) -> T:
        """A random option; raises `Skip` if there is none."""
        if not options:
            raise Skip
        return self.random.choice(options)

    def fresh(self, stem: str) -> str:
        """A name that is not used yet, sometimes one that is reserved in Python or PyTorch."""
        self._count += 1
        if self._odd and stem in ("c", "g") and self.chance(0.3):
            self._odd = False
            return self.pick(ODD_NAMES)
        return f"{stem}{self._count}"

    def mark(self) -> int:
        """A point to which `back` can return."""
        return len(self._undo)

    def back(self, mark: int) -> None:
        """Undo every name, let, parameter and input added since the mark."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def _know(self, values: dict[str, object], name: str, value: object) -> None:
        values[name] = value
        self._undo.append(lambda: values.pop(name))

    def _add(self, items: list[Any], item: object, at: int | None = None) -> None:
        items.insert(len(items) if at is None else at, item)
        self._undo.append(lambda: items.remove(item))

    # ---- values

    def whole(self, value: int) -> str:
        """An integer, written in one of many ways."""
        r = self.random.random()
        if r < 0.62 or abs(value) > 500:
            return str(value)
        if r < 0.80:
            return self._named(value, str(value))
        return self._computed(value)

    def _computed(self, n: int) -> str:
        a = self.random.randint(1, 9)
        forms = [
            f"{n + a} - {a}",
            f"({n - a} + {a})",
            f"max({n}, {n - a})",
            f"min({n + a}, {n})",
            f"[{a}, {n}][1]",
            f"[{a}, {n}, {a}][1:2][0]",
            f"[v_ + {a} for v_ in [{n - a}, 0] if true][0]",
            f"{n * a} // {a}",
            f"sum([{n - 1}, 1])",
            f"({n} if {a} > 0 else {a})",
            f"round({n}.2)",
            f"abs({-n})" if n >= 0 else f"-{-n}",
        ]
        if n >= 0:
            forms += [
                f"{n} % {n + a}",
                f"len(range({n}))",
                f"floor({n}.5)",
                f"range({n + 1})[-1]",
                f"enumerate([{n}])[0][1]",
            ]
        if n > 0:
            forms += [f"ceil({n - 1}.5)", f"{n * a} / {a}", f"0{n}" if n < 8 else str(n)]
        if n in (1, 2, 4, 8, 16):
            forms.append(f"2 ** {n.bit_length() - 1}")
        entry = self.frame.entry
        if entry is not None and not entry.open[0] and entry.channels == n:
            forms += ["in.channels"] * 4 + ["in.shape[0]"]
        if entry is not None and entry.rank == 3 and not entry.open[1] and entry.shape[1] == n:
            forms += ["in.height"] * 3
        if entry is not None and entry.rank == 3 and not entry.open[2] and entry.shape[2] == n:
            forms += ["in.width"] * 3
        if entry is not None and entry.rank == 2 and not entry.open[1] and entry.shape[1] == n:
            forms += ["in.length"] * 3
        for variable, rounds in self.frame.loops:
            forms += [f"{n} + 0 * {variable}", f"[{', '.join([str(n)] * rounds)}][{variable}]"] * 2
        if entry is not None and entry.closed and entry.size == n:
            forms += ["in.size"] * 3
        return self.pick(forms)

    def _named(self, value: object, text: str) -> str:
        """A visible name for the value, or a new `let` or parameter."""
        names = self.frame.named(value)
        if names and self.chance(0.7):
            return self.pick(names)
        block, where = self.frame.block, self.random.random()
        if block is not None and where < 0.7:
            return self._parameter(block, value, text)
        if block is None and where < 0.4 and not isinstance(value, str):
            name = self.fresh("p")
            other = text if self.chance(0.6) else "7" if isinstance(value, int) else text
            self._add(self.net_parameters, (name, other))
            if other != text or self.chance(0.2):
                self._add(self.defines, (name, text))
            self._know(self.frame_of_net().values, name, value)
            return name
        name = self.fresh("v")
        self._add(self.lets, f"let {name} = {text}")
        self._know(self.file.values, name, value)
        return name

    def frame_of_net(self) -> Frame:
        """The frame of the net's body."""
        frame = self.frame
        while frame.outer is not None and frame.outer is not self.file:
            frame = frame.outer
        return frame

    def _parameter(self, block: Block, value: object, text: str) -> str:
        name = self.fresh("q")
        if self.chance(0.4):
            self._add(block.parameters, f"{name} = {text}")
            self._add(block.arguments, (name, text if self.chance(0.3) else None))
        else:
            self._add(block.parameters, name, 0)
            self._add(block.arguments, (name, text), 0)
        self._know(self.frame_of_block().values, name, value)
        return name

    def frame_of_block(self) -> Frame:
        """The frame of the block's body."""
        frame = self.frame
        while not frame.begins_block:
            assert frame.outer is not None
            frame = frame.outer
        return frame

    def ints(self, values: Sequence[int]) -> str:
        """A list of integers."""
        return "[" + ", ".join(self.whole(v) for v in values) + "]"

    def dims(self, values: Sequence[int]) -> str:
        """One number if all are equal, or else sizes, a list or a tuple."""
        if len(set(values)) == 1 and self.chance(0.6):
            return self.whole(values[0])
        return self.sizes(values)

    def sizes(self, values: Sequence[int]) -> str:
        """Sizes, a list or a tuple."""
        r = self.random.random()
        if r < 0.6 and len(values) > 1 and min(values) >= 0:
            parts = [str(values[0])]
            for v in values[1:]:
                names = [n for n in self.frame.named(v) if n.isascii() and "x" not in n]
                parts.append(self.pick(names) if names and self.chance(0.3) else str(v))
            return "x".join(parts)
        if r < 0.8 or len(values) == 1:
            return self.ints(values)
        return "(" + ", ".join(self.whole(v) for v in values) + ")"

    def pairs(self, pairs: Sequence[tuple[int, int]]) -> str:
        """A list of pairs."""
        return "[" + ", ".join(f"({self.whole(a)}, {self.whole(b)})" for a, b in pairs) + "]"

    def real(self, value: float) -> str:
        """A number, sometimes written as an integer."""
        if abs(value) < 1e15 and value == int(value) and self.chance(0.5):
            return self.whole(int(value))
        return self.pick(
            [
                repr(value),
                repr(value),
                f"{value:.6e}",
                f"({value!r} + 0)",
                self._named(value, repr(value)),
            ]
        )

    def truth(self, value: bool) -> str:
        """A Boolean, as a literal or an expression."""
        if self.chance(0.6):
            return "true" if value else "false"
        true = [
            "not false",
            "1 < 2",
            "2 >= 2",
            '"a" == "a"',
            "1x2 == [1, 2]",
            "true or false",
            "1 != 2",
        ]
        false = ["not true", "1 > 2", "true and false", '"a" == "b"', "3 <= 2", "[] != []"]
        return self.pick(true if value else false)

    def word(self, value: str) -> str:
        """A word: a name or a string."""
        return (
            value
            if self.chance(0.6)
            else f'"{value}"'
            if self.chance(0.8)
            else self._named(value, f'"{value}"')
        )

    def nested(self, shape: Sequence[int]) -> str:
        """Nested lists of literal numbers, sometimes extreme ones."""
        return self._nested(shape, self.pick(EXTREME) if self.chance(0.2) else USUAL)

    def _nested(self, shape: Sequence[int], numbers: Sequence[str]) -> str:
        if not shape:
            return self.pick(numbers)
        return "[" + ", ".join(self._nested(shape[1:], numbers) for _ in range(shape[0])) + "]"
