"""Warnings about settings of a `train` section that undo each other, or have hardly any effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Diagnostic
from netdsl.ops.init import distribution
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netdsl.ir.graph import Graph, Node

    Entries = Mapping[str, ast.Entry]

# The arguments of each optimizer that can be given without their names, in order.
ARGUMENTS = {
    "sgd": ("lr", "momentum", "weight_decay", "nesterov"),
    "adam": ("lr", "weight_decay"),
    "adamw": ("lr", "weight_decay"),
    "rmsprop": ("lr", "alpha", "momentum", "weight_decay", "eps"),
    "muon": ("lr", "momentum", "weight_decay", "nesterov"),
}
LARGEST_MOMENTUM = 0.99
LEAST_DECAY = 0.5  # with it, the last step has half of the average
LEAST_DROPPED = 0.05  # of the training samples
# The training samples of published data.
SAMPLES = {
    "fashion_mnist_sample": 10_000,
    "fashion_mnist": 60_000,
    "mnist": 60_000,
    "cifar10": 50_000,
    "cifar100": 50_000,
}
# Augmentations that expect pixels from 0 to 1, and those that move pixels out of the image.
OF_PIXELS = ("color_jitter", "rand_augment")
MOVING = ("random_crop", "random_resized_crop", "rotation", "scale", "shift", "shear")
MIRRORS = ("hflip", "vflip")


def arguments_of(call: ast.Function) -> Iterator[tuple[str, ast.Argument]]:
    """The arguments of an optimizer with their names, also those that are given without.

    One without a name after one with a name is an error, and has the name "".
    """
    names = iter(ARGUMENTS.get(call.name, ()))
    for argument in call.arguments:
        if argument.name:
            names = iter(())
        yield argument.name or next(names, ""), argument


def recipe_warnings(entries: Entries) -> Iterator[Diagnostic]:
    """The warnings about entries of a section, which do not depend on the net."""
    if "optimizer" in entries:
        yield from _large_momentum(entries["optimizer"].values[0])
    if "ema" in entries:
        yield from _small_decay(entries["ema"])
    if "augment" in entries:
        yield from _augment_order(entries["augment"])
        yield from _other_units(entries["augment"])


def number_of(expr: ast.Expr) -> float | None:
    """A number that is written as digits; what is computed is not known."""
    if isinstance(expr, ast.Literal) and type(expr.value) in (int, float):
        return expr.value  # type: ignore[return-value]
    return None


def _large_momentum(optimizer: ast.Expr) -> Iterator[Diagnostic]:
    """`momentum = 0.999`, or two betas in the wrong order."""
    if not isinstance(optimizer, ast.Function):
        return
    for name, argument in arguments_of(optimizer):
        value, help_ = number_of(argument.value), "write `momentum = 0.9`"
        subject = "`momentum`"
        if name == "betas" and isinstance(argument.value, ast.Sequence):
            numbers = [number_of(item) for item in argument.value.items]
            if len(numbers) != 2 or numbers[0] is None:
                continue
            value, subject = numbers[0], "the first of `betas`"
            help_ = "write `betas = [0.9, 0.999]`"
        elif name != "momentum":
            continue
        if value is None or not LARGEST_MOMENTUM < value < 1:
            continue
        steps = f"{1 / (1 - value):,.0f}"
        yield Diagnostic(
            "large-momentum",
            f"{subject} is {value:g}: each step is a mean over about {steps} steps",
            argument.span,
            "warning",
            help=help_,
        )


def _small_decay(entry: ast.Entry) -> Iterator[Diagnostic]:
    """`ema = 0.001`, where 0.999 is meant."""
    value = number_of(entry.values[0])
    if value is None or not 0 < value < LEAST_DECAY:
        return
    help_ = "write a number near 1, such as `ema = 0.999`"
    if value <= 0.1:
        help_ = f"is this `ema = {1 - value:g}`?"
    yield Diagnostic(
        "small-decay",
        f"`ema` is {value:g}: the newest weights make up {1 - value:.3g} of the average, so it"
        " hardly differs from them",
        entry.span,
        "warning",
        help=help_,
    )


def _augment_order(entry: ast.Entry) -> Iterator[Diagnostic]:
    """Augmentations that undo or break an earlier one."""
    before: dict[str, ast.Expr] = {}
    for expr in items_of(entry.values):
        name = expr.id if isinstance(expr, ast.Name) else getattr(expr, "name", "")
        found = _broken(name, before)
        if found is not None:
            earlier, message, help_ = found
            note = Annotation(f"`{earlier}` is here", before[earlier].span)
            yield Diagnostic(
                "augment-order", message, expr.span, "warning", notes=(note,), help=help_
            )
        before.setdefault(name, expr)


def _broken(name: str, before: Mapping[str, ast.Expr]) -> tuple[str, str, str] | None:
    """The earlier augmentation that does not go with one after it, and why; None if all do."""
    if name in MIRRORS and name in before:
        message = f"the second `{name}` undoes half of what the first does"
        return name, f"{message}: the two are the same as one", f"remove one `{name}`"
    if name in OF_PIXELS and "normalize" in before:
        message = f"`{name}` expects pixels from 0 to 1, but `normalize` comes before it"
        return "normalize", message, f"move `normalize` behind `{name}`"
    if name in MOVING and "cutmix" in before:
        message = f"`{name}` changes how much of each image is left after `cutmix`"
        message += ", which has mixed the classes by these shares"
        return "cutmix", message, f"move `cutmix` behind `{name}`"
    return None


def _other_units(entry: ast.Entry) -> Iterator[Diagnostic]:
    """`normalize` with constants for pixels from 0 to 255, and a `rotation` in radians."""
    for call in items_of(entry.values):
        if not isinstance(call, ast.Function) or call.name not in ("normalize", "rotation"):
            continue
        for argument in call.arguments:
            text = argument.value.span.text
            numbers = [number_of(item) or 0 for item in items_of((argument.value,))]
            largest = max(map(abs, numbers), default=0)
            if call.name == "normalize" and largest > 1:
                message = f"`normalize` has {text}, but pixels are from 0 to 1"
                help_ = "divide the numbers by 255"
            elif call.name == "rotation" and 0 < largest < 1:
                message = f"`rotation` turns by at most {text} degrees"
                help_ = "angles are in degrees: for example, write `rotation(10)`"
            else:
                continue
            yield Diagnostic("large-setting", message, argument.span, "warning", help=help_)


def items_of(values: tuple[ast.Expr, ...]) -> Iterator[ast.Expr]:
    """The items of an entry, those of a list one by one."""
    for value in values:
        if isinstance(value, ast.Sequence):
            yield from value.items
        else:
            yield value


def batch_warning(batch: int, accumulate: int, samples: int, data: str) -> Diagnostic | None:
    """The warning about a batch that does not fit a number of training samples, without a place.

    A last batch of one sample is left out, because a batch norm cannot be trained on it.
    """
    step, has = batch * accumulate, counted(samples, "training sample")
    if step > samples:
        message = f"`batch` is {batch:,}"
        help_ = f"write a `batch` below {samples}, such as {max(2, min(32, samples // 4))}"
        if accumulate > 1:
            message += f" and `accumulate` {accumulate:,}, so a step takes {step:,} samples"
            help_ = f"write numbers whose product is below {samples}"
        message += f", but {data} has {has}: an epoch is one step"
        return Diagnostic("large-setting", message, None, "warning", help=help_)
    if step > 1 and samples % step == 1 and 1 / samples >= LEAST_DROPPED:
        message = f"every epoch leaves out 1 of the {has} of {data}, {100 / samples:.0f} % of them"
        message += ": a last batch of one sample is not trained"
        help_ = f"write another `batch`, such as {_dividing(samples)}"
        return Diagnostic("dropped-samples", message, None, "warning", help=help_)
    return None


def _dividing(samples: int) -> int:
    """The largest batch up to half of the samples that leaves no single one."""
    return next(n for n in range(max(2, samples // 2), 1, -1) if samples % n != 1 or n == 2)


def batch_warnings(entries: Entries, default: str) -> Iterator[Diagnostic]:
    """The warning about a batch that does not fit data whose number of samples is known."""
    if "batch" not in entries:
        return
    numbers = [number_of(entries["batch"].values[0]), 1.0]
    if "accumulate" in entries:
        numbers[1] = number_of(entries["accumulate"].values[0])
    known = (
        _samples(entries["data"].values[0]) if "data" in entries else (default, SAMPLES[default])
    )
    batch, accumulate = numbers
    if known is None or not isinstance(batch, int) or accumulate is None:
        return
    data, samples = known
    warning = batch_warning(batch, int(accumulate), samples, data)
    if warning is not None:
        warning.span = entries["batch"].span
        yield warning


def _samples(call: ast.Expr) -> tuple[str, int] | None:
    """The name and the number of training samples of published data, without those of `val`."""
    name = call.id if isinstance(call, ast.Name) else getattr(call, "name", "")
    samples, share = SAMPLES.get(name), 0.0
    if samples is None:
        return None
    for argument in call.arguments if isinstance(call, ast.Function) else ():
        value = number_of(argument.value)
        if argument.name in ("limit", "val") and value is None:
            return None
        if argument.name == "limit":
            samples = min(samples, int(value or 0))
        elif argument.name == "val":
            share = value or 0.0
    return name, samples - round(samples * share)


def untrained_warnings(entries: Entries, graph: Graph) -> Iterator[Diagnostic]:
    """The warnings about layers that keep their random weights, if the section loads none."""
    if "weights" in entries:
        return
    for node in graph.nodes:
        if node.frozen and has_random_weights(node):
            yield Diagnostic(
                "frozen-untrained",
                f"this `{node.op.kind}` is frozen with random weights: the section has no"
                " `weights` to load",
                node.span,
                "warning",
                help='load trained weights, `weights = "FILE"`, or train the layer',
            )
    if "freeze" not in entries:
        return
    for expr in items_of(entries["freeze"].values):
        name = expr.span.text.strip('"')
        if any(has_random_weights(node) for node in _named(name, graph)):
            yield Diagnostic(
                "frozen-untrained",
                f"`freeze` keeps the random weights of `{name}`: the section has no `weights` to"
                " load",
                expr.span,
                "warning",
                help='load trained weights, `weights = "FILE"`, or leave the layer out of `freeze`',
            )


def _named(name: str, graph: Graph) -> list[Node]:
    """The layers that a label or a kind means."""
    found = [node for node in graph.nodes if f"{node.name}.".startswith(f"{name}.")]
    return found or [node for node in graph.nodes if node.op.kind == name]


def has_random_weights(node: Node) -> bool:
    """Whether a layer starts with matrices or kernels that are drawn at random."""
    return any(
        distribution(param.init, param.shape).kind in ("uniform", "normal")
        for param in node.params().values()
        if len(param.shape) > 1 and not param.tied and not param.is_constant
    )
