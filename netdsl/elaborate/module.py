"""What a file defines, and blocks and layers as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from netdsl.elaborate.evaluate import Clash, Env
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


class BlockValue:
    """A block as a value, such as the block that is given to another block as an argument."""

    __slots__ = ("definition", "home")
    type_word = "a block"

    def __init__(self, definition: ast.Definition, home: Module) -> None:
        self.definition = definition
        self.home = home

    def __eq__(self, other: object) -> bool:
        other = layer_of(other)
        return isinstance(other, BlockValue) and other.definition is self.definition

    def __hash__(self) -> int:
        return hash(id(self.definition))

    def __str__(self) -> str:
        return self.definition.name


class KindValue:
    """A layer kind as a value, such as the activation that is given to a block.

    An argument that takes a word takes the kind's name.
    """

    __slots__ = ("cls",)
    type_word = "a layer"

    def __init__(self, cls: type[Op]) -> None:
        self.cls = cls

    def __eq__(self, other: object) -> bool:
        other = layer_of(other)
        return isinstance(other, KindValue) and other.cls is self.cls

    def __hash__(self) -> int:
        return hash(self.cls)

    def __str__(self) -> str:
        return self.cls.kind

    @property
    def word(self) -> str:
        """The name of the kind, for arguments that take a word."""
        return self.cls.kind


class Word(str):
    """A string that a user gives to a parameter, and the block or layer that it names.

    It is a string wherever the net needs one; where it is called, it is the block or layer.
    """

    __slots__ = ("layer",)
    layer: BlockValue | KindValue

    def __new__(cls, text: str, layer: BlockValue | KindValue) -> Self:
        word = super().__new__(cls, text)
        word.layer = layer
        return word


def layer_of(value: object) -> object:
    """The block or layer of a `Word`; any other value itself."""
    return value.layer if isinstance(value, Word) else value
