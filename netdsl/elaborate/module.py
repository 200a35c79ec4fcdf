"""What a file defines, and blocks and layers as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from netdsl.elaborate.evaluate import Clash, Env, KnownValue
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.op import Op
    from netdsl.source import SourceFile, Span

Meaning = ast.Definition | ast.Alias | ast.Let | Clash


class Module:
    """One file: its syntax tree, its definitions and `let`s by name, and its `train` sections.

    The names include those that it imports. `env` has the values of the `let`s, and `declared`
    the names that the file itself defines. `homes` has the file that defines each block and net,
    and `imports` the file of each import.
    """

    def __init__(
        self,
        source: SourceFile,
        tree: ast.File,
        env: Env,
    ) -> None:
        self.source = source
        self.tree = tree
        self.declared = frozenset(item.name for item in (*tree.definitions, *tree.lets))
        self.definitions: dict[str, ast.Definition | ast.Alias] = {}
        self.homes: dict[str, Module] = {}
        self.lets: dict[str, ast.Let] = {}
        self.own: list[str] = []  # the blocks and nets of the file itself
        self.imports: list[tuple[ast.Import, Module]] = []
        self.trains = tree.trains
        self.env = env

    @property
    def lacks_imports(self) -> bool:
        """Whether a file that this one imports is missing, so that its names are not known."""
        return len(self.imports) < len(self.tree.imports)

    def definition(self, name: str, span: Span) -> ast.Definition | ast.Alias | None:
        """The block or net of that name; raises `NetdslError` if imports disagree on it."""
        value = self.env.values.get(name)
        if isinstance(value, Clash):
            raise value.fault(span)
        return self.definitions.get(name)

    def register(self, definition: ast.Definition | ast.Alias) -> None:
        """Add a block or net of the file itself."""
        self.definitions[definition.name] = definition
        self.homes[definition.name] = self
        self.own.append(definition.name)

    def take(self, name: str, other: Module) -> None:
        """Import a name from another file.

        The file's own definition of the name takes precedence. If two imports give the name
        different meanings, it becomes a `Clash`.
        """
        ours, theirs = self._meaning(name), other._meaning(name)
        if name in self.declared or ours is theirs or isinstance(ours, Clash) or theirs is None:
            return
        if ours is not None and not isinstance(theirs, Clash):
            theirs = Clash(name, _place(ours), _place(theirs))
        if isinstance(theirs, Clash):
            self.definitions.pop(name, None)
            self.lets.pop(name, None)
            self.env.values[name] = theirs
        elif isinstance(theirs, ast.Let):
            self.lets[name], self.env.values[name] = theirs, other.env.values[name]
        else:
            self.definitions[name], self.homes[name] = theirs, other.homes[name]

    def _meaning(self, name: str) -> Meaning | None:
        value = self.env.values.get(name)
        if isinstance(value, Clash):
            return value
        return self.definitions.get(name) or self.lets.get(name)


def _place(meaning: ast.Definition | ast.Alias | ast.Let) -> Span:
    return meaning.span if isinstance(meaning, ast.Let) else meaning.name_span


Arguments = tuple[ast.Argument, ...]


def joined(first: Arguments, more: Arguments) -> Arguments:
    """The arguments of a value, and those of its call: the ones with names come last."""
    both = (*first, *more)
    return tuple(sorted(both, key=lambda argument: argument.name is not None))


def _values(arguments: Arguments) -> list[tuple[str | None, object]]:
    """The names and values of arguments, for comparisons."""
    return [(a.name, a.value.value) for a in arguments if isinstance(a.value, KnownValue)]


class Elsewhere(ast.Expr):
    """An expression of another file, whose names have the meanings of that file."""

    expression: ast.Expr
    home: Module


class BlockValue:
    """A block as a value, such as the block that is given to another block as an argument.

    `arguments` are those that it has already: `bottleneck(groups = 32)`.
    """

    __slots__ = ("arguments", "definition", "home")
    type_word = "a block"

    def __init__(self, definition: ast.Definition, home: Module, arguments: Arguments = ()) -> None:
        self.definition = definition
        self.home = home
        self.arguments = arguments

    def given(self, arguments: Arguments) -> BlockValue:
        """The block with more arguments."""
        return BlockValue(self.definition, self.home, joined(self.arguments, arguments))

    def bare(self) -> BlockValue:
        """The block without arguments."""
        return BlockValue(self.definition, self.home)

    def __eq__(self, other: object) -> bool:
        other = layer_of(other)
        return (
            isinstance(other, BlockValue)
            and other.definition is self.definition
            and _values(other.arguments) == _values(self.arguments)
        )

    def __hash__(self) -> int:
        return hash(id(self.definition))

    def __str__(self) -> str:
        return _written(self.definition.name, self.arguments)


class BoundCall(ast.Call):
    """A call of a block or layer that had arguments already: `arguments` are these and its own.

    `target` is the block or layer without them. A label whose layer is used again names this call.
    """

    target: BlockValue | KindValue


class KindValue:
    """A layer kind as a value, such as the activation that is given to a block.

    An argument that takes a word takes the kind's name. `arguments` are those that it has already:
    `leaky_relu(0.1)`.
    """

    __slots__ = ("arguments", "cls")
    type_word = "a layer"

    def __init__(self, cls: type[Op], arguments: Arguments = ()) -> None:
        self.cls = cls
        self.arguments = arguments

    def given(self, arguments: Arguments) -> KindValue:
        """The layer with more arguments."""
        return KindValue(self.cls, joined(self.arguments, arguments))

    def bare(self) -> KindValue:
        """The layer without arguments."""
        return KindValue(self.cls)

    def __eq__(self, other: object) -> bool:
        other = layer_of(other)
        return (
            isinstance(other, KindValue)
            and other.cls is self.cls
            and _values(other.arguments) == _values(self.arguments)
        )

    def __hash__(self) -> int:
        return hash(self.cls)

    def __str__(self) -> str:
        return _written(self.cls.kind, self.arguments)

    @property
    def word(self) -> str:
        """The name of the kind, for arguments that take a word."""
        return self.cls.kind


def _written(name: str, arguments: Arguments) -> str:
    """A block or layer as its author wrote it."""
    if not arguments:
        return name
    return f"{name}({', '.join(argument.span.text for argument in arguments)})"


class Identity:
    """`identity` as a value: a layer that returns its input unchanged."""

    __slots__ = ()
    type_word = "a layer"

    def __str__(self) -> str:
        return "identity"


IDENTITY = Identity()


class Word(str):
    """A string that a user gives to a parameter, and the block or layer that it names.

    It is a string wherever the net needs one; where it is called, it is the block or layer.
    """

    __slots__ = ("layer",)
    layer: BlockValue | KindValue | Identity

    def __new__(cls, text: str, layer: BlockValue | KindValue | Identity) -> Self:
        word = super().__new__(cls, text)
        word.layer = layer
        return word


def layer_of(value: object) -> object:
    """The block or layer of a `Word`; any other value itself."""
    return value.layer if isinstance(value, Word) else value
