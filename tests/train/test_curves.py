"""The curves of a run, and what the keys of its records mean."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdsl.train.curves import draw_curves, panels_of, svg_of, write_png
from netdsl.train.records import Best, Record, best_of, shown, words


def history(**more: list[float]) -> list[Record]:
    """Five epochs; the third is the best on the test data."""
    columns = {
        "epoch": [1.0, 2.0, 3.0, 4.0, 5.0],
        "train_loss": [1.0, 0.5, 0.3, 0.2, 0.1],
        "train_accuracy": [0.5, 0.7, 0.8, 0.9, 0.95],
        "test_loss": [1.1, 0.6, 0.5, 0.6, 0.7],
        "accuracy": [0.4, 0.6, 0.75, 0.72, 0.7],
        "lr": [0.1, 0.1, 0.1, 0.01, 0.01],
        "seconds": [1.0] * 5,
        "images_per_second": [10.0] * 5,
        **more,
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_panels_have_each_quantity_of_each_split() -> None:
    """Losses, shares, each other metric, and the learning rate; times are not drawn."""
    records = history(val_loss=[1.0] * 5, val_accuracy=[0.5] * 5, top5_accuracy=[0.9] * 5)
    panels = panels_of(records, ["accuracy", "top5_accuracy"])
    assert [(panel.label, panel.keys) for panel in panels] == [
        ("loss", ("train_loss", "test_loss", "val_loss")),
        ("accuracy (%)", ("train_accuracy", "accuracy", "val_accuracy", "top5_accuracy")),
        ("learning rate", ("lr",)),
    ]
    panels = panels_of(history(mse=[1.0] * 5), ["mse"])
    assert [panel.label for panel in panels] == ["loss", "accuracy (%)", "mse", "learning rate"]


def test_norms_of_gradients_are_drawn_by_layer() -> None:
    """A panel with a logarithmic axis has a curve for each layer; many are named by their ends."""
    norms = {f"gradient_norm.conv{n}": [10.0**-n] * 5 for n in range(12)}
    figure = draw_curves(history(**norms), ["accuracy"], "Tiny")
    panel = next(axes for axes in figure.axes if axes.get_yscale() == "log")
    assert panel.get_ylabel() == "gradient norm, by layer"
    assert len({line.get_color() for line in panel.lines[:12]}) == 12
    legend = panel.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["conv0", "conv11"]


def test_curves_have_the_numbers_and_mark_the_best_epoch() -> None:
    """The lines have the values of the records; the star is at the best one, named in the key."""
    figure = draw_curves(history(), ["accuracy"], "Tiny on $data$")
    loss, accuracy, rate = figure.axes
    assert [line.get_label() for line in loss.lines[:2]] == ["training", "test"]
    assert np.asarray(loss.lines[1].get_ydata()).tolist() == [1.1, 0.6, 0.5, 0.6, 0.7]
    star = accuracy.lines[-1]
    assert (star.get_marker(), star.get_label()) == ("*", "best: epoch 3, 75.00 %")
    assert np.asarray(star.get_data()).tolist() == [[3], [75]]
    assert [np.asarray(a.lines[-1].get_xdata()).tolist() for a in (loss, rate)] == [[3, 3]] * 2
    assert np.asarray(rate.lines[0].get_ydata()).tolist() == [0.1, 0.1, 0.1, 0.01, 0.01]


def test_an_epoch_without_a_number_is_a_gap(tmp_path: Path) -> None:
    """A key that only later records have, and a number that is not finite, can be drawn."""
    records = history()
    records[-1]["val_accuracy"] = 0.6
    records[0]["test_loss"] = float("inf")
    figure = draw_curves(records, ["accuracy"], "")
    write_png(figure, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.size == (1800, 480)


def test_the_drawing_for_the_page_refers_to_nothing_outside() -> None:
    """It is one element with text as text, the same for the same numbers."""
    svg = svg_of(draw_curves(history(), ["accuracy"], "A <net> & $more$"))
    assert svg.startswith("<svg") and svg.rstrip().endswith("</svg>")
    assert "best: epoch 3, 75.00 %" in svg and "A &lt;net&gt; &amp; $more$" in svg
    assert not re.findall(r'(?:href|src)="[^#]|url\([^#]|<script|@import', svg)
    addresses = re.findall(r'"https?://[^"]*"', svg)
    assert set(addresses) == {'"http://www.w3.org/2000/svg"', '"http://www.w3.org/1999/xlink"'}
    assert svg == svg_of(draw_curves(history(), ["accuracy"], "A <net> & $more$"))


@pytest.mark.parametrize(
    ("more", "metrics", "best"),
    [
        ({}, ["accuracy"], Best("accuracy", 0.75, 3)),
        ({"val_accuracy": [0.1, 0.5, 0.5, 0.4, 0.3]}, ["accuracy"], Best("val_accuracy", 0.5, 2)),
        ({"val_loss": [5, 4, 3, 2, 3]}, [], Best("val_loss", 2, 4)),
        ({}, [], Best("test_loss", 0.5, 3)),
        ({"mae": [3, 2, float("nan"), 1, 2]}, ["mae"], Best("mae", 1, 4)),
    ],
)
def test_best_epoch(more: dict[str, list[float]], metrics: list[str], best: Best) -> None:
    """It is that of the first metric, higher or lower as the metric is, on the validation data if
    there are any; the first of several equal ones.
    """
    assert best_of(history(**more), metrics) == best


def test_no_best_epoch() -> None:
    """Without epochs, or without a finite number, there is none."""
    assert best_of([], ["accuracy"]) is None
    assert best_of([{"epoch": 1, "accuracy": float("nan")}], ["accuracy"]) is None


def test_keys_in_words() -> None:
    """Keys and values are shown to people in their own form."""
    assert [words(key) for key in ("lr", "val_loss", "top5_accuracy")] == [
        *("learning rate", "validation loss", "top5 accuracy")
    ]
    assert (shown("val_accuracy", 0.857), shown("train_loss", 0.41204)) == ("85.70 %", "0.4120")
