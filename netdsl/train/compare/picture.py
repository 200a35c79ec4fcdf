"""The picture of a comparison, in the style of the ResNet paper: thin training, bold validation."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from netdsl.files import replacing
from netdsl.train.curves import HEIGHT, WIDTH, svg_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from netdsl.train.compare.errors import Compared, Measure
    from netdsl.train.records import Record

THIN, BOLD = 0.9, 2.4  # points
COLOURS = 10  # in matplotlib's cycle; more variants get a range of colours
NORMS = "gradient norm, after epoch 1"
SUFFIXES = (".png", ".svg", ".pdf")


def draw_comparison(results: Sequence[Compared], measure: Measure, title: str) -> Figure:
    """The curves of the errors, and if runs recorded them, the norms of gradients by layer.

    A band around a bold line reaches from the least to the largest value of the seeds.
    """
    drawn = [result for result in results if result.histories]
    norms = [result.norms(1) for result in drawn]
    panels = 1 + any(norms)
    # Paths get no names by chance, so that the same runs give the same file.
    with mpl.rc_context({"svg.hashsalt": "netdsl"}):
        figure = Figure(figsize=((WIDTH + 1) * panels, HEIGHT), layout="constrained")
        figure.suptitle(title.replace("$", r"\$"))
        places = figure.subplots(1, panels, squeeze=False)[0]
        colours = _colours(len(drawn))
        _draw_errors(places[0], drawn, colours, measure)
        if any(norms):
            _draw_norms(places[1], drawn, colours, norms)
    return figure


def write_picture(figure: Figure, path: Path) -> None:
    """Write the figure in the format of the suffix; raises OSError."""
    with replacing(path) as temporary:
        match path.suffix:
            case ".svg":
                temporary.write_text(svg_file(figure), encoding="utf-8")
            case ".pdf":
                figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
            case _:
                figure.savefig(temporary, format="png", dpi=120)


def svg_file(figure: Figure) -> str:
    """The figure as a file of its own, on a white page, which refers to nothing outside."""
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "netdsl"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def svg_part(figure: Figure) -> str:
    """The figure as one element of a page."""
    return svg_of(figure)


def _colours(count: int) -> list[str]:
    if count <= COLOURS:
        return [f"C{number}" for number in range(count)]
    return [to_hex(mpl.colormaps["turbo"](0.05 + 0.9 * n / (count - 1))) for n in range(count)]


def _draw_errors(
    axes: Axes, results: Sequence[Compared], colours: Sequence[str], measure: Measure
) -> None:
    scale, unit = 1.0, ""
    if measure.is_error:
        scale, unit = 100.0, " (%)"

    def shown(key: str, record: Record) -> float:
        return scale * measure.value(record, key)

    handles = []
    for result, colour in zip(results, colours, strict=True):
        for key, width in ((measure.train, THIN), (measure.curve, BOLD)):
            band = result.band(partial(shown, key))
            marker = "o" if len(band.epochs) == 1 else ""
            axes.plot(
                band.epochs,
                band.mean,
                color=colour,
                linewidth=width,
                marker=marker,
                markersize=3 * width,
            )
            if len(result.histories) > 1 and width == BOLD:
                axes.fill_between(band.epochs, band.low, band.high, color=colour, alpha=0.15)
        handles.append(Line2D([], [], color=colour, linewidth=BOLD, label=_named(result)))
    bold = "validation" if measure.curve.startswith("val_") else "test"
    handles += [
        Line2D([], [], color="0.4", linewidth=THIN, label=f"thin: training {measure.name}"),
        Line2D([], [], color="0.4", linewidth=BOLD, label=f"bold: {bold} {measure.name}"),
    ]
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{measure.name}{unit}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    least, most = axes.get_xlim()
    if most - least < 1:  # one epoch has whole numbers on both sides
        middle = round((least + most) / 2)
        axes.set_xlim(middle - 1, middle + 1)
    if measure.is_error:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(handles=handles, fontsize="small")


def _named(result: Compared) -> str:
    """The name of a variant in the legend; a first `_` or a `$` would have a meaning there."""
    count = len(result.histories)
    seeds = f" ({count} seeds)" if count > 1 else ""
    return (result.variant.label + seeds).replace("$", r"\$")


def _draw_norms(
    axes: Axes,
    results: Sequence[Compared],
    colours: Sequence[str],
    norms: Sequence[dict[str, float]],
) -> None:
    for result, colour, own in zip(results, colours, norms, strict=True):
        numbers = list(range(1, len(own) + 1))
        axes.plot(numbers, list(own.values()), "o-", color=colour, label=_named(result))
    axes.set_yscale("log")
    axes.set_xlabel("layer, from the input")
    axes.set_ylabel(NORMS)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
