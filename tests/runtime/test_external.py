"""Models whose weights are in another file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from netdsl.errors import NetdslError
from netdsl.runtime.external import check_external
from netdsl.runtime.session import open_session
from tests.support.onnx_files import ones, write


@pytest.mark.parametrize(
    ("entries", "size", "code", "fact"),
    [
        ({}, 15, "corrupt-model", "m.bin has 15 bytes, `w` ends at byte 16"),
        ({"offset": "1"}, 16, "corrupt-model", "`w` ends at byte 17"),
        ({"offset": "99999999999"}, 16, "corrupt-model", "m.bin has 16 bytes"),
        ({"offset": "-5"}, 16, "corrupt-model", "the offset of `w` in"),
        ({"offset": "abc"}, 16, "corrupt-model", "is `abc`, not a number"),
        ({"length": "12"}, 16, "corrupt-model", "is 12 bytes, its numbers take 16"),
        ({"length": "9" * 30}, 16, "corrupt-model", "the length of `w`"),
        ({}, None, "file-not-found", "there is no file"),
    ],
)
def test_weights_in_another_file(
    tmp_path: Path, entries: dict[str, str], size: int | None, code: str, fact: str
) -> None:
    """If the file does not contain all of a tensor, the error names the file."""
    path = external(tmp_path, entries)
    if size is not None:
        (tmp_path / "m.bin").write_bytes(bytes(size))
    with pytest.raises(NetdslError) as caught:
        open_session(path)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == code
    assert fact in diagnostic.message
    assert "m.bin" in diagnostic.message
    assert "trust" not in str(diagnostic.help)


@pytest.mark.parametrize(
    "entries", [{}, {"offset": "4"}, {"length": "16"}, {"offset": "2", "length": "16"}]
)
def test_weights_that_are_complete_in_another_file(tmp_path: Path, entries: dict[str, str]) -> None:
    path = external(tmp_path, entries)
    (tmp_path / "m.bin").write_bytes(bytes(20))
    assert check_external(path) == [tmp_path / "m.bin"]
    open_session(path).run(ones(2))


def external(folder: Path, entries: dict[str, str]) -> Path:
    """A model with a weight of four floats in `m.bin`."""
    path = write(folder / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"], name="a")])
    model = onnx.load(path)
    tensor = model.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    for key, value in {"location": "m.bin", **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path
