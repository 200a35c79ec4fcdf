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

    @property
    def file(self) -> str | None:
        """The name of the file of the first diagnostic, or None if that is not known."""
        return self.diagnostic.file

    @property
    def line(self) -> int | None:
        """The line of the first diagnostic, from 1, or None if it is not about a line."""
        return self.diagnostic.line

    @property
    def column(self) -> int | None:
        """The column of the first diagnostic, from 1, or None."""
        return self.diagnostic.column


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


class EntryPart(NamedTuple):
    """A part of an entry: a call in it by its name, or one of its arguments.

    The argument is a name, or the number of one that is given without a name.
    """

    call: str
    argument: str | int | None = None


class SettingError(NetdslError):
    """A setting of a training, or its data, is wrong; the place is the entry `key`, or a `part`.

    `respelling` is a wrong text in that place and the right one, if there is no doubt about it; if
    the wrong text is empty, it is the whole value.
    """

    def __init__(
        self,
        code: str,
        message: str,
        key: str | None = None,
        help: str | None = None,
        respelling: tuple[str, str] | None = None,
        part: EntryPart | None = None,
    ) -> None:
        super().__init__(code, message, help=help)
        self.key = key
        self.part = part
        self.respelling = respelling


class Overrun(NetdslError):
    """A net exceeds a limit. The compiler stops at once, without looking for other errors."""


class UnreadableError(NetdslError):
    """A text has syntax errors."""


class CompileError(NetdslError):
    """Something is wrong with a text, its parameters, weights or environment variables.

    Printed, it shows every error with its place, as the commands do. `diagnostics` is the list of
    these: each has a `code`, a `message`, a `help`, and its place: `file`, `line` and `column`,
    which are None where an error is not about a line. `code`, `message`, `help`, `file`, `line` and
    `column` of the error itself are those of the first diagnostic.

    >>> import netdsl
    >>> try:
    ...     netdsl.loads("net A { input x: 4 \\n dense(3) -> reluu -> tanhh }")
    ... except netdsl.CompileError as error:
    ...     error.code, error.line, error.column
    ...     [(diagnostic.message, diagnostic.line) for diagnostic in error.diagnostics]
    ('unknown-layer', 2, 14)
    [('there is no layer or block `reluu`', 2), ('there is no layer or block `tanhh`', 2)]
    >>> try:
    ...     netdsl.load("lenet6")
    ... except netdsl.CompileError as error:
    ...     error.code, error.message, error.line
    ('file-not-found', 'there is no file or library net `lenet6`', None)
    """


class CannotWriteError(OSError):
    """A file or standard output cannot be written. `filename` is the name that the user gave.

    `help` is advice, which a traceback of Python also shows.
    """

    help: str | None = None

    def advised(self, help: str | None) -> Self:
        """The same error with advice, if there is any."""
        if help is not None:
            self.help = help
            self.add_note(f"help: {help}")
        return self
