"""Folding the blocks of a picture on its page, in a real browser."""

from __future__ import annotations

from itertools import combinations
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browsing import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

NET = """net Arms {
    input image: 3x32x32
    stem: conv(8, 3, pad = 1)
    one: residual { conv(8, 3, pad = 1) -> bn -> relu -> conv(8, 3, pad = 1) -> bn }
    i: concat {
        | a: conv(4, 1) -> relu
        | b: { conv(4, 1) -> c: residual { conv(4, 3, pad = 1) -> relu } }
        | c: maxpool(3, stride = 1, pad = 1) -> conv(4, 1)
    }
    aux early(weight = 0.3) { gap -> flatten -> dense(10) }
    two: residual { conv(12, 3, pad = 1) -> relu }
    gap -> flatten
    output logits: dense(10)
}
"""
# The places of boxes that can be seen, and of those that are folded frames.
PLACES = """() => {
    const seen = (part) => getComputedStyle(part).display !== "none";
    const parts = [...document.querySelectorAll(".picture .node, .picture .folded")].filter(seen);
    return parts.map((part) => {
        const { left, right, top, bottom } = part.querySelector("path, ellipse, polygon")
            .getBoundingClientRect();
        return { name: part.id, left, right, top, bottom };
    });
}"""
# Names that do not fit their box.
WIDE = """() => [...document.querySelectorAll(".picture .folded")].filter((part) => {
    const box = part.querySelector("path").getBBox();
    return [...part.querySelectorAll("text")].some((text) => text.getBBox().width > box.width);
}).map((part) => part.id)"""
# The distance from the tip of each new arrowhead to the nearest border of a folded frame.
TIPS = """() => {
    const frames = [...document.querySelectorAll(".picture .folded path")].map((p) => p.getBBox());
    return [...document.querySelectorAll(".picture .edge:not(.away) polygon.more")].map((head) => {
        const tip = head.points[1];
        return Math.min(...frames.map((box) => {
            const [x, y] = [[tip.x, box.x, box.x + box.width], [tip.y, box.y, box.y + box.height]]
                .map(([at, low, high]) => Math.max(low - at, at - high));
            return Math.abs(Math.max(x, y));
        }));
    });
}"""
STATE = """() => {
    const svg = document.querySelector(".picture svg");
    const shapes = [...svg.querySelectorAll("path, polygon")];
    return [
        svg.getAttribute("viewBox"),
        svg.querySelectorAll(".away, .folded, .more").length,
        svg.querySelectorAll("[transform]").length,
        ...shapes.map((shape) => shape.getAttribute("d") ?? shape.getAttribute("points")),
    ];
}"""


@pytest.fixture(params=["down", "right"])
def page(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page of a net with blocks in blocks, arms and a head."""
    path = tmp_path / "arms.net"
    path.write_text(NET)
    with page_of(browser, tmp_path, str(path), "--direction", request.param) as shown:
        yield shown


def fold(page: Any, name: str) -> None:
    """Click on the name of a frame."""
    page.click(f"[id='net.{name}.'] text >> nth=0")


def frames(page: Any) -> list[str]:
    """The names of the frames that can be seen, from the outside inwards."""
    ids = page.evaluate("folds.frames.map(({ part }) => part.id)")
    return [name.removeprefix("net.").removesuffix(".") for name in ids]


def assert_tidy(page: Any) -> None:
    """Check that no boxes overlap, that names fit, and that arrows end at folded boxes."""
    places = page.evaluate(PLACES)
    for a, b in combinations(places, 2):
        wide = min(a["right"], b["right"]) - max(a["left"], b["left"])
        high = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
        assert min(wide, high) <= 1, (a, b)
    svg = page.evaluate("document.querySelector('.picture svg').getBoundingClientRect().toJSON()")
    for place in places:
        assert svg["left"] <= place["left"] <= place["right"] <= svg["right"], place
        assert svg["top"] <= place["top"] <= place["bottom"] <= svg["bottom"], place
    assert page.evaluate(WIDE) == []
    assert [tip for tip in page.evaluate(TIPS) if tip > 1] == []


def test_a_click_on_a_frame_folds_it(page: Any) -> None:
    """Its layers disappear, one box says how many they are, and the picture is smaller."""
    before = page.evaluate(PLACES)
    fold(page, "one")
    after = page.evaluate(PLACES)
    gone = {p["name"] for p in before} - {p["name"] for p in after}
    assert {"net.one.0"} < gone
    assert {p["name"] for p in after} - {p["name"] for p in before} == {"net.one."}
    text = page.text_content("[id='net.one.'] g")
    assert "5 layers" in text
    assert "1,200 parameters" in text
    assert page.get_attribute("[id='net.one.'] a", "aria-expanded") == "false"
    assert_tidy(page)


def test_the_picture_becomes_shorter(page: Any) -> None:
    """The room that the layers took is taken out."""
    box = "document.querySelector('.picture svg').viewBox.baseVal"
    size = f"[{box}.width, {box}.height]"
    before = page.evaluate(size)
    page.click("#fold")
    after = page.evaluate(size)
    assert max(before) > 1.2 * max(after)


def test_a_second_click_restores_the_picture(page: Any) -> None:
    """After any folding and unfolding, the picture is the first one."""
    page.click("#fold")
    page.click("#unfold")
    first = page.evaluate(STATE)
    for name in ("i", "one", "i", "two", "one", "two"):
        fold(page, name)
    assert page.evaluate(STATE) == first
    assert first[1] == 0


def test_the_keyboard_folds(page: Any) -> None:
    """Enter on the name of a frame folds and unfolds it; `f` and `u` fold and unfold everything."""
    page.focus("[id='net.two.'] a")
    page.keyboard.press("Enter")
    assert "net.two." in {p["name"] for p in page.evaluate(PLACES)}
    page.keyboard.press("Enter")
    assert "net.two." not in {p["name"] for p in page.evaluate(PLACES)}
    page.keyboard.press("f")
    names = {p["name"] for p in page.evaluate(PLACES)}
    assert {"net.one.", "net.two.", "net.i.", "net.early."} <= names
    assert "net.i.b." not in names
    page.keyboard.press("u")
    assert not [p for p in page.evaluate(PLACES) if p["name"].endswith(".")]


def test_every_state_is_tidy(page: Any) -> None:
    """Boxes do not overlap, whichever one or two frames are folded, or all."""
    names = frames(page)
    assert len(names) > 4
    toggle = "(name) => folds.toggle(folds.frames.find((f) => f.part.id === `net.${name}.`))"
    assert_tidy(page)
    for chosen in [*combinations(names, 1), *combinations(names, 2)]:
        for name in chosen:
            page.evaluate(toggle, name)
        assert_tidy(page)
        for name in chosen:
            page.evaluate(toggle, name)
    page.keyboard.press("f")
    assert_tidy(page)


def test_a_block_inside_a_folded_block_stays_folded(page: Any) -> None:
    """Unfolding the outer block shows the inner one as it was."""
    inner = next(name for name in frames(page) if name.startswith("i.b"))
    fold(page, inner)
    fold(page, "i")
    assert f"net.{inner}." not in {p["name"] for p in page.evaluate(PLACES)}
    fold(page, "i")
    assert f"net.{inner}." in {p["name"] for p in page.evaluate(PLACES)}
    assert_tidy(page)


def test_a_row_inside_a_folded_block_selects_it(page: Any) -> None:
    """The folded box stands for its layers; search finds them, too."""
    fold(page, "one")
    page.click("tr[data-name='one.0'] td >> nth=0")
    chosen = "[...document.querySelectorAll('.picture .selected')].map(e => e.id)"
    assert page.evaluate(chosen) == ["net.one."]
    page.keyboard.press("/")
    page.keyboard.type("two.0")
    assert page.evaluate(chosen) == ["net.two.0"]
    page.click("#fold")
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    assert page.evaluate(chosen) == ["net.two."]


def test_folding_keeps_the_zoom(page: Any) -> None:
    """A box has the same size on the screen before and after."""
    page.click("#actual")
    page.click("#larger")

    def wide() -> float:
        box = page.locator("[id='net.stem'] path").bounding_box()
        return float(box["width"])

    first = wide()
    fold(page, "one")
    assert wide() == pytest.approx(first, abs=1)


def test_no_buttons_without_blocks(browser: Any, tmp_path: Path) -> None:
    """A net without blocks has nothing to fold."""
    with page_of(browser, tmp_path, "lenet5") as page:
        assert page.is_hidden("#fold")
        assert page.is_hidden("#unfold")
        page.keyboard.press("f")
        assert page.is_visible("[id='net.C3']")


def test_the_styles_without_frames(browser: Any, tmp_path: Path) -> None:
    """The script also runs on pictures that have no frames."""
    for words in (("lenet5", "--style", "volumes"), ("perceptron:MLP", "--style", "neurons")):
        with page_of(browser, tmp_path, *words) as page:
            assert page.is_hidden("#fold")
            page.click("#larger")


def test_a_large_net_folds(browser: Any, tmp_path: Path) -> None:
    """GoogLeNet with all of its layers becomes a chain of blocks with two heads."""
    with page_of(browser, tmp_path, "googlenet:GoogLeNet", "--depth", "9") as page:
        page.keyboard.press("f")
        assert_tidy(page)
        assert len(page.evaluate(PLACES)) < 30
        page.keyboard.press("u")
        assert_tidy(page)
        fold(page, "inception4c")
        assert_tidy(page)


def test_tips_and_scrolling(browser: Any, tmp_path: Path) -> None:
    """A part has a tip under the pointer; the wheel and the keyboard scroll the picture."""
    with page_of(browser, tmp_path, "googlenet:GoogLeNet", "--depth", "9") as page:
        page.hover("[id='net.conv1'] text >> nth=0")
        assert "receptive field 7x7" in page.text_content("[id='net.conv1'] title")
        page.click("#actual")
        page.hover(".picture .scroll")
        page.mouse.wheel(0, 400)
        wait_for_scrolling(page, 100)
        page.focus(".picture .scroll")
        page.keyboard.press("End")
        wait_for_scrolling(page, 1000)


def wait_for_scrolling(page: Any, least: int) -> None:
    """Wait until the picture is scrolled so far; the policy of the page forbids to wait by text."""
    deadline = monotonic() + 10
    while page.evaluate("document.querySelector('.picture .scroll').scrollTop") < least:
        assert monotonic() < deadline
        page.wait_for_timeout(50)
