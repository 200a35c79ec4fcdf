"""Tables that have to fit into a width: what shrinks first, and that nothing is lost."""

from __future__ import annotations

import pytest

from netdsl.draw.columns import SIZED, RowName, Table, laid_out, shortened, wrapped
from netdsl.render import width_of

NAMES = ["stage1.conv", "stage1.downsample.0", "stage1.add"]
SHAPES = ["8x16x16", "16x8x8", "16x8x8"]
FORMULA = "1,152⌈H/2⌉⌈W/2⌉"
NOTES = ["", "image", "stage1.conv, stage1.downsample.0"]


def formulas(most: int | None) -> list[list[str]]:
    """The cells of three rows, of which one has a formula."""
    formula = FORMULA
    if most is not None and most < len(FORMULA):
        formula = "f(H, W)"
    figures = [["80", formula], ["1,168", "7"], ["-", "-"]]
    return [[shape, *cells] for shape, cells in zip(SHAPES, figures, strict=True)]


TABLE = Table(
    ["layer", "output", "params", "MACs"],
    2,
    [RowName(name) for name in NAMES],
    formulas,
    NOTES,
    ["bold", "", ""],
)


def texts(width: int | None, table: Table = TABLE) -> list[str]:
    """The lines of a table."""
    return [line.text for line in laid_out(table, width)]


STEPS = {
    None: [
        "layer                 output    params              MACs   from",
        "─" * 91,
        "stage1.conv           8x16x16       80   1,152⌈H/2⌉⌈W/2⌉",
        "stage1.downsample.0   16x8x8     1,168                 7   image",
        "stage1.add            16x8x8         -                 -   " + NOTES[2],
    ],
    90: [
        "layer                output   params             MACs  from",
        "───────────────────────────────────────────────────────────────────────────────────────",
        "stage1.conv          8x16x16      80  1,152⌈H/2⌉⌈W/2⌉",
        "stage1.downsample.0  16x8x8    1,168                7  image",
        "stage1.add           16x8x8        -                -  stage1.conv, stage1.downsample.0",
    ],
    80: [
        "layer                 output    params              MACs",
        "────────────────────────────────────────────────────────",
        "stage1.conv           8x16x16       80   1,152⌈H/2⌉⌈W/2⌉",
        "stage1.downsample.0   16x8x8     1,168                 7",
        "    from image",
        "stage1.add            16x8x8         -                 -",
        "    from stage1.conv, stage1.downsample.0",
    ],
    49: [
        "layer                 output    params      MACs",
        "────────────────────────────────────────────────",
        "stage1.conv           8x16x16       80   f(H, W)",
        "stage1.downsample.0   16x8x8     1,168         7",
        "    from image",
        "stage1.add            16x8x8         -         -",
        "    from stage1.conv, stage1.downsample.0",
    ],
    41: [
        "layer          output   params     MACs",
        "───────────────────────────────────────",
        "stage1.conv    8x16x16      80  f(H, W)",
        "…downsample.0  16x8x8    1,168        7",
        "    from image",
        "stage1.add     16x8x8        -        -",
        "    from stage1.conv, stage1.downsample.0",
    ],
    28: [
        "layer         output  params",
        "────────────────────────────",
        "stage1.conv   8x16x16     80",
        "…downsample.0 16x8x8   1,168",
        "    from image",
        "stage1.add    16x8x8       -",
        "    from stage1.conv,",
        "    stage1.downsample.0",
        "",
        "layer                   MACs",
        "────────────────────────────",
        "stage1.conv          f(H, W)",
        "stage1.downsample.0        7",
    ],
    22: [
        "layer          output",
        "──────────────────────",
        "stage1.conv    8x16x16",
        "…downsample.0  16x8x8",
        "    from image",
        "stage1.add     16x8x8",
        "    from stage1.conv,",
        "    stage1.downsample.0",
        "",
        "layer           params",
        "──────────────────────",
        "stage1.conv         80",
        "…downsample.0    1,168",
        "",
        "layer             MACs",
        "──────────────────────",
        "stage1.conv    f(H, W)",
        "…downsample.0        7",
    ],
}


@pytest.mark.parametrize("width", STEPS)
def test_steps(width: int | None) -> None:
    """Gaps shrink first; then notes move below their rows; then formulas are left out; then names
    are shortened; then figures move to tables below, which have only the rows with a value.
    """
    assert texts(width) == STEPS[width]


def test_styles() -> None:
    """The head is bold, a row has its own style, and the lines below it are dim."""
    assert [line.style for line in laid_out(TABLE, 80)] == [
        "bold",
        "",
        "bold",
        "",
        "dim",
        "",
        "dim",
    ]


def test_columns_of_numbers_have_a_star() -> None:
    """A head has a star where its column has numbers, also in a table below."""

    def marks(most: int | None) -> list[bool]:
        return [most == SIZED, False, most is not None and most < len(FORMULA)]

    table = TABLE._replace(notes=[], marks=marks)
    assert texts(80, table)[0].split() == ["layer", "output", "params", "MACs"]
    assert texts(45, table)[0].split() == ["layer", "output", "params", "MACs*"]
    assert texts(22, table)[0].split() == ["layer", "output"]
    assert "layer             MACs*".split() in [line.split() for line in texts(22, table)]


def test_further_columns_move_below_together() -> None:
    """If one of the further columns does not fit, none of them stays in the table."""
    cells = [["3x8x8", "10", "20", "30"], ["3x8x8", "-", "21", "-"]]
    table = Table(
        ["layer", "output", "params", "weights", "units"],
        2,
        [RowName("a"), RowName("b")],
        lambda _: cells,
        [],
        ["", ""],
        extra=2,
    )
    assert texts(33, table)[0] == "layer output params weights units"
    assert texts(32, table) == [
        "layer   output   params",
        "───────────────────────",
        "a       3x8x8        10",
        "b       3x8x8         -",
        "",
        "layer   weights   units",
        "───────────────────────",
        "a            20      30",
        "b            21       -",
    ]


def test_wide_letters() -> None:
    """Chinese and Japanese letters take two columns each, in names that are cut too."""
    names = [RowName("\u7573\u307f\u8fbc\u307f"), RowName("ab")]
    table = Table(["layer", "n"], 1, names, lambda _: [["1"], ["22"]], [], ["", ""])
    assert texts(80, table) == [
        "layer       n",
        "─" * 13,
        "\u7573\u307f\u8fbc\u307f    1",
        "ab         22",
    ]
    names = [RowName("\u7573\u307f\u8fbc\u307f" * 2), RowName("ab")]
    cut = texts(12, table._replace(names=names))
    assert cut[2:] == ["…\u7573\u307f\u8fbc\u307f  1", "ab        22"]
    assert all(width_of(line) <= 12 for line in cut)


def test_no_rows() -> None:
    """A table without rows is its head, in any width."""
    table = TABLE._replace(names=[], cells=lambda _: [], notes=[], styles=[])
    assert texts(80, table) == ["layer   output   params   MACs", "─" * 30]
    assert texts(5, table)[0] == "layer output"


def test_a_long_formula_widens_only_its_row() -> None:
    """In a file, a formula of hundreds of characters is whole, and the other rows stay narrow."""
    formula = " + ".join(["1,728 H W"] * 20)
    table = Table(
        ["net", "MACs", "depth"],
        1,
        [RowName("a"), RowName("b")],
        lambda _: [["12", "1"], [formula, "2"]],
        [],
        ["", ""],
    )
    assert texts(None, table) == [
        "net   MACs   depth",
        "─" * 18,
        "a       12       1",
        f"b     {formula}       2",
    ]


def test_a_separator_fits_into_its_line() -> None:
    """A piece that is as wide as the line is broken, because a comma follows it."""
    assert wrapped("one two, three", 7, ", ", " ") == ["one", "two,", "three"]
    assert wrapped("one two, three", 8, ", ", " ") == ["one two,", "three"]


# ---- names


def names(*given: str, group: str = "") -> list[RowName]:
    """Names of one group."""
    return [RowName(name, group=group) for name in given]


def test_names_are_cut_between_parts() -> None:
    """A name loses whole labels or words if what is left fits, or else letters."""
    made = shortened(names("nets/vision/small.net:A", "nets/b.net:B"), 14)
    assert made is not None
    assert [name.text for name in made] == ["…small.net:A", "nets/b.net:B"]
    made = shortened(names("layer2.0.downsample.0", "fc", "a_long_name_without_dots"), 14)
    assert made is not None
    assert [name.text for name in made] == ["…downsample.0", "fc", "…without_dots"]


def test_names_of_any_length_are_cut() -> None:
    """A name of a million letters or labels is cut without looking at all of it again and again."""
    made = shortened(names("a." * 500_000 + "end", "b" * 1_000_000), 12)
    assert made is not None
    assert [name.text for name in made] == ["…a.a.a.a.end", "…" + "b" * 11]


def test_names_stay_different() -> None:
    """Names that end alike are cut where they differ, or not at all."""
    alike = names("layer2.0.downsample.0", "layer3.0.downsample.0")
    assert shortened(alike, 14) is None
    made = shortened(alike, 18)
    assert made is not None
    assert [name.text for name in made] == ["…r2.0.downsample.0", "…r3.0.downsample.0"]
    assert shortened(names("block1.convolution", "…convolution"), 12) is None


def test_names_of_different_groups_may_be_equal() -> None:
    """The layers of two blocks may end alike: their blocks tell them apart."""
    two = names("first_convolution", group="a") + names("other_convolution", group="b")
    made = shortened(two, 13)
    assert made is not None
    assert [name.text for name in made] == ["…convolution"] * 2


def test_names_keep_their_indent() -> None:
    """The indent of a name takes part of its width; a name of a few letters is never cut."""
    made = shortened([RowName("a_long_name_of_a_layer", indent=4)], 16)
    assert made == [RowName("…of_a_layer", indent=4)]
    assert shortened([RowName("a_long_name", indent=8)], 15) is None


def test_texts_are_broken() -> None:
    """A text is broken at the first separators, and at the next only where this is not enough."""
    text = "a 1   b 22, 23   c 3"
    assert wrapped(text, None, "   ") == [text]
    assert wrapped(text, 20, "   ", ", ") == [text]
    assert wrapped(text, 16, "   ", ", ") == ["a 1   b 22, 23", "c 3"]
    assert wrapped(text, 6, "   ", ", ") == ["a 1", "b 22,", "23", "c 3"]
    assert wrapped("indivisible", 4, ", ") == ["indivisible"]
    assert wrapped("ab, cd, ef", 7, ", ") == ["ab, cd,", "ef"]
    assert wrapped("ab, cde, ef", 7, ", ") == ["ab,", "cde,", "ef"]
