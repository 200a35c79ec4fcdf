"""The curves of a run: losses, metrics and learning rate over the epochs."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netdsl.files import replacing
from netdsl.train.records import (
    NORM,
    best_of,
    is_share,
    keys_of,
    quantity_of,
    shown,
    split_of,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from netdsl.train.records import Best, Record

WIDTH, HEIGHT = 5.0, 4.0  # inches of a panel
COLOURS = {"training": "C0", "validation": "C1", "test": "C2", "": "C7"}
STYLES = ("-", "--", ":", "-.")  # of the quantities in a panel
MARKED = 40  # epochs that still have a marker each
NORMS = "gradient norm, by layer"
MOST_LAYERS = 8  # in the legend


class Panel(NamedTuple):
    """A coordinate system: the label of its vertical axis, and the keys of its curves."""

    label: str
    keys: tuple[str, ...]
    scale: float = 1.0


def draw_curves(history: Sequence[Record], metrics: Sequence[str], title: str) -> Figure:
    """The figure; `history` has at least one record, and `metrics` are the keys of the metrics."""
    panels = panels_of(history, metrics)
    figure = Figure(figsize=(WIDTH * len(panels), HEIGHT), layout="constrained")
    figure.suptitle(title.replace("$", r"\$"))
    best = best_of(history, metrics)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, history, panel, best)
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)
    figure.set_layout_engine("none")  # it would lay out the figure again for each file
    return figure


def write_png(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG file; raises OSError."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def svg_of(figure: Figure) -> str:
    """The figure as one `<svg>` element, which refers to nothing outside."""
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "netdsl"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    return re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)


def panels_of(history: Sequence[Record], metrics: Sequence[str]) -> list[Panel]:
    """The losses, the shares, each other metric, the norms of the gradients, the learning rate."""
    known = keys_of(history)

    def keys(*quantities: str) -> tuple[str, ...]:
        return tuple(key for key in known if quantity_of(key) in quantities)

    shares = [name for name in ("accuracy", *metrics) if is_share(name)]
    others = [name for name in metrics if not is_share(name)]
    label = "metrics (%)"
    if all("accuracy" in name for name in shares):
        label = "accuracy (%)"
    panels = [
        Panel("loss", keys("loss")),
        Panel(label, keys(*shares), 100),
        *(Panel(name, keys(name)) for name in others),
        Panel(NORMS, tuple(key for key in known if key.startswith(NORM))),
        Panel("learning rate", keys("lr")),
    ]
    return [panel for panel in panels if panel.keys]


def _draw(axes: Axes, history: Sequence[Record], panel: Panel, best: Best | None) -> None:
    epochs = [record["epoch"] for record in history]
    quantities = list(dict.fromkeys(map(quantity_of, panel.keys)))
    marker = ""
    if len(epochs) <= MARKED:
        marker = "o"
    for number, key in enumerate(panel.keys):
        values = [record.get(key, float("nan")) * panel.scale for record in history]
        style = STYLES[quantities.index(quantity_of(key)) % len(STYLES)]
        colour, label = COLOURS[split_of(key)], _label(key, quantities)
        if panel.label == NORMS:
            style, colour = "-", to_hex(mpl.colormaps["viridis"](number / len(panel.keys)))
            label = _layer(key, number, len(panel.keys))
        axes.plot(
            epochs,
            values,
            linestyle=style,
            color=colour,
            marker=marker,
            markersize=4,
            label=label,
        )
    if panel.label == NORMS:
        axes.set_yscale("log")
    if best is not None:
        _mark(axes, panel, best)
    axes.set_xlabel("epoch")
    axes.set_ylabel(panel.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if panel.keys != ("lr",):
        axes.legend()


def _label(key: str, quantities: Sequence[str]) -> str:
    """The data of a curve, and the quantity if the panel has several."""
    if len(quantities) == 1:
        return split_of(key)
    return f"{words(quantity_of(key))}, {split_of(key)}"


def _layer(key: str, number: int, count: int) -> str:
    """The layer of a norm; of many layers, the legend has only the first and the last."""
    if count > MOST_LAYERS and number not in (0, count - 1):
        return "_"  # matplotlib's legend leaves it out
    return key.removeprefix(NORM)


def _mark(axes: Axes, panel: Panel, best: Best) -> None:
    """Mark the best epoch by a line, and its number by a star."""
    axes.axvline(best.epoch, color="C3", linewidth=1, alpha=0.5)
    if best.key in panel.keys:
        label = f"best: epoch {best.epoch}, {shown(best.key, best.value)}"
        value = best.value * panel.scale
        axes.plot(best.epoch, value, "*", color="C3", markersize=12, label=label)
