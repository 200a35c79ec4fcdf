"""What the properties and methods of `Net` give: inputs and outputs, layers, memory, pictures."""

from __future__ import annotations

from html import escape
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex, overload

from netdsl.advising import advises
from netdsl.analysis.figures import memory
from netdsl.analysis.summary import Row
from netdsl.diagnostics import did_you_mean
from netdsl.draw.rows import Choice
from netdsl.draw.table import layer_table, lines_of
from netdsl.ir.graph import Value
from netdsl.ir.types import Sym, shape_text
from netdsl.render import render_text
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.analysis.expectations import Outcome
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.bodies import Expectation
    from netdsl.ir.graph import Site
    from netdsl.ir.types import TensorType

advises(  # only the Python API needs it
    shape="output output_shape out_shape output_size size out",
    kind="type op layer_type layer class_name",
    params="param parameters num_params n_params param_count",
    macs="flops FLOPs mult_adds madds mac MACs",
    window="kernel kernel_size stride filter",
    sources="input inputs source parents bottoms",
    field="receptive_field rf receptive",
    bytes="memory mem activation_bytes size_bytes",
    name="label id path",
    units="neurons",
)(Row)
_MOST_NAMES = 12  # in a message
_SORTED_BY = ("params", "macs", "weights", "units", "buffers", "bytes")


@advises(shape="size sizes dims dim", dtype="type element_type")
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


class Ports(list[Port]):
    """The inputs or outputs of a net: a list, where `ports["image"]` is the one of that name."""

    @overload
    def __getitem__(self, key: SupportsIndex | str, /) -> Port: ...

    @overload
    def __getitem__(self, key: slice, /) -> list[Port]: ...

    def __getitem__(self, key: SupportsIndex | slice | str, /) -> Port | list[Port]:
        if not isinstance(key, str):
            return super().__getitem__(key)
        names = [port.name for port in self]
        if key not in names:
            advice = did_you_mean(key, names) or f"the names are {_first_names(names)}"
            raise KeyError(f"there is no {key!r}; {advice}")
        return self[names.index(key)]


def _copied(name: str, value_name: str, type_: TensorType, site: Site) -> Port:
    return Port(name, Value(value_name, type_, site))


@advises(
    params="weights parameters param_bytes",
    activations="activation activation_bytes",
    peak="peak_bytes max maximum",
)
class Memory(NamedTuple):
    """The memory of a net: four numbers of bytes, in float32 and for one sample.

    `params` is the bytes of the weights, `activations` the bytes of all values together, and `peak`
    the most bytes that values need at once at inference. `total` is the bytes for inference:
    `params` and `peak`. Which values need the most can depend on open sizes: the formula of `peak`
    is then that for sizes around 512, and `figure("peak_bytes", H=64, W=64)` is right for all.
    """

    params: int
    activations: int | Sym
    peak: int | Sym

    @property
    def total(self) -> int | Sym:
        """The bytes for the weights and for the values that are needed at once at inference."""
        return self.params + self.peak

    def __str__(self) -> str:
        return (
            f"{memory(self.params)} params, {memory(self.activations, None)} activations,"
            f" {memory(self.peak, None)} at the peak"
        )


@advises(holds="ok passed passes result success is_true", text="expression expect")
class ExpectLine:
    """An `expect` line: its `text`, its `file` and `line`, and whether it `holds`.

    `holds` is None if the line was not checked, because the net was loaded with other parameters or
    sizes than those of the text, or because the line is about values, which only `verify` computes.
    `diagnostics` are the reasons why it does not hold.
    """

    __slots__ = ("diagnostics", "file", "holds", "line", "text")

    def __init__(self, expectation: Expectation, outcome: Outcome | None) -> None:
        span = expectation.statement.span
        self.text = span.text
        self.file = span.file.name
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

    `layers["conv1"]` is the row of that name. A slice is a table too, and so is `sorted`.
    """

    def __init__(self, rows: Iterable[Row] = (), order: str = "") -> None:
        super().__init__(rows)
        self._order = order  # the field by which they are sorted, if they are

    @overload
    def __getitem__(self, key: SupportsIndex | str, /) -> Row: ...

    @overload
    def __getitem__(self, key: slice, /) -> Layers: ...

    def __getitem__(self, key: SupportsIndex | slice | str, /) -> Row | Layers:
        if isinstance(key, slice):
            return Layers(super().__getitem__(key), self._order)
        if not isinstance(key, str):
            return super().__getitem__(key)
        for row in self:
            if row.name == key:
                return row
        raise KeyError(self._missing(key))

    def sorted(self, by: str = "params", /) -> Layers:
        """The rows with the largest figures first, by the name of the field; equal rows stay.

        `by` is `params`, `macs`, `weights`, `units`, `buffers` or `bytes`. Raises `ValueError` for
        another name, and for figures that depend on open sizes.
        """
        if by not in _SORTED_BY:
            raise ValueError(f"by must be one of {', '.join(_SORTED_BY)}, not {by!r}")
        if any(isinstance(getattr(row, by), Sym) for row in self):
            advice = "load the net with sizes, as in `inputs={...}`"
            raise ValueError(f"the {by} of these layers depend on open sizes: {advice}")
        return Layers(sorted(self, key=attrgetter(by), reverse=True), by)

    def _missing(self, name: str) -> str:
        """Why there is no row of that name: perhaps it is a block or another group of layers."""
        inside = sum(row.name.startswith(f"{name}.") for row in self)
        if inside:
            label = name if all(part.isidentifier() for part in name.split(".")) else f"@{name}"
            figure = f'`net.figure("params({label})")`'
            layers = counted(inside, "layer")
            return f"{name!r} is not a layer but a group of {layers}; {figure} is its params"
        groups = {row.name.rpartition(".")[0] for row in self} - {""}
        advice = did_you_mean(name, [*sorted(groups), *(row.name for row in self)])
        of_kind = [row.name for row in self if row.kind == name]
        if of_kind:
            advice = f"it is the kind of {_first_names(of_kind)}"
        return f"there is no layer {name!r}; {advice or self._names()}"

    def _names(self) -> str:
        """The names that there are, for messages."""
        names = [row.name for row in self]
        return f"the layers are {_first_names(names)}" if names else "the list is empty"

    if not TYPE_CHECKING:  # type checkers report wrong names only if there is no such method

        def __getattr__(self, name: str) -> object:
            fact = f"'Layers' object has no attribute {name!r}"
            if name[:1] == "_":  # programs ask for such names, and expect a quick answer
                raise AttributeError(fact)
            if any(row.name == name for row in self):
                raise AttributeError(f'{fact}; write `layers["{name}"]`')
            if name in Row._fields:
                raise AttributeError(f"{fact}; each row has it: `[row.{name} for row in layers]`")
            advice = did_you_mean(name, ("sorted",)) or self._names()
            raise AttributeError(f"{fact}; {advice}")

    def __repr__(self) -> str:
        above = next((row.sources for row in self[:1] if len(row.sources) == 1), ())
        table = layer_table(lines_of(self, above), Choice(sort=self._order), None)
        return "\n".join(line.text for line in table)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def _first_names(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = names[:_MOST_NAMES]
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown)} more"
    return listed(shown)


class Warnings(list["Diagnostic"]):
    """A list of warnings that is printed as the commands print them, each with its place."""

    def __repr__(self) -> str:
        return "\n".join(map(render_text, self)) or "[]"


def beside(picture: str, table: str) -> str:
    """A picture and a table beside each other, as HTML for notebooks."""
    scroll = "overflow:auto;max-height:40em"
    parts = "".join(f'<div style="{scroll}">{part}</div>' for part in (picture, table))
    return f'<div style="display:flex;flex-wrap:wrap;gap:2em">{parts}</div>'


class Drawing(str):
    """A picture as the text of an SVG file, which notebooks show."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG picture, {len(self):,} characters>"
