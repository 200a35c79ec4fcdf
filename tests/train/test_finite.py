"""The check of the numbers after each step."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from netdsl.errors import SettingError
from netdsl.train.finite import Watch
from tests.support.training import config, run


def checked(value: float) -> None:
    module = nn.Linear(2, 2)
    module.weight.data.fill_(value)
    Watch(module, 1.0).check(torch.tensor(1.0), "in step 1")


def test_a_first_loss_that_is_not_finite_is_no_fault_of_the_rate() -> None:
    """Before any step, a lower learning rate cannot help: the advice is about data and weights."""
    module = nn.Linear(2, 2)
    with pytest.raises(SettingError) as caught:
        Watch(module, None).check_loss(torch.tensor(math.nan), "in step 1", lambda: None)
    assert "the cause is not `lr`" in str(caught.value.help)
    with pytest.raises(SettingError) as caught:
        Watch(module, 2.0).check(torch.tensor(1e20), "in step 9")
    assert caught.value.message == "the training loss is 1e+20 in step 9, and was 2 at first"
    assert "lower the `lr`" in str(caught.value.help)


def test_large_weights_are_finite() -> None:
    """Weights whose squares are beyond float32 do not stop a run."""
    checked(1e25)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_weight_that_is_not_finite_is_named(value: float) -> None:
    """The error has the name of the weight and the place."""
    with pytest.raises(SettingError, match="`weight` has numbers that are not finite in step 1"):
        checked(value)


def test_the_gradient_nearest_to_the_loss_is_named() -> None:
    """A gradient that is not finite makes those of the layers before it so: it began there."""
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    for layer in list(module)[:2]:
        layer.weight.grad = torch.full((2, 2), math.nan)
        layer.weight.data.fill_(math.nan)
    module[2].weight.grad = torch.ones(2, 2)
    with pytest.raises(SettingError, match="the gradient of `1\\.weight` has numbers"):
        Watch(module, 1.0).check(torch.tensor(1.0), "in step 1")


@pytest.mark.parametrize(("key", "data"), [("test_loss", "test"), ("val_loss", "validation")])
@pytest.mark.parametrize("value", [7e27, math.inf, math.nan])
def test_a_test_that_is_out_of_bounds_stops_the_run(key: str, data: str, value: float) -> None:
    """The last step of a run has no step after it whose loss could tell."""
    watch = Watch(nn.Linear(2, 2), 2.3)
    with pytest.raises(SettingError, match=f"the {data} loss is .* in epoch 1"):
        watch.check_tested({"test_loss": 2.0, key: value}, "in epoch 1")
    watch.check_tested({"test_loss": 2e9}, "in epoch 1")


def test_the_layer_where_it_began_is_named(tmp_path: Path) -> None:
    """The layers before it have weights, which the step would make NaN if it were taken."""

    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x - 100).sqrt()

    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), Root(), nn.Linear(8, 3))
    fact = "the training loss is nan in step 1 of epoch 1; .* come from layer `2`"
    with pytest.raises(SettingError, match=fact):
        run(module, tmp_path, config(epochs=1))
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_a_layer_that_is_no_module_is_named_by_its_neighbours(tmp_path: Path) -> None:
    """Layers without weights are calls of functions in a module that the compiler writes."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(64, 8), nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.second((self.first(x.flatten(1)) - 100).log())
            return result

    with pytest.raises(SettingError, match="come from a layer between `first` and `second`"):
        run(Net(), tmp_path, config(epochs=1))
