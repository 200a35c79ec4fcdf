"""The page of a net in a real browser: mouse, keyboard, search, zoom, and what the policy blocks.

`pytest -m browser` runs these tests; they need playwright and Debian's chromium.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from netdsl.cli import run
from tests.support.browsing import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser
SELECTED = "[...document.querySelectorAll('{}.selected')].map(e => e.{})"


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page of LeNet-5; no request leaves it, and its console is empty at the end."""
    with page_of(browser, tmp_path, "lenet5") as shown:
        yield shown


def selected(page: Any) -> tuple[list[str], list[str], list[str]]:
    """The boxes, rows and lines that are selected."""
    return (
        page.evaluate(SELECTED.format("svg g", "id")),
        page.evaluate(SELECTED.format("tr", "dataset.name")),
        page.evaluate(SELECTED.format("li", "id")),
    )


def test_a_click_on_a_box_selects_its_rows_and_its_line(page: Any) -> None:
    """`C3` shares its box with the activation after it; the next click replaces the selection."""
    page.click("[id='net.C3'] text >> nth=0")
    boxes, rows, lines = selected(page)
    assert boxes == ["net.C3"]
    assert rows[0] == "C3"
    assert len(rows) == 2
    assert len(lines) == 1
    text = page.text_content(f"#{lines[0]}")
    assert "C3: conv(16, 5)" in text
    page.click("[id='net.F6'] text >> nth=0")
    assert selected(page)[0] == ["net.F6"]


def test_a_click_on_a_row_or_a_line_selects_its_box(page: Any) -> None:
    """Back from the table and from the text; a row of an activation selects the shared box."""
    page.click("tr[data-name='S2'] td >> nth=0")
    boxes, rows, lines = selected(page)
    assert (boxes, rows) == (["net.S2"], ["S2"])
    page.click("tr[data-name='C1'] + tr td >> nth=0")
    assert selected(page)[0] == ["net.C1"]
    page.click(f"#{lines[0]}")
    assert "S2" in selected(page)[1]


def test_the_keyboard_selects_rows(page: Any) -> None:
    """Arrow keys move between rows, and Enter selects."""
    page.focus("tr[data-name='C1']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert selected(page)[1] == ["S2"]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert selected(page)[1] == ["C1"]


def test_enter_on_a_box_selects_it(page: Any) -> None:
    """Boxes are links, so that they can be reached by the keyboard."""
    page.focus("[id='net.C5'] a")
    page.keyboard.press("Enter")
    assert selected(page)[0] == ["net.C5"]


def test_search(page: Any) -> None:
    """`/` focuses the search; Enter goes to the next layer and round, Shift+Enter back."""
    page.keyboard.press("/")
    page.keyboard.type("conv")
    assert page.text_content("#count") == "1 of 3"
    assert selected(page)[1] == ["C1"]
    seen = []
    for key in ("Enter", "Enter", "Enter", "Shift+Enter"):
        page.keyboard.press(key)
        seen += selected(page)[1]
    assert seen == ["C3", "C5", "C1", "C5"]
    page.fill("#search", "nothing like this")
    assert page.text_content("#count") == "none"


def test_zoom(page: Any) -> None:
    """Buttons and keys make the picture larger, smaller, whole, and its own size."""

    def wide() -> float:
        return float(page.evaluate("document.querySelector('.picture svg').clientWidth"))

    page.click("#actual")
    first = wide()
    page.click("#larger")
    assert wide() == pytest.approx(1.25 * first, abs=2)
    page.click("#smaller")
    assert wide() == pytest.approx(first, abs=2)
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert wide() == pytest.approx(1.5625 * first, abs=2)
    page.keyboard.press("-")
    page.keyboard.press("1")
    assert wide() == pytest.approx(first, abs=2)
    page.keyboard.press("0")
    high, room = page.evaluate(
        "[document.querySelector('.picture svg').clientHeight,"
        " document.querySelector('.picture .scroll').clientHeight]"
    )
    assert high <= room


def test_a_script_of_another_is_blocked(browser: Any, tmp_path: Path) -> None:
    """The policy stops a script that is added to the page."""
    path = tmp_path / "net.html"
    assert run(["draw", "lenet5", "-o", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<script>", "<script>window.own = 1</script><script>", 1))
    shown = browser.new_page()
    shown.goto(path.as_uri())
    assert shown.evaluate("window.own === undefined")
    assert shown.is_visible("#tools")
    shown.close()
