"""Writes a graph as PyTorch source.

There is one class for each block that differs from the others, an `nn.Sequential` for each plain
chain, and a `forward` without branches, except that auxiliary heads run only in training. Modules
have the names of the graph's nodes, so that `state_dict` has the keys of published checkpoints.
`export -o model.py` writes the same text that `Net.torch()` runs.
"""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING

from netdsl.backends.place import at
from netdsl.backends.torch.copies import copies
from netdsl.backends.torch.names import (
    RESERVED,
    access,
    access_path,
    assign,
    class_word,
    distinct,
    identifier,
    is_taken,
)
from netdsl.backends.torch.parts import Division, Leaf
from netdsl.backends.torch.recorder import lowered
from netdsl.backends.torch.starts import has_modes, mode_lines, start_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.backends.torch.parts import Part, Piece
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.ir.lowering import Lowered

_HEADER = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
_BODY = " " * 8  # the indentation of statements


def class_name(graph: Graph) -> str:
    """The name of the class of the whole net."""
    return identifier(graph.name)


def emit_source(graph: Graph, *, standalone: bool = True) -> str:
    """The PyTorch source of a graph; standalone text runs without netdsl."""
    text = SourceEmitter(graph).emit(standalone=standalone)
    if "OrderedDict(" in text:
        return text.replace(
            "import torch\n", "from collections import OrderedDict\n\nimport torch\n"
        )
    return text


class SourceEmitter:
    """Writes the module of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.division = Division(graph)
        self.lowered: dict[int, Lowered] = {}
        for node in graph.nodes:
            with at(node.output):
                self.lowered[id(node)] = lowered(node)
        self.renamed: dict[int, str] = {}  # the names of members, by the id of their node
        self.classes: dict[str, str] = {}  # the names of the blocks' classes, by the class bodies
        self.root = class_name(graph)

    def emit(self, *, standalone: bool) -> str:
        """The whole text.

        Standalone text has copies of what it uses of `modules`, other text imports it.
        """
        starts = start_lines(self.graph)
        whole = self._whole_class(starts)
        used = {name for low in self.lowered.values() for name in low.uses}
        if any(line.strip().startswith("bilinear_(") for line in starts):
            used.add("bilinear_")
        parts = [_HEADER]
        if standalone:
            parts.insert(0, f'"""{_plain_text(self.graph.name)}: written by netdsl."""\n')
            if used:
                parts += ["from math import prod\n", *copies(used)]
        elif used:
            names = ", ".join(sorted(used))
            parts.append(f"from netdsl.backends.torch.modules import {names}\n")
        parts += [f"\n\n{_class(name, body)}" for body, name in self.classes.items()]
        return "\n".join(parts).replace("\n\n\n\n", "\n\n\n") + "\n\n" + whole

    # ---- classes

    def _whole_class(self, starts: list[str]) -> str:
        whole = self.division.whole()
        inputs = distinct(identifier(value.name) for value in whole.inputs)
        members = _Members(self.division.pieces(whole))
        names = _Names(inputs, whole.inputs, kept=inputs)
        self._write(whole, members, names, is_whole=True)
        members.init += starts
        members.forward += self._returns(names)
        frozen = list(self._frozen())
        if frozen:
            members.init.append(f"{_BODY}self.train()")
            members.forward += mode_lines(frozen)
        return _class(self.root, members.body(inputs))

    def _frozen(self) -> Iterator[str]:
        """The expressions of the frozen modules that work otherwise in training."""
        for node in self.graph.nodes:
            low = self.lowered[id(node)]
            if node.frozen and low.module is not None and low.store == "module" and has_modes(node):
                scope, dot, label = node.module.rpartition(".")
                yield access_path(f"{scope}{dot}{self.renamed.get(id(node), label)}")

    def _returns(self, names: _Names) -> Iterator[str]:
        results = [names.of(output.value) for output in self.graph.outputs]
        if self.graph.aux:
            heads = [names.of(head.value) for head in self.graph.aux]
            yield f"{_BODY}if self.training:"
            yield f"{_BODY}    return {', '.join([*results, *heads])}"
        yield f"{_BODY}return {', '.join(results)}"

    def _construct(self, part: Part) -> str:
        """The expression that makes the module of a part."""
        pieces = self.division.pieces(part)
        if self._is_chain(part, pieces):
            return self._sequential(pieces)
        inputs = ["x"]
        if len(part.inputs) != 1:
            inputs = [f"x{i}" for i in range(1, len(part.inputs) + 1)]
        members = _Members(pieces)
        names = _Names(inputs, part.inputs)
        self._write(part, members, names, is_whole=False)
        members.forward.append(f"{_BODY}return {', '.join(map(names.of, part.outputs))}")
        wanted = class_word(part.scope.kind or part.label)
        return self._class_with(members.body(inputs), wanted) + "()"

    def _class_with(self, body: str, wanted: str) -> str:
        """The name of the class with that body; equal bodies share one class."""
        if body not in self.classes:
            taken = {self.root, *self.classes.values(), *RESERVED}
            numbered = chain([wanted], (f"{wanted}{n}" for n in count(2)))
            self.classes[body] = next(name for name in numbered if name not in taken)
        return self.classes[body]

    def _is_chain(self, part: Part, pieces: list[Piece]) -> bool:
        """Whether each piece just applies its module to the result of the one before it."""
        value = part.inputs[0]
        for piece in pieces:
            if piece.inputs != [value] or len(piece.outputs) != 1 or not self._is_plain(piece):
                return False
            (value,) = piece.outputs
        return [value] == part.outputs and not any(is_taken(piece.label) for piece in pieces)

    def _is_plain(self, piece: Piece) -> bool:
        return not isinstance(piece, Leaf) or self.lowered[id(piece.node)].plain

    def _sequential(self, pieces: list[Piece]) -> str:
        modules = [self._module(piece) for piece in pieces]
        names = [piece.label for piece in pieces]
        if names == [str(i) for i in range(len(names))]:
            return f"nn.Sequential({', '.join(modules)})"
        pairs = ", ".join(f"{n!r}: {text}" for n, text in zip(names, modules, strict=True))
        return f"nn.Sequential(OrderedDict({{{pairs}}}))"

    def _module(self, piece: Piece) -> str:
        if isinstance(piece, Leaf):
            return str(self.lowered[id(piece.node)].module)
        return self._construct(piece)

    # ---- members and statements

    def _write(self, part: Part, members: _Members, names: _Names, *, is_whole: bool) -> None:
        """Write the members of a part, and the statements that apply them."""
        last = self.division.last_uses(part, members.pieces)
        for step, piece in enumerate(members.pieces):
            arguments = [names.of(value) for value in piece.inputs]
            applied = self._apply(piece, members, arguments)
            names.release(value for value in piece.inputs if last[id(value)] <= step)
            targets = [names.give(value, prefer=arguments) for value in piece.outputs]
            statement = f"{', '.join(targets)} = {applied}"
            if not _begins_head(piece, part):
                members.forward.append(f"{_BODY}{statement}")
            elif is_whole:
                members.forward += [f"{_BODY}if self.training:", f"{_BODY}    {statement}"]
            else:
                members.forward.append(f"{_BODY}{statement} if self.training else None")
            names.release(value for value in piece.outputs if id(value) not in last)

    def _apply(self, piece: Piece, members: _Members, arguments: list[str]) -> str:
        """The expression of a piece applied to its inputs; creates its member."""
        if isinstance(piece, Leaf):
            return self._leaf(piece.node, members).format(*arguments)
        if piece.label not in members.created:
            members.create(piece.label, piece.label, self._construct(piece))
        return f"{access(piece.label)}({', '.join(arguments)})"

    def _leaf(self, node: Node, members: _Members) -> str:
        """The call of a layer, with {0} and {1} for its inputs; creates its member."""
        low = self.lowered[id(node)]
        if low.module is None:
            return low.call
        if self.division.flat:
            return low.call.replace("{m}", _nested_member(node.module, low, members))
        name = self.renamed[id(node)] = members.attribute(node)
        members.create(name, name, low.module, store=low.store)
        return low.call.replace("{m}", access(name, store=low.store))


def _begins_head(piece: Piece, part: Part) -> bool:
    """Whether a piece belongs to an auxiliary head, and other layers of the part do not."""
    return all(node.aux for node in piece.nodes) and not all(node.aux for node in part.nodes)


def _nested_member(path: str, low: Lowered, members: _Members) -> str:
    """Create a member at its dotted path, with the modules around it; returns its expression."""
    names, parent = path.split("."), "self"
    for depth, name in enumerate(names[:-1], start=1):
        members.create(".".join(names[:depth]), name, "nn.Module()", parent)
        parent = access(name, parent)
    members.create(path, names[-1], str(low.module), parent, low.store)
    return access(names[-1], parent, low.store)


class _Members:
    """A class that is being written: the lines of its `__init__` and of its `forward`."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.created: set[str] = set()  # paths of members
        self.init: list[str] = []
        self.forward: list[str] = []
        self._labels = {piece.label for piece in pieces}

    def create(
        self, path: str, name: str, text: str, parent: str = "self", store: str = "module"
    ) -> None:
        """Create a member of `parent`, if the one at `path` is not created yet."""
        if path not in self.created:
            self.created.add(path)
            self.init.append(f"{_BODY}{assign(name, text, parent, store)}")

    def attribute(self, node: Node) -> str:
        """The name of a layer's member.

        A number becomes a word if no checkpoint uses the name: `2` becomes `relu2`.
        """
        name = node.label  # no weights are shared here, so the module has the same name
        word = f"{node.op.kind}{name}"
        if not name.isdigit() or node.params() or node.buffers() or word in self._labels:
            return name
        return word

    def body(self, inputs: list[str]) -> str:
        """The text of the class after its first line."""
        lines = [
            "    def __init__(self) -> None:",
            f"{_BODY}super().__init__()",
            *self.init,
            "",
            f"    def forward(self, {', '.join(inputs)}):",
            *self.forward,
        ]
        return "\n".join(lines) + "\n"


class _Names:
    """The variables of a `forward`: a name is used again once its value is no longer needed.

    The names in `kept` are never used for another value.
    """

    def __init__(self, inputs: list[str], values: list[Value], kept: Iterable[str] = ()) -> None:
        self._kept = frozenset(kept)
        self._of = {id(v): n for v, n in zip(values, inputs, strict=True)}
        self._free: list[str] = []
        self._fresh = chain(["x"], map("x{}".format, count(1)))

    def of(self, value: Value) -> str:
        """The name of a value."""
        return self._of[id(value)]

    def release(self, values: Iterable[Value]) -> None:
        """Allow the names of these values to be used again."""
        for value in values:
            name = self._of.get(id(value))
            if name is not None and name not in self._free and name not in self._kept:
                self._free.append(name)

    def give(self, value: Value, prefer: list[str]) -> str:
        """Give a value a free name, if possible one of those that are preferred."""
        free = [name for name in prefer if name in self._free] or self._free
        if free:
            name = free[0]
            self._free.remove(name)
        else:
            taken = set(self._of.values())
            name = next(name for name in self._fresh if name not in taken)
        self._of[id(value)] = name
        return name


def _class(name: str, body: str) -> str:
    return f"class {name}(nn.Module):\n{body}"


def _plain_text(text: str) -> str:
    return re.sub(r"[^\w .,:-]", "", text)
