"""A training run, its files, and how it resumes after an interruption."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import netdsl
from netdsl.config import SettingCall
from netdsl.data.catalog import open_dataset
from netdsl.data.evaluate import evaluate
from netdsl.data.metrics import Accuracy
from netdsl.errors import SettingError
from netdsl.train import loop
from netdsl.train.config import TrainConfig
from netdsl.train.folder import CHECKPOINT, locked
from netdsl.train.loop import StartMode
from netdsl.train.run import Run, torch_device
from netdsl.weights import write
from tests.support.training import CPU, config, net, run, tiny

AUGMENT = [
    SettingCall("random_crop", (8, 1)),
    SettingCall("hflip"),
    SettingCall("rotation", (10,)),
    SettingCall("random_erasing"),
]


def test_a_run_learns_and_writes_its_files(tmp_path: Path) -> None:
    out = tmp_path / "new" / "run"
    output = io.StringIO()
    setup = config(epochs=6, metrics=[SettingCall("accuracy"), SettingCall("accuracy", (2,))])
    console = Console(file=output, width=40)
    result = run(net(), out, setup, drawn=True, console=console, name="Tiny")
    assert result.final["accuracy"] > 0.95
    assert result.history[0]["train_loss"] > result.final["train_loss"]
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        *(".lock", "checkpoint.safetensors", "confusion.csv", "curves.png", "log.jsonl"),
        *("report.html", "run.json", "weights.safetensors"),
    ]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log == list(result.history) and [r["epoch"] for r in log] == [1, 2, 3, 4, 5, 6]
    lines = output.getvalue().splitlines()
    assert len(lines) == 6 and lines[5].startswith("epoch 6/6  train loss 0.")
    assert f"accuracy {result.final['accuracy']:.2%}".replace("%", " %") in lines[5]
    assert "images/s" in lines[5]
    with Image.open(out / "curves.png") as curves:
        assert curves.size == (1800, 480)


OWN_TENSORS = """net Own {
    input image: 1x8x8
    scale: param(1x1x1, leading = 1, init = ones)
    offset: @image -> const([[[0.5]]])
    @image -> sub(@offset) -> mul(@scale) -> flatten
    a: dense(64) -> relu
    b: dense(64, weight = @a.weight, bias = @a.bias) -> relu
    fixed: param(64, init = ones) -> frozen
    mul(@b)
    output logits: dense(3, bias = [0, 0, 1])
}
"""


def test_tensors_of_their_own_and_tied_weights_are_trained(tmp_path: Path) -> None:
    """They learn unless they are frozen or constant; the file has both names of a tied weight."""
    compiled = netdsl.loads(OWN_TENSORS)
    module = compiled.torch()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    result = run(module, tmp_path, config(epochs=2))
    saved = load_file(result.weights)
    assert set(saved) == set(before)
    same = {name for name, tensor in saved.items() if torch.equal(tensor, before[name])}
    assert same == {"offset", "fixed"}
    assert torch.equal(saved["a.weight"], saved["b.weight"])
    again = compiled.torch(result.weights)
    assert again.get_parameter("b.weight") is again.get_parameter("a.weight")
    run(compiled.torch(), tmp_path, config(epochs=3), start=StartMode.RESUME_CHANGED)


def test_weights_give_the_reported_accuracy_elsewhere(tmp_path: Path) -> None:
    data = tiny()
    result = run(net(), tmp_path, config(), data, name="Tiny")
    with safe_open(result.weights, "pt") as file:
        metadata = file.metadata()
    assert (metadata["net"], metadata["dataset"]) == ("Tiny", "tiny")
    assert json.loads(metadata["mean"]) == [0.3] and json.loads(metadata["classes"]) == [
        "a",
        "b",
        "c",
    ]
    other = net(seed=5).eval()
    other.load_state_dict(load_file(result.weights))

    def forward(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(other(torch.from_numpy(images)))

    assert evaluate(forward, data.test, data, [Accuracy()]) == {
        "accuracy": result.final["accuracy"]
    }


def numbers(result: loop.Result) -> list[dict[str, float]]:
    timed = ("seconds", "images_per_second")
    return [{k: v for k, v in record.items() if k not in timed} for record in result.history]


OPTIMIZERS = [
    SettingCall("sgd", (0.05, 0.9)),
    SettingCall("sgd", (0.05,)),
    SettingCall("adam"),
    SettingCall("adamw"),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_an_interrupted_run_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: SettingCall
) -> None:
    setup = config(epochs=4, augment=AUGMENT, optimizer=optimizer)
    whole = net()
    expected = run(whole, tmp_path / "whole", setup)
    steps = 0
    step = Run._step

    def interrupted(self: Run, *given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(Run, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(net(), tmp_path / "parts", setup)
    assert len((tmp_path / "parts" / "log.jsonl").read_text().splitlines()) == 2
    rest = net(seed=9)
    result = run(rest, tmp_path / "parts", setup, start=StartMode.RESUME)
    assert numbers(result) == numbers(expected)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name


def test_the_seed_decides_the_results(tmp_path: Path) -> None:
    first, second, other = (
        numbers(run(net(), tmp_path / str(i), config(seed=seed)))
        for i, seed in enumerate((3, 3, 4))
    )
    assert first == second != other


def test_an_interrupted_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old checkpoint is complete, no temporary file is left, and the run can go on."""
    setup = config(epochs=2, schedule=SettingCall("constant"))
    run(net(), tmp_path, replace(setup, epochs=1))
    before = (tmp_path / CHECKPOINT).read_bytes()

    def broken(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(write, "save_file", broken)
        run(net(), tmp_path, setup, start=StartMode.RESUME)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == [".lock"]
    assert len(run(net(), tmp_path, setup, start=StartMode.RESUME).history) == 2


def test_resume_refuses_another_run(tmp_path: Path) -> None:
    """Other settings, other layers, other data and other shapes are refused, with what differs."""

    def refused(code: str, module: nn.Module, setup: TrainConfig, **options: Any) -> str:
        with pytest.raises(SettingError) as caught:
            run(module, tmp_path, setup, **{"start": StartMode.RESUME, **options})
        assert caught.value.code == code
        return caught.value.message

    layers = {"0": "conv k=3", "1": "relu", "2": "dense"}
    run(net(), tmp_path, config(), layers=layers)
    same: Any = {"layers": layers}
    message = refused("resume-mismatch", net(), config(seed=1), **same)
    assert message == f"`seed` is 1, but {tmp_path / CHECKPOINT} was written with 0"
    other = config(optimizer=SettingCall("sgd", (0.5,)), clip_norm=1.0)
    assert "`optimizer` is sgd(lr = 0.5, " in refused("resume-mismatch", net(), other, **same)
    message = refused("resume-mismatch", net(), config(clip_norm=1.0), **same)
    assert message.startswith("`clip_norm` is 1.0, but ") and message.endswith(" without it")
    message = refused("resume-mismatch", net(), config(epochs=3), **same)
    assert "`epochs` is 3" in message and "curve over all epochs" in message
    message = refused("resume-mismatch", net(), config(), layers={**layers, "1": "tanh"})
    assert "`1` was `relu` and is `tanh`" in message
    message = refused("resume-mismatch", net(), config(seed=1), layers={**layers, "1": "tanh"})
    assert message.index("another net") < message.index("`seed` is 1")
    message = refused("resume-mismatch", net(), config(), data=tiny(seed=1), **same)
    assert "other data" in message
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    message = refused("resume-mismatch", wider, config(), start=StartMode.RESUME_CHANGED)
    assert message.startswith("`1.weight` is ") and message.endswith(" in the net")
    changed: Any = {"start": StartMode.RESUME_CHANGED, "layers": {}}
    assert len(run(net(), tmp_path, config(epochs=3), **changed).history) == 3


def test_a_longer_run_may_resume_if_its_steps_are_the_same(tmp_path: Path) -> None:
    """Only the cosine depends on the number of epochs."""
    setup = config(schedule=SettingCall("step", (2,)))
    run(net(), tmp_path, setup)
    assert len(run(net(), tmp_path, replace(setup, epochs=3), start=StartMode.RESUME).history) == 3


def test_a_folder_keeps_its_run(tmp_path: Path) -> None:
    """Another run needs `--resume`, which continues, or `--overwrite`, which starts anew."""
    output = io.StringIO()
    console = Console(file=output, width=200)
    first = run(net(), tmp_path, config(), start=StartMode.RESUME, console=console)
    assert "has no checkpoint: the run starts at the beginning" in output.getvalue()
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SettingError) as caught:
        run(net(), tmp_path, config(seed=1))
    assert caught.value.code == "run-exists"
    assert files == {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = run(net(), tmp_path, config(), start=StartMode.RESUME, console=console)
    assert again.history == first.history
    assert "has all 2 epochs already" in output.getvalue()
    other = run(net(), tmp_path, config(seed=1), start=StartMode.OVERWRITE)
    assert numbers(other) != numbers(first)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    """A second run does not touch the files of one that is going on."""
    with locked(tmp_path), pytest.raises(SettingError, match="another run writes to") as caught:
        run(net(), tmp_path, config(), start=StartMode.OVERWRITE)
    assert caught.value.code == "folder-in-use"
    run(net(), tmp_path, config())


def test_divergence_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """The step where numbers are no longer finite ends the run, and the message names the layer."""
    run(net(), tmp_path, config(epochs=1))
    before = (tmp_path / CHECKPOINT).read_bytes()
    setup = config(optimizer=SettingCall("sgd", (1e30,)))
    with pytest.raises(SettingError) as caught:
        run(net(), tmp_path, setup, start=StartMode.RESUME_CHANGED)
    assert caught.value.code == "diverged"
    assert "in step 2 of epoch 2" in caught.value.message
    assert "lower the `lr`" in (caught.value.help or "")
    assert (tmp_path / CHECKPOINT).read_bytes() == before


class Root(nn.Module):
    """A layer whose result is NaN for negative numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sqrt()


@pytest.mark.parametrize(
    ("layer", "fact"),
    [
        (Root(), "the training loss is nan in step 1 .* come from layer `1`"),
        (nn.Threshold(0.0, 1e30), "the training loss is"),
    ],
)
def test_divergence_names_its_layer(tmp_path: Path, layer: nn.Module, fact: str) -> None:
    """A loss that is not finite names the first layer with such numbers; a huge one is found."""
    module = nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 3))
    with pytest.raises(SettingError, match=fact):
        run(module, tmp_path, config(epochs=1))


class Hidden(nn.Module):
    """A net with a weight that becomes NaN but changes no output."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.lost = nn.Linear(64, 3), nn.Parameter(torch.ones(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.lost.fill_(float("nan"))
        logits: torch.Tensor = self.main(images.flatten(1))
        return logits


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    """Training stops and writes no weights and no checkpoint, although the loss is finite."""
    with pytest.raises(SettingError) as caught:
        run(Hidden(), tmp_path, config(epochs=1))
    assert caught.value.code == "diverged"
    assert caught.value.args[0] == "`lost` has numbers that are not finite in step 1 of epoch 1"
    assert not list(tmp_path.glob("*.safetensors"))


class TwoHeads(nn.Module):
    """Gives logits and, in training, also those of an auxiliary head with its own weights."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.side = nn.Linear(64, 3), nn.Linear(64, 3)
        self.aux_weights = [0.25]

    def forward(self, images: torch.Tensor) -> Any:
        flat = images.flatten(1)
        return (self.main(flat), self.side(flat)) if self.training else self.main(flat)


def test_auxiliary_heads_add_to_the_loss_by_their_weight(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = TwoHeads()
    data, setup = tiny(), config(epochs=1, batch=96, optimizer=SettingCall("sgd", (0.1,)))
    with torch.no_grad():
        values = torch.from_numpy(data.normalise(data.train.images)).flatten(1)
        labels = torch.from_numpy(data.train.labels)
        main, side = (
            nn.functional.cross_entropy(h(values), labels).item()
            for h in (module.main, module.side)
        )
    before = module.side.weight.detach().clone()
    result = run(module, tmp_path, setup, data)
    assert result.final["train_loss"] == pytest.approx(main + 0.25 * side, rel=1e-5)
    assert not torch.equal(before, module.side.weight)


def test_a_last_batch_of_one_image_is_left_out(tmp_path: Path) -> None:
    data = tiny(count=65)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))
    assert len(run(module, tmp_path, config(epochs=1), data).history) == 1


def test_misfits_are_reported_before_training(tmp_path: Path) -> None:
    five = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    with pytest.raises(SettingError, match="gives 5 numbers per image, but tiny has 3 classes"):
        run(five, tmp_path, config())
    with pytest.raises(SettingError, match="`top` of `accuracy` is 5"):
        run(net(), tmp_path, config(metrics=[SettingCall("accuracy", (5,))]))
    assert not list(tmp_path.iterdir())


def test_a_terminal_shows_progress_and_keeps_the_lines(tmp_path: Path) -> None:
    output = io.StringIO()
    run(net(), tmp_path, config(), console=Console(file=output, force_terminal=True, width=120))
    assert "epoch 1/2  train loss" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_cuda_is_refused_if_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match="no CUDA device") as caught:
        run(net(), tmp_path, config(), device="cuda")
    assert caught.value.code == "no-device"
    assert torch_device("auto") == CPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_run_on_the_gpu_learns_and_resumes(tmp_path: Path) -> None:
    setup = config(epochs=3, augment=AUGMENT)
    run(net(), tmp_path, replace(setup, epochs=2), device="cuda")
    result = run(net(), tmp_path, setup, device="cuda", start=StartMode.RESUME)
    assert len(result.history) == 3 and result.final["accuracy"] > 0.5


@pytest.mark.slow
def test_lenet_learns_the_sample(tmp_path: Path) -> None:
    torch.manual_seed(0)
    lenet = nn.Sequential(
        *(
            nn.Conv2d(1, 6, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        ),
        *(
            nn.Conv2d(16, 120, 5),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        ),
    )
    data = open_dataset(SettingCall("fashion_mnist_sample", (), {"pad": 2}))
    result = run(lenet, tmp_path, TrainConfig(epochs=3), data)
    assert result.final["accuracy"] > 0.8
