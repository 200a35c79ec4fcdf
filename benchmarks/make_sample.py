"""Writes netdsl's sample of Fashion-MNIST, from the four IDX files of the full data set.

    python benchmarks/make_sample.py SOURCE DESTINATION

The sample has the first 1,000 training images and the first 200 test images of each class, in the
order of the files.
"""

import gzip
import struct
import sys
from pathlib import Path

import numpy as np

from netdsl.data.idx import find_idx, read_idx

PER_CLASS = {"train": 1000, "t10k": 200}


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as gzipped IDX. The same array always gives the same file."""
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


def main() -> None:
    """Read from the folder SOURCE and write to the folder DESTINATION."""
    source, destination = map(Path, sys.argv[1:3])
    for prefix, count in PER_CLASS.items():
        names = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
        images, labels = (
            read_idx(find_idx(source, name) or source / name, 3 - 2 * i)
            for i, name in enumerate(names)
        )
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in range(10)]))
        for name, array in zip(names, (images, labels), strict=True):
            write_idx(destination / f"{name}.gz", array[chosen])


if __name__ == "__main__":
    main()
