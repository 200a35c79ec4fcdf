"""A comparison as rows for people, as JSON, and as one page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.draw.html import STYLE, document, escaped
from netdsl.train.run_file import DIVERGED, FINISHED
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.train.compare.errors import Compared, Measure, Spread

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NOTE = (
    "Errors are those after the last epoch; ± is the standard deviation over the seeds. A training"
    " error is measured while the net learns, on augmented samples and with dropout. Seconds are"
    " those of one run."
)
_BODY = """<header>
<h1>{title}</h1>
{lines}
</header>
<main>
<section class="curves" aria-labelledby="curves">
<h2 id="curves">Curves</h2>
{curves}
</section>
<section aria-labelledby="table">
<h2 id="table">Results</h2>
<div class="scroll" role="region" aria-labelledby="table" tabindex="0">
<table>
<caption>{note}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}</tbody>
</table>
</div>
</section>
<section aria-labelledby="command">
<h2 id="command">Command</h2>
<pre>{command}</pre>
</section>
</main>
"""


class Comparison(NamedTuple):
    """All that is known after the training.

    `lines` tell what was left out, what was found again, and which runs failed.
    """

    title: str
    results: Sequence[Compared]
    measure: Measure
    lines: Sequence[str]
    words: Sequence[str]


def heads_of(measure: Measure) -> list[str]:
    """The heads of the columns."""
    unit = " (%)" if measure.is_error else ""
    return [
        *("net", "params", f"training {measure.name}{unit}"),
        *(f"test {measure.name}{unit}", "seconds", "seeds"),
    ]


def rows_of(comparison: Comparison) -> list[list[str]]:
    """A row for each variant."""
    return [_row(result, comparison.measure) for result in comparison.results]


def failures_of(results: Sequence[Compared]) -> list[str]:
    """A line for each run that has not finished, with the reason."""
    return [
        f"{o.trial.name}: {'diverged' if o.state == DIVERGED else 'failed'}: {o.reason}"
        for result in results
        for o in result.outcomes
        if o.state != FINISHED
    ]


def _row(result: Compared, measure: Measure) -> list[str]:
    train, test = (result.error(measure, key) for key in (measure.train, measure.test))
    seconds, count = result.seconds(), len(result.outcomes)
    seeds = str(count)
    if len(result.finished) < count:
        seeds = f"{len(result.finished)} of {count}"
    return [
        result.variant.label,
        f"{result.variant.figures.params:,}",
        _shown(train, measure),
        _shown(test, measure),
        "-" if seconds is None else f"{seconds.mean:.1f}",
        seeds,
    ]


def _shown(spread: Spread | None, measure: Measure) -> str:
    if spread is None:
        return "-"
    text = measure.shown(spread.mean)
    if spread.deviation is None:
        return text
    return f"{text} ± {measure.shown(spread.deviation)}"


def json_of(comparison: Comparison) -> dict[str, object]:
    """The comparison for programs; errors are shares, from 0 to 1."""
    measure = comparison.measure
    return {
        "title": comparison.title,
        "measure": measure.name,
        "variants": [_variant_json(result, measure) for result in comparison.results],
        "notes": list(comparison.lines),
    }


def _variant_json(result: Compared, measure: Measure) -> dict[str, object]:
    variant, seconds = result.variant, result.seconds()
    own = variant.subject
    return {
        "name": variant.label,
        "net": own.net,
        "file": own.file,
        "params": variant.figures.params,
        "macs": str(variant.figures.macs),
        "depth": variant.figures.depth,
        "varied": {choice.name: choice.text for choice in variant.choices},
        "train": _spread_json(result.error(measure, measure.train)),
        "test": _spread_json(result.error(measure, measure.test)),
        "seconds": _spread_json(seconds),
        "runs": [
            {
                "seed": outcome.trial.config.seed,
                "folder": str(outcome.trial.folder),
                "state": outcome.state,
                "reason": outcome.reason,
                "epochs": list(outcome.history),
            }
            for outcome in result.outcomes
        ],
    }


def _spread_json(spread: Spread | None) -> dict[str, float | None] | None:
    return None if spread is None else spread._asdict()


def page_of_comparison(comparison: Comparison, curves: str) -> str:
    """The page; `curves` is an SVG element. It needs no other file and makes no request."""
    heads = heads_of(comparison.measure)
    lines = [f"<p>{escaped(line)}</p>" for line in comparison.lines]
    body = _BODY.format(
        title=escaped(comparison.title),
        lines="\n".join(lines),
        curves=curves,
        note=escaped(NOTE),
        heads=_html_heads(heads),
        rows="".join(map(_html_row, rows_of(comparison))),
        command=escaped(shlex.join(["netdsl", *comparison.words])),
    )
    style = STYLE + (Path(__file__).parents[1] / "page.css").read_text(encoding="utf-8")
    return document(comparison.title, body, style, POLICY)


def _html_heads(heads: Sequence[str]) -> str:
    first, *others = map(escaped, heads)
    rest = "".join(f'<th scope="col" class="n">{head}</th>' for head in others)
    return f'<th scope="col">{first}</th>{rest}'


def _html_row(cells: Sequence[str]) -> str:
    first, *others = map(escaped, cells)
    rest = "".join(f'<td class="n">{cell}</td>' for cell in others)
    return f'<tr><th scope="row">{first}</th>{rest}</tr>\n'


def told(kept: int, trained: int) -> str:
    """How many runs there were already, and how many are to be trained."""
    if not kept:
        return f"{counted(trained, 'run')} to train"
    return f"{counted(trained, 'run')} to train, {kept:,} found"
