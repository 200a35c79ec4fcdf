"""Reads the text format of protocol buffers without a schema.

A message is a list of fields: `name: value`, or `name { fields }`. A field that is written several
times becomes a list; `fields.py` refuses this for fields that are none. The rules are those
of protobuf's text format specification; names of extensions and of `Any` are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from netdsl.importers.described import wrong
from netdsl.limits import limit, raise_help
from netdsl.source import Span, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.source import SourceFile

TOKEN = re.compile(
    r"(?P<space>\s+|#[^\n]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[-+]?(?:inf|nan|(?:\d|\.\d)[\w.]*(?:(?<=[eE])[-+]\d+)?))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<symbol>[{}<>\[\]:,;])"
)
CLOSING = {"{": "}", "<": ">"}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
TRUE, FALSE = ("true", "t", "True", "1"), ("false", "f", "False", "0")
LARGEST = 10**9  # of an integer


class ProtoToken(NamedTuple):
    """A word, number, string or symbol; `kind` is empty at the end of the file."""

    kind: str
    text: str
    span: Span


class Scalar(NamedTuple):
    """A value: `kind` is `word`, `number` or `string`, whose text is without quotation marks."""

    kind: str
    text: str
    span: Span

    @property
    def shown(self) -> str:
        """The text for a message."""
        return printable(self.text)[:40]


@dataclass
class ProtoMessage:
    """Fields by their names, in their order. `span` is the place of the name before it.

    `places` are those of the names of its fields, where each is first.
    """

    span: Span
    fields: dict[str, list[Scalar | ProtoMessage]] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)

    def at(self, name: str, index: int = 0) -> Span:
        """The place of a value of a field, or of the message if the field is missing."""
        found = self.fields.get(name)
        return found[min(index, len(found) - 1)].span if found else self.span

    def messages(self, name: str) -> list[ProtoMessage]:
        """The messages of a field; raises `NetdslError` for other values."""
        found = self.fields.get(name, [])
        for value in found:
            if not isinstance(value, ProtoMessage):
                raise wrong(f"`{name}` takes fields in braces, found `{value.shown}`", value.span)
        return [value for value in found if isinstance(value, ProtoMessage)]

    def message(self, name: str) -> ProtoMessage:
        """The fields of a message; empty if it is missing. Several are merged."""
        merged = ProtoMessage(self.at(name))
        for each in self.messages(name):
            for key, values in each.fields.items():
                merged.fields.setdefault(key, []).extend(values)
        return merged

    def scalars(self, name: str) -> list[Scalar]:
        """The values of a field; raises `NetdslError` for messages."""
        found = self.fields.get(name, [])
        for value in found:
            if not isinstance(value, Scalar):
                raise wrong(f"`{name}` takes a value, found fields in braces", value.span)
        return [value for value in found if isinstance(value, Scalar)]

    def texts(self, name: str) -> list[str]:
        """The strings or words of a field."""
        return [value.text for value in self.scalars(name)]

    def text(self, name: str, default: str = "") -> str:
        """The last string or word of a field."""
        return [default, *self.texts(name)][-1]

    def integers(self, name: str, least: int = 0) -> list[int]:
        """The integers of a field; raises `NetdslError`."""
        return [read_integer(name, value, least) for value in self.scalars(name)]

    def integer(self, name: str, default: int, least: int = 0) -> int:
        """The last integer of a field."""
        return [default, *self.integers(name, least)][-1]

    def numbers(self, name: str) -> list[float]:
        """The numbers of a field; raises `NetdslError`."""
        return [read_number(name, value) for value in self.scalars(name)]

    def number(self, name: str, default: float) -> float:
        """The last number of a field."""
        return [default, *self.numbers(name)][-1]

    def flag(self, name: str, *, default: bool) -> bool:
        """The last boolean of a field; raises `NetdslError`."""
        values = self.scalars(name)
        if not values:
            return default
        if not is_flag(values[-1]):
            found = values[-1].shown
            raise wrong(f"`{name}` takes true or false, found `{found}`", values[-1].span)
        return values[-1].text in TRUE


def is_flag(value: Scalar) -> bool:
    """Whether a value is a boolean."""
    return value.kind != "string" and value.text in (*TRUE, *FALSE)


def read_integer(name: str, value: Scalar, least: int | None) -> int:
    """An integer; raises `NetdslError` if it is none, or smaller than `least`."""
    is_number = value.kind == "number" and re.fullmatch(r"[+-]?\d{1,10}", value.text)
    if not is_number or abs(int(value.text)) > LARGEST:
        raise wrong(f"`{name}` takes an integer, found `{value.shown}`", value.span)
    if least is not None and int(value.text) < least:
        raise wrong(f"`{name}` is {value.text}, it must be at least {least}", value.span)
    return int(value.text)


def read_number(name: str, value: Scalar) -> float:
    """A number; raises `NetdslError` if it is none."""
    try:
        number = float(value.text.rstrip("fF"))
    except ValueError:
        number = float("nan")
    if not isfinite(number) or value.kind == "string":
        raise wrong(f"`{name}` takes a number, found `{value.shown}`", value.span)
    return number


def read_message(source: SourceFile) -> ProtoMessage:
    """The message of a file; raises `NetdslError` at the first wrong place."""
    return _ProtoReader(source).whole()


class _ProtoReader:
    """Reads the tokens of a file one after another."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._tokens = self._scan()
        self._next = next(self._tokens)

    def whole(self) -> ProtoMessage:
        """All fields of the file."""
        message = ProtoMessage(Span(self._source, 0, 0))
        self._fields(message, "", 0)
        return message

    def _scan(self) -> Iterator[ProtoToken]:
        source, at = self._source, 0
        while at < len(source.text):
            match = TOKEN.match(source.text, at)
            if match is None:
                found = printable(source.text[at])
                raise wrong(f"`{found}` has no meaning here", Span(source, at, at + 1))
            at = match.end()
            kind = match.lastgroup or ""
            if kind != "space":
                yield ProtoToken(kind, match[0], Span(source, match.start(), at))
        end = len(source.text)
        while True:
            yield ProtoToken("", "the end of the file", Span(source, end, end))

    def _take(self) -> ProtoToken:
        token, self._next = self._next, next(self._tokens)
        return token

    def _fields(self, message: ProtoMessage, closing: str, depth: int) -> None:
        """Read fields until the closing bracket, or until the end of the file."""
        if depth > limit("nesting"):
            text = f"messages are nested more than {limit('nesting')} levels deep"
            raise wrong(text, message.span, raise_help("nesting"))
        while True:
            name = self._take()
            if name.text == closing or (not closing and not name.kind):
                return
            if name.kind != "word":
                wanted = f"or `{closing}` " if closing else ""
                raise wrong(
                    f"the name of a field {wanted}is expected, found {_shown(name)}", name.span
                )
            values = message.fields.setdefault(name.text, [])
            message.places.setdefault(name.text, name.span)
            is_value = self._next.text == ":"
            if is_value:
                self._take()
            if self._next.text in CLOSING:
                inner = ProtoMessage(name.span)
                self._fields(inner, CLOSING[self._take().text], depth + 1)
                values.append(inner)
            elif is_value:
                values += self._values(name)
            else:
                raise wrong(f"`:` is expected, found {_shown(self._next)}", self._next.span)
            if self._next.text in (",", ";"):
                self._take()

    def _values(self, name: ProtoToken) -> list[Scalar | ProtoMessage]:
        """One value, or a list in square brackets."""
        if self._next.text != "[":
            return [self._scalar()]
        self._take()
        values: list[Scalar | ProtoMessage] = []
        while self._next.text != "]":
            if values:
                comma = self._take()
                if comma.text != ",":
                    raise wrong(f"`,` is expected, found {_shown(comma)}", comma.span)
            values.append(self._scalar())
        self._take()
        return values

    def _scalar(self) -> Scalar:
        token = self._take()
        if token.kind not in ("word", "number", "string"):
            raise wrong(f"a value is expected, found {_shown(token)}", token.span)
        if token.kind != "string":
            return Scalar(token.kind, token.text, token.span)
        text, end = _unquoted(token.text), token.span.end
        while self._next.kind == "string":  # strings after each other are one
            more = self._take()
            text, end = text + _unquoted(more.text), more.span.end
        return Scalar("string", text, token.span._replace(end=end))


def _shown(token: ProtoToken) -> str:
    """A token for a message."""
    return f"`{printable(token.text)[:40]}`" if token.kind else token.text


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), text[1:-1])
