"""The tables that are generated from the grammar, the parser that uses them, and no cache."""

from __future__ import annotations

import ast
import os
import pickle
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree

from netdsl.errors import NetdslError
from netdsl.source import SourceFile
from netdsl.syntax.lalr import ParseNode, parse
from netdsl.syntax.lexer import Token as OurToken
from netdsl.syntax.parser import TokenFilter, parse_with_tokens
from tests.fuzz.texts import valid_files
from tests.support.paths import ROOT

GENERATOR = ROOT / "grammars" / "generate.py"
TABLES = ROOT / "netdsl" / "syntax" / "tables.py"


def test_tables_match_the_grammar() -> None:
    """`netdsl/syntax/tables.py` is what the generator writes for the current grammar."""
    assert TABLES.read_text() == runpy.run_path(str(GENERATOR))["tables_text"](), (
        "run `python grammars/generate.py`"
    )


class LarkFilter:
    """The token filter of netdsl with the interface that lark expects."""

    always_accept = ("_NL",)

    def __init__(self) -> None:
        self.source = SourceFile("n.net", "")

    def process(self, stream: Any) -> Any:
        return TokenFilter(self.source).process(stream)


@pytest.fixture(scope="module")
def lark() -> Lark:
    grammar = (ROOT / "grammars" / "netdsl.lark").read_text()
    return Lark(
        grammar,
        parser="lalr",
        start=["file", "expr"],
        propagate_positions=True,
        maybe_placeholders=True,
        postlex=LarkFilter(),
    )


def plain(tree: Any) -> object:
    """A tree of lark or of netdsl as nested tuples with every name, text and place."""
    if isinstance(tree, (Token, OurToken)):
        return str(tree), tree.type, tree.start_pos, tree.end_pos
    if isinstance(tree, ParseNode):
        return tree.data, tree.start_pos, tree.end_pos, [plain(c) for c in tree.children]
    if isinstance(tree, Tree):
        place = (0, 0) if tree.meta.empty else (tree.meta.start_pos, tree.meta.end_pos)
        return str(tree.data), *place, [plain(c) for c in tree.children]
    return tree


@pytest.mark.parametrize("number", range(0, len(valid_files()), 7))
def test_trees_are_those_of_lark(number: int, lark: Lark) -> None:
    """netdsl's parser gives the same nodes and tokens at the same places as lark."""
    text = valid_files()[number]
    ours = parse(text, "file", TokenFilter(SourceFile("n.net", text)).process)
    assert plain(lark.parse(text, start="file")) == plain(ours)


@pytest.mark.parametrize(
    "text", ["netN { input x: 3 }", "letk = 3", "net N {\n input x: 3\n for i inlist { relu }\n}"]
)
def test_a_keyword_is_a_whole_word(text: str) -> None:
    """A word that begins with a keyword is a name, even if only the keyword is allowed there."""
    with pytest.raises(NetdslError, match="syntax-error"):
        parse_with_tokens(SourceFile("n.net", text))


@pytest.mark.parametrize("word", ["input", "in", "net", "true", "let", "x"])
def test_a_keyword_is_a_name_where_only_a_name_is_allowed(word: str) -> None:
    """Parameters can be named like keywords, because only a name can be there."""
    tree = parse_with_tokens(SourceFile("n.net", f"block B({word} = 3) {{ relu }}"))[0]
    assert [word] == [p.name for d in tree.definitions for p in getattr(d, "parameters", ())]


# ---- netdsl executes nothing that it reads from a file

PROBE = """
import sys
opened = []
def hook(event, args):
    if event in ("open", "marshal.loads", "pickle.find_class"):
        opened.append((event, str(args[0])))
sys.addaudithook(hook)
from netdsl.cli import run
code = run(["check", "lenet5"])
unwanted = [name for event, name in opened if event == "pickle.find_class" or sys.argv[1] in name]
print(code, "pickle" in sys.modules, unwanted, file=sys.stderr)
"""


class Mark:
    """A pickle of this creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def planted(folder: Path, mark: Path) -> Path:
    """A cache folder with a pickle wherever an earlier version cached the grammar."""
    cache = folder / "cache" / "netdsl"
    cache.mkdir(parents=True)
    for name in ("grammar.lark", "netdsl.lark", "tables.pickle"):
        (cache / name).write_bytes(b"0\n" + pickle.dumps(Mark(mark)))
    return cache


def test_no_cache_is_read(tmp_path: Path) -> None:
    """`check` opens nothing in the user's cache folder, does not change it, and loads no pickle."""
    mark = tmp_path / "mark"
    cache = planted(tmp_path, mark)
    before = {p.name: p.read_bytes() for p in cache.iterdir()}
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache.parent),
        "HOME": str(tmp_path),
        "LOCALAPPDATA": str(cache.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(cache)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert "0 False []" == done.stderr.splitlines()[-1]
    assert before == {p.name: p.read_bytes() for p in cache.iterdir()}
    assert not mark.exists()


UNSAFE = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
HARMLESS = {"pickle.UnpicklingError"}  # what `torch.load` raises


# The option with which a loader unpickles nothing.
LOADERS = {
    "np.load": "allow_pickle",
    "numpy.load": "allow_pickle",
    "np.lib.format.read_array": "allow_pickle",
    "torch.load": "weights_only",
}


def test_nothing_is_unpickled() -> None:
    """No module imports a package that unpickles, and loaders that can unpickle may not."""
    for path in (ROOT / "netdsl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & UNSAFE, path
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names} - HARMLESS
                assert not {name.split(".")[0] for name in names} & UNSAFE, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "eval", path
                option = LOADERS.get(called)
                given = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg == option}
                assert option is None or given == {option: str(option == "weights_only")}, path
