"""The page `report.html` of a run: figures, curves, confusion matrix, net, settings, machine.

It is one file that needs no other: it has no script and makes no request, and its policy forbids
both. Text from the user is escaped.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import Costs
from netdsl.analysis.figures import totals
from netdsl.analysis.summary import Summary
from netdsl.draw.html import document, escaped, picture_of, table_of, texts_of
from netdsl.draw.options import DrawOptions
from netdsl.errors import NetdslError
from netdsl.train.display import clock_text
from netdsl.train.records import NORM, best_of, keys_of, quantity_of, shown, words
from netdsl.train.sections import (
    BODY,
    CONFUSION,
    PAGE_STYLE,
    SCROLL,
    confusion_of,
    definitions,
    section,
)
from netdsl.train.written import section_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netdsl.ir.graph import Graph
    from netdsl.train.confusion import ConfusionMatrix
    from netdsl.train.records import Record
    from netdsl.train.run_file import RunFile

# Curves have styles of their own, as attributes; without scripts, these can do no harm.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
PATIENCE = 4.0  # seconds for the picture; a run that is to stop waits for it
MOST_LAYERS = 150  # in a picture that shows the layers inside blocks


class Contents(NamedTuple):
    """What a page is about; `metrics` are keys, and `picture` is what `picture_text` gives."""

    run: RunFile
    history: Sequence[Record]
    metrics: Sequence[str]
    confusion: ConfusionMatrix | None
    graph: Graph | None
    picture: str


def page_of(contents: Contents, curves: str) -> str:
    """The page; `curves` is an SVG element."""
    run = contents.run
    sections = [
        section("results", "Results", definitions(_results(contents))),
        section("curves", "Curves", curves),
        section("confusion", "Confusion matrix", _confusion(contents.confusion)),
        section("epochs", "Epochs", _epochs(contents.history)),
        *_net(contents),
        section("recipe", "Recipe", _recipe(run)),
        section("data", "Data", definitions(_data(run))),
        section("machine", "Machine", definitions(run["machine"])),
        section("versions", "Versions", definitions(run["versions"])),
    ]
    title = f"{run['net']} on {run['data']['name']}"
    sections = list(filter(None, sections))
    body = BODY.format(title=escaped(title), state=_state(contents), sections="\n".join(sections))
    return document(title, body, PAGE_STYLE, _POLICY)


def picture_text(graph: Graph | None) -> str:
    """The picture of a net for its page, or the reason why there is none."""
    if graph is None:
        return ""
    depth = None
    if len(graph.nodes) > MOST_LAYERS:
        depth = 1
    try:
        svg = picture_of(graph, DrawOptions(depth), PATIENCE)
    except NetdslError as error:
        return f"<p>There is no picture: {escaped(error.message)}.</p>"
    return SCROLL.format(id="picture", content=svg)


def _state(contents: Contents) -> str:
    run = contents.run
    seconds = sum(record["seconds"] for record in contents.history)
    text = f"{run['state']} after {run['done']} of {run['epochs']} epochs, in"
    text += f" {clock_text(seconds)}; started {run['started']}"
    if run["ended"]:
        text += f", ended {run['ended']}"
    line = f"<p>{escaped(text)}</p>"
    if run["reason"]:
        line += f'\n<p class="wrong">{escaped(run["reason"])}</p>'
    return line


def _results(contents: Contents) -> dict[str, str]:
    """The best and the last figures."""
    history, last = contents.history, contents.history[-1]
    best = best_of(history, contents.metrics)
    found = {}
    if best is not None:
        found["best epoch"] = f"{best.epoch}, {words(best.key)} {shown(best.key, best.value)}"
    found["last epoch"] = f"{int(last['epoch'])}"
    keys = [
        k for k in keys_of(history) if quantity_of(k) in ("loss", "accuracy", *contents.metrics)
    ]
    found |= {words(key): shown(key, last[key]) for key in keys if key in last}
    found["images per second"] = f"{last['images_per_second']:,.0f}"
    return found


def _epochs(history: Sequence[Record]) -> str:
    keys = [key for key in keys_of(history) if not key.startswith(NORM)]
    head = "".join(f'<th scope="col" class="n">{escaped(words(key))}</th>' for key in keys)
    rows = "".join(_row(keys, record) for record in history)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    return SCROLL.format(id="epochs", content=table)


def _row(keys: Iterable[str], record: Record) -> str:
    cells = [f'<td class="n">{escaped(_cell(key, record))}</td>' for key in keys]
    return f"<tr>{''.join(cells)}</tr>\n"


def _cell(key: str, record: Record) -> str:
    if key not in record:
        return "-"
    value = record[key]
    if key == "epoch":
        return f"{int(value)}"
    if key == "lr":
        return f"{value:.3g}"
    if key in ("seconds", "images_per_second"):
        return f"{value:,.1f}"
    return shown(key, value)


def _confusion(confusion: ConfusionMatrix | None) -> str:
    if confusion is None:
        return ""
    return f"<p>After epoch {confusion.epoch}. {CONFUSION}</p>\n{confusion_of(confusion)}"


def _net(contents: Contents) -> list[str]:
    """The sections about the net: its figures, picture, layers and text."""
    graph = contents.graph
    if graph is None:
        return []
    summary = Summary(graph, graph.derived(Costs))
    return [
        section("figures", "Figures", definitions(dict(totals(summary, most=None)))),
        section("picture", "Picture", contents.picture),
        section("layers", "Layers", table_of(summary)),
        section("text", "Text", texts_of(graph)),
    ]


def _recipe(run: RunFile) -> str:
    section = section_text(run["net"], run["settings"])
    command = f"cd {shlex.quote(run['directory'])}\n{shlex.join(run['command'])} --out DIR"
    return (
        f"<pre>{escaped(section)}</pre>\n<p>These commands repeat the run in the folder DIR:</p>\n"
        f"<pre>{escaped(command)}</pre>"
    )


def _data(run: RunFile) -> dict[str, str]:
    data = run["data"]
    figures = {
        "data": run["settings"].get("data", data["name"]),
        "training images": f"{data['train']:,}",
        "validation images": f"{data['validation']:,}",
        "test images": f"{data['test']:,}",
        "classes": f"{len(data['classes'])}",
        "sum of all images and labels": data["sum"],
    }
    if not data["validation"]:
        del figures["validation images"]
    return figures
