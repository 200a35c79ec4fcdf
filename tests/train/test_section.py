"""The entries of `train` sections and of the command line, and the errors of wrong ones."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netdsl.cli import run
from netdsl.data.metrics import Accuracy
from netdsl.driver import compile_net, program_of
from netdsl.errors import NetdslError
from netdsl.source import SourceFile
from netdsl.train.recipe.optimizers import SGD, Adam
from netdsl.train.section import read_config
from netdsl.train.settings import HFlip, Rotation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.train.config import TrainConfig

NET = "let rate = 0.01\nnet A {\n    input x: 1x8x8\n    flatten\n    dense(10)\n}\n"
WRONG = (
    "train A {\n    optimiser = sgd(0.1)\n    loss = crossentropy\n    epochs = -1\n    data ="
    " cifar10(rot = 3)\n    batch = max(1, 2)\n}\n"
)


def configured(
    section: str, settings: Mapping[str, str] | None = None, data: str | None = None
) -> TrainConfig:
    """The configuration that a section and the settings of the command line give."""
    program = program_of(SourceFile("a.net", NET + f"train A {{\n{section}\n}}\n"))
    return read_config(compile_net(program, "A"), data, settings)


def places(section: str, settings: Mapping[str, str] | None = None) -> list[tuple[str, str, int]]:
    """The code, file and line of every error; the entries of the section begin on line 8."""
    with pytest.raises(NetdslError) as caught:
        configured(section, settings)
    return [
        (d.code, d.span.file.name, d.span.first.line)
        for d in caught.value.diagnostics
        if d.span is not None
    ]


@pytest.mark.parametrize(
    ("section", "key", "value", "advice"),
    [
        ("", "lr", "0.5", "--set train.optimizer.lr=0.5"),
        ("optimizer = adam(0.1)", "lr", "0.5", "--set train.optimizer.lr=0.5"),
        ("", "learning_rate", "0.5", "--set train.optimizer.lr=0.5"),
        ("", "warmup", "2", "--set train.schedule.warmup=2"),
    ],
)
def test_setting_of_an_argument(section: str, key: str, value: str, advice: str) -> None:
    """The help for `--set train.lr=0.5` is the option with the path of the argument."""
    with pytest.raises(NetdslError) as caught:
        configured(section, {key: value})
    error = caught.value.diagnostic
    assert (error.code, error.help) == ("unknown-entry", f"write `{advice}`")


@pytest.fixture
def wrong_folder(folder: Path) -> Path:
    """A folder with a net whose `train` section has four errors."""
    (folder / "a.net").write_text(NET + WRONG)
    return folder


@pytest.mark.parametrize("command", [["check"], ["train"]])
def test_all_wrong_entries_are_reported(
    wrong_folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Both `check` and `train` check the section, and do not stop at its first error."""
    assert run([*command, "a.net"]) == 1
    errors = capsys.readouterr().err
    reported = [
        (code, f"a.net:{line}:" in errors)
        for code, line in (
            ("unknown-entry", 8),
            ("unknown-loss", 9),
            ("bad-argument", 10),
            ("unknown-argument", 11),
        )
        if f"error[{code}]" in errors
    ]
    assert reported == [
        ("unknown-entry", True),
        ("unknown-loss", True),
        ("bad-argument", True),
        ("unknown-argument", True),
    ]
    assert errors.count("error[") == 4


def test_check_of_a_section_loads_little(wrong_folder: Path) -> None:
    """`check` loads neither numpy nor torch for a section, and reads no data."""
    (wrong_folder / "a.net").write_text(
        NET
        + 'train A {\n    data = cifar10(root = "nowhere")\n    metrics = accuracy(top = 2)\n}\n'
    )
    probe = (
        "import sys\nfrom netdsl.cli import run\ncode = run(['check', 'a.net', '--format',"
        " 'json'])\nprint(code, {'numpy', 'torch', 'PIL'} & set(sys.modules),"
        " 'netdsl.train.section' in sys.modules, file=sys.stderr)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True, check=True
        ).stderr
        == "1 set() True\n"
    )


def test_a_duplicate_entry() -> None:
    """The second of two entries with the same name is an error, with a note at the first."""
    with pytest.raises(
        NetdslError,
        match=r"(?s)error.duplicate-name.*a.net:10:1.*the first is here\n --> a.net:8:1",
    ):
        configured("epochs = 1\nbatch = 2\nepochs = 3")


def test_errors_in_settings_of_the_command_line() -> None:
    """The error of an entry from the command line names its option, not a line of the text.

    An entry of the text that the command line replaces is not checked.
    """
    section = "epochs = -1\nbatch = 0"
    assert places(section, {"epochs": "-2"}) == [
        ("bad-argument", "a.net", 9),
        ("bad-argument", "--set train.epochs", 1),
    ]
    assert places(section, {"epochs": "2"}) == [("bad-argument", "a.net", 9)]
    assert places("", {"augment": "hflip -> rotation(3)"}) == [
        ("syntax-error", "--set train.augment", 1)
    ]
    assert places("", {"epoch": "3"}) == [("unknown-entry", "--set train.epoch", 1)]
    assert configured("epochs = 1", {"epochs": "5"}).epochs == 5


def test_entries_may_call_functions_of_the_language() -> None:
    """`max` of two numbers is a number, not a setting; a list in brackets has several calls."""
    assert configured("optimizer = sgd(max(rate, 0.001))").optimizer == SGD(0.01)
    assert configured(
        "", {"optimizer": "sgd(min(rate, 1e-3))", "augment": "[hflip, rotation(3)]"}
    ).augment == (HFlip(), Rotation(3.0))
    assert configured("epochs = max(2, 3)").epochs == 3


def test_data_keeps_the_padding_of_the_text() -> None:
    assert configured("data = fashion_mnist_sample(pad = 2)", data="fashion_mnist").data.kwargs == {
        "pad": 2
    }


@pytest.mark.parametrize(
    "entry",
    [
        "epochs = 10 ** 12",
        "seed = 10 ** 18",
        "batch = 10 ** 10",
        "seed = -1",
        "optimizer = sgd(1e300)",
        "augment = normalize([1e39], [1])",
    ],
)
def test_numbers_beyond_the_back_ends(entry: str) -> None:
    assert places(entry) == [("bad-argument", "a.net", 8)]


@pytest.mark.parametrize("option", ["epochs=1", "train.epochs", "train.=1", "training.epochs=1"])
def test_wrong_usage_of_set(
    wrong_folder: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """An option that is not an entry of a section is wrong usage; nothing is trained."""
    assert run(["train", "lenet5", "--set", option]) == 2
    assert (
        "--set takes train.PATH=VALUE, such as train.epochs=3 or train.optimizer.lr=0.1, found"
        f" `{option}`" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("section", "path", "value", "expected"),
    [
        ("", "optimizer.lr", "0.5", ("optimizer", SGD(0.5, 0.9))),
        ("optimizer = sgd(0.1, 0.8)", "optimizer.lr", "0.5", ("optimizer", SGD(0.5, 0.8))),
        ("optimizer = sgd(0.1)", "optimizer.momentum", "0.5", ("optimizer", SGD(0.1, 0.5))),
        (
            "augment = hflip -> rotation(3)",
            "augment.rotation.degrees",
            "rate * 100",
            ("augment", (HFlip(), Rotation(1.0))),
        ),
        ("", "metrics.accuracy.top", "2", ("metrics", (Accuracy(2),))),
    ],
)
def test_a_setting_by_its_path(
    section: str, path: str, value: str, expected: tuple[str, object]
) -> None:
    """A path replaces one argument of an entry, or of its default, and keeps the others."""
    key, setting = expected
    assert setting == getattr(configured(section, {path: value}), key)


def test_a_path_into_an_entry_from_the_command() -> None:
    """The path applies to the entry that the command gives, and to the data that it gives."""
    settings = {"optimizer.weight_decay": "0.5", "optimizer": "adam"}
    assert settings_adam(0.5) == configured("optimizer = sgd(0.1)", settings).optimizer
    assert configured("", {"data.pad": "2"}, "fashion_mnist").data.kwargs == {"pad": 2}


def settings_adam(weight_decay: float) -> Adam:
    return Adam(weight_decay=weight_decay)


@pytest.mark.parametrize(
    ("section", "path", "value", "code", "place", "text"),
    [
        ("", "optimizer.lr", "-1", "bad-argument", "--set train.optimizer.lr", "above 0"),
        ("", "optimizer.lrr", "1", "unknown-argument", "--set train.optimizer.lrr", "`lr`"),
        ("", "optimizer.lr.x", "1", "unknown-argument", "--set train.optimizer.lr.x", "no part"),
        ("", "optimiser.lr", "1", "unknown-entry", "--set train.optimiser.lr", "`optimizer`"),
        ("", "epochs.n", "1", "unknown-argument", "--set train.epochs.n", "no part `n`"),
        (
            "",
            "augment.hflip.p",
            "1",
            "unknown-argument",
            "--set train.augment.hflip.p",
            "has no part `hflip`",
        ),
        ("", "optimizer.lr", "1 +", "syntax-error", "--set train.optimizer.lr", ""),
        ("optimizer = sgd(0)", "optimizer.momentum", "0.5", "bad-argument", "a.net", "above 0"),
    ],
)
def test_a_wrong_path(
    section: str, path: str, value: str, code: str, place: str, text: str
) -> None:
    """The error is at the option if that is wrong, and in the text if that is."""
    with pytest.raises(NetdslError) as caught:
        configured(section, {path: value})
    (error,) = caught.value.diagnostics
    assert (error.code, error.file) == (code, place)
    assert text in f"{error.message} {error.help}"


def test_parts_of_the_data_of_an_option() -> None:
    """`--set train.data.limit=5` changes the data of `--data`, not only those of the section."""
    parts = {"data.limit": "5", "data.val": "0.1"}
    data = configured("data = digits", parts, "mnist(pad = 2)").data
    assert data.name == "mnist"
    assert data.kwargs == {"pad": 2, "limit": 5, "val": 0.1}
    kept = configured("data = mnist(pad = 2)", {"data.pad": "0"}, "fashion_mnist").data
    assert kept.kwargs == {"pad": 0}


def test_data_of_two_options_is_an_error() -> None:
    """`--data` does not silently win over `--set train.data`."""
    with pytest.raises(NetdslError, match="`--data` and by `--set"):
        configured("", {"data": "mnist"}, "digits")
