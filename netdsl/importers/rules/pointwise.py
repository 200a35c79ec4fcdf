"""Rules for activations, functions of one value, norms, and arithmetic."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from netdsl.importers.flat import FlatLayer
from netdsl.importers.rules.common import (
    Refusal,
    axis_of,
    constant,
    integer,
    number,
    operand,
    require,
    shape_of,
    short,
    single,
    text,
    weight,
)
from netdsl.importers.rules.naming import is_learned
from netdsl.ops.cast import NUMBERS

if TYPE_CHECKING:
    from netdsl.importers.onnx.foreign import Foreign, ForeignNode, Shape, StoredTensor

LITERAL = 16  # elements of a constant that the text contains; larger ones become learned tensors
JOINS = {"Add": "add", "Sum": "add", "Mul": "mul", "Sub": "sub", "Max": "max"}
OPERATORS = {"Add": "+", "Mul": "*", "Sub": "-", "Div": "/", "Pow": "**"}


def plain(kind: str, node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """An operator without attributes that is a layer without arguments."""
    return single(node, kind)


def same(node: ForeignNode, graph: Foreign) -> str:
    """An operator that has no effect at inference."""
    return node.input(0)


def dropout(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Dropout`, which has no effect at inference; a share that is not known is left out."""
    require(not any(node.outputs[1:]), "its mask is used")
    share = constant(node, graph, 1, "ratio")
    if not share:
        return node.input(0)
    return single(node, "dropout", p=share)


def cast(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """`Cast` to float32, between types of integers, or to the type that the value has."""
    before, after = graph.types.get(node.input(0)), graph.types.get(node.output)
    if before is None or after is None:
        raise Refusal("the type of its input cannot be inferred")
    if before.dtype in NUMBERS and after.dtype == "float32":
        return single(node, "float")
    both = {before.dtype, after.dtype}
    require(len(both) == 1 or both == {"int32", "int64"}, f"it turns {before.dtype} into others")
    return node.input(0)


def leaky(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`LeakyRelu`."""
    return single(node, "leaky_relu", slope=number(node, "alpha", 0.01))


def elu(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Elu`."""
    return single(node, "elu", alpha=number(node, "alpha", 1.0))


def selu(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Selu` with its usual numbers."""
    alpha, gamma = number(node, "alpha", 1.67326), number(node, "gamma", 1.0507)
    require(abs(alpha - 1.67326) < 1e-5 and abs(gamma - 1.0507) < 1e-5, "its numbers are unusual")
    return single(node, "selu")


def hard_sigmoid(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`HardSigmoid`, if its slope is 1/6 as in PyTorch; another slope becomes a formula."""
    alpha, beta = number(node, "alpha", 0.2), number(node, "beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return single(node, "hard_sigmoid")
    scaled, moved = f"{node.output}*", f"{node.output}+"
    return [
        FlatLayer("*", scaled, [node.input(0)], node, {"right": alpha}),
        FlatLayer("+", moved, [scaled], node, {"right": beta}),
        FlatLayer("clamp", node.output, [moved], node, {"min": 0.0, "max": 1.0}),
    ]


def gelu(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Gelu`."""
    return single(node, "gelu", approximate=text(node, "approximate", "none"))


def prelu(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`PRelu` with a slope for each channel, or one for all."""
    slope = weight(node, graph, 1, "slope")
    count = max(slope.shape, default=1)
    channels = shape_of(graph, node.input(0))[1]
    lengths = [length for length in slope.shape if length > 1]
    per_channel = not lengths or lengths == [channels]
    require(per_channel, "its slopes are not one for each channel")
    stored = slope.as_read(lambda a: a.reshape(-1), (count,))
    args: dict[str, object] = {"shared": count == 1 and channels != 1}
    layer = FlatLayer("prelu", node.output, [node.input(0)], node, args)
    layer.weights["weight"] = stored
    return [layer]


def softmax(kind: str, node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Softmax` and `LogSoftmax`. Before version 13, all axes from `axis` on are merged."""
    rank = len(shape_of(graph, node.input(0)))
    axis = integer(node, "axis", -1)
    return single(node, kind, axis=axis_of(rank, axis))


def clip(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Clip`: `relu6` for 0 and 6, `relu` for 0 alone."""
    low, high = constant(node, graph, 1, "min"), constant(node, graph, 2, "max")
    if low == 0 and high == 6:
        return single(node, "relu6")
    if low == 0 and (high is None or high > 3e38):
        return single(node, "relu")
    args = {"min": low, "max": high}
    return single(node, "clamp", **{k: v for k, v in args.items() if v is not None})


# ---- norms


def batch_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`BatchNormalization` at inference."""
    require(not any(node.outputs[1:]), "it is in training mode")
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {n: weight(node, graph, i + 1, n) for i, n in enumerate(names)}
    layer = FlatLayer(
        "bn", node.output, [node.input(0)], node, {"eps": number(node, "epsilon", 1e-5)}
    )
    scale, shift = weights["weight"], weights["bias"]
    if not (is_learned(scale) or is_learned(shift)) and _all(scale, 1) and _all(shift, 0):
        layer.args["affine"] = False
        del weights["weight"], weights["bias"]
    layer.weights = weights
    return [layer]


def instance_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`InstanceNormalization`; scales of 1 and shifts of 0 are no weights."""
    scale, shift = weight(node, graph, 1, "scale"), weight(node, graph, 2, "shift")
    layer = single(node, "instancenorm", eps=number(node, "epsilon", 1e-5))[0]
    learned = is_learned(scale) or is_learned(shift)
    if learned or not (_all(scale, 1) and _all(shift, 0)):
        layer.args["affine"] = True
        layer.weights = {"weight": scale, "bias": shift}
    return [layer]


def layer_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`LayerNormalization` over the last axes."""
    rank = len(shape_of(graph, node.input(0)))
    axis = axis_of(rank, integer(node, "axis", -1))
    axes: object = -1 if axis == rank - 1 else tuple(range(axis, rank))
    args: dict[str, object] = {"eps": number(node, "epsilon", 1e-5), "axis": axes}
    layer = single(node, "layernorm", **args)[0]
    scale = weight(node, graph, 1, "scale")
    if not node.input(2) and _all(scale, 1) and not scale.name:
        layer.args["affine"] = False
        return [layer]
    layer.weights["weight"] = scale
    if node.input(2):
        layer.weights["bias"] = weight(node, graph, 2, "shift")
    else:
        layer.args["bias"] = False
    return [layer]


def rms_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`RMSNormalization` over the last axes."""
    rank = len(shape_of(graph, node.input(0)))
    axis = axis_of(rank, integer(node, "axis", -1))
    axes: object = -1 if axis == rank - 1 else tuple(range(axis, rank))
    layer = single(node, "rmsnorm", eps=number(node, "epsilon", 1e-5), axis=axes)[0]
    layer.weights["weight"] = weight(node, graph, 1, "scale")
    return [layer]


def group_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`GroupNormalization` with a scale for each channel, as from version 21 on."""
    channels = shape_of(graph, node.input(0))[1]
    scale, shift = weight(node, graph, 1, "scale"), weight(node, graph, 2, "shift")
    groups = integer(node, "num_groups", 1)
    layer = single(node, "groupnorm", groups=groups, eps=number(node, "epsilon", 1e-5))[0]
    if scale.shape == (groups,) and groups != channels:
        times = channels // groups
        scale, shift = (
            s.as_read(lambda a, n=times: a.repeat(n), (channels,))  # type: ignore[misc]
            for s in (scale, shift)
        )
    layer.weights = {"weight": scale, "bias": shift}
    return [layer]


def local_norm(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`LRN`."""
    args = {
        "n": integer(node, "size", 5),
        "alpha": number(node, "alpha", 1e-4),
        "beta": number(node, "beta", 0.75),
        "k": number(node, "bias", 1.0),
    }
    return single(node, "lrn", **args)


def _all(stored: StoredTensor, value: float) -> bool:
    return bool((stored.read() == value).all())


# ---- arithmetic


def binary(node: ForeignNode, graph: Foreign) -> list[FlatLayer] | str:
    """Arithmetic of tensors and constants; three and more tensors are joined at once."""
    constants = [i for i, name in enumerate(node.inputs) if name in graph.stored]
    if len(node.inputs) == 2 and len(constants) == 1:
        return _with_constant(node, graph, constants[0])
    require(not constants, "it joins a constant with several values")
    require(node.kind not in ("Min", "Mod"), "the language has no such join")
    if len(node.inputs) == 1:
        return node.input(0)
    ranks = {len(shape_of(graph, name)) for name in node.inputs}
    require(len(ranks) == 1, "its operands have different numbers of axes")
    kind = JOINS.get(node.kind) or OPERATORS[node.kind]
    return [FlatLayer(kind, node.output, list(node.inputs), node)]


def _with_constant(node: ForeignNode, graph: Foreign, at: int) -> list[FlatLayer] | str:
    """A value and a constant: a number is part of a formula, others become a layer."""
    value, other = node.inputs[1 - at], node.inputs[at]
    stored = graph.stored[other]
    if stored.shape in ((), (1,)) or all(length == 1 for length in stored.shape):
        return _with_number(node, graph, at, float(stored.read().reshape(-1)[0]))
    require(node.kind in JOINS or node.kind in OPERATORS, "the language has no such join")
    made = constant_layer(node, graph, other, value, len(shape_of(graph, value)))
    names = [value, made.output]
    if node.kind == "Pow" or at == 0:
        names = [names[i] for i in ((1, 0) if at == 0 else (0, 1))]
    kind = JOINS.get(node.kind) or OPERATORS[node.kind]
    return [made, FlatLayer(kind, node.output, names, node)]


def _with_number(node: ForeignNode, graph: Foreign, at: int, value: float) -> list[FlatLayer] | str:
    x = node.inputs[1 - at]
    value = short(value)
    neutral = {"Add": 0, "Sub": 0, "Mul": 1, "Div": 1, "Pow": 1}
    if neutral.get(node.kind) == value and (at == 1 or node.kind in ("Add", "Mul")):
        return x
    if node.kind in ("Max", "Min"):
        bound = "min" if node.kind == "Max" else "max"
        if node.kind == "Max" and value == 0:
            return [FlatLayer("relu", node.output, [x], node)]
        return [FlatLayer("clamp", node.output, [x], node, {bound: value})]
    if node.kind == "Pow" and at == 1 and value == 2:
        return [FlatLayer("square", node.output, [x], node)]
    require(node.kind in OPERATORS, "the language has no such operator")
    side = "left" if at == 0 else "right"
    return [FlatLayer(OPERATORS[node.kind], node.output, [x], node, {side: value})]


def constant_layer(
    node: ForeignNode, graph: Foreign, name: str, beside: str, rank: int
) -> FlatLayer:
    """The layer `const` or `param` for a stored tensor, which has the batch of `beside`.

    `rank` is the number of axes, with the batch, that the value must have.
    """
    stored = graph.stored[name]
    require(stored.dtype == "float32", f"the constant `{name}` has the type {stored.dtype}")
    if len(stored.shape) == rank and stored.shape[0] > 1:
        array = stored.read()
        require((array == array[:1]).all(), "it has different constants for the samples")
        stored = stored.as_read(lambda a: a[:1], (1, *stored.shape[1:]))
    shape, leading = _sample(stored.shape, rank)
    made = FlatLayer("param", f"{node.output}:{name}", [beside], node)
    if not stored.name and _count(shape) <= LITERAL:
        numbers = stored.read().reshape(shape)
        made.kind, made.args = "const", {"value": nested(numbers.tolist())}
        return made
    made.args = {"shape": shape, "leading": leading}
    if len(stored.shape) != len(shape) + leading:
        stored = stored.as_read(lambda a: a.reshape((1,) * leading + shape), stored.shape)
    made.weights[""] = stored
    return made


def _sample(shape: Shape, rank: int) -> tuple[Shape, int]:
    """The shape without the batch, and how many axes of size 1 the stored tensor has before it."""
    if len(shape) == rank:
        return shape[1:], 1
    require(len(shape) < rank, "a constant has more axes than the value")
    missing = rank - 1 - len(shape)
    return (1,) * missing + shape, 0


def _count(shape: Shape) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def nested(value: object) -> object:
    """Nested lists as tuples, with the shortest numbers."""
    if isinstance(value, list):
        return tuple(nested(v) for v in value)
    if isinstance(value, int):
        return value
    assert isinstance(value, float)
    return short(value)


def scale(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """`Scale`, which stands for several products with numbers."""
    return single(node, "*", right=number(node, "factor", 1.0))


REDUCTIONS = {
    "ReduceMean": "reduce_mean",
    "ReduceSum": "reduce_sum",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceL2": "reduce_norm",
}


def reduction(node: ForeignNode, graph: Foreign) -> list[FlatLayer]:
    """A reduction along axes; the mean or maximum of all positions is a global pooling layer."""
    rank = len(shape_of(graph, node.input(0)))
    axes = operand(node, graph, 1, "axes") or tuple(range(rank))
    axes = tuple(sorted(axis_of(rank, axis) for axis in axes))
    keep = integer(node, "keepdims", 1) == 1
    kind = REDUCTIONS[node.kind]
    if rank > 2 and axes == tuple(range(2, rank)):
        whole = {"reduce_mean": "gap", "reduce_max": "gmp"}.get(kind)
        if whole and keep:
            return single(node, whole)
        if whole:
            pooled = f"{node.output}:pooled"
            first = FlatLayer(whole, pooled, [node.input(0)], node)
            return [first, FlatLayer("flatten", node.output, [pooled], node)]
    return single(node, kind, axis=axes[0] if len(axes) == 1 else axes, keep=keep)


ACTIVATIONS = {
    kind: partial(plain, name)
    for kind, name in {
        "Relu": "relu",
        "Sigmoid": "sigmoid",
        "Tanh": "tanh",
        "Softplus": "softplus",
        "HardSwish": "hard_swish",
        "Mish": "mish",
        "Silu": "silu",
        "Swish": "silu",
        "Exp": "exp",
        "Log": "log",
        "Sqrt": "sqrt",
        "Abs": "abs",
        "Sign": "sign",
        "Sin": "sin",
        "Cos": "cos",
        "Erf": "erf",
        "Square": "square",
        "GlobalAveragePool": "gap",
        "GlobalMaxPool": "gmp",
    }.items()
}
