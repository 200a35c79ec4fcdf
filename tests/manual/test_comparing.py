"""The experiments of `docs/comparing.md`: their commands, their pictures, and what they show."""

from __future__ import annotations

import json
import re
import shlex
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netdsl.commands.common import split_name
from netdsl.commands.parser import parse
from netdsl.driver import compile_net, open_program
from netdsl.train.compare.varied import choices_of, combinations
from netdsl.train.section import read_config
from tests.support.commands import run_command
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "comparing.md"
TEXT = PAGE.read_text(encoding="utf-8")
MOST = 60_000  # bytes of a picture
_BLOCK = re.compile(
    r"^```console\n\$ netdsl (compare .+)\n\.\.\.\n((?:.*\n)*?)```\n\n!\[.+\]\((.+)\)", re.MULTILINE
)


class Experiment(NamedTuple):
    """A command of the page, the table below it, and the picture."""

    words: list[str]
    shown: str
    picture: Path

    @property
    def name(self) -> str:
        """The name of the picture."""
        return self.picture.stem

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table, without its head."""
        table = self.shown.split("\n\n")[0].splitlines()
        return [re.split(r" {2,}", line) for line in table[1:]]


EXPERIMENTS = [
    Experiment(shlex.split(line), shown, (PAGE.parent / path).resolve())
    for line, shown, path in _BLOCK.findall(TEXT)
]


def name_of(experiment: Experiment) -> str:
    """A name for a test."""
    return experiment.name


def test_every_experiment_is_on_the_page() -> None:
    """All nets of the library's file but the families are compared, and every picture is used."""
    named = {split_name(w)[1] for e in EXPERIMENTS for w in e.words if w.startswith("experiments:")}
    assert named == set(open_program("experiments").nets())
    pictures = {e.picture for e in EXPERIMENTS}
    assert pictures == set((ROOT / "examples" / "lectures").glob("*.svg"))
    assert all(0 < path.stat().st_size < MOST for path in pictures)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=name_of)
def test_tables(experiment: Experiment) -> None:
    """A table has the variants of its command, with the parameters that the nets have."""
    arguments = parse(experiment.words)
    assert arguments.seeds == 3
    found = []
    for word in arguments.files:
        file, net = split_name(word)
        assert net is not None
        for choices in combinations(arguments.vary):
            defines = {c.name: c.text for c in choices if c.setting is None}
            compiled = compile_net(open_program(file, defines), net)
            read_config(compiled, None, {c.setting: c.text for c in choices if c.setting})
            params = f"{compiled.costs.totals().params:,}"
            found.append([", ".join([net, *(c.label for c in choices)]), params])
    assert [row[:2] for row in experiment.rows] == found
    text = experiment.picture.read_text(encoding="utf-8")
    assert all(re.search(rf"{re.escape(name)} \(\d seeds\)", text) for name, _ in found)


def test_other_commands_of_the_page() -> None:
    """The options `--vary` of all commands on the page are lists."""
    options = re.findall(r"--vary '([^']+)'", TEXT)
    assert len(options) >= 6 and all(choices_of(option) for option in options)


# ---- what the experiments show


def _lower(errors: dict[str, float], *names: str) -> bool:
    """Whether the errors of these variants increase."""
    values = [errors[name] for name in names]
    return values == sorted(values) and len(set(values)) == len(values)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=name_of)
def test_results(experiment: Experiment, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one seed, an experiment shows what the page says."""
    if experiment.name == "augment" and find_spec("sklearn") is None:
        pytest.skip("the digits come with scikit-learn")
    words = [*experiment.words, "--seeds", "1", "--device", "cpu", "--format", "json"]
    made = json.loads(run_command(capsys, *words)[0])
    train, test = (
        {v["name"]: v[key]["mean"] for v in made["variants"] if v[key]} for key in ("train", "test")
    )
    match experiment.name:
        case "degradation":
            assert _lower(train, "PlainShallow", "PlainDeep")
            assert test["PlainDeep"] > test["PlainShallow"] + 0.2
            assert test["PlainDeep"] > test["ResDeep"] + 0.2
            assert test["PlainShallow"] > test["ResShallow"]
        case "norm":
            assert test["Norm, norm = true"] < 0.5
            assert test.get("Norm, norm = false", 0.9) > 0.8
        case "dropout":
            gaps = {name: test[name] - train[name] for name in test}
            assert _lower(gaps, "Dropout, drop = 0.5", "Dropout, drop = 0")
            assert train["Dropout, drop = 0"] < 0.01 < train["Dropout, drop = 0.5"]
        case "augment":
            small, none, mirror, turned = "[rotation(15)]", "[]", "[hflip]", "[rotation(180)]"
            names = [f"Digits, augment = {text}" for text in (small, none, mirror, turned)]
            assert _lower(test, *names)
        case "activation":
            assert test["ReLUChain"] < 0.5 and test["SigmoidChain"] > 0.8
            first = {v["name"]: v["runs"][0]["epochs"][0] for v in made["variants"]}
            ends = ("gradient_norm.logits", "gradient_norm.fc1")
            falls = {name: record[ends[0]] / record[ends[1]] for name, record in first.items()}
            assert falls["SigmoidChain"] > 1000 and falls["ReLUChain"] < 100
        case "field":
            assert _lower(test, "Three3x3", "One7x7") and _lower(train, "Three3x3", "One7x7")
        case other:
            raise AssertionError(f"there is no check of {other}")
