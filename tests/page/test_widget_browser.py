"""The widget of notebooks in a browser: `cd page && npm ci && npm run build` first.

The script is mounted in an empty page, with a model as anywidget gives it. The model is connected
to a real widget in this process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import netdsl
from netdsl.page import site
from tests.support.playground import NET, PATIENCE, Playground

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser
pytest.importorskip("anywidget", reason="needs the extra `dev`")

PAGE = Path(__file__).with_name("widget.html")


class Notebook(Playground):
    """A page with the widget of a net."""

    def __init__(self, page: Any, widget: Any) -> None:
        super().__init__(page, "")
        self.widget = widget
        page.expose_function("script", lambda: site.widget_source())
        page.expose_function("kernel", self._kernel)
        page.expose_function("answer", self._answer)

    def _kernel(self, changes: str) -> str:
        """Give the widget what the script has changed; returns what it has."""
        if json.loads(changes):
            self.widget.set_state(json.loads(changes))
        names = ("text", "name", "sizes", "_shown")
        return json.dumps(self.widget.get_state(names))

    def _answer(self, question: str) -> str:
        sent: list[object] = []
        self.widget.send = sent.append
        self.widget._handle_custom_msg(json.loads(question), [])
        return json.dumps(sent)

    def mount(self) -> None:
        """Show the widget, and wait for its table."""
        self.page.set_content(PAGE.read_text())
        self.page.wait_for_selector("#table tbody tr", timeout=PATIENCE)

    def shows(self, selector: str) -> Any:
        """Wait for an element."""
        return self.page.wait_for_selector(selector)


@pytest.fixture
def notebook(browser: Any) -> Iterator[Notebook]:
    """A page with the widget of a small net, in which nothing may go wrong."""
    page = browser.new_page(viewport={"width": 1100, "height": 700})
    made = Notebook(page, netdsl.loads(NET).show())
    made.mount()
    yield made
    assert made.faults == []
    page.close()


def test_edits_reach_python(notebook: Notebook) -> None:
    """What one types is compiled in Python; its diagnostics are shown, and the fix is applied."""
    notebook.write(NET.replace("conv(4", "conv(6"))
    notebook.shows("#table td:text-is('6x6x6')")
    assert notebook.widget.net.params == 6 * 9 + 6 + 216 * 3 + 3
    notebook.write(NET.replace("relu", "rellu"))
    notebook.shows("#status:has-text('1 error')")
    assert "^^^^^" in notebook.page.text_content("#messages pre")
    assert "stale" in notebook.page.get_attribute("#side", "class")
    notebook.page.click("#messages button:has-text('Fix')")
    notebook.shows("#status:has-text('no errors')")
    assert notebook.widget.text.rstrip() == NET.rstrip()


def test_python_reaches_the_editor(notebook: Notebook) -> None:
    """A text that Python sets is shown, with its table."""
    notebook.widget.text = NET.replace("conv(4", "conv(9")
    notebook.page.evaluate("refresh()")
    notebook.shows("#table td:text-is('9x6x6')")
    assert notebook.text() == NET.replace("conv(4", "conv(9").rstrip("\n") + "\n"


def test_picture_and_selection(notebook: Notebook) -> None:
    """The picture is drawn; a box, a row and a line select one another."""
    notebook.page.click("#tab-picture")
    notebook.shows("#drawing g[data-name=C1]").click()
    assert "C1: conv" in notebook.page.text_content("#editor .cm-activeLine")
    notebook.shows("#drawing g.selected[data-name=C1]")
    notebook.page.click("#tab-table")
    notebook.page.click("#table tbody tr:has-text('dense')")
    assert "output scores" in notebook.page.text_content("#editor .cm-activeLine")
    notebook.page.click("#tab-picture")
    notebook.shows("#drawing g.selected[data-name=scores]")


def test_completion_and_hover(notebook: Notebook) -> None:
    """The editor asks Python for layers and for their reference."""
    notebook.page.hover("#editor .cm-line:has-text('conv(4') >> text=conv")
    tip = notebook.shows("#editor .cm-tooltip-hover .paragraphs")
    assert "receptive field 3x3" in tip.text_content()
    notebook.page.mouse.move(1, 1)
    notebook.page.wait_for_selector("#editor .cm-tooltip-hover", state="detached")
    notebook.page.click("#editor .cm-line:has-text('flatten')")
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.type(" -> maxp")
    option = notebook.shows("#editor .cm-tooltip-autocomplete li")
    assert option.text_content().startswith("maxpool")


def test_sizes_and_nets(browser: Any) -> None:
    """Every open size has a field, which has the size of the net; another net can be chosen."""
    text = NET.replace("1x8x8", "1xHxW").replace("flatten", "gap -> flatten")
    text += text.replace("Small", "Wide").replace("conv(4", "conv(9")
    net = netdsl.loads(text, "Small", inputs={"image": (1, 20, 10)})
    page = browser.new_page()
    notebook = Notebook(page, net.show())
    notebook.mount()
    assert [page.input_value(f"#sizes input[name={name}]") for name in "HW"] == ["20", "10"]
    notebook.shows("#table td:text-is('4x18x8')")
    page.fill("#sizes input[name=H]", "12")
    notebook.shows("#table td:text-is('4x10x8')")
    page.select_option("select[aria-label=net]", "Wide")
    notebook.shows("#table td:text-is('9x10x8')")
    assert notebook.widget.net.name == "Wide"
    assert notebook.faults == []
    page.close()


def test_the_paper_of_the_notebook(notebook: Notebook) -> None:
    """The widget is dark on dark paper, and its keys are no shortcuts of the notebook."""
    host = notebook.page.locator("body > div > div")
    assert host.get_attribute("data-theme") == "light"
    notebook.page.evaluate("() => { document.body.style.background = '#111'; }")
    notebook.shows("[data-theme=dark]")
    assert host.get_attribute("data-lm-suppress-shortcuts") == "true"
    notebook.page.evaluate(
        "() => { window.keys = 0; addEventListener('keydown', () => window.keys++); }"
    )
    notebook.page.click("#editor .cm-content")
    notebook.page.keyboard.type("b")
    assert notebook.page.evaluate("window.keys") == 0


def test_a_closed_view_hears_nothing(notebook: Notebook) -> None:
    """When the output of the cell goes, so do the listeners."""
    assert notebook.page.evaluate("listening()") > 0
    notebook.page.evaluate("close_view()")
    assert notebook.page.evaluate("listening()") == 0
