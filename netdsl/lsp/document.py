"""A text while it is edited: its nets, and what is wrong with it.

An edit builds again only the nets that it touches. A net depends on its own definition, and on the
definitions that these name, wherever they are in the file. While their texts stay the same, the net
keeps its results, and its diagnostics move with the definitions.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.lint.warnings import not_allowed, of_file, of_net
from netdsl.checking import Checked, Findings, names_to_check, stopped
from netdsl.diagnostics import MAX_ERRORS, Annotation, Diagnostic, Edit
from netdsl.driver import program_of
from netdsl.errors import NetdslError
from netdsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from netdsl.elaborate.loader import Reference
    from netdsl.elaborate.program import Program
    from netdsl.lsp.hints import Hint
    from netdsl.source import SourceFile

_LINE = re.compile(r"\blines? \d")
_WORD = re.compile(r"\w+")
_TRAIN = "train "  # before the name of a net: the key of its section


class NamedPart(NamedTuple):
    """A definition, a `let` or a `train` section: its place, and the comment above it."""

    span: Span
    doc: str = ""


class NetState(NamedTuple):
    """The results for one net.

    `parts` are the parts of the file that it depends on, by name, and `outside` is what it depends
    on elsewhere. `errors` are those of its text, and `warnings` those that comments may yet allow.
    `seconds` is how long it took to build.
    """

    checked: Checked
    parts: dict[str, NamedPart]
    outside: tuple[object, ...]
    errors: list[Diagnostic]
    warnings: list[Diagnostic]
    seconds: float


class Document:
    """One version of a text; `previous` is the version before, whose results it uses again.

    If it has syntax errors, `program` is None, and `nets` are those of the last version without,
    whose program is `last`. Otherwise a net is built when it is asked for. `defines`, `files` and
    `texts` are those of `program_of`.
    """

    def __init__(
        self,
        source: SourceFile,
        previous: Document | None = None,
        *,
        with_hints: bool = False,
        defines: Mapping[str, str] | None = None,
        files: Mapping[Reference, SourceFile] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self.texts = texts
        self.with_hints = with_hints
        self.program: Program | None = None
        self.names: list[str] = []  # the nets of the file
        self.last: Program | None = None if previous is None else previous.last
        self.nets: dict[str, NetState] = {}
        self.rebuilt: list[str] = []  # the nets that this version has built again
        self.old: dict[str, NetState] = {}
        self.hints: dict[str, tuple[Checked, list[Hint]]] = {}  # of the nets, where they were built
        if previous is not None:
            self.hints = previous.hints
        self._faults: list[Diagnostic] = []
        if previous is not None and previous.with_hints == with_hints:
            self.old = {**previous.old, **(previous.nets if previous.is_sound else {})}
        try:
            self.program = program_of(source, defines, files, texts)
            self._parts, self._outside = _parts(self.program), _outside(self.program)
            self._faults += self.program.reporter.diagnostics
            self.names = names_to_check(self.program)
        except NetdslError as error:
            self._faults += error.diagnostics
        if self.program is not None:
            self.last = self.program
        if self.program is None:
            self.nets = self.old
            self.names = [] if previous is None else previous.names
        elif _has_duplicates(self.program):
            self.old = {}  # it is not clear which of two parts a net uses

    @property
    def is_sound(self) -> bool:
        """Whether the top of the file has no errors; with one, no net can be built."""
        return self.program is not None and not self.program.reporter.errors

    def checked(self, name: str) -> Checked | None:
        """The figures of a net, with its places in this version; None if it has errors.

        While the text has syntax errors, they are those of an earlier version.
        """
        if self.program is None:
            state = self.nets.get(name)
        else:
            state = self._state(name, self.program)
            if state.checked.compiled is not None and not _is_in_place(state):
                state = self._build(name, self.program, state.parts)
        if state is None or state.checked.compiled is None:
            return None
        return state.checked

    def diagnostics(self, only: str | None = None) -> list[Diagnostic]:
        """Those that `netdsl check` reports about the file, or about one of its nets."""
        return self._found(self.names if only is None else [only], is_all=only is None)

    def diagnostics_so_far(self) -> list[Diagnostic]:
        """Those of the file and of the nets that have been built."""
        known = [name for name in self.names if name in self.nets]
        return self._found(known, is_all=len(known) == len(self.names))

    def waiting(self) -> list[str]:
        """The nets that must be built, first those that took the least time before."""
        if self.program is None:
            return []
        names = [name for name in self.names if self._reused(name) is None]
        return sorted(names, key=lambda name: self.old[name].seconds if name in self.old else 0)

    def build_next(self) -> bool:
        """Build one of the nets that are waiting; returns whether there was one."""
        names = self.waiting()
        if names and self.program is not None:
            self._state(names[0], self.program)
        return bool(names)

    def parts_of(self, name: str) -> set[str]:
        """The names of what a net depends on in the text, itself included."""
        return set(_used(name, self._parts))

    def seconds_of(self, name: str) -> float:
        """How long it took to build a net; 0 if it has not been built."""
        return self.nets[name].seconds if name in self.nets else 0.0

    def line_now(self, name: str, line: int) -> int | None:
        """The line of this version that a line had when a net was built, if it is in its text."""
        state = self.nets[name]
        assert state.checked.compiled is not None
        program = state.checked.compiled.program
        text = program.source.line(line)
        offset = program.source.start_of(line) + len(text) - len(text.lstrip())
        place = _moved_place(Span(program.source, offset, offset), _parts(program), state.parts)
        return None if place is None else place.first.line

    def _found(self, names: Sequence[str], *, is_all: bool) -> list[Diagnostic]:
        findings = Findings()
        file = self.source.name
        findings.add(file, self._faults)
        if self.program is None or not self.names:
            return findings.diagnostics
        before = findings.count("error")
        states = []
        for name in names:
            states.append(self._state(name, self.program))
            findings.add(file, states[-1].errors)
            if findings.count("error") - before >= MAX_ERRORS:
                findings.add(file, [stopped()])
                return findings.diagnostics
        if all(state.checked.compiled is not None for state in states):
            found = [*of_file(self.program.module)]
            found += [warning for state in states for warning in state.warnings]
            kept = not_allowed(self.source, found, with_hints=self.with_hints, complete=is_all)
            findings.add_warnings(file, kept)
        return findings.diagnostics

    def _reused(self, name: str) -> NetState | None:
        """The results for a net, if nothing that it uses differs from the previous version."""
        if name in self.nets:
            return self.nets[name]
        used = _used(name, self._parts)
        old = self.old.get(name)
        if old is None or not self.is_sound or not _is_same(old, used, self._outside):
            return None
        state = self.nets[name] = _moved(old, used)
        return state

    def _state(self, name: str, program: Program) -> NetState:
        return self._reused(name) or self._build(name, program, _used(name, self._parts))

    def _build(self, name: str, program: Program, parts: dict[str, NamedPart]) -> NetState:
        start = perf_counter()
        checked = Checked(name, name)
        errors = checked.build(program)
        warnings: list[Diagnostic] = []
        if checked.compiled is not None:
            warnings += of_net(program.module, checked.compiled, with_hints=self.with_hints)
        seconds = perf_counter() - start
        state = NetState(checked, parts, self._outside, errors, warnings, seconds)
        self.nets[name] = state
        self.rebuilt.append(name)
        return state


# ---- what a net depends on


def _parts(program: Program) -> dict[str, NamedPart]:
    """What the file defines, by name; a `train` section has the name of its net after `train`."""
    tree = program.module.tree
    parts = {let.name: NamedPart(let.span) for let in tree.lets}
    parts |= {item.name: NamedPart(item.span, item.doc) for item in tree.definitions}
    parts |= {_TRAIN + train.net: NamedPart(train.span) for train in tree.trains}
    return parts


def _has_duplicates(program: Program) -> bool:
    """Whether two parts of the file have the same name."""
    tree = program.module.tree
    return len(_parts(program)) < len(tree.lets) + len(tree.definitions) + len(tree.trains)


def _outside(program: Program) -> tuple[object, ...]:
    """What every net of the file may depend on: the imports, and the files behind them."""
    imports = tuple(item.span.text for item in program.module.tree.imports)
    files = (source for source in program.loader.sources() if source is not program.source)
    return (imports, *((source.key, source.text) for source in files))


def _used(name: str, parts: dict[str, NamedPart]) -> dict[str, NamedPart]:
    """The parts that a net names, and those that these name, itself included."""
    used: dict[str, NamedPart] = {}
    waiting = [name]
    while waiting:
        word = waiting.pop()
        if word in parts and word not in used:
            part = used[word] = parts[word]
            waiting += [*_WORD.findall(part.span.text), _TRAIN + word]
    return used


def _is_same(state: NetState, parts: dict[str, NamedPart], outside: tuple[object, ...]) -> bool:
    """Whether a net depends on the same texts as before, and every place is in one of them."""
    if state.outside != outside or state.parts.keys() != parts.keys():
        return False
    if any(_text(part) != _text(parts[name]) for name, part in state.parts.items()):
        return False
    found = [*state.errors, *state.warnings]
    if any(_text_mentions_lines(d) for d in found) and not _are_in_place(state.parts, parts):
        return False
    spans = [span for diagnostic in found for span in _spans(diagnostic)]
    return all(_part_of(span, state.parts) is not None for span in spans if _is_home(span, state))


def _are_in_place(old: dict[str, NamedPart], new: dict[str, NamedPart]) -> bool:
    return all(part.span.start == new[name].span.start for name, part in old.items())


def _text_mentions_lines(diagnostic: Diagnostic) -> bool:
    """Whether the words of a diagnostic have the number of a line, which can be another now."""
    words = (diagnostic.message, diagnostic.help or "", *(n.message for n in diagnostic.notes))
    return any(_LINE.search(text) for text in words)


def _text(part: NamedPart) -> tuple[str, str]:
    return part.span.text, part.doc


def _is_home(span: Span, state: NetState) -> bool:
    return any(span.file is part.span.file for part in state.parts.values())


def _spans(diagnostic: Diagnostic) -> Iterable[Span]:
    """All places of a diagnostic."""
    places = [diagnostic.span, *(note.span for note in diagnostic.notes)]
    places += [edit.span for edit in diagnostic.fix]
    return [span for span in places if span is not None]


def _part_of(span: Span, parts: dict[str, NamedPart]) -> str | None:
    """The name of the part that a place is in."""
    for name, part in parts.items():
        if part.span.start <= span.start and span.end <= part.span.end:
            return name
    return None


# ---- the same net at another place


def _is_in_place(state: NetState) -> bool:
    """Whether a net is where it was when it was built."""
    assert state.checked.compiled is not None
    return _are_in_place(state.parts, _parts(state.checked.compiled.program))


def _moved(state: NetState, parts: dict[str, NamedPart]) -> NetState:
    """The results of a net whose parts are at other places."""

    def span_of(span: Span) -> Span:
        place = _moved_place(span, state.parts, parts) if _is_home(span, state) else None
        return place or span

    def moved(diagnostic: Diagnostic) -> Diagnostic:
        return Diagnostic(
            diagnostic.code,
            diagnostic.message,
            None if diagnostic.span is None else span_of(diagnostic.span),
            diagnostic.severity,
            tuple(Annotation(n.message, n.span and span_of(n.span)) for n in diagnostic.notes),
            diagnostic.help,
            tuple(Edit(span_of(edit.span), edit.text) for edit in diagnostic.fix),
        )

    errors, warnings = map(moved, state.errors), map(moved, state.warnings)
    return state._replace(parts=parts, errors=[*errors], warnings=[*warnings])


def _moved_place(span: Span, old: dict[str, NamedPart], new: dict[str, NamedPart]) -> Span | None:
    """The place in new parts of one in old parts; None if it is in no part that both have."""
    name = _part_of(span, old)
    if name is None or name not in new:
        return None
    part = new[name].span
    by = part.start - old[name].span.start
    return Span(part.file, span.start + by, span.end + by)
