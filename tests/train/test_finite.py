"""The check of the numbers after each step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from netdsl.errors import SettingError
from netdsl.train.finite import Watch


def checked(value: float) -> None:
    module = nn.Linear(2, 2)
    module.weight.data.fill_(value)
    Watch(module, 1.0).check(torch.tensor(1.0), "in step 1", lambda: None)


def test_a_first_loss_that_is_not_finite_is_no_fault_of_the_rate() -> None:
    """Before any step, a lower learning rate cannot help: the advice is about data and weights."""
    module = nn.Linear(2, 2)
    with pytest.raises(SettingError) as caught:
        Watch(module, None).check(torch.tensor(math.nan), "in step 1", lambda: None)
    assert "the cause is not `lr`" in str(caught.value.help)
    with pytest.raises(SettingError) as caught:
        Watch(module, 2.0).check(torch.tensor(1e20), "in step 9", lambda: None)
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
