"""Finds everything that is wrong with the arguments of a layer, once one error is known.

Names that other tools give to arguments are corrected where there is no doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Edit, did_you_mean, respelled
from netdsl.elaborate.evaluate import UNKNOWN
from netdsl.errors import OpError
from netdsl.ir.graph import Value
from netdsl.ops import LAYERS
from netdsl.ops.base import check, signature
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.invocation import Invocation
    from netdsl.ir.op import Arg, Op

# What other tools call an argument, and its names here: the first that the layer has is meant.
RENAMED = {
    "kernel_size": ("k",),
    "kernel": ("k",),
    "kernel_shape": ("k",),
    "pool_size": ("k",),
    "size": ("k", "scale"),
    "window": ("k",),
    "filters": ("out",),
    "num_filters": ("out",),
    "out_channels": ("out",),
    "out_planes": ("out",),
    "output_channels": ("out",),
    "num_output": ("out", "units"),
    "channels": ("out",),
    "features": ("out", "units"),
    "strides": ("stride",),
    "subsampling": ("stride",),
    "padding": ("pad",),
    "pads": ("pad",),
    "dilations": ("dilation",),
    "dilation_rate": ("dilation",),
    "group": ("groups",),
    "num_groups": ("groups",),
    "output_padding": ("output_pad",),
    "depth_multiplier": ("multiplier",),
    "ceil_mode": ("ceil",),
    "count_include_pad": ("count_pad",),
    "out_features": ("units",),
    "output_dim": ("units", "dim"),
    "hidden_size": ("hidden",),
    "num_layers": ("layers",),
    "num_heads": ("heads",),
    "nhead": ("heads",),
    "rate": ("p",),
    "drop_rate": ("p",),
    "dropout_ratio": ("p",),
    "activation": ("nonlinearity",),
    "negative_slope": ("slope",),
    "alpha": ("slope", "alpha"),
    "epsilon": ("eps",),
    "use_bias": ("bias",),
    "bias_term": ("bias",),
    "kernel_initializer": ("init",),
    "weight_filler": ("init",),
    "scale_factor": ("scale",),
    "upscale_factor": ("r",),
    "dims": ("order",),
}
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
NO_ACTIVATION = ("linear", "none", "identity")


class _Correction(NamedTuple):
    """What becomes of one argument: its new text, or None if it goes, and what follows the call."""

    text: str | None
    after_call: str = ""


class WrongArguments:
    """The errors of one call. `errors` has them in the order of the text."""

    def __init__(
        self, invocation: Invocation, cls: type[Op], arguments: LayerArguments, first: OpError
    ) -> None:
        self.call = invocation.call
        self.cls = cls
        self.errors: list[OpError] = []
        self._known = {a.name: a for a in cls.args}
        self._given: set[str] = set()
        self._corrections: dict[int, _Correction] = {}  # by the number of the argument
        self._is_certain = True
        self._examine(arguments)
        if not self.errors:
            self.errors = [first]
            return
        self._suggest_call()

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
                self._value(declared, value, argument)
        for declared in self.cls.args:
            if declared.required and declared.name not in self._given:
                self._missing(declared)

    def _named(self, number: int, argument: ast.Argument, value: object) -> None:
        name = str(argument.name)
        if name in self._known:
            self._value(self._known[name], value, argument)
            return
        ours = next((n for n in RENAMED.get(name, ()) if n in self._known), None)
        if ours is not None and ours not in self._given:
            text = f"{ours} = {argument.value.span.text}"
            self._unknown(number, name, f"it is called `{ours}` here", _Correction(text))
            self._value(self._known[ours], value, argument)
        elif ours is not None:
            self._unknown(number, name, f"it is called `{ours}` here, which has a value", None)
        elif name in REMOVED:
            self._unknown(number, name, REMOVED[name], _Correction(None))
        elif name == "activation":
            self._unknown(number, name, ELSEWHERE[name], _activation(argument.value))
        else:
            self._misspelt(number, argument, name)

    def _misspelt(self, number: int, argument: ast.Argument, name: str) -> None:
        help_ = ELSEWHERE.get(name) or did_you_mean(name, self._known)
        near = respelled(argument.span, name, self._known.keys() - self._given)
        correction = None
        if name not in ELSEWHERE and near:
            correction = _Correction(f"{near[0].text} = {argument.value.span.text}")
            self._given.add(near[0].text)
        self._unknown(number, name, help_ or f"write `{signature(self.cls)}`", correction)

    def _unknown(self, number: int, name: str, help_: str, correction: _Correction | None) -> None:
        """Add the error of a name that the layer does not have."""
        message = f"`{self.cls.kind}` has no argument `{name}`"
        error = OpError("unknown-argument", message, name, help_)
        if correction is None:
            self._is_certain = False
        else:
            self._corrections[number] = correction
            error.diagnostic.fix = self._edits(number, correction)
        self.errors.append(error)

    def _value(self, declared: Arg, value: object, argument: ast.Argument) -> None:
        """Check the value of an argument, which may have another name in the text."""
        if declared.name in self._given:
            message = f"`{declared.name}` of `{self.cls.kind}` is given twice"
            self._add_uncertain(OpError("duplicate-argument", message), argument.span)
            return
        self._given.add(declared.name)
        if value is UNKNOWN or isinstance(value, Value):
            return
        try:
            check(declared, self.cls.kind, value)
        except OpError as error:
            error.arg = argument.name or declared.name
            self._add_uncertain(error, argument.span)

    def _missing(self, declared: Arg) -> None:
        message = f"`{self.cls.kind}` needs `{declared.name}` ({declared.doc})"
        help_ = f"write `{signature(self.cls)}`"
        self._add_uncertain(OpError("missing-argument", message, help=help_))

    def _add_uncertain(self, error: OpError, span: Span | None = None) -> None:
        error.diagnostic.span = span
        self._is_certain = False
        self.errors.append(error)

    # ---- corrections

    def _edits(self, number: int, correction: _Correction) -> tuple[Edit, ...]:
        arguments = self.call.arguments
        span = arguments[number].span
        if correction.text is not None:
            edits = [Edit(span, correction.text)]
        elif number + 1 < len(arguments):
            edits = [Edit(Span(span.file, span.start, arguments[number + 1].span.start), "")]
        elif number:
            edits = [Edit(Span(span.file, arguments[number - 1].span.end, span.end), "")]
        else:
            edits = [Edit(span, "")]
        if correction.after_call:
            end = self.call.span.end
            edits.append(Edit(Span(span.file, end, end), correction.after_call))
        return tuple(edits)

    def _suggest_call(self) -> None:
        """Add the whole corrected call to the first advice, if every argument is certain."""
        if not self._is_certain or len(self.errors) < 2 or self.call.body is not None:
            return
        texts = []
        after = ""
        for number, argument in enumerate(self.call.arguments):
            correction = self._corrections.get(number, _Correction(argument.span.text))
            after += correction.after_call
            if correction.text is not None:
                texts.append(correction.text)
        first = self.errors[0].diagnostic
        first.help = f"{first.help}; write `{self.call.name}({', '.join(texts)}){after}`"


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
        return _Correction(None, f" -> {word}")
    return None
