"""Types of values: asks the layer, remembers the answer, and turns a broken rule into a diagnostic
at its argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Annotation, did_you_mean
from netdsl.errors import NetdslError, OpError
from netdsl.ir.types import MAX_SYMBOLS, FormulaTooLong, Sym
from netdsl.limits import MAX_DIM, MAX_FORMULA, MAX_SIZE
from netdsl.ops.args import clipped
from netdsl.ops.base import bind, signature
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.ir.graph import Site, Value
    from netdsl.ir.op import Needs, Op, Param
    from netdsl.ir.types import TensorType
    from netdsl.source import Span


class Inference:
    """Layers and types already seen: a repeated block is typed once."""

    def __init__(self) -> None:
        self._ops: dict[Any, Op] = {}
        self._types: dict[Any, tuple[TensorType, Needs]] = {}

    def op(self, cls: type[Op], positional: tuple[object, ...], keywords: dict[str, object]) -> Op:
        """The layer of a call, made once; raises `OpError`."""
        key = (
            cls,
            positional,
            *map(_kind, positional),
            *keywords.items(),
            *map(_kind, keywords.values()),
        )
        found = self._ops.get(key)
        if found is None:
            known = {a.name for a in cls.args}
            for name in keywords:
                if name not in known:
                    raise OpError(
                        "unknown-argument",
                        f"`{cls.kind}` has no argument `{name}`",
                        name,
                        _foreign(name, known)
                        or did_you_mean(name, known)
                        or f"write `{signature(cls)}`",
                    )
            found = self._ops[key] = bind(cls, positional, keywords)
        return found

    def type(self, op: Op, xs: tuple[TensorType, ...]) -> tuple[TensorType, Needs]:
        """The type of the result, and what it requires of open sizes; raises `OpError`."""
        key = (op, xs)
        found = self._types.get(key)
        if found is None:
            _check_dtypes(op, xs)
            try:
                found = op.inferred(*xs)
            except FormulaTooLong:
                raise _too_long(f"the sizes that `{op.kind}` makes") from None
            params = op.params(*xs)
            check_sizes(found[0], f"`{op.kind}` would make", f"the sizes that `{op.kind}` makes")
            _check_params(op, params)
            self._types[key] = found
        return found


def _kind(value: object) -> object:
    """The type of an argument, and those of a list's elements:

    `[3.0]` equals `[3]` and `[true]` equals `[1]`, but no layer takes each.
    """
    return tuple(map(_kind, value)) if isinstance(value, tuple) else type(value)


def _check_dtypes(op: Op, xs: tuple[TensorType, ...]) -> None:
    for x in xs:
        if not op.any_dtype and x.dtype != "float32":
            given = "input" if x is xs[0] else "reference"
            message = f"`{op.kind}` computes in float32, its {given} is {x.dtype}"
            raise OpError("wrong-dtype", message)
        if x.dtype != xs[0].dtype:
            raise OpError("wrong-dtype", f"`{op.kind}` joins {xs[0].dtype} and {x.dtype}")


def _too_long(subject: str) -> OpError:
    return OpError(
        "formula-too-long",
        f"{subject} are formulas of over {MAX_FORMULA} parts",
        help="write a number for the open sizes in the `input`",
    )


def check_sizes(type_: TensorType, made: str, sizes: str) -> None:
    """Hold the bounds of a tensor; raises `OpError`.

    `made` begins its message as "`conv` would make" does, `sizes` as "the sizes that `conv` makes".
    """
    total, terms, length = 1, 1, 0
    for d in type_.shape:
        if isinstance(d, Sym):
            terms *= len(d.terms)
            length += d.length
            if d.length > MAX_FORMULA or terms > MAX_FORMULA or length > MAX_SYMBOLS:
                raise _too_long(sizes)
            factor = max(map(abs, d.terms.values()))
            if factor > MAX_SIZE:
                raise OpError("too-large", f"{made} {clipped(type_)}: a factor of over 2^62")
            total *= factor
        if isinstance(d, int):
            if not 1 <= d <= MAX_DIM:
                raise OpError(
                    "bad-size",
                    f"{made} {clipped(type_)}: each size must be between 1 and {MAX_DIM:,}",
                )
            total *= d
    if total > MAX_SIZE:
        raise OpError("too-large", f"{made} {clipped(type_)}: more than 2^62 elements")


def check_input(name: str, type_: TensorType, span: Span) -> None:
    """Hold the bounds of an input, which may be large with no layer to take it; raises
    `NetdslError`.
    """
    try:
        check_sizes(type_, f"input `{name}` would be", f"the sizes of input `{name}`")
    except OpError as error:
        raise NetdslError(error.code, error.message, span, help=error.help) from None


def _check_params(op: Op, params: dict[str, Param]) -> None:
    for name, param in params.items():
        if any(d > MAX_DIM for d in param.shape):
            raise OpError(
                "bad-size",
                f"`{name}` of `{op.kind}` would be {'x'.join(map(str, param.shape))}: each size"
                f" must be between 1 and {MAX_DIM:,}",
            )
        if param.size > MAX_SIZE:
            raise OpError(
                "too-large",
                f"`{name}` of `{op.kind}` would be {'x'.join(map(str, param.shape))}: more than"
                " 2^62 elements",
            )


def as_fault(error: OpError, call: ast.Call, cls: type[Op], xs: tuple[Value, ...]) -> NetdslError:
    """The diagnostic of a broken rule: at the argument at fault, with where the input's shape came
    from.
    """
    notes = []
    for x in xs[:3]:
        maker = f"`{x.producer.op.kind}`" if x.producer else f"input `{x.name}`"
        notes.append(Annotation(f"{maker} here gives {x.type}", x.site.span))
    span = call.name_span if call.body is not None else call.span
    argument = _argument(call, cls, error.arg) if error.arg is not None else None
    if argument is not None:
        span = argument.span
    help_ = error.help or (
        _literal_help(argument) if argument is not None and error.code == "wrong-type" else None
    )
    if error.code == "wrong-dtype":
        help_ = _dtype_help(cls, xs)
    if error.code == "window-too-large" and help_ and xs and _channels_last(xs[0].type):
        help_ += "; are these H x W x C? channels come first, as in 3x224x224"
    return NetdslError(error.code, error.message, span, help=help_, notes=tuple(notes))


def _dtype_help(cls: type[Op], xs: tuple[Value, ...]) -> str | None:
    """Advice for an element type that a layer does not take: how to declare the net's input."""
    sources = [_source(x) for x in xs]
    declared = [x for x in sources if x.producer is None]
    if cls.kind == "embedding":
        if declared:
            return f"declare it: `input {declared[0].name}: {declared[0].type} int64`"
        return (
            "integers are an input of the net, as in `input tokens: T int64`; layers compute floats"
        )
    wrong = [x for x in declared if x.type.dtype != "float32"]
    if not wrong:
        return None
    advice = f"declare input `{wrong[0].name}` without a type, which makes it float32"
    if wrong[0].type.dtype.startswith("int"):
        advice += "; `embedding` makes vectors of integers"
    if wrong[0].type.dtype == "float16":
        advice += "; `netdsl export --fp16` writes a 16-bit model"
    return advice


def _source(value: Value) -> Value:
    """The value from which a chain of layers that only move elements begins."""
    while (node := value.producer) is not None:
        if not node.op.any_dtype or node.type.dtype != node.inputs[0].type.dtype:
            break
        value = node.inputs[0]
    return value


def _channels_last(x: TensorType) -> bool:
    """Whether a picture's sizes look as if its channels stood last, as in TensorFlow."""
    known = [d for d in x.shape[1:] if isinstance(d, int)]
    return len(known) == len(x.shape) - 1 == 2 and known[1] <= 4 and known[0] >= 4 * known[1]


_FOREIGN = {
    "kernel_size": "k",
    "kernel": "k",
    "window": "k",
    "filters": "out",
    "out_channels": "out",
    "channels": "out",
    "features": "out",
    "padding": "pad",
    "out_features": "units",
    "hidden_size": "hidden",
    "num_layers": "layers",
    "num_heads": "heads",
    "rate": "p",
    "activation": "nonlinearity",
    "negative_slope": "slope",
    "use_bias": "bias",
    "kernel_initializer": "init",
}
_ELSEWHERE = {
    "activation": "it is a layer of its own: write `-> relu` after this one",
    "in_channels": "leave it out: it is known from the input",
    "in_features": "leave it out: it is known from the input",
    "input_shape": "the net's `input` has it: `input image: 3x224x224`",
    "name": "a name stands before its layer: `name: conv(8, 3)`",
}


def _foreign(name: str, known: set[str]) -> str | None:
    """What other libraries call an argument, or where the language says the same."""
    ours = _FOREIGN.get(name)
    return f"it is called `{ours}` here" if ours in known else _ELSEWHERE.get(name)


def _literal_help(argument: ast.Argument) -> str | None:
    """Advice for a value that is well formed and of the wrong type."""
    text = argument.value.span.text
    if isinstance(argument.value, ast.DimsLiteral) or (
        isinstance(argument.value, ast.NameOrDims) and argument.value.reads_as_sizes
    ):
        return (
            f"`{text}` is a list of sizes, {text.replace('x', ' by ')}; a number is written in"
            " decimals"
        )
    return (
        "the value of a tensor is known when the net runs; its sizes are `in.channels`,"
        " `in.height`, `in.width`"
        if isinstance(argument.value, ast.Reference)
        else None
    )


def _argument(call: ast.Call, cls: type[Op], name: str) -> ast.Argument | None:
    """The argument of the text that gives `name`, by keyword or by position."""
    positional = [
        a for a in call.arguments if a.name is None and not isinstance(a.value, ast.Reference)
    ]
    names = [a.name for a in cls.args]
    for argument in call.arguments:
        if argument.name == name:
            return argument
    index = names.index(name) if name in names else len(positional)
    return positional[index] if index < len(positional) else None


def call_notes(site: Site) -> tuple[Annotation, ...]:
    """Through which block calls the compiler came here, innermost first."""
    notes: list[Annotation] = []
    caller = site.caller
    while caller is not None and len(notes) < 8:
        notes.append(Annotation("reached through this call", caller.span))
        caller = caller.caller
    return tuple(notes)
