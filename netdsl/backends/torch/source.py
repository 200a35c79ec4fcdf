"""Graph to PyTorch source: one class for each block that differs, `nn.Sequential` for plain chains,
a straight-line forward.

The modules have the names of the graph's nodes, so that `state_dict` has the keys of published
checkpoints. The same text is what `export -o model.py` writes and what `Net.torch()` runs.
"""

from __future__ import annotations

import ast as python_ast
import keyword
import os
import re
import unicodedata
from itertools import chain, count
from typing import TYPE_CHECKING

from netdsl.backends.place import at
from netdsl.backends.torch.recorder import SourceRecorder
from netdsl.ir.graph import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.ir.graph import Graph, Scope, Value
    from netdsl.ir.lowering import Lowered

_CUSTOM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "modules.py")
with open(_CUSTOM, encoding="utf-8") as _file:
    _CUSTOM_TEXT = _file.read()
_CUSTOM_NODES = {
    n.name: n
    for n in python_ast.parse(_CUSTOM_TEXT).body
    if isinstance(n, (python_ast.ClassDef, python_ast.FunctionDef))
}
_OWN = frozenset(_CUSTOM_NODES)
_RESERVED = _OWN | {*keyword.kwlist, "self", "torch", "nn", "F", "OrderedDict", "super", "prod"}
# What every module has already, or is given by `lower`: a member of such a name stands in
# `_modules`, where `state_dict` finds it.
TAKEN = frozenset(
    "T_destination add_module apply aux_weights bfloat16 buffers call_super_init children compile"
    " cpu cuda double dump_patches eval extra_repr float forward get_buffer get_extra_state"
    " get_parameter get_submodule half ipu load_state_dict modules mtia named_buffers"
    " named_children named_modules named_parameters parameters register_backward_hook"
    " register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook"
    " register_full_backward_pre_hook register_load_state_dict_post_hook"
    " register_load_state_dict_pre_hook register_module register_parameter"
    " register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state"
    " set_submodule share_memory source state_dict to to_empty train training type xpu"
    " zero_grad".split()
)
_HEADER = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
_INIT = {
    "he_normal": 'nn.init.kaiming_normal_({0}, nonlinearity="relu")',
    "he_uniform": 'nn.init.kaiming_uniform_({0}, nonlinearity="relu")',
    "xavier_normal": "nn.init.xavier_normal_({0})",
    "xavier_uniform": "nn.init.xavier_uniform_({0})",
    "normal": "nn.init.normal_({0}, std=0.01)",
    "zeros": "nn.init.zeros_({0})",
    "ones": "nn.init.ones_({0})",
    "bilinear": "bilinear_({0})",
}


class _Part:
    """A scope while it is emitted: its members in order, and the values that come in and go out."""

    def __init__(self, scope: Scope, nodes: list[Node]) -> None:
        self.scope = scope
        self.nodes = nodes
        self.names: set[str] = set()
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []

    @property
    def label(self) -> str:
        """The name of its module within the module around it."""
        return self.scope.label


class SourceEmitter:
    """Writes the module of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses = graph.uses()
        self.kept = {id(o.value) for o in graph.outputs} | {id(h.value) for h in graph.aux}
        self.flat = any(n.shared for n in graph.nodes)
        self.lowered: dict[int, Lowered] = {}
        for node in graph.nodes:
            with at(node.output):
                self.lowered[id(node)] = node.op.torch(SourceRecorder(), *node.types)
        self.classes: dict[str, str] = {}
        self.custom: set[str] = {low.uses for low in self.lowered.values() if low.uses}
        self.root = class_name(graph)

    def emit(self, *, standalone: bool) -> str:
        """The whole text; standalone text carries the custom modules, other text imports them."""
        body = self._root_class()
        settings = self._settings()
        parts = [
            f'"""{_plain_text(self.graph.name)}: written by netdsl."""\n' if standalone else "",
            _HEADER,
        ]
        if self.custom and not standalone:
            parts.append(
                f"from netdsl.backends.torch.modules import {', '.join(sorted(self.custom))}\n"
            )
        elif self.custom:
            parts += ["from math import prod\n", *_custom_sources(self.custom)]
        parts += [f"\n\n{text}" for text in self.classes]
        return (
            "\n".join(p for p in parts if p).replace("\n\n\n\n", "\n\n\n")
            + "\n\n"
            + body.replace("    # settings\n", settings)
        )

    # ---- classes

    def _root_class(self) -> str:
        part = _Part(self.graph.root, self.graph.nodes)
        part.inputs = list(self.graph.inputs)
        init, forward = self._members(part, root=True)
        names = self._input_names(part)
        lines = [
            f"class {self.root}(nn.Module):",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *init,
        ]
        lines += ["    # settings", "", f"    def forward(self, {', '.join(names)}):", *forward]
        return "\n".join(lines) + "\n"

    def _input_names(self, part: _Part) -> list[str]:
        if part.scope is self.graph.root:
            return _distinct(_identifier(v.name) for v in part.inputs)
        return ["x"] if len(part.inputs) == 1 else [f"x{i}" for i in range(1, len(part.inputs) + 1)]

    def _members(self, part: _Part, *, root: bool) -> tuple[list[str], list[str]]:
        """The lines of `__init__` and of `forward`."""
        names = _Names(self._input_names(part), part.inputs, keep=root)
        init: list[str] = []
        forward: list[str] = []
        made: set[str] = set()
        pieces = self._pieces(part)
        last = self._last_uses(part, pieces)
        for step, (member, nodes) in enumerate(pieces):
            indent = "        "
            begins_head = all(n.aux for n in nodes) and not all(n.aux for n in part.nodes)
            if root and begins_head:
                indent += "    "
                forward.append("        if self.training:")
            if isinstance(member, _Part):
                call = self._child(member, part, init, made)
                targets, sources = member.outputs, member.inputs
            else:
                call = self._leaf(member, part, init, made)
                targets, sources = [member.output], list(member.inputs)
            arguments = [names.of(v) for v in sources]
            names.release(v for v in sources if last[id(v)] <= step)
            fresh = [names.give(v, prefer=arguments) for v in targets]
            text = (
                call.format(*arguments)
                if not isinstance(member, _Part)
                else f"{call}({', '.join(arguments)})"
            )
            forward.append(
                f"{indent}{', '.join(fresh)} ="
                f" {text}{' if self.training else None' if begins_head and not root else ''}"
            )
            names.release(v for v in targets if id(v) not in last)
        forward += self._returns(part, names, root=root)
        return init, forward

    def _returns(self, part: _Part, names: _Names, *, root: bool) -> list[str]:
        if not root:
            return [f"        return {', '.join(names.of(v) for v in part.outputs)}"]
        results = [names.of(o.value) for o in self.graph.outputs]
        lines = [f"        return {', '.join(results)}"]
        if self.graph.aux:
            heads = [names.of(h.value) for h in self.graph.aux]
            lines = [
                "        if self.training:",
                f"            return {', '.join([*results, *heads])}",
                *lines,
            ]
        return lines

    def _pieces(self, part: _Part) -> list[tuple[_Part | Node, list[Node]]]:
        """The members in order: leaves, and scopes with the run of nodes inside them."""
        pieces: list[tuple[_Part | Node, list[Node]]] = []
        current: _Part | None = None
        for node in part.nodes:
            member = node.at_depth(part.scope.depth + 1)
            part.names.add(member.label)
            if isinstance(member, Node) or self.flat:
                pieces.append((node, [node]))
                current = None
                continue
            if current is None or current.scope is not member:
                current = _Part(member, [])
                pieces.append((current, current.nodes))
            current.nodes.append(node)
        for piece, nodes in pieces:
            if isinstance(piece, _Part):
                self._border(piece, nodes)
        return pieces

    def _border(self, part: _Part, nodes: list[Node]) -> None:
        inside = {id(n.output) for n in nodes}
        members = {id(n) for n in nodes}
        part.inputs = list(
            {id(v): v for n in nodes for v in n.inputs if id(v) not in inside}.values()
        )
        part.outputs = [
            n.output
            for n in nodes
            if id(n.output) in self.kept
            or any(id(u) not in members for u in self.uses.get(id(n.output), ()))
        ]
        if not part.outputs:
            part.outputs = [nodes[-1].output]

    def _last_uses(
        self, part: _Part, pieces: list[tuple[_Part | Node, list[Node]]]
    ) -> dict[int, int]:
        last: dict[int, int] = {}
        for step, (member, _) in enumerate(pieces):
            for value in member.inputs:
                last[id(value)] = step
        ends = part.outputs or [
            *(o.value for o in self.graph.outputs),
            *(h.value for h in self.graph.aux),
        ]
        return last | {id(v): len(pieces) for v in ends}

    # ---- members

    def _leaf(self, node: Node, part: _Part, init: list[str], made: set[str]) -> str:
        low = self.lowered[id(node)]
        if low.module is None:
            return low.call
        if self.flat:
            return low.call.replace("{m}", self._flat_member(node, low, init, made))
        name = self._attribute(node, part)
        if name not in made:
            made.add(name)
            init.append(f"        {_assign(name, low.module)}")
        return low.call.replace("{m}", _access(name))

    def _attribute(self, node: Node, part: _Part) -> str:
        name = node.label  # no weights are shared here, so it is the module's too
        told = f"{node.op.kind}{name}"
        return (
            told
            if name.isdigit()
            and not node.params()
            and not node.buffers()
            and told not in part.names
            else name
        )

    def _flat_member(self, node: Node, low: Lowered, init: list[str], made: set[str]) -> str:
        path, parent = node.module.split("."), "self"
        for i, name in enumerate(path[:-1], start=1):
            if ".".join(path[:i]) not in made:
                made.add(".".join(path[:i]))
                init.append(f"        {_assign(name, 'nn.Module()', parent)}")
            parent = _access(name, parent)
        if node.module not in made:
            made.add(node.module)
            init.append(f"        {_assign(path[-1], low.module or '', parent)}")
        return _access(path[-1], parent)

    def _child(self, child: _Part, part: _Part, init: list[str], made: set[str]) -> str:
        name = child.label
        if name not in made:
            made.add(name)
            init.append(f"        {_assign(name, self._construct(child))}")
        return _access(name)

    def _construct(self, part: _Part) -> str:
        """The expression that makes a scope's module."""
        chain = self._sequential(part)
        if chain is not None:
            return chain
        init, forward = self._members(part, root=False)
        names = self._input_names(part)
        kind = part.scope.kind or part.label
        lines = [
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *init,
            "",
            f"    def forward(self, {', '.join(names)}):",
            *forward,
        ]
        return self._class("\n".join(lines) + "\n", _camel(kind)) + "()"

    def _class(self, body: str, wanted: str) -> str:
        """The name of the class with that body, written once."""
        taken = {self.root, *self.classes.values(), *_RESERVED}
        for text, name in self.classes.items():
            if text == f"class {name}(nn.Module):\n{body}":
                return name
        name, n = wanted, 1
        while name in taken:
            n += 1
            name = f"{wanted}{n}"
        self.classes[f"class {name}(nn.Module):\n{body}"] = name
        return name

    def _sequential(self, part: _Part) -> str | None:
        """`nn.Sequential(...)` where the scope is a plain chain, None where it is not."""
        value, members = part.inputs[0], [member for member, _ in self._pieces(part)]
        for member in members:
            outputs = member.outputs if isinstance(member, _Part) else [member.output]
            if (
                list(member.inputs) != [value]
                or len(outputs) != 1
                or not (isinstance(member, _Part) or self.lowered[id(member)].plain)
            ):
                return None
            (value,) = outputs
        names = [member.label for member in members]
        if [value] != part.outputs or any(map(_is_taken, names)):
            return None
        # Only now: what is inside would be made twice at each level, were this no chain.
        texts = [
            self._construct(m) if isinstance(m, _Part) else str(self.lowered[id(m)].module)
            for m in members
        ]
        if names == [str(i) for i in range(len(names))]:
            return f"nn.Sequential({', '.join(texts)})"
        inner = ", ".join(f"{name!r}: {text}" for name, text in zip(names, texts, strict=True))
        return f"nn.Sequential(OrderedDict({{{inner}}}))"

    # ---- starting values

    def _settings(self) -> str:
        lines = []
        for node in self.graph.nodes:
            if node.shared:
                continue
            for name, p in node.params().items():
                target = f"{_member(node.module)}.{name}"
                init = getattr(node.op, "init", None)
                if p.init == "literal":
                    lines.append(
                        f"{target}.copy_(torch.tensor({list(p.values)!r}).reshape({p.shape!r}))"
                    )
                elif (
                    name == "weight"
                    and isinstance(init, str)
                    and init != "default"
                    and not (init == "zeros" and node.op.kind == "param")
                ):
                    lines.append(_INIT[init].format(target))
                    self.custom |= {"bilinear_"} if init == "bilinear" else set()
        text = "".join(f"            {line}\n" for line in lines)
        text = f"        with torch.no_grad():\n{text}" if text else ""
        for node in self.graph.nodes:
            if node.frozen and node.params():
                text += f"        {_member(node.module)}.requires_grad_(False)\n"
        return text


class _Names:
    """Variables of a forward: a name is used again when its value is not needed any more."""

    def __init__(self, inputs: list[str], values: list[Value], *, keep: bool) -> None:
        self._kept = set(inputs) if keep else set()
        self._of = {id(v): n for v, n in zip(values, inputs, strict=True)}
        self._free: list[str] = []
        self._fresh = chain(["x"], map("x{}".format, count(1)))

    def of(self, value: Value) -> str:
        return self._of[id(value)]

    def release(self, values: Iterable[Value]) -> None:
        for value in values:
            name = self._of.get(id(value))
            if name is not None and name not in self._free and name not in self._kept:
                self._free.append(name)

    def give(self, value: Value, prefer: list[str]) -> str:
        name = next((n for n in prefer if n in self._free), None) or (
            self._free[0] if self._free else None
        )
        if name is None:
            taken = set(self._of.values())
            name = next(n for n in self._fresh if n not in taken)
        else:
            self._free.remove(name)
        self._of[id(value)] = name
        return name


def _is_taken(name: str) -> bool:
    return name in TAKEN or name.startswith("_")


def _is_plain(name: str) -> bool:
    return name.isidentifier() and name == _word(name) and not keyword.iskeyword(name)


def _word(name: str) -> str:
    """As Python reads it, which takes letters such as ligatures for others; what none of its names
    can hold becomes `_`.
    """
    return "".join(
        c if f"a{c}".isidentifier() else "_" for c in unicodedata.normalize("NFKC", name)
    )


def _assign(name: str, text: str, parent: str = "self") -> str:
    if _is_taken(name):
        return f"{parent}._modules[{name!r}] = {text}"
    return (
        f"{parent}.{name} = {text}" if _is_plain(name) else f"{parent}.add_module({name!r}, {text})"
    )


def _access(name: str, parent: str = "self") -> str:
    if _is_taken(name):
        return f"{parent}._modules[{name!r}]"
    return f"{parent}.{name}" if _is_plain(name) else f"{parent}.get_submodule({name!r})"


def _member(path: str) -> str:
    """The expression of a module at any depth."""
    if not any(_is_taken(n) for n in path.split(".")):
        return f"self.get_submodule({path!r})"
    text = "self"
    for name in path.split("."):
        text = _access(name, text)
    return text


def _identifier(name: str) -> str:
    made = _word(name)
    return made if made.isidentifier() and made not in _RESERVED else f"_{made}"


def _distinct(names: Iterable[str]) -> list[str]:
    made: list[str] = []
    for name in names:
        made.append(next(n for i in count() if (n := name + "_" * i) not in made))
    return made


def _camel(name: str) -> str:
    made = "".join(p[:1].upper() + p[1:] for p in re.split(r"[\W_]+", _word(name)) if p)
    return made if made.isidentifier() else f"Part{made}"


def _plain_text(text: str) -> str:
    return re.sub(r"[^\w .,:-]", "", text)


def _custom_sources(names: set[str]) -> list[str]:
    return [
        "\n" + (python_ast.get_source_segment(_CUSTOM_TEXT, n) or "") + "\n"
        for name, n in _CUSTOM_NODES.items()
        if name in names
    ]


def class_name(graph: Graph) -> str:
    """The name of the class that holds the whole net."""
    return _identifier(graph.name)


def emit_source(graph: Graph, *, standalone: bool = True) -> str:
    """PyTorch source of a graph; standalone text runs without netdsl."""
    text = SourceEmitter(graph).emit(standalone=standalone)
    return (
        text.replace("import torch\n", "from collections import OrderedDict\n\nimport torch\n")
        if "OrderedDict(" in text
        else text
    )
