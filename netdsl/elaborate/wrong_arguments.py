"""Finds everything that is wrong with the arguments of a layer, once one error is known.

Names that other tools give to arguments are corrected where there is no doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit, did_you_mean, respelled
from netdsl.elaborate.argument_slips import (
    as_list,
    channels_first,
    elsewhere,
    positions_in_a_row,
    without_channels,
)
from netdsl.elaborate.corrections import (
    after,
    inserted,
    is_frozen,
    is_written,
    without,
    without_arguments,
)
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.elaborate.inner_layers import INNER_LAYERS, following, in_usual_order
from netdsl.elaborate.shares import renamed
from netdsl.elaborate.suggested_calls import certain_join, for_missing, for_surplus, for_unknown
from netdsl.elaborate.value_advice import for_value
from netdsl.errors import NetdslError, OpError
from netdsl.habits.arguments import ELSEWHERE, FROM_INPUT, REMOVED, RENAMED
from netdsl.habits.words import NOTHING, VALUES
from netdsl.ir.graph import Value
from netdsl.ops.args import integers, sizes, tensor_sizes
from netdsl.ops.base import check
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import Correction
    from netdsl.ir.op import Arg, Op

OF_VECTORS = ("dim", "d_model", "hidden", "hidden_size", "features", "units")
FEWEST_UNITS = 2  # 0 and 1 at the place of a truth value are meant as one
OF_BIAS = ("bias", *(name for name, ours in RENAMED.items() if "bias" in ours))


class _Correction(NamedTuple):
    """What becomes of one argument: its new text, or None if it goes.

    `after` is a layer to add, and `label` a label for the call.
    """

    text: str | None
    after: str = ""
    label: str = ""


def without_values(invocation: Invocation, cls: type[Op], arguments: LayerArguments) -> NetdslError:
    """The errors of a call with arguments that have no value, and those of its other arguments."""
    wrong = WrongArguments(invocation, cls, arguments)
    return NetdslError.of(wrong.diagnostics)


class WrongArguments:
    """The errors of one call. `errors` has them in the order of the text.

    `first` is an error that is known already. `diagnostics` also has the errors of the arguments
    without a value.
    """

    def __init__(
        self,
        invocation: Invocation,
        cls: type[Op],
        arguments: LayerArguments,
        first: OpError | None = None,
    ) -> None:
        self.call = invocation.call
        self._x = None if invocation.x is None else invocation.x.type
        self.cls = cls
        self.errors: list[OpError] = []
        self._known = {a.name: a for a in cls.args}
        self._given: dict[str, object] = {}
        self._corrections: dict[int, _Correction] = {}  # by the number of the argument
        self._is_certain = True
        self._valueless: list[Diagnostic] = []
        for diagnostic in arguments.errors:
            self._without_value(diagnostic)
        self._examine(arguments)
        if not self.errors:
            if first is None:
                return
            first.diagnostic.fix = self._without_any()
            if first.code == "too-many-arguments" and not first.diagnostic.fix:
                first.diagnostic.help = for_surplus(cls, self.call, arguments.positional)
                positions_in_a_row(self.call, self.cls, self._x, first, arguments.positional)
                meant = certain_join(cls, self.call, arguments.positional, self._x)
                if meant is not None:
                    first.diagnostic.fix = (Edit(self.call.span, meant),)
            self.errors = [first]
            return
        self._suggest_call()

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All errors with their places, in the order of the text."""
        found = [error.diagnostic for error in self.errors]
        for diagnostic in found:
            diagnostic.span = diagnostic.span or self.call.span
        return sorted([*self._valueless, *found], key=_place)

    def _without_value(self, diagnostic: Diagnostic) -> None:
        """Add the error of an argument without a value, with a correction of Python's words.

        An argument that has no counterpart here goes, whatever its value.
        """
        for number, argument in enumerate(self.call.arguments):
            if diagnostic.span != argument.value.span:
                continue
            if argument.name in REMOVED and argument.name not in self._known:
                return
            self._valueless.append(diagnostic)
            word = argument.value.span.text
            if word in NOTHING and argument.name in OF_BIAS:
                word = "False"  # no bias
            if word in VALUES:
                name = "" if argument.name is None else f"{argument.name} = "
                self._corrections[number] = _Correction(name + VALUES[word])
                return
            self._is_certain = False
            return
        self._valueless.append(diagnostic)
        self._is_certain = False

    def _examine(self, arguments: LayerArguments) -> None:
        positional = iter(zip(arguments.positional, self.cls.args, strict=False))
        for number, argument in enumerate(self.call.arguments):
            if argument.name is not None:
                self._named(number, argument, arguments.keywords.get(argument.name, UNKNOWN))
                continue
            if isinstance(argument.value, ast.Reference):
                continue
            value, declared = next(positional, (UNKNOWN, None))
            if arguments.errors:
                value = UNKNOWN  # a part of a formula may be taken for an argument
            if declared is not None:
                self._value(declared, value, number)
        missing = [a for a in self.cls.args if a.required and a.name not in self._given]
        if missing and not arguments.errors:
            self._missing(missing)

    def _named(self, number: int, argument: ast.Argument, value: object) -> None:
        name = str(argument.name)
        if name in self._known:
            self._value(self._known[name], value, number)
            return
        ours = next((n for n in RENAMED.get(name, ()) if n in self._known), None)
        if ours is not None and ours not in self._given:
            text = f"{ours} = {self._text(number)}"
            if value == "same":
                text = f"{ours} = same"  # Keras has it in quotes
            self._unknown(number, name, f"it is called `{ours}` here", _Correction(text))
            self._value(self._known[ours], value, number)
        elif ours is not None:
            help_ = f"it is called `{ours}` here, which has a value"
            self._unknown(number, name, help_, self._repetition(ours, value))
        elif name == "return_sequences" and "last" in self._known:
            last = _Correction(None)
            help_ = "leave it out: without `last`, every step is kept"
            if value is False or argument.value.span.text == "False":
                last, help_ = _Correction("last = true"), "write `last = true`"
            self._unknown(number, name, help_, last)
        elif name in REMOVED:
            self._unknown(number, name, REMOVED[name], _Correction(None))
        elif name == "name":
            self._unknown(number, name, ELSEWHERE[name], self._label(argument.value))
        elif name in INNER_LAYERS:
            layer, is_certain, help_ = following(name, value, argument.value)
            self._unknown(number, name, help_, _Correction(None, layer) if is_certain else None)
        elif self.cls.kind == "attention" and name in OF_VECTORS:
            self._unknown(number, name, FROM_INPUT, _Correction(None))
        else:
            self._misspelt(number, argument, name, value)

    def _misspelt(self, number: int, argument: ast.Argument, name: str, value: object) -> None:
        counterpart = renamed(name, value, self._known, self._given, self._x)
        if counterpart is not None:
            text, advice = counterpart
            if text is not None:
                self._given[text.partition(" ")[0]] = UNKNOWN
            self._unknown(number, name, advice, _Correction(text))
            return
        help_ = elsewhere(self.call, self.cls, argument) or did_you_mean(name, self._known)
        near = respelled(argument.span, name, self._known.keys() - self._given.keys())
        correction = None
        if name not in ELSEWHERE and near:
            correction = _Correction(f"{near[0].text} = {self._text(number)}")
            self._given[near[0].text] = UNKNOWN
        self._unknown(number, name, help_ or for_unknown(self.cls, self.call), correction)

    def _text(self, number: int) -> str:
        """The value of an argument as it is to be written."""
        known = self._corrections.get(number)
        if known is not None and known.text is not None:
            return known.text.rpartition(" = ")[2]
        return self.call.arguments[number].value.span.text

    def _unknown(self, number: int, name: str, help_: str, correction: _Correction | None) -> None:
        """Add the error of a name that the layer does not have."""
        message = f"`{self.cls.kind}` has no argument `{name}`"
        error = OpError("unknown-argument", message, name, help_)
        error.diagnostic.span = self.call.arguments[number].span
        self._add(error, number, correction)

    def _value(self, declared: Arg, value: object, number: int) -> None:
        """Check the value of an argument, which may have another name in the text."""
        argument = self.call.arguments[number]
        if self._given.get(declared.name, UNKNOWN) is not UNKNOWN:
            message = f"`{declared.name}` of `{self.cls.kind}` is given twice"
            repetition = self._repetition(declared.name, value)
            help_ = "the value is the same: remove this one" if repetition else None
            surplus = self.cls.kind == "depthwise" and self.call.arguments[0].name is None
            if surplus:
                repetition, help_ = None, without_channels(self.call)
            error = OpError("duplicate-argument", message, help=help_)
            error.diagnostic.span = argument.span
            self._add(error, number, repetition)
            if surplus:
                error.diagnostic.fix = (without(self.call, 0),)
            return
        self._given[declared.name] = value
        if value is UNKNOWN or isinstance(value, Value):
            return
        try:
            check(declared, self.cls.kind, value)
        except OpError as error:
            wrong = error
        else:
            return
        correction = None
        if argument.name in (None, declared.name) and wrong.correction is not None:
            correction = self._corrected(declared, wrong.correction, argument)
        repair = for_value(self.call, self.cls, declared, argument, value, self._x)
        wrong.correction = None  # it is in `_corrections`
        wrong.arg = argument.name or declared.name
        wrong.diagnostic.span = argument.span
        self._add(wrong, number, correction)
        if repair is not None:
            wrong.diagnostic.help, wrong.diagnostic.fix = repair
        if declared is self.cls.args[0] and declared.convert in (sizes, integers, tensor_sizes):
            as_list(self.call, wrong)
        place = {"bias": 1, "bidirectional": 2}.get(declared.name)
        if number == place and argument.name is None:
            self._take_for_inputs(wrong, value)

    def _take_for_inputs(self, wrong: OpError, value: object) -> None:
        """Advice for `dense(784, 128)` and `gru(28, 64, 2)`, in PyTorch's order.

        There is a fix if the input has that length.
        """
        first, *others = self.call.arguments
        if type(value) is not int or value < FEWEST_UNITS:
            return
        if not self._is_written(first):
            written = self.call.name
            wrong.diagnostic.help = f"`{written}` has its arguments already: write `{written}`"
            return
        text = f"{self.call.name}({', '.join(a.span.text for a in others)})"
        wrong.diagnostic.help = f"the length of the input is not an argument: write `{text}`"
        length = self._x.shape[-1] if self._x is not None else None
        is_last = all(a.name is not None for a in others[1:])
        if is_last and is_written(first.value) and self._given[self.cls.args[0].name] == length:
            wrong.diagnostic.fix = (without(self.call, 0),)

    def _is_written(self, argument: ast.Argument) -> bool:
        """Whether an argument is written in this call, and not where a parameter got its value."""
        place, own = argument.span, self.call.span
        return place.file is own.file and own.start <= place.start < own.end

    def _label(self, value: ast.Expr) -> _Correction | None:
        """The correction of `name = "first"`: a label."""
        if not isinstance(value, ast.Literal) or self.call.label is not None:
            return None
        name = str(value.value)
        return _Correction(None, label=name) if name.isidentifier() else None

    def _repetition(self, name: str, value: object) -> _Correction | None:
        """The correction of an argument that has the same value already: it is left out."""
        first = self._given[name]
        if value is UNKNOWN or (type(first), first) != (type(value), value):
            return None
        return _Correction(None)

    def _corrected(
        self, declared: Arg, correction: Correction, argument: ast.Argument
    ) -> _Correction | None:
        """The correction of a value, if it is written in the call."""
        if not is_written(argument.value):
            return None
        text = correction.arguments[declared.name]
        if text is not None and argument.name is not None:
            text = f"{argument.name} = {text}"
        return _Correction(text)

    def _missing(self, missing: list[Arg]) -> None:
        listed = " and ".join(f"`{declared.name}` ({declared.doc})" for declared in missing)
        corrected = [self._corrections.get(n, _Correction(a.span.text)) for n, a in self._values()]
        written = [c.text for c in corrected if c.text is not None]
        help_ = for_missing(self.cls, written, missing)
        self._add(OpError("missing-argument", f"`{self.cls.kind}` needs {listed}", help=help_))

    def _values(self) -> Iterator[tuple[int, ast.Argument]]:
        """The arguments that are not references, with their numbers."""
        for number, argument in enumerate(self.call.arguments):
            if not isinstance(argument.value, ast.Reference):
                yield number, argument

    def _add(
        self, error: OpError, number: int | None = None, correction: _Correction | None = None
    ) -> None:
        """Add an error, with the correction of the argument that it is about."""
        if correction is None or number is None or (correction.after and is_frozen(self.call)):
            self._is_certain = False
        else:
            self._corrections[number] = correction
            error.diagnostic.fix = self._edits(number, correction)
        self.errors.append(error)

    # ---- corrections

    def _edits(self, number: int, correction: _Correction) -> tuple[Edit, ...]:
        if correction.text is None:
            edits = [without(self.call, number)]
        else:
            edits = [Edit(self.call.arguments[number].span, correction.text)]
        if correction.after:
            edits.append(after(self.call, correction.after))
        if correction.label:
            edits.append(inserted(self.call.name_span, f"{correction.label}: "))
        return tuple(edits)

    def _without_any(self) -> tuple[Edit, ...]:
        """The fix for a kind without arguments, if what it is given means the same without it.

        That is a truth value, such as PyTorch's `inplace`, and the 1 of `flatten(1)` and `gap(1)`.
        """
        is_default = self.call.span.text in ("flatten(1)", "gap(1)")
        if self.cls.args or self.cls.inputs[1] > 1 or not self.call.arguments:
            return ()
        for argument in self.call.arguments:
            value = argument.value
            if argument.name is not None or not isinstance(value, ast.Literal):
                return ()
            if not isinstance(value.value, bool) and not is_default:
                return ()
        return (without_arguments(self.call),)

    def _suggest_call(self) -> None:
        """Add the whole corrected call to the first advice, if every argument is certain."""
        count = len(self.errors) + len(self._valueless)
        known = channels_first(self.call, self.cls, self._x)
        is_short = count < 2 and known is None
        if not self._is_certain or is_short or self.call.body is not None:
            return
        if known is not None:  # with the other fixes only, 16 would be the kernel
            self._corrections[0] = _Correction(None)
            self.errors[0].diagnostic.fix += (without(self.call, 0),)
        texts, layers = [], []
        before = ""
        for number, argument in enumerate(self.call.arguments):
            correction = self._corrections.get(number, _Correction(argument.span.text))
            if correction.label:
                before = f"{correction.label}: "
            if correction.after:
                layers.append(correction.after)
            if correction.text is not None:
                texts.append(correction.text)
        ordered = in_usual_order(layers)
        if ordered != layers:  # the fixes would add them in the order of the arguments
            for error in self.errors:
                error.diagnostic.fix = ()
        chain = "".join(f" -> {layer}" for layer in ordered)
        first = self.errors[0].diagnostic
        advice = first.help if known is None else f"{first.help}, and {known}"
        corrected = f"{before}{self.call.name}({', '.join(texts)}){chain}"
        first.help = f"{advice}; with all corrections, write `{corrected}`"


def _place(diagnostic: Diagnostic) -> int:
    """Where a diagnostic is in its text."""
    return 0 if diagnostic.span is None else diagnostic.span.start
