"""Writes the parts of a net as text; the formatter lays it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.importers.flat import Tied
from netdsl.importers.writing.blocks import entry
from netdsl.importers.writing.plain import (
    JOINS,
    OPERATORS,
    comments,
    declared,
    input_line,
    value_text,
)
from netdsl.importers.writing.scopes import quoted
from netdsl.importers.writing.tree import (
    CallItem,
    FoldedBlock,
    GroupItem,
    Item,
    JoinItem,
    LeafItem,
    Outside,
)
from netdsl.ops.registry import LAYERS

if TYPE_CHECKING:
    from netdsl.importers.flat import Flat, FlatLayer
    from netdsl.importers.writing.references import PathNames
    from netdsl.importers.writing.tree import Path

SHORT = 70  # columns of a body that is written on the line of its braces
WIDTH = 96  # columns of a line in the body of a net
NORMS = ("bn", "layernorm", "groupnorm", "instancenorm", "rmsnorm", "lrn", "prelu")
SHORTCUT = 3  # layers of the arm of a residual that is a projection


class Writer:
    """Writes a net. `names` has the path of each value that references name."""

    def __init__(self, flat: Flat, names: PathNames) -> None:
        self.flat = flat
        self._scope: Path = ()
        self.names = names
        self._expressions: dict[tuple[int, str], str] = {}
        self._current = ""
        self._placed: dict[int, str] = {}

    def text(
        self, items: list[Item], blocks: list[FoldedBlock], comment: str, expects: list[str]
    ) -> str:
        """The whole file: the net first, then its blocks."""
        net = [f"# {line}" for line in comment.splitlines()]
        net += [f"net {self.flat.name} {{", *map(input_line, self.flat.inputs), ""]
        net += [line for each in self.flat.inputs for line in comments(self.flat, each.value)]
        self._current = self.flat.inputs[0].value
        self._placed, ending = self._outputs(items)
        net += [*self._lines(items), *ending]
        if expects:
            net += ["", *expects]
        net.append("}")
        for block in blocks:
            net += ["", *self._block(block)]
        return "\n".join(net) + "\n"

    def _block(self, block: FoldedBlock) -> list[str]:
        words = []
        for name, default in block.parameters.items():
            words.append(name if default is None else f"{name} = {value_text(default)}")
        head = f"block {block.name}({', '.join(words)}) {{"
        assert block.body is not None
        self._expressions = block.expressions
        self._current = entry(block.body)
        self._scope = self.names.groups[id(block.body)]
        lines = self._lines(block.body.items)
        self._expressions, self._scope = {}, ()
        return [head, *lines, "}"]

    # ---- the outputs

    def _outputs(self, items: list[Item]) -> tuple[dict[int, str], list[str]]:
        """The names of the layers of the net's own chain that are outputs, and further lines."""
        leaves = {item.output: item for item in items if isinstance(item, LeafItem)}
        last = items[-1].output if items else self.flat.inputs[0].value
        placed: dict[int, str] = {}
        lines = []
        for name, value in self.flat.outputs:
            leaf = leaves.get(value)
            if leaf is not None and id(leaf) not in placed and leaf.layer.kind != "identity":
                placed[id(leaf)] = name
            elif value != last:
                lines.append(f"output {name}: {self._reference(value)} -> identity")
            elif len(self.flat.outputs) > 1 or name != "output":
                lines.insert(0, f"output {name}: identity")
        return placed, lines

    # ---- lines

    def _lines(self, items: list[Item]) -> list[str]:
        """The lines of a chain."""
        lines: list[str] = []
        for item in items:
            text = self._item(item)
            joins = lines and self._goes_on(item) and not lines[-1].startswith(("output ", "#"))
            if joins and "\n" not in text and len(lines[-1].split("\n")[-1] + text) < WIDTH:
                lines[-1] += f" -> {text}"
            elif joins:
                lines.append(f"-> {text}")
            else:
                lines.append(text)
            self._current = item.output
            lines += comments(self.flat, item.output)
        return lines

    def _goes_on(self, item: Item) -> bool:
        """Whether an item is written on the line of the one before it."""
        if not isinstance(item, LeafItem) or item.start is not None:
            return False
        kind = item.layer.kind
        if id(item) in self._placed:
            return False
        if kind in ("identity", *NORMS):
            return True
        is_main = kind in ("param", "const", "embedding", "attention", "lstm", "gru", "rnn")
        is_main |= kind in LAYERS and LAYERS[kind].multiplies
        return (not item.label or item.label.isdecimal()) and not is_main

    def _item(self, item: Item) -> str:
        if isinstance(item, LeafItem):
            return self._leaf(item)
        if isinstance(item, JoinItem):
            return self._join(item)
        if isinstance(item, GroupItem):
            around, self._scope = self._scope, self.names.groups.get(id(item), self._scope)
            lines = self._lines(item.items)
            self._scope = around
            return _label(item.label) + _braces(lines)
        if isinstance(item, CallItem):
            return self._call(item)
        body = _braces(self._lines(item.rounds[0]))
        counter = f" as {item.counter}" if item.counter else ""
        return f"repeat {len(item.rounds)}{counter} {body}"

    def _leaf(self, leaf: LeafItem) -> str:
        layer = leaf.layer
        start = ""
        current = self._current
        if leaf.start is not None:
            start, current = f"{self._reference(leaf.start)} -> ", leaf.start
        label, name = leaf.label, self._placed.get(id(leaf), "")
        if name:
            label = "" if label == name else label
            start = f"output {name}: {start}"
        return f"{start}{_label(label)}{self._layer(leaf, layer, current)}"

    def _layer(self, leaf: LeafItem, layer: FlatLayer, current: str) -> str:
        taken = {v: "@" if v == current else self._reference(v) for v in layer.inputs}
        if layer.kind in OPERATORS:
            operands = [taken[v] for v in layer.inputs]
            for i, side in enumerate(("left", "right")):
                if layer.args.get(side) is not None:
                    operands.insert(i, self._value(leaf, side, layer.args[side]))
            return f"({operands[0]} {layer.kind} {operands[1]})"
        words = self._arguments(leaf, layer)
        references = [taken[v] for v in layer.inputs[1:]]
        if layer.kind in JOINS and (layer.inputs[0] != current or current in layer.inputs[1:]):
            references = [f"[{', '.join(taken[v] for v in layer.inputs)}]"]
        for name, value in layer.tensors.items():
            text = self._expressions.get((id(leaf), name)) or self._reference(value, current)
            words.append(f"{name} = {text}")
        words = [*references, *words] if layer.kind in JOINS else [*words, *references]
        if words:
            return f"{layer.kind}({', '.join(words)})"
        return layer.kind

    def _arguments(self, item: LeafItem | JoinItem, layer: FlatLayer) -> list[str]:
        """The arguments that differ from their defaults, those that are required by position."""
        words = []
        for each in declared(layer.kind):
            value = layer.args.get(each.name, each.default)
            is_expression = (id(item), each.name) in self._expressions
            if each.dtypes or (value == each.default and not is_expression):
                continue
            text = self._value(item, each.name, value)
            words.append(text if each.required else f"{each.name} = {text}")
        return words

    def _value(self, item: LeafItem | JoinItem | CallItem, name: str, value: object) -> str:
        if isinstance(value, Outside) and (id(item), name) not in self._expressions:
            return self._reference(value.value, self._current)
        if isinstance(value, Tied):
            return value.text(self.names.path(value.owner.output, self._scope))
        return self._expressions.get((id(item), name)) or value_text(value)

    def _join(self, join: JoinItem) -> str:
        """A join with its arms; `residual` for a sum with the value itself or a projection."""
        start = self._current
        arms, kind = join.arms, join.layer.kind
        words = self._arguments(join, join.layer)
        head = f"{kind}({', '.join(words)})" if words else kind
        sizes = [len(arm) for arm in arms]
        first = next((arm[0] for arm in arms if arm), None)
        is_source = isinstance(first, LeafItem) and first.layer.kind in ("param", "const")
        if kind == "add" and len(arms) == 2 and min(sizes) == 0 < max(sizes) and not is_source:
            self._current = start
            return "residual " + _braces(self._lines(next(arm for arm in arms if arm)))
        if kind == "add" and len(arms) == 2 and 0 < min(sizes) <= SHORTCUT <= max(sizes):
            head = "residual"
        texts = [self._arm(arm, start) or "identity" for arm in arms]
        listed = "\n".join(f"| {text}" for text in texts)
        return f"{head} {{\n{listed}\n}}"

    def _arm(self, arm: list[Item], start: str) -> str:
        self._current = start
        return "\n".join(self._lines(arm))

    def _call(self, call: CallItem) -> str:
        words = []
        for name, default in call.block.parameters.items():
            value = call.args[name]
            is_expression = (id(call), name) in self._expressions
            if default is not None and value == default and not is_expression:
                continue
            text = self._value(call, name, value)
            words.append(text if default is None else f"{name} = {text}")
        listed = f"({', '.join(words)})" if words else ""
        return f"{_label(call.label)}{call.block.name}{listed}"

    def _reference(self, value: str, current: str = "") -> str:
        if value == current:
            return "@"
        return f"@{self.names.path(value, self._scope)}"


def _label(label: str) -> str:
    if label:
        return f"{quoted(label)}: "
    return ""


def _braces(lines: list[str]) -> str:
    """Lines in braces, which are on one line with a short content."""
    if len(lines) == 1 and len(lines[0]) < SHORT and "\n" not in lines[0]:
        return f"{{ {lines[0]} }}"
    return "\n".join(["{", *lines, "}"])
