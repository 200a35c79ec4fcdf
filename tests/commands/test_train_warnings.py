"""`netdsl train` prints the warnings about a net before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.cli import run
from netdsl.commands import train
from netdsl.errors import NetdslError

NET = """net N {
    input image: 1x28x28
    flatten -> dense(10) -> softmax
}
train N {
    data = fashion_mnist
}
"""


@pytest.mark.usefixtures("net_folder")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], True),
        (["-q"], False),
        (["--set", "train.loss=mse"], False),
        (["--set", "train.epochs=1"], True),
    ],
)
def test_warnings_come_first(
    options: list[str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A softmax before the loss is reported, unless the command line gives another loss."""

    def stop(*_: object) -> None:
        raise NetdslError("no-device", "nothing is trained here")

    monkeypatch.setattr(train, "train_net", stop)
    assert run(["train", "tiny.net", *options]) == 1
    assert ("warning[softmax-before-loss]" in capsys.readouterr().err) == expected


@pytest.mark.usefixtures("net_folder")
@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (["optimizer.momentum=0.999"], "large-momentum"),
        (["optimizer=adam(lr = 100)"], "large-setting"),
        (["ema=0.001"], "small-decay"),
        (["augment=[cutmix, shift(0.1)]"], "augment-order"),
        (["loss=dice"], "softmax-before-loss"),
        (["loss=bce"], "sigmoid-before-loss"),
        (["optimizer=adam"], None),
        (["optimizer.momentum=0.999", "optimizer.momentum=0.9"], None),
    ],
)
def test_warnings_about_settings_of_the_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    code: str | None,
) -> None:
    """They replace those about the entries of the text."""

    def stop(*_: object) -> None:
        raise NetdslError("no-device", "nothing is trained here")

    text = Path("tiny.net").read_text().replace("fashion_mnist\n", "fashion_mnist\n ema = 0.01\n")
    Path("tiny.net").write_text(text.replace("softmax", "dropout(0)") if code is None else text)
    monkeypatch.setattr(train, "train_net", stop)
    words = [word for setting in settings for word in ("--set", f"train.{setting}")]
    assert run(["train", "tiny.net", *words, "--set", "train.seed=3"]) == 1
    messages = capsys.readouterr().err
    assert messages.count("small-decay") == 1
    assert code is None or f"warning[{code}]" in messages
    assert code is not None or messages.count("warning[") == 1


@pytest.mark.parametrize(
    ("schedule", "epochs", "fact"),
    [
        ("multistep([1, 5])", "3", "training has 3 epochs: the rate does not change at 5"),
        ("step(4)", "3", "training has 3 epochs: the rate never changes"),
        ("constant(warmup = 3)", "3", "training has 3 epochs: the warm-up does not end"),
        ("multistep([1], warmup = 4)", "3", "training has 3 epochs: the warm-up does not end"),
        ("multistep([5], warmup = 4)", "3", "training has 3 epochs: the rate does not change at 5"),
        ("plateau", "12", "training has 12 epochs: the rate never changes"),
        ("plateau(9)", "12", None),
        ("multistep([1, 2])", "3", None),
        ("multistep([1, 900], by = step)", "3", None),
        ("cosine(warmup = 2.5)", "3", None),
    ],
)
def test_a_schedule_beyond_the_last_epoch(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    schedule: str,
    epochs: str,
    fact: str | None,
) -> None:
    """The warning is about the epochs and the schedule that are used, wherever they are given."""

    def stop(*_: object) -> None:
        raise NetdslError("no-device", "nothing is trained here")

    monkeypatch.setattr(train, "train_net", stop)
    settings = [f"train.schedule={schedule}", f"train.epochs={epochs}"]
    assert run(["train", "lenet5", "--set", settings[0], "--set", settings[1]]) == 1
    messages = capsys.readouterr().err
    assert ("warning[late-schedule]" in messages) == (fact is not None)
    assert fact is None or fact in messages


@pytest.mark.parametrize(
    ("schedule", "fact"),
    [
        ("multistep([1, 6], by = step)", "training has 6 steps: the rate does not change at 6"),
        ("step(every = 7, by = step)", "training has 6 steps: the rate never changes"),
        ("multistep([1, 5], by = step)", None),
    ],
)
def test_a_schedule_beyond_the_last_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schedule: str, fact: str | None
) -> None:
    """Two epochs of 600 samples in batches of 100, of which two make a step."""
    data = "train.data=fashion_mnist_sample(limit = 600, pad = 2)"
    entries = (data, "train.batch=100", "train.accumulate=2", "train.epochs=2")
    settings = [word for entry in entries for word in ("--set", entry)]
    command = ["train", "lenet5", "--out", str(tmp_path), *settings]
    assert run([*command, "--set", f"train.schedule={schedule}"]) == 0
    messages = capsys.readouterr().err
    assert ("warning[late-schedule]" in messages) == (fact is not None)
    assert fact is None or fact in messages
