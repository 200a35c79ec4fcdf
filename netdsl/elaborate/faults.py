"""Turns the errors of layers into diagnostics with a place and notes, and a certain fix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit, proposal_of
from netdsl.elaborate import arm_advice
from netdsl.elaborate.corrections import argument_of, fix_of, without
from netdsl.elaborate.current_value import of_current
from netdsl.elaborate.dtype_advice import MOST_AXES_OF_WORDS, dtype_advice, named_dtype_advice
from netdsl.elaborate.entered import entered
from netdsl.elaborate.input_fixes import (
    is_picture,
    sizes_in_a_name,
    with_channels_first,
    without_batch,
    without_first,
    without_first_of_volume,
)
from netdsl.elaborate.join_advice import unlike
from netdsl.elaborate.join_causes import other_width
from netdsl.elaborate.join_repairs import Repair, cropped
from netdsl.elaborate.join_ways import Joining, way
from netdsl.elaborate.label_advice import first_only
from netdsl.elaborate.origins import first_of
from netdsl.elaborate.sequence_advice import for_one_input, heads_in_order
from netdsl.elaborate.shape_advice import LARGEST_KERNEL, for_rank, for_window, layout, takes
from netdsl.elaborate.shortcut import explained
from netdsl.elaborate.slips.lists import advise_empty
from netdsl.elaborate.value_advice import counted_from_zero, for_literal, for_quotient, for_sizes
from netdsl.elaborate.wrong_arguments import WrongArguments
from netdsl.elaborate.wrong_start import wrong_start
from netdsl.errors import NetdslError
from netdsl.ir.op import WINDOWED, Op
from netdsl.ir.types import shape_text
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.words import listed

if TYPE_CHECKING:
    from netdsl.elaborate.arguments import LayerArguments
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Invocation
    from netdsl.errors import OpError
    from netdsl.ir.graph import Node, Site, Value
    from netdsl.ir.types import TensorType

BATCH = ("b", "bs", "n", "batch", "batch_size")
VOLUME = 3  # axes besides the channels
REDUCTIONS = {"gap": "reduce_mean", "gmp": "reduce_max"}
_LABEL = re.compile(r"(\w+):[ ]*$")
_NEXT_LAYER = re.compile(r"[ ]*->[ ]*(?P<call>(?P<kind>\w+)(\([^()\n]*\))?)")


def of_arguments(
    error: OpError,
    invocation: Invocation,
    cls: type[Op],
    arguments: LayerArguments,
    definition: ast.Definition,
) -> NetdslError:
    """Everything that is wrong with the arguments of a call, of which one error is known."""
    errors = WrongArguments(invocation, cls, arguments, error).errors
    names = [declared.name for declared in cls.args]
    given = {**dict(zip(names, arguments.positional, strict=False)), **arguments.keywords}
    for wrong in errors:
        argument = None if wrong.arg is None else argument_of(invocation.call, cls, wrong.arg)
        if argument is not None and wrong.code == "bad-argument":
            quotient = for_quotient(argument.value, definition, invocation.env)
            wrong.diagnostic.help = quotient or wrong.help
        if argument is not None:
            counted = counted_from_zero(argument, given.get(wrong.arg or ""), invocation.env)
            wrong.diagnostic.help = counted or wrong.help
    for wrong in errors:
        repair = of_current(wrong, invocation, cls, given, definition)
        if repair is not None:
            wrong.correction, wrong.diagnostic.help = None, repair.help
            if definition.is_net:
                wrong.diagnostic.fix = repair.fix
    faults = [_fault(error, invocation.call, cls, ()) for error in errors]
    return NetdslError.of([fault.diagnostic for fault in faults])


def of_references(
    error: OpError, invocation: Invocation, cls: type[Op], xs: tuple[Value, ...]
) -> NetdslError:
    """The error of a call with a wrong number of references or arms."""
    call = invocation.call
    error.diagnostic.fix = _without_reference(call, cls, xs)
    if call.body is not None and len(xs) < cls.inputs[0]:
        arm_advice.advise(error, invocation)
    fault = _fault(error, call, cls, ())
    if call.body is None and not xs and call.arguments:
        fault.diagnostic.message = f"`{call.name}` joins the elements of a list, but it is empty"
        fault.diagnostic.span = call.arguments[0].span
        fault.diagnostic.help = "give it the tensors that it joins, as in `[@a, @b]`"
        advise_empty(fault.diagnostic, call.arguments[0].value.span)
    return fault


def of_inputs(
    error: OpError,
    invocation: Invocation,
    op: Op,
    xs: tuple[Value, ...],
    net: NetBuilder,
) -> NetdslError:
    """The error of a layer that does not take these inputs.

    It has no fix unless this is the only use of the call: in a block, the call may have other
    inputs.
    """
    if error.code == "wrong-rank" and error.arg is None and len(xs) == 1:
        outside, call = _last_outside(xs[0], net.caller), invocation.call
        around = entered(net, call.span, xs[0])
        loop = None if around is None else around.loop
        error.diagnostic.help = for_rank(op, call, xs[0], outside, loop) or error.help
        if len(xs[0].type.shape) > 2 and layout(xs[0]) != "map":
            error.correction = None  # its axes may mean something else
        _without_named_batch(error, op, xs[0])
    join = Joining(invocation, op, xs, net.scope)
    if error.code == "window-too-large" and op.kind == "crop":
        correction = cropped(join)
        if correction is not None:
            error.diagnostic.help, error.diagnostic.fix = correction
    error = explained(error, join)
    fault = _fault(error, invocation.call, type(op), xs)
    current = of_current(error, invocation, type(op), op.given, net.open[-1])
    if current is not None:
        fault.diagnostic.help, fault.diagnostic.fix = current
    repair = None
    if error.code == "shape-mismatch" and op.kind == "matmul" and len(xs) == 2:
        repair = heads_in_order(join)
        if repair is not None:
            fault.diagnostic.help, fault.diagnostic.fix = repair
    if len(xs) == 1:
        repair = for_one_input(error, invocation, op, xs[0], net)
        if repair is not None:
            fault.diagnostic.help, fault.diagnostic.fix = repair
    if error.code in ("wrong-rank", "shape-mismatch"):
        advice = first_only(net, op, xs)
        if advice and (repair is None or len(xs) == 1):
            fault.diagnostic.help, fault.diagnostic.fix = advice, ()
        sizes_in_a_name(fault.diagnostic, xs)
    if error.code == "window-too-large":
        without_first_of_volume(fault.diagnostic, first_of(xs[0]), xs[0])
    if error.code in ("wrong-rank", "wrong-dtype"):
        repair = wrong_start(op, invocation.call, xs, net)
        if repair is not None:
            fault.diagnostic.help, fault.diagnostic.fix = repair
    if not net.is_only_use:
        fault.diagnostic.fix = ()
    return fault


def _last_outside(x: Value, caller: Site | None) -> Node | None:
    """The last layer before the call of the block that is being unrolled."""
    if caller is None:
        return None
    return next((node for node in way(x) if node.output.site.caller is not caller), None)


def _without_named_batch(error: OpError, op: Op, x: Value) -> None:
    """Advice for an input such as `BxTx64`, where a layer takes the value without its `B`."""
    declared, batch = first_of(x), next(iter(x.type.shape), None)
    if batch is None or declared.type.shape[:1] != (batch,) or str(batch).lower() not in BATCH:
        return
    if takes(op, x.type._replace(shape=x.type.shape[1:])):
        fix = without_first(declared)
        sizes = shape_text(declared.type.shape[1:])
        error.correction = None
        error.diagnostic.help = (
            f"`{batch}` is the batch, which inputs do not have: write `input {declared.name}:"
            f" {sizes}`"
        )
        error.diagnostic.fix = fix


def _without_reference(call: ast.Call, cls: type[Op], xs: tuple[Value, ...]) -> tuple[Edit, ...]:
    """The fix for one reference too many, if the layer takes that value already."""
    references = [a for a in call.arguments if isinstance(a.value, ast.Reference)]
    if call.body is not None or len(xs) != cls.inputs[1] + 1 or len(references) != len(xs) - 1:
        return ()
    for number, reference in enumerate(references, start=1):
        if any(xs[number] is x for x in xs[:number]):
            return (without(call, call.arguments.index(reference)),)
    return ()


def _fault(error: OpError, call: ast.Call, cls: type[Op], xs: tuple[Value, ...]) -> NetdslError:
    """The error of a layer at its place, which is the argument at fault or else the call.

    Notes tell where the shapes of the inputs come from.
    """
    argument = None if error.arg is None else argument_of(call, cls, error.arg)
    notes = input_notes(_concerned(call, cls, xs, argument))
    span = call.name_span if call.body is not None else call.span
    if argument is not None:
        span = argument.span
    advice = Repair(error.help, error.diagnostic.fix)
    if error.correction is not None:
        advice = Repair(error.help, fix_of(error.correction, call, cls))
    match error.code:
        case "wrong-type" if argument is not None and advice.help is None:
            advice = for_literal(call, argument, cls) or advice
        case "wrong-dtype" if argument is not None and argument.name is not None:
            advice = named_dtype_advice(call, cls, xs, argument.name)
        case "wrong-dtype" if advice.help is None:
            advice = _named_first(xs) or dtype_advice(cls, call, xs)
        case "shape-mismatch" if argument is not None and xs:
            advice = _tensor_advice(advice, call, argument, xs)
        case "shape-mismatch" if cls.kind == "matmul" and advice.help is None:
            advice = Repair(other_width(xs))
        case "open-size" if xs and (flat := xs[0].producer) and flat.op.kind == "flatten":
            advice = _sequence_advice(advice, flat.inputs[0], flat.span)
        case "wrong-rank" if xs:
            advice = _rank_advice(error, advice, call, cls, argument, xs[0])
        case "window-too-large" if xs and advice.help is not None and not advice.fix:
            advice = _window_advice(advice.help, call, cls, xs[0])
    place = error.diagnostic.span or span
    help_, fix = advice
    fault = NetdslError(error.code, error.message, place, help=help_, notes=notes, fix=fix)
    fault.diagnostic.found = error.diagnostic.found
    return fault


def _concerned(
    call: ast.Call, cls: type[Op], xs: tuple[Value, ...], argument: ast.Argument | None
) -> tuple[Value, ...]:
    """The inputs that an error is about: only the tensor of an argument, or none for numbers."""
    if argument is None and cls.family == "join":
        return unlike(cls.kind, xs)
    if argument is None or not xs:
        return xs[:3]
    named = [a.name for a in cls.args if a.dtypes and argument_of(call, cls, a.name) is not None]
    values = dict(zip(named, xs[len(xs) - len(named) :], strict=True))
    return (values[argument.name],) if argument.name in values else xs[:1]


def input_notes(xs: tuple[Value, ...]) -> tuple[Annotation, ...]:
    """Where the shapes of the inputs come from; a loop may make several at one place."""
    types: dict[tuple[str, Span], list[str]] = {}
    for x in xs:
        maker = f"input `{x.name}`"
        if x.producer is not None:
            maker = f"`{x.producer.op.kind}`"
        given = str(x.type)
        if x.type.dtype != "float32":
            given += f" {x.type.dtype}"
        types.setdefault((maker, x.site.span), []).append(given)
    return tuple(
        Annotation(f"{maker} here gives {listed(list(dict.fromkeys(all_given)))}", place)
        for (maker, place), all_given in types.items()
    )


def _named_first(xs: tuple[Value, ...]) -> Repair | None:
    """Advice for `pos: positions -> embedding(256, 8)`, where `@pos` is not what comes last."""
    for x in xs:
        span = x.site.span
        label = _LABEL.search(span.file.text[: span.start])
        then = _NEXT_LAYER.match(span.file.text, span.end)
        if x.type.dtype.startswith("int") and x.producer and label and then:
            kind, written = x.producer.op.kind, f"{label[1]}: {then['call']}"
            return Repair(
                f"`{label[1]}` names `{kind}`, not the `{then['kind']}` after it: write"
                f" `{span.text} -> {written}`"
            )
    return None


def _tensor_advice(
    advice: Repair, call: ast.Call, argument: ast.Argument, xs: tuple[Value, ...]
) -> Repair:
    """Advice for a mask of the kind that has a name of its own, and for a state of more layers."""
    given, makers = argument.value.span.text, [x.producer for x in xs[1:] if x.producer is not None]
    proposal = proposal_of(advice.help)
    if proposal.aim == "argument":
        return Repair(f"{proposal}: write `{proposal.names[0]} = {given}`")
    stacked = [n.op.given["layers"] for n in makers if n.op.given.get("layers", 1) > 1]
    if argument.name in ("h", "c") and stacked and "layers" not in call.span.text:
        name = given.removeprefix("@").rpartition(".")[0]
        return Repair(
            f"`{name}` has {stacked[0]} layers: give this one `layers = {stacked[0]}` too"
        )
    both = [n for n in makers if n.op.given.get("bidirectional")]
    if argument.name in ("h", "c") and both and "bidirectional" not in call.span.text:
        name = given.removeprefix("@").rpartition(".")[0]
        fact = f"`{name}` reads in both directions"
        return Repair(f"{fact}: make it one-way, or give this one `bidirectional = true` too")
    return advice


def _sequence_advice(advice: Repair, x: Value, flatten: Span) -> Repair:
    """Advice for `flatten` after a sequence of vectors whose length is open."""
    if len(x.type.shape) != MOST_AXES_OF_WORDS:
        return advice
    help_ = "write a number for the open size in the `input`, or `reduce_mean(axis = 1)` in place"
    help_ += " of `flatten`"
    pooling = x.producer
    if pooling is not None and pooling.op.kind in REDUCTIONS:
        kind, written = pooling.op.kind, f"{REDUCTIONS[pooling.op.kind]}(axis = 1)"
        place = Span(flatten.file, pooling.span.start, flatten.end)
        help_ = (
            f"`{kind}` takes the channels first, and leaves one number for each of the"
            f" {x.type.shape[0]} steps: write `{written}` in place of `{kind} -> flatten`"
        )
        return Repair(help_, (Edit(place, written),) * (place.text == f"{kind} -> flatten"))
    if x.producer is not None and "last" in x.producer.op.given:
        help_ += f"; `{x.producer.op.kind}` with `last = true` gives only the last step"
    return Repair(help_)


def _rank_advice(
    error: OpError,
    advice: Repair,
    call: ast.Call,
    cls: type[Op],
    argument: ast.Argument | None,
    x: Value,
) -> Repair:
    """Advice for a wrong number of axes or sizes, where the net's input may be wrong instead."""
    if argument is not None:
        sizes = _volume_advice(argument, x) or for_sizes(call, cls, argument, x.type)
        if sizes is not None:
            return sizes
    declared = first_of(x)
    batch = without_batch(declared)
    if batch:
        return Repair(f"leave the batch out of the input: `{batch[0].text}`", batch)
    if error.arg is None or not advice.fix or is_picture(declared.type.shape):
        return advice
    if any(node.op.family in WINDOWED for node in way(x)):
        return advice  # they have taken the axes as they are
    if len(declared.type.shape) == 2:
        help_ = f"{advice.help}; an input of pictures has channels too, as in 1x{declared.type}"
        return Repair(help_)
    return Repair(advice.help)


def _volume_advice(argument: ast.Argument, x: Value) -> Repair | None:
    """Advice for `conv(64, 3x3x3)` of a volume whose channel is missing."""
    if not isinstance(argument.value, ast.DimsLiteral) or x.producer:
        return None
    axes = len(x.type.shape)
    if len(argument.value.parts) != axes or axes != VOLUME or is_picture(x.type.shape):
        return None
    return Repair(f"a volume has channels too: declare `input {x.name}: 1x{x.type}`")


def _window_advice(help_: str, call: ast.Call, cls: type[Op], x: Value) -> Repair:
    """Advice for a window that does not fit: the sizes or arguments may have another order."""
    positional = [a for a in call.arguments if a.name is None]
    written = ", ".join(a.span.text for a in call.arguments[1:])
    if cls.kind == "conv" and _is_pytorch_order(positional, x.type):
        fact = f"the {positional[0].span.text} input channels are known: leave them out, and write"
        return Repair(f"{fact} `{call.name}({written})`", (without(call, 0),))
    if cls.kind == "depthwise" and len(positional) > 1 and _is_number(positional[0], x.type):
        fact = f"the {x.type.channels} channels are known: leave them out, and write"
        return Repair(f"{fact} `depthwise({written})`", (without(call, 0),))
    if _channels_last(x.type):
        help_ += "; are these H x W x C? channels come first, as in 3x224x224"
        return Repair(help_, with_channels_first(first_of(x)))
    if all(a.name != "k" for a in cls.args):
        return Repair(help_)
    return for_window(help_, call, x)


def _is_number(argument: ast.Argument, x: TensorType) -> bool:
    """Whether an argument is the number of channels."""
    return isinstance(argument.value, ast.Literal) and argument.value.value == x.channels


def _is_pytorch_order(arguments: list[ast.Argument], x: TensorType) -> bool:
    """Whether the arguments are input channels, output channels and a kernel."""
    match [a.value.value for a in arguments[:3] if isinstance(a.value, ast.Literal)]:
        case [int(channels), int(kernel), int(stride)]:
            return channels == x.channels and kernel > LARGEST_KERNEL >= stride
    return False


def _channels_last(x: TensorType) -> bool:
    """Whether an image's sizes look as if its channels came last, as in TensorFlow."""
    known = [d for d in x.shape[1:] if isinstance(d, int)]
    return len(known) == len(x.shape) - 1 == 2 and known[1] <= 4 and known[0] >= 4 * known[1]
