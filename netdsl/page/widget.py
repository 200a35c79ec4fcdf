"""The widget of notebooks: an editor of a net, with its table and its picture. Needs anywidget.

The script in the notebook is made of parts of the playground. What the playground asks of the
compiler in the browser, the widget asks of the compiler in the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anywidget import AnyWidget
from traitlets import Dict, Int, Unicode

from netdsl.draw.layout import render
from netdsl.errors import NetdslError
from netdsl.ir.types import Sym
from netdsl.page.desk import Desk
from netdsl.page.site import widget_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.diagnostics import Diagnostic
    from netdsl.driver import Compiled


class NetWidget(AnyWidget):
    """A text in a notebook, and one of its nets: `Net.show` makes it.

    - `text` is the text. A new one, from Python or from the editor, is compiled at once.
    - `name` is the name of the net that is shown; if the text has no such net, its first is.
    - `sizes` are numbers for open sizes by their names, such as `{"H": 224, "W": 224}`.
    - `net` is the net that is shown. While the text has errors, it is the last one without.
    - `diagnostics` are the errors and warnings of the text.
    """

    text = Unicode().tag(sync=True)
    name = Unicode().tag(sync=True)
    sizes = Dict(value_trait=Int(min=1), key_trait=Unicode()).tag(sync=True)
    _shown = Dict().tag(sync=True)  # what the script shows: the answer of `Desk.update`
    _esm = Unicode().tag(sync=True)

    def __init__(self, net: Any, compiled: Compiled, make: Callable[[Compiled], Any]) -> None:
        """Show a net; `make` makes another from what the text becomes.

        Raises `NetdslError` if the script is not installed.
        """
        self.net = net
        self._make = make
        self._desk = Desk(compiled.program)
        self._answers: dict[str, Callable[..., object]] = {
            "complete": self._desk.complete,
            "explain": self._desk.explain,
            "rest": self._desk.rest,
            "drawing": self._drawing,
        }
        text, name = compiled.program.source.text, compiled.graph.name
        shown = self._desk.update(text, name, {})
        known = self._desk.compiled
        sizes = {} if known is None else _sizes_in(known, compiled)
        if sizes:
            shown = self._desk.update(text, name, sizes)
        super().__init__(_esm=widget_source(), text=text, name=name, sizes=sizes, _shown=shown)
        self._seen: tuple[object, ...] = (text, name, sizes)
        self.observe(self._take, ["text", "name", "sizes"])
        self.on_msg(self._answer)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """The errors and warnings of the whole text."""
        return self._desk.diagnostics()

    def __repr__(self) -> str:
        return f"<NetWidget {self.net.name}>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The widget, and for exported notebooks the table and the picture as HTML."""
        made = super()._repr_mimebundle_(**options)
        if made is None:
            return None
        data, metadata = made
        return {**data, "text/html": self.net._repr_html_()}, metadata

    def _take(self, _change: object) -> None:
        """Compile what is new; several changes that arrive together are compiled once."""
        seen = (self.text, self.name, dict(self.sizes))
        if seen == self._seen:
            return
        self._seen = seen
        shown = self._desk.update(*seen)
        if self._desk.compiled is not None and not shown["is_stale"]:
            self.net = self._make(self._desk.compiled)
        self._shown = shown

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        """Answer a question of the script."""
        method, args = self._answers.get(content["method"]), content["args"]
        answer: dict[str, object] = {"error": f"the widget has no answer to `{content['method']}`"}
        if method is not None:
            try:
                answer = {"value": method(*args)}
            except NetdslError as error:
                answer = {"error": error.message}
        self.send({"id": content["id"], **answer})

    def _drawing(self, theme: str, depth: int | None, direction: str) -> str:
        """The picture of the net as SVG; raises `NetdslError` if there is none."""
        dot = self._desk.picture(theme, depth, direction)
        if dot is None:
            raise NetdslError("no-net", "the text has no net without errors")
        return render(dot, "svg").decode()


def _sizes_in(known: Compiled, compiled: Compiled) -> dict[str, int]:
    """The open sizes of a net that have numbers in another form of it."""
    found = {}
    for own, other in zip(known.graph.inputs, compiled.graph.inputs, strict=True):
        for size, number in zip(own.type.shape, other.type.shape, strict=True):
            if isinstance(size, Sym) and isinstance(number, int) and {str(size)} == size.symbols():
                found[str(size)] = number
    return found
