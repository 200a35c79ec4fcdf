"""What the properties and methods of `Net` give: inputs and outputs, layers, memory, pictures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, overload

from netdsl.analysis.figures import memory
from netdsl.analysis.summary import Row
from netdsl.diagnostics import did_you_mean
from netdsl.draw.rows import Choice
from netdsl.draw.table import layer_table, lines_of
from netdsl.ir.graph import Value
from netdsl.ir.types import shape_text
from netdsl.render import render_text

if TYPE_CHECKING:
    from netdsl.analysis.expectations import Outcome
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Site
    from netdsl.ir.types import Sym, TensorType


class Port:
    """An input or output of a net.

    `name` is its name, `shape` its shape without the batch, `dtype` the type of its elements, and
    `value` its value in the graph. A size is a formula (`Sym`) if it is open.
    """

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        value = self.value  # its copy does not have the layers that compute it
        return _copied, (self.name, value.name, value.type, value.site)

    @property
    def shape(self) -> tuple[int | Sym, ...]:
        """The sizes without the batch: `(3, 224, 224)`."""
        return self.value.type.shape

    @property
    def dtype(self) -> str:
        """The type of the elements: `float32`, or `int64` for indices."""
        return self.value.type.dtype

    def __repr__(self) -> str:
        return f"{self.name}: {shape_text(self.shape)} {self.dtype}"


def _copied(name: str, value_name: str, type_: TensorType, site: Site) -> Port:
    return Port(name, Value(value_name, type_, site))


class Memory(NamedTuple):
    """The memory of a net in bytes, in float32 and for one sample.

    `params` is that of the weights, `activations` that of all values together, and `peak` the most
    that values need at once at inference.
    """

    params: int
    activations: int | Sym
    peak: int | Sym

    def __str__(self) -> str:
        return (
            f"{memory(self.params)} params, {memory(self.activations)} activations,"
            f" {memory(self.peak)} at the peak"
        )


class ExpectLine:
    """An `expect` line: its `text`, its `line` in the file, and whether it `holds`.

    `holds` is None if the line was not checked, because the net was loaded with other parameters or
    sizes than those of the text. `diagnostics` are the reasons why it does not hold.
    """

    __slots__ = ("diagnostics", "holds", "line", "text")

    def __init__(self, expectation: Expectation, outcome: Outcome | None) -> None:
        span = expectation.statement.span
        self.text = span.text
        self.line = span.first.line
        self.holds: bool | None = None
        self.diagnostics: list[Diagnostic] = []
        if outcome is not None:
            self.holds, self.diagnostics = outcome.holds, outcome.diagnostics

    def __repr__(self) -> str:
        words = {True: "holds", False: "does not hold", None: "not checked"}
        return f"<line {self.line}: {self.text}: {words[self.holds]}>"

    def __str__(self) -> str:
        return "\n".join(render_text(d) for d in self.diagnostics) or repr(self)


class Layers(list[Row]):
    """The rows of a layer table: a list that is printed as a table.

    `layers["conv1"]` is the row of that name, and a slice is a table too.
    """

    @overload
    def __getitem__(self, key: SupportsIndex | str, /) -> Row: ...

    @overload
    def __getitem__(self, key: slice, /) -> Layers: ...

    def __getitem__(self, key: SupportsIndex | slice | str, /) -> Row | Layers:
        if isinstance(key, slice):
            return Layers(super().__getitem__(key))
        if not isinstance(key, str):
            return super().__getitem__(key)
        for row in self:
            if row.name == key:
                return row
        advice = did_you_mean(key, [row.name for row in self])
        raise KeyError(f"there is no layer {key!r}" + (f"; {advice}" if advice else ""))

    def __repr__(self) -> str:
        above = next((row.sources for row in self[:1] if len(row.sources) == 1), ())
        return "\n".join(line.text for line in layer_table(lines_of(self, above), Choice(), None))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


class Warnings(list["Diagnostic"]):
    """A list of warnings that is printed as the commands print them, each with its place."""

    def __repr__(self) -> str:
        return "\n".join(map(render_text, self)) or "[]"


class Drawing(str):
    """A picture as the text of an SVG file, which notebooks show."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG picture, {len(self):,} characters>"
