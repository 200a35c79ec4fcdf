"""The inputs of a net, with their sizes and element types, and its outputs."""

from __future__ import annotations

import re
from itertools import permutations
from typing import TYPE_CHECKING, NoReturn

from netdsl.diagnostics import Edit, Proposal, did_you_mean, respelled
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.fixed_sizes import how_to_change
from netdsl.elaborate.infer import check_input
from netdsl.elaborate.names_with_x import refuse_names_with_x
from netdsl.errors import NetdslError
from netdsl.ir.graph import NetOutput, Site, Value
from netdsl.ir.types import ITEM_BYTES, Sym, TensorType, shape_text, subs
from netdsl.limits import MAX_DIM
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.words import are, counted

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder

_USUAL_SIZE = 224  # of an open size, in examples
# Errors of sizes that may be written as in another tool.
_OF_SIZES = ("bad-size", "unknown-name", "unknown-function", "wrong-type", "not-a-value")
MOST_AXES = 6  # with more axes, an input has too many orders to try


class Ends:
    """Adds the inputs and outputs to the graph.

    `overrides` are the sizes that the user gives in place of those of the text, by the names of the
    inputs; "" is the first input.
    """

    def __init__(self, net: NetBuilder, overrides: dict[str, tuple[int, ...]]) -> None:
        self.net = net
        self.overrides = overrides
        self._sizes: dict[str, int] = {}  # the numbers given for open sizes

    def input(self, statement: ast.Input, env: Env) -> Value:
        """Declare an input; raises `NetdslError`."""
        if len(self.net.open) > 1 or self.net.scope.outer is not None:
            help_ = "leave it out: the value before a group is its input"
            if len(self.net.open) > 1:
                help_ = "leave it out: the input of a block is the value before its call, `@in`"
            message = "`input` can only be in the body of a net"
            raise NetdslError("misplaced-input", message, statement.span, help=help_)
        name = self.net.pattern(statement.label, env)
        refuse_quotes(statement.label, "an input")
        if any(output.name == name for output in self.net.graph.outputs):
            raise _input_and_output(name, statement.span)
        dtype = _dtype(statement)
        shape = self._checked_shape(name, statement.shape, env)
        value = Value(name, TensorType(shape, dtype), Site(statement.span, self.net.caller))
        check_input(name, value.type, statement.span)
        self.net.bind(name, value, statement.label.span)
        self.net.graph.inputs.append(value)
        env.values.setdefault("in", value)
        return value

    def _checked_shape(self, name: str, expr: ast.Expr, env: Env) -> tuple[int | Sym, ...]:
        """The sizes; the error for those of other tools has the sizes to write."""
        parts = expr.span.text.split("x")
        is_plain = all(part.isdigit() or (len(part) == 1 and part.isupper()) for part in parts)
        if len(parts) > 1 and not is_plain and isinstance(expr, ast.DimsLiteral | ast.Name):
            refuse_names_with_x(expr.span, env.names().__contains__)
        try:
            return self._shape(name, expr, env)
        except NetdslError as error:
            if error.code in _OF_SIZES:
                _refuse_other_tools(expr.span, env, error)
            raise

    def _shape(self, name: str, expr: ast.Expr, env: Env) -> tuple[int | Sym, ...]:
        if "" in self.overrides:
            self.overrides.setdefault(name, self.overrides.pop(""))
        declared = self._declared_shape(expr, env)
        _check_sizes(declared, expr.span)
        given = self.overrides.get(name)
        if given is not None:
            self._refuse_change(name, declared, given, expr)
            self._take_sizes(name, declared, given, expr.span, env)
        shape: tuple[int | Sym, ...] = given or tuple(subs(size, self._sizes) for size in declared)
        _check_sizes(shape, expr.span)
        return shape

    def _declared_shape(self, expr: ast.Expr, env: Env) -> tuple[int | Sym, ...]:
        """The sizes in the text; those that the user gave are still open."""
        names: tuple[int | str, ...] = ()
        if isinstance(expr, ast.DimsLiteral) or (
            isinstance(expr, ast.NameOrDims) and not env.find(expr.id)[0]
        ):
            names = expr.parts
        elif isinstance(expr, ast.Name):
            names = (expr.id,)
        elif isinstance(expr, ast.Sequence):
            found = [part.id for part in expr.walk() if isinstance(part, ast.Name)]
            if any(env.find(name)[0] for name in found):  # `[3, H, W]` is written `3xHxW`
                items = (part.id for part in expr.items if isinstance(part, ast.Name))
                names = tuple(name for name in items if name[0].isupper())
        for name in names:
            if name == "N" and env.find(name)[1] in (None, UNKNOWN):
                env.values[name] = UNKNOWN  # its uses cause no further errors
                from netdsl.elaborate.input_fixes import batch_size  # only errors need it

                raise batch_size(expr.span)
            if isinstance(name, str) and not env.find(name)[0]:
                if len(name) > 1 or name == "B":  # other letters are sizes
                    _refuse_other_tools(expr.span, env)
                _refuse_sizes(name, expr.span, env)
                env.values[name] = Sym.var(name)
        frame = Env(env)
        # A name that got its number from an earlier input is an open size again here.
        for name, number in self._sizes.items():
            if env.find(name)[1] == number:
                frame.values[name] = Sym.var(name)
        value = evaluate(expr, frame)
        return value if isinstance(value, tuple) else (value,)

    def _take_sizes(
        self,
        name: str,
        declared: tuple[int | Sym, ...],
        given: tuple[int, ...],
        span: Span,
        env: Env,
    ) -> None:
        """Give open sizes the numbers of an input; a name must have the same number everywhere."""
        symbols = {s for size in declared if isinstance(size, Sym) for s in size.symbols()}
        self._refuse_open_input(name, symbols, given, span)
        for size, number in zip(declared, given, strict=True):
            if isinstance(size, Sym) and str(size) in symbols:
                env.values[str(size)] = self._sizes.setdefault(str(size), number)
        for size, number in zip(declared, given, strict=True):
            wanted = subs(size, self._sizes)
            if isinstance(size, Sym) and wanted != number:
                known = ", ".join(f"{s} = {self._sizes[s]}" for s in sorted(size.symbols()))
                raise NetdslError(
                    "shape-mismatch",
                    f"input `{name}` is {shape_text(declared)}, and is given as"
                    f" {shape_text(given)}: with {known}, the size must be {wanted}, not {number}",
                    span,
                    help=Proposal("a name has the same size everywhere", "sizes"),
                )

    def _refuse_open_input(
        self, name: str, symbols: set[str], given: tuple[int, ...], span: Span
    ) -> None:
        """Raise `NetdslError` if an earlier input with one of the open sizes got no numbers."""
        for value in self.net.graph.inputs:
            if any(isinstance(d, Sym) and d.symbols() & symbols for d in value.type.shape):
                message = (
                    f"input `{name}` is given as {shape_text(given)}, but `{value.name}`, which"
                    " shares open sizes with it, is not given"
                )
                advice = (
                    f"give the sizes of `{value.name}` too: `--input {value.name}=...` (in"
                    f' Python `inputs={{"{value.name}": ...}}`)'
                )
                raise NetdslError("open-size", message, span, help=Proposal(advice, "sizes"))

    def _refuse_change(
        self,
        name: str,
        declared: tuple[int | Sym, ...],
        given: tuple[int, ...],
        expr: ast.Expr,
    ) -> None:
        """Raise `NetdslError` for sizes that contradict the text."""
        text, sizes = shape_text(declared), shape_text(given)
        advice, near = None, nearest_fit(declared, given)
        if near is not None:
            advice = Proposal(f"did you mean {shape_text(near)}?", "sizes", [shape_text(near)])
        if len(given) != len(declared):
            message = (
                f"input `{name}` has {counted(len(declared), 'size')} ({text}), but {len(given)}"
                f" {are(len(given))} given"
            )
            advice = advice or _example(declared)
            if len(given) == len(declared) + 1 and given[0] == 1:
                advice = Proposal(f"{advice}; sizes have no batch", "sizes", advice.names)
            raise NetdslError("shape-mismatch", f"{message} ({sizes})", expr.span, help=advice)
        for i, (size, number) in enumerate(zip(declared, given, strict=True)):
            if isinstance(size, int) and size != number:
                message = (
                    f"input `{name}` is {text}, but is given as {sizes}: the fixed size {size}"
                    f" cannot become {number}"
                )
                text = how_to_change(self.net.open[0], name, given, expr, i)
                advice = advice or Proposal(text, "sizes")
                raise NetdslError("fixed-size", message, expr.span, help=advice)

    def put_out(self, name: str, value: Value, span: Span) -> None:
        """Add an output; raises `NetdslError`."""
        self.check_output(name, span)
        self.net.graph.outputs.append(NetOutput(name, value))

    def check_output(self, name: str | None, span: Span) -> None:
        """Raise `NetdslError` if another output or an input has that name."""
        if any(output.name == name for output in self.net.graph.outputs):
            help_ = "give each output a name of its own: `output boxes: dense(4)`"
            if self.net.loops and name is not None:
                from netdsl.elaborate.renaming import numbered_in  # only such errors need it

                label = span.text.partition(":")[0].removeprefix("output").strip()
                if "{" not in label:
                    label = name
                help_ = f"number it: {numbered_in(self.net.loops, f'output {label}')}"
            message = f"there are two outputs named `{name}`"
            raise NetdslError("duplicate-label", message, span, help=help_)
        if any(v.name == name for v in self.net.graph.inputs):
            raise _input_and_output(str(name), span)


def refuse_quotes(label: ast.Pattern | None, what: str) -> None:
    """Raise `NetdslError` for the name of an input or output in quotes: programs use it."""
    if label is not None and label.in_quotes:
        raise NetdslError(
            "bad-label",
            f"the name of {what} cannot be in quotes",
            label.span,
            help="labels of layers can be: checkpoints have such names",
        )


def _dtype(statement: ast.Input) -> str:
    """The element type of an input; raises `NetdslError` if there is no such type."""
    dtype = statement.dtype or "float32"
    if dtype.startswith("x"):
        _refuse_half_sizes(statement)
    if dtype not in ITEM_BYTES:
        end = statement.span.end
        place = Span(statement.span.file, end - len(dtype), end)
        raise NetdslError(
            "wrong-dtype",
            f"there is no element type `{dtype}`",
            place,
            help=did_you_mean(dtype, ITEM_BYTES)
            or "the element types are " + ", ".join(ITEM_BYTES),
            fix=respelled(place, dtype, ITEM_BYTES),
        )
    return dtype


def _refuse_half_sizes(statement: ast.Input) -> None:
    """Raise `NetdslError` for `3x` and `3xHx`, which read as sizes and a type."""
    start, end = statement.shape.span.start, statement.span.end
    span = Span(statement.span.file, start, end)
    from netdsl.habits.sizes import meant_sizes  # only runs with errors need it

    meant = meant_sizes(span.text)
    raise NetdslError(
        "bad-size",
        f"`{span.text}` is not how the sizes of an input are written",
        span,
        help="write sizes as in `3x224x224`, with a number or letter on both sides of each `x`",
        fix=(Edit(span, meant),) if meant is not None and span.text.endswith("x") else (),
    )


def _refuse_sizes(name: str, span: Span, env: Env) -> None:
    """Raise `NetdslError` for sizes such as `zx1x1`: their first letter makes them a name."""
    parts = name.split("x")
    first, *others = parts
    is_size = len(first) == 1 or env.find(first)[0]
    if env.find(first)[0]:  # `codexhxw` is meant as `[code, H, W]`
        unknown = {p for p in others if len(p) == 1 and not env.find(p)[0]}
        others = [p.upper() * (p in unknown) or p for p in others]
        parts = [first, *others]
    if others and is_size and all(p.isdigit() or p.isupper() or env.find(p)[0] for p in others):
        code, message = "unknown-name", f"there is no size `{name}`"
        written = f"[{', '.join(parts)}]"
        help_ = f"sizes begin with a digit or a capital letter: write `{written}`"
        if not env.find(first)[0]:
            written = name[0].upper() + name[1:]
            help_ = f"sizes begin with a digit or a capital letter: write `{written}`"
            if first in "bn":
                written = name.partition("x")[2]
                code, help_ = "reserved-name", f"write `{written}`"
                message = f"`{first}` in `{name}` is the batch, which an input does not include"
        raise NetdslError(code, message, span, help=help_, fix=(Edit(span, written),))
    if name == span.text and not others and not name[0].isupper():
        _refuse_small_letters(name, span)


def _refuse_small_letters(name: str, span: Span) -> NoReturn:
    """Raise `NetdslError` for a size such as `z`, which only a `let` or a parameter can give."""
    if name in ITEM_BYTES:
        message, help_ = f"there is no size `{name}`", f"write sizes before it: `3x224x224 {name}`"
        raise NetdslError("unknown-name", message, span, help=help_)
    upper = name[0].upper() + name[1:]
    if upper in ("B", "N"):  # the batch
        upper = "T"
    raise NetdslError(
        "unknown-name",
        f"there is no size `{name}`",
        span,
        help=f"make it a parameter of the net, or write `{upper}` for a size that is open",
    )


def _refuse_other_tools(span: Span, env: Env, error: NetdslError | None = None) -> None:
    """Raise `NetdslError` for sizes as other tools write them, if there is no doubt about them."""
    # Few nets have such sizes.
    from netdsl.habits.sizes import listed_sizes, meant_sizes, open_sizes

    listed = listed_sizes(span.text)
    if listed is not None:
        if error is not None:
            error.diagnostic.help = f"write sizes with arithmetic as a list: `{listed}`"
            error.diagnostic.fix = (Edit(span, listed),)
            plain, unknown = open_sizes(span.text, set(env.names()))
            if unknown:
                text = f"write `{plain}`: arithmetic with `{unknown}` needs an input above with it"
                error.diagnostic.help, error.diagnostic.fix = text, ()
        return
    meant = meant_sizes(span.text)
    if meant is None or meant == span.text:
        return
    head = span.file.text[span.file.text.rfind("input", 0, span.start) : span.start].rstrip()
    message = f"`{span.text}` is not how the sizes of an input are written"
    if span.text == f"Bx{meant}":
        message = f"`B` in `{span.text}` is the batch, which an input does not include"
    raise NetdslError(
        "bad-size",
        message,
        span,
        help=f"write `{head} {meant}`: numbers or letters with `x` between them, without a batch",
        fix=(Edit(span, meant),),
    )


def _input_and_output(name: str, span: Span) -> NetdslError:
    return NetdslError(
        "duplicate-label",
        f"`{name}` is the name of both an input and an output",
        span,
        help="give the output a name of its own: `output logits: ...`",
    )


def nearest_fit(declared: tuple[int | Sym, ...], given: tuple[int, ...]) -> tuple[int, ...] | None:
    """The sizes that the user probably meant, or None.

    They are the given sizes in another order, with the channels added, or without the batch.
    """
    candidates: list[tuple[int, ...]] = []
    if not declared:
        return None
    channels = declared[0]
    if len(given) == len(declared) - 1 and isinstance(channels, int) and channels != given[0]:
        candidates.append((channels, *given))
    rest = given[1:] if len(given) == len(declared) + 1 else given
    if len(rest) == len(declared) <= MOST_AXES:
        candidates += [rest, (*rest[-1:], *rest[:-1]), *permutations(rest)]
    return next((c for c in candidates if c != given and _fits(declared, c)), None)


def _fits(declared: tuple[int | Sym, ...], sizes: tuple[int, ...]) -> bool:
    """Whether sizes fit those of the text, where a name has the same size everywhere."""
    known: dict[str, int] = {}
    for size, number in zip(declared, sizes, strict=True):
        wanted = known.setdefault(str(size), number) if isinstance(size, Sym) else size
        if wanted != number:
            return False
    return True


def _check_sizes(shape: tuple[int | Sym, ...], span: Span) -> None:
    """Raise `NetdslError` if an input cannot have these sizes."""
    for size in shape:
        if isinstance(size, Sym):
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_DIM:
            message = f"`{span.text}` contains the size {show(size)}"
            limits = f"sizes are integers from 1 to {MAX_DIM:,}"
            error = NetdslError("bad-size", f"{message}; {limits}", span)
            if re.fullmatch(r'"\d+(x\d+)*"', span.text):
                error.diagnostic.help = f"leave out the quotes: {span.text[1:-1]}"
                error.diagnostic.fix = (Edit(span, span.text[1:-1]),)
            raise error


def _example(declared: tuple[int | Sym, ...]) -> Proposal:
    """Advice that shows sizes of the right number."""
    symbols = {s for size in declared if isinstance(size, Sym) for s in size.symbols()}
    sizes = [int(subs(size, dict.fromkeys(symbols, _USUAL_SIZE))) for size in declared]
    text = f"give all sizes, such as {shape_text(sizes)} (in Python `{tuple(sizes)}`)"
    return Proposal(text, "sizes", [shape_text(sizes)])
