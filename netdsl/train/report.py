"""Reports of a run: a line for each epoch, a log, and curves."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netdsl.data.metrics import metric_text
from netdsl.files import replacing
from netdsl.train.checkpoint import Record


def epoch_line(record: Record, epochs: int, metrics: Sequence[str]) -> str:
    """One line, such as `epoch 3/10 train loss 0.4120 test loss 0.3980 accuracy 85.70 % ...`."""
    width = len(str(epochs))
    parts = [
        f"epoch {int(record['epoch']):{width}}/{epochs}",
        f"train loss {record['train_loss']:.4f}",
        f"test loss {record['test_loss']:.4f}",
        *(metric_text(name, record[name]) for name in metrics),
        f"{record['seconds']:.1f} s",
        f"{record['images_per_second']:,.0f} images/s",
    ]
    return "  ".join(parts)


def write_log(path: Path, history: Sequence[Record]) -> None:
    """Write one line with a JSON object for each epoch."""
    with replacing(path) as temporary:
        temporary.write_text(
            "".join(json.dumps(record) + "\n" for record in history), encoding="utf-8"
        )


def write_confusion(path: Path, counts: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Write a CSV with a row for each true class, and a column for each predicted one."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["class", *classes])
        table.writerows([name, *row] for name, row in zip(classes, counts, strict=True))


def write_curves(path: Path, history: Sequence[Record], metrics: Sequence[str], title: str) -> None:
    """Draw the losses and, beside them, the metrics over the epochs, as a PNG."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    losses = {"train_loss": "training", "test_loss": "test"}
    _draw(left, history, losses, 1)
    left.set_ylabel("loss")
    accuracies = {name: f"{name.replace('_', ' ')}, test" for name in metrics}
    _draw(right, history, accuracies, 100)
    right.set_ylabel("accuracy (%)")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw(axes: Axes, history: Sequence[Record], labels: dict[str, str], scale: float) -> None:
    """Plot the values of each name in `labels` times `scale`, under its label."""
    epochs = [record["epoch"] for record in history]
    for name, label in labels.items():
        values = [record.get(name, float("nan")) * scale for record in history]
        axes.plot(epochs, values, marker="o", markersize=4, label=label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if labels:
        axes.legend()
