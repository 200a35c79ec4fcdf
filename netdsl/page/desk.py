"""What the page of the playground asks of the compiler; each answer is ready to become JSON.

The page counts the characters of a text in UTF-16, as JavaScript does. `Offsets` converts.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.analysis.figures import figure, long_figure, totals
from netdsl.backends.torch.source import emit_source
from netdsl.checking import Checked
from netdsl.draw.dot import emit_dot
from netdsl.draw.options import DrawOptions
from netdsl.draw.rows import Choice, output_text
from netdsl.draw.tree import tree_lines
from netdsl.errors import NetdslError
from netdsl.ir.types import shape_text, subs
from netdsl.library import library_names, open_source
from netdsl.lsp.completion import completions
from netdsl.lsp.document import Document
from netdsl.lsp.hints import hints
from netdsl.lsp.hover import hover
from netdsl.lsp.positions import Offsets
from netdsl.page.model import model_pieces
from netdsl.page.trainable import rates_of, trainable
from netdsl.render import render_text
from netdsl.source import SourceFile
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.diagnostics import Diagnostic
    from netdsl.draw.rows import ShownRow
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program
    from netdsl.ir.graph import Graph
    from netdsl.source import Span

    Json = dict[str, Any]

FILE = "playground.net"  # the name of a text that is no file


class Desk:
    """The text that the page shows, and the net of it that is picked."""

    def __init__(self, program: Program | None = None) -> None:
        """Begin with an empty text, or with the text, the parameters and the files of a program."""
        source = SourceFile(FILE, "") if program is None else program.source
        self.name, self.path = source.name, source.path
        self._defines = {} if program is None else program.defines
        self._files = {} if program is None else program.loader.files
        self.document = Document(source, defines=self._defines, files=self._files)
        self.offsets = Offsets(source.text)
        self.net: str | None = None
        self._checked: Checked | None = None

    def about(self) -> Json:
        """The version, and the files of the library."""
        return {"version": __version__, "examples": library_names()}

    def example(self, name: str) -> str:
        """The text of a file of the library; raises `NetdslError`."""
        return open_source(name).text

    def open(self, name: str, beside: dict[str, str]) -> None:
        """Name the file that the page shows, and give the files that it can import by their paths.

        They are written into a folder that only the browser has.
        """
        folder = Path(tempfile.mkdtemp())
        for path, text in beside.items():
            target = folder / path
            if folder in target.resolve().parents:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
        self.name, self.path = name, str(folder / Path(name).name)

    def update(self, text: str, net: str | None, sizes: Mapping[str, int]) -> Json:
        """Take a new text; returns what the page shows of the picked net, and its diagnostics.

        `sizes` are numbers for open sizes. An input gets its sizes if all of them are known.
        """
        document = self.document = self._document(text)
        self.offsets = Offsets(text)
        names = self._names()
        self.net = net if net in names else next(iter(names), None)
        diagnostics = document.diagnostics(self.net)
        checked = self._checked = None if self.net is None else document.checked(self.net)
        table = None
        if checked is not None and checked.compiled is not None:
            graph = checked.compiled.graph
            diagnostics += self._resize(checked.name, shapes_for(graph, sizes))
            table = {**self._table(self._checked or checked), "symbols": graph.symbols}
        return {
            "names": names,
            "net": self.net,
            "is_stale": document.program is None,
            "diagnostics": [self._diagnostic(d) for d in diagnostics],
            "table": table,
            "hints": [] if self._checked is None else self._hints(self._checked),
        }

    def _resize(self, name: str, shapes: Mapping[str, tuple[int, ...]]) -> list[Diagnostic]:
        """Build the picked net for these shapes of inputs, too; returns the errors."""
        if not shapes or self.document.program is None:
            return []
        sized = Checked(name, name)
        found = sized.build(self.document.program, shapes)
        if sized.summary is not None:
            self._checked = sized
        return found

    def rest(self) -> list[Json]:
        """The diagnostics of the whole text, with all its nets."""
        return [self._diagnostic(d) for d in self.diagnostics()]

    def diagnostics(self) -> list[Diagnostic]:
        """Those of the whole text; with parameters, which other nets may lack, those of the net."""
        return self.document.diagnostics(self.net if self._defines else None)

    def _names(self) -> list[str]:
        """The nets that can be picked: those that have the parameters that were given."""
        program, names = self.document.last, self.document.names
        if not self._defines or program is None:
            return names
        definitions = program.module.definitions
        known = {n: getattr(definitions.get(n), "parameters", ()) for n in names}
        taken = self._defines.keys()
        return [n for n, own in known.items() if taken <= {p.name for p in own}] or names

    def complete(self, text: str, offset: int) -> Json:
        """What can be written at an offset of a text, which may be newer than the last one."""
        document, offsets = self._version(text)
        items = completions(document, offsets.from_utf16(offset))
        start = offset if not items else offsets.to_utf16(items[0].start)
        return {"from": start, "items": [item._asdict() for item in items]}

    def explain(self, text: str, offset: int) -> Json | None:
        """What the word at an offset of a text means."""
        document, offsets = self._version(text)
        found = hover(document, offsets.from_utf16(offset), self.net)
        if found is None:
            return None
        stretch = {"from": offsets.to_utf16(found.start), "to": offsets.to_utf16(found.end)}
        return {**stretch, "paragraphs": found.paragraphs}

    def _version(self, text: str) -> tuple[Document, Offsets]:
        """A document of the text, which builds no net before it is asked for."""
        if text == self.document.source.text:
            return self.document, self.offsets
        return self._document(text), Offsets(text)

    def _document(self, text: str) -> Document:
        source = SourceFile(self.name, text, self.path)
        return Document(source, self.document, defines=self._defines, files=self._files)

    def picture(self, theme: str, depth: int | None, direction: str) -> str | None:
        """The picture of the picked net as DOT text; links lead to lines of the text."""
        graph = self._graph()
        if graph is None:
            return None
        options = DrawOptions(depth=depth, theme=theme, direction=direction)
        return emit_dot(graph, options, self._link)

    def torch_source(self) -> str:
        """The picked net as PyTorch source, or why there is none."""
        graph = self._graph()
        if graph is None:
            return ""
        try:
            return emit_source(graph)
        except NetdslError as error:
            return "".join(f"# {line}\n" for line in str(error).splitlines())

    @property
    def compiled(self) -> Compiled | None:
        """The picked net, for the sizes that were given; None if it has errors."""
        return None if self._checked is None else self._checked.compiled

    def onnx_model(self) -> Json | None:
        """The picked net as an ONNX model without its weights, as `model_pieces` gives it."""
        graph = self._graph()
        return None if graph is None else model_pieces(graph)

    def training(self, batch: int | None, device: str) -> Json:
        """What the page needs to train the picked net, as `trainable` gives it.

        `device` is where it computes, "wasm" or "webgpu". Raises `NetdslError` if it cannot be
        trained.
        """
        if self.compiled is None:
            raise NetdslError("cannot-train", "the text has no net without errors")
        return trainable(self.compiled, batch, on_gpu=device == "webgpu")

    def rates(self, steps: int) -> list[float]:
        """The factor of the learning rate in each step of a training, as `rates_of` gives it.

        An epoch has so many steps.
        """
        return [] if self.compiled is None else rates_of(self.compiled, steps)

    # ---- parts of the answers

    def _graph(self) -> Graph | None:
        return None if self.compiled is None else self.compiled.graph

    def _link(self, span: Span) -> str:
        return f"#L{span.first.line}" if span.file.name == self.name else ""

    def _stretch(self, start: int, end: int) -> Json:
        return {"from": self.offsets.to_utf16(start), "to": self.offsets.to_utf16(end)}

    def _diagnostic(self, diagnostic: Diagnostic) -> Json:
        span = diagnostic.span
        is_here = span is not None and span.file is self.document.source
        edits = [e for e in diagnostic.fix if e.span.file is self.document.source]
        return {
            "code": diagnostic.code,
            "severity": diagnostic.severity,
            "message": diagnostic.message,
            "help": diagnostic.help,
            "text": render_text(diagnostic),
            "line": span.first.line if is_here and span is not None else None,
            **(self._stretch(span.start, span.end) if is_here and span is not None else {}),
            "fix": [{**self._stretch(e.span.start, e.span.end), "insert": e.text} for e in edits],
        }

    def _hints(self, checked: Checked) -> list[Json]:
        return [
            {"line": hint.line, "text": hint.text} for hint in hints(checked, self.document.source)
        ]

    def _table(self, checked: Checked) -> Json:
        summary = checked.summary
        assert summary is not None
        graph = summary.graph
        shown = totals(summary, checked.proven, checked.asked, deferred=checked.deferred, most=None)
        return {
            "name": graph.name,
            "doc": graph.doc,
            "inputs": [
                {"name": v.name, "shape": [str(size) for size in v.type.shape]}
                for v in graph.inputs
            ],
            "outputs": [
                {"name": o.name, "shape": [str(size) for size in o.value.type.shape]}
                for o in graph.outputs
            ],
            "rows": [_row(line, self.name) for line in tree_lines(summary, Choice())],
            "totals": [{"label": label, "text": text} for label, text in shown],
        }


def shapes_for(graph: Graph, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs whose open sizes are all known."""
    found = {}
    for value in graph.inputs:
        if value.type.symbolic:
            shape = [subs(size, sizes) for size in value.type.shape]
            known = [size for size in shape if isinstance(size, int)]
            if len(known) == len(shape):
                found[value.name] = tuple(known)
    return found


def _row(line: ShownRow, file: str) -> Json:
    row = line.row
    return {
        "label": line.name,
        "name": re.sub(r"[^\w.-]", "_", row.name, flags=re.ASCII),
        "indent": line.indent,
        "style": line.style,
        "kind": row.kind,
        "window": row.window,
        "output": output_text(row),
        "params": figure(row.params),
        "macs": figure(row.macs),
        "formula": long_figure(row.macs),
        "field": shape_text(row.field) if row.field else "",
        "sources": list(line.sources),
        "line": row.line if row.file == file else None,
    }
