"""A net as one HTML page: figures, picture, table of layers, and the text with numbered lines.

The page needs no other file and makes no request. Its policy allows only its own style and script.
Text from the user is escaped.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.analysis.cost import Costs
from netdsl.analysis.figures import figure, long_figure, totals
from netdsl.analysis.summary import Summary
from netdsl.draw.dot import svg_text
from netdsl.draw.options import SCENES, USUAL
from netdsl.draw.rows import Choice, output_text
from netdsl.draw.scene import scene_of
from netdsl.draw.svg import svg_element
from netdsl.draw.table import flat_lines
from netdsl.ir.types import shape_text
from netdsl.source import printable
from netdsl.version import __version__

if TYPE_CHECKING:
    from netdsl.analysis.summary import Row
    from netdsl.draw.options import DrawOptions
    from netdsl.draw.rows import ShownRow
    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Sym
    from netdsl.source import SourceFile, Span

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("fold.js", "page.js")
)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def policy_of(style: str, script: str = "") -> str:
    """The policy of a page that loads nothing and has one style, and perhaps one script."""
    allowed = _hash(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; base-uri 'none';"
        " form-action 'none'"
    )


_POLICY = policy_of(STYLE, SCRIPT)
_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="netdsl {version}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}</body>
</html>
"""
_BODY = """<header>
<h1>{name}</h1>
{doc}<p>{ends}</p>
</header>
<main>
<section class="figures" aria-labelledby="figures">
<h2 id="figures">Figures</h2>
<dl>
{totals}</dl>
</section>
<section class="picture" aria-labelledby="picture">
<h2 id="picture">Picture</h2>
<div id="tools" hidden>
<button id="smaller" type="button" aria-label="smaller">−</button>
<button id="larger" type="button" aria-label="larger">+</button>
<button id="whole" type="button">fit</button>
<button id="actual" type="button">100 %</button>
<button id="fold" type="button">fold</button>
<button id="unfold" type="button">unfold</button>
<input id="search" type="search" aria-label="search for a layer" placeholder="search: /">
<output id="count" aria-live="polite"></output>
</div>
<div class="scroll" role="region" aria-labelledby="picture" tabindex="0">
{svg}</div>
</section>
<section class="layers" aria-labelledby="layers">
<h2 id="layers">Layers</h2>
{table}</section>
<section class="text" aria-labelledby="text">
<h2 id="text">Text</h2>
{texts}</section>
</main>
<script>{script}</script>
"""
_TABLE = """<div class="scroll" role="region" aria-labelledby="layers" tabindex="0">
<table>
<caption>Shapes are of one sample. The receptive field is how much of the input,\
 with its padding, one output depends on.{aux}</caption>
<thead>
<tr><th scope="col">layer</th><th scope="col">kind</th><th scope="col">window</th>\
<th scope="col">output</th>\
<th scope="col" class="n">params</th><th scope="col" class="n">MACs</th>\
<th scope="col" class="n">receptive field</th><th scope="col">from</th>\
<th scope="col" class="n">line</th></tr>
</thead>
<tbody>
{rows}</tbody>
<tfoot>
<tr><th scope="row">total</th><td></td><td></td><td></td>\
<td class="n">{params}</td><td class="n">{macs}</td><td></td><td></td><td></td></tr>
</tfoot>
</table>
</div>
"""
_TEXT = """<p>{file}</p>
<div class="scroll" role="region" aria-label="{file}" tabindex="0">
<ol>
{text}</ol>
</div>
"""
_NONE = '<span aria-label="none">-</span>'
MAX_FORMULA = 100  # characters in a cell
_AUX = (
    " Layers in italics belong to auxiliary heads, which exist only in training and are not in the"
    " total."
)


def emit_page(graph: Graph, options: DrawOptions = USUAL) -> str:
    """The page. The options are those of the picture.

    Raises `NetdslError` if the program that draws is not installed or fails.
    """
    summary = Summary(graph, graph.derived(Costs))
    doc = ""
    if graph.doc:
        doc = f"<p>{escaped(graph.doc)}</p>\n"
    body = _BODY.format(
        name=escaped(graph.name),
        doc=doc,
        ends=escaped(_ends(graph)),
        totals="".join(
            f"<div><dt>{escaped(label)}</dt><dd>{escaped(text)}</dd></div>\n"
            for label, text in totals(summary, most=None)
        ),
        svg=picture_of(graph, options),
        table=table_of(summary),
        texts=texts_of(graph),
        script=SCRIPT,
    )
    return document(graph.name, body, STYLE, _POLICY)


def _files(graph: Graph) -> list[tuple[SourceFile, str]]:
    """The file of the net, and those of the blocks it uses, each with a prefix of its lines."""
    files = dict.fromkeys([graph.site.span.file, *(node.span.file for node in graph.nodes)])
    return [(file, f"f{number}-" if number else "") for number, file in enumerate(files)]


def document(title: str, body: str, style: str, policy: str) -> str:
    """A whole page, with the content of its body; the policy limits what the page may load."""
    return _DOCUMENT.format(
        policy=escape(policy),
        version=__version__,
        title=escaped(title),
        style=style,
        body=body,
    )


def escaped(text: str) -> str:
    """Escaped text, without characters that cannot be printed."""
    return escape(printable(text, "\t\n"))


def _ends(graph: Graph) -> str:
    inputs = ", ".join(f"{value.name} {value.type}" for value in graph.inputs)
    outputs = ", ".join(f"{output.name} {output.value.type}" for output in graph.outputs)
    return f"{inputs} → {outputs}"


def picture_of(graph: Graph, options: DrawOptions = USUAL, seconds: float | None = None) -> str:
    """The picture, with a name for screen readers; raises as `layout.render`."""
    prefixes = dict(_files(graph))

    def link(span: Span) -> str:
        if span.file not in prefixes:
            return ""
        return f"#{prefixes[span.file]}L{span.first.line}"

    if options.style in SCENES:
        return svg_element(scene_of(graph, options, link)).replace(' id="', ' id="net.')
    # A layer can have the name of a part of the page, such as `text`.
    text = svg_text(graph, options, seconds, link).replace(' id="', ' id="net.')
    label = escaped(
        f"Picture of {graph.name}: its layers from input to output, as listed in the table below"
    )
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def texts_of(graph: Graph) -> str:
    """The text of the net, and of the files that its blocks are written in."""
    return "".join(
        _TEXT.format(file=escaped(Path(file.name).name), text=_lines_of(file, prefix))
        for file, prefix in _files(graph)
    )


def table_of(summary: Summary) -> str:
    """The table of the layers, with links to their lines in the files that the page shows."""
    files = [node.span.file for node in summary.graph.nodes]
    prefixes = dict(_files(summary.graph))
    lines = flat_lines(summary, Choice(columns=("field",)))
    rows = "".join(
        _row(line, home, prefixes.get(home)) for line, home in zip(lines, files, strict=True)
    )
    macs = escaped(summary.macs_of_multiples())
    return _TABLE.format(
        rows=rows,
        params=_figure(summary.totals.params),
        macs=macs or _figure(summary.totals.macs),
        aux=_AUX if summary.aux_params else "",
    )


def _row(shown: ShownRow, home: SourceFile, prefix: str | None) -> str:
    """A row of the table; `home` is the file of its layer, whose lines have the prefix if shown."""
    row = shown.row
    line = escaped(f"{Path(home.name).name}:{row.line}")
    if prefix is not None:
        text = escaped(f"{Path(home.name).name}:") * bool(prefix)
        line = f'<a href="#{prefix}L{row.line}">{text}{row.line}</a>'
    figures = [_figure(row.params), _figure(row.macs), _field(row)]
    return (
        f'<tr class="{"aux" if row.aux else "layer"}" data-name="{_identifier_of(row.name)}">'
        f'<th scope="row">{escaped(row.name)}</th>'
        f"<td>{escaped(row.kind)}</td><td>{escaped(row.window)}</td>"
        f"<td>{escaped(output_text(row))}</td>"
        f"{''.join(map(_number, figures))}<td>{escaped(', '.join(shown.sources))}</td>"
        f"{_number(line)}</tr>\n"
    )


def _identifier_of(name: str) -> str:
    """The name of a layer as in the identifiers of a picture."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def _number(cell: str) -> str:
    if " + " in cell:
        return f'<td class="n formula">{cell}</td>'
    return f'<td class="n">{cell}</td>'


def _field(row: Row) -> str:
    return escaped(shape_text(row.field)) if row.field else _NONE


def _figure(value: int | Sym) -> str:
    if not value:
        return _NONE
    whole = long_figure(value)
    if len(whole) > MAX_FORMULA:
        return escaped(figure(value))
    return escaped(whole)


def _lines_of(file: SourceFile, prefix: str) -> str:
    """The lines of a file as items of a list, to which the table links."""
    return "".join(
        f'<li id="{prefix}L{n}"><code>{escaped(line.rstrip())}</code></li>\n'
        for n, line in enumerate(file.text.rstrip().split("\n"), start=1)
    )
