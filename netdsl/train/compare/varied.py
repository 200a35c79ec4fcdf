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
    from collections.abc import Callable, Iterable, Sequence

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


def _no_name(_name: str) -> bool:
    """No net has a parameter of that name, because there is no net."""
    return False


def choices_of(option: str, own: Callable[[str], bool] = _no_name) -> list[Varied]:
    """The values of an option such as `drop = [0, 0.5]`; raises `NetdslError`.

    The list is only read: no item of it is evaluated here. `own` is whether a net has a parameter
    of a name, which only errors ask: other names in their advice are those of settings.
    """
    file = SourceFile(OPTION, option)
    name, _, text = option.partition("=")
    start = len(name) + 1
    try:
        expr = parse_expression(SourceFile(OPTION, text))
    except NetdslError as error:
        _refuse_bare(option, own)
        for diagnostic in error.diagnostics:
            if diagnostic.span is not None:
                diagnostic.span = _shifted(file, diagnostic.span, start)
            diagnostic.fix = ()
        raise
    place = _shifted(file, expr.span, start)
    head = Span(file, 0, len(name.rstrip()))
    if not isinstance(expr, ast.Sequence) or expr.is_tuple:
        message = f"`{OPTION}` takes a list of values for `{name.strip()}`, found `{place.brief}`"
        values = _joined(place.brief.strip("()"))
        help_ = f"write `{OPTION} '{_full_name(name.strip(), own)} = [{values}]'`"
        raise NetdslError("wrong-type", message, place, help=help_)
    if not expr.items:
        message = f"`{OPTION}` gives `{name.strip()}` no value"
        help_ = f"write at least one: `{OPTION} '{name.strip()} = [0, 0.5]'`"
        if name.strip() == "train.augment":
            help_ = f"for no augmentation write `{OPTION} 'train.augment = [[]]'`"
        raise NetdslError("bad-argument", message, place, help=help_)
    spans = [_shifted(file, item.span, start) for item in expr.items]
    return [Varied(name.strip(), _joined(span.text), span, head) for span in spans]


def _refuse_bare(option: str, own: Callable[[str], bool]) -> None:
    """Raise the error of values that are a list without its brackets: `drop=0,0.5`."""
    name, _, text = option.partition("=")
    try:
        expr = parse_expression(SourceFile(OPTION, f"[{text}]"))
    except NetdslError:
        return
    if not isinstance(expr, ast.Sequence):
        return
    values = ", ".join(_joined(item.span.text) for item in expr.items)
    span = Span(SourceFile(OPTION, option), len(name) + 1, len(option))
    name = name.strip()
    message = f"`{OPTION}` takes a list of values for `{name}`, found `{_joined(text)}`"
    help_ = f"write `{OPTION} '{_full_name(name, own)} = [{values}]'`"
    raise NetdslError("wrong-type", message, span, help=help_)


def _full_name(name: str, own: Callable[[str], bool]) -> str:
    """The name of a setting with its section, if it is one and no parameter of the net."""
    if "." in name or own(name):
        return name
    if name in TrainConfig.__dataclass_fields__:
        return SECTION + name
    argument = argument_of(name)
    if argument is not None:
        return f"{SECTION}{training.ARGUMENTS[argument]}.{argument}"
    entry = training.ENTRIES.get(training.squeezed(name), name)
    return SECTION + entry if entry in TrainConfig.__dataclass_fields__ else name


def combinations(
    options: Iterable[str], own: Callable[[str], bool] = _no_name
) -> list[tuple[Varied, ...]]:
    """Every combination of the values of all options; one without a choice if there is none.

    Raises `NetdslError` as `choices_of`, which has `own`, or if a name or a value is given twice.
    """
    axes = [choices_of(option, own) for option in options]
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
