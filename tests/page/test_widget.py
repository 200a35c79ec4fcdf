"""The widget of notebooks: what the kernel makes of a text, and what it answers to the script."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import netdsl
from netdsl import api_pictures
from netdsl.page import site
from tests.support.widget import replace_script

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("anywidget", reason="needs the extra `dev`")

NET = """net Small {
    input image: 1xHxW
    C1: conv(4, 3) -> relu -> gap -> flatten
    output scores: dense(3)
}
"""


@pytest.fixture(autouse=True)
def _script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file in place of the script that npm builds."""
    replace_script(tmp_path, monkeypatch)


def shown(widget: Any) -> dict[str, Any]:
    """What the script shows."""
    found: dict[str, Any] = widget.get_state()["_shown"]
    return found


def answers(widget: Any, method: str, *args: object) -> dict[str, Any]:
    """What the widget answers to a question of the script."""
    sent: list[dict[str, Any]] = []
    widget.send = sent.append
    widget._handle_custom_msg({"id": "a-1", "method": method, "args": list(args)}, [])
    [answer] = sent
    assert answer.pop("id") == "a-1"
    return answer


def test_it_begins_with_the_net() -> None:
    """The widget has the text of the net, its table, and the net itself."""
    net = netdsl.loads(NET)
    widget = net.show()
    assert (widget.text, widget.name, widget.sizes) == (NET, "Small", {})
    assert widget.net is net
    assert widget.get_state()["_esm"] == site.WIDGET
    assert shown(widget)["table"]["symbols"] == ["H", "W"]
    assert "Small" in repr(widget)


def test_an_edit_makes_another_net() -> None:
    """A text from the editor or from Python is compiled at once, and the net stays as it was."""
    net = netdsl.loads(NET)
    widget = net.show()
    widget.set_state({"text": NET.replace("conv(4", "conv(8")})  # as the editor does
    assert widget.net.params == 8 * 9 + 8 + 8 * 3 + 3
    assert widget.net.name == "Small"
    assert shown(widget)["table"]["rows"][0]["output"].startswith("8x")
    widget.text = NET.replace("conv(4", "conv(2")
    assert widget.net.params == 2 * 9 + 2 + 2 * 3 + 3
    assert net.params == 4 * 9 + 4 + 4 * 3 + 3


def test_errors_keep_the_last_net() -> None:
    """Of a text with errors, the diagnostics are shown; the net is that of the last good text."""
    widget = netdsl.loads(NET).show()
    for wrong in ("rellu", "relu -> conv(", "relu -> conv(3, 99, stride = 0)"):
        widget.text = NET.replace("relu", wrong)
        assert shown(widget)["diagnostics"][0]["severity"] == "error"
        assert widget.diagnostics[0].severity == "error"
        assert widget.net.params == 55
    widget.text = NET
    assert (shown(widget)["diagnostics"], widget.diagnostics) == ([], [])


def test_sizes() -> None:
    """Sizes of the net are those of the widget; others make another net."""
    widget = netdsl.loads(NET, inputs={"image": (1, 8, 6)}).show()
    assert widget.sizes == {"H": 8, "W": 6}
    assert widget.net.macs == 6 * 4 * 36 + 12
    widget.sizes = {"H": 12, "W": 12}
    assert widget.net.macs == 10 * 10 * 36 + 12
    widget.sizes = {"H": 12}  # one size is not enough
    assert widget.net.inputs[0].shape[1:] == netdsl.loads(NET).inputs[0].shape[1:]
    widget.sizes = {"H": 1, "W": 1}
    assert shown(widget)["diagnostics"][0]["severity"] == "error"


def test_several_nets() -> None:
    """Another net of the text can be chosen."""
    text = "net A { input x: 4\n dense(7) }\nnet B { input x: 4\n dense(2) }\n"
    widget = netdsl.loads(text, "A").show()
    assert shown(widget)["names"] == ["A", "B"]
    widget.name = "B"
    assert (widget.net.name, widget.net.params) == ("B", 10)
    widget.name = "C"  # there is none, so the first is shown
    assert widget.net.name == "A"


def test_parameters() -> None:
    """The parameters of the net stay; nets that do not have them cannot be picked."""
    text = "net A(n) { input x: 4\n dense(n) }\nnet B { input x: 4\n dense(2) }\n"
    widget = netdsl.loads(text, "A", n=7).show()
    assert widget.net.params == 35
    assert (shown(widget)["names"], widget.diagnostics) == (["A"], [])
    widget.text = text.replace("x: 4", "x: 5")
    assert widget.net.params == 42
    assert answers(widget, "rest") == {"value": []}


def test_imports_stay_as_they_were_loaded(tmp_path: Path) -> None:
    """The files that the net imports are not read again."""
    (tmp_path / "parts.net").write_text("block two(n) { dense(n) -> dense(n) }\n")
    (tmp_path / "a.net").write_text('import "parts.net"\nnet A { input x: 4\n two(3) }\n')
    net = netdsl.load(tmp_path / "a.net")
    (tmp_path / "parts.net").unlink()
    widget = net.show()
    widget.text = widget.text.replace("two(3)", "two(5)")
    assert widget.net.params == 25 + 30


def test_answers() -> None:
    """The script asks for completion, reference, all diagnostics, and the picture."""
    widget = netdsl.loads(NET).show()
    text = NET.replace("-> relu", "-> maxp")
    found = answers(widget, "complete", text, text.index("maxp") + 4)["value"]
    assert found["items"][0]["label"] == "maxpool"
    found = answers(widget, "explain", NET, NET.index("conv") + 1)["value"]
    assert any("conv(out, k" in paragraph for paragraph in found["paragraphs"])
    assert answers(widget, "rest") == {"value": []}
    drawn = answers(widget, "drawing", "dark", None, "down")["value"]
    assert drawn.count('class="node"') >= 3
    assert "#L3" in drawn


def test_wrong_questions() -> None:
    """A question without an answer gets an error, and nothing else of the widget can be called."""
    widget = netdsl.loads(NET).show()
    assert "no answer to `close`" in answers(widget, "close")["error"]
    widget = netdsl.loads(NET).show()
    widget.text = ""
    assert answers(widget, "drawing", "light", None, "down")["error"].startswith("the text has no")


def test_exported_notebooks_have_html() -> None:
    """Beside the widget, an output has the table and the picture of its net as HTML."""
    widget = netdsl.loads(NET).show()
    widget.text = NET.replace("Small", "Other")
    made = widget._repr_mimebundle_()
    assert made is not None
    data = made[0]
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert data["text/html"] == widget.net._repr_html_()
    assert "Other" in data["text/html"]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anywidget, the message names the extra."""
    monkeypatch.setattr(api_pictures, "find_spec", lambda name: None)
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET).show()
    assert caught.value.code == "missing-package"
    assert "netdsl[notebook]" in (caught.value.help or "")


def test_without_the_script(tmp_path: Path) -> None:
    """Without the script, the message says how to build it."""
    (tmp_path / site.WIDGET).unlink()
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET).show()
    assert caught.value.code == "page-missing"
    assert "npm run build" in (caught.value.help or "")
    (tmp_path / site.MARK).unlink()
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(NET).show()
    assert "npm run build" in (caught.value.help or "")


def test_only_show_imports_anywidget() -> None:
    """The API works without the package: nothing else imports it."""
    code = "import netdsl, sys; netdsl.load('lenet5')._repr_html_(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"anywidget", "traitlets"} & set(done.stdout.split())
