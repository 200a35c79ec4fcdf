"""How a diagnostic is printed: text with carets under the very characters, colours, JSON, SARIF,
workflow commands; and which diagnostics are kept.
"""

from __future__ import annotations

import random

import pytest

from netdsl.diagnostics import (
    MANY,
    MAX_ERRORS,
    Abandoned,
    Annotation,
    Diagnostic,
    Reporter,
    did_you_mean,
)
from netdsl.render import MAX_COLUMNS, as_github, as_json, as_sarif, render_text
from netdsl.source import SourceFile, Span

TEXT = SourceFile("n.net", "net N {\n\tinput\timage: 3\n}\n")
IMAGE = Span(TEXT, 15, 20)
BODY = Span(TEXT, 6, 25)
FULL = Diagnostic(
    "bad-size",
    "the size is 3",
    IMAGE,
    notes=(Annotation("made here", BODY), Annotation("made by hand")),
    help="write 4",
)
BARE = Diagnostic("file-not-found", "there is no file", severity="warning")


def excerpt(line: str, start: int, end: int) -> list[str]:
    """The lines that show a stretch of a line."""
    return render_text(
        Diagnostic("c", "m", Span(SourceFile("n.net", line + "\n"), start, end))
    ).split("\n")[1:-1]


# ---- text


def test_text_of_every_part() -> None:
    """The fact, the line with carets, remarks with a place and without, the advice; a tab stands
    below a tab; what goes on over the line's end is marked to its end.
    """
    assert render_text(FULL).split("\n") == [
        *(
            "error[bad-size]: the size is 3",
            " --> n.net:2:8",
            "  |",
            "2 | \tinput\timage: 3",
            "  | \t     \t^^^^^",
        ),
        *("note: made here", " --> n.net:1:7", "  |", "1 | net N {", "  |       -"),
        *("  = note: made by hand", "help: write 4", ""),
    ]
    assert render_text(BARE) == "warning[file-not-found]: there is no file\n"


def test_colours() -> None:
    """The head and the marks are coloured by how grave it is, the fact is bold, and every colour
    ends where it should.
    """
    red, yellow, cyan, green, bold, off = (
        "\x1b[1;31m",
        "\x1b[1;33m",
        "\x1b[1;36m",
        "\x1b[1;32m",
        "\x1b[1m",
        "\x1b[0m",
    )
    lines = render_text(FULL, colour=True).split("\n")
    assert lines[0] == f"{red}error[bad-size]{off}{bold}: the size is 3{off}"
    assert lines[4] == f"  | \t     \t{red}^^^^^{off}"
    assert lines[9] == f"  |       {cyan}-{off}"
    assert lines[11] == f"{green}help{off}: write 4"
    assert (
        render_text(BARE, colour=True)
        == f"{yellow}warning[file-not-found]{off}{bold}: there is no file{off}\n"
    )
    assert render_text(Diagnostic("c", "m", severity="note"), colour=True).startswith(
        f"{cyan}note[c]{off}"
    )


def test_carets_under_wide_letters() -> None:
    """A Chinese or Japanese letter takes two columns of a terminal, a combining accent none; the
    column that is named counts letters.
    """
    head, _, shown, marks = excerpt("a\u6570\u636ee\u0301 \u7f51\u7edc x", 6, 8)
    assert head == " --> n.net:1:7"
    assert (shown, marks) == ("1 | a\u6570\u636ee\u0301 \u7f51\u7edc x", "  | " + " " * 7 + "^^^^")
    assert excerpt("\u7f51\u7edc x", 3, 4)[3] == "  |      ^"
    assert excerpt("\x1b[31m x", 6, 7)[3] == "  |       ^"


def test_carets_stand_under_the_characters() -> None:
    """For any stretch of any line the carets are below its characters, or the part of them that
    fits.
    """
    draw = random.Random(1)
    for _ in range(400):
        line = "".join(
            chr(0x100 + i) for i in range(draw.choice([1, 5, 80, 159, 160, 161, 240, 500]))
        )
        start = draw.randrange(len(line))
        end = draw.randint(start + 1, len(line))
        _, _, shown, marks = excerpt(line, start, end)
        assert len(shown) == len(marks.partition("^")[0]) + len(shown[marks.index("^") :])
        under = "".join(c for c, m in zip(shown, marks, strict=False) if m == "^")
        assert line[start:end].startswith(under)
        assert under == line[start:end] or shown.endswith(under)
        assert shown.removeprefix("1 | ") in line
        assert len(shown.removeprefix("1 | ")) <= MAX_COLUMNS


def test_long_lines_are_cut() -> None:
    """Of a line over 160 characters as many are shown, from 80 before the mark; one of 160 is shown
    whole.
    """
    line = "".join(chr(0x100 + i) for i in range(300))
    assert excerpt(line, 200, 202)[2:] == [f"1 | {line[120:280]}", "  | " + 80 * " " + "^^"]
    assert excerpt(line, 80, 81)[2:] == [f"1 | {line[:160]}", "  | " + 80 * " " + "^"]
    assert excerpt(line, 81, 82)[2:] == [f"1 | {line[1:161]}", "  | " + 80 * " " + "^"]
    assert excerpt(line, 0, 300)[2:] == [f"1 | {line[:160]}", "  | " + 160 * "^"]
    assert excerpt(line[:160], 159, 160)[2:] == [f"1 | {line[:160]}", "  | " + 159 * " " + "^"]


def test_places_without_width() -> None:
    """One caret stands where there is no character: at the end of a line, and past the end of the
    text; numbers of more digits move the bar.
    """
    assert excerpt("relu", 4, 4)[2:] == ["1 | relu", "  |     ^"]
    assert render_text(Diagnostic("c", "m", Span(TEXT, 26, 26))).split("\n")[1:-1] == [
        " --> n.net:4:1",
        "  |",
        "4 | ",
        "  | ^",
    ]
    assert render_text(
        Diagnostic("c", "m", Span(SourceFile("n.net", "\n" * 99 + "relu"), 99, 103))
    ).split("\n")[1:-1] == [
        "   --> n.net:100:1",
        "    |",
        "100 | relu",
        "    | ^^^^",
    ]


def test_a_stretch_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    """Not less, and not more."""
    assert excerpt("add {\n| relu\n}", 0, 14)[2:] == ["1 | add {", "  | ^^^^^"]
    assert excerpt("a -> add {\n| relu\n}", 5, 19)[2:] == ["1 | a -> add {", "  |      ^^^^^"]


def test_control_characters() -> None:
    """They are replaced in every text of a diagnostic, but for tabs."""
    said = render_text(
        Diagnostic(
            "c",
            "a\x1bb\tc\n",
            Span(SourceFile("\x07.net", "x\x1by\t"), 0, 1),
            notes=(Annotation("\x00", None),),
            help="\x7f",
        )
    )
    assert said.split("\n") == [
        "error[c]: a\ufffdb\tc\ufffd",
        " --> \ufffd.net:1:1",
        "  |",
        "1 | x\ufffdy\t",
        "  | ^",
        "  = note: \ufffd",
        "help: \ufffd",
        "",
    ]


# ---- for machines


def test_json() -> None:
    """Every key stands there, empty where there is nothing; a remark has no end."""
    assert as_json(FULL) == {
        "code": "bad-size",
        "severity": "error",
        "message": "the size is 3",
        "file": "n.net",
        "line": 2,
        "column": 8,
        "end_line": 2,
        "end_column": 13,
        "help": "write 4",
        "notes": [
            {"message": "made here", "file": "n.net", "line": 1, "column": 7},
            {"message": "made by hand", "file": None, "line": None, "column": None},
        ],
    }
    assert as_json(BARE) == {
        "code": "file-not-found",
        "severity": "warning",
        "message": "there is no file",
        "file": None,
        "line": None,
        "column": None,
        "end_line": None,
        "end_column": None,
        "help": None,
        "notes": [],
    }


def test_sarif() -> None:
    """Rules in order, each once; results with their place, the advice below the fact; remarks with
    a place as related places.
    """
    log = as_sarif([BARE, FULL, BARE], "1.2")
    (one,) = log["runs"]
    assert (log["version"], one["columnKind"]) == ("2.1.0", "unicodeCodePoints")
    assert one["tool"]["driver"] == {
        "name": "netdsl",
        "version": "1.2",
        "rules": [{"id": "bad-size"}, {"id": "file-not-found"}],
    }
    bare = {
        "ruleId": "file-not-found",
        "ruleIndex": 1,
        "level": "warning",
        "message": {"text": "there is no file"},
        "locations": [],
        "relatedLocations": [],
    }

    def place(first: tuple[int, int], last: tuple[int, int]) -> dict[str, object]:
        region = {
            "startLine": first[0],
            "startColumn": first[1],
            "endLine": last[0],
            "endColumn": last[1],
        }
        return {"physicalLocation": {"artifactLocation": {"uri": "n.net"}, "region": region}}

    full = {
        "ruleId": "bad-size",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "the size is 3\nwrite 4"},
        "locations": [place((2, 8), (2, 13))],
        "relatedLocations": [{**place((1, 7), (3, 2)), "message": {"text": "made here"}}],
    }
    assert one["results"] == [bare, full, bare]


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("my net.net", "my%20net.net"),
        ("<stdin>", "%3Cstdin%3E"),
        ("a/é:1.net", "a/%C3%A9%3A1.net"),
        ("a\udcff.net", "a%FF.net"),
    ],
)
def test_sarif_names_files_by_uri(name: str, uri: str) -> None:
    """A name is no URI where it has other characters than those, bytes that are no letters among
    them.
    """
    (one,) = as_sarif([Diagnostic("bad-size", "no", Span(SourceFile(name, "text"), 0, 1))], "1.2")[
        "runs"
    ]
    assert one["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_github() -> None:
    """A command on one line: commas and colons escaped in its properties, percent signs and line
    ends everywhere.
    """
    assert (
        as_github(FULL)
        == "::error file=n.net,line=2,col=8,endLine=2,endColumn=13,title=bad-size::the size is"
        " 3%0Awrite 4"
    )
    assert as_github(BARE) == "::warning title=file-not-found::there is no file"
    odd = Diagnostic(
        "c", "100 %, so: \r\n\x1b", Span(SourceFile("a,b:%c.net", "relu"), 0, 4), severity="note"
    )
    assert (
        as_github(odd)
        == "::notice file=a%2Cb%3A%25c.net,line=1,col=1,endLine=1,endColumn=5,title=c::100 %25, so:"
        " %0D%0A\ufffd"
    )


# ---- which are kept


def kept(*diagnostics: Diagnostic) -> list[str]:
    """The messages that a reporter keeps."""
    reporter = Reporter()
    for diagnostic in diagnostics:
        reporter.add(diagnostic)
    return [d.message for d in reporter.diagnostics]


def test_a_place_is_named_once() -> None:
    """An error that many calls meet at one place is said once; of errors without a place, each fact
    once; another code or file is another error.
    """
    other = SourceFile("m.net", TEXT.text)
    assert kept(
        Diagnostic("a", "4", IMAGE),
        Diagnostic("a", "5", IMAGE),
        Diagnostic("b", "6", IMAGE),
        Diagnostic("a", "7", BODY),
        Diagnostic("a", "8", Span(other, 15, 20)),
    ) == ["4", "6", "7", "8"]
    assert kept(
        Diagnostic("a", "4"), Diagnostic("a", "5"), Diagnostic("a", "4"), Diagnostic("b", "4")
    ) == ["4", "5", "4"]


def test_errors_end_at_a_hundred() -> None:
    """Warnings do not count; the last word is a note that there is more."""
    reporter = Reporter()
    for i in range(MAX_ERRORS + 5):
        reporter.add(Diagnostic("w", f"{i}", severity="warning"))
    for i in range(MAX_ERRORS - 1):
        reporter.add(Diagnostic("e", f"{i}"))
    with pytest.raises(Abandoned):
        reporter.add(Diagnostic("e", "last"))
    assert len(reporter.diagnostics) == 206
    assert (reporter.errors, reporter.diagnostics[-2].message) == (100, "last")
    end = reporter.diagnostics[-1]
    assert (end.code, end.severity, end.message, end.span) == (
        "too-many-errors",
        "note",
        "stopped after 100 errors",
        None,
    )


def test_advice_for_a_word() -> None:
    """At most three known words, the closest first, written as they are; none where nothing is
    alike.
    """
    assert did_you_mean("CONVV", ["Conv", "relu"]) == "did you mean `Conv`?"
    assert (
        did_you_mean("stage9", [f"stage{i}" for i in range(5)])
        == "did you mean `stage4` or `stage3` or `stage2`?"
    )
    assert did_you_mean("xyz", ["conv", "relu"]) is None


def test_advice_among_many_words() -> None:
    """Among over a thousand words only those that begin alike are compared, however they are
    written.
    """
    others = [f"{'qwzjk'[i % 5]}{i}" for i in range(MANY - 1)]
    assert did_you_mean("conv", ["xconv", *others]) == "did you mean `xconv`?"
    assert did_you_mean("conv", ["xconv", "q", *others]) is None
    assert did_you_mean("conv", ["xconv", "Cnov", *others]) == "did you mean `Cnov`?"
