"""Finds and reads the inputs that a user names, and runs a model on them in batches.

Inputs are pictures, folders and patterns of pictures, and `.npy` and `.npz` arrays.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from netdsl.arrays import open_archive
from netdsl.errors import NetdslError
from netdsl.pictures import SUFFIXES
from netdsl.runtime.images import as_batch, load_input
from netdsl.runtime.session import DTYPES
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from netdsl.arrays import StoredArray
    from netdsl.runtime.session import Session

WILD = set("*?[")
UNNAMED = "arr_0"  # the name that `numpy.savez` gives to an array without one
SHOWN = 6  # the most names in a message


class Item(NamedTuple):
    """A file that the user named, with an array of one or more samples for each input."""

    path: Path
    feeds: dict[str, np.ndarray]

    @property
    def samples(self) -> int:
        """The number of samples."""
        return max(len(array) for array in self.feeds.values())

    @property
    def sizes(self) -> list[tuple[str, tuple[int, ...], np.dtype]]:
        """The name, the shape of a sample and the type of each array.

        Items with equal `sizes` can share a batch.
        """
        return [(name, array.shape[1:], array.dtype) for name, array in self.feeds.items()]


class Found(NamedTuple):
    """The files that an argument names, and the numbers of others and of folders left out."""

    paths: list[Path]
    others: int = 0
    folders: int = 0


def expand(name: str, *, recursive: bool = False) -> Found:
    """The files that an argument names: a folder, a pattern or a file.

    The pictures in the subfolders of a folder are included if `recursive`. Raises `NetdslError`
    with the code `no-inputs` if a folder or pattern has none, and `cannot-read` for a folder.
    """
    path = Path(name)
    if os.path.isdir(path):
        return _pictures_of(path, recursive=recursive)
    if not os.path.exists(path) and set(name) & WILD:
        paths = sorted(Path(p) for p in glob.glob(name, recursive=True) if Path(p).is_file())
        if not paths:
            raise NetdslError("no-inputs", f"no file matches {name}")
        return Found(paths)
    return Found([path])


def _pictures_of(folder: Path, *, recursive: bool) -> Found:
    files: list[Path] = []
    skipped = 0
    for inside, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [f for f in folders if not f.startswith(".")]  # `walk` visits only these
        files += [Path(inside, n) for n in names if not n.startswith(".")]
        if not recursive:
            skipped = len(folders)
            folders.clear()
    files = sorted(p for p in files if p.is_file())
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not pictures:
        help_ = f"pictures end in {', '.join(SUFFIXES)}"
        if skipped:
            help_ = f"-r also runs the pictures in its {counted(skipped, 'subfolder')}"
        raise NetdslError("no-inputs", f"the folder {folder} has no pictures", help=help_)
    return Found(pictures, len(files) - len(pictures), skipped)


def _raise(error: OSError) -> NoReturn:
    raise NetdslError("cannot-read", f"{error.filename}: {error.strerror}")


def load_item(path: Path, session: Session) -> Item:
    """A file as an item for the inputs of a model; raises `NetdslError`."""
    if path.suffix.lower() == ".npz" and os.path.isfile(path):
        return Item(path, _archive(path, session))
    if len(session.inputs) != 1:
        listed = ", ".join(f"{v.name}: {v}" for v in session.inputs)
        raise NetdslError(
            "several-inputs",
            f"{session.name} takes {len(session.inputs)} inputs ({listed}), but {path} is one",
            help="write them to a .npz file under these names, with numpy.savez",
        )
    return Item(path, {session.inputs[0].name: load_input(path, session)})


def _archive(path: Path, session: Session) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, which must have one for each input and no others."""
    arrays = _by_input(open_archive(path), path, session)
    unfit = next((v for v in session.inputs if v.dtype not in DTYPES.values()), None)
    if unfit is not None:
        raise NetdslError("wrong-dtype", f"{session.name} takes {unfit}, a type that no array has")
    _check_counts(arrays, path, session)
    return {v.name: as_batch(arrays[v.name], v, arrays[v.name].place) for v in session.inputs}


def _by_input(
    arrays: dict[str, StoredArray], path: Path, session: Session
) -> dict[str, StoredArray]:
    """The arrays by the names of the inputs; a single array without a name fits a single input."""
    wanted = [v.name for v in session.inputs]
    if len(wanted) == 1 and list(arrays) == [UNNAMED]:
        return {wanted[0]: arrays[UNNAMED]}
    if set(arrays) != set(wanted):
        raise NetdslError(
            "bad-array",
            f"{path} has {_listed(arrays)}, but {session.name} takes {_listed(wanted)}",
            help="write each input under its name, and no other arrays, with numpy.savez",
        )
    return arrays


def _listed(names: Collection[str]) -> str:
    if not names:
        return "no arrays"
    shown = ", ".join(f"`{name}`" for name in list(names)[:SHOWN])
    if len(names) > SHOWN:
        return f"{shown} and {len(names) - SHOWN} more"
    return shown


def _check_counts(arrays: dict[str, StoredArray], path: Path, session: Session) -> None:
    """Refuse arrays with different numbers of samples, before any is read."""
    counts = {}
    for target in session.inputs:
        shape = arrays[target.name].shape
        is_batch = len(shape) == len(target.shape) > 0
        counts[target.name] = shape[0] if is_batch else 1
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise NetdslError(
            "wrong-shape", f"the arrays of {path} have different numbers of samples: {listed}"
        )


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Group neighbouring items of the same sizes into batches of up to `size` samples.

    An item is never divided, so a batch of one item can be larger.
    """
    batch: list[Item] = []
    for item in items:
        if batch and not _fits(item, batch, size):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _fits(item: Item, batch: list[Item], size: int) -> bool:
    samples = sum(other.samples for other in batch) + item.samples
    return batch[0].sizes == item.sizes and samples <= size


def run_batch(session: Session, items: list[Item], size: int) -> list[list[np.ndarray]]:
    """The outputs of each item.

    A model for a fixed number of samples gets that many: if there are fewer, the last sample is
    repeated. The outputs of several items can be separated only if they have a row for each sample.
    Otherwise, each item runs by itself.
    """
    rows = _has_rows(session)
    if len(items) > 1 and not rows:
        return _one_by_one(session, items, size)
    feeds = session.joined([item.feeds for item in items])
    counts = [item.samples for item in items]
    fixed = _fixed_batch(session)
    outputs = None
    if rows is not False:
        outputs = _in_pieces(session, feeds, sum(counts), fixed or size, fixed)
    if outputs is None and len(items) > 1:
        return _one_by_one(session, items, size)
    if outputs is None:
        return [_without_rows(session, feeds, counts[0], fixed)]
    ends = np.cumsum(counts)[:-1]
    return [list(row) for row in zip(*(np.split(o, ends) for o in outputs), strict=True)]


def _one_by_one(session: Session, items: list[Item], size: int) -> list[list[np.ndarray]]:
    return [run_batch(session, [item], size)[0] for item in items]


def _fixed_batch(session: Session) -> int | None:
    """The number of samples that the model takes, or None if it takes any number."""
    for target in session.inputs:
        if target.shape and isinstance(target.shape[0], int) and target.shape[0] > 0:
            return target.shape[0]
    return None


def _has_rows(session: Session) -> bool | None:
    """Whether the outputs have a row for each sample, or None if the model leaves that open.

    The first size of an output, a name or a number, is compared with those of the inputs.
    """
    rows = {v.shape[0] if v.shape else "" for v in session.inputs}
    if "" not in rows and all(v.shape and v.shape[0] in rows for v in session.outputs):
        return True
    for output in session.outputs:
        if output.shape and isinstance(output.shape[0], int) and output.shape[0] not in rows:
            return False
    return None


def _in_pieces(
    session: Session, feeds: dict[str, np.ndarray], count: int, step: int, fixed: int | None
) -> list[np.ndarray] | None:
    """The outputs for all `count` samples, which run `step` at a time.

    None if an output does not have a row for each sample.
    """
    parts = []
    for start in range(0, count, step):
        piece = {name: array[start : start + step] for name, array in feeds.items()}
        present = min(step, count - start)
        missing = step - present if fixed else 0
        if missing:
            piece = {name: _filled_up(session, array, missing) for name, array in piece.items()}
        outputs = session.run(piece)
        if any(output.ndim == 0 or len(output) != present + missing for output in outputs):
            return None
        parts.append([output[:present] for output in outputs])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _filled_up(session: Session, array: np.ndarray, missing: int) -> np.ndarray:
    """The array with its last sample repeated `missing` times; raises `NetdslError`."""
    try:
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
    except (ValueError, MemoryError):  # too large for an address, or for the memory
        samples = counted(len(array) + missing, "sample")
        message = f"{session.name} takes {samples} at once, which do not fit into memory"
        raise NetdslError("out-of-memory", message, help="export it for a smaller batch") from None


def _without_rows(
    session: Session, feeds: dict[str, np.ndarray], count: int, fixed: int | None
) -> list[np.ndarray]:
    """The outputs of one item, as the model gives them for all `count` samples at once.

    A model for one sample runs once per sample, and its outputs are put together.
    """
    if fixed == 1:
        runs = [
            session.run({name: array[i : i + 1] for name, array in feeds.items()})
            for i in range(count)
        ]
        if count == 1:
            return runs[0]
        return [_stacked(column) for column in zip(*runs, strict=True)]
    if fixed not in (None, count):
        raise NetdslError(
            "wrong-shape",
            f"{session.name} takes {fixed} samples at once, not {count}, and its outputs do not"
            " have a row for each",
            help=f"give it {fixed} samples",
        )
    return session.run(feeds)


def _stacked(rows: tuple[np.ndarray, ...]) -> np.ndarray:
    """The outputs of the samples as one array, with a row for each sample."""
    if len({row.shape for row in rows}) > 1:
        raise NetdslError(
            "wrong-shape",
            "the outputs of the samples have different sizes",
            help="put each sample into a file of its own",
        )
    if rows[0].ndim and len(rows[0]) == 1:
        return np.concatenate(rows)
    return np.stack(rows)
