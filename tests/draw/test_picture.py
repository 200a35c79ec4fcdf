"""The contents of a picture in any format.

They are the texts of the boxes, the scopes and their colours, folded scopes, and arrows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netdsl
from netdsl.draw.describe import describe
from netdsl.draw.picture import AUX_BORDER, SCOPE_BORDER, SCOPES, Picture, short

if TYPE_CHECKING:
    from netdsl.draw.picture import Cluster


def picture(body: str, depth: int | None = None, blocks: str = "") -> Picture:
    """The picture of a net whose input is an image."""
    return Picture(
        netdsl.loads(f"{blocks}\nnet N {{\n    input image: 3x8x8\n{body}\n}}\n").graph, depth
    )


def tree(cluster: Cluster, indent: str = "") -> list[str]:
    """The scopes and boxes, without the shapes.

    `~` marks parts of auxiliary heads, and `!` a dashed border.
    """
    lines = [
        f"{indent}{'~' if b.aux else ''}{'!' if b.dashed else ''}{b.look} {' / '.join(b.lines)}"
        for b in cluster.boxes
    ]
    for child in cluster.children.values():
        lines += [f"{indent}{'~' if child.aux else ''}[{child.title}]", *tree(child, indent + "  ")]
    return lines


# ---- words

WORDS = [
    # The window is given for each axis, even if the text gives one number. Arguments that differ
    # from their default follow.
    ("conv(8, 3)", "3x8x8", "conv 3x3, 8"),
    ("conv(8, 3x3)", "3x8x8", "conv 3x3, 8"),
    ("conv(8, 1x3, stride = 2x1, pad = 1)", "3x8x8", "conv 1x3, 8, stride 2x1, pad 1"),
    ("conv(8, 3, stride = 1)", "3x8", "conv 3, 8"),
    ("conv(8, [3], stride = [2])", "3x8", "conv 3, 8, stride 2"),
    ("conv(8, 3, stride = 2x2, dilation = 2)", "3x8x8", "conv 3x3, 8, stride 2, dilation 2"),
    ("conv(6, 2, groups = 3, bias = false)", "3x8x8x8", "conv 2x2x2, 6, groups 3"),
    ("deconv(2, 3, stride = 2, output_pad = 1)", "3x8", "deconv 3, 2, stride 2, output_pad 1"),
    ("depthwise(5, multiplier = 2)", "3x8x8", "depthwise 5x5, multiplier 2"),
    ("clamp(-1, 1)", "3x8", "clamp min -1.0, max 1.0"),
    ("reduce_norm(-1, keep = true)", "3x8", "reduce_norm -1, keep true"),
    # The default stride of a pooling layer is its window.
    ("maxpool(2)", "3x8x8", "maxpool 2x2"),
    ("maxpool(2, stride = 2)", "3x8x8", "maxpool 2x2"),
    ("maxpool(3, stride = 2, pad = 1)", "3x8x8", "maxpool 3x3, stride 2"),
    ("maxpool(2, stride = 1)", "3x8", "maxpool 2, stride 1"),
    ("adaptive_avgpool(3x2)", "3x8x8", "adaptive_avgpool 3x2"),
    ("adaptive_avgpool(3)", "3x8x8", "adaptive_avgpool 3"),
    ("gap", "3x8x8", "gap"),
    # A single required argument has no name. If there are several, each has its name.
    ("dense(4, bias = false)", "5", "dense 4"),
    ("lstm(4, layers = 2, bidirectional = true)", "5x3", "lstm 4, layers 2, bidirectional true"),
    ("slice(1, 3)", "5x4", "slice start 1, end 3"),
    ("slice(1, 3, axis = 2)", "5x4", "slice start 1, end 3, axis 2"),
    ("leaky_relu", "5", "leaky_relu"),
    ("leaky_relu(0.1)", "5", "leaky_relu slope 0.1"),
    ("gelu(approximate = tanh)", "5", "gelu approximate tanh"),
    ("upsample(2, mode = bilinear)", "3x8x8", "upsample scale 2, mode bilinear"),
    ("upsample(size = 9x9)", "3x8x8", "upsample size 9x9"),
    # The rate of dropout is always given.
    ("dropout", "5", "dropout 0.5"),
    ("dropout(0.2)", "5", "dropout 0.2"),
    ("bn(eps = 0.1, momentum = 0.5)", "5", "bn"),
    # The sizes of a result are all given; lists are written as lists.
    ("reshape(5x5)", "25", "reshape 5x5"),
    ("reshape([5, -1])", "25", "reshape 5x-1"),
    ("reshape(5)", "5x1", "reshape 5"),
    ("param(2x2)", "25", "param 2x2"),
    ("crop(4x4)", "3x8x8", "crop size 4x4"),
    ("permute([2, 1])", "3x8", "permute [2, 1]"),
    ("spp([2, 2])", "3x8x8", "spp [2, 2]"),
    ("pad(1)", "3x8x8", "pad 1"),
    ("pad(1x1, mode = edge)", "3x8x8", "pad 1, mode edge"),
    ("pad(1x2)", "3x8x8", "pad 1x2"),
    ("pad([(0, 1), (0, 1)])", "3x8x8", "pad [[0, 1], [0, 1]]"),
]


@pytest.mark.parametrize(
    ("call", "shape", "words"), WORDS, ids=[f"{call} on {shape}" for call, shape, _ in WORDS]
)
def test_the_words_of_a_layer(call: str, shape: str, words: str) -> None:
    """A box has the kind of its layer and the arguments that a reader wants to see."""
    node = netdsl.loads(f"net N {{\n    input x: {shape}\n    {call}\n}}").graph.nodes[-1]
    assert describe(node.op, len(node.type.shape) - 1) == words


def test_words_with_open_sizes() -> None:
    """Formulas are written as in shapes."""
    node = netdsl.loads(
        "net N {\n    input x: 3xHxW\n    reshape([3, in.height * in.width])\n}"
    ).graph.nodes[-1]
    assert describe(node.op, 2) == "reshape 3xHW"


def test_long_lines_are_shortened() -> None:
    """A line of more than 48 characters keeps the first 35 and the last 12.

    Characters that cannot be printed are replaced.
    """
    text = "".join(chr(0x100 + i) for i in range(49))
    assert short(text[:48]) == text[:48]
    assert short(text) == f"{text[:35]}…{text[-12:]}"
    assert short("a\x1bb") == "a\ufffdb"


# ---- scopes

BLOCKS = """
block Two(c) { residual { | first: conv(c, 3, pad = 1) -> relu | conv(c, 1) } }
block Outer() { Two(3)
                Two(3) }
"""
BODY = """
    aux side(weight = 0.3) { s: { gap -> flatten } -> dense(2) }
    like:  { Two(3)
             Two(3) }
    mixed: { Two(3)
             relu }
    both:  { Two(3)
             Outer
             Two(3) }
    a: { side: { a: { bb: { c: { conv(3, 1) } } } } }
    Outer
    gap -> flatten
    output logits: dense(2)
"""


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["input image", "folded N / 41 layers, 884 parameters", "output logits"]),
        (
            1,
            [
                "input image",
                "~!folded side / auxiliary head, weight 0.3 / 3 layers, 8 parameters",
                "folded like / 2 × Two / 8 layers, 192 parameters",
                "folded mixed / 5 layers, 96 parameters",
                "folded both / 16 layers, 384 parameters",
                "folded a / 1 layer, 12 parameters",
                "folded Outer / 8 layers, 192 parameters",
                "layer gap",
                "layer flatten",
                "layer logits / dense 2",
                "output logits",
            ],
        ),
        (
            2,
            [
                "input image",
                "layer gap",
                "layer flatten",
                "layer logits / dense 2",
                "output logits",
                "~[side: auxiliary head, weight 0.3]",
                "  ~!folded side.s / 2 layers, 0 parameters",
                "  ~!layer dense 2",
                "  ~loss loss × 0.3",
                "[like]",
                "  folded like.0 / Two / 4 layers, 96 parameters",
                "  folded like.1 / Two / 4 layers, 96 parameters",
                "[mixed]",
                "  folded mixed.0 / Two / 4 layers, 96 parameters",
                "  small relu",
                "[both]",
                "  folded both.0 / Two / 4 layers, 96 parameters",
                "  folded both.1 / Outer / 8 layers, 192 parameters",
                "  folded both.2 / Two / 4 layers, 96 parameters",
                "[a]",
                "  folded a.side / 1 layer, 12 parameters",
                "[Outer]",
                "  folded 5.0 / Two / 4 layers, 96 parameters",
                "  folded 5.1 / Two / 4 layers, 96 parameters",
            ],
        ),
    ],
)
def test_folding(depth: int, expected: list[str]) -> None:
    """Each scope that is deeper than `depth` becomes one box in the scope around it.

    A group that contains only calls of one block gives their number; other groups and blocks do
    not.
    """
    assert tree(picture(BODY, depth, BLOCKS).root) == expected


def test_a_net_of_calls_of_one_block() -> None:
    """If a net contains only calls of one block, its folded box gives their number."""
    assert (
        tree(picture("    Two(3)\n    Two(3)", 0, BLOCKS).root)[1]
        == "folded N / 2 × Two / 8 layers, 192 parameters"
    )
    assert (
        tree(picture("    Two(3)\n    relu", 0, BLOCKS).root)[1]
        == "folded N / 5 layers, 96 parameters"
    )


def test_deeper_scopes_are_darker() -> None:
    """The colours have three steps.

    Auxiliary heads and the scopes inside them have a border of their own. A group that only has the
    name of a head has the usual border.
    """
    scopes = {c.scope.name: (c.fill, c.border) for c in picture(BODY, None, BLOCKS).root.walk()}
    assert [
        scopes[path][0] for path in ("a", "a.side", "a.side.a", "a.side.a.bb", "a.side.a.bb.c")
    ] == [SCOPES[i] for i in (0, 1, 2, 2, 2)]
    assert {path for path, (_, border) in scopes.items() if border == AUX_BORDER} == {
        "side",
        "side.s",
    }
    assert {border for _, border in scopes.values()} == {AUX_BORDER, SCOPE_BORDER}


def test_heads_in_groups() -> None:
    """Heads with the same label in different groups are drawn apart, each with its loss.

    A folded group that contains a head is not drawn as a head.
    """
    body = """
    repeat 2 as i { g{i}: { conv(3, 1)
                            aux side(weight = 0.5 + i) { gap -> flatten -> dense(2) } } }
    gap -> flatten
    output y: dense(2)
"""
    head = ["    ~!layer gap", "    ~!layer flatten", "    ~!layer dense 2"]
    assert tree(picture(body).root)[5:] == [
        *(
            "[g0]",
            "  layer conv 1x1, 3",
            "  ~[g0.side: auxiliary head, weight 0.5]",
            *head,
            "    ~loss loss × 0.5",
        ),
        *(
            "[g1]",
            "  layer conv 1x1, 3",
            "  ~[g1.side: auxiliary head, weight 1.5]",
            *head,
            "    ~loss loss × 1.5",
        ),
    ]
    assert tree(picture(body, 1).root)[1:3] == [
        "folded g0 / 1 layer, 12 parameters",
        "folded g1 / 1 layer, 12 parameters",
    ]


# ---- arrows


def arrows(picture: Picture) -> list[str]:
    """Each value with the boxes that take it."""
    names = {b.id: b.lines[0] for b in picture.boxes()}
    return [
        f"{names[f.source.id]} -> {', '.join(names[t.id] for t in f.targets)}"
        for f in picture.flows
    ]


def test_a_value_goes_once_into_a_folded_scope() -> None:
    """A folded scope has one arrow for a value, however many of its layers take it.

    A layer that takes a value twice has two arrows.
    """
    body = """
    start: conv(3, 1)
    g: { end: sub(@start) }
    h: { end: conv(3, 1) -> sub(@start) }
    twice: @start -> sub(@start)
    output y: conv(2, 1)
"""
    assert arrows(picture(body, 1)) == [
        "image -> start",
        "start -> g, g, h, twice, twice",
        "g -> h",
        "twice -> y",
        "y -> y",
    ]
    assert "start -> end, end, −, twice, twice" in arrows(picture(body))


# ---- the page


def test_a_deep_picture_is_built_in_step_with_its_size() -> None:
    """Twice as many layers give twice as many boxes and arrows: nothing is drawn twice."""
    sizes = []
    for count in (100, 200):
        picture = Picture(
            netdsl.loads(
                f"net T {{\n input x: 4\n repeat({count}) {{ residual {{ | dense(4) }} }}\n output"
                " y: dense(2)\n}"
            ).graph
        )
        sizes.append((len(picture.boxes()), sum(len(f.targets) for f in picture.flows)))
    assert sizes[1][0] - 3 == 2 * (sizes[0][0] - 3)
    assert sizes[1][1] - 2 == 2 * (sizes[0][1] - 2)
