"""A layer worked by hand as one HTML page, which needs no other file and makes no request.

A window moves over the padded input, and products and output fill in; other layers show their steps
one after the other. The policy allows only the page's own style and script.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.draw.html import document, escaped
from netdsl.trace.animation import animation_of, can_move, window_words
from netdsl.trace.text import cell_text, lines_of
from netdsl.trace.worked import place_text

if TYPE_CHECKING:
    from netdsl.ir.graph import Graph
    from netdsl.trace.values import CheckedWork, TraceRun
    from netdsl.trace.worked import NumberGrid, Worked, WorkPart

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
MOST_CELLS = 400  # of a grid


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; base-uri 'none';"
    " form-action 'none'"
)
_BODY = """<header>
<h1>{title}</h1>
<p>{sizes}</p>
<p class="formula">{formula}</p>
</header>
<main>
<noscript><p>The steps need JavaScript. The text below has the result.</p></noscript>
<div id="top">
<div id="controls" role="group" aria-label="controls" hidden>
<button id="first" type="button" aria-label="first step" title="first step (Home)">|◀</button>
<button id="back" type="button" aria-label="back" title="back (left arrow)">◀</button>
<button id="play" type="button" title="play or pause (space)">play</button>
<button id="step" type="button" aria-label="step" title="step (right arrow)">▶</button>
<button id="last" type="button" aria-label="last step" title="last step (End)">▶|</button>
<label>speed <input id="speed" type="range" min="1" max="10" value="4"></label>
{choices}<output id="count"></output>
</div>
<p id="line" aria-live="polite"></p>
</div>
<div id="scene">{scene}</div>
<p class="keys">Keys: space plays and pauses, the arrow keys step, Home and End go to the ends,\
 + and − change the speed.{click}</p>
<section aria-labelledby="text">
<h2 id="text">{heading}</h2>
<pre tabindex="0">{text}</pre>
</section>
</main>
<script id="data" type="application/json">{data}</script>
<script>{script}</script>
"""
_CHOICES = """<label><input id="single" type="checkbox" checked> channel by channel</label>
<label>output <select id="output" aria-label="output channel"></select></label>
"""


def page_of(graph: Graph, run: TraceRun, checked: CheckedWork, *, backward: bool) -> str:
    """The page of one layer; it starts at the place that is worked."""
    node, worked = checked.node, checked.worked
    moves = can_move(run.layer)
    data: dict[str, object] = {"kind": "steps"}
    if moves:
        data = animation_of(run, checked.at)
    place = place_text(checked.at)
    inputs = ", ".join("x".join(map(str, x.shape[1:])) or "one number" for x in run.xs)
    sizes = f"{node.op.kind}: {inputs} to {'x'.join(map(str, checked.shape)) or 'one number'}"
    if moves:
        sizes += f"; {window_words(run.layer)}"
    body = _BODY.format(
        title=escaped(f"{node.name} of {graph.name}"),
        sizes=escaped(sizes),
        formula=escaped(worked.formula),
        choices=moves * _CHOICES,
        scene="" if moves else _steps(worked),
        click=moves * " A click on a number of the output goes there.",
        heading=f"The output{place and f' at {place}'}, worked by hand",
        text=escaped("\n".join(lines_of(checked, backward=backward))),
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        script=SCRIPT,
    )
    return document(f"{node.name} of {graph.name}", body, STYLE, _POLICY)


def _steps(worked: Worked) -> str:
    """The parts and the lines of a calculation, each of which is one step."""
    steps = [_part(part) for part in worked.parts]
    steps += [f'<p class="step sum">{escaped(line)}</p>' for line in worked.lines]
    return "\n".join(steps)


def _part(part: WorkPart) -> str:
    title = bool(part.title) * f"<h3>{escaped(part.title)}</h3>"
    text = bool(part.text) * f'<p class="sum">{escaped(part.text)}</p>'
    grids = "\n".join(map(_figure, part.grids))
    return f'<div class="step">{title}<div class="row">{grids}</div>{text}</div>'


def _figure(grid: NumberGrid) -> str:
    """A grid as a table with its title."""
    width = max(1, grid.rows.shape[1])
    shown = grid.rows[: max(1, MOST_CELLS // width)]
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown.tolist())
    more = len(grid.rows) - len(shown)
    rest = bool(more) * f"<p>... {more} more rows</p>"
    title = escaped(grid.title)
    return (
        f'<figure><figcaption>{title}</figcaption><table class="grid">{rows}</table>{rest}</figure>'
    )


def _cell(value: float) -> str:
    return f"<td>{cell_text(value)}</td>"
