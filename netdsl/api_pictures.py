"""How the net of the Python API is drawn."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from os import fspath
from typing import TYPE_CHECKING, overload

from netdsl.api_arguments import checked
from netdsl.api_figures import Figures
from netdsl.api_parts import Drawing
from netdsl.draw.options import SCENES, DrawOptions
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from os import PathLike

    from netdsl.page.widget import NetWidget


class DrawnNet(Figures):
    """A net that can be drawn."""

    @overload
    def draw(
        self,
        path: None = None,
        depth: int | None = None,
        *,
        style: str = "layers",
        direction: str = "down",
        theme: str = "light",
        field: str | None = None,
        units: int | None = None,
        dpi: int = 144,
    ) -> Drawing: ...

    @overload
    def draw(
        self,
        path: str | PathLike[str],
        depth: int | None = None,
        *,
        style: str = "layers",
        direction: str = "down",
        theme: str = "light",
        field: str | None = None,
        units: int | None = None,
        dpi: int = 144,
    ) -> None: ...

    @checked
    def draw(
        self,
        path: str | PathLike[str] | None = None,
        depth: int | None = None,
        *,
        style: str = "layers",
        direction: str = "down",
        theme: str = "light",
        field: str | None = None,
        units: int | None = None,
        dpi: int = 144,
    ) -> Drawing | None:
        """Draw the net as .svg, .png, .pdf, .tex, .dot, .mmd or .html, by the suffix of `path`.

        Without a `path`, the result is an SVG picture, which notebooks show and which is a `str`.
        With a `depth`, each deeper block is one box. `style` is "layers", "blocks", "volumes" or
        "neurons", `direction` "down" or "right", and `theme` "light", "dark" or "print". `field`,
        such as "C3:5,5", shades the input that a unit sees; `units` is the most circles of a layer
        of neurons, and `dpi` the pixels of an inch of a .png. Raises `ValueError` for other values
        and suffixes, `CompileError` for a net that has no such picture, or if Graphviz is missing,
        which only .pdf needs, and `OSError` if the file cannot be written.

        >>> import netdsl, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     netdsl.load("lenet5").draw(f"{folder}/lenet5.mmd")
        ...     print(pathlib.Path(folder, "lenet5.mmd").read_text().splitlines()[3])
        flowchart TB
        """
        options = DrawOptions(
            depth, style, direction, theme, dpi, units=units or 0, field=field or ""
        )
        if field and style == "neurons":
            raise ValueError("neurons have no field; choose another style")
        formats = import_module("netdsl.draw.formats")
        if path is None:
            return Drawing(formats.svg_of(self.graph, options))
        if fspath(path).lower().endswith(".mmd") and (style in SCENES or field):
            raise ValueError("a .mmd file shows layers or blocks, and no field")
        formats.draw(self.graph, path, options)
        return None

    @checked
    def show(self) -> NetWidget:
        """An editor for notebooks: the text, the table and the picture, current while one types.

        The `text` of the widget is that of the net, and its `net` is what the text has become:
        `widget = net.show()` shows this net, and `widget.net` is the one of the edited text. A
        `text` that is set from Python appears in the editor. Exported notebooks have the table and
        the picture. Raises `CompileError` if anywidget or the script is not installed; the extra
        `notebook` has both.

        >>> import netdsl
        >>> widget = netdsl.loads("net A { input x: 4 \\n dense(3) }").show()
        >>> widget.text = widget.text.replace("dense(3)", "dense(5)")
        >>> widget.net
        <Net A: 25 params>
        """
        if find_spec("anywidget") is None:
            message = "`show` needs the package anywidget, which is not installed"
            help_ = 'install netdsl with it: `pip install "netdsl[notebook]"`'
            raise NetdslError("missing-package", message, help=help_)
        module = import_module("netdsl.page.widget")
        widget: NetWidget = module.NetWidget(self, self._compiled, type(self))
        return widget
