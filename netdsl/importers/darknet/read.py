"""Reads nets of Darknet: a `.cfg` that lists the layers, and a `.weights` with their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.importers.darknet.keys import check_keys, check_plain
from netdsl.importers.darknet.layers import DarknetLayers
from netdsl.importers.darknet.rules import DETECTORS, REFUSED, RULES, check_detector
from netdsl.importers.darknet.text import read_sections
from netdsl.importers.darknet.weights import DarknetWeights
from netdsl.importers.described import read_text, refused, sizes_text, wrong
from netdsl.importers.onnx.built import ModelBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from netdsl.importers.darknet.text import CfgSection
    from netdsl.importers.onnx.built import BuiltValue
    from netdsl.importers.onnx.reader import OnnxModel

INPUT = "image"
HEADS = ("net", "network")  # names of the first section


def read_darknet(
    path: Path,
    weights: Path | None,
    given: Mapping[str, tuple[int, ...]],
    *,
    partial: bool = False,
) -> OnnxModel:
    """The net of a `.cfg`; raises `NetdslError`.

    Without a file of weights, they are random. `given` has the sizes of the input if others than
    those of the `.cfg` are wanted. With `partial`, layers that cannot be imported are left out.
    The outputs are what detectors take, and otherwise the result of the last layer.
    """
    head, *sections = read_sections(read_text(path))
    if head.kind not in HEADS:
        raise wrong(f"the first section is [{head.kind}]", head.span, "begin with `[net]`")
    if not sections:
        raise wrong("the net has no layers", head.span)
    _check(head, sections)
    numbers = DarknetWeights(weights)
    builder = ModelBuilder(path.stem)
    first = builder.input(INPUT, _size(head, given))
    net = _DarknetNet(builder, numbers, first)
    for section in sections:
        net.add(section)
    if net.errors and not partial:
        raise NetdslError.of([error.diagnostic for error in net.errors])
    if not net.errors:
        numbers.finish()
    net.finish()
    return builder.model(path, net.notes)


def _check(head: CfgSection, sections: Sequence[CfgSection]) -> None:
    """Raise `NetdslError` for sections and keys that Darknet does not have."""
    known = [*RULES, *REFUSED, *DETECTORS]
    for section in sections:
        if section.kind in HEADS:
            raise wrong(f"[{section.kind}] is only the first section", section.span)
        if section.kind not in known:
            advice = did_you_mean(section.kind, known) or _what_is_known()
            raise wrong(f"Darknet has no section [{section.kind}]", section.span, advice)
    check_keys([head, *sections])


def _what_is_known() -> str:
    """Advice with the sections that can be imported, each with one of its names."""
    first: dict[object, str] = {}
    for name, rule in RULES.items():
        first.setdefault(rule, name)
    names = first.values()
    return "these can be imported: " + ", ".join(f"[{name}]" for name in [*names, *DETECTORS])


def _size(head: CfgSection, given: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The sizes of the input: channels, height and width, or the length of a vector."""
    keys = ("channels", "height", "width")
    if not any(key in head.options for key in keys) and "inputs" in head.options:
        sizes: tuple[int, ...] = (head.integer("inputs", least=1),)
    else:
        sizes = tuple(head.integer(key, least=1) for key in keys)
    unknown = [name for name in given if name not in ("", INPUT)]
    if unknown:
        raise NetdslError(
            "unknown-input", f"the net has no input `{unknown[0]}`", help=f"it has `{INPUT}`"
        )
    wanted = given.get("") or given.get(INPUT)
    if wanted is None:
        return sizes
    if len(wanted) != len(sizes) or wanted[0] != sizes[0]:
        message = f"the input has the sizes {sizes_text(sizes)}, --input has {sizes_text(wanted)}"
        help_ = f"it takes {sizes[0]} channels, a height and a width: `--input {sizes[0]}x416x416`"
        if len(sizes) == 1:
            help_ = "the .cfg fixes this size: leave out `--input`"
        raise NetdslError("shape-mismatch", message, head.span, help=help_)
    return wanted


class _DarknetNet:
    """A net that grows section by section. `errors` are about layers that were left out."""

    def __init__(self, builder: ModelBuilder, weights: DarknetWeights, first: BuiltValue) -> None:
        self.layers = DarknetLayers(builder, weights)
        self.errors: list[NetdslError] = []
        self.notes: dict[str, list[str]] = {}
        self._builder = builder
        self._value: BuiltValue | None = first
        self._last: BuiltValue = first
        self._ends: list[tuple[str, BuiltValue]] = []

    def add(self, section: CfgSection) -> None:
        """Add the layer of a section; raises `NetdslError` unless only the language lacks it."""
        number = len(self.layers.made)
        self._builder.layer = f"{section.kind}_{number}"
        value = self._value
        try:
            if section.kind in DETECTORS:
                self._end(section)
            elif value is not None or section.kind == "route":
                value = self._made(section, value or self._last)
        except NetdslError as error:
            if error.code == "too-large":
                raise wrong(error.message, section.span) from None
            if error.code != "unsupported-operator":
                error.diagnostic.span = error.diagnostic.span or section.span
                raise
            self.errors.append(error)
            self.notes.setdefault(self._last.name, []).append(
                f"not imported: line {section.span.first.line}, {error.message}"
            )
            value = None
        self._value = value
        self._last = value or self._last
        self.layers.made.append(value)

    def _made(self, section: CfgSection, x: BuiltValue) -> BuiltValue | None:
        fact = REFUSED.get(section.kind)
        if fact is not None:
            raise refused(f"[{section.kind}]", fact, section.span)
        check_plain(section)
        return RULES[section.kind](self.layers, section, x)

    def _end(self, section: CfgSection) -> None:
        """Make what a detector takes an output of the net."""
        if self._value is not None:
            check_detector(section, self._value)
            self._ends.append((section.kind.lower(), self._value))

    def finish(self) -> None:
        """Add the outputs."""
        if not self._ends:
            self._builder.output("output", self._last)
        for i, (name, value) in enumerate(self._ends, start=1):
            self._builder.output(name if len(self._ends) == 1 else f"{name}{i}", value)
