"""The notebooks in `examples/` run, each in a new kernel and an empty folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

nbformat: Any = pytest.importorskip("nbformat", reason="needs the extra `dev`")
nbclient: Any = pytest.importorskip("nbclient", reason="needs the extra `dev`")
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def executed(path: Path, folder: Path) -> list[Any]:
    """The code cells of a notebook after a run; raises the first error that has no tag."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: Any) -> str:
    """What a cell shows, as plain text."""
    shown = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown.append(output.text)
        elif output.output_type == "error":
            shown.append("\n".join(output.traceback))
        else:
            shown.append(output.data.get("text/plain", ""))
    return "\n".join(shown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, tmp_path: Path) -> None:
    """Every cell runs and prints nothing to standard error; those with the tag show an error."""
    cells = executed(path, tmp_path)
    for cell in cells:
        streams = [o.name for o in cell.outputs if o.output_type == "stream"]
        assert "stderr" not in streams, text_of(cell)
        fails = any(output.output_type == "error" for output in cell.outputs)
        assert fails == ("raises-exception" in cell.metadata.get("tags", ())), text_of(cell)
    shown = "\n".join(map(text_of, cells))
    assert not re.search(r"Traceback|nan", shown)
    assert shown.count("\n") > 10


def test_there_are_notebooks() -> None:
    """The notebooks are stored without outputs, so that they do not change when they are run."""
    assert [path.stem for path in NOTEBOOKS] == ["lenet", "sizes"]
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells)
        assert len(cells) > 8
