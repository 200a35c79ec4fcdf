"""The playground in a browser: `cd page && npm ci && npm run build` first.

One page serves most tests: each puts its own text into the editor.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

from netdsl.page.server import Server
from netdsl.page.training import Training
from netdsl.source import SourceFile
from tests.support.playground import NET, PATIENCE, Playground

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared(browser: Any, address: str) -> Iterator[Playground]:
    """One page for many tests."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    playground = Playground(page, address)
    playground.open()
    yield playground
    page.close()


@pytest.fixture
def playground(shared: Playground) -> Iterator[Playground]:
    """The shared page with a small net, in the view of the table."""
    shared.page.click("#tab-table")
    shared.write(NET)
    shared.wait("no errors")
    shared.faults.clear()
    yield shared
    assert shared.faults == []


def test_first_visit(browser: Any, address: str) -> None:
    """A new visitor sees LeNet-5 with its figures, and no script was refused."""
    page = browser.new_page()
    playground = Playground(page, address)
    playground.open()
    assert playground.rows()[0] == "C1"
    assert "61,706" in page.text_content("#table .totals")
    assert "3 of 3 hold" in page.text_content("#table .totals")
    assert playground.faults == []
    page.close()


def test_table_follows_the_text(playground: Playground) -> None:
    """An edit changes shapes and counts."""
    playground.write(NET.replace("conv(4, 3)", "conv(6, 5)"))
    playground.page.wait_for_selector("text=6x4x4")
    assert playground.rows() == ["C1", "1", "2", "scores"]


def test_hints(playground: Playground) -> None:
    """Each line with layers ends with its shape and its parameters."""
    texts = playground.page.locator("#editor .hint").all_text_contents()
    assert texts == ["4x6x6  40 params", "144", "3  435 params"]


def test_error_with_carets_and_its_fix(playground: Playground) -> None:
    """A misspelt layer has its message with carets; the button corrects the text."""
    playground.write(NET.replace("relu", "rellu"))
    playground.wait("1 error")
    shown = playground.page.text_content("#messages pre")
    assert "error[unknown-layer]: there is no layer or block `rellu`" in shown
    assert "^^^^^" in shown
    assert playground.page.locator("#editor .cm-lintRange-error").count() > 0
    playground.page.click("#messages button:has-text('Fix')")
    playground.wait("no errors")
    assert "-> relu" in playground.text()


def test_last_table_stays_while_the_text_has_errors(playground: Playground) -> None:
    """The table of the last version without errors is pale, but still there."""
    playground.write(NET.replace("conv(4, 3)", "conv(4, "))
    playground.page.wait_for_selector("#table.stale", timeout=PATIENCE)
    assert playground.rows() == ["C1", "1", "2", "scores"]


def test_warning(playground: Playground) -> None:
    """A warning is shown, and is no error."""
    playground.write(NET.replace("-> relu", "-> relu -> relu"))
    playground.wait("1 warning")
    assert "double-activation" in playground.page.text_content("#messages pre")


def test_completion(playground: Playground) -> None:
    """Letters of a layer open a list with its description."""
    playground.page.click("#editor .cm-line:has-text('flatten')")
    playground.page.keyboard.press("End")
    playground.page.keyboard.type(" -> maxp")
    option = playground.page.wait_for_selector("#editor .cm-tooltip-autocomplete li")
    assert option.text_content().startswith("maxpool")
    playground.page.keyboard.press("Escape")


def test_hover(playground: Playground) -> None:
    """The pointer on a layer shows its figures and its reference."""
    playground.page.hover("#editor .cm-line:has-text('conv(4') >> text=conv")
    tip = playground.page.wait_for_selector("#editor .cm-tooltip-hover .paragraphs")
    assert "receptive field 3x3" in tip.text_content()
    assert "conv(out, k, stride = 1" in tip.text_content()
    playground.page.mouse.move(1, 1)


def test_a_row_selects_its_line_and_its_box(playground: Playground) -> None:
    """A click on a row moves the cursor; the picture marks the box."""
    playground.page.click("#table tbody tr:has-text('dense')")
    line = playground.page.text_content("#editor .cm-activeLine")
    assert "output scores" in line
    playground.page.click("#tab-picture")
    playground.page.wait_for_selector("#drawing svg")
    playground.page.click("#editor .cm-line:has-text('conv(4')")
    playground.page.wait_for_selector("#drawing g.selected[data-name=C1]", state="attached")


def test_a_box_selects_its_line_and_its_row(playground: Playground) -> None:
    """A click on a box moves the cursor and marks the row."""
    playground.page.click("#tab-picture")
    playground.page.click("#drawing g[data-name=C1]")
    assert "C1: conv" in playground.page.text_content("#editor .cm-activeLine")
    assert playground.page.locator("#table tr.selected").count() >= 1


def test_picture_zooms(playground: Playground) -> None:
    """The buttons make the picture larger and smaller, and fit it."""
    playground.page.click("#tab-picture")
    playground.page.wait_for_selector("#drawing svg")
    width = "Number(document.querySelector('#drawing svg').getAttribute('width'))"
    playground.page.wait_for_timeout(500)  # it is fitted once it is visible
    before = playground.page.evaluate(width)
    playground.page.click("#larger")
    assert playground.page.evaluate(width) > before
    playground.page.click("#fit")
    assert playground.page.evaluate(width) == pytest.approx(before)


def test_picture_to_the_right(playground: Playground) -> None:
    """The direction of the picture can be chosen."""
    playground.page.click("#tab-picture")
    playground.page.select_option("#direction", "right")
    playground.page.wait_for_function(
        "() => { const b = document.querySelector('#drawing svg').viewBox.baseVal;"
        " return b.width > b.height; }"
    )
    playground.page.select_option("#direction", "down")


def test_source(playground: Playground) -> None:
    """The view of the code has the PyTorch source."""
    playground.page.click("#tab-torch")
    playground.page.wait_for_selector("#torch-source:has-text('class Small')")
    assert "nn.Conv2d(1, 4, 3)" in playground.page.text_content("#torch-source")


def test_model_runs(playground: Playground, tmp_path: Path) -> None:
    """The ONNX model has weights, passes ONNX's check, and runs."""
    playground.page.click("#tab-torch")
    with playground.page.expect_download() as waiting:
        playground.page.click("#save-onnx")
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == "Small.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    [scores] = session.run(None, {"image": np.ones((2, 1, 8, 8), np.float32)})
    assert scores.shape == (2, 3)
    assert np.ptp(scores[0]) > 0


def test_open_sizes(playground: Playground) -> None:
    """Sizes that a net leaves open have fields; numbers there give numbers in the table."""
    playground.write(NET.replace("1x8x8", "1xHxW").replace("flatten", "gap -> flatten"))
    playground.wait("no errors")
    assert any("H" in text for text in playground.page.locator("#table td").all_text_contents())
    playground.page.fill("#sizes input >> nth=0", "20")
    playground.page.fill("#sizes input >> nth=1", "10")
    playground.page.wait_for_selector("#table td:text-is('4x18x8')")


def test_several_nets(playground: Playground) -> None:
    """The list of nets chooses the one that is shown."""
    playground.write(NET + NET.replace("Small", "Wide").replace("conv(4", "conv(9"))
    playground.page.wait_for_selector("#net option:text-is('Wide')", state="attached")
    playground.page.select_option("#net", "Wide")
    playground.page.wait_for_selector("#table td:text-is('9x6x6')")


def test_example(playground: Playground) -> None:
    """An example of the library replaces the text."""
    playground.page.select_option("#examples", "alexnet")
    playground.page.wait_for_selector("#table td:text-is('96x55x55')", timeout=PATIENCE)
    assert "AlexNet" in playground.page.input_value("#net")


def test_save_and_open(playground: Playground, tmp_path: Path) -> None:
    """The text can be saved as a file, and opened again."""
    with playground.page.expect_download() as waiting:
        playground.page.click("#save")
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == "Small.net"
    assert path.read_text() == NET
    path.write_text(NET.replace("Small", "Other"))
    playground.page.set_input_files("#file", path)
    playground.page.wait_for_selector("#net option:text-is('Other')", state="attached")


def test_share(browser: Any, playground: Playground) -> None:
    """The shared address opens the same text in another page."""
    playground.page.click("#share")
    playground.page.wait_for_function("() => location.hash.startsWith('#text=')")
    page = browser.new_page()
    other = Playground(page, "")
    other.open(playground.page.url)
    assert other.text() == NET.rstrip("\n") + "\n"
    assert other.faults == []
    page.close()
    playground.page.evaluate("history.replaceState(null, '', location.pathname)")


@pytest.mark.parametrize(
    "fragment",
    [
        "#text=<script>alert(1)</script>",
        "#text=AAAA",
        pytest.param("#text=%00", marks=pytest.mark.slow),
        pytest.param("#text=" + "A" * 5000, marks=pytest.mark.slow),
        pytest.param("#x=y", marks=pytest.mark.slow),
    ],
)
def test_damaged_fragment(browser: Any, address: str, fragment: str) -> None:
    """A damaged address shows the first example."""
    page = browser.new_page()
    playground = Playground(page, address)
    playground.open(fragment)
    assert playground.rows()[0] == "C1"
    page.close()


def test_hostile_text(playground: Playground) -> None:
    """Markup in names and comments stays text, in every view, and nothing runs."""
    label = "<img src=x onerror=window.hit=1>"
    text = NET.replace("net Small", f"# {label}\nnet Small")
    playground.write(text.replace("C1:", f'"{label}":'))
    playground.wait("1 error")
    assert label in playground.page.text_content("#messages")
    playground.write(text)
    playground.wait("no errors")
    for tab in ("table", "picture", "torch"):
        playground.page.click(f"#tab-{tab}")
        playground.page.wait_for_timeout(500)
    assert playground.page.evaluate("window.hit") is None
    assert playground.page.locator("#messages img, #side img, [src=x]").count() == 0


def test_policy_refuses_other_scripts(playground: Playground) -> None:
    """The page's policy allows neither scripts in the page nor `eval`."""
    refused = playground.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
        " document.body.append(s); s.remove(); return window.hit === undefined; }"
    )
    assert refused
    playground.faults.clear()  # the browser reports what it refused


def test_keyboard(playground: Playground) -> None:
    """Views change with the arrow keys, and rows are chosen with Enter."""
    playground.page.focus("#tab-table")
    playground.page.keyboard.press("ArrowRight")
    assert playground.page.get_attribute("#tab-picture", "aria-selected") == "true"
    playground.page.keyboard.press("ArrowLeft")
    playground.page.focus("#table tbody tr >> nth=0")
    playground.page.keyboard.press("ArrowDown")
    playground.page.keyboard.press("Enter")
    assert playground.page.locator("#table tr.selected").count() == 1


def test_dark(playground: Playground) -> None:
    """The button changes between light and dark."""
    colour = "getComputedStyle(document.body).backgroundColor"
    before = playground.page.evaluate(colour)
    playground.page.click("#theme")
    assert playground.page.evaluate(colour) != before
    playground.page.click("#theme")


def test_phone(playground: Playground) -> None:
    """On a narrow screen the text is one of the views, and nothing is wider than the screen."""
    playground.page.set_viewport_size({"width": 390, "height": 844})
    playground.page.click("#tab-text")
    assert playground.page.is_visible("#editor")
    playground.page.click("#tab-table")
    assert not playground.page.is_visible("#editor")
    assert playground.page.evaluate("document.documentElement.scrollWidth") <= 390
    playground.page.set_viewport_size({"width": 1366, "height": 768})


def test_text_is_kept(browser: Any, address: str) -> None:
    """The next visit begins with the text of the last one."""
    context = browser.new_context()
    playground = Playground(context.new_page(), address)
    playground.open()
    playground.write(NET)
    playground.wait("no errors")
    again = Playground(context.new_page(), address)
    again.open()
    assert again.page.input_value("#net") == "Small"
    context.close()


def test_offline(browser: Any, address: str) -> None:
    """After the first visit, the page works without a network."""
    context = browser.new_context()
    page = context.new_page()
    playground = Playground(page, address)
    playground.open()
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    context.set_offline(True)
    page.reload()
    page.wait_for_selector("#table tbody tr", timeout=PATIENCE)
    context.close()


# ---- `netdsl view`


@pytest.fixture
def served(browser: Any, tmp_path: Path) -> Iterator[tuple[Playground, Path, Server]]:
    """A file in the page of `netdsl view`."""
    path = tmp_path / "small.net"
    path.write_text(NET)
    (tmp_path / "parts.net").write_text("block twice(n) { conv(n, 1) -> conv(n, 1) }\n")
    training = Training(tmp_path / "runs")
    server = Server(SourceFile("small.net", NET, str(path)), training)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    playground = Playground(page, server.address)
    playground.open()
    yield playground, path, server
    page.close()
    server.closing.set()
    server.shutdown()
    server.server_close()
    training.close()


def test_view_saves(served: tuple[Playground, Path, Server]) -> None:
    """A change is written to the file, and a change of the file is shown."""
    playground, path, _ = served
    assert "#" not in playground.page.url  # the token is hidden
    playground.write(NET.replace("conv(4", "conv(5"))
    playground.page.wait_for_timeout(1500)
    assert "conv(5" in path.read_text()
    path.write_text(NET.replace("conv(4", "conv(7"))
    playground.page.wait_for_selector("#table td:text-is('7x6x6')")
    assert playground.faults == []


def test_view_never_puts_another_text_in_place(served: tuple[Playground, Path, Server]) -> None:
    """Examples, other files and shared texts would be saved over the file, so there are none."""
    playground, path, _ = served
    assert not playground.page.is_visible("#examples")
    assert not playground.page.is_visible("#open")
    playground.page.evaluate("() => { location.hash = '#text=y0stUQjOTczJUajmUgCC'; }")
    playground.page.wait_for_timeout(1500)
    assert path.read_text() == NET


def test_view_imports_files_beside(served: tuple[Playground, Path, Server]) -> None:
    """The page can import the other files of the folder."""
    playground, _, _ = served
    playground.write('import "parts.net"\n\n' + NET.replace("relu", "twice(2)"))
    playground.wait("no errors")
    assert "twice" in playground.page.text_content("#table tbody")


def test_view_trains(served: tuple[Playground, Path, Server]) -> None:
    """The page starts a training and shows its epochs."""
    playground, path, _ = served
    text = NET.replace("1x8x8", "1x28x28").replace("dense(3)", "dense(10)")
    playground.write(text + "\ntrain Small {\n    data = fashion_mnist_sample\n    epochs = 2\n}\n")
    playground.wait("no errors")
    playground.page.click("#tab-train")
    playground.page.fill("#train-epochs", "1")
    playground.page.click("#train-start")
    playground.page.wait_for_selector("#train-state:has-text('finished')", timeout=PATIENCE)
    assert playground.page.locator("#train-rows tr").count() == 1
    assert re.search(r"train[_ ]loss", playground.page.text_content("#train-head") or "")
    assert (path.parent / "runs" / "Small-1" / "log.jsonl").is_file()
