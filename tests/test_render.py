"""How diagnostics are printed: as text with carets, in colours, as JSON, SARIF and commands.

The last part tests which diagnostics a reporter keeps.
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
    Edit,
    Reporter,
    did_you_mean,
)
from netdsl.render import MAX_COLUMNS, as_github, as_json, as_sarif, render_all, render_text
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
    """The printed lines for an error at a part of a line."""
    return render_text(
        Diagnostic("c", "m", Span(SourceFile("n.net", line + "\n"), start, end))
    ).split("\n")[1:-1]


# ---- text


def test_text_of_every_part() -> None:
    """The text has the message, the line with carets, notes with and without a place, and help.

    A tab is below a tab. A place of several lines is marked to the end of the first.
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
    """The head and the marks have the colour of the severity, and the message is bold."""
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
    """Carets are below their characters even if these take two columns of a terminal, or none.

    The number of the column counts characters.
    """
    head, _, shown, marks = excerpt("a\u6570\u636ee\u0301 \u7f51\u7edc x", 6, 8)
    assert head == " --> n.net:1:7"
    assert (shown, marks) == ("1 | a\u6570\u636ee\u0301 \u7f51\u7edc x", "  | " + " " * 7 + "^^^^")
    assert excerpt("\u7f51\u7edc x", 3, 4)[3] == "  |      ^"
    assert excerpt("\x1b[31m x", 6, 7)[3] == "  |       ^"


def test_carets_are_below_the_characters() -> None:
    """For any part of any line, the carets are below its characters, or below those that fit."""
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
    """At most 160 characters of a line are shown, from at most 80 before the place."""
    line = "".join(chr(0x100 + i) for i in range(300))
    assert excerpt(line, 200, 202)[2:] == [f"1 | {line[120:280]}", "  | " + 80 * " " + "^^"]
    assert excerpt(line, 80, 81)[2:] == [f"1 | {line[:160]}", "  | " + 80 * " " + "^"]
    assert excerpt(line, 81, 82)[2:] == [f"1 | {line[1:161]}", "  | " + 80 * " " + "^"]
    assert excerpt(line, 0, 300)[2:] == [f"1 | {line[:160]}", "  | " + 160 * "^"]
    assert excerpt(line[:160], 159, 160)[2:] == [f"1 | {line[:160]}", "  | " + 159 * " " + "^"]


def test_places_without_width() -> None:
    """A place without characters, at the end of a line or of the text, has one caret.

    A line number of more digits moves the bar to the right.
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


def test_a_place_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    assert excerpt("add {\n| relu\n}", 0, 14)[2:] == ["1 | add {", "  | ^^^^^"]
    assert excerpt("a -> add {\n| relu\n}", 5, 19)[2:] == ["1 | a -> add {", "  |      ^^^^^"]


def test_control_characters() -> None:
    """Control characters except tabs are replaced in every text of a diagnostic."""
    text = render_text(
        Diagnostic(
            "c",
            "a\x1bb\tc\n",
            Span(SourceFile("\x07.net", "x\x1by\t"), 0, 1),
            notes=(Annotation("\x00", None),),
            help="\x7f",
        )
    )
    assert text.split("\n") == [
        "error[c]: a\ufffdb\tc\ufffd",
        " --> \ufffd.net:1:1",
        "  |",
        "1 | x\ufffdy\t",
        "  | ^",
        "  = note: \ufffd",
        "help: \ufffd",
        "",
    ]


# ---- JSON, SARIF, GitHub


def test_json() -> None:
    """Every key is present, with null if there is no value; a note has no end."""
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
        "fix": [],
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
        "fix": [],
        "notes": [],
    }


def test_sarif() -> None:
    """The rules are sorted and unique, and each result has its place and its message with help.

    Notes with a place are related locations.
    """
    log = as_sarif([BARE, FULL, BARE], "1.2")
    (run,) = log["runs"]
    assert (log["version"], run["columnKind"]) == ("2.1.0", "unicodeCodePoints")
    assert run["tool"]["driver"] == {
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
    assert run["results"] == [bare, full, bare]


def test_the_same_message_at_many_places() -> None:
    """It is printed once, with the lines of the others, unless the notes differ."""
    other = SourceFile("m.net", "a\nb\nc\n")
    at = [Span(TEXT, 0, 3), Span(TEXT, 15, 20), Span(TEXT, 16, 20), Span(other, 4, 5)]
    same = [Diagnostic("bad-size", "no", span, help="go") for span in at]
    two = render_all([*same[:2], BARE])
    assert two.count("error[bad-size]: no") == 1
    assert "help: go\n  = and at 1 other place: line 2\n" in two
    text = render_all([BARE, *same, BARE, BARE, BARE])
    assert text.count("error[bad-size]: no") == 1
    assert "help: go\n  = and at 3 other places: line 2; m.net, line 3\n" in text
    assert text.count("there is no file") == 4
    assert "help: go\n  = and at 1 other place: line 2\n" in render_all(same[:2])
    unlike = Diagnostic("bad-size", "no", at[1], help="go", notes=(Annotation("made elsewhere"),))
    assert render_all([same[0], unlike]).count("error[bad-size]: no") == 2


FILE = SourceFile("n.net", "cnv(8, 3)\n")
FIXED = Diagnostic(
    "unknown-layer",
    "there is no layer `cnv`",
    Span(FILE, 0, 3),
    help="did you mean `conv`?",
    fix=(Edit(Span(FILE, 0, 3), "conv"),),
)


def test_fixes_are_data() -> None:
    """JSON gives the characters to replace, SARIF their lines and columns."""
    assert as_json(FIXED)["fix"] == [{"file": "n.net", "start": 0, "end": 3, "text": "conv"}]
    (result,) = as_sarif([FIXED], "1.2")["runs"][0]["results"]
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 4}
    change = {
        "artifactLocation": {"uri": "n.net"},
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": "conv"}}],
    }
    assert result["fixes"] == [
        {"description": {"text": "did you mean `conv`?"}, "artifactChanges": [change]}
    ]


@pytest.mark.parametrize(
    ("severity", "sarif", "github"),
    [("error", "error", "error"), ("warning", "warning", "warning"), ("info", "note", "notice")],
)
def test_severities(severity: str, sarif: str, github: str) -> None:
    """Each format has its own word for a severity."""
    diagnostic = Diagnostic("bad-size", "no", Span(FILE, 0, 1), severity)
    assert render_text(diagnostic).startswith(f"{severity}[bad-size]: no\n")
    assert as_sarif([diagnostic], "1.2")["runs"][0]["results"][0]["level"] == sarif
    assert as_github(diagnostic).startswith(f"::{github} ")


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
    """Characters of a file name that a URI cannot have are escaped, even undecodable bytes."""
    (run,) = as_sarif([Diagnostic("bad-size", "no", Span(SourceFile(name, "text"), 0, 1))], "1.2")[
        "runs"
    ]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_github() -> None:
    """A command is one line; percent signs and line ends are escaped everywhere.

    Commas and colons are escaped in its properties only.
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


# ---- without a place


def test_a_file_without_a_place() -> None:
    """A diagnostic about a whole file names it in every format; in text only once."""
    plain = Diagnostic("no-net", "there is no net", help="write one")
    plain.file = "sub/a b.net"
    assert render_text(plain).split("\n") == [
        "error[no-net]: there is no net",
        " --> sub/a b.net",
        "help: write one",
        "",
    ]
    assert as_json(plain)["file"] == "sub/a b.net"
    assert as_json(plain)["line"] is None
    ((result,),) = [run["results"] for run in as_sarif([plain], "1")["runs"]]
    assert result["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "sub/a%20b.net"}}}
    ]
    assert as_github(plain).startswith("::error file=sub/a b.net,title=no-net::")
    named = Diagnostic("no-net", "`a.net` has no net")
    named.file = "a.net"
    assert render_text(named) == "error[no-net]: `a.net` has no net\n"


# ---- which diagnostics are kept


def kept(*diagnostics: Diagnostic) -> list[str]:
    """The messages that a reporter keeps."""
    reporter = Reporter()
    for diagnostic in diagnostics:
        reporter.add(diagnostic)
    return [d.message for d in reporter.diagnostics]


def test_a_place_is_named_once() -> None:
    """A reporter keeps one error for each code and place.

    Of errors without a place it keeps one for each message.
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
    """The compiler stops after 100 errors, not counting warnings, and adds a note."""
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
    """The advice has at most three known words, the closest first, or none if none is similar."""
    assert did_you_mean("CONVV", ["Conv", "relu"]) == "did you mean `Conv`?"
    assert (
        did_you_mean("stage9", [f"stage{i}" for i in range(5)])
        == "did you mean `stage4` or `stage3` or `stage2`?"
    )
    assert did_you_mean("xyz", ["conv", "relu"]) is None


def test_advice_among_many_words() -> None:
    """Among more than a thousand words, only those with the same first letter are compared.

    The case of the letter does not matter.
    """
    others = [f"{'qwzjk'[i % 5]}{i}" for i in range(MANY - 1)]
    assert did_you_mean("conv", ["xconv", *others]) == "did you mean `xconv`?"
    assert did_you_mean("conv", ["xconv", "q", *others]) is None
    assert did_you_mean("conv", ["xconv", "Cnov", *others]) == "did you mean `Cnov`?"


def test_advice_with_two_lines_of_the_text_is_one_line() -> None:
    """Advice that quotes a call of two lines is printed on one."""
    quoted = Diagnostic("wrong-dtype", "these are floats", help="write `const([1,\n    2])`")
    assert "help: write `const([1, 2])`" in render_text(quoted)
