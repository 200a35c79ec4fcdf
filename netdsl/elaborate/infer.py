"""Infers the types of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import NetdslError, OpError
from netdsl.ir.types import MAX_SYMBOLS, FormulaTooLong
from netdsl.limits import MAX_DIM, MAX_FORMULA, MAX_SIZE
from netdsl.ops.args import clipped
from netdsl.ops.base import bind

if TYPE_CHECKING:
    from netdsl.ir.op import Needs, Op, Param
    from netdsl.ir.types import TensorType
    from netdsl.source import Span


class Inference:
    """Remembers layers and types, so that a repeated block is typed only once."""

    def __init__(self) -> None:
        self._ops: dict[tuple[object, ...], Op] = {}
        self._types: dict[tuple[Op, tuple[TensorType, ...]], tuple[TensorType, Needs]] = {}

    def op(self, cls: type[Op], positional: tuple[object, ...], keywords: dict[str, object]) -> Op:
        """The layer of a call; equal calls share one. Raises `OpError`."""
        key = (
            cls,
            positional,
            *map(_type_of, positional),
            *keywords.items(),
            *map(_type_of, keywords.values()),
        )
        op = self._ops.get(key)
        if op is None:
            _check_names(cls, keywords)
            op = self._ops[key] = bind(cls, positional, keywords)
        return op

    def type(self, op: Op, xs: tuple[TensorType, ...]) -> tuple[TensorType, Needs]:
        """The type of the result, and what it requires of open sizes; raises `OpError`."""
        key = (op, xs)
        result = self._types.get(key)
        if result is None:
            _check_dtypes(op, xs)
            try:
                result = op.inferred(*xs)
            except FormulaTooLong:
                raise _too_long(f"the sizes of the result of `{op.kind}`") from None
            params = op.params(*xs)
            subject = f"the result of `{op.kind}`"
            check_sizes(result[0], f"{subject} would be", f"the sizes of {subject}")
            _check_params(op, params)
            self._types[key] = result
        return result


def _type_of(value: object) -> object:
    """The type of an argument, and the types of a list's elements.

    It distinguishes arguments that Python considers equal: `[3.0]` and `[3]`, `[true]` and `[1]`.
    """
    if isinstance(value, tuple):
        return tuple(map(_type_of, value))
    return type(value)


def _check_names(cls: type[Op], keywords: dict[str, object]) -> None:
    """Raise `OpError` if a layer kind has no argument of one of the names."""
    known = {a.name for a in cls.args}
    for name in keywords:
        if name not in known:
            raise OpError(
                "unknown-argument",
                f"`{cls.kind}` has no argument `{name}`",
                name,
            )


def _check_dtypes(op: Op, xs: tuple[TensorType, ...]) -> None:
    named = op.named(xs)
    for declared in op.args:
        if declared.name in named and named[declared.name].dtype not in declared.dtypes:
            allowed = " or ".join(declared.dtypes)
            message = (
                f"`{declared.name}` of `{op.kind}` must be {allowed},"
                f" but the tensor is {named[declared.name].dtype}"
            )
            raise OpError("wrong-dtype", message, declared.name)
    for x in xs[: len(xs) - len(named)]:
        if not op.any_dtype and x.dtype != "float32":
            given = "input" if x is xs[0] else "reference"
            message = f"`{op.kind}` computes in float32, but its {given} is {x.dtype}"
            raise OpError("wrong-dtype", message)
        if x.dtype != xs[0].dtype:
            raise OpError("wrong-dtype", f"`{op.kind}` cannot join {xs[0].dtype} and {x.dtype}")


def _too_long(subject: str) -> OpError:
    return OpError(
        "formula-too-long",
        f"{subject} are formulas of more than {MAX_FORMULA} parts",
        help="write a number for the open sizes in the `input`",
    )


def check_sizes(type_: TensorType, subject: str, sizes: str) -> None:
    """Raise `OpError` if a tensor is too large, or has a size below 1.

    `subject` and `sizes` are the beginnings of the messages, such as "the result of `conv` would
    be" and "the sizes of the result of `conv`".
    """
    total, terms, length = 1, 1, 0
    for size in type_.shape:
        if isinstance(size, int):
            if not 1 <= size <= MAX_DIM:
                raise OpError(
                    "bad-size",
                    f"{subject} {clipped(type_)}: each size must be between 1 and {MAX_DIM:,}",
                )
            total *= size
            continue
        terms *= len(size.terms)
        length += size.length
        if size.length > MAX_FORMULA or terms > MAX_FORMULA or length > MAX_SYMBOLS:
            raise _too_long(sizes)
        factor = max(map(abs, size.terms.values()))
        if factor > MAX_SIZE:
            raise OpError("too-large", f"{subject} {clipped(type_)}: a factor is more than 2^62")
        total *= factor
    if total > MAX_SIZE:
        raise OpError("too-large", f"{subject} {clipped(type_)}: more than 2^62 elements")


def check_input(name: str, type_: TensorType, span: Span) -> None:
    """Raise `NetdslError` if an input is too large, even if no layer takes it."""
    try:
        check_sizes(type_, f"input `{name}` would be", f"the sizes of input `{name}`")
    except OpError as error:
        raise NetdslError(error.code, error.message, span, help=error.help) from None


def _check_params(op: Op, params: dict[str, Param]) -> None:
    for name, param in params.items():
        if any(size > MAX_DIM for size in param.shape):
            message = _param_text(op, name, param)
            raise OpError("bad-size", f"{message}: each size must be between 1 and {MAX_DIM:,}")
        if param.size > MAX_SIZE:
            message = _param_text(op, name, param)
            raise OpError("too-large", f"{message}: more than 2^62 elements")


def _param_text(op: Op, name: str, param: Param) -> str:
    return f"`{name}` of `{op.kind}` would be {'x'.join(map(str, param.shape))}"
