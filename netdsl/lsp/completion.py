"""What can be written at a place: layers, arguments, labels, entries of `train`, and words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.cost import Totals
from netdsl.elaborate.functions import USAGE
from netdsl.errors import NetdslError
from netdsl.library import library_names
from netdsl.lsp.place import given_names, place_at
from netdsl.reference import WITHOUT_DEFAULT, WORDS, entries, entry
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netdsl.lsp.document import Document
    from netdsl.lsp.place import Bracket, Place
    from netdsl.reference import LayerEntry

_TOP = {
    "net": "a net: `net Name(parameters) { ... }`",
    "block": "a block, which nets use like a layer",
    "let": "a name for a value",
    "import": "the blocks and nets of another file",
    "train": "the recipe with which `netdsl train` trains a net",
}
_IN_BODY = {
    "input": "an input of the net: `input image: 3x224x224`",
    "output": "an output of the net: `output logits: dense(10)`",
    "let": "a name for a value",
    "expect": "a fact that `netdsl check` proves",
    "repeat": "the same layers several times: `repeat 3 { ... }`",
    "for": "layers for each value of a list",
    "if": "layers under a condition",
    "aux": "an auxiliary head, which exists only in training",
}
_FACTS = {
    "shape": "the shape of a label: `expect shape(C1) == 6x28x28`",
    "params": "the learned numbers, of the net or of a label",
    "macs": "the multiply-accumulates for one sample",
    "weights": "the learned numbers without biases",
    "units": "the outputs of layers with weights",
    "buffers": "stored numbers that are not learned",
    "values": "the numbers of a label, for the example inputs; `netdsl verify` evaluates them",
    "valid_for": "the sizes that the net takes",
}
_LABEL = re.compile(r'(?:^|[{|>;])[ \t]*(?:"([^"\n]+)"|([A-Za-z_][\w{}]*))[ \t]*:', re.MULTILINE)


class Completion(NamedTuple):
    """A name that can be written, in place of the stretch from `start` to the cursor.

    `kind` is one of `layer`, `block`, `argument`, `label`, `word`, `net`, `value` and `function`.
    `detail` is one line, and `insert` what is written, with the cursor at the end.
    """

    label: str
    kind: str
    detail: str
    insert: str
    start: int


def completions(document: Document, offset: int) -> list[Completion]:
    """What can be written at an offset, the likeliest first; names that do not fit are left out."""
    text = document.source.text
    place = place_at(text, offset)
    if place.is_text:
        return []
    found = _at(document, place, text, offset)
    prefix = place.word.lower()
    fitting = [item for item in found if prefix in item[0].lower()]
    fitting.sort(key=lambda item: not item[0].lower().startswith(prefix))
    unique = {item[0]: item for item in reversed(fitting)}
    return [Completion(*item, place.start) for item in fitting if unique[item[0]] is item]


Item = tuple[str, str, str, str]  # label, kind, detail, insert


def _at(document: Document, place: Place, text: str, offset: int) -> Iterable[Item]:
    if place.is_reference:
        return _labels(text, place)
    if place.line.startswith("import"):
        return [(name, "net", "a file of the library", name) for name in library_names()]
    if place.definition[0] == "train":
        from netdsl.lsp.recipe import entries_of_recipe  # the server starts without training

        return entries_of_recipe(place, text, offset)
    if place.line in ("train ", "train"):
        return [(name, "net", "a net of this file", name + " ") for name in document.names]
    if place.call is not None:
        return _in_call(document, place.call, text, offset)
    if not place.brackets:
        if re.match(r"net\s+\w+\s*=", place.line):
            return _definitions(document, nets=True)
        return [] if place.line else _words(_TOP)
    if place.line.startswith("expect"):
        return [*_facts(), *_labels(text, place)]
    if re.match(r"(let|next)\b.*=|if\b|for\b.*\bin\b|repeat\b", place.line):
        return [*_values(document), *_functions()]
    return _elements(document, place)


def _words(words: dict[str, str]) -> list[Item]:
    return [(word, "word", detail, word + " ") for word, detail in words.items()]


def _elements(document: Document, place: Place) -> Iterator[Item]:
    """Layers, blocks and nets; at the start of a line also the words that begin a statement."""
    for item in entries():
        if item.name.isidentifier():
            kind = "layer" if item.examples else "block"
            yield item.name, kind, _first_sentence(item.doc), _call(item)
    yield from _definitions(document, nets=False)
    yield from _definitions(document, nets=True)
    if not place.line:
        yield from _words(_IN_BODY)


def _call(item: LayerEntry) -> str:
    """What is written for a layer: with a bracket if it has arguments that a call must give."""
    if item in WORDS:
        return item.name
    if any(default == "required" for _, _, default, _ in item.arguments):
        return f"{item.name}("
    return item.name


def _first_sentence(doc: str) -> str:
    return re.split(r"(?<!al)\. ", doc)[0].rstrip(".")


def _definitions(document: Document, *, nets: bool) -> Iterator[Item]:
    """The blocks or nets of the file and its imports."""
    if document.last is None:
        return
    for name, item in document.last.module.definitions.items():
        is_net = isinstance(item, ast.Alias) or item.is_net
        if is_net == nets:
            parameters = () if isinstance(item, ast.Alias) else item.parameters
            listed = ", ".join(parameter.span.text for parameter in parameters)
            detail = item.doc.strip().split("\n")[0] or f"{name}({listed})"
            insert = f"{name}(" if any(p.default is None for p in parameters) else name
            yield name, "net" if nets else "block", detail, insert


# ---- calls


def _in_call(document: Document, call: Bracket, text: str, offset: int) -> Iterator[Item]:
    """The arguments that a call does not have yet, and values."""
    names, _ = given_names(text, call, offset)
    arguments = arguments_of(document, call.word)
    value_of = re.search(r"(\w+)\s*=\s*\w*$", text[call.start : offset])
    if value_of is not None:
        for name, choices in _choices(arguments).items():
            if name == value_of[1]:
                yield from ((choice, "value", "", choice) for choice in choices)
    else:
        for name, default, meaning in arguments:
            if name not in names and name.isidentifier():
                detail = meaning if default in WITHOUT_DEFAULT else f"{meaning} (default {default})"
                yield name, "argument", detail.strip(), f"{name} = "
    yield from _values(document)
    yield from _functions()
    yield from _definitions(document, nets=False)


def arguments_of(document: Document, name: str) -> list[tuple[str, str, str]]:
    """The arguments of a layer, block or net: name, default and meaning."""
    item = None if document.last is None else document.last.module.definitions.get(name)
    if isinstance(item, ast.Definition):
        return [
            (p.name, "required" if p.default is None else p.default.span.text, "")
            for p in item.parameters
        ]
    try:
        found = entry(name)
    except NetdslError:
        return []
    return [(name, default, meaning) for name, _, default, meaning in found.arguments]


def _choices(arguments: list[tuple[str, str, str]]) -> dict[str, list[str]]:
    """The words that an argument takes, by its name."""
    choices = {}
    for name, default, meaning in arguments:
        listed = meaning.rpartition(": ")[2].split(", ")
        if ": " in meaning and all(word.isidentifier() for word in listed):
            choices[name] = listed
        elif default in ("true", "false"):
            choices[name] = ["true", "false"]
    return choices


def _values(document: Document) -> Iterator[Item]:
    """The names of values: `let`s of the file."""
    if document.last is not None:
        for name, let in document.last.module.lets.items():
            yield name, "value", let.span.text.split("\n")[0], name


def _functions() -> Iterator[Item]:
    for name, usage in USAGE.items():
        yield name, "function", f"`{usage}`", f"{name}("


def _facts() -> Iterator[Item]:
    for name, detail in _FACTS.items():
        insert = f"{name}(" if name in ("shape", "values") else name
        yield name, "function", detail, insert
    for name in Totals._fields:
        if name not in _FACTS:
            yield name, "function", "a total of the net", name


# ---- labels


def _labels(text: str, place: Place) -> Iterator[Item]:
    """The labels of the definition around a place, and its input."""
    start = place.brackets[0].start if place.brackets else 0
    end = _end_of(text, start)
    seen = set()
    for match in _LABEL.finditer(text, start, end):
        name = match[1] or match[2]
        line = text[match.start() : text.find("\n", match.end())].strip()
        if name not in seen:
            seen.add(name)
            yield name, "label", line, name
    for match in re.finditer(r"^\s*input\s+(\w+)\s*:.*$", text[start:end], re.MULTILINE):
        if match[1] not in seen:
            seen.add(match[1])
            yield match[1], "label", match[0].strip(), match[1]
    if place.definition[0] == "block":
        yield "in", "label", "the input of the block", "in"


def _end_of(text: str, start: int) -> int:
    """Where the brace that is open at `start` is closed, or the end of the text."""
    depth = 1
    for match in re.finditer(r'#[^\n]*|"[^"\n]*"|[{}]', text[start:]):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return start + match.start()
    return len(text)
