"""The words of the language as JSON, for the editor of the page: `python -m netdsl.page.words`."""

from __future__ import annotations

import json
import sys

from netdsl.draw.themes import DARK, LIGHT
from netdsl.library import block_names
from netdsl.ops import LAYERS
from netdsl.reference import WORDS
from netdsl.syntax.tables import KEYWORDS


def words() -> dict[str, object]:
    """The keywords, the family of each layer, the shipped blocks, and the colours of the families.

    A colour is that of the family's boxes in a picture: the border's on light and on dark paper.
    """
    families = sorted(LIGHT.families)
    return {
        "keywords": [word for word, _ in KEYWORDS],
        "forms": [item.name for item in WORDS],
        "layers": {kind: cls.family for kind, cls in LAYERS.items() if kind.isidentifier()},
        "blocks": block_names(),
        "colours": {name: [LIGHT.families[name][1], DARK.families[name][1]] for name in families},
    }


if __name__ == "__main__":
    json.dump(words(), sys.stdout, indent=1)
