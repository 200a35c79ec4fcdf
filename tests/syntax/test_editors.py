"""The grammars of the editors, which are generated, and what the extension says of itself."""

from __future__ import annotations

import json
import re
import runpy

import pytest

from netdsl.library import library_names, open_source
from netdsl.lsp.tokens import MODIFIERS
from netdsl.ops import LAYERS
from netdsl.reference import FAMILIES
from netdsl.version import __version__
from tests.support.paths import ROOT

GENERATOR = ROOT / "grammars" / "editors.py"
EXTENSION = ROOT / "editors" / "vscode"


def test_grammars_are_current() -> None:
    """Each file of an editor is what the generator writes for the words and layers of now."""
    files = runpy.run_path(str(GENERATOR))["files"]()
    assert len(files) == 4
    for path, text in files.items():
        assert path.read_text() == text, "run `python grammars/editors.py`"


def test_every_layer_has_a_colour() -> None:
    """The extension has a colour for each family, and the server sends each as a modifier."""
    contributes = json.loads((EXTENSION / "package.json").read_text())["contributes"]
    assert [item["id"] for item in contributes["semanticTokenModifiers"]] == [*FAMILIES]
    assert set(FAMILIES) <= set(MODIFIERS)
    themes = contributes["configurationDefaults"]["editor.semanticTokenColorCustomizations"]
    for theme in themes.values():
        assert len(set(theme["rules"].values())) > 5
        assert {f"function.{family}:netdsl" for family in FAMILIES} == set(theme["rules"])


def test_version_of_the_extension() -> None:
    """The extension has the version of netdsl."""
    assert json.loads((EXTENSION / "package.json").read_text())["version"] == __version__


@pytest.mark.parametrize("editor", ["vim/syntax/netdsl.vim", "emacs/netdsl-mode.el"])
def test_words_of_vim_and_emacs(editor: str) -> None:
    """Both know every layer of the library's files."""
    words = set(re.findall(r"[a-z_]\w*", (ROOT / "editors" / editor).read_text()))
    texts = " ".join(open_source(name).text for name in library_names())
    named = [kind for kind in LAYERS if kind.isidentifier()]
    used = {kind for kind in named if re.search(rf"\b{kind}\b", texts)}
    assert len(used) > 40
    assert used <= words
