"""The options of a recipe: what they change in a run, and that it resumes exactly with each."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

from netdsl.config import SettingCall
from netdsl.errors import SettingError
from netdsl.process.stops import Stopped
from netdsl.train.loop import StartMode
from netdsl.train.numerics import options_of
from netdsl.train.run import Run
from netdsl.train.stopping import StopRequest
from tests.support.training import config, net, run, tiny

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.data.dataset import Dataset

AUGMENT = [SettingCall("random_crop", (8, 1)), SettingCall("hflip")]


def with_val(count: int = 96) -> Dataset:
    """The tiny dataset, with another one as its validation set."""
    return replace(tiny(count), val=tiny(48, seed=1).test)


RECIPES: dict[str, dict[str, Any]] = {
    "accumulate": {"accumulate": 2, "batch": 16},
    "clip": {"clip_norm": 0.1, "clip_value": 0.05},
    "ema": {"ema": 0.9},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16", "ema": 0.5},
    "channels last": {"channels_last": True},
    "plateau": {"schedule": SettingCall("plateau", (0,)), "epochs": 6},
    "one cycle": {"schedule": SettingCall("one_cycle")},
    "rmsprop": {"optimizer": SettingCall("rmsprop", (), {"momentum": 0.5})},
    "muon": {"optimizer": SettingCall("muon")},
    "groups": {
        "optimizer": SettingCall(
            "adamw",
            (),
            {
                "lr": [[SettingCall("0"), 0.01], [SettingCall("rest"), 0.001]],
                "no_decay": [SettingCall("bias")],
            },
        )
    },
    "freeze": {"freeze": ["0", "1"], "unfreeze": 2},
    "norms": {"gradient_norms": True, "train_metrics": True},
    "early": {"early_stopping": 2, "epochs": 8},
    "deterministic": {"deterministic": True, "threads": 1},
}


def numbers(history: tuple[dict[str, float], ...]) -> list[dict[str, float]]:
    timed = ("seconds", "images_per_second")
    return [{k: v for k, v in record.items() if k not in timed} for record in history]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_run_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, every: int
) -> None:
    """A run that is stopped again and again has the weights and the records of the whole run."""
    setup = config(**{"epochs": 4, "augment": AUGMENT, **RECIPES[name]})
    whole = run(net(), tmp_path / "whole", setup, with_val())
    steps = 0
    step = Run._step

    def counting(self: Run, *arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        return step(self, *arguments)

    def check(self: StopRequest) -> None:
        if steps and steps % every == 0:
            raise Stopped(15)

    monkeypatch.setattr(Run, "_step", counting)
    monkeypatch.setattr(StopRequest, "check", check)
    result = None
    while result is None:
        steps = 0
        try:
            begun = (tmp_path / "parts").exists()  # then the checkpoint has the weights
            module = net(seed=9 if begun else 0)
            result = run(module, tmp_path / "parts", setup, with_val(), start=StartMode.RESUME)
        except Stopped:
            assert steps == every
    assert numbers(result.history) == numbers(whole.history)
    for file in ("weights", "best"):
        parts = (tmp_path / "parts" / f"{file}.safetensors").read_bytes()
        assert parts == (tmp_path / "whole" / f"{file}.safetensors").read_bytes()


def weights_after(setup: Any, tmp_path: Path, **options: Any) -> dict[str, torch.Tensor]:
    module = options.pop("module", None) or linear()
    run(module, tmp_path, setup, **options)
    return {name: value.clone() for name, value in module.state_dict().items()}


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def test_accumulation_is_a_larger_batch(tmp_path: Path) -> None:
    """Two pieces of 16 give the step of a batch of 32, and the schedule counts the steps."""
    optimizer = SettingCall("sgd", (0.1,))
    large = weights_after(config(batch=32, optimizer=optimizer), tmp_path / "large")
    small = weights_after(config(batch=16, accumulate=2, optimizer=optimizer), tmp_path / "small")
    for name, value in large.items():
        torch.testing.assert_close(value, small[name])
    other = weights_after(config(batch=16, optimizer=optimizer), tmp_path / "other")
    assert not torch.allclose(other["1.weight"], large["1.weight"])


def test_pieces_of_a_batch_have_no_single_image(tmp_path: Path) -> None:
    """33 images in pieces of 32, and 3 in pieces of 2, give no piece of 1 to a batch norm."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.BatchNorm1d(3))
    for batch, count in ((32, 33), (2, 3)):
        setup = config(epochs=1, batch=batch, accumulate=2)
        assert len(run(module, tmp_path / str(count), setup, tiny(count)).history) == 1


@pytest.mark.parametrize("kind", ["clip_norm", "clip_value"])
def test_clipping_limits_the_step(tmp_path: Path, kind: str) -> None:
    """The first step of plain SGD is at most lr times the limit."""
    before = linear().state_dict()
    setup = config(epochs=1, batch=96, optimizer=SettingCall("sgd", (1.0,)), **{kind: 0.01})
    after = weights_after(setup, tmp_path)
    steps = torch.cat([(after[name] - before[name]).flatten() for name in before])
    size = steps.norm() if kind == "clip_norm" else steps.abs().max()
    assert size.item() == pytest.approx(0.01, rel=1e-3)


class Infinite(nn.Module):
    """A net whose second layer has gradients that are not finite."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.first, self.root = nn.Linear(64, 3), nn.Parameter(torch.zeros(3))
        self.factor = factor  # 0 makes the gradients NaN

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.first(images.flatten(1))
        return scores + self.factor * self.root.sqrt()


@pytest.mark.parametrize("factor", [1.0, 0.0])
@pytest.mark.parametrize("limit", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_a_gradient_that_is_not_finite_is_named(
    tmp_path: Path, limit: dict[str, float], factor: float
) -> None:
    """Limits of the gradients hide neither the fault nor its place."""
    with pytest.raises(SettingError, match="the gradient of `root` has numbers that are") as caught:
        run(Infinite(factor), tmp_path, config(epochs=1, **limit))
    assert "the cause is not `lr`" in str(caught.value.help)


def test_averaged_weights_are_tested_and_saved(tmp_path: Path) -> None:
    """The saved weights are the moving average of those after each step; BN's statistics too."""
    module = net()
    seen: list[dict[str, torch.Tensor]] = []
    step = Run._step

    def remember(self: Run, *arguments: Any) -> Any:
        loss = step(self, *arguments)
        seen.append({n: v.clone() for n, v in self.module.state_dict().items()})
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_step", remember)
        result = run(module, tmp_path, config(epochs=2, ema=0.75))
    saved = load_file(result.weights)
    assert saved.keys() == module.state_dict().keys()
    average = dict(seen[0])
    for state in seen[1:]:
        average = {n: 0.75 * average[n] + 0.25 * state[n] for n in state}
    for name, value in saved.items():
        if value.is_floating_point() and name != "0.bias":  # it is before a batch norm
            torch.testing.assert_close(value, average[name])
            assert not torch.equal(value, module.state_dict()[name])


def test_early_stopping_and_the_best_epoch(tmp_path: Path) -> None:
    """A run stops when the validation has not improved, and keeps the weights of its best epoch."""
    setup = config(epochs=30, early_stopping=3, optimizer=SettingCall("sgd", (0.5,)))
    result = run(net(), tmp_path, setup, with_val())
    scores = [record["val_accuracy"] for record in result.history]
    best = scores.index(max(scores))
    assert len(scores) == best + 4 < 30
    saved = load_file(tmp_path / "best.safetensors")
    assert saved.keys() == load_file(result.weights).keys()
    again = run(net(), tmp_path, setup, with_val(), start=StartMode.RESUME)
    assert again.history == result.history


def test_a_loss_that_has_risen_is_reported(tmp_path: Path) -> None:
    """Numbers that stay finite, but have learned nothing."""
    for rate, count in ((0.01, 0), (30.0, 1)):
        console = Console(file=io.StringIO())
        setup = config(epochs=3, optimizer=SettingCall("sgd", (rate,)))
        run(net(), tmp_path / f"{rate}", setup, console=console)
        assert console.file.getvalue().count("warning: the training loss has risen from ") == count


def test_early_stopping_needs_a_validation_set(tmp_path: Path) -> None:
    """The test set does not decide when a run ends."""
    with pytest.raises(SettingError, match="`early_stopping` needs a validation set"):
        run(net(), tmp_path, config(early_stopping=2))


def test_no_best_weights_without_a_validation_set(tmp_path: Path) -> None:
    """The best epoch is never chosen on the test set."""
    run(net(), tmp_path, config())
    assert not (tmp_path / "best.safetensors").exists()


def test_weights_of_some_epochs_are_kept(tmp_path: Path) -> None:
    """Every second epoch has a file of its own, which `--overwrite` removes."""
    run(net(), tmp_path, config(epochs=5, checkpoint_epochs=2))
    names = {path.name for path in tmp_path.glob("epoch-*")}
    assert names == {"epoch-2.safetensors", "epoch-4.safetensors"}
    run(net(), tmp_path, config(epochs=1), start=StartMode.OVERWRITE)
    assert not list(tmp_path.glob("epoch-*"))


def test_checkpoints_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is written after a step if the last one is old enough."""
    taken = 0
    step = Run._step

    def killed(self: Run, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 3:
            raise KeyboardInterrupt
        return step(self, *arguments)

    setup = config(epochs=1, checkpoint_minutes=1e-9)
    whole = run(net(), tmp_path / "whole", setup)
    monkeypatch.setattr(Run, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(net(), tmp_path / "parts", setup)
    taken = 10
    result = run(net(seed=3), tmp_path / "parts", setup, start=StartMode.RESUME)
    assert taken == 10 + 1
    assert numbers(result.history) == numbers(whole.history)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns(tmp_path: Path, precision: str) -> None:
    """The forward pass computes in half precision, and the weights stay float32."""
    kinds = set()

    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result = super().forward(x)
            kinds.add(result.dtype)
            return result

    module = nn.Sequential(nn.Flatten(), Watched(64, 3))
    result = run(module, tmp_path, config(epochs=4, precision=precision))
    assert kinds == {torch.bfloat16 if precision == "bf16" else torch.float16}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert result.final["accuracy"] > 0.8


class Overflowing(nn.Module):
    """A net whose gradient overflows fp16 in the first steps, or in all."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.main, self.left = nn.Linear(64, 3), steps

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.main(images.flatten(1))
        if self.training:
            self.left -= 1
            if self.left >= 0:
                logits = logits * torch.tensor(float("inf"))
        return logits


def test_an_overflow_in_fp16_is_left_out(tmp_path: Path) -> None:
    """A few steps that overflow are no fault and do not count; many in a row are one."""
    result = run(Overflowing(3), tmp_path / "few", config(epochs=2, precision="fp16", batch=16))
    assert np.isfinite(result.final["train_loss"])
    fact = (
        "overflow fp16 in 20 steps in a row, in step 20 of epoch 1; backwards, the first one that"
        " is not finite is that of `main"
    )
    with pytest.raises(SettingError, match=fact):
        run(Overflowing(99), tmp_path / "many", config(epochs=9, precision="fp16", batch=4))


def test_overflows_in_all_steps_of_an_epoch_name_the_layer(tmp_path: Path) -> None:
    """An epoch without a step that was taken ends the run; the first wrong layer is named."""

    class Large(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1e38 * 1e38

    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), Large(8, 8), nn.Linear(8, 3))
    fact = "in every step of epoch 1; the first numbers that are not finite come from layer `2`"
    with pytest.raises(SettingError, match=fact):
        run(module, tmp_path, config(epochs=2, precision="fp16", batch=16))


def test_options_of_pytorch_are_restored(tmp_path: Path) -> None:
    """Threads, determinism and the precision of products are those of before the run."""
    seen: list[tuple[object, ...]] = []

    def options() -> tuple[object, ...]:
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
        )

    class Looking(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(options())
            return super().forward(x)

    before = options()
    threads = torch.get_num_threads() + 1
    setup = config(epochs=1, threads=threads, deterministic=True, precision="tf32")
    run(nn.Sequential(nn.Flatten(), Looking(64, 3)), tmp_path, setup)
    assert set(seen) == {(threads, True, "high")}
    assert options() == before


def test_channels_last(tmp_path: Path) -> None:
    """Weights and images are stored with their channels last."""
    seen = set()

    class Looking(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                last = {"memory_format": torch.channels_last}
                seen.add((x.is_contiguous(**last), self.weight.is_contiguous(**last)))
            return super().forward(x)

    module = nn.Sequential(Looking(3, 4, 3), nn.Flatten(), nn.Linear(144, 3))
    run(module, tmp_path, config(epochs=1, channels_last=True), tiny(channels=3))
    assert seen == {(True, True)}


def test_compiled_code_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step runs what `torch.compile` gives, and the files have the names of the module."""
    compiled: list[nn.Module] = []

    def fake(module: nn.Module) -> Any:
        compiled.append(module)
        return module.__call__

    monkeypatch.setattr(torch, "compile", fake)
    module = linear()
    result = run(module, tmp_path, config(epochs=1, compile=True))
    assert compiled == [module]
    assert load_file(result.weights).keys() == {"1.weight", "1.bias"}


def test_training_accuracy_and_gradient_norms(tmp_path: Path) -> None:
    """On request, a record has the metrics of the training images, and a norm for each layer."""
    setup = config(epochs=1, batch=96, train_metrics=True, gradient_norms=True, augment=[])
    module = linear()
    data = tiny()
    values = torch.from_numpy(data.normalise(data.train.images))
    labels = torch.from_numpy(data.train.labels)
    torch.autograd.backward(nn.functional.cross_entropy(module(values), labels))
    expected = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    result = run(linear(), tmp_path, setup, data)
    record = json.loads((tmp_path / "log.jsonl").read_text())
    assert record["train_accuracy"] == record["accuracy"] == result.final["accuracy"]
    assert record["gradient_norm.1"] == pytest.approx(expected.norm().item(), rel=1e-4)


def test_frozen_parts_do_not_change(tmp_path: Path) -> None:
    """Neither the weights nor the statistics of a frozen batch norm change; the rest learns."""
    module = net()
    before = {n: v.clone() for n, v in module.state_dict().items()}
    run(module, tmp_path, config(freeze=["0", "1"]))
    changed = {n for n, v in module.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {"5.weight", "5.bias"}
    assert not module[0].weight.requires_grad  # type: ignore[index]


def test_parts_are_unfrozen_at_their_epochs(tmp_path: Path) -> None:
    """A part learns from its epoch on, and then its statistics change too."""
    module = net()
    changes: list[set[str]] = []
    record = Run.record

    def remember(self: Run, *arguments: Any) -> dict[str, float]:
        state = {n: v.clone() for n, v in self.module.state_dict().items()}
        changes.append({n for n, v in state.items() if not torch.equal(v, last[-1][n])})
        last.append(state)
        return record(self, *arguments)

    last = [{n: v.clone() for n, v in module.state_dict().items()}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "record", remember)
        setup = config(epochs=3, freeze=["0", "1"], unfreeze=[["1", 1], ["0", 2]])
        run(module, tmp_path, setup)
    bn = {f"1.{n}" for n in ("weight", "bias", *STATISTICS)}
    top = {"5.weight", "5.bias"}
    conv = {"0.weight"}  # the bias before a batch norm has no gradient
    assert [changed - {"0.bias"} for changed in changes] == [top, top | bn, top | bn | conv]


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.mark.parametrize(
    ("entries", "code", "text"),
    [
        ({"freeze": ["7"]}, "unknown-layer", "write one of `0`, `1`, `5`"),
        ({"unfreeze": 1}, "bad-argument", "nothing is frozen"),
        ({"freeze": ["0"], "unfreeze": 2}, "bad-argument", "stays frozen for 2 epochs"),
        ({"freeze": ["0"], "unfreeze": [["1", 1]]}, "bad-argument", "is not in `freeze`"),
        ({"freeze": ["0", "1", "5"]}, "nothing-to-train", "all weights of the net are frozen"),
        (
            {"freeze": ["0", "1", "5"], "unfreeze": 1},
            "nothing-to-train",
            "all weights of the net are frozen",
        ),
        (
            {"loss": SettingCall("cross_entropy", (), {"weights": [1, 2]})},
            "bad-argument",
            "`weights` of `cross_entropy` has 2 numbers, but tiny has 3 classes",
        ),
    ],
)
def test_wrong_recipes(tmp_path: Path, entries: dict[str, Any], code: str, text: str) -> None:
    """What does not fit the net or the data is found before the first step."""
    with pytest.raises(SettingError) as caught:
        run(net(), tmp_path, config(**entries))
    assert caught.value.code == code
    assert text in f"{caught.value.message} {caught.value.help}"
    assert not list(tmp_path.glob("*.safetensors"))


def test_another_optimizer_starts_without_state(tmp_path: Path) -> None:
    """A run that resumes with another optimizer keeps only the weights."""
    run(net(), tmp_path, config(epochs=1, optimizer=SettingCall("sgd", (0.1, 0.9))))
    changed = config(epochs=2, optimizer=SettingCall("adam"))
    result = run(net(), tmp_path, changed, start=StartMode.RESUME_CHANGED)
    assert len(result.history) == 2


def test_a_run_with_other_metrics(tmp_path: Path) -> None:
    """Each score is in the records; the confusion matrix is a table with the names of classes."""
    names = ("f1", "precision", "recall", "auc", "mse", "mae", "confusion")
    result = run(net(), tmp_path, config(metrics=[SettingCall(name) for name in names]))
    assert set(names) - result.final.keys() == {"confusion"}
    header, *rows = (tmp_path / "confusion.csv").read_text().splitlines()
    assert header == '"class, after epoch 2",a,b,c'
    assert [row[0] for row in rows] == ["a", "b", "c"]
    counts = np.array([[int(n) for n in row.split(",")[1:]] for row in rows])
    assert counts.sum(1).tolist() == [32, 32, 32]
    recall = (counts.diagonal() / counts.sum(1)).mean()
    assert result.final["recall"] == pytest.approx(recall)


def test_the_first_metric_decides_the_best_epoch(tmp_path: Path) -> None:
    """An error is better if it is lower."""
    setup = config(epochs=4, metrics=[SettingCall("mae")], checkpoint_epochs=1)
    result = run(net(), tmp_path, setup, with_val())
    errors = [record["val_mae"] for record in result.history]
    best = tmp_path / f"epoch-{1 + errors.index(min(errors))}.safetensors"
    assert best.read_bytes() == (tmp_path / "best.safetensors").read_bytes()


def test_a_run_that_is_stopped_imports_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during an import leaves modules half imported: the end of a run needs none."""

    def imports(*, mode: bool) -> None:
        raise ImportError(f"mode {mode}")

    monkeypatch.setattr(torch, "use_deterministic_algorithms", imports)
    with pytest.raises(Stopped), options_of(config()):
        raise Stopped(15)
