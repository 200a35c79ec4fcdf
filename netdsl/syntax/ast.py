"""The syntax tree. Nothing is resolved or computed here; every node knows its place in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.source import SourceFile, Span

_node = dataclass(slots=True, eq=False, repr=False)


@_node
class Expr:
    span: Span


@_node
class Literal(Expr):
    value: int | float | bool | str


@_node
class DimsLiteral(Expr):
    """`3xHxW`: integers, and names that are parameters or symbols."""

    parts: tuple[int | str, ...]


@_node
class Name(Expr):
    id: str


@_node
class Reference(Expr):
    """`@pool4`; computed pieces stand between braces: `@layer{i}.relu`."""

    path: Pattern


@_node
class Sequence(Expr):
    """A list, or a tuple where `is_tuple`."""

    items: tuple[Expr, ...]
    is_tuple: bool


@_node
class Operation(Expr):
    """A chain of operators of one precedence, taken from the left: first op item op item ..."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@_node
class Unary(Expr):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


@_node
class Conditional(Expr):
    value: Expr
    condition: Expr
    otherwise: Expr


@_node
class Index(Expr):
    value: Expr
    index: Expr


@_node
class Attribute(Expr):
    """`value.name`; `value` is None for `in.name`, the input of the enclosing block."""

    value: Expr | None
    name: str


@_node
class Argument:
    name: str | None
    value: Expr
    span: Span


@_node
class Function(Expr):
    """`min(a, b)` in an expression."""

    name: str
    arguments: tuple[Argument, ...]


@_node
class Pattern:
    """Text with computed pieces: a label such as `layer{i}`."""

    pieces: tuple[str | Expr, ...]
    span: Span


# ---- elements of a chain


@_node
class Element:
    span: Span
    label: Pattern | None


@_node
class Call(Element):
    """A layer, a block or a label used as a layer; a join may have a body of arms."""

    name: str
    name_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None


@_node
class Group(Element):
    body: Body


@_node
class TakeUp(Element):
    """`@name` at the start of a chain: go on from the value at that label."""

    reference: Reference


@_node
class Repeat(Element):
    count: Expr
    variable: str | None
    body: Body


@_node
class For(Element):
    targets: tuple[str, ...]
    values: Expr
    body: Body


@_node
class If(Element):
    condition: Expr
    then: Body
    otherwise: Body | None


# ---- statements


@_node
class Statement:
    span: Span


@_node
class Chain(Statement):
    elements: tuple[Element, ...]


@_node
class Input(Statement):
    label: Pattern
    shape: Expr
    dtype: str | None


@_node
class Output(Statement):
    label: Pattern | None
    chain: Chain | None


@_node
class Aux(Statement):
    name: str
    arguments: tuple[Argument, ...]
    body: Body


@_node
class Expect(Statement):
    """A condition on the finished net; `at` gives the input size it is evaluated at."""

    condition: Expr
    at: Expr | None


@_node
class Let(Statement):
    name: str
    value: Expr


@_node
class Body:
    """Statements one after the other, or arms side by side."""

    statements: tuple[Statement, ...]
    arms: tuple[Body, ...]
    span: Span


# ---- the file


@_node
class Parameter:
    name: str
    default: Expr | None
    span: Span


@_node
class Definition:
    """A `block` or a `net`."""

    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span
    doc: str
    is_net: bool


@_node
class Alias:
    """`net ResNet18 = ResNet(BasicBlock, [2, 2, 2, 2])`"""

    name: str
    name_span: Span
    target: str
    target_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None
    span: Span
    doc: str


@_node
class Import:
    """Another file (`import "heads.net"`), or a file of the library (`import resnet`)."""

    target: str
    is_path: bool
    span: Span


@_node
class Entry:
    """One line of a `train` section."""

    name: str
    values: tuple[Expr, ...]
    span: Span


@_node
class Train:
    net: str
    net_span: Span
    entries: tuple[Entry, ...]
    span: Span


@_node
class File:
    source: SourceFile
    imports: tuple[Import, ...]
    lets: tuple[Let, ...]
    definitions: tuple[Definition | Alias, ...]
    trains: tuple[Train, ...]
