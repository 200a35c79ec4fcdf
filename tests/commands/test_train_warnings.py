"""`netdsl train` prints the warnings about a net before it trains."""

from __future__ import annotations

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
