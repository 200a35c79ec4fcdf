"""A disk that is full at any write of a run: the old files stay, and one message names the file."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from netdsl import files
from netdsl.cli import run
from netdsl.train.run_file import read_run
from netdsl.weights.sums import check_sums

NET = """net Small {
    input image: 1x28x28
    flatten
    output logits: dense(10)
}
train Small {
    data = fashion_mnist_sample(limit = 200)
    schedule = constant
}
"""
# All writes of a run that goes on for one epoch, in their order.
WRITES = (
    *("net.net", "log.jsonl", "run.json"),
    *("weights.safetensors", "checkpoint.safetensors", "log.jsonl", "run.json"),
    *("run.json", "curves.png", "confusion.csv", "report.html"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net and a finished epoch."""
    (tmp_path / "small.net").write_text(NET)
    monkeypatch.chdir(tmp_path)
    assert run(train(1)) == 0
    return tmp_path


def train(epochs: int, *options: str) -> list[str]:
    return ["train", "small.net", "--out", "t", "--set", f"train.epochs={epochs}", *options]


@pytest.fixture
def limit() -> Iterator[None]:
    """Restores the largest size of a file after the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("number", range(len(WRITES)), ids=WRITES)
def test_each_write_can_fail(
    folder: Path,
    number: int,
    limit: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The files of the epoch before are complete, and the run goes on once there is space."""
    out, name = folder / "t", WRITES[number]
    before = (out / name).read_bytes()
    count, largest = 0, resource.getrlimit(resource.RLIMIT_FSIZE)
    make = files._temporary_beside

    def limited(path: Path) -> Path:
        nonlocal count
        small = (10, largest[1]) if count == number else largest
        resource.setrlimit(resource.RLIMIT_FSIZE, small)
        count += 1
        return make(path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_temporary_beside", limited)
        capsys.readouterr()
        assert run(train(2, "--resume")) == 1
    resource.setrlimit(resource.RLIMIT_FSIZE, largest)
    assert capsys.readouterr().err == f"error[cannot-write]: t/{name}: File too large\n"
    if name == "run.json":
        assert read_run(out)["done"] == (
            1 if number < WRITES.index("checkpoint.safetensors") else 2
        )
    else:
        assert (out / name).read_bytes() == before
    assert {path.name for path in out.iterdir()} == {".lock", *WRITES}
    check_sums(out / "checkpoint.safetensors", required=True)
    load_file(out / "weights.safetensors")
    assert run(train(3, "--resume")) == 0
    assert len((out / "log.jsonl").read_text().splitlines()) == 3


def test_a_log_for_tensorboard_that_cannot_grow_ends_the_run(
    folder: Path, limit: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing waits for the writer of the log, and the run goes on once there is space."""
    from netdsl.train.tensorboard import TensorBoard

    largest = resource.getrlimit(resource.RLIMIT_FSIZE)
    write = TensorBoard.add

    def limited(board: TensorBoard, history: list[dict[str, float]]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, largest[1]))
        try:
            write(board, history)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, largest)

    with monkeypatch.context() as patch:
        patch.setattr(TensorBoard, "add", limited)
        capsys.readouterr()
        assert run(train(2, "--resume", "--log", "tensorboard")) == 1
    [name] = (folder / "t" / "tensorboard").iterdir()
    message = f"error[cannot-write]: t/tensorboard/{name.name}: File too large\n"
    assert capsys.readouterr().err == message
    assert run(train(2, "--resume")) == 0
    assert read_run(folder / "t")["state"] == "finished"
