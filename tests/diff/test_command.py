"""`netdsl diff` as users call it: files, nets, revisions, JSON, the page, and wrong words."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from time import process_time
from typing import TYPE_CHECKING

import pytest

from netdsl.diff.difference import NetDifference
from netdsl.driver import compile_net, open_program, program_of
from netdsl.library import library_file, read
from netdsl.source import SourceFile
from tests.support.commands import run_command
from tests.support.markup import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_TEXT = " ".join(text for text in HOSTILE if text.isprintable())
OLD = "net One { input x: 4\n dense(3) -> relu\n output y: dense(2) }\n"
NEW = OLD.replace("dense(3)", "dense(5)")
HEAD = "block head(n) { dense(n) -> relu }\n"
USER = 'import "parts/head.net"\nnet One { input x: 4\n head(3)\n output y: dense(2) }\n'


def git(folder: Path, *words: str) -> None:
    """Run git in a folder."""
    author = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository in which an imported file has changed, and then the file of the net."""
    (folder / "parts").mkdir()
    (folder / "parts" / "head.net").write_text(HEAD)
    (folder / "user.net").write_text(USER)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "parts" / "head.net").write_text(HEAD.replace("relu", "tanh"))
    git(folder, "commit", "-qam", "second")
    (folder / "user.net").write_text(USER.replace("head(3)", "head(7)"))
    return folder


# ---- revisions


@pytest.mark.usefixtures("repository")
def test_imports_come_from_the_revision(capsys: pytest.CaptureFixture[str]) -> None:
    """The files that a file imports are those of the same revision."""
    out, _ = run_command(capsys, "diff", "git:HEAD~1:user.net", "git:HEAD:./user.net")
    assert "  head.net, line 1  0.1: relu → tanh\n" in out
    out, _ = run_command(capsys, "diff", "git:HEAD:user.net:One", "user.net")
    assert "units 3 → 7" in out
    assert "tanh" not in out


@pytest.mark.usefixtures("repository")
def test_index(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a revision, the file is that of the index."""
    out, _ = run_command(capsys, "diff", "git::user.net", "git:HEAD:user.net")
    assert out == "One: no difference in the network\n"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("git:HEAD:none.net", "file-not-found", "no file `none.net` in the revision `HEAD`"),
        ("git:none:user.net", "file-not-found", "there is no revision `none`"),
        ("git::none.net", "file-not-found", "no file `none.net` in the index of git"),
        ("git:HEAD:parts", "not-a-file", "`parts` is a folder in the revision `HEAD`"),
        ("git:HEAD", "file-not-found", "`git:HEAD` names no file"),
        ("git:--batch-all-objects:user.net", "file-not-found", "there is no revision"),
        ("git:HEAD:user.net\nHEAD:other", "file-not-found", "names no file"),
    ],
)
def test_wrong_revisions(
    word: str, code: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What git does not have is one error; no word becomes an option of git."""
    _, err = run_command(capsys, "diff", word, "user.net", code=1)
    assert err.startswith(f"error[{code}]: ")
    assert message in err
    assert err.count("error[") == 1


def test_no_repository(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a repository, the error is that of git."""
    (folder / "one.net").write_text(OLD)
    _, err = run_command(capsys, "diff", "git:HEAD:one.net", "one.net", code=1)
    assert "cannot read `git:HEAD:one.net`: not a git repository" in err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["HEAD~1", "one.net"], "git:HEAD~1:one.net"),
        (["one.net", "main"], "git:main:one.net"),
        (["v1.0", "one.net"], "git:v1.0:one.net"),
        (["origin/fix", "one.net"], "git:origin/fix:one.net"),
        (["topic^", "one.net"], "git:topic^:one.net"),
        (["0a1b2c3", "one.net"], "git:0a1b2c3:one.net"),
        (["HEAD:parts/old.net:Old", "one.net"], "git:HEAD:parts/old.net:Old"),
        (["HEAD", "lenet5"], "git:HEAD:FILE"),
    ],
)
def test_a_revision_without_its_prefix(
    words: list[str], meant: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice is what to write, in a repository or not."""
    (folder / "one.net").write_text(OLD)
    _, err = run_command(capsys, "diff", *words, code=1)
    assert err.endswith(f"help: write `{meant}`\n")


def test_two_revisions_and_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As git takes them; another third file gets no such advice."""
    (folder / "one.net").write_text(OLD)
    _, err = run_command(capsys, "diff", "HEAD~1", "HEAD", "one.net", code=2)
    assert "write `netdsl diff git:HEAD~1:one.net git:HEAD:one.net`\n" in err
    _, err = run_command(capsys, "diff", "lenet5", "vgg", "one.net", code=2)
    assert err.startswith("netdsl diff: unexpected argument `one.net`\n")


def test_a_branch_without_its_prefix(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git knows the name; the path begins at the root of the repository, and what is given works.

    A name that git does not know gets the advice on files.
    """
    git(repository, "branch", "topic")
    monkeypatch.chdir(repository / "parts")
    _, err = run_command(capsys, "diff", "topic", "head.net", code=1)
    assert err.endswith("help: write `git:topic:parts/head.net`\n")
    _, err = run_command(capsys, "diff", "lenet55", "head.net", code=1)
    assert "did you mean `lenet5` or" in err


def test_no_git(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git, the error says so."""
    (folder / "one.net").write_text(OLD)
    monkeypatch.setenv("PATH", "")
    _, err = run_command(capsys, "diff", "git:HEAD:one.net", "one.net", code=1)
    assert "the program `git` is not installed" in err


def test_imports_of_a_revision_stay_inside(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of a revision imports nothing from outside of its folder, and nothing missing."""
    for target, code in (("../user.net", "import-outside"), ("none.net", "import-not-found")):
        (repository / "parts" / "bad.net").write_text(f'import "{target}"\n{OLD}')
        git(repository, "add", "parts/bad.net")
        git(repository, "commit", "-qm", "bad")
        _, err = run_command(capsys, "diff", "git:HEAD:parts/bad.net", "user.net", code=1)
        assert f"error[{code}]" in err
        assert "git:HEAD:parts/bad.net:1:" in err


def test_link_in_a_revision(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link to another file of the repository is followed."""
    (repository / "link.net").symlink_to("user.net")
    git(repository, "add", "link.net")
    git(repository, "commit", "-qm", "link")
    out, _ = run_command(capsys, "diff", "git:HEAD:link.net", "git:HEAD:user.net")
    assert out == "One: no difference in the network\n"


# ---- files and nets


def test_nets_are_matched_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All nets are compared by name; others are new, gone, or the same under another name."""
    second = "net Two { input x: 4\n output z: dense(9) }\n"
    (folder / "a.net").write_text(OLD + second + second.replace("Two", "Gone").replace("9", "8"))
    (folder / "b.net").write_text(NEW + second.replace("Two", "Zwei") + "net New = One()\n")
    out, _ = run_command(capsys, "diff", "a.net", "b.net", "--format", "json")
    made = json.loads(out)
    pairs = [(net["before"]["name"], net["after"]["name"]) for net in made["nets"]]
    assert pairs == [("One", "One"), ("Two", "Zwei")]
    assert [net["equal"] for net in made["nets"]] == [False, True]
    assert (made["added"], made["removed"]) == (["New"], ["Gone"])
    out, _ = run_command(capsys, "diff", "a.net", "b.net")
    assert "New: only in b.net (37 params)\nGone: only in a.net (40 params)\n" in out
    out, _ = run_command(capsys, "diff", "a.net:Two", "b.net:New")
    assert out.startswith("Two → New  a.net → b.net\n")
    out, _ = run_command(capsys, "diff", "a.net:One", "b.net")
    assert "(dense): units 3 → 5" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-", "-"], 2, "standard input is only one text"),
        (["model.onnx", "one.net"], 1, "error[file-not-found]: there is no file model.onnx"),
        (["git:HEAD:m.onnx", "one.net"], 1, "is an ONNX model in git, and only texts are read"),
        (["one.net", "none.net"], 1, "there is no file or library net `none.net`"),
        (["one.net:None", "one.net"], 1, "`one.net` has no net `None`"),
        (["one.net", "bad.net"], 1, "error[unknown-layer]"),
        (["one.net", "one.net", "-o", "page.txt"], 2, "-o takes a name that ends in .html"),
        (["one.net", "one.net", "--fail-if", "param > 1"], 1, "error[unknown-name]"),
        (["one.net", "one.net", "--fail-if", "params >"], 1, "error[syntax-error]"),
        (["one.net", "one.net", "--fail-if", "params"], 1, "error[wrong-type]"),
        (["one.net", "one.net", "--fail-if", "params > 5%"], 1, "`params > 1.05 * old_params`"),
        (["one.net", "one.net", "--fail-if", "params > 5..1%"], 1, "error[syntax-error]"),
    ],
)
def test_wrong_words(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be compared is an error, and nothing is written."""
    (folder / "one.net").write_text(OLD)
    (folder / "bad.net").write_text("net Bad { input x: 4\n output y: nonsense(3) }\n")
    _, err = run_command(capsys, "diff", *words, code=code)
    assert message in err
    assert sorted(path.name for path in folder.iterdir()) == ["bad.net", "one.net"]


def test_fail_if(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A condition that is true is an error with its figures; one that is false is none."""
    (folder / "a.net").write_text(OLD)
    (folder / "b.net").write_text(NEW)
    for condition in ("params > 1e6", "changes > 1", "loaded < 0", "removed + added > 0"):
        run_command(capsys, "diff", "a.net", "b.net", "--fail-if", condition)
    condition = "params > 1.01 * old_params and missing == 3"
    out, err = run_command(capsys, "diff", "a.net", "b.net", "--fail-if", condition, code=1)
    assert "units 3 → 5" in out
    assert "`params` is 37, `old_params` is 23, `missing` is 3" in err
    words = ["diff", "a.net", "b.net", "--fail-if", condition, "--format", "json"]
    (diagnostic,) = json.loads(run_command(capsys, *words, code=1)[0])["diagnostics"]
    assert diagnostic["code"] == "condition-met"


MAIN = """import "parts.net"
net N(width = 8) {
    input image: 3x32x32
    stem: conv(width, 3, pad = 1) -> bn -> relu
    body: { repeat 3 as i { unit(width * 2 ** i) } }
    gap -> flatten
    output y: dense(10)
}
"""
UNIT = (
    "block unit(w, k = 3) { conv(w, k, pad = k // 2, bias = false) -> bn -> relu -> maxpool(2) }\n"
)


def test_many_edits_of_two_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six edits in two files are six causes, each at its line, with the layers it changes."""
    unit = UNIT.replace("k = 3", "k = 5").replace("conv(", "c: conv(").replace("relu", "silu")
    main = MAIN.replace("width = 8", "width = 12").replace("repeat 3", "repeat 4")
    main = main.replace("bn -> relu", "relu -> bn")
    for name, texts in (("a", (MAIN, UNIT)), ("b", (main, unit))):
        (folder / name).mkdir()
        for file, text in zip(("main.net", "parts.net"), texts, strict=True):
            (folder / name / file).write_text(text)
    out, _ = run_command(capsys, "diff", "a/main.net", "b/main.net")
    assert out.splitlines()[1:12] == [
        "  line 2             parameter `width` of N: 8 → 12",
        "                     stem and body.0.c: out 8 → 12",
        "                     body.1.c (conv): out 16 → 24",
        "                     body.2.c (conv): out 32 → 48",
        "  line 4             moved 2 (bn): now after 1 (relu), was after stem (conv)",
        "  line 5             loop: repeat 3 as i → repeat 4 as i",
        "                     added body.3 (unit), 4 layers in all",
        "  parts.net, line 1  parameter `k` of unit: 3 → 5",
        "                     body.0.c, body.1.c and body.2.c: k 3 → 5, pad 1 → 2",
        "  parts.net, line 1  0 is now labelled c (3 places)",
        "  parts.net, line 1  body.0.2, body.1.2 and body.2.2: relu → silu",
    ]


def test_a_label_that_moves_to_another_layer(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inputs with the same names are other layers: the old one has its new name beside it."""
    text = "net N {\ninput x: 3x8x8\nEARLY conv(4, 1) -> LATE relu\nconv(4, 1)\nadd(@a)\n}\n"
    (folder / "early.net").write_text(text.replace("EARLY", "a:").replace("LATE", ""))
    (folder / "late.net").write_text(text.replace("EARLY", "").replace("LATE", "a:"))
    out, _ = run_command(capsys, "diff", "early.net", "late.net")
    assert "  line 5       3 (add): inputs 2, a (now 0) → 2, a" in out.splitlines()


def test_long_formulas_have_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are those of usual sizes, which the line names; they can have a percentage."""
    text = "net N {\ninput x: 3xHxW\nconv(400, 3) -> conv(400, SIZE)\n}\n"
    for name, size in (("small", "3"), ("large", "5")):
        (folder / f"{name}.net").write_text(text.replace("SIZE", size))
    out, _ = run_command(capsys, "diff", "small.net", "large.net")
    old, new = (10_800 * 222**2 + 160_000 * k**2 * (223 - k) ** 2 for k in (3, 5))
    percent = 100 * (new - old) / old
    line = f"  MACs         {old:,} → {new:,}  ({percent:+.1f} %) for x 3x224x224"
    assert line in out.splitlines()
    assert "f(H, W)" not in out


def test_expectations_are_named_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The label of the line is not the first word of its text as well."""
    text = "net N {\ninput x: 3x8x8\nexpect params == PARAMS\ngap\n}\n"
    for name, params in (("before", "0"), ("after", "1 - 1")):
        (folder / f"{name}.net").write_text(text.replace("PARAMS", params))
    out, _ = run_command(capsys, "diff", "before.net", "after.net")
    assert "  expect       params == 0 → params == 1 - 1" in out.splitlines()


def test_order_of_arms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The order of arms matters to `concat`, and not to `add` of two arms."""
    text = "net N {{ input x: 3x8x8\n {} {{\n | {}\n | {}\n }}\n output y: relu }}\n"
    arms = ("a: conv(4, 1)", "b: conv(4, 3, pad = 1)")
    for join in ("concat", "add"):
        (folder / f"{join}.net").write_text(text.format(join, *arms))
        (folder / f"other_{join}.net").write_text(text.format(join, *arms[::-1]))
    out, _ = run_command(capsys, "diff", "concat.net", "other_concat.net")
    assert out.splitlines()[1] == "  line 2       2 (concat): inputs a, b → b, a"
    out, _ = run_command(capsys, "diff", "add.net", "other_add.net")
    assert out == "N: no difference in the network\n"


def test_empty_file_has_no_nets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compared with an empty file, as git does for a new one, all nets are new."""
    (folder / "a.net").write_text("")
    (folder / "b.net").write_text(NEW)
    out, _ = run_command(capsys, "diff", "a.net", "b.net")
    assert out == "One: only in b.net (37 params)\n"


def test_narrow_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal, long lines are broken below their text."""
    monkeypatch.setenv("COLUMNS", "60")
    out, _ = run_command(capsys, "diff", "vgg:VGG11", "vgg:VGG16")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("  weights      ") for line in lines)


# ---- the page


class _Tags(HTMLParser):
    """Collects the names of elements and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note an element."""
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


def test_page_has_both_sides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page has the changes, both tables and both texts; no text of a file is markup."""
    hostile = f"# {HOSTILE_TEXT}\n"
    (folder / "a.net").write_text(hostile + OLD)
    (folder / "b.net").write_text(hostile + NEW.replace("relu", "tanh"))
    run_command(capsys, "diff", "a.net", "b.net", "-o", "page.html")
    page = (folder / "page.html").read_text(encoding="utf-8")
    parser = _Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    assert HOSTILE_TEXT in parser.text
    assert "default-src &#x27;none&#x27;" in page
    assert "0 (dense): units 3 → 5" in parser.text
    for cells in ('<td class="changed">relu</td>', '<td class="changed">tanh</td>'):
        assert cells in page
    assert '<td class="follows">y</td>' not in page
    assert page.count('<td class="changed">') > page.count('<td class="gone">')


# ---- large nets

COMPILATIONS = 20  # whose time a comparison may take: for the larger net, it takes 6


@pytest.mark.slow
def test_time_of_large_nets() -> None:
    """Nets of 4,200 layers are compared in the time of a few compilations, wherever they differ."""
    path = library_file("resnet")
    assert path is not None
    text = read(path).text
    before = compile_net(open_program("resnet"), "CifarResNet1202")
    edits = [
        ("repeat n as j", "repeat n + 1 as j"),
        (
            "conv2: conv(width, 3, pad = 1, bias = false) -> bn2: bn\n",
            "conv2: conv(width, 5, pad = 2) -> bn2: bn -> relu\n",
        ),
        (
            "net CifarResNet1202 = CifarResNet(200)",
            "net CifarResNet1202 = CifarResNet(190, basicblock)",
        ),
    ]
    for old, new in edits:
        assert old in text
        edited = program_of(SourceFile("edited.net", text.replace(old, new)))
        start = process_time()
        after = compile_net(edited, "CifarResNet1202")
        compiled = process_time()
        difference = NetDifference(before, after)
        assert process_time() - compiled < COMPILATIONS * (compiled - start)
        assert 1 <= len(difference.causes) <= 3


def test_flat_nets() -> None:
    """Long nets without blocks are compared in the time of a few compilations."""
    kinds = ["conv(8, 3, pad = 1)", "relu", "bn"]
    lines = [kinds[i * i % 3] for i in range(2000)]
    nets = []
    start = process_time()
    for changed in (lines, [*lines[:900], "tanh", *lines[900:]]):
        body = "\n".join(changed)
        source = SourceFile("flat.net", f"net F {{ input x: 8x8x8\n{body}\n output y: relu }}\n")
        nets.append(compile_net(program_of(source), "F"))
    compiled = process_time()
    difference = NetDifference(nets[0], nets[1])
    assert process_time() - compiled < COMPILATIONS * (compiled - start)
    assert [effect.what for cause in difference.causes for effect in cause.effects] == ["added"]
