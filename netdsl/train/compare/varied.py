"""The values of `--vary`: a list, in the syntax of the language, for a parameter or a setting."""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError
from netdsl.habits import training
from netdsl.source import SourceFile, Span
from netdsl.syntax import ast
from netdsl.syntax.parser import parse_expression
from netdsl.train.config import TrainConfig
from netdsl.train.misplaced import argument_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.diagnostics import Diagnostic

OPTION = "--vary"
ARGUMENTS = ("lr", "momentum", "weight_decay", "betas")  # of optimizers
SECTION = "train."  # how the name of a setting begins; other names are parameters of the net


class Varied(NamedTuple):
    """One value of what varies, as a text.

    `span` is the place of the value in the option, and `head` that of the name.
    """

    name: str
    text: str
    span: Span
    head: Span

    @property
    def setting(self) -> str | None:
        """The path of the setting, or None if the choice is about a parameter of the net."""
        if not self.name.startswith(SECTION):
            return None
        return self.name.removeprefix(SECTION)

    @property
    def label(self) -> str:
        """The choice for people: `drop = 0.5`."""
        return f"{self.name.removeprefix(SECTION)} = {self.text}"


def choices_of(option: str) -> list[Varied]:
    """The values of an option such as `drop = [0, 0.5]`; raises `NetdslError`.

    The list is only read: no item of it is evaluated here.
    """
    file = SourceFile(OPTION, option)
    name, _, text = option.partition("=")
    start = len(name) + 1
    try:
        expr = parse_expression(SourceFile(OPTION, text))
    except NetdslError as error:
        for diagnostic in error.diagnostics:
            if diagnostic.span is not None:
                diagnostic.span = _shifted(file, diagnostic.span, start)
            diagnostic.fix = ()
        raise
    place = _shifted(file, expr.span, start)
    head = Span(file, 0, len(name.rstrip()))
    if not isinstance(expr, ast.Sequence) or expr.is_tuple:
        message = f"`{OPTION}` takes a list of values for `{name.strip()}`, found `{place.brief}`"
        help_ = f"write `{OPTION} '{name.strip()} = [{_joined(place.brief.strip('()'))}]'`"
        raise NetdslError("wrong-type", message, place, help=help_)
    if not expr.items:
        message = f"`{OPTION}` gives `{name.strip()}` no value"
        help_ = f"write at least one: `{OPTION} '{name.strip()} = [0, 0.5]'`"
        if name.strip() == "train.augment":
            help_ = f"for no augmentation write `{OPTION} 'train.augment = [[]]'`"
        raise NetdslError("bad-argument", message, place, help=help_)
    spans = [_shifted(file, item.span, start) for item in expr.items]
    return [Varied(name.strip(), _joined(span.text), span, head) for span in spans]


def combinations(options: Iterable[str]) -> list[tuple[Varied, ...]]:
    """Every combination of the values of all options; one without a choice if there is none.

    Raises `NetdslError` as `choices_of`, or if a name or a value is given twice.
    """
    axes = [choices_of(option) for option in options]
    _refuse_repeated([axis[0].head for axis in axes])
    for axis in axes:
        _refuse_repeated([choice.span for choice in axis])
    return list(product(*axes))


def _refuse_repeated(spans: Sequence[Span]) -> None:
    seen: set[str] = set()
    for span in spans:
        text = _joined(span.text)
        if text in seen:
            message = f"`{OPTION}` has `{text}` twice"
            raise NetdslError("duplicate-name", message, span, help="remove one of the two")
        seen.add(text)


def place_choices(diagnostics: Iterable[Diagnostic], choices: Sequence[Varied]) -> None:
    """Move the places of diagnostics about chosen values to the option that has them."""
    for diagnostic in diagnostics:
        span = diagnostic.span
        if span is None:
            continue
        for choice in choices:
            if span.file.name in (f"-D {choice.name}", f"--set {choice.name}"):
                diagnostic.span = choice.head
                if span.file.text == choice.text:
                    diagnostic.span = _shifted(choice.span.file, span, choice.span.start)
                if diagnostic.code == "unknown-entry":
                    diagnostic.span = choice.head
                    diagnostic.help = _argument_help(choice) or diagnostic.help
                diagnostic.fix = ()
                if diagnostic.code == "unknown-argument" and choice.setting is None:
                    diagnostic.help = _setting_help(choice) or diagnostic.help


def _setting_help(choice: Varied) -> str | None:
    """Advice for a name that is a setting, if it is one."""
    if choice.name in ARGUMENTS:
        return f"it is a setting of the optimizer: write `{SECTION}optimizer.{choice.name} = [...]`"
    if choice.name.partition(".")[0] not in {field.name for field in fields(TrainConfig)}:
        return None
    return f"it is a setting: write `{SECTION}{choice.name} = [...]`"


def _argument_help(choice: Varied) -> str | None:
    """Advice for a setting that is an argument of an entry, if it is one."""
    argument = argument_of(choice.setting or "")
    if argument is None:
        return None
    return f"write `{SECTION}{training.ARGUMENTS[argument]}.{argument} = [...]`"


def _shifted(file: SourceFile, span: Span, offset: int) -> Span:
    return Span(file, span.start + offset, span.end + offset)


def _joined(text: str) -> str:
    """A text on one line, with single blanks."""
    return " ".join(text.split())
