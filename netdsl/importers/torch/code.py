"""Runs code of the user that makes a module of PyTorch, and explains why it fails."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

LONGEST = 300  # characters of the message of an exception
GUARD = 'what only a script does belongs under `if __name__ == "__main__":`'


class ModuleError(Exception):
    """Why a module cannot be exported, with advice in `help`."""

    def __init__(self, fact: str, help: str) -> None:
        super().__init__(fact)
        self.help = help


@contextmanager
def told(advice: Callable[[Exception], str]) -> Iterator[None]:
    """Run code of the user; raises `ModuleError` if it raises an exception, or ends the process."""
    try:
        yield
    except ModuleError:
        raise
    except SystemExit as error:
        code = "" if error.code is None else repr(error.code)
        raise ModuleError(f"its code calls sys.exit({code}){_place(error)}", GUARD) from error
    except Exception as error:  # the code of the user raises any exception
        first = next(iter(str(error).strip().splitlines()), "")[:LONGEST]
        fact = f"{type(error).__name__}: {first}".removesuffix(": ")
        raise ModuleError(fact + _place(error), advice(error)) from error


def _place(error: BaseException) -> str:
    """The last line of the user's own code that an exception passed, or an empty text."""
    own = Path.cwd()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(own) and "site-packages" not in path.parts:
            return f" ({path.relative_to(own)}, line {frame.lineno})"
    return ""


def imported_module(name: str) -> ModuleType:
    """The module of a name; raises `ModuleError`."""
    with told(partial(_import_advice, name)):
        return import_module(name)


def _import_advice(name: str, error: Exception) -> str:
    """Advice for a module that cannot be imported."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        if name == error.name or name.startswith(f"{error.name}."):
            near = did_you_mean(name, [p.stem for p in sorted(Path.cwd().glob("*.py"))])
            there = "run netdsl in the folder that contains its file or package"
            return near or f"{there}, and write dots for folders"
        return f"install `{error.name}` for {sys.executable}, which runs netdsl"
    if isinstance(error, SyntaxError):
        return f"correct {Path(error.filename or name).name}, line {error.lineno}"
    return f"the file runs when it is imported; {GUARD}"


def named_part(module: ModuleType, path: str, name: str) -> Any:
    """The part of a module that a name with dots names; raises `ModuleError`."""
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n))]
            own = [n for n in known if getattr(getattr(found, n), "__module__", "") == path]
            advice = did_you_mean(part, known) or f"it has {', '.join(own[:9]) or 'none'}"
            raise ModuleError(f"`{path}` has no `{name}`", advice)
        found = getattr(found, part)
    return found
