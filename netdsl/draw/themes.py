"""The colours of pictures: light, dark, and print for printers without colours."""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[str, str]  # fill and border


class Theme(NamedTuple):
    """The colours of a picture.

    `ink` is the colour of names, `soft` of kinds, `faint` of shapes and notes, `line` of arrows.
    `families` are the colours of each family of layers, `scopes` those of scopes by their depth.
    """

    paper: str
    ink: str
    soft: str
    faint: str
    line: str
    families: dict[str, Pair]
    plain: Pair  # of families that a user's package defines
    folded: Pair
    end: Pair
    scopes: tuple[str, ...]
    scope_border: str
    aux_border: str
    mark: str  # of what is pointed out: windows, the field of a unit

    def of(self, family: str) -> Pair:
        """Fill and border of a family."""
        return self.families.get(family, self.plain)


LIGHT = Theme(
    paper="#ffffff",
    ink="#1b1f24",
    soft="#4b525b",
    faint="#5b636d",
    line="#505761",
    families={
        "convolution": ("#cfe0f3", "#3a6ea5"),
        "dense": ("#fbdcc0", "#c06a24"),
        "pooling": ("#d3ead5", "#3f8a52"),
        "normalisation": ("#e7e0f2", "#8770b0"),
        "activation": ("#fbf2c9", "#b39a2c"),
        "arithmetic": ("#fde3ec", "#a8577d"),
        "regularisation": ("#eeeeee", "#8c8c8c"),
        "join": ("#f7d3da", "#b54a62"),
        "shape": ("#d8ecec", "#4f8c8f"),
        "sequence": ("#d5e9f7", "#4a8db5"),
        "graph": ("#dfe8c8", "#7c8f3a"),
        "regions": ("#ead9cb", "#8f6a4a"),
    },
    plain=("#ffffff", "#707070"),
    folded=("#e6e9ef", "#5a6375"),
    end=("#ffffff", "#303030"),
    scopes=("#f7f8fa", "#eff1f5", "#e6e9ef"),
    scope_border="#b4bac6",
    aux_border="#8c93a3",
    mark="#c0392b",
)
DARK = Theme(
    paper="#16191d",
    ink="#f0f2f5",
    soft="#c3c9d1",
    faint="#a9b1bb",
    line="#9aa3ae",
    families={
        "convolution": ("#1f3a57", "#6ea3dc"),
        "dense": ("#573417", "#e39a58"),
        "pooling": ("#1e4428", "#6cc183"),
        "normalisation": ("#3a2f52", "#ad97d8"),
        "activation": ("#4a4014", "#d8bf52"),
        "arithmetic": ("#4f2238", "#d987ad"),
        "regularisation": ("#33363b", "#9aa0a8"),
        "join": ("#54202c", "#e07f95"),
        "shape": ("#1c4446", "#72bcbf"),
        "sequence": ("#1a3d52", "#70b6df"),
        "graph": ("#384218", "#b0c568"),
        "regions": ("#46321f", "#c49a73"),
    },
    plain=("#23272d", "#a0a6ae"),
    folded=("#2c323b", "#98a2b3"),
    end=("#16191d", "#d5dae1"),
    scopes=("#1d2126", "#23282e", "#2a3037"),
    scope_border="#4a525d",
    aux_border="#76808d",
    mark="#ff7b6b",
)
PRINT = Theme(
    paper="#ffffff",
    ink="#000000",
    soft="#333333",
    faint="#333333",
    line="#000000",
    families={
        "convolution": ("#dcdcdc", "#000000"),
        "dense": ("#bdbdbd", "#000000"),
        "pooling": ("#f4f4f4", "#000000"),
        "normalisation": ("#ececec", "#555555"),
        "activation": ("#ffffff", "#555555"),
        "arithmetic": ("#ffffff", "#000000"),
        "regularisation": ("#ffffff", "#888888"),
        "join": ("#ffffff", "#000000"),
        "shape": ("#f4f4f4", "#555555"),
        "sequence": ("#cccccc", "#000000"),
        "graph": ("#cccccc", "#000000"),
        "regions": ("#ececec", "#000000"),
    },
    plain=("#ffffff", "#000000"),
    folded=("#e6e6e6", "#000000"),
    end=("#ffffff", "#000000"),
    scopes=("#ffffff", "#ffffff", "#ffffff"),
    scope_border="#888888",
    aux_border="#888888",
    mark="#000000",
)
THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}
