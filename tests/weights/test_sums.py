"""Damage to the files that netdsl writes is found, wherever it is."""

from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from netdsl.weights.sums import DamagedError, check_sums
from netdsl.weights.write import write_tensors

TENSORS = {
    "conv.weight": torch.linspace(-1, 1, 24).reshape(2, 3, 2, 2),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "steps": torch.tensor(7),
    "none": torch.zeros(0),
}


def test_a_file_as_it_was_written_passes(tmp_path: Path) -> None:
    """The tensors are unchanged, and the file is the same each time it is written."""
    path, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for target in (path, again):
        write_tensors(target, TENSORS, {"net": "N", "state": '{"a": 1}'})
        check_sums(target, required=True)
    loaded = load_file(path)
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in TENSORS.items())
    assert path.read_bytes() == again.read_bytes()


def test_the_files_of_other_programs_have_no_sums(tmp_path: Path) -> None:
    """They pass where sums are not required."""
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path, {"format": "pt"})
    check_sums(path)
    with pytest.raises(DamagedError, match="its header"):
        check_sums(path, required=True)


def test_every_single_bit_is_protected(tmp_path: Path) -> None:
    """A file is refused, by the library or for its sums, whichever of its bits is flipped."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {"net": "N", "state": '{"a": 1}'})
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert _is_refused(path), f"bit {bit % 8} of byte {bit // 8}"


def _is_refused(path: Path) -> bool:
    try:
        with safe_open(path, "pt"):
            check_sums(path)
    except (SafetensorError, DamagedError, ValueError, KeyError):
        return True
    return False
