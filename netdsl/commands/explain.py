"""`netdsl explain`: prints the manual's section on a code, or the list of all codes."""

from __future__ import annotations

import textwrap
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from netdsl.commands.common import UsageError, terminal_width
from netdsl.commands.manual import BLOCKS, Section, plain, sections
from netdsl.commands.output import printing, say, say_always, say_json, say_styled
from netdsl.diagnostics import did_you_mean

if TYPE_CHECKING:
    import argparse

READABLE = 100  # columns: longer lines of text are hard to read
_NAMES = {"error": "error", "warning": "warning", "info": "hint", "note": "note"}


def run(arguments: argparse.Namespace) -> int:
    """Print the section on a code, or the list of all codes; returns the exit code."""
    known = sections()
    as_json = arguments.format == "json"
    if arguments.code is None and as_json:
        say_json({"codes": [_as_json(section) for section in known]}, indent=2)
    elif arguments.code is None:
        _print_list(known)
    elif as_json:
        say_json(_as_json(_find(known, arguments.code)), indent=2)
    else:
        _print_section(_find(known, arguments.code))
    return 0


def _find(known: list[Section], code: str) -> Section:
    for section in known:
        if section.code == code:
            return section
    from netdsl.commands.elsewhere import elsewhere  # only errors need it

    advice = elsewhere(code) or did_you_mean(code, [section.code for section in known])
    raise UsageError(f"there is no code `{code}`: {advice or '`netdsl explain` lists all codes'}")


def _as_json(section: Section) -> dict[str, Any]:
    return {
        "code": section.code,
        "severity": section.severity,
        "text": section.text,
        "wrong": "\n\n".join(example.text for example in section.wrong) or None,
        "right": "\n\n".join(example.text for example in section.right) or None,
    }


def _print_list(known: list[Section]) -> None:
    if printing().quiet:
        say_always(*(section.code for section in known))
        return
    width = max(len(section.code) for section in known) + 4
    for group, members in groupby(known, attrgetter("group")):
        say_styled((group, "bold"))
        say("")
        for section in members:
            text = f"  {section.code}".ljust(width) + plain(section.summary)
            say(*_wrapped(text, " " * width))
        say("")
    say("`netdsl explain CODE` explains one of them, with examples.")


def _print_section(section: Section) -> None:
    if printing().quiet:
        say_always(plain(section.summary))
        return
    say_styled((section.code, "bold"), (f" ({_NAMES[section.severity]})", ""))
    for part in BLOCKS.split(section.body):
        if part.startswith("```"):
            lines = part.splitlines()[1:-1]
            say("", *(f"    {line}".rstrip() for line in lines))
        else:
            for paragraph in part.split("\n\n"):
                _print_paragraph(plain(paragraph).strip())


def _print_paragraph(text: str) -> None:
    if text in ("Wrong:", "Right:"):
        say("")
        say_styled((text, "bold"))
    elif text:
        say("")
        for line in text.splitlines():
            say(*_wrapped(line, "  " * line.startswith("- ")))


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = min(terminal_width(), READABLE)
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
