"""The syntax tree. Nothing is resolved or computed here; every node knows its place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.source import SourceFile, Span


@dataclass(slots=True, eq=False, repr=False)
class Expr:
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Literal(Expr):
    value: int | float | bool | str


@dataclass(slots=True, eq=False, repr=False)
class DimsLiteral(Expr):
    """`3xHxW`: integers, and names that are parameters or symbols."""

    parts: tuple[int | str, ...]


@dataclass(slots=True, eq=False, repr=False)
class Name(Expr):
    id: str


@dataclass(slots=True, eq=False, repr=False)
class NameOrDims(Name):
    """`HxW`, or a name such as `Extra`: it is a name where the text gives it a value, else the sizes where it does so for each."""

    parts: tuple[int | str, ...]

    @property
    def reads_as_sizes(self) -> bool:
        """Whether a reader would take it for sizes."""
        return all(isinstance(p, int) or p.isupper() for p in self.parts)


@dataclass(slots=True, eq=False, repr=False)
class Reference(Expr):
    """`@pool4`; computed pieces stand between braces: `@layer{i}.relu`."""

    path: Pattern


@dataclass(slots=True, eq=False, repr=False)
class Sequence(Expr):
    """A list, or a tuple where `is_tuple`."""

    items: tuple[Expr, ...]
    is_tuple: bool


@dataclass(slots=True, eq=False, repr=False)
class Operation(Expr):
    """A chain of operators of one precedence, taken from the left: first op item op item ..."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(slots=True, eq=False, repr=False)
class Unary(Expr):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


@dataclass(slots=True, eq=False, repr=False)
class Conditional(Expr):
    value: Expr
    condition: Expr
    otherwise: Expr


@dataclass(slots=True, eq=False, repr=False)
class Index(Expr):
    value: Expr
    index: Expr


@dataclass(slots=True, eq=False, repr=False)
class Attribute(Expr):
    """`value.name`; `value` is None for `in.name`, the input of the enclosing block."""

    value: Expr | None
    name: str


@dataclass(slots=True, eq=False, repr=False)
class Argument:
    name: str | None
    value: Expr
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Function(Expr):
    """`min(a, b)` in an expression."""

    name: str
    arguments: tuple[Argument, ...]


@dataclass(slots=True, eq=False, repr=False)
class Pattern:
    """Text with computed pieces: a label such as `layer{i}`."""

    pieces: tuple[str | Expr, ...]
    span: Span


# ---- elements of a chain


@dataclass(slots=True, eq=False, repr=False)
class Element:
    span: Span
    label: Pattern | None


@dataclass(slots=True, eq=False, repr=False)
class Call(Element):
    """A layer, a block or a label used as a layer; a join may have a body of arms."""

    name: str
    name_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None


@dataclass(slots=True, eq=False, repr=False)
class Group(Element):
    body: Body


@dataclass(slots=True, eq=False, repr=False)
class TakeUp(Element):
    """`@name` at the start of a chain: go on from the value at that label."""

    reference: Reference


@dataclass(slots=True, eq=False, repr=False)
class Repeat(Element):
    count: Expr
    variable: str | None
    body: Body


@dataclass(slots=True, eq=False, repr=False)
class For(Element):
    targets: tuple[str, ...]
    values: Expr
    body: Body


@dataclass(slots=True, eq=False, repr=False)
class If(Element):
    condition: Expr
    then: Body
    otherwise: Body | None


# ---- statements


@dataclass(slots=True, eq=False, repr=False)
class Statement:
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Chain(Statement):
    elements: tuple[Element, ...]


@dataclass(slots=True, eq=False, repr=False)
class Input(Statement):
    label: Pattern
    shape: Expr
    dtype: str | None


@dataclass(slots=True, eq=False, repr=False)
class Output(Statement):
    label: Pattern | None
    chain: Chain | None


@dataclass(slots=True, eq=False, repr=False)
class Aux(Statement):
    name: str
    arguments: tuple[Argument, ...]
    body: Body


@dataclass(slots=True, eq=False, repr=False)
class Expect(Statement):
    """A condition on the finished net; `at` gives the input size it is evaluated at."""

    condition: Expr
    at: Expr | None


@dataclass(slots=True, eq=False, repr=False)
class Let(Statement):
    name: str
    value: Expr


@dataclass(slots=True, eq=False, repr=False)
class Body:
    """Statements one after the other, or arms side by side."""

    statements: tuple[Statement, ...]
    arms: tuple[Body, ...]
    span: Span


# ---- the file


@dataclass(slots=True, eq=False, repr=False)
class Parameter:
    name: str
    default: Expr | None
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Definition:
    """A `block` or a `net`."""

    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span
    doc: str
    is_net: bool


@dataclass(slots=True, eq=False, repr=False)
class Alias:
    """Another name for a net with arguments: `net ResNet18 = ResNet(BasicBlock, [2, 2, 2, 2])`."""

    name: str
    name_span: Span
    target: str
    target_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None
    span: Span
    doc: str


@dataclass(slots=True, eq=False, repr=False)
class Import:
    """Another file (`import "heads.net"`), or a file of the library (`import resnet`)."""

    target: str
    is_path: bool
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Entry:
    """One line of a `train` section."""

    name: str
    values: tuple[Expr, ...]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class Train:
    net: str
    net_span: Span
    entries: tuple[Entry, ...]
    span: Span


@dataclass(slots=True, eq=False, repr=False)
class File:
    source: SourceFile
    imports: tuple[Import, ...]
    lets: tuple[Let, ...]
    definitions: tuple[Definition | Alias, ...]
    trains: tuple[Train, ...]
