"""The syntax tree. Nothing is resolved or computed here; every node knows its place in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

if TYPE_CHECKING:
    from netdsl.source import SourceFile, Span


@dataclass_transform(eq_default=False)
class Tree:
    """A part of the tree; its fields are the annotations of its base, then those of its class.

    Dataclasses would do the same, but every command would spend a twentieth of its time on
    defining them.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = (*cls.__match_args__, *cls.__annotations__)  # type: ignore[misc]

    def __init__(self, *values: Any) -> None:
        self.__dict__.update(zip(self.__match_args__, values, strict=True))


class Expr(Tree):
    span: Span


class Literal(Expr):
    value: int | float | bool | str


class DimsLiteral(Expr):
    """`3xHxW`: integers, and names that are parameters or symbols."""

    parts: tuple[int | str, ...]


class Name(Expr):
    id: str


class NameOrDims(Name):
    """`HxW`, or a name such as `Extra`: it is a name where the text gives it a value, else the sizes where it does so for each."""

    parts: tuple[int | str, ...]

    @property
    def reads_as_sizes(self) -> bool:
        """Whether a reader would take it for sizes."""
        return all(isinstance(p, int) or p.isupper() for p in self.parts)


class Reference(Expr):
    """`@pool4`; computed pieces stand between braces: `@layer{i}.relu`."""

    path: Pattern


class Sequence(Expr):
    """A list, or a tuple where `is_tuple`."""

    items: tuple[Expr, ...]
    is_tuple: bool


class Operation(Expr):
    """A chain of operators of one precedence, taken from the left: first op item op item ..."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Unary(Expr):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


class Conditional(Expr):
    value: Expr
    condition: Expr
    otherwise: Expr


class Index(Expr):
    value: Expr
    index: Expr


class Attribute(Expr):
    """`value.name`; `value` is None for `in.name`, the input of the enclosing block."""

    value: Expr | None
    name: str


class Argument(Tree):
    name: str | None
    value: Expr
    span: Span


class Function(Expr):
    """`min(a, b)` in an expression."""

    name: str
    arguments: tuple[Argument, ...]


class Pattern(Tree):
    """Text with computed pieces: a label such as `layer{i}`."""

    pieces: tuple[str | Expr, ...]
    span: Span


# ---- elements of a chain


class Element(Tree):
    span: Span
    label: Pattern | None


class Call(Element):
    """A layer, a block or a label used as a layer; a join may have a body of arms."""

    name: str
    name_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None


class Group(Element):
    body: Body


class TakeUp(Element):
    """`@name` at the start of a chain: go on from the value at that label."""

    reference: Reference


class Repeat(Element):
    count: Expr
    variable: str | None
    body: Body


class For(Element):
    targets: tuple[str, ...]
    values: Expr
    body: Body


class If(Element):
    condition: Expr
    then: Body
    otherwise: Body | None


# ---- statements


class Statement(Tree):
    span: Span


class Chain(Statement):
    elements: tuple[Element, ...]


class Input(Statement):
    label: Pattern
    shape: Expr
    dtype: str | None


class Output(Statement):
    label: Pattern | None
    chain: Chain | None


class Aux(Statement):
    name: str
    arguments: tuple[Argument, ...]
    body: Body


class Expect(Statement):
    """A condition on the finished net; `at` gives the input size it is evaluated at."""

    condition: Expr
    at: Expr | None


class Let(Statement):
    name: str
    value: Expr


class Body(Tree):
    """Statements one after the other, or arms side by side."""

    statements: tuple[Statement, ...]
    arms: tuple[Body, ...]
    span: Span


# ---- the file


class Parameter(Tree):
    name: str
    default: Expr | None
    span: Span


class Definition(Tree):
    """A `block` or a `net`."""

    name: str
    name_span: Span
    parameters: tuple[Parameter, ...]
    body: Body
    span: Span
    doc: str
    is_net: bool


class Alias(Tree):
    """Another name for a net with arguments: `net ResNet18 = ResNet(BasicBlock, [2, 2, 2, 2])`."""

    name: str
    name_span: Span
    target: str
    target_span: Span
    arguments: tuple[Argument, ...]
    body: Body | None
    span: Span
    doc: str


class Import(Tree):
    """Another file (`import "heads.net"`), or a file of the library (`import resnet`)."""

    target: str
    is_path: bool
    span: Span


class Entry(Tree):
    """One line of a `train` section."""

    name: str
    values: tuple[Expr, ...]
    span: Span


class Train(Tree):
    net: str
    net_span: Span
    entries: tuple[Entry, ...]
    span: Span


class File(Tree):
    source: SourceFile
    imports: tuple[Import, ...]
    lets: tuple[Let, ...]
    definitions: tuple[Definition | Alias, ...]
    trains: tuple[Train, ...]
