"""What a user names as inputs of a model: pictures, folders and patterns of them, `.npy` and `.npz` arrays."""

from __future__ import annotations

import glob
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netdsl.diagnostics import fail
from netdsl.runtime.images import as_batch, load_input
from netdsl.runtime.session import DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.runtime.session import Session

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm")
WILD = set("*?[")


class Item(NamedTuple):
    """One input as the user named it, with an array of one or more samples for each input of the model."""

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


def expand(name: str) -> list[Path]:
    """The files that an argument names; raises `CompileError` where there are none."""
    path = Path(name)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        if not found:
            fail("no-inputs", f"the folder {path} has no pictures", f"{', '.join(SUFFIXES)} are looked for")
        return found
    if not path.exists() and set(name) & WILD:
        found = sorted(Path(p) for p in glob.glob(name, recursive=True) if Path(p).is_file())
        if not found:
            fail("no-inputs", f"no file is called as {name}")
        return found
    return [path]


def load_item(path: Path, session: Session) -> Item:
    """The arrays of a file; raises `CompileError`."""
    if path.suffix.lower() == ".npz" and path.is_file():
        return Item(path, _archive(path, session))
    if len(session.inputs) != 1:
        listed = ", ".join(f"{v.name}: {v}" for v in session.inputs)
        fail("several-inputs", f"{session.name} takes {len(session.inputs)} inputs ({listed}), {path} is one", "write them to a .npz file under these names: numpy.savez")
    return Item(path, {session.inputs[0].name: load_input(path, session)})


def _archive(path: Path, session: Session) -> dict[str, Any]:
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError) as error:
        fail("bad-array", f"{path} is not a .npz file of numbers: {str(error).strip() or type(error).__name__}", "write it with numpy.savez")
    if len(session.inputs) == 1 and len(arrays) == 1:
        arrays = {session.inputs[0].name: next(iter(arrays.values()))}
    missing = [v.name for v in session.inputs if v.name not in arrays]
    if missing:
        fail("bad-array", f"{path} has no array `{missing[0]}`, it has {', '.join(arrays) or 'none'}", "write each input under its name: numpy.savez")
    unfit = next((v for v in session.inputs if v.dtype not in DTYPES.values()), None)
    if unfit is not None:
        fail("wrong-dtype", f"{session.name} takes {unfit}, which no array can give")
    feeds = {v.name: as_batch(arrays[v.name], v, path) for v in session.inputs}
    if len({len(a) for a in feeds.values()}) > 1:
        counts = ", ".join(f"{name} {len(a)}" for name, a in feeds.items())
        fail("wrong-shape", f"the arrays of {path} have different numbers of samples: {counts}")
    return feeds


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Neighbours of the same sizes together, up to `size` samples; an item is never cut, and may be larger."""
    waiting: list[Item] = []
    for item in items:
        if waiting and (waiting[0].sizes != item.sizes or sum(w.samples for w in waiting) + item.samples > size):
            yield waiting
            waiting = []
        waiting.append(item)
    if waiting:
        yield waiting


def run_batch(session: Session, items: list[Item], size: int) -> list[list[Any]]:
    """The outputs of each item. A model for a fixed number of samples gets that many, the last ones again where there are fewer."""
    fixed = session.inputs[0].shape[0] if session.inputs[0].shape else size
    step = fixed if isinstance(fixed, int) and fixed > 0 else size
    feeds = session.joined([i.feeds for i in items])
    count = sum(i.samples for i in items)
    parts = []
    for start in range(0, count, step):
        piece = {name: a[start : start + step] for name, a in feeds.items()}
        short = step - min(step, count - start) if step == fixed else 0
        padded = {name: np.concatenate([a, np.repeat(a[-1:], short, axis=0)]) for name, a in piece.items()} if short else piece
        parts.append([np.atleast_1d(o)[: step - short] for o in session.run(padded)])
    outputs = [np.concatenate(column) for column in zip(*parts, strict=True)]
    ends = np.cumsum([i.samples for i in items])[:-1]
    return [list(row) for row in zip(*(np.split(o, ends) for o in outputs), strict=True)]
