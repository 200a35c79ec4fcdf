"""A difference as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.conditions import conditions
from netdsl.analysis.figures import figure, memory, value_at
from netdsl.analysis.sizes import example_inputs, example_of
from netdsl.diff.difference import Figure
from netdsl.diff.wording import details_of, sentences_of, title_of
from netdsl.ir.types import Sym
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.analysis.sizes import ExampleSizes
    from netdsl.diff.causes import Cause
    from netdsl.diff.difference import Aside, NetDifference, Reshaped
    from netdsl.diff.loading import Loading

LONGEST = 40  # characters of a formula
_SMALL = 0.1  # percent, below which more digits are shown
MOST = 5  # layers or weights in one line
_BYTES = ("activation_bytes", "peak_bytes")
_NAMES = {
    "macs": "MACs",
    "activation_bytes": "activations",
    "peak_bytes": "peak memory",
}
_SHOWN = ("buffers", "macs", "depth", "activation_bytes", "peak_bytes")
ALWAYS = ("params", "macs")  # figures that are shown even if they are equal
SAME = "no difference in the network"


class ReportLine(NamedTuple):
    """A line of a report: how far it is indented, its label and its text, and its style."""

    indent: int
    label: str
    text: str
    style: str = ""


def report_of(difference: NetDifference) -> list[ReportLine]:
    """Everything about a difference, without a heading."""
    lines: list[ReportLine] = []
    if difference.is_same_network:
        lines.append(ReportLine(1, "", SAME))
    for cause in difference.causes:
        lines.append(ReportLine(1, place_of(cause, difference), title_of(cause)))
        lines += [ReportLine(2, "", detail) for detail in details_of(cause)]
    follows = consequences(difference)
    if follows:
        lines += [ReportLine(0, "", ""), ReportLine(0, "", "what follows", "dim"), *follows]
    if not difference.is_empty:
        lines += [ReportLine(0, "", ""), *figure_lines(difference)]
        hint = hint_of(difference)
        if hint is not None:
            lines.append(ReportLine(1, "", hint, "dim"))
        if difference.uncounted:
            unknown = f"the MACs of {', '.join(difference.uncounted)} are not known"
            lines.append(ReportLine(1, "", unknown, "dim"))
        lines += [ReportLine(0, "", ""), *loading_lines(difference.loading)]
    if difference.asides:
        lines += [ReportLine(0, "", ""), ReportLine(0, "", "outside of the network", "dim")]
        lines += [aside_line(aside) for aside in difference.asides]
    return lines


def names_with_arrow(old: str, new: str) -> str:
    """Two names, or the one name that both sides have."""
    if old == new:
        return new
    return f"{old} → {new}"


def place_of(cause: Cause, difference: NetDifference) -> str:
    """The line of a cause, in the second text if it is there; with the file, if it is another."""
    piece = cause.new or cause.old
    assert piece is not None
    program = difference.nets[cause.new is not None].program
    line = f"line {piece.span.first.line}"
    if piece.span.file.key != program.source.key:
        line = f"{piece.span.file.name.rpartition('/')[2]}, {line}"
    return "old " * (cause.new is None) + line


def consequences(difference: NetDifference) -> list[ReportLine]:
    """What no edit of its own explains: arguments, shapes and names that follow from others."""
    lines = [ReportLine(1, "layers", text) for text in sentences_of(difference.followed)]
    if difference.reshaped:
        found = [_reshaped(r) for r in difference.reshaped]
        heading = f"{len(found):,} of {counted(difference.common, 'layer')}: {some(found)}"
        lines.append(ReportLine(1, "shapes", heading))
    if difference.renumbered:
        found = [f"{old} → {new}" for old, new in difference.renumbered]
        heading = f"{counted(len(found), 'shifted position')}: {some(found)}"
        lines.append(ReportLine(1, "names", heading))
    return lines


def _reshaped(layer: Reshaped) -> str:
    return f"{layer.after} {layer.old} → {layer.new}"


def hint_of(difference: NetDifference) -> str | None:
    """How to get numbers in place of the formulas that are too long to show, if they have none."""
    figures = [f for f, _ in shown_figures(difference) if f.name in (*ALWAYS, *_SHOWN)]
    texts = [amount(f.name, value) for f in figures for value in (f.old, f.new)]
    formulas = sorted({text for text in texts if text.startswith("f(")})
    if not formulas:
        return None
    given = example_inputs(difference.nets[1].graph)
    return f"{', '.join(formulas)}: formulas that do not fit here; {given} gives numbers"


def some(texts: Sequence[str]) -> str:
    """The first texts, and the number of the others."""
    shown = ", ".join(texts[:MOST])
    if len(texts) <= MOST:
        return shown
    return f"{shown} and {len(texts) - MOST:,} more"


# ---- figures


def figure_lines(difference: NetDifference) -> list[ReportLine]:
    """A line for each total that differs, and for the parameters and MACs in any case."""
    pairs = zip(difference.figures, shown_figures(difference), strict=True)
    return [
        ReportLine(1, label_of(shown), _change_of(shown) + sizes)
        for f, (shown, sizes) in pairs
        if f.name in ALWAYS or (f.old != f.new and f.name in _SHOWN)
    ]


def shown_figures(difference: NetDifference) -> list[tuple[Figure, str]]:
    """The totals, each with the sizes for which it is: ` for image 3x224x224`.

    Where a formula is too long to show, both nets have their numbers for usual sizes.
    """
    long = [f for f in difference.figures if _is_too_long(f)]
    example = _common_example(difference) if long else None
    return [
        (_sized(f, example), f" for {example.inputs}") if example and f in long else (f, "")
        for f in difference.figures
    ]


def _is_too_long(total: Figure) -> bool:
    return any(amount(total.name, value).startswith("f(") for value in (total.old, total.new))


def _common_example(difference: NetDifference) -> ExampleSizes | None:
    """Usual sizes of the second net, if the first one is valid for them, too."""
    before, after = (net.graph for net in difference.nets)
    example = example_of(after)
    if example is None or not example.sizes.keys() >= set(before.symbols):
        return None
    return example if all(rule.holds(example.sizes) for rule in conditions(before)) else None


def _sized(total: Figure, example: ExampleSizes) -> Figure:
    return Figure(total.name, value_at(total.old, example), value_at(total.new, example))


def _change_of(total: Figure) -> str:
    if total.old == total.new:
        return f"{amount(total.name, total.new)}, as before"
    change = f"{amount(total.name, total.old)} → {amount(total.name, total.new)}"
    grown = growth(total)
    if grown is None:
        return change
    return f"{change}  ({grown})"


def label_of(total: Figure) -> str:
    """What a total is called."""
    return _NAMES.get(total.name, total.name)


def amount(name: str, value: int | Sym) -> str:
    """A total as text."""
    if isinstance(value, Sym):
        text = figure(value, None)
        if len(text) > LONGEST:
            return f"f({', '.join(sorted(value.symbols()))})"
        return text + " B" * (name in _BYTES)
    if name in _BYTES:
        return memory(value)
    return f"{value:,}"


def growth(total: Figure) -> str | None:
    """The growth of a total in percent, or None if it is equal, a formula, or was 0."""
    if total.old == total.new:
        return None
    if isinstance(total.old, Sym) or isinstance(total.new, Sym) or not total.old:
        return None
    percent = 100 * (total.new - total.old) / total.old
    if abs(percent) < _SMALL:
        return f"{percent:+.4f} %"
    return f"{percent:+,.1f} %"


# ---- weights


def loading_lines(loading: Loading) -> list[ReportLine]:
    """Which weights still load."""
    all_ = len(loading.loaded) + len(loading.reshaped) + len(loading.missing)
    right = len(loading.loaded) - len(loading.misplaced)
    if loading.is_complete:
        return [ReportLine(1, "weights", f"all {all_:,} tensors of a checkpoint still load")]
    share = f"{100 * loading.share:.1f} % of the numbers"
    text = f"{right:,} of {counted(all_, 'tensor')} still load, {share}"
    lines = [ReportLine(1, "weights", text)]
    for label, found in weight_groups(loading).items():
        if found:
            lines.append(ReportLine(2, "", f"{len(found):,} {label}: {some(found)}"))
    return lines


def weight_groups(loading: Loading) -> dict[str, list[str]]:
    """The tensors that do not load, by the reason."""
    new = {new: old for old, new in loading.renamed.items()}
    shape = "x".join
    return {
        "of another shape": [
            f"{name} {shape(map(str, old))} → {shape(map(str, now))}"
            for name, (old, now) in loading.reshaped.items()
        ],
        "under another name": [f"{old} → {name}" for name, old in new.items()],
        "new": [name for name in loading.missing if name not in new],
        "no longer used": [name for name in loading.unused if name not in loading.renamed],
        "of another layer now, although the shape fits": loading.misplaced,
    }


# ---- outside of the network


def aside_line(aside: Aside) -> ReportLine:
    """A line of `train` or `expect` that differs."""
    pair = (text and " ".join(text.split()) for text in (aside.old, aside.new))
    old, new = (text and text.removeprefix(f"{aside.where} ") for text in pair)
    if old is None:
        return ReportLine(1, aside.where, f"new: {new}")
    if new is None:
        return ReportLine(1, aside.where, f"removed: {old}")
    return ReportLine(1, aside.where, f"{old} → {new}")
