"""What a user names as inputs of a model: pictures, folders and patterns of them, `.npy` and `.npz`
arrays.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netdsl.arrays import open_archive
from netdsl.errors import NetdslError
from netdsl.runtime.images import as_batch, load_input
from netdsl.runtime.session import DTYPES
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from netdsl.arrays import StoredArray
    from netdsl.runtime.session import Session

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
WILD = set("*?[")
UNNAMED = "arr_0"  # what `numpy.savez` calls an array that has no name
SHOWN = 6  # names in a message


class Item(NamedTuple):
    """One input as the user named it, with an array of one or more samples for each input of the
    model.
    """

    path: Path
    feeds: dict[str, Any]

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return max(len(a) for a in self.feeds.values())

    @property
    def sizes(self) -> list[tuple[Any, ...]]:
        """What must be equal for samples to stand in one batch."""
        return [(name, a.shape[1:], a.dtype) for name, a in self.feeds.items()]


class Found(NamedTuple):
    """The files that an argument names, and how many others stand in the folder."""

    paths: list[Path]
    others: int = 0


def expand(name: str) -> Found:
    """The files that an argument names; raises `NetdslError` where there are none."""
    path = Path(name)
    if os.path.isdir(path):
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        found = [p for p in files if p.suffix.lower() in SUFFIXES]
        if not found:
            raise NetdslError(
                "no-inputs",
                f"the folder {path} has no pictures",
                help=f"{', '.join(SUFFIXES)} are looked for",
            )
        return Found(found, len(files) - len(found))
    if not os.path.exists(path) and set(name) & WILD:
        found = sorted(Path(p) for p in glob.glob(name, recursive=True) if Path(p).is_file())
        if not found:
            raise NetdslError("no-inputs", f"no file is called as {name}")
        return Found(found)
    return Found([path])


def load_item(path: Path, session: Session) -> Item:
    """The arrays of a file; raises `NetdslError`."""
    if path.suffix.lower() == ".npz" and os.path.isfile(path):
        return Item(path, _archive(path, session))
    if len(session.inputs) != 1:
        listed = ", ".join(f"{v.name}: {v}" for v in session.inputs)
        raise NetdslError(
            "several-inputs",
            f"{session.name} takes {len(session.inputs)} inputs ({listed}), {path} is one",
            help="write them to a .npz file under these names: numpy.savez",
        )
    return Item(path, {session.inputs[0].name: load_input(path, session)})


def _archive(path: Path, session: Session) -> dict[str, Any]:
    """The arrays of a `.npz` file for the inputs of these names, and no others."""
    arrays = _by_input(open_archive(path), path, session)
    unfit = next((v for v in session.inputs if v.dtype not in DTYPES.values()), None)
    if unfit is not None:
        raise NetdslError("wrong-dtype", f"{session.name} takes {unfit}, which no array can give")
    _check_counts(arrays, path, session)
    return {v.name: as_batch(arrays[v.name], v, arrays[v.name].place) for v in session.inputs}


def _by_input(
    arrays: dict[str, StoredArray], path: Path, session: Session
) -> dict[str, StoredArray]:
    wanted = [v.name for v in session.inputs]
    if len(wanted) == 1 and list(arrays) == [UNNAMED]:
        return {wanted[0]: arrays[UNNAMED]}
    if set(arrays) != set(wanted):
        raise NetdslError(
            "bad-array",
            f"{path} has {_listed(arrays)}, {session.name} takes {_listed(wanted)}",
            help="write each input under its name, and nothing else: numpy.savez",
        )
    return arrays


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in list(names)[:SHOWN]) or "no arrays"
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _check_counts(arrays: dict[str, StoredArray], path: Path, session: Session) -> None:
    """Refuse inputs that have different numbers of samples, before any is read."""
    counts = {}
    for v in session.inputs:
        shape = arrays[v.name].shape
        counts[v.name] = shape[0] if len(shape) == len(v.shape) and shape else 1
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise NetdslError(
            "wrong-shape", f"the arrays of {path} have different numbers of samples: {listed}"
        )


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Neighbours of the same sizes together, up to `size` samples; an item is never cut, and may be
    larger.
    """
    waiting: list[Item] = []
    for item in items:
        if waiting and (
            waiting[0].sizes != item.sizes or sum(w.samples for w in waiting) + item.samples > size
        ):
            yield waiting
            waiting = []
        waiting.append(item)
    if waiting:
        yield waiting


def run_batch(session: Session, items: list[Item], size: int) -> list[list[Any]]:
    """The outputs of each item.

    A model for a fixed number of samples gets that many, the last ones again where there are fewer.

    Only outputs with a row for each sample can be told apart; of a model that has others, each item
    runs alone.
    """
    fixed = next(
        (
            v.shape[0]
            for v in session.inputs
            if v.shape and isinstance(v.shape[0], int) and v.shape[0] > 0
        ),
        None,
    )
    rows = _has_rows(session)
    if len(items) > 1 and not rows:
        return [run_batch(session, [item], size)[0] for item in items]
    feeds = session.joined([i.feeds for i in items])
    counts = [i.samples for i in items]
    outputs = (
        None if rows is False else _in_pieces(session, feeds, sum(counts), fixed or size, fixed)
    )
    if outputs is None and len(items) > 1:
        return [run_batch(session, [item], size)[0] for item in items]
    if outputs is None:
        return [_alone(session, feeds, counts[0], fixed)]
    ends = np.cumsum(counts)[:-1]
    return [list(row) for row in zip(*(np.split(o, ends) for o in outputs), strict=True)]


def _has_rows(session: Session) -> bool | None:
    """Whether the outputs have a row for each sample, as the model says by the name or number of
    their first size; None where it leaves that open.
    """
    first = {v.shape[0] if v.shape else "" for v in session.inputs}
    if "" not in first and all(v.shape and v.shape[0] in first for v in session.outputs):
        return True
    return (
        False
        if any(
            v.shape and isinstance(v.shape[0], int) and v.shape[0] not in first
            for v in session.outputs
        )
        else None
    )


def _in_pieces(
    session: Session, feeds: dict[str, Any], count: int, step: int, fixed: int | None
) -> list[Any] | None:
    """The outputs of all samples, `step` at once; None where one has not a row for each sample."""
    parts = []
    for start in range(0, count, step):
        piece = {name: a[start : start + step] for name, a in feeds.items()}
        there = min(step, count - start)
        short = step - there if fixed else 0
        if short:
            piece = {name: _filled_up(session, array, short) for name, array in piece.items()}
        outputs = session.run(piece)
        if any(o.ndim == 0 or len(o) != there + short for o in outputs):
            return None
        parts.append([o[:there] for o in outputs])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _filled_up(session: Session, array: Any, short: int) -> Any:
    """The array with its last sample repeated `short` times; raises `NetdslError`."""
    try:
        return np.concatenate([array, np.repeat(array[-1:], short, axis=0)])
    except (ValueError, MemoryError):  # more bytes than an address has, or than there are
        samples = f"{counted(len(array) + short, 'sample')}"
        message = f"{session.name} takes {samples} at once, which do not fit into memory"
        raise NetdslError("out-of-memory", message, help="export it for a smaller batch") from None


def _alone(session: Session, feeds: dict[str, Any], count: int, fixed: int | None) -> list[Any]:
    """The outputs of one item as the model gives them, for all its samples at once; a model for one
    sample gives a row for each.
    """
    if fixed == 1:
        runs = [
            session.run({name: a[i : i + 1] for name, a in feeds.items()}) for i in range(count)
        ]
        return runs[0] if count == 1 else [_stacked(column) for column in zip(*runs, strict=True)]
    if fixed not in (None, count):
        raise NetdslError(
            "wrong-shape",
            f"{session.name} takes {fixed} samples at once, not {count}, and its outputs have not a"
            " row for each",
            help=f"give it {fixed} samples",
        )
    return session.run(feeds)


def _stacked(rows: tuple[Any, ...]) -> Any:
    if len({r.shape for r in rows}) > 1:
        raise NetdslError(
            "wrong-shape",
            "the outputs of the samples have different sizes",
            help="give it one sample a file",
        )
    return np.concatenate(rows) if rows[0].ndim and len(rows[0]) == 1 else np.stack(rows)
