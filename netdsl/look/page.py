"""The page of `netdsl look`: all views of a net in one file, which needs no other.

It is in the style of the report of a training run. It has no script and makes no request, and its
policy forbids both. Text from the user is escaped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netdsl.draw.html import document, escaped
from netdsl.look.figures import part_figure
from netdsl.look.labels import without_glyph_warnings
from netdsl.train.confusion import ConfusionMatrix
from netdsl.train.curves import svg_of
from netdsl.train.sections import BODY, CONFUSION, PAGE_STYLE, confusion_of, definitions, section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.look.figures import Part
    from netdsl.look.parts import View

# Figures have styles of their own, and their pictures are inside them.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action"
    " 'none'"
)
_CODE, _AS_CODE = re.compile("`([^`]*)`"), r"<code>\1</code>"
_STYLE = PAGE_STYLE + Path(__file__).with_name("page.css").read_text(encoding="utf-8")


class About(NamedTuple):
    """What a page is about: its title, facts by name, and the command that writes it again."""

    title: str
    facts: Mapping[str, str]
    command: str


def page_of(about: About, views: Sequence[View]) -> str:
    """The page with these views."""
    links = "".join(f'<a href="#{view.name}">{escaped(view.title)}</a>' for view in views)
    sections = [
        section("about", "About", definitions(about.facts)),
        *(section(view.name, escaped(view.title), _content(view)) for view in views),
        section("command", "Command", f"<pre>{escaped(about.command)}</pre>"),
    ]
    body = BODY.format(
        title=escaped(about.title), state=f"<nav>{links}</nav>", sections="\n".join(sections)
    )
    return document(about.title, body, _STYLE, _POLICY)


def _content(view: View) -> str:
    texts = [f"<p>{_CODE.sub(_AS_CODE, escaped(text))}</p>" for text in view.text]
    parts = [_part(part, f"{view.name}{n}-") for n, part in enumerate(view.parts)]
    return "\n".join([*texts, *parts])


def _part(part: Part, prefix: str) -> str:
    if isinstance(part, ConfusionMatrix):
        return f'<div class="confusion">\n<p>{CONFUSION}</p>\n{confusion_of(part)}\n</div>'
    with without_glyph_warnings():
        svg = svg_of(part_figure(part))
    # Several figures on a page have the same identifiers.
    svg = re.sub(r'((?: id="|href="#)|url\(#)', rf"\g<1>{prefix}", svg)
    label = escaped(part.title)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f'<div class="figure" role="group" aria-label="{label}" tabindex="0">\n{svg}\n</div>'
