"""Rewrites lines whose brackets are those of other languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.habits.base import Change, Fix, Matched

_OPEN, _CLOSE = "([{", ")]}"


def parts(text: str, separator: str = ",") -> list[str]:
    """The parts of a text between separators that are in no bracket, without blanks around them."""
    depth, start = 0, 0
    members: list[str] = []
    for position, character in enumerate(text):
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth == 0 and text.startswith(separator, position):
            members.append(text[start:position].strip())
            start = position + len(separator)
    return [*members, text[start:].strip()]


def _chains(text: str) -> list[str]:
    """The chains of a text between blanks that are in no bracket, and not beside an arrow."""
    chains: list[str] = []
    for word in parts(" ".join(text.split()), " "):
        if chains and (word == "->" or chains[-1].endswith(("->", ":"))):
            chains[-1] += f" {word}"
        else:
            chains.append(word)
    return chains


def closing(text: str, opening: int) -> int | None:
    """Where the bracket that is opened at an offset is closed."""
    depth = 0
    for position in range(opening, len(text)):
        depth += (text[position] in _OPEN) - (text[position] in _CLOSE)
        if depth == 0:
            return position
    return None


def opening_brace(text: str, position: int) -> int | None:
    """Where the innermost brace is that is open at an offset, and no other bracket inside it."""
    depth = 0
    for place in range(position - 1, -1, -1):
        depth += (text[place] in _CLOSE) - (text[place] in _OPEN)
        if depth < 0:
            return place if text[place] == "{" else None
    return None


def braced(matched: Matched) -> Fix:
    """Braces in place of a colon and an indented body, as in Python."""
    start, stop = matched.place("at")
    end_of_line = matched.text.find("\n", stop)
    head = matched.text[matched.start : start].rstrip()
    start = matched.start + len(head)
    indentation = head[: len(head) - len(head.lstrip())]
    if matched.text[stop : end_of_line if end_of_line >= 0 else None].strip():
        return None
    end = end_of_body(matched.text, end_of_line, len(indentation))
    if end is None:
        return None
    return [(start, stop, " {"), (end, end, f"\n{indentation}}}")]


def braced_line(matched: Matched) -> Fix:
    """Braces around the indented lines below a line without a brace."""
    line = matched.match.string
    indentation = line[: len(line) - len(line.lstrip())]
    end_of_line = matched.text.find("\n", matched.start)
    end = end_of_body(matched.text, end_of_line, len(indentation)) if end_of_line >= 0 else None
    if end is None:
        return None
    place = matched.start + len(line.rstrip())
    changes: list[Change] = [(place, place, " {")]
    if re.match(rf"\s*\n{indentation}\}}", matched.text[end:]) is None:
        changes.append((end, end, f"\n{indentation}}}"))
    return changes


def end_of_body(text: str, start: int, indentation: int) -> int | None:
    """The end of the last line that is indented more; None if there is no such line."""
    end = None
    position = start + 1
    while 0 < position < len(text):
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        line = text[position:stop]
        if line.strip():
            if len(line) - len(line.lstrip()) <= indentation:
                break
            end = position + len(line.rstrip())
        position = stop + 1
    return end


def moved_brace(matched: Matched) -> Fix:
    """The brace of the next line at the end of this one."""
    end = matched.start + len(matched.match.string.rstrip())
    following = re.compile(r"[ \t]*(?:#[^\n]*)?\s*\n\s*(\{)").match(matched.text, end)
    if following is None:
        return None
    changes: list[Change] = [(end, end, " {"), (*following.span(1), "")]
    return changes


# `for i in range(3) | conv(8, 3)`
_LOOP_OF_ARMS = re.compile(r"(?P<head>(?:for|if|repeat)\b[^{}|]*)\|\s*(?P<arm>[^|]+)")


def arms(matched: Matched) -> Fix:
    """`concat { | a | b }` for `concat(a, b)`, `concat [a, b]` and `concat { a, b }`."""
    text, start = matched.text, matched.place("open")[0]
    end = closing(text, start)
    if end is None or (text[start] == "{" and "\n" in text[start:end]):
        return None
    inside = " ".join(text[start + 1 : end].split())
    if inside.lstrip().startswith("|"):
        return None
    loop = _LOOP_OF_ARMS.fullmatch(inside)
    if loop is not None and text[start] == "{":
        return [(start + 1, end, f" {loop['head'].strip()} {{ | {loop['arm']} }} ")]
    members = parts(inside, "|")
    if len(members) == 1:
        members = parts(inside.replace(";", ","))
    if matched.group("join") == "residual" and len(members) == 1 and text[start] != "{":
        return body(matched)
    if matched.group("join") == "residual" and len(members) == 1:
        return None
    if matched.group("join") == "residual" and "|" not in inside and text[start] != "(":
        if text[start] == "[":
            begin = matched.place("fix")[0]
            return [(begin, end + 1, f"residual {{ {' -> '.join(members)} }}")]
        return [(start + 1, end, f" {' -> '.join(members)} ")]
    if len(members) == 1 and text[start] == "{":
        members = _chains(inside)
    members = [member for member in members if member]
    if len(members) < 2 or not all(re.match(r"[A-Za-z_@{]", member) for member in members):
        return None
    labels = {*re.findall(r"(\w+)[ \t]*:", text[:begin])} if (begin := start) else set()
    members = [f"@{member}" if member in labels else member for member in members]
    joined = " ".join(f"| {member}" for member in members)
    begin = matched.place("fix")[0]
    return [(begin, end + 1, f"{matched.group('join')} {{ {joined} }}")]


def indented_arms(matched: Matched) -> Fix:
    """Arms in braces in place of the indented lines below `concat:`."""
    changes = braced(matched)
    if not isinstance(changes, list) or matched.group("join") == "residual":
        return changes
    lines = re.compile(r"^([ \t]*)(?=[^\s#])", re.MULTILINE)
    found = [*lines.finditer(matched.text, matched.text.find("\n", changes[0][1]), changes[1][0])]
    least = min(len(line[1]) for line in found)
    bars: list[Change] = [
        (line.end(), line.end(), "| ")
        for line in found
        if len(line[1]) == least and matched.text[line.end()] != "|"
    ]
    return [changes[0], *bars, changes[1]]


def body(matched: Matched) -> Fix:
    """`residual { F }` for `residual(F)` and `residual F`."""
    text = matched.text
    begin, start = matched.place("fix")[0], matched.place("open")[0]
    end = closing(text, start)
    if end is None or "\n" in text[start:end]:
        return None
    return [(begin, end + 1, f"{matched.group('join')} {{ {text[start + 1 : end].strip()} }}")]


def else_if(matched: Matched) -> Fix:
    """`else if c {` for `elif c:`, with the body in braces."""
    changes = braced(matched)
    if not isinstance(changes, list):
        return None
    return [(*matched.place("word"), "else if"), *changes]


def unclosed(matched: Matched) -> Fix:
    """A `)` before an arrow, if one parenthesis of the line is open there."""
    before = matched.text[matched.start : matched.place("at")[0]]
    if before.count("(") != before.count(")") + 1 or before.count("[") != before.count("]"):
        return None
    end = matched.start + len(before.rstrip())
    return [(end, end, ")")]


# Between an arrow at the end of a line and the first word of the next one.
_NEXT_LINE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)+[ \t]*(?=[\w@{\"(])")


def moved_arrow(matched: Matched) -> Fix:
    """The arrow at the end of a line, moved to the beginning of the next one.

    An `output` begins a line of its own, which takes the value above.
    """
    start, end = matched.place("fix")
    following = _NEXT_LINE.match(matched.text, end)
    if following is None:
        return None
    word = re.compile(r"\w*").match(matched.text, following.end())
    changes: list[Change] = [(start, end, "")]
    if word is None or word[0] not in ("output", "expect", "let", "for", "if", "repeat"):
        changes.append((following.end(), following.end(), "-> "))
    return changes
