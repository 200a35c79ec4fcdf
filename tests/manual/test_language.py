"""The language reference is tested: its examples, the facts in their comments, and its tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netdsl.analysis.valid import valid_for
from netdsl.diagnostics import Diagnostic
from netdsl.driver import Compiled, check_expects, compile_net, program_of
from netdsl.elaborate.functions import function_names
from netdsl.errors import NetdslError
from netdsl.ir.types import ITEM_BYTES, shape_text
from netdsl.limits import DEFAULTS
from netdsl.ops.init import INITS
from netdsl.render import render_text
from netdsl.source import SourceFile
from netdsl.train.config import TrainConfig
from netdsl.train.section import read_config
from tests.support.manual import BLOCKS, LANGUAGE, Block
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.ir.graph import Node, Site, Value

DIAGNOSTICS = ROOT / "docs" / "diagnostics.md"


class Fact(NamedTuple):
    """A fact that a comment states; `kind` is "shape", "weights", "error" or "valid for"."""

    kind: str
    line: int
    text: str


FACT = re.compile(r"#\s(shape|weights|error|valid for): ([^#]+)$")


def facts_of(block: Block) -> list[Fact]:
    """The facts in the comments of a block, with their lines on the page."""
    lines = block.text.split("\n")
    return [
        Fact(m[1], block.line + i, m[2].strip())
        for i, line in enumerate(lines)
        if (m := FACT.search(line))
    ]


class Outcome(NamedTuple):
    """The nets and the diagnostics that a block compiles to."""

    compiled: list[Compiled]
    diagnostics: list[Diagnostic]


def compile_block(block: Block, folder: Path) -> Outcome:
    """Compile every net of a block, check its `expect` lines, and collect the diagnostics."""
    compiled: list[Compiled] = []
    diagnostics: dict[tuple[str, int], Diagnostic] = {}
    try:
        program = program_of(SourceFile("example.net", block.program, str(folder / "example.net")))
        collect(diagnostics, program.reporter.diagnostics)
        for name in program.nets():
            try:
                net = compile_net(program, name)
                compiled.append(net)
                collect(diagnostics, check_expects(net)[1])
            except NetdslError as error:
                collect(diagnostics, error.diagnostics)
    except NetdslError as error:
        collect(diagnostics, error.diagnostics)
    return Outcome(compiled, list(diagnostics.values()))


def collect(diagnostics: dict[tuple[str, int], Diagnostic], reported: list[Diagnostic]) -> None:
    """Add diagnostics, each only once even if several nets report it."""
    for diagnostic in reported:
        diagnostics.setdefault(
            (diagnostic.code, diagnostic.span.start if diagnostic.span else -1), diagnostic
        )


def ends(site: Site | None) -> list[int]:
    """The last lines of the layer that makes a value and of the calls around it.

    Lines of other files than the example are left out.
    """
    lines = []
    while site is not None:
        if site.span.file.name == "example.net":
            lines.append(site.span.file.location(max(site.span.start, site.span.end - 1)).line)
        site = site.caller
    return lines


def nodes_of(compiled: Compiled, line: int) -> list[Node]:
    """The layers that come from a line of a program."""
    return [n for n in compiled.graph.nodes if line in ends(n.output.site)]


def value_after(compiled: Compiled, line: int) -> Value | None:
    """The value after a line: that of its last layer, or of the group that ends there."""
    nodes = nodes_of(compiled, line)
    if nodes:
        return nodes[-1].output
    groups = [
        path
        for path, scope in compiled.graph.scopes.items()
        if line in ends(scope.site) and path in compiled.labels
    ]
    if groups:
        return compiled.labels[groups[-1]]
    label = re.match(r"\s*(\w+):", compiled.graph.site.span.file.line(line))
    # The second use of a shared layer has the place of the first.
    if label and label[1] in compiled.labels:
        return compiled.labels[label[1]]
    before = [n for n in compiled.graph.nodes if max(ends(n.output.site), default=0) < line]
    return before[-1].output if before and closes(compiled, line) else None


def closes(compiled: Compiled, line: int) -> bool:
    """Whether a line has only a closing brace; the value after it is then the last one above."""
    return compiled.graph.site.span.file.line(line).split("#")[0].strip() == "}"


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that examples import."""
    folder = tmp_path_factory.mktemp("docs")
    for block in BLOCKS:
        if block.file:
            (folder / block.file).write_text(block.program, encoding="utf-8")
    return folder


def name_of(block: Block) -> str:
    """A name for a test, with the line of the block on the page."""
    return f"line{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_errors(block: Block, example_folder: Path) -> None:
    """The example has the errors that its comments state, at their lines, and no others."""
    stated = {}
    for fact in facts_of(block):
        if fact.kind == "error":
            match = re.fullmatch(r'\[([a-z-]+)\](?: "(.+)")?', fact.text)
            assert match, f"line {fact.line}: an error is stated as `# error: [code]`"
            stated[(fact.line, match[1])] = match[2] or ""
    outcome = compile_block(block, example_folder)
    actual = {
        (d.span.first.line + block.offset if d.span else 0, d.code): d.message
        for d in outcome.diagnostics
    }
    assert sorted(actual) == sorted(stated), "\n".join(actual.values())
    for place, part in stated.items():
        assert part in actual[place]
    assert outcome.compiled or stated, "the example has no net"


@pytest.mark.parametrize(
    ("text", "shown"),
    re.findall(
        r"^```net\n((?:(?!```).*\n)*)```\n\n```text\n((?:(?!```).*\n)*)```$",
        LANGUAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    ),
)
def test_an_error_reads_as_shown(text: str, shown: str, example_folder: Path) -> None:
    """The compiler prints the text block that follows an example."""
    outcome = compile_block(Block("net", 1, text.rstrip("\n")), example_folder)
    assert "\n".join(render_text(d) for d in outcome.diagnostics) == shown


@pytest.mark.parametrize(
    "block",
    [b for b in BLOCKS if any(f.kind in ("shape", "weights") for f in facts_of(b))],
    ids=name_of,
)
def test_shapes_and_weights(block: Block, example_folder: Path) -> None:
    """The shapes and weights that comments state are those of every net with that line."""
    outcome = compile_block(block, example_folder)
    if not outcome.compiled:  # an example of an error: only the lines before it are compiled
        lines = block.text.split("\n")
        first = min(f.line for f in facts_of(block) if f.kind == "error")
        outcome = compile_block(
            block._replace(text="\n".join(lines[: first - block.line])), example_folder
        )
    for fact in facts_of(block):
        if fact.kind == "shape":
            values = [
                v
                for c in outcome.compiled
                if (v := value_after(c, fact.line - block.offset)) is not None
            ]
            assert {shape_text(v.type.shape) for v in values} == {fact.text}, f"line {fact.line}"
        elif fact.kind == "weights":
            (compiled,) = outcome.compiled
            names = [
                n.tensor_name(p)
                for n in nodes_of(compiled, fact.line - block.offset)
                for p in n.params()
            ]
            assert names == fact.text.split(", "), f"line {fact.line}"


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if any(f.kind == "valid for" for f in facts_of(b))], ids=name_of
)
def test_valid_sizes(block: Block, example_folder: Path) -> None:
    """The input sizes that comments state are those that the compiler derives."""
    (fact,) = [f for f in facts_of(block) if f.kind == "valid for"]
    assert {valid_for(c.graph) for c in compile_block(block, example_folder).compiled} == {
        fact.text
    }


@pytest.mark.parametrize("block", [b for b in BLOCKS if "\ntrain " in b.text], ids=name_of)
def test_train_sections(block: Block, example_folder: Path) -> None:
    """Training accepts every `train` section of the page."""
    trained = [c for c in compile_block(block, example_folder).compiled if c.train is not None]
    assert trained
    for compiled in trained:
        assert isinstance(read_config(compiled), TrainConfig)


# ---- tests of the tests above


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("conv(8, 3)  # shape: 8x31x30", test_shapes_and_weights),
        ("conv(8, 3)\nrelu  # shape: 7x30x30", test_shapes_and_weights),
        ("conv(8, 3)  # weights: 0.weight", test_shapes_and_weights),
        ("conv(8, 30)  # error: [window-too-large]", test_errors),
        ("conv(8, 40)  # error: [bad-padding]", test_errors),
        ("\nconv(8, 3)\nconv(8, 40)", test_errors),
        ("expect params == 3\nconv(8, 3)", test_errors),
    ],
)
def test_false_facts_are_noticed(
    text: str, test: Callable[[Block, Path], None], example_folder: Path
) -> None:
    """A fact that is false makes its test fail."""
    with pytest.raises(AssertionError):
        test(Block("net fragment 3x32x32", 10, text), example_folder)


def test_every_fact_is_read() -> None:
    """Every comment of the page that looks like a fact is recognised as one."""
    for block in BLOCKS:
        stated = sum(
            len(re.findall(r"# *(?:shape|weights|error|valid for)\b *:", line))
            for line in block.text.split("\n")
        )
        assert stated == len(facts_of(block)), f"line {block.line}"


# ---- the tables


def test_tables_are_complete() -> None:
    """The reference lists every function, element type, initialiser, limit and `train` entry."""
    text = LANGUAGE.read_text(encoding="utf-8")
    for name in function_names():
        assert f"`{name}(" in text, f"function {name}"
    for name in [*ITEM_BYTES, *INITS, *DEFAULTS, *TrainConfig.__dataclass_fields__]:
        assert f"`{name}`" in text, name
    for name, value in DEFAULTS.items():
        assert f"| `{name}` | {value:,} |" in text, f"limit {name}"


def test_links_lead_somewhere() -> None:
    """Every link on the pages to another page leads to an existing file or heading."""
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    assert {LANGUAGE, DIAGNOSTICS} <= set(pages)
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            other = page.parent / file if file else page
            assert other.exists(), target
            assert not heading or heading in _headings(other), target


def _headings(page: Path) -> set[str]:
    """The anchors of a page's headings on GitHub."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
