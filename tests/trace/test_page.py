"""The page of `netdsl trace -o trace.html`, without a browser and in one (`pytest -m browser`)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LSTM = "net N {\n    input words: 3x2 = [[1, 0], [0.5, -1], [0, 2]]\n    output s: lstm(2)\n}\n"


def page_of(folder: Path, *words: str) -> str:
    path = folder / "trace.html"
    assert run(["trace", *words, "-o", str(path), "-q"]) == 0
    return path.read_text(encoding="utf-8")


def data_of(page: str) -> Any:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_the_page_has_the_numbers_of_the_layer(tmp_path: Path) -> None:
    """The padded input, the kernels and the outputs; no other file is needed."""
    page = page_of(tmp_path, "kernels:Volume", "--at", "1,0,2")
    data = data_of(page)
    assert data["stride"] == [2, 2]
    assert [o["bias"] for o in data["outputs"]] == [1, 0]
    assert data["outputs"][1]["values"] == [[0, 2, 4], [-2, -5, 2], [-1, 1, -2]]
    assert data["output"] == 1
    assert data["at"] == [0, 2]
    assert data["input"]["0"][1] == [0, 2, 2, 1, 0, 1, 0]
    assert [row[0] for row in data["outside"]] == [True] * 7
    assert "http" not in page.replace("http-equiv", "")
    assert "window 3x3, stride 2, padding 1" in page


def test_a_large_map_is_cut_around_the_place(tmp_path: Path) -> None:
    """The page has the part of the output around the place, with the input that it sees."""
    lines = "input x: 1x40x40 = 40 * [40 * [1]]\n    y: conv(1, 3, weight = 3 * [[1, 2, 3]])"
    (tmp_path / "n.net").write_text(f"net N {{\n    {lines}\n}}\n")
    data = data_of(page_of(tmp_path, f"{tmp_path}/n.net", "--at", "20,37"))
    assert data["whole"] == [38, 38]
    assert data["first"] == [13, 24]
    assert data["at"] == [7, 13]
    assert (len(data["input"]["0"]), len(data["input"]["0"][0])) == (16, 16)


# ---- in a browser


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page; no request leaves it, and its console is empty at the end."""
    problems: list[str] = []
    requests: list[str] = []
    pages = []

    def opened(*words: str, width: int = 1200, scheme: str = "light") -> Any:
        page_of(tmp_path, *words)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "trace.html").as_uri())
        pages.append(page)
        return page

    yield opened
    assert problems == []
    assert set(requests) == {(tmp_path / "trace.html").as_uri()}
    for page in pages:
        page.close()


def outputs(page: Any) -> list[str]:
    """The numbers of the output that are filled in."""
    cells = page.evaluate("[...document.querySelectorAll('.output td')].map(e => e.textContent)")
    return [cell for cell in cells if cell]


@pytest.mark.browser
def test_keys_step_through_the_channels(show: Any) -> None:
    """Three channels, then the result; Home and End go to the ends, and back takes it away."""
    page = show("kernels:RGB")
    assert "channel 0: 0 + 0 + 0 + 0 + 156 − 155" in page.text_content("#line")
    assert page.text_content("#count") == "step 1 of 100"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.text_content("#line") == "row 0, column 0: 308 − 498 + 164 + 1 = −25"
    assert outputs(page) == ["−25"]
    page.keyboard.press("ArrowLeft")
    assert outputs(page) == []
    page.keyboard.press("End")
    assert len(outputs(page)) == 25
    page.keyboard.press("Home")
    assert outputs(page) == []
    assert page.evaluate("document.querySelectorAll('.input td.window').length") == 27


@pytest.mark.browser
def test_playing_and_pausing(show: Any) -> None:
    """Space plays, and pauses; at the end the page stops by itself."""
    page = show("kernels:MaxPooling")
    page.fill("#speed", "10")
    page.keyboard.press("Space")
    assert page.text_content("#play") == "pause"
    page.wait_for_selector("#play:text-is('play')")
    assert page.text_content("#count") == "step 4 of 4"
    assert outputs(page) == ["6", "8", "3", "4"]
    page.fill("#speed", "1")
    page.click("#play")
    assert page.text_content("#play") == "pause"
    page.click("#play")
    assert page.text_content("#play") == "play"


@pytest.mark.browser
def test_the_second_filter_and_whole_steps(show: Any) -> None:
    """The choice of the output channel, steps without channels, and a click on the output."""
    page = show("kernels:Volume")
    page.select_option("#output", "1")
    page.uncheck("#single")
    page.keyboard.press("End")
    wanted = ["0", "2", "4", "−2", "−5", "2", "−1", "1", "−2"]
    assert outputs(page) == wanted
    page.click(".output td >> nth=4")
    assert page.text_content("#line") == "row 1, column 1: −5 + 0 + 0 + 0 = −5"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(show: Any, scheme: str) -> None:
    """Nothing is wider than the screen, and only the channel of the step is shown."""
    page = show("kernels:RGB", width=360, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelectorAll('.channel:not([hidden])').length") == 1
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.browser
def test_other_layers_show_their_steps(show: Any, tmp_path: Path) -> None:
    """An LSTM has a step for each gate, the cell and the state."""
    (tmp_path / "n.net").write_text(LSTM)
    page = show(f"{tmp_path}/n.net", "--at", "1,0")
    assert page.text_content("#count") == "step 1 of 7"
    page.keyboard.press("End")
    assert page.text_content("#line").startswith("state h = o · tanh(c) = ")
    assert page.evaluate("document.querySelectorAll('.step.shown').length") == 7
