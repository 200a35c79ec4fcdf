"""The fixes of errors: each removes its error, and `--fix` never makes a text worse.

The catalogue has programs without a fix beside those with one, because `--fix` may only make
changes that leave no doubt. Their titles begin with "no fix".
"""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from netdsl import library
from netdsl.diagnostics import Diagnostic
from netdsl.errors import NetdslError
from netdsl.fixes import apply, fix_errors
from netdsl.source import SourceFile
from tests.fuzz.texts import changed, valid_files
from tests.support.paths import ROOT
from tests.wrong import catalogue
from tests.wrong.fixing import errors_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wrong.catalogue import Case

Errors = list[Diagnostic]
CASES = catalogue.load()
UNCLOSED = "this `{` is not closed"
LEAST_SHARE = 0.5  # of the programs of the catalogue that have a fix
MUTATED, CHUNK = 1_000, 200


def _source(case: Case, folder: Path) -> SourceFile | None:
    """The program of a case, or None if it cannot be read as a text."""
    try:
        return library.read(catalogue.written(case, folder))
    except NetdslError:
        return None


def _count(errors: Errors, code: str, message: str) -> int:
    return sum((e.code, e.message) == (code, message) for e in errors)


def _syntax_errors(errors: Errors) -> int:
    return sum(e.code == "syntax-error" for e in errors)


def _first_syntax_error(errors: Errors) -> int:
    """The line of the first syntax error, or a line behind every text.

    A brace that is not closed is an error of the lines after it.
    """
    wrong = [e for e in errors if e.code == "syntax-error" and e.message != UNCLOSED]
    return min((e.span.first.line for e in wrong if e.span is not None), default=sys.maxsize)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, SourceFile, Errors]]:
    """The programs of the catalogue that can be read as text, with their names and errors."""
    folder = tmp_path_factory.mktemp("cases")
    sources = [(case.name, _source(case, folder / str(i))) for i, case in enumerate(CASES)]
    return [(name, source, errors_of(source)) for name, source in sources if source is not None]


def test_each_fix_removes_its_error(refused: list[tuple[str, SourceFile, Errors]]) -> None:
    """A fix that is applied alone removes its error and adds no syntax error."""
    for name, source, errors in refused:
        for error in errors:
            text, applied = apply(source, [error.fix])
            if not error.fix or not applied:  # it may be in another file
                continue
            left = errors_of(SourceFile(source.name, text, source.path))
            before = _count(errors, error.code, error.message)
            assert _count(left, error.code, error.message) < before, name
            assert _syntax_errors(left) <= _syntax_errors(errors), f"{name}: {text}"


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.title.startswith("fix:")], ids=lambda c: c.name
)
def test_fixed_programs_are_valid(case: Case, tmp_path: Path) -> None:
    """A program whose errors all have fixes is valid when these are applied."""
    source = _source(case, tmp_path)
    assert source is not None
    fixed = fix_errors(source, errors_of)
    assert fixed.applied
    assert [f"{e.code}: {e.message}" for e in errors_of(fixed.source)] == []


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.title.startswith("no fix:")], ids=lambda c: c.name
)
def test_doubtful_programs_stay(case: Case, tmp_path: Path) -> None:
    """An error whose correction depends on what the author means has no fix."""
    source = _source(case, tmp_path)
    assert source is not None
    errors = errors_of(source)
    assert errors
    assert [edit.text for error in errors for edit in error.fix] == []


def test_share_of_programs_with_a_fix(refused: list[tuple[str, SourceFile, Errors]]) -> None:
    """Enough programs have a fix."""
    share = sum(any(error.fix for error in errors) for _, _, errors in refused)
    print(f"{share} of {len(CASES)} wrong programs have a fix")
    assert share >= LEAST_SHARE * len(CASES)


@pytest.mark.parametrize("path", sorted((ROOT / "nets").rglob("*.net")), ids=lambda path: path.stem)
def test_valid_files_stay(path: Path) -> None:
    """The files of the library have no errors to fix."""
    source = library.read(str(path))
    assert fix_errors(source, errors_of).source is source


@pytest.mark.slow
def test_fixing_the_catalogue_ends(tmp_path: Path) -> None:
    """Fixing a program of the catalogue ends, and adds no syntax errors."""
    for number, case in enumerate(CASES):
        source = _source(case, tmp_path / str(number))
        if source is not None:
            _check_end(source)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MUTATED, CHUNK))
def test_fixing_changed_texts_ends(first: int) -> None:
    """The same for arbitrary texts: valid files and wrong programs with a few tokens changed."""
    for seed in range(first, first + CHUNK):
        random = Random(seed)
        texts = [case.text for case in CASES] if seed % 2 else valid_files()
        text = changed(random, random.choice(texts)).decode("utf-8", "replace")
        _check_end(SourceFile("n.net", text))


def _check_end(source: SourceFile) -> None:
    """Check that fixing ends, and that no syntax error is above the first one of the text."""
    before = errors_of(source)
    fixed = fix_errors(source, errors_of)
    if fixed.applied:
        # Mending one error can make others visible, but only further down. A fix can delete lines.
        deleted = max(0, source.text.count("\n") - fixed.source.text.count("\n"))
        first = _first_syntax_error(errors_of(fixed.source)) + deleted
        assert first >= _first_syntax_error(before)
