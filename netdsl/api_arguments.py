"""Checks the arguments of the Python API before any work is done."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from functools import wraps
from numbers import Integral, Real
from types import FunctionType
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from netdsl.api_advice import about_argument, in_python
from netdsl.diagnostics import did_you_mean
from netdsl.draw.options import DIRECTIONS, MAX_DPI, STYLES, THEMES
from netdsl.errors import CompileError, NetdslError
from netdsl.limits import INTEGER_DIGITS, MAX_DIM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_P = ParamSpec("_P")
_R = TypeVar("_R")
CO_VARKEYWORDS = 8  # the flag of a function with `**kwargs`, as in `inspect`
_BITS = 64  # messages do not show longer numbers


class Kind(NamedTuple):
    """A kind of argument: its description, a test of the type, and a test of the value.

    `limits` ends the description of the values, where a value of the right type can be wrong.
    `advice` follows the message about a wrong type.
    """

    description: str
    has_type: Callable[[object], bool]
    is_in_range: Callable[[object], bool] = lambda _: True
    limits: str = ""
    advice: str = ""

    def or_none(self) -> Kind:
        """The kind of an argument that can also be `None`."""
        return Kind(
            f"{self.description}, or None",
            lambda value: value is None or self.has_type(value),
            lambda value: value is None or self.is_in_range(value),
            self.limits,
            self.advice,
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_natural(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 0


def _is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and isinstance(os.fspath(value), str)


def _has_no_zero_byte(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and "\0" not in os.fspath(value)


def _is_in(*choices: str) -> Kind:
    listed = ", ".join(f'"{choice}"' for choice in choices)
    return Kind(f"one of {listed}", lambda value: isinstance(value, str), choices.__contains__)


_TEXT = Kind("a str", lambda value: isinstance(value, str))
_FLAG = Kind("a bool", lambda value: isinstance(value, bool))
_INTEGER = Kind("an int", _is_integer)
_NATURAL = Kind("an int of at least 0", _is_integer, _is_natural)
_PATH = Kind("a str or a Path", _is_path, _has_no_zero_byte, ", without zero bytes")


_OF_ARRAYS = (
    '; for arrays, write `numpy.savez("data.npz", x=images, y=labels)` and'
    " `data='npz(\"data.npz\")'`"
)


def _are_logs(value: object) -> bool:
    return isinstance(value, (list, tuple)) and {*value} <= {"csv", "tensorboard"}


_LOGS = Kind(
    'a list with "csv", "tensorboard", or both',
    lambda value: isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value),
    _are_logs,
)

ENTRIES = {  # how a call gives an entry of a `train` section
    "optimizer": '"adam(lr = 0.001)"',
    "loss": '"cross_entropy"',
    "schedule": '"cosine"',
    "metrics": '["accuracy"]',
    "augment": '["hflip"]',
}

# An argument has the same kind in every function that takes it; None is allowed where it is the
# default. `weights` and `arrays` are missing here: their checks depend on the tensors, so
# `weights.checkpoints.weights_of` and `runtime.feeds.feeds_of` do them.
EXAMPLES = {  # of arguments by name, for calls without the names
    "figure": 'figure("macs", H=224, W=224)',
    "load": 'load("resnet", "ResNet50", classes=10)',
    "loads": 'loads(text, "Net", classes=10)',
    "train": 'train("runs/a", epochs=3)',
}
NO_ARGUMENTS = {
    "pytorch_source": ": it returns the text, and `netdsl export FILE -o model.py` writes it",
}
KINDS = {
    "text": _TEXT,
    "net": _TEXT,
    "name": _PATH,
    "path": _PATH,
    "out": _PATH._replace(advice=_OF_ARRAYS),
    "depth": _NATURAL,
    "style": _is_in(*STYLES),
    "direction": _is_in(*DIRECTIONS),
    "theme": _is_in(*THEMES),
    "field": _TEXT,
    "units": Kind("an int from 3 to 64", _is_integer, range(3, 65).__contains__),
    "dpi": Kind(f"an int from 10 to {MAX_DPI}", _is_integer, range(10, MAX_DPI + 1).__contains__),
    "expression": _TEXT,
    "opset": _INTEGER,
    "batch": _INTEGER,
    "seed": _NATURAL,
    "dtype": _TEXT,
    "data": _TEXT._replace(advice=_OF_ARRAYS),
    "device": _is_in("cpu", "cuda", "tensorrt", "auto"),
    "log": _LOGS,
    "fold": _FLAG,
    "resume": _FLAG,
    "overwrite": _FLAG,
    "allow_changes": _FLAG,
    "quiet": _FLAG,
    "allow_nonfinite": _FLAG,
}


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function check its arguments against `KINDS` first.

    The function then raises `TypeError` for a value of a wrong type, `ValueError` for any other
    wrong value, and `CompileError` instead of every `NetdslError`.
    """
    python_function: object = function
    assert isinstance(python_function, FunctionType)
    kinds = _kinds_of(python_function)
    code = python_function.__code__
    positional = code.co_posonlyargcount

    takes_others = code.co_flags & CO_VARKEYWORDS

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for number, (name, kind) in enumerate(kinds.items()):
            if number < len(args):
                _check(name, args[number], kind)
            elif number >= positional and name in kwargs:
                _check(name, kwargs[name], kind)
        if len(args) > code.co_argcount or not (kwargs.keys() <= kinds.keys() or takes_others):
            raise TypeError(_misfit(python_function, args, kwargs))
        try:
            return function(*args, **kwargs)
        except NetdslError as error:
            for diagnostic in error.diagnostics:
                in_python(diagnostic)
            raise CompileError.of(error.diagnostics) from None

    return call


def _misfit(function: FunctionType, args: Sequence[object], named: Iterable[str]) -> str:
    """Why a call does not fit: too many arguments without a name, or an unknown one."""
    code, name, count = function.__code__, function.__name__, len(args)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    taken = [n for n in names[: code.co_argcount] if n != "self"]
    others = [n for n in names if n != "self"]
    if count > code.co_argcount:
        by_name = EXAMPLES.get(name) or ", ".join(f"{n}=..." for n in names[code.co_argcount :])
        if not others:
            return f"{name}() takes no arguments{NO_ARGUMENTS.get(name, '')}"
        first = " and ".join(taken) or "no argument"
        rest = f"; give the others by name: {by_name}" if by_name else ""
        if name == "figure" and all(isinstance(text, str) for text in args[1:]):
            of, part = args[1:3]
            rest = f'; for the figure of a part, write `net.figure("{of}({part})")`'
        return f"{name}() takes only {first} without a name{rest}"
    wrong = next(n for n in named if n not in others)
    advice = about_argument(wrong, name, others) or did_you_mean(wrong, others)
    advice = advice or f"it has {', '.join(others) or 'none'}"
    return f"{name}() has no argument {wrong!r}; {advice}"


def refuse_model(weights: object) -> None:
    """Raise `ValueError` for the name of a model in place of weights."""
    if isinstance(weights, (str, os.PathLike)) and str(os.fspath(weights)).endswith(".onnx"):
        file = f'"{os.fspath(weights)!s}"'
        raise ValueError(
            f"weights must be a state dict or a file of weights, not {file}: `net.onnx()` returns a"
            f" model, and `net.save_onnx({file})` writes one"
        )


def check_model_name(path: str | os.PathLike[str]) -> None:
    """Raise `ValueError` unless a name is that of an ONNX file."""
    if not os.fspath(path).lower().endswith(".onnx"):
        raise ValueError(f"the name of a model must end in .onnx; found `{os.fspath(path)}`")


def _kinds_of(function: FunctionType) -> dict[str, Kind | None]:
    """The kind of each argument of a function, in order; None for one with a check of its own."""
    code = function.__code__  # `inspect.signature` has the names too, but is slow to import
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = function.__defaults__ or ()
    last = names[code.co_argcount - len(defaults) : code.co_argcount]
    optional = dict(zip(last, defaults, strict=True)) | (function.__kwdefaults__ or {})
    kinds: dict[str, Kind | None] = {}
    for name in names:
        kind = KINDS.get(name)
        is_optional = optional.get(name, ...) is None
        kinds[name] = kind.or_none() if kind is not None and is_optional else kind
    return kinds


def _check(name: str, value: object, kind: Kind | None) -> None:
    if kind is None:
        return
    if not kind.has_type(value):
        wanted = f"{kind.description}, not {type(value).__name__}"
        raise TypeError(f"{name} must be {wanted}{kind.advice}")
    if not kind.is_in_range(value):
        wanted = f"{kind.description}{kind.limits}"
        raise ValueError(f"{name} must be {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    if isinstance(value, Integral) and int(value).bit_length() > _BITS:
        return f"a number of {int(value).bit_length():,} bits"
    return repr(value)


class UnwritableError(TypeError):
    """A value has no expression in the language."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.kind = type(value).__name__
        wanted = "a number, a bool, a str, or a list or tuple of these"
        super().__init__(f"{name} must be {wanted}, not {self.kind}")


def sizes_of(inputs: object) -> dict[str, tuple[int, ...]]:
    """The sizes of inputs by name, without the batch; raises as `checked` functions do."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        wanted = 'a dict of sizes by input, such as {"image": (3, 224, 224)}'
        raise TypeError(f"inputs must be {wanted}, not {type(inputs).__name__}")
    return {name: _sizes(name, sizes) for name, sizes in inputs.items()}


def _sizes(name: object, given: object) -> tuple[int, ...]:
    if not isinstance(name, str):
        raise TypeError(f"the names of inputs must be str, not {type(name).__name__}")
    if isinstance(given, str):
        written = given.strip().replace("x", ", ")
        example = written if re.fullmatch(r"\d+(, \d+)+", written) else "3, 224, 224"
        raise TypeError(f"the sizes of input {name} must be a tuple such as ({example}), not str")
    sizes = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    return tuple(size_of(f"a size of input {name}", size) for size in sizes)


def size_of(name: str, size: object) -> int:
    """A size as an `int`; raises as `checked` functions do."""
    if not isinstance(size, Integral) or isinstance(size, bool):
        raise TypeError(f"{name} must be an int, not {type(size).__name__}")
    if not 1 <= int(size) <= MAX_DIM:
        raise ValueError(f"{name} must be from 1 to {MAX_DIM:,}, not {_shown(size)}")
    return int(size)


def string_of(name: str, text: str) -> str:
    """A text as a string of the language."""
    if '"' in text or "\n" in text:
        raise ValueError(f"{name} must be a str without quotes and line breaks")
    return f'"{text}"'


def by_path(values: Mapping[str, object]) -> dict[str, object]:
    """Values by their paths: `{"optimizer": {"lr": 0.1}}` gives `{"optimizer.lr": 0.1}`."""
    paths: dict[str, object] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"the keys of a dict must be str, not {type(name).__name__}")
        if isinstance(value, Mapping):
            paths |= {f"{name}.{path}": part for path, part in by_path(value).items()}
        else:
            paths[name] = value
    return paths


def settings_of(entries: Mapping[str, object]) -> dict[str, str]:
    """Entries of a `train` section as texts, by their paths; raises as `checked` functions do."""
    try:
        return texts_of(by_path(entries), lambda _, text: text)
    except UnwritableError as error:
        example = ENTRIES.get(error.name)
        written = f"; as in {error.name}={example}" if example else ""
        message = f"{error.name} must be a text as in a `train` section, a number, a bool, a dict,"
        kind = f" or a list or tuple of these, not {error.kind}{written}"
        raise TypeError(message + kind) from None


def texts_of(
    values: Mapping[str, object], write: Callable[[str, str], str] = string_of
) -> dict[str, str]:
    """Values by name as expressions of the language; raises as `checked` functions do.

    `write` gives the expression of a `str` from the name and the text.
    """
    try:
        return {name: _text(name, value, write) for name, value in values.items()}
    except RecursionError:
        raise ValueError("a list in the parameters is nested too deeply") from None


def _text(name: str, value: object, write: Callable[[str, str], str]) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return f"[{', '.join(_text(name, v, write) for v in value)}]"
        case str():
            return write(name, value)
        case Integral():
            if abs(int(value)) >= 10**INTEGER_DIGITS:
                raise ValueError(f"{name} must have at most {INTEGER_DIGITS} digits")
            return str(int(value))
        case Real():
            if not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, not {float(value)}")
            return str(float(value))
    raise UnwritableError(name, value)
