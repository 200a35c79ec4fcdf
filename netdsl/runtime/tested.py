"""Opens a `.onnx` model to test it on a data set, normalised as the model's metadata say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.backends.onnx.manifest import verify_if_any
from netdsl.data.metrics import Accuracy
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text
from netdsl.runtime.session import open_session
from netdsl.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.data.dataset import Dataset
    from netdsl.runtime.session import Session

MODEL_METRICS = (Accuracy(top=1),)


def opened_for_test(path: Path, device: str) -> Session:
    """The model, which must match its manifest if it has one; raises `NetdslError`."""
    verify_if_any(path)
    return open_session(path, device)


def same_data(session: Session, dataset: Dataset) -> Dataset:
    """A data set with the normalisation that the model records.

    Raises `NetdslError` `data-mismatch` if the data have no classes, others than the model, or
    another number of inputs.
    """
    classes = dataset.target.classes
    recorded = session.listed("netdsl.classes")
    help_ = "use data with the same classes in the same order"
    if not classes:
        message = f"{dataset.name} has no classes; the accuracy of a model is about classes"
        raise NetdslError("data-mismatch", message)
    if recorded is not None and tuple(recorded) != classes:
        message = (
            f"{session.name} has {counted(len(recorded), 'class')}, which are not the"
            f" {counted(len(classes), 'class')} of {dataset.name}"
        )
        raise NetdslError("data-mismatch", message, help=help_)
    if len(session.inputs) != len(dataset.inputs):
        message = (
            f"{session.name} takes {counted(len(session.inputs), 'input')}, but {dataset.name} has"
            f" {len(dataset.inputs)}"
        )
        raise NetdslError("data-mismatch", message)
    if len(session.inputs) == 1:
        _check_sizes(session, dataset)
    if len(dataset.constants) != 1:
        return dataset
    channels = len(dataset.mean)
    mean, std = (session.numbers(f"netdsl.{key}", channels) for key in ("mean", "std"))
    if mean is None or std is None:
        return dataset
    return dataset.normalised_by(tuple(mean.ravel().tolist()), tuple(std.ravel().tolist()))


def _check_sizes(session: Session, dataset: Dataset) -> None:
    """Raise `NetdslError` unless the one input of a model has the sizes of the data."""
    takes = session.inputs[0].shape[1:]
    has = next(iter(dataset.train.inputs.values())).shape
    pairs = zip(takes, has, strict=False)
    if len(takes) == len(has) and all(a == b or not isinstance(a, int) for a, b in pairs):
        return
    message = f"the samples of {dataset.name} are {shape_text(has)}, but {session.name} takes"
    sizes = "x".join(str(size) if isinstance(size, int) else "?" for size in takes)
    raise NetdslError(
        "data-mismatch", f"{message} {sizes}", help="test it on the data of its training"
    )
