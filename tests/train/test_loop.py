"""Training: the section, the parts, a run and its files, and going on after an interruption."""

import io
import json
import math
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

from netdsl.config import Call
from netdsl.data.catalog import open_dataset
from netdsl.data.dataset import Dataset, Split
from netdsl.data.evaluate import evaluate
from netdsl.data.metrics import Accuracy
from netdsl.errors import SettingError
from netdsl.train import checkpoint, loop, settings
from netdsl.train.config import TrainConfig
from netdsl.train.loop import train
from netdsl.train.parts import build_input, build_loss, build_optimizer, rate_factor

CPU = torch.device("cpu")
AUGMENT = [Call("random_crop", (8, 1)), Call("hflip"), Call("rotation", (10,)), Call("random_erasing")]


def tiny(count: int = 96, channels: int = 1, seed: int = 0) -> Dataset:
    """8 x 8 images of three classes, told by which third of the rows is bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 120, (count, channels, 8, 8), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 90
    split = Split(images, labels)
    return Dataset("tiny", ("a", "b", "c"), split, split, "", (0.3,) * channels, (0.2,) * channels)


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Dropout(0.2), nn.Linear(144, 3)),
    )


def config(**entries: object) -> TrainConfig:
    return TrainConfig.from_section({"epochs": 2, "batch": 32, **entries})


def run(module: nn.Module, out: Path, setup: TrainConfig, data: Dataset | None = None, **options: Any) -> loop.Result:
    console = options.pop("console", Console(file=io.StringIO()))
    return train(module, data or tiny(), setup, out, console=console, **options)


def fails(code: str, section: dict[str, object]) -> SettingError:
    with pytest.raises(SettingError) as caught:
        TrainConfig.from_section(section)
    assert caught.value.code == code
    assert caught.value.key == next(iter(section))
    return caught.value


def test_empty_section_has_the_defaults() -> None:
    setup = TrainConfig.from_section({}, {"epochs": None})
    assert setup.data == Call("fashion_mnist_sample")
    assert setup.optimizer == settings.SGD(lr=0.05, momentum=0.9)
    assert setup.schedule == settings.Cosine(warmup=0)
    assert (setup.epochs, setup.batch, setup.metrics) == (10, 128, (Accuracy(top=1),))


def test_section_is_read_and_overridden() -> None:
    section = {
        "data": Call("cifar10", (), {"root": "x"}),
        "augment": AUGMENT,
        "loss": Call("cross_entropy", (), {"label_smoothing": 0.1}),
        "optimizer": Call("sgd", (1,), {"nesterov": True, "momentum": 0.9}),
        "schedule": Call("multistep", (), {"at": [2, 4]}),
        "metrics": [Call("accuracy"), Call("accuracy", (), {"top": 5})],
        "epochs": 7,
    }
    setup = TrainConfig.from_section(section, {"epochs": 3, "seed": 1, "batch": None})
    assert setup.optimizer == settings.SGD(1.0, 0.9, 0.0, True)
    assert setup.schedule == settings.MultiStep((2, 4), 0.1)
    assert setup.augment[0] == settings.RandomCrop(8, 1)
    assert setup.loss == settings.CrossEntropy(0.1)
    assert [m.key for m in setup.metrics] == ["accuracy", "top5_accuracy"]
    assert (setup.epochs, setup.seed, setup.batch) == (3, 1, 128)


@pytest.mark.parametrize(
    ("section", "code", "text"),
    [
        ({"epoch": 3}, "unknown-entry", "did you mean `epochs`?"),
        ({"epochs": 0}, "bad-argument", "`epochs` is 0; it must be an integer from 1 to 1,000,000,000"),
        ({"epochs": 2.5}, "wrong-type", "2.5"),
        ({"batch": "many"}, "wrong-type", '"many"'),
        ({"data": "cifar10"}, "wrong-type", "for example"),
        ({"optimizer": Call("sdg", (0.1,))}, "unknown-optimizer", "did you mean `sgd`?"),
        ({"optimizer": Call("sgd")}, "missing-argument", "no `lr`"),
        ({"optimizer": Call("sgd", (0.1,), {"nesterov": True})}, "bad-argument", "`momentum` is 0"),
        ({"optimizer": Call("adam", (), {"lr": 0})}, "bad-argument", "0; it must be a number above 0"),
        ({"optimizer": Call("adam", (), {"lr": math.nan})}, "wrong-type", "nan"),
        ({"schedule": Call("multistep", ([4, 2],))}, "bad-argument", "[4, 2]; it must be a rising list"),
        ({"schedule": Call("constant", (), {"gamma": 1})}, "unknown-argument", "takes no arguments"),
        ({"augment": Call("hflip")}, "wrong-type", "must be a list"),
        ({"augment": [Call("flip")]}, "unknown-augmentation", "`hflip`"),
        ({"augment": [Call("normalize", ([0.5], [0]))]}, "bad-argument", "above 0"),
        ({"metrics": [Call("accuracy", (0,))]}, "bad-argument", "from 1 to"),
        ({"loss": Call("cross_entropy", (1.5,))}, "bad-argument", "from 0 to below 1"),
    ],
)
def test_wrong_sections_are_explained(section: dict[str, object], code: str, text: str) -> None:
    error = fails(code, section)
    assert text in f"{error.message} {error.help}"


def rates(schedule: settings.Schedule, epochs: int, per_epoch: int) -> list[float]:
    return [rate_factor(schedule, step, per_epoch, epochs) for step in range(epochs * per_epoch)]


def test_schedules() -> None:
    assert rates(settings.Constant(), 2, 2) == [1] * 4
    assert rates(settings.Step(2, 0.5), 5, 1) == [1, 1, 0.5, 0.5, 0.25]
    assert rates(settings.MultiStep((1, 3), 0.1), 4, 1) == pytest.approx([1, 0.1, 0.1, 0.01])
    assert rates(settings.Cosine(), 2, 2) == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert rates(settings.Cosine(1), 3, 2) == pytest.approx([0.5, 1, 1, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert rates(settings.Cosine(3), 2, 1) == pytest.approx([1 / 3, 2 / 3])


def test_losses() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    labels = torch.tensor([0])
    log = torch.log_softmax(logits, 1)[0]
    smooth = -(0.9 * log[0] + 0.1 * log.mean())
    assert build_loss(settings.CrossEntropy(0.1))(logits, labels).item() == pytest.approx(smooth.item())
    assert build_loss(settings.MSE())(logits, labels).item() == pytest.approx(2 / 3)


def test_optimizers_get_their_settings() -> None:
    weights = [nn.Parameter(torch.zeros(1))]
    sgd = build_optimizer(settings.SGD(0.1, 0.9, 1e-4, True), weights)
    assert [sgd.defaults[k] for k in ("lr", "momentum", "weight_decay", "nesterov")] == [0.1, 0.9, 1e-4, True]
    adam = build_optimizer(settings.Adam(0.1, 0.2), weights)
    adamw = build_optimizer(settings.AdamW(), weights)
    assert type(adam) is torch.optim.Adam and adam.defaults["weight_decay"] == 0.2
    assert type(adamw) is torch.optim.AdamW and adamw.defaults["weight_decay"] == 0.01
    with pytest.raises(SettingError, match="no weights"):
        build_optimizer(settings.Adam(), [])


def prepared(augment: list[Call], images: torch.Tensor, data: Dataset) -> torch.Tensor:
    torch.manual_seed(0)
    return build_input(config(augment=augment).augment, data, CPU)(images)


def test_plain_input_is_what_the_test_sees() -> None:
    data = tiny()
    images = torch.from_numpy(data.train.images)
    assert np.allclose(prepared([], images, data).numpy(), data.normalise(data.train.images), atol=1e-6)


def test_augmentations_do_what_they_say() -> None:
    data = replace(tiny(), mean=(0.0,), std=(1.0,))
    ramp = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).repeat(64, 1, 1, 1) + 100
    plain = ramp / 255
    flipped = prepared([Call("hflip")], ramp, data)
    same = torch.isclose(flipped, plain).flatten(1).all(1)
    mirrored = torch.isclose(flipped, plain.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all() and 16 < mirrored.sum() < 48
    cropped = prepared([Call("random_crop", (8, 2))], ramp, data)
    shifts = {tuple(torch.nonzero(image[0])[0].tolist()) for image in cropped}
    assert cropped.shape == ramp.shape and len(shifts) >= 9
    erased = prepared([Call("random_erasing", (), {"p": 1})], ramp, data)
    assert ((erased == 0).flatten(1).sum(1) > 0).all()
    assert torch.allclose(erased[erased != 0], plain[erased != 0])
    turned = prepared([Call("rotation", (45,))], ramp, data)
    assert not torch.isclose(turned, plain).flatten(1).all(1).any()
    assert len({tuple(image.flatten().tolist()) for image in turned}) == 64


def test_normalize_replaces_the_constants_in_training_and_test() -> None:
    setup = config(augment=[Call("normalize", ([0.5], [0.25])), Call("random_erasing", (1,))])
    data = setup.adapt(tiny())
    assert (data.mean, data.std) == ((0.5,), (0.25,))
    images = torch.full((4, 1, 8, 8), 255, dtype=torch.uint8)
    # What follows `normalize` in the list works on normalised values: 0 there is what is erased.
    values = build_input(setup.augment, data, CPU)(images)
    assert set(values.flatten().tolist()) == {0.0, 2.0}
    with pytest.raises(SettingError, match="`mean` of `normalize` has 1 values, images have 3 channels"):
        setup.adapt(tiny(channels=3))


def test_crop_must_keep_the_size(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="makes 6 x 6 images, tiny has 8 x 8"):
        run(net(), tmp_path, config(augment=[Call("random_crop", (6,))]))


def test_a_run_learns_and_writes_its_files(tmp_path: Path) -> None:
    out = tmp_path / "new" / "run"
    output = io.StringIO()
    setup = config(epochs=6, metrics=[Call("accuracy"), Call("accuracy", (2,))])
    result = run(net(), out, setup, console=Console(file=output, width=40), name="Tiny", expects=(1, 8, 8))
    assert result.final["accuracy"] > 0.95
    assert result.history[0]["train_loss"] > result.final["train_loss"]
    names = sorted(path.name for path in out.iterdir())
    assert names == ["checkpoint.safetensors", "curves.png", "log.jsonl", "weights.safetensors"]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log == list(result.history) and [r["epoch"] for r in log] == [1, 2, 3, 4, 5, 6]
    lines = output.getvalue().splitlines()
    assert len(lines) == 6 and lines[5].startswith("epoch 6/6  train loss 0.")
    assert f"accuracy {result.final['accuracy']:.2%}".replace("%", " %") in lines[5]
    assert "images/s" in lines[5]
    with Image.open(out / "curves.png") as curves:
        assert curves.size == (1200, 480)


def test_weights_give_the_reported_accuracy_elsewhere(tmp_path: Path) -> None:
    data = tiny()
    result = run(net(), tmp_path, config(), data, name="Tiny")
    with safe_open(result.weights, "pt") as file:
        metadata = file.metadata()
    assert (metadata["net"], metadata["dataset"]) == ("Tiny", "tiny")
    assert json.loads(metadata["mean"]) == [0.3] and json.loads(metadata["classes"]) == ["a", "b", "c"]
    other = net(seed=5).eval()
    other.load_state_dict(load_file(result.weights))

    def forward(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(other(torch.from_numpy(images)))

    assert evaluate(forward, data.test, data, [Accuracy()]) == {"accuracy": result.final["accuracy"]}


def numbers(result: loop.Result) -> list[dict[str, float]]:
    timed = ("seconds", "images_per_second")
    return [{k: v for k, v in record.items() if k not in timed} for record in result.history]


OPTIMIZERS = [Call("sgd", (0.05, 0.9)), Call("sgd", (0.05,)), Call("adam"), Call("adamw")]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_an_interrupted_run_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: Call) -> None:
    setup = config(epochs=4, augment=AUGMENT, optimizer=optimizer)
    whole = net()
    expected = run(whole, tmp_path / "whole", setup)
    steps = 0
    step = loop._Run._step

    def interrupted(self: loop._Run, chosen: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KeyboardInterrupt
        return step(self, chosen)

    monkeypatch.setattr(loop._Run, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(net(), tmp_path / "parts", setup)
    assert len((tmp_path / "parts" / "log.jsonl").read_text().splitlines()) == 2
    rest = net(seed=9)
    result = run(rest, tmp_path / "parts", setup, resume=True)
    assert numbers(result) == numbers(expected)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name


def test_the_seed_decides(tmp_path: Path) -> None:
    first, second, other = (
        numbers(run(net(), tmp_path / str(i), config(seed=seed))) for i, seed in enumerate((3, 3, 4))
    )
    assert first == second != other


def test_an_interrupted_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(net(), tmp_path, config(epochs=1))
    before = (tmp_path / checkpoint.FILE).read_bytes()

    def broken(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", broken)
    with pytest.raises(KeyboardInterrupt):
        run(net(), tmp_path, config(epochs=2), resume=True)
    assert (tmp_path / checkpoint.FILE).read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_resume_refuses_what_is_not_the_same_run(tmp_path: Path) -> None:
    def refused(code: str, module: nn.Module, setup: TrainConfig) -> str:
        with pytest.raises(SettingError) as caught:
            run(module, tmp_path, setup, resume=True)
        assert caught.value.code == code
        return caught.value.message

    refused("no-checkpoint", net(), config())
    run(net(), tmp_path, config())
    assert "`seed` is 1" in refused("resume-mismatch", net(), config(seed=1))
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert "`1.weight`" in refused("resume-mismatch", wider, config())
    assert len(run(net(), tmp_path, config(epochs=3), resume=True).history) == 3
    path = tmp_path / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:-7])
    refused("corrupt-checkpoint", net(), config())


def test_divergence_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    run(net(), tmp_path, config())
    before = (tmp_path / checkpoint.FILE).read_bytes()
    with pytest.raises(SettingError) as caught:
        run(net(), tmp_path, config(optimizer=Call("sgd", (1e30,))))
    assert caught.value.code == "diverged"
    assert "lower `lr`" in (caught.value.help or "")
    assert (tmp_path / checkpoint.FILE).read_bytes() == before


class Hidden(nn.Module):
    """A net in which a weight that becomes infinite changes no output."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.lost = nn.Linear(64, 3), nn.Parameter(torch.ones(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.lost.fill_(float("nan"))
        made: torch.Tensor = self.main(images.flatten(1))
        return made


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    """A loss that is finite does not hide them; no weights and no checkpoint are written."""
    with pytest.raises(SettingError) as caught:
        run(Hidden(), tmp_path, config(epochs=1))
    assert caught.value.code == "diverged"
    assert caught.value.args[0] == "`lost` has numbers that are not finite after epoch 1"
    assert not list(tmp_path.glob("*.safetensors"))


class TwoHeads(nn.Module):
    """Logits, and in training those of an auxiliary head with weights of its own."""

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
    data, setup = tiny(), config(epochs=1, batch=96, optimizer=Call("sgd", (0.1,)))
    with torch.no_grad():
        values = torch.from_numpy(data.normalise(data.train.images)).flatten(1)
        labels = torch.from_numpy(data.train.labels)
        main, side = (
            nn.functional.cross_entropy(h(values), labels).item() for h in (module.main, module.side)
        )
    before = module.side.weight.detach().clone()
    result = run(module, tmp_path, setup, data)
    assert result.final["train_loss"] == pytest.approx(main + 0.25 * side, rel=1e-5)
    assert not torch.equal(before, module.side.weight)


def test_a_last_batch_of_one_image_is_left_out(tmp_path: Path) -> None:
    data = tiny(count=65)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))
    assert len(run(module, tmp_path, config(epochs=1), data).history) == 1


def test_misfits_are_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="are 1 x 8 x 8, the net takes 1 x 12 x 12") as caught:
        run(net(), tmp_path, config(), expects=(1, 12, 12))
    assert "the `pad` of the dataset by 2" in (caught.value.help or "")
    five = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    with pytest.raises(SettingError, match="gives 5 numbers for an image, tiny has 3 classes"):
        run(five, tmp_path, config())
    with pytest.raises(SettingError, match="`top` of `accuracy` is 5"):
        run(net(), tmp_path, config(metrics=[Call("accuracy", (5,))]))
    assert not list(tmp_path.iterdir())


def test_a_terminal_shows_progress_and_keeps_the_lines(tmp_path: Path) -> None:
    output = io.StringIO()
    run(net(), tmp_path, config(), console=Console(file=output, force_terminal=True, width=120))
    assert "epoch 1/2  train loss" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_cuda_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match="no CUDA device") as caught:
        run(net(), tmp_path, config(), device="cuda")
    assert caught.value.code == "no-device"
    assert loop.torch_device("auto") == CPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_run_on_the_gpu_learns_and_goes_on(tmp_path: Path) -> None:
    setup = config(epochs=3, augment=AUGMENT)
    run(net(), tmp_path, replace(setup, epochs=2), device="cuda")
    result = run(net(), tmp_path, setup, device="cuda", resume=True)
    assert len(result.history) == 3 and result.final["accuracy"] > 0.5


def test_lenet_learns_the_sample(tmp_path: Path) -> None:
    torch.manual_seed(0)
    lenet = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    data = open_dataset(Call("fashion_mnist_sample", (), {"pad": 2}))
    result = run(lenet, tmp_path, TrainConfig.from_section({}, {"epochs": 3}), data, expects=(1, 32, 32))
    assert result.final["accuracy"] > 0.8
