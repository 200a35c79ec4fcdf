"""Errors inside blocks and nets of other files, at the call in the user's own file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit, proposal_of
from netdsl.elaborate.arguments import Signature
from netdsl.elaborate.notes import OPTION
from netdsl.elaborate.shares import at_share, for_parameter
from netdsl.library import is_shipped
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.notes import Use
    from netdsl.source import SourceFile, Span

OF_VALUES = ("wrong-type", "bad-argument", "bad-arithmetic", "not-a-layer")
OF_CALLS = ("unknown-argument", "duplicate-argument", "missing-argument", "too-many-arguments")
_WORD = re.compile(r"[^\W\d]\w*")


def at_call(diagnostic: Diagnostic, uses: list[Use]) -> None:
    """Move an error in another file to the call in the user's file that leads to it.

    `uses` are the net and the blocks that are being unrolled. The place is the argument that the
    error depends on, if there is only one. The user's other files may be wrong themselves: of
    their errors only those move that are about a parameter.
    """
    place, home = diagnostic.span, uses[0].span.file
    if place is None or _at_option(diagnostic, uses):
        return
    if place.file is home:
        _move_to_share(diagnostic, place, uses)
        return
    while uses and not uses[-1].is_in(place):
        uses = uses[:-1]  # an argument of `layer` in a block may be from the block around it
    if not uses:
        return
    innermost = uses[-1]
    is_parameter = place.text in innermost.given() and diagnostic.code in OF_VALUES
    if not is_shipped(place.file) and not is_parameter:
        return
    number = max(i for i, use in enumerate(uses) if use.span.file is home)
    use, name = uses[number], _name_at_fault(diagnostic, uses[number:])
    what = f"`{innermost.definition.name}`"
    diagnostic.span, note = use.span, f"this is in {what}, here"
    if name is not None:
        what = f"`{name}` of `{use.definition.name}`"
        note = f"{what} is used here"
        diagnostic.span = use.given()[name].span
        _advise(diagnostic, use, name)
    elif diagnostic.code in OF_VALUES:
        diagnostic.help = f"it is declared as `{Signature(use.name, use.definition)}`"
    others = [_after_call(n, use) for n in diagnostic.notes if _is_in(n, home)]
    diagnostic.notes = (Annotation(note, place), *(n for n in others if n.message))
    if any(edit.span.file is not home for edit in diagnostic.fix):
        diagnostic.fix = ()


def _move_to_share(diagnostic: Diagnostic, place: Span, uses: list[Use]) -> None:
    """Move the error of a block to the argument that is a share, where a divisor is meant."""
    if diagnostic.code not in OF_VALUES:
        return
    found = at_share(set(_WORD.findall(place.text)), uses[1:])
    if found is None:
        return
    use, name, repair = found
    diagnostic.span = use.given()[name].span
    note = Annotation(f"`{name}` of `{use.definition.name}` is used here", place)
    diagnostic.notes = (note, *(n for n in diagnostic.notes if n.span != use.span))
    diagnostic.help, diagnostic.fix = repair


def _at_option(diagnostic: Diagnostic, uses: list[Use]) -> bool:
    """Move the error of a value to the option `-D` that gives it, and return whether there is one.

    If the value is computed from a parameter that is given so, a note has the option.
    """
    options = {
        name: argument.span
        for name, argument in uses[0].given().items()
        if argument.span.file.name.startswith(f"{OPTION} ")
    }
    place, text = diagnostic.span, "" if diagnostic.span is None else diagnostic.span.text
    if not options or diagnostic.code not in (*OF_VALUES, "index-out-of-range"):
        return False
    for use in reversed(uses[1:]):
        given = use.given()
        text = given[text].value.span.text if text in given else ""
    if text in options:
        signature = Signature(uses[0].name, uses[0].definition)
        diagnostic.span, diagnostic.fix = options[text], ()
        diagnostic.notes = (Annotation(f"`{text}` is used here", place), *diagnostic.notes)
        proposal = proposal_of(diagnostic.help)
        if proposal.aim == "text":
            diagnostic.help = f"write `{proposal.names[0]}`"
        elif proposal.aim not in ("meaning", "names") and diagnostic.code in OF_VALUES:
            diagnostic.help = f"it is declared as `{signature}`"
        return True
    named = [name for name in _WORD.findall(text) if name in options]
    if len(uses) == 1 and len(named) == 1:
        note = Annotation(f"`{named[0]}` is set here", options[named[0]])
        diagnostic.notes = (*diagnostic.notes, note)
    return False


def _is_in(note: Annotation, home: SourceFile) -> bool:
    return note.span is None or note.span.file is home


def _after_call(note: Annotation, use: Use) -> Annotation:
    """A note without the fact that the call leads to the error, which is its place now."""
    if note.span != use.span:
        return note
    return Annotation(note.rounds and f"this is {note.rounds}", note.span)


def _name_at_fault(diagnostic: Diagnostic, uses: list[Use]) -> str | None:
    """The parameter of the outermost use whose argument causes an error in the innermost."""
    place = diagnostic.span
    assert place is not None
    names: set[str] = set()
    if diagnostic.code in OF_VALUES:
        names = set(_WORD.findall(place.text))
    elif diagnostic.code in OF_CALLS:
        names = {c.name for c in _calls(uses[-1].definition.body) if c.span.contains(place)}
    for use in reversed(uses):
        given = use.given()
        found = sorted(_sources(use, names).intersection(given))
        names = {word for name in found for word in _WORD.findall(given[name].value.span.text)}
    return found[0] if len(found) == 1 and given[found[0]].span.file is uses[0].span.file else None


def _calls(body: ast.Body) -> list[ast.Call]:
    """The calls of a body without braces of their own."""
    return [part for part in body.walk() if isinstance(part, ast.Call) and part.body is None]


def _sources(use: Use, names: set[str]) -> set[str]:
    """The names, and those from which `let`s, loops and defaults of parameters make them."""
    sources, parts = set(names), list(use.definition.body.walk())
    for part in reversed(parts):
        if isinstance(part, ast.Let) and part.name in sources:
            sources.update(_WORD.findall(part.value.span.text))
        elif isinstance(part, ast.For) and sources.intersection(part.targets):
            sources.update(_WORD.findall(part.values.span.text))
    defaults = [p for p in use.definition.parameters if p.name not in use.given()]
    for parameter in reversed(defaults):
        if parameter.name in sources and parameter.default is not None:
            sources.update(_WORD.findall(parameter.default.span.text))
    return sources


def _advise(diagnostic: Diagnostic, use: Use, name: str) -> None:
    """Advice about the argument of a call, in place of that about the inside of the block."""
    argument, signature = use.given()[name], Signature(use.name, use.definition)
    value, text = argument.value, argument.value.span.text
    written = value.value if isinstance(value, ast.Literal) else None
    proposal = proposal_of(diagnostic.help)
    if isinstance(written, str) and proposal.aim == "text" and written in proposal.names:
        diagnostic.help = f"write `{written}`, without quotes"
        diagnostic.fix = (Edit(value.span, written),)
        return
    if any(edit.span == value.span and edit.text == "identity" for edit in diagnostic.fix):
        return
    repair = for_parameter(use, name)
    if repair is not None:
        diagnostic.help, diagnostic.fix = repair
        return
    diagnostic.fix = ()
    if proposal.aim == "smaller" and name in proposal.names:
        return
    if isinstance(value, ast.Operation) and diagnostic.found == "fraction":
        whole = f"round({text})"
        if re.fullmatch(r"\w+ */ *\w+", text):
            whole = text.replace("/", "//")
        diagnostic.help = f"`{name}` must be a whole number: write `{whole}`"
        return
    diagnostic.help = f"it is declared as `{signature}`"
    texts = [argument.value.span.text for argument in use.arguments]
    if diagnostic.code == "not-a-layer" and len(texts) > 2 and all(map(str.isdigit, texts)):
        meant = f"{use.name}({', '.join(texts[1:])})"
        diagnostic.help += f"; the channels of the input are known: is this `{meant}`?"
        return
    example = _example(use, text)
    if example is not None:
        diagnostic.help += f"; for example, `{example}`"
    elif isinstance(value, ast.Sequence) and diagnostic.found == "list":
        diagnostic.help = f"`{name}` is one number; {diagnostic.help}"
    if diagnostic.code == "duplicate-argument":
        outer, layer = use.definition.name, text.partition("(")[0]
        diagnostic.help = f"`{outer}` gives `{layer}` these arguments itself: write `{layer}`"
        if re.fullmatch(r"\w+\([\d, ]+\)", text):
            diagnostic.fix = (Edit(value.span, layer),)


def _example(use: Use, text: str) -> str | None:
    """How the file of a net uses it, preferably in a net with the number that the user gives."""
    whole = use.definition.span.file.text
    calls = re.findall(
        rf"^net (\w+) = ({use.definition.name}\(.*?\))(?: \{{|$)", whole, re.MULTILINE
    )
    alike = [call for name, call in calls if text.isdigit() and name.endswith(text)]
    return next(iter([*alike, *(call for _, call in calls)]), None)
