"""Checks the arguments of the Python API before any work is done."""

from __future__ import annotations

import math
import os
from functools import wraps
from numbers import Integral, Real
from types import FunctionType
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from netdsl.errors import CompileError, NetdslError
from netdsl.limits import INTEGER_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_P = ParamSpec("_P")
_R = TypeVar("_R")
_BITS = 64  # messages do not show longer numbers


class Kind(NamedTuple):
    """A kind of argument: its description, a test of the type, and a test of the value."""

    description: str
    has_type: Callable[[object], bool]
    is_in_range: Callable[[object], bool] = lambda _: True

    def or_none(self) -> Kind:
        """The kind of an argument that can also be `None`."""
        return Kind(
            f"{self.description}, or None",
            lambda value: value is None or self.has_type(value),
            lambda value: value is None or self.is_in_range(value),
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_natural(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 0


def _is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and isinstance(os.fspath(value), str)


def _has_no_zero_byte(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and "\0" not in os.fspath(value)


_TEXT = Kind("a str", lambda value: isinstance(value, str))
_FLAG = Kind("a bool", lambda value: isinstance(value, bool))
_INTEGER = Kind("an int", _is_integer)
_NATURAL = Kind("an int of at least 0", _is_integer, _is_natural)
_PATH = Kind("a path without zero bytes", _is_path, _has_no_zero_byte)

# An argument has the same kind in every function that takes it. `weights` is missing here: its
# check depends on the tensors, so `weights.checkpoints.weights_of` does it.
KINDS = {
    "text": _TEXT,
    "net": _TEXT.or_none(),
    "name": _PATH,
    "path": _PATH,
    "depth": _NATURAL.or_none(),
    "opset": _INTEGER.or_none(),
    "seed": _NATURAL,
    "dtype": _TEXT,
    "fold": _FLAG,
    "allow_nonfinite": _FLAG,
}


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function check its arguments against `KINDS` first.

    The function then raises `TypeError` for a value of a wrong type, `ValueError` for any other
    wrong value, and `CompileError` instead of every `NetdslError`.
    """
    python_function: object = function
    assert isinstance(python_function, FunctionType)
    code = python_function.__code__  # `inspect.signature` has the names too, but is slow to import
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = dict(zip(names, args, strict=False)) | kwargs
        for name in names:
            if name in given and name in KINDS:
                _check(name, given[name], KINDS[name])
        try:
            return function(*args, **kwargs)
        except NetdslError as error:
            raise CompileError.of(error.diagnostics) from None

    return call


def _check(name: str, value: object, kind: Kind) -> None:
    if not kind.has_type(value):
        raise TypeError(f"{name} must be {kind.description}, not {type(value).__name__}")
    if not kind.is_in_range(value):
        raise ValueError(f"{name} must be {kind.description}, not {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, Integral) and int(value).bit_length() > _BITS:
        return f"a number of {int(value).bit_length():,} bits"
    return repr(value)


def texts_of(parameters: Mapping[str, object]) -> dict[str, str]:
    """The parameters of a net as expressions of the language; raises as `checked` functions do."""
    try:
        return {name: _text(name, value) for name, value in parameters.items()}
    except RecursionError:
        raise ValueError("a list in the parameters is nested too deeply") from None


def _text(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return f"[{', '.join(_text(name, v) for v in value)}]"
        case str():
            if '"' in value or "\n" in value:
                raise ValueError(f"{name} must be a str without quotes and line breaks")
            return f'"{value}"'
        case Integral():
            if abs(int(value)) >= 10**INTEGER_DIGITS:
                raise ValueError(f"{name} must have at most {INTEGER_DIGITS} digits")
            return str(int(value))
        case Real():
            if not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, not {float(value)}")
            return str(float(value))
    wanted = "a number, a bool, a str, or a list or tuple of these"
    raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")
