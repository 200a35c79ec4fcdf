"""The syntax tree: every node has its place in the text, and nothing is resolved or computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.source import SourceFile, Span


@dataclass_transform(eq_default=False)
class Tree:
    """A part of the tree; its fields are the annotations of its base, then those of its class.

    Dataclasses would do the same, but defining them takes a twentieth of the time of a command.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = (*cls.__match_args__, *cls.__annotations__)  # type: ignore[misc]

    def __init__(self, *values: object) -> None:
        self.__dict__.update(zip(self.__match_args__, values, strict=True))

    def children(self) -> Iterator[Tree]:
        """The parts directly inside it, in the order of the text."""
        return _trees(self.__dict__.values())

    def walk(self) -> Iterator[Tree]:
        """Itself and all parts inside it, each before its own parts."""
        yield self
        for child in self.children():
            yield from child.walk()


def _trees(values: Iterable[object]) -> Iterator[Tree]:
    """The trees among some values, and in the tuples among them."""
    for value in values:
        if isinstance(value, Tree):
            yield value
        elif type(value) is tuple:
            yield from _trees(value)


class Expr(Tree):
    """An expression, such as `2 * n`."""

    span: Span


class Literal(Expr):
    """A number, a string, `true` or `false`."""

    value: int | float | bool | str


class DimsLiteral(Expr):
    """`3xHxW`: integers, and names that are parameters or symbols."""

    parts: tuple[int | str, ...]


class Name(Expr):
    """A name. Elaboration finds its value."""

    id: str


class NameOrDims(Name):
    """`HxW`, or a name such as `Extra`.

    It is a name if the text defines it; otherwise it is sizes if every part has a value.
    """

    parts: tuple[int | str, ...]

    @property
    def reads_as_sizes(self) -> bool:
        """Whether it looks like sizes: every part is a number or in capitals."""
        return all(isinstance(part, int) or part.isupper() for part in self.parts)


class Reference(Expr):
    """`@pool4`; a path can have computed parts in braces: `@layer{i}.relu`."""

    path: Pattern


class Current(Expr):
    """`@`: the current value."""


class Sequence(Expr):
    """A list, or a tuple where `is_tuple`."""

    items: tuple[Expr, ...]
    is_tuple: bool


class Operation(Expr):
    """Operators of one precedence, evaluated from the left: first op item op item ..."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


class Unary(Expr):
    """`-x` or `not x`."""

    operator: str
    operand: Expr


class Conditional(Expr):
    """`value if condition else otherwise`."""

    value: Expr
    condition: Expr
    otherwise: Expr


class Index(Expr):
    """`value[index]`."""

    value: Expr
    index: Expr


class ListPart(Expr):
    """`value[start:end]`; either end can be left out."""

    value: Expr
    start: Expr | None
    end: Expr | None


class Comprehension(Expr):
    """`[item for a, b in values if condition]`; `condition` is None without `if`."""

    item: Expr
    targets: tuple[str, ...]
    values: Expr
    condition: Expr | None


class Attribute(Expr):
    """`value.name`; `value` is None for `in.name`, the input of the enclosing block."""

    value: Expr | None
    name: str


class Argument(Tree):
    """One argument of a call; `name` is None for a positional argument."""

    name: str | None
    value: Expr
    span: Span


class Function(Expr):
    """`min(a, b)` in an expression."""

    name: str
    arguments: tuple[Argument, ...]


class Pattern(Tree):
    """A label, with computed parts in braces: `layer{i}`; or the path of a reference.

    Names `in_quotes` can have other characters than words of the language.
    """

    pieces: tuple[str | Expr, ...]
    in_quotes: bool
    span: Span


# ---- elements of a chain


class Element(Tree):
    """A part of a chain: a layer, a group, a loop, a condition, or a reference."""

    span: Span
    label: Pattern | None


class Call(Element):
    """A layer, a block, or a label used as a layer; a join may have a body of arms.

    `condition` is that of `residual if condition { ... }`.
    """

    name: str
    name_span: Span
    arguments: tuple[Argument, ...]
    condition: Expr | None
    body: Body | None


class Group(Element):
    """Statements in braces, as one element of a chain."""

    body: Body


class TakeUp(Element):
    """`@name` at the start of a chain: continue from the value at that label."""

    reference: Reference


class Formula(Element):
    """`(@a + @b)`: arithmetic on tensors, as an element of a chain."""

    value: Expr


class Carried(Tree):
    """`name = value` after `with`: a value that a loop carries from round to round."""

    name: str
    value: Expr
    span: Span


class Repeat(Element):
    """`repeat 3 as i { ... }`; `variable` is None without `as`."""

    count: Expr
    variable: str | None
    carried: tuple[Carried, ...]
    body: Body


class For(Element):
    """`for a, b in values { ... }`."""

    targets: tuple[str, ...]
    values: Expr
    carried: tuple[Carried, ...]
    body: Body


class If(Element):
    """`if condition { ... } else { ... }`; `otherwise` is None without `else`."""

    condition: Expr
    then: Body
    otherwise: Body | None


# ---- statements


class Statement(Tree):
    """A line of a body."""

    span: Span


class Chain(Statement):
    """Elements joined by `->`."""

    elements: tuple[Element, ...]


class Input(Statement):
    """`input image: 3xHxW float32 = [[...]]`; `dtype` and `example` are None if not written.

    Its span is the declaration, without the example.
    """

    label: Pattern
    shape: Expr
    dtype: str | None
    example: Expr | None


class Output(Statement):
    """`output name: chain`; without a chain the current value is the output."""

    label: Pattern | None
    chain: Chain | None


class Aux(Statement):
    """`aux name(weight = 0.3) { ... }`: an auxiliary head."""

    name: str
    arguments: tuple[Argument, ...]
    body: Body


class Expect(Statement):
    """A condition on the finished net; `at` is the input size at which it is evaluated."""

    condition: Expr
    at: Expr | None


class Let(Statement):
    """`let name = value`."""

    name: str
    value: Expr


class Next(Statement):
    """`next name = value`: what a loop carries into its next round."""

    name: str
    value: Expr


class Body(Tree):
    """Statements one after another, or arms side by side.

    A loop or condition that makes arms is an arm that consists of nothing else.
    """

    statements: tuple[Statement, ...]
    arms: tuple[Body, ...]
    span: Span


# ---- the file


class Parameter(Tree):
    """A parameter of a block or net; `default` is None if it has no default."""

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
    """The `train` section of a net."""

    net: str
    net_span: Span
    entries: tuple[Entry, ...]
    span: Span


class File(Tree):
    """A whole file."""

    source: SourceFile
    imports: tuple[Import, ...]
    lets: tuple[Let, ...]
    definitions: tuple[Definition | Alias, ...]
    trains: tuple[Train, ...]
