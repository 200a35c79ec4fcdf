"""The page `report.html` of a run: figures, curves, confusion matrix, net, settings, machine.

It is one file that needs no other: it has no script and makes no request, and its policy forbids
both. Text from the user is escaped.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import Costs
from netdsl.analysis.figures import totals
from netdsl.analysis.summary import Summary
from netdsl.draw.html import STYLE, document, escaped, picture_of, table_of, texts_of
from netdsl.draw.options import DrawOptions
from netdsl.errors import NetdslError
from netdsl.train.display import clock_text
from netdsl.train.records import NORM, best_of, keys_of, quantity_of, shown, words
from netdsl.train.written import section_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netdsl.ir.graph import Graph
    from netdsl.train.confusion import ConfusionMatrix
    from netdsl.train.records import Record
    from netdsl.train.run_file import RunFile

# Curves have styles of their own, as attributes; without scripts, these can do no harm.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_BODY = """<header>
<h1>{title}</h1>
{state}
</header>
<main>
{sections}
</main>
"""
_SCROLL = '<div class="scroll" role="region" aria-labelledby="{id}" tabindex="0">\n{content}</div>'
PATIENCE = 4.0  # seconds for the picture; a run that is to stop waits for it
MOST_LAYERS = 150  # in a picture that shows the layers inside blocks
MOST_CLASSES = 30  # in a table of the confusion matrix
MOST_CONFUSED = 10  # pairs of classes


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
        _section("results", "Results", _definitions(_results(contents))),
        _section("curves", "Curves", curves),
        _section("confusion", "Confusion matrix", _confusion(contents.confusion)),
        _section("epochs", "Epochs", _epochs(contents.history)),
        *_net(contents),
        _section("recipe", "Recipe", _recipe(run)),
        _section("data", "Data", _definitions(_data(run))),
        _section("machine", "Machine", _definitions(run["machine"])),
        _section("versions", "Versions", _definitions(run["versions"])),
    ]
    title = f"{run['net']} on {run['data']['name']}"
    sections = list(filter(None, sections))
    body = _BODY.format(title=escaped(title), state=_state(contents), sections="\n".join(sections))
    style = STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return document(title, body, style, _POLICY)


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
    return _SCROLL.format(id="picture", content=svg)


def _section(name: str, title: str, content: str) -> str:
    """A section with its title; empty if it has no content."""
    if not content:
        return ""
    head = f'<section class="{name}" aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>'
    return f"{head}\n{content}\n</section>"


def _definitions(items: Mapping[str, str]) -> str:
    rows = [f"<div><dt>{escaped(k)}</dt><dd>{escaped(v)}</dd></div>" for k, v in items.items()]
    return "<dl>\n{}\n</dl>".format("\n".join(rows))


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
    return _SCROLL.format(id="epochs", content=table)


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
    """The matrix as a table unless it is large, and the most frequent mistakes."""
    if confusion is None:
        return ""
    rows = "A row is a class of the test images, a column the answer of the net."
    parts = [f"<p>After epoch {confusion.epoch}. {rows}</p>"]
    if len(confusion.classes) <= MOST_CLASSES:
        parts.append(_matrix(confusion))
    pairs = confusion.most_confused(MOST_CONFUSED)
    lines = [f"{n:,} of {whole:,} {own} taken for {guess}" for own, guess, n, whole in pairs]
    if lines:
        parts.append(f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>")
    return "\n".join(parts)


def _matrix(confusion: ConfusionMatrix) -> str:
    names = [escaped(name) for name in confusion.classes]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for index, (name, counts) in enumerate(zip(names, confusion.counts.tolist(), strict=True)):
        whole = max(sum(counts), 1)
        cells = [f'<th scope="row">{name}</th>']
        for column, number in enumerate(counts):
            kind = ("other", "own")[column == index]
            share = 100 * number // whole
            cells.append(f'<td class="{kind}" style="--share: {share}">{number:,}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    table = f"<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>"
    return _SCROLL.format(id="confusion", content=f"<table>\n{table}\n</table>\n")


def _net(contents: Contents) -> list[str]:
    """The sections about the net: its figures, picture, layers and text."""
    graph = contents.graph
    if graph is None:
        return []
    summary = Summary(graph, graph.derived(Costs))
    return [
        _section("figures", "Figures", _definitions(dict(totals(summary, most=None)))),
        _section("picture", "Picture", contents.picture),
        _section("layers", "Layers", table_of(summary)),
        _section("text", "Text", texts_of(graph)),
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
