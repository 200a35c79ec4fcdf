"""Translates calls of PyTorch and Keras, written in Python, to chains of layers."""

from __future__ import annotations

import ast
import re
import warnings
from contextlib import suppress
from typing import NamedTuple

from netdsl.habits.arguments import RENAMED
from netdsl.habits.layers import KERAS_RNN, Counterpart, find, key_of
from netdsl.habits.words import NOTHING
from netdsl.ops import LAYERS
from netdsl.ops.base import SYNONYMS
from netdsl.ops.interpolation import MODES

MAX_LENGTH = 400  # characters of a call
_MODULES = frozenset(
    "nn F torch tf keras layers L functional K tensorflow activations mx gluon jax flax".split()
)
# Arguments of other tools that have no meaning here.
_NEEDLESS = frozenset(
    """
    inplace device dtype trainable data_format batch_first input_shape kernel_regularizer
    bias_regularizer bias_initializer in_channels in_features bias_filler weight_filler
    batch_input_shape training
""".split()
)
_DEFAULTS = {"maxpool": {"k": "2"}, "avgpool": {"k": "2"}, "pad": {"pad": "1"}}  # Keras' defaults
_SIZES = frozenset(("k", "stride", "pad", "dilation", "size", "scale", "shape", "output_pad"))
_WORDS = frozenset(("same", "none", "tanh", "he_normal", "he_uniform", "zeros", "ones", "reflect",
                    "circular", *MODES))  # fmt: skip
_ACTIVATIONS = {
    "swish": "silu", "leaky_relu": "leaky_relu", "leaky": "leaky_relu", "hard_silu": "hard_swish",
    "linear": "", "logsoftmax": "log_softmax", "hardswish": "hard_swish", "hswish": "hard_swish",
}  # fmt: skip

_JOINS = {ast.Add: "add", ast.Mult: "mul", ast.Sub: "sub", ast.BitOr: "concat"}


class Unclear(Exception):
    """The call has no certain counterpart."""


class Translation(NamedTuple):
    """Layers one after the other, the value that they start from, and the name of the first.

    `is_group` is whether a name for all of them comes before the positions in their names.
    """

    layers: list[str]
    start: str | None = None
    name: str | None = None
    is_group: bool = False

    def __str__(self) -> str:
        return " -> ".join(self.layers)

    @property
    def after_label(self) -> str:
        """The text to write after a label: a group is in braces."""
        return f"{{ {self} }}" if self.is_group else str(self)


def chain_of(text: str) -> Translation | None:
    """What a Python expression computes as a chain of layers, or None if that is not certain."""
    if len(text) > MAX_LENGTH or "\\" in text:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, about odd numbers
            tree = ast.parse(text.strip(), mode="eval").body
        chain = _chain(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Unclear):
        return None
    return chain if chain.layers else None


def _chain(node: ast.expr) -> Translation:
    if isinstance(node, ast.Name):
        return Translation([], node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _JOINS:
        return _joined(_JOINS[type(node.op)], [node.left, node.right])
    if not isinstance(node, ast.Call):
        raise Unclear
    if isinstance(node.func, ast.Call):  # `Conv2D(8, 3)(x)`
        return _after(node.args, node.func)
    path = _path(node.func)
    join = find(path or "")
    if join is not None and join.ours in _JOINS.values() and node.args:
        return _joined(join.ours, node.args)
    if path is not None and key_of(path) in ("sequential", "seq"):
        return _in_sequence(node)
    if isinstance(node.func, ast.Attribute) and not _is_module(path):
        start = _chain(node.func.value)  # a method of a value: `x.view(1, 2)`
        return start._replace(layers=start.layers + _function(node.func.attr, node.args, node))
    if path is None or path.startswith("self."):
        raise Unclear
    if key_of(path) in ("activation", "act"):
        return Translation(_layer(path, node.args, node))
    if _takes_value(path, node):
        start = _chain(node.args[0])
        return start._replace(layers=start.layers + _function(path, node.args[1:], node))
    return Translation(_layer(path, node.args, node), name=_name(node))


def _after(arguments: list[ast.expr], call: ast.Call) -> Translation:
    """The chain of a layer that is applied to a value."""
    if len(arguments) != 1:
        raise Unclear
    join = find(_path(call.func) or "")
    if join is not None and join.ours in _JOINS.values():
        return _joined(join.ours, arguments)
    start = _chain(arguments[0])
    inner = _chain(call)
    return Translation(start.layers + inner.layers, start.start, inner.name)


def _joined(kind: str, arguments: list[ast.expr]) -> Translation:
    """The join of values, such as `torch.cat([x, y], 1)` or `Add()([x, y])`."""
    members = arguments
    if isinstance(arguments[0], ast.List | ast.Tuple):
        members = arguments[0].elts
    chains = [_chain(member) for member in members]
    first, *others = chains
    if not others or any(other.layers or other.start is None for other in others):
        raise Unclear
    references = ", ".join(f"@{other.start}" for other in others)
    return first._replace(layers=[*first.layers, f"{kind}({references})"])


def _in_sequence(node: ast.Call) -> Translation:
    """The chain of `Sequential(a, b)` or `Sequential([a, b])`."""
    members = node.args
    if len(members) == 1 and isinstance(members[0], ast.List):
        members = members[0].elts
    chains = [_chain(member) for member in members]
    if any(chain.start is not None for chain in chains):
        chains = [c if c.start is None else Translation([_bare(c.start)]) for c in chains]
    return Translation([layer for chain in chains for layer in chain.layers], is_group=True)


def _path(node: ast.expr) -> str | None:
    """The dotted name of a function, such as `nn.functional.relu`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _path(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def _is_module(path: str | None) -> bool:
    """Whether a dotted name begins with a module, and not with a value."""
    return path is not None and path.partition(".")[0] in (*_MODULES, "self")


def _takes_value(path: str, node: ast.Call) -> bool:
    """Whether the first argument of a call is the value that it works on."""
    if not node.args:
        return False
    first = node.args[0]
    if isinstance(first, ast.Call):
        return True
    name = path.rpartition(".")[2]
    return isinstance(first, ast.Name) and name == name.lower() and first.id == first.id.lower()


def _function(path: str, arguments: list[ast.expr], node: ast.Call) -> list[str]:
    """The layers of a function, whose value is not among `arguments`."""
    key = key_of(path)
    if key in ("view", "reshape", "flatten"):
        return _flattening(key, arguments)
    torch = find(path)
    if torch is not None and torch.torch is not None:
        # Functions take no channels: these belong to the constructor of the layer.
        order = [p for p in torch.torch.split() if not p.endswith("=-")]
        return _bound(torch, order, arguments, node.keywords)
    return _layer(path, arguments, node)


def _flattening(key: str, arguments: list[ast.expr]) -> list[str]:
    """`flatten` for `torch.flatten(x, 1)` and `x.view(-1, 400)`, which keep only the batch."""
    written = [ast.unparse(node) for node in arguments]
    if key == "flatten":
        is_whole = written in ([], ["1"], ["1", "-1"])
    else:
        is_whole = 1 <= len(written) <= 2 and "-1" in written
    return ["flatten"] if is_whole else _unclear()


def _layer(path: str, arguments: list[ast.expr], node: ast.Call) -> list[str]:
    """The layers of a constructor such as `nn.Conv2d(3, 8, 3)`."""
    key = key_of(path)
    if key == "view" or (key == "flatten" and not node.keywords):
        return _flattening(key, arguments)
    if key in ("activation", "act"):
        return _activation(arguments[0]) if len(arguments) == 1 else _unclear()
    row = find(path)
    if row is None:
        return _own(path, arguments, node)
    signatures = _signatures(row, path, len(arguments))
    if row.ours == "attention" and _is_falling(arguments):
        signatures.reverse()  # PyTorch has the width of the vectors before the number of heads
    for signature in signatures:
        with suppress(Unclear):
            return _bound(row, signature.split(), arguments, node.keywords)
    if arguments or node.keywords:
        raise Unclear
    return row.ours.split(" -> ")


def _is_falling(arguments: list[ast.expr]) -> bool:
    """Whether the first two arguments are numbers, the larger one first."""
    first, second, *_ = [
        *(a.value if isinstance(a, ast.Constant) else None for a in arguments),
        None,
        None,
    ]
    return isinstance(first, int) and isinstance(second, int) and first > second


def _own(path: str, arguments: list[ast.expr], node: ast.Call) -> list[str]:
    """A layer with one of the names that this language has too."""
    kind = path.rpartition(".")[2].lower()
    if kind not in LAYERS:
        raise Unclear
    order = [declared.name for declared in LAYERS[kind].args]
    return _bound(Counterpart(kind, ""), order, arguments, node.keywords)


def _signatures(row: Counterpart, path: str, count: int) -> list[str]:
    """The orders of the arguments in the libraries that a call may be written for."""
    orders = [row.keras, row.torch]
    if re.search(r"\b(nn|torch|F)\.|\dd|[Ll]inear", path) or (count > 1 and row.keras == KERAS_RNN):
        orders.reverse()
    is_clear = path != path.lower() or "." in path or count <= 2
    return [order for order in orders if order is not None and is_clear]


def _bound(
    row: Counterpart, order: list[str], positional: list[ast.expr], keywords: list[ast.keyword]
) -> list[str]:
    """The layers of a call whose arguments are in this order."""
    kind = row.ours
    if len(positional) > len(order):
        raise Unclear
    renamed = dict(p.partition("=")[::2] for p in order)
    given = list(zip([p.partition("=")[0] for p in order], positional, strict=False))
    given += [(str(k.arg), k.value) for k in keywords]
    values = dict(_DEFAULTS.get(kind, {}))
    if "return_sequences" in order:
        values["return_sequences"] = "false"  # Keras' default; PyTorch returns the sequence
    after: list[str] = []
    for theirs, node in given:
        ours = renamed.get(theirs) or _own_name(theirs, kind)
        if ours == "activation":
            after = _activation(node)
        elif ours == "!":
            raise Unclear
        elif ours not in ("-", "name") and theirs not in _NEEDLESS:
            _put(values, ours, node)
    return [*_written(kind, values), *after]


def _own_name(name: str, kind: str) -> str:
    """The name that an argument of another tool has in a layer of that kind."""
    known = {declared.name for declared in LAYERS[kind].args} if kind in LAYERS else set()
    if name in known:
        return name
    return next((ours for ours in RENAMED.get(name, ()) if ours in known), name)


def _put(values: dict[str, str], name: str, node: ast.expr) -> None:
    """Add the value of an argument, unless it is nothing."""
    text = _value(node, sizes=name in _SIZES)
    if text == "valid" and name == "pad":
        return
    if text is not None:
        values[name] = text


def _written(kind: str, values: dict[str, str]) -> list[str]:
    """The call of a layer, and what replaces some calls."""
    if values.pop("return_sequences", "true") == "false" and "layers" not in values:
        values["last"] = "true"
    if kind == "adaptive_avgpool" and values.get("size") == "1":
        return ["gap"]
    if kind == "adaptive_maxpool" and values.get("size") == "1":
        return ["gmp"]
    if kind == "avgpool" and values.get("pad") == "same":
        values["count_pad"] = "false"  # only Keras has this padding, which its mean does not count
    if kind == "depthwise -> conv":
        out = values.pop("out", None)
        return [*_written("depthwise", values), *_written("conv", {"out": out or "", "k": "1"})]
    cls = LAYERS.get(kind)
    if cls is None:
        return kind.split(" -> ") if not values else _unclear()
    known = {declared.name for declared in cls.args}
    if not values.keys() <= known or any(a.required and not values.get(a.name) for a in cls.args):
        raise Unclear
    parts = [values[a.name] for a in cls.args if a.required]
    for declared in cls.args:
        if not declared.required and declared.name in values:
            is_only = len(cls.args) == 1
            parts.append(("" if is_only else f"{declared.name} = ") + values[declared.name])
    return [f"{kind}({', '.join(parts)})"] if parts else [kind]


def _activation(node: ast.expr) -> list[str]:
    """The layer of `activation="relu"`; none for a linear one."""
    if isinstance(node, ast.Constant) and node.value is None:
        return []
    if isinstance(node, ast.Call):
        return _chain(node).layers
    name = str(node.value) if isinstance(node, ast.Constant) else (_path(node) or "")
    return [layer for layer in [_bare(name)] if layer]


def _bare(name: str) -> str:
    """A layer without arguments, by its name elsewhere."""
    last = name.rpartition(".")[2]
    ours = _ACTIVATIONS.get(last.lower().replace("-", "_"))
    if ours is not None:
        return ours
    kind = last.lower()
    row = find(last)
    if kind not in LAYERS and row is not None:
        kind = row.ours
    if kind not in LAYERS or any(declared.required for declared in LAYERS[kind].args):
        raise Unclear
    return kind


def _value(node: ast.expr, *, sizes: bool) -> str | None:
    """A value as it is written here; None if the argument can be left out."""
    if isinstance(node, ast.Constant):
        return _constant(node.value)
    if isinstance(node, ast.Tuple | ast.List):
        items = [_value(item, sizes=False) for item in node.elts]
        if not sizes or not items or not all(item and item.isdigit() for item in items):
            raise Unclear
        if len(set(items)) == 1:
            return items[0]
        return "x".join(str(item) for item in items)
    if isinstance(node, ast.Name):
        return None if node.id in NOTHING else node.id
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return ast.unparse(node)
    raise Unclear


def _constant(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and value.lower() in (*_WORDS, "valid"):
        return value.lower()
    if isinstance(value, str) and value in SYNONYMS:
        return SYNONYMS[value]
    raise Unclear


def _name(node: ast.Call) -> str | None:
    """The value of the argument `name`."""
    for keyword in node.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            name = str(keyword.value.value)
            return name if name.isidentifier() else None
    return None


def _unclear() -> list[str]:
    raise Unclear
