"""Finds everything that is wrong with the arguments of a layer, once one error is known.

Names that other tools give to arguments are corrected where there is no doubt.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit, did_you_mean, respelled
from netdsl.elaborate.corrections import (
    after,
    inserted,
    is_frozen,
    is_written,
    without,
    without_arguments,
)
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.elaborate.shares import renamed
from netdsl.elaborate.suggested_calls import certain_join, for_missing, for_surplus, for_unknown
from netdsl.elaborate.value_advice import for_value
from netdsl.errors import OpError
from netdsl.habits.arguments import RENAMED
from netdsl.ir.graph import Value
from netdsl.ops import LAYERS
from netdsl.ops.args import integers, sizes
from netdsl.ops.base import check
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import Correction
    from netdsl.ir.op import Arg, Op

FROM_INPUT = "leave it out: it is known from the input"
# Arguments that have no counterpart here, and what to do instead.
REMOVED = {
    "in_channels": FROM_INPUT,
    "in_planes": FROM_INPUT,
    "in_features": FROM_INPUT,
    "input_dim": FROM_INPUT,
    "input_size": FROM_INPUT,
    "num_features": FROM_INPUT,
    "normalized_shape": FROM_INPUT,
    "embed_dim": FROM_INPUT,
    "input_shape": "it is in the net's `input`: `input image: 3x224x224`",
    "inplace": "leave it out: layers never change their input",
    "data_format": "leave it out: channels always come first",
    "batch_first": "leave it out: the batch always comes first",
}
# Arguments whose counterpart is outside of the call.
ELSEWHERE = {
    "activation": "an activation is a layer of its own: write `-> relu` after this one",
    "name": "write the name before the layer: `name: conv(8, 3)`",
    "trainable": "write `-> frozen` after a layer that does not learn",
}
STATES = "the initial states are `h` and, of an `lstm`, `c`: write `h = @enc.h, c = @enc.c`"
ELSEWHERE |= dict.fromkeys(("hx", "initial_state", "initial_states", "state", "states"), STATES)
_TRANSPOSE = re.compile(r"\s*->\s*permute\(\[2, 1\]\)")
QUERIES = (
    "the current value is the queries; the keys, and then the values if they differ, are references"
    " without names: `attention(8, @memory)`"
)
SEQUENCES = ("key", "keys", "value", "values", "query", "queries", "memory", "context")
NO_ACTIVATION = ("linear", "none", "identity")
FEWEST_UNITS = 2  # 0 and 1 at the place of a truth value are meant as one


class _Correction(NamedTuple):
    """What becomes of one argument: its new text, or None if it goes.

    `after` is a layer to add, and `label` a label for the call.
    """

    text: str | None
    after: str = ""
    label: str = ""


class WrongArguments:
    """The errors of one call. `errors` has them in the order of the text."""

    def __init__(
        self, invocation: Invocation, cls: type[Op], arguments: LayerArguments, first: OpError
    ) -> None:
        self.call = invocation.call
        self._x = None if invocation.x is None else invocation.x.type
        self.cls = cls
        self.errors: list[OpError] = []
        self._known = {a.name: a for a in cls.args}
        self._given: dict[str, object] = {}
        self._corrections: dict[int, _Correction] = {}  # by the number of the argument
        self._is_certain = True
        self._examine(arguments)
        if not self.errors:
            first.diagnostic.fix = self._without_any()
            if first.code == "too-many-arguments" and not first.diagnostic.fix:
                first.diagnostic.help = for_surplus(cls, self.call, arguments.positional)
                self._positions_in_a_row(first, arguments.positional)
                meant = certain_join(cls, self.call, arguments.positional, self._x)
                if meant is not None:
                    first.diagnostic.fix = (Edit(self.call.span, meant),)
            self.errors = [first]
            return
        self._suggest_call()

    def _positions_in_a_row(self, error: OpError, given: Sequence[object]) -> None:
        """Advice for PyTorch's `flatten(2)` of a map, and for the transpose after it."""
        if self.cls.kind != "flatten" or list(given) != [2] or self._x is None:
            return
        if len(self._x.shape) > 2:
            error.diagnostic.help = (
                "`flatten` leaves one axis: for the sequence of the positions of a map, write"
                " `tokens` in place of `flatten(2)` and of the transpose after it"
            )
            span = self.call.span
            then = _TRANSPOSE.match(span.file.text, span.end)
            if then is not None:
                place = Span(span.file, span.start, then.end())
                error.diagnostic.fix = (Edit(place, "tokens"),)

    def _examine(self, arguments: LayerArguments) -> None:
        positional = iter(zip(arguments.positional, self.cls.args, strict=False))
        for number, argument in enumerate(self.call.arguments):
            if argument.name is not None:
                self._named(number, argument, arguments.keywords.get(argument.name, UNKNOWN))
                continue
            if isinstance(argument.value, ast.Reference):
                continue
            value, declared = next(positional, (UNKNOWN, None))
            if declared is not None:
                self._value(declared, value, number)
        missing = [a for a in self.cls.args if a.required and a.name not in self._given]
        if missing:
            self._missing(missing)

    def _named(self, number: int, argument: ast.Argument, value: object) -> None:
        name = str(argument.name)
        if name in self._known:
            self._value(self._known[name], value, number)
            return
        ours = next((n for n in RENAMED.get(name, ()) if n in self._known), None)
        if ours is not None and ours not in self._given:
            text = f"{ours} = {argument.value.span.text}"
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
            if value is False:
                last, help_ = _Correction("last = true"), "write `last = true`"
            self._unknown(number, name, help_, last)
        elif name in REMOVED:
            self._unknown(number, name, REMOVED[name], _Correction(None))
        elif name == "name":
            self._unknown(number, name, ELSEWHERE[name], self._label(argument.value))
        elif name == "activation":
            self._unknown(number, name, ELSEWHERE[name], _activation(argument.value))
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
        help_ = ELSEWHERE.get(name)
        if self.cls.kind == "attention" and name in SEQUENCES:
            help_ = QUERIES
        help_ = help_ or did_you_mean(name, self._known)
        near = respelled(argument.span, name, self._known.keys() - self._given.keys())
        correction = None
        if name not in ELSEWHERE and near:
            correction = _Correction(f"{near[0].text} = {argument.value.span.text}")
            self._given[near[0].text] = UNKNOWN
        self._unknown(number, name, help_ or for_unknown(self.cls), correction)

    def _unknown(self, number: int, name: str, help_: str, correction: _Correction | None) -> None:
        """Add the error of a name that the layer does not have."""
        message = f"`{self.cls.kind}` has no argument `{name}`"
        self._add(OpError("unknown-argument", message, name, help_), number, correction)

    def _value(self, declared: Arg, value: object, number: int) -> None:
        """Check the value of an argument, which may have another name in the text."""
        argument = self.call.arguments[number]
        if declared.name in self._given:
            message = f"`{declared.name}` of `{self.cls.kind}` is given twice"
            repetition = self._repetition(declared.name, value)
            help_ = "the value is the same: remove this one" if repetition else None
            surplus = self.cls.kind == "depthwise" and self.call.arguments[0].name is None
            if surplus:
                repetition, help_ = None, self._without_channels()
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
        if declared is self.cls.args[0] and declared.convert in (sizes, integers):
            self._as_list(wrong)
        if declared.name == "bias" and number == 1 and argument.name is None:
            self._take_for_inputs(wrong, value)

    def _without_channels(self) -> str:
        """Advice for `depthwise(64, 3, 1, pad = 1)`, which takes no output channels."""
        kept = ", ".join(argument.span.text for argument in self.call.arguments[1:])
        names = ", ".join(declared.name for declared in self.cls.args[:3])
        return f"`depthwise` keeps the channels, and takes ({names}): write `depthwise({kept})`"

    def _as_list(self, wrong: OpError) -> None:
        """Advice for loose numbers where one list is wanted; `permute` leaves the batch out."""
        texts = [a.span.text for a in self.call.arguments]
        if len(texts) < 2 or not all(text.removeprefix("-").isdigit() for text in texts):
            return
        if self.cls.kind == "permute" and texts[0] == "0":
            texts = texts[1:]
        listed = f"[{', '.join(texts)}]"
        first, last = self.call.arguments[0].span, self.call.arguments[-1].span
        wrong.diagnostic.help = f"write one list: `{self.call.name}({listed})`"
        wrong.diagnostic.fix = (Edit(Span(first.file, first.start, last.end), listed),)

    def _take_for_inputs(self, wrong: OpError, value: object) -> None:
        """Advice for `dense(784, 128)`, in PyTorch's order; a fix if the input has that length."""
        first, second = self.call.arguments[:2]
        if type(value) is not int or value < FEWEST_UNITS:
            return
        if not self._is_written(first):
            written = self.call.name
            wrong.diagnostic.help = f"`{written}` has its arguments already: write `{written}`"
            return
        text = f"{self.call.name}({second.value.span.text})"
        wrong.diagnostic.help = f"the length of the input is not an argument: write `{text}`"
        length = self._x.shape[-1] if self._x is not None else None
        is_last = all(a.name is not None for a in self.call.arguments[2:])
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
        if not self._is_certain or len(self.errors) < 2 or self.call.body is not None:
            return
        texts = []
        before = following = ""
        for number, argument in enumerate(self.call.arguments):
            correction = self._corrections.get(number, _Correction(argument.span.text))
            if correction.label:
                before = f"{correction.label}: "
            if correction.after:
                following += f" -> {correction.after}"
            if correction.text is not None:
                texts.append(correction.text)
        first = self.errors[0].diagnostic
        first.help = (
            f"{first.help}; write `{before}{self.call.name}({', '.join(texts)}){following}`"
        )


def _activation(value: ast.Expr) -> _Correction | None:
    """The correction of `activation = relu`: a layer after this one."""
    word = ""
    if isinstance(value, ast.Name):
        word = value.id
    elif isinstance(value, ast.Literal):
        word = str(value.value)
    word = word.lower()
    if word in NO_ACTIVATION:
        return _Correction(None)
    kind = LAYERS.get(word)
    if kind is not None and kind.family == "activation":
        return _Correction(None, word)
    return None
