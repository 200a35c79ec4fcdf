"""The errors, warnings and notes of the compiler, as data that `render` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.source import Span

MAX_ERRORS = 100
MAX_TEXT = 1_000  # the most characters of a message, or of its advice: both may quote the file
MANY = 1_000  # the most names that a wrong name is compared with
CLOSEST = 3  # the most names that advice suggests
OF_NAMES = ("duplicate-name", "unknown-label")  # codes of errors that may have many places
SHORTEST = 4  # letters of a name in which one may be wrong
LONG = 6  # letters of a name in which two may be wrong
# Terms of the field that look like others, but mean something else: they are not misspelt.
TERMS = frozenset(
    "softmin minpool maxunpool avgunpool atanh celu crelu rrelu pixelunshuffle pixel_unshuffle"
    " dropblock rsqrt sort nadam radam adamax vflip kmnist emnist qmnist"
    " int8 uint32 uint64 bfloat16 weight".split()
)


Found = Literal["", "fraction", "list"]
Aim = Literal[
    "",
    "names",  # one of these in place of a wrong name
    "reference",  # a reference in place of a name
    "text",  # a text in place of a value
    "nothing",  # to leave a value out
    "argument",  # another argument for a value
    "smaller",  # a smaller value of a parameter
    "sizes",  # other sizes of an input
    "parts",  # other parts of a number
    "ways",  # one of several changes
    "meaning",  # it only tells what an argument means
    "no-members",  # it only tells that a label has no members
    "known",  # it tells what a wrong name is in the text, and no other advice is better
]


class Proposal(str):
    """Advice with what it proposes as data: later code that makes it better need not read it.

    `names` are the names, the text, the sizes or the number that it is about. If they are like a
    wrong name, `wrong` is that.
    """

    __slots__ = ("aim", "names", "wrong")
    aim: Aim
    names: tuple[str, ...]
    wrong: str

    def __new__(cls, text: str, aim: Aim = "", names: Iterable[str] = (), wrong: str = "") -> Self:
        advice = super().__new__(cls, text)
        advice.aim, advice.names, advice.wrong = aim, tuple(names), wrong
        return advice


def proposal_of(help: str | None) -> Proposal:
    """The advice as a proposal, which has no aim if it is only a text."""
    if isinstance(help, Proposal):
        return help
    return Proposal(help or "")


class Annotation(NamedTuple):
    """A remark about a diagnostic, with a place if it has one.

    `rounds` is its part about the rounds of loops, if it is about a call in them.
    """

    message: str
    span: Span | None = None
    rounds: str = ""


class Edit(NamedTuple):
    """A text to write in place of a stretch of a file."""

    span: Span
    text: str


class Diagnostic:
    """One finding: a code that reads well after "allow", the fact, the place, and the advice.

    `code`, `message` and `help` are texts; `help` is the advice, or None. `file`, `line` and
    `column` are the place: a name, and numbers that count from 1, each None if it does not apply.
    `span` is the same place as a stretch of the text, or None: `span.file`, `span.text`, and
    `span.first` and `span.last` with a `line` and a `column` each. The severity is `error`,
    `warning`, `info` (a hint) or `note`. `notes` are remarks with a `message` and a `span`. `fix`
    is the correction, if there is no doubt about it: edits with a `span` and a `text`.
    """

    __slots__ = (
        "_file",
        "code",
        "fix",
        "found",
        "help",
        "message",
        "notes",
        "severity",
        "span",
    )

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        severity: str = "error",
        notes: tuple[Annotation, ...] = (),
        help: str | None = None,
        fix: tuple[Edit, ...] = (),
    ) -> None:
        self.code = code
        self.message = _bounded(message)
        self.span = span
        self.severity = severity
        self.notes = notes
        self.help = help and _bounded(help)
        self._file: str | None = None
        self.fix = fix
        self.found: Found = ""  # in place of a number, if that is the error

    @property
    def file(self) -> str | None:
        """The name of the file that it is about, or None if that is not known."""
        return self._file if self.span is None else self.span.file.name

    @file.setter
    def file(self, name: str) -> None:
        """Name the file of a finding without a span."""
        self._file = name

    @property
    def line(self) -> int | None:
        """The line of the file where it begins, or None if it is not about a line."""
        return None if self.span is None else self.span.first.line

    @property
    def column(self) -> int | None:
        """The column of that line, or None."""
        return None if self.span is None else self.span.first.column

    def __repr__(self) -> str:
        return f"<{self.severity}[{self.code}]: {self.message}>"


def _bounded(text: str) -> str:
    """The text, without its middle if it is longer than `MAX_TEXT`."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]} ... {text[-half:]}"


class Abandoned(Exception):
    """Compiling stops; the reporter has the errors found so far."""


class Reporter:
    """Collects diagnostics, at most `MAX_ERRORS` of them errors.

    It keeps one diagnostic for each code and place, and drops repeated messages without a place.
    An error of a name that has one reason is kept once; its notes have the other lines.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics = list(diagnostics)
        self.errors = sum(d.severity == "error" for d in self.diagnostics)
        self._seen: set[tuple[object, ...]] = set()
        self._of_names: dict[tuple[str, str, str], Diagnostic] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic; raises `Abandoned` once the limit is reached."""
        span = diagnostic.span
        key: tuple[object, ...] = (diagnostic.code, diagnostic.message)
        if span is not None:
            key = (diagnostic.code, span.file.name, span.start)
        if key in self._seen:
            return
        self._seen.add(key)
        if span is not None and diagnostic.code in OF_NAMES:
            first = self._of_names.setdefault(
                (diagnostic.code, diagnostic.message, span.file.name), diagnostic
            )
            if first is not diagnostic:
                _add_line(first, diagnostic)
                return
        self.diagnostics.append(diagnostic)
        self.errors += diagnostic.severity == "error"
        if self.errors >= MAX_ERRORS:
            message = f"stopped after {MAX_ERRORS} errors"
            self.diagnostics.append(Diagnostic("too-many-errors", message, severity="note"))
            raise Abandoned


def _add_line(first: Diagnostic, other: Diagnostic) -> None:
    """Add the place of a repeated error to the first one, and its fix."""
    note = Annotation(f"also on line {other.line}")
    if other.line != first.line and note not in first.notes:
        first.notes += (note,)
    first.fix += other.fix


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Advice that suggests the closest known names, at most three, or None."""
    names = list(known)
    certain = nearest(name, names)
    return suggestion([certain] if certain else closest(name, names), name)


def did_you_mean_path(path: str, known: Iterable[str]) -> str | None:
    """Advice that suggests the closest dotted paths, at most three, or None.

    The paths may begin with `@`. They are also compared by their last parts: `c` is close to
    `@group.c`.
    """
    forms = {name.removeprefix("@"): name for name in known}
    for wanted in dict.fromkeys((path, path.rpartition(".")[2])):
        parts = wanted.count(".") + 1
        ending_in: dict[str, list[str]] = {}
        for whole, form in forms.items():
            for name in {whole, ".".join(whole.split(".")[-parts:])}:
                ending_in.setdefault(name, []).append(form)
        names = [wanted] if wanted in ending_in else closest(wanted, ending_in)
        if names:
            suggested = dict.fromkeys(form for name in names for form in ending_in[name])
            return suggestion(list(suggested)[:CLOSEST], path)
    return None


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names most like this one, at most three."""
    names = list(known)
    if len(names) > MANY:  # comparing all of them would take too long
        names = [n for n in names if n[:1].lower() == name[:1].lower()][:MANY]
    from difflib import get_close_matches  # only runs with errors need it

    folded = {n.lower(): n for n in names}
    wrong = name[:64].lower()
    near = get_close_matches(wrong, folded, CLOSEST)
    if len(wrong) >= SHORTEST:
        near += [n for n in folded if n.startswith(wrong) and n not in near]
    return [folded[c] for c in near[:CLOSEST]]


def respelled(span: Span, name: str, known: Iterable[str]) -> tuple[Edit, ...]:
    """The fix of a misspelt name, if there is no doubt about what was meant."""
    meant = nearest(name, known)
    return () if meant is None else (Edit(span, meant),)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was certainly meant by a misspelt one, if there is one.

    That is so if exactly one known name differs by a single letter (by two, in names of six or more
    letters), or only by capitals. The digits must be the same: `conv2` is not a way to write
    `conv1`. Names of up to three letters differ too little from each other, and terms of the field
    are not misspelt.
    """
    allowed = 2 if len(name) >= LONG else 1
    distances = {other: _distance(name.lower(), other.lower()) for other in closest(name, known)}
    least = min(distances.values(), default=allowed + 1)
    best = [other for other, distance in distances.items() if distance == least]
    if least > allowed or len(best) != 1 or _digits(name) != _digits(best[0]):
        return None
    is_short = min(len(name), len(best[0])) < SHORTEST
    return None if least and (is_short or name.lower() in TERMS) else best[0]


def nearest_path(path: str, known: Iterable[str]) -> str | None:
    """The dotted path that was certainly meant by a wrong one, if there is one.

    It is the only one that ends in it, or else the nearest.
    """
    paths = list(dict.fromkeys(known))
    inside = [other for other in paths if other.endswith(f".{path}")]
    if len(inside) == 1:
        return inside[0]
    return None if inside else nearest(path, paths)


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _distance(a: str, b: str) -> int:
    """The letters to add, remove, change or swap with their neighbour to turn one into the other.

    This is the optimal string alignment distance (Boytsov 2011).
    """
    rows = [list(range(len(b) + 1))]
    for i, left in enumerate(a, start=1):
        row = [i]
        for j, right in enumerate(b, start=1):
            least = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right))
            if i > 1 and j > 1 and a[i - 2 : i] == right + b[j - 2]:
                least = min(least, rows[-2][j - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def suggestion(names: list[str], wrong: str = "") -> str | None:
    """Advice that asks whether one of these names was meant by a wrong one, or None without any."""
    if not names:
        return None
    text = "did you mean " + " or ".join(f"`{n}`" for n in names) + "?"
    return Proposal(text, "names", names, wrong)
