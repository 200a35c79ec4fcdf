"""The exceptions for wrong input, each with its diagnostics."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from netdsl.diagnostics import Diagnostic
from netdsl.render import render_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.diagnostics import Annotation, Edit
    from netdsl.source import Span


class NetdslError(Exception):
    """Something that the user gave is wrong: a text, a setting, a file.

    `span` is the place in a text. If the code that raises the error does not know the place, a
    caller that does adds it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        help: str | None = None,
        notes: tuple[Annotation, ...] = (),
        fix: tuple[Edit, ...] = (),
    ) -> None:
        super().__init__(message)
        self.diagnostics = [Diagnostic(code, message, span, notes=notes, help=help, fix=fix)]

    @classmethod
    def of(cls, diagnostics: list[Diagnostic]) -> Self:
        """An error with several diagnostics."""
        error = cls("", "")
        error.diagnostics = diagnostics
        return error

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).of, ([],), self.__dict__

    def __str__(self) -> str:
        return render_all(self.diagnostics)

    @property
    def diagnostic(self) -> Diagnostic:
        """The first diagnostic."""
        return self.diagnostics[0]

    @property
    def code(self) -> str:
        """The code of the first diagnostic."""
        return self.diagnostic.code

    @property
    def message(self) -> str:
        """The message of the first diagnostic, without advice."""
        return self.diagnostic.message

    @property
    def help(self) -> str | None:
        """The advice of the first diagnostic, if it has any."""
        return self.diagnostic.help


class Correction(NamedTuple):
    """How a call is corrected, if there is no doubt: the rules of layers know no source text.

    `arguments` has the new text of an argument by its name, or None for one that is left out.
    `kind` is the layer to call instead. `before` and `after` are layers to add.
    """

    arguments: Mapping[str, str | None] = MappingProxyType({})
    kind: str = ""
    before: str = ""
    after: str = ""


class OpError(NetdslError):
    """A call breaks a rule of its layer; the place is the argument `arg`, or else the layer.

    `elaborate.corrections` turns the `correction` into a fix.
    """

    def __init__(
        self,
        code: str,
        message: str,
        arg: str | None = None,
        help: str | None = None,
        correction: Correction | None = None,
    ) -> None:
        super().__init__(code, message, help=help)
        self.arg = arg
        self.correction = correction


class UnlikeShapesError(OpError):
    """The inputs of a join have different shapes; `reason` tells where they differ."""

    def __init__(self, message: str, reason: str, help: str | None = None) -> None:
        super().__init__("shape-mismatch", f"{message}: {reason}", help=help)
        self.reason = reason


class SettingError(NetdslError):
    """A setting of a training, or its data, is wrong; the place is the entry `key`.

    `respelling` is a misspelt name of the entry and the right one, if there is no doubt about it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        key: str | None = None,
        help: str | None = None,
        respelling: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, help=help)
        self.key = key
        self.respelling = respelling


class Overrun(NetdslError):
    """A net exceeds a limit. The compiler stops at once, without looking for other errors."""


class UnreadableError(NetdslError):
    """A text has syntax errors."""


class CompileError(NetdslError):
    """Something is wrong with a text, its parameters, weights or environment variables.

    Printed, it shows every error with its place, as the commands do. `diagnostics` is the list of
    these: each has a `code`, a `message`, a `span` (its place), a `help` and `notes`. `code`,
    `message` and `help` are those of the first.

    >>> import netdsl
    >>> try:
    ...     netdsl.load("lenet6")
    ... except netdsl.CompileError as error:
    ...     error.code, error.message
    ('file-not-found', 'there is no file or library net `lenet6`')
    """


class CannotWriteError(OSError):
    """A file or standard output cannot be written. `filename` is the name that the user gave."""
