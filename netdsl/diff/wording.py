"""The sentences about what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diff.parts import NetPart
from netdsl.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.diff.causes import Cause
    from netdsl.diff.effects import Effect
    from netdsl.diff.statements import Excerpt
    from netdsl.ir.graph import Value

_NOUNS = "block", "layer"
_SUBJECTS = {"net": "net", "if": "condition"}
MOST_NAMES = 3  # in a sentence
LONGEST = 60  # characters of a piece of text
DOTS = "..."
AROUND = 20  # characters before the place where two long texts differ


def title_of(cause: Cause) -> str:
    """One line about a cause."""
    sentences = sentences_of(cause.effects)
    if cause.key[0] == "statement":
        if len(sentences) == 1:
            return sentences[0]
        what = cause.effects[0].what
        if all(effect.what == what for effect in cause.effects) and what in ("added", "removed"):
            return f"{what} {listed([s.removeprefix(what).strip() for s in sentences])}"
        old, new = shortened(_text(cause.old), _text(cause.new))
        return f"`{old}` → `{new}`"
    old, new = shortened(*(_text(piece) or "none" for piece in (cause.old, cause.new)))
    return f"{_subject(cause)}: {old} → {new}"


def details_of(cause: Cause) -> list[str]:
    """Further lines about a cause whose title does not name the layers."""
    sentences = sentences_of(cause.effects)
    if cause.key[0] == "statement":
        whats = {effect.what for effect in cause.effects}
        if len(sentences) == 1 or whats in ({"added"}, {"removed"}):
            return []
    return sentences


def _subject(cause: Cause) -> str:
    """What kind of text differs."""
    kind, *names = cause.key
    if kind == "let":
        return f"let {names[0]}"
    if kind == "parameter":
        return f"parameter `{names[1]}` of {names[0]}"
    return _SUBJECTS.get(kind, "loop")


def _text(piece: Excerpt | None) -> str:
    """A piece of a text on one line, as it is written."""
    if piece is None or not piece.words:
        return ""
    lines = [line.partition("#")[0].strip() for line in piece.span.text.splitlines()]
    return " ".join(filter(None, lines)).removesuffix("{").strip()


def shortened(old: str, new: str) -> tuple[str, str]:
    """Two texts; if they are long, the part in which they differ, with a little around it."""
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    places = enumerate(zip(old, new, strict=False))
    same = next((i for i, (x, y) in places if x != y), min(len(old), len(new)))
    start = max(0, same - AROUND)
    return _cut(old, start), _cut(new, start)


def _cut(text: str, start: int) -> str:
    text = DOTS * (start > 0) + text[start:]
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - len(DOTS)]}{DOTS}"


def sentences_of(effects: Sequence[Effect]) -> list[str]:
    """A sentence for each kind of difference, with the layers that it is about."""
    groups: dict[tuple[str, ...], list[Effect]] = {}
    for effect in effects:
        groups.setdefault(_kind(effect), []).append(effect)
    merged: dict[tuple[object, ...], list[list[Effect]]] = {}
    for key, group in groups.items():
        same: tuple[object, ...] = key
        if key[0] == "argument":
            same = tuple(id(effect.part) for effect in group)
        merged.setdefault((key[0], same), []).append(group)
    return [_sentence(parts) for parts in merged.values()]


def _kind(effect: Effect) -> tuple[str, ...]:
    """What makes two effects one: the same change of the same argument."""
    if effect.what in ("renamed", "inputs"):
        return (effect.what,)
    return (effect.what, effect.name, effect.old, effect.new, effect.kind)


def _sentence(groups: list[list[Effect]]) -> str:
    """One sentence about layers that differ in the same way; several arguments are listed."""
    group = groups[0]
    effect = group[0]
    names = names_of([e.part for e in group])
    match effect.what:
        case "argument":
            values = [(g[0].name, *shortened(g[0].old, g[0].new)) for g in groups]
            changes = ", ".join(f"{name} {old} → {new}" for name, old, new in values)
            return f"{names}: {changes}"
        case "added" | "removed":
            return f"{effect.what} {names}{_inside(group)}"
        case "moved":
            return f"moved {names}{_moved(effect)}"
        case "renamed":
            return _renamed(group)
        case "replaced":
            before = names_of([e.a or e.part for e in group], kind=False)
            return f"{before}: {effect.old} → {effect.new}"
        case "block":
            return f"{names}: block {effect.old} → {effect.new}"
        case "wrapped":
            return f"new {_kind_of(effect.part)} {names} around {_members(effect.part)}"
        case "unwrapped":
            return f"no {_kind_of(effect.part)} {names} around {_members(effect.part)} any more"
        case "aux":
            return f"auxiliary head {effect.name}: weight {effect.old} → {effect.new}"
        case "inputs":
            more = f" (and {counted(len(group) - 1, 'more layer')})" * (len(group) > 1)
            return f"{name_of(effect.part)}: inputs {effect.old} → {effect.new}{more}"
        case "input" | "output":
            return _end(effect)
        case _:
            return f"{names}: {effect.old} → {effect.new}"


def _end(effect: Effect) -> str:
    """A sentence about an input or output of the net."""
    what = effect.what
    if effect.name:
        return f"{what} {effect.old} is now called {effect.new}"
    name = what
    if what == "input":
        name = f"{what} {name_of(effect.part)}"
    if effect.a is None:
        return f"new {name} {effect.new}"
    if effect.b is None:
        return f"removed {name} {effect.old}"
    return f"{name}: {effect.old} → {effect.new}"


def _renamed(group: list[Effect]) -> str:
    old, new = group[0].old, group[0].new
    more = f" ({counted(len(group), 'place')})" * (len(group) > 1)
    if new.isdigit():
        return f"{old} has no label any more: it is called {new}{more}"
    if old.isdigit():
        return f"{old} is now labelled {new}{more}"
    changes = list(dict.fromkeys(f"{e.old} → {e.new}" for e in group))
    shown = ", ".join([*changes[:MOST_NAMES], *[DOTS] * (len(changes) > MOST_NAMES)])
    return f"renamed {shown}{more}"


def _inside(group: list[Effect]) -> str:
    """How many layers are inside of scopes."""
    sizes = [e.part.size for e in group if isinstance(e.part, NetPart)]
    return f", {counted(sum(sizes), 'layer')} in all" * (sum(sizes) > len(sizes))


def _moved(effect: Effect) -> str:
    a, b = effect.a, effect.b
    if not isinstance(a, NetPart) or not isinstance(b, NetPart):
        return ""
    return f": now {_after(b)}, was {_after(a)}"


def _after(part: NetPart) -> str:
    """The place of a part: the sibling before it."""
    assert part.outer is not None
    if part.place:
        return f"after {name_of(part.outer.members[part.place - 1])}"
    if part.outer.outer is None:
        return "first"
    return f"first in {part.outer.item.name}"


def _members(part: NetPart | Value) -> str:
    assert isinstance(part, NetPart)
    return counted(part.size, "layer")


def _kind_of(part: NetPart | Value) -> str:
    assert isinstance(part, NetPart)
    if part.kind:
        return f"block {part.kind}"
    return "group"


def names_of(parts: Sequence[NetPart | Value], *, kind: bool = True) -> str:
    """The names of layers; of many, the first, the last and the number."""
    names = [name_of(part, kind=kind and len(parts) == 1) for part in parts]
    if len(names) <= MOST_NAMES:
        return listed(names)
    first = parts[0]
    noun = "layer"
    if isinstance(first, NetPart) and first.kind:
        noun = f"{first.kind} {_NOUNS[first.is_layer]}"
    elif isinstance(first, NetPart):
        noun = "group"
    return f"{names[0]}, ..., {names[-1]} ({counted(len(names), noun)})"


def name_of(part: NetPart | Value, *, kind: bool = True) -> str:
    """The name of a layer with its kind, or of a scope."""
    if not isinstance(part, NetPart):
        return part.name
    name = part.item.name or "the net"
    if kind and part.kind:
        return f"{name} ({part.kind})"
    return name
