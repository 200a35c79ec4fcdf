"""A module that is called with inputs that do not fit explains what it takes."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import netdsl

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = "`Small` takes `image` as a tensor of Nx1x8x8, where N is the batch; found "
SMALL = """
net Small {
    input image: 1x8x8
    conv(2, 3) -> relu -> flatten
    output y: dense(3)
}
"""
WORDS = "net Words {\n input tokens: T int64\n input mask: Tx4\n embedding(9, 4)\n add(@mask)\n}"
CALLS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no batch": (
        lambda: torch.zeros(1, 8, 8),
        RuntimeError,
        "1x8x8: the batch is missing, and `image.unsqueeze(0)` adds it",
    ),
    "no batch and another size": (
        lambda: torch.zeros(1, 9, 8),
        RuntimeError,
        (
            "1x9x8: the batch is missing, and `image.unsqueeze(0)` adds it; then axis 2 has 9"
            " and not 8"
        ),
    ),
    "another size": (
        lambda: torch.zeros(2, 3, 8, 9),
        RuntimeError,
        "2x3x8x9: axis 1 has 3 and not 1, axis 3 has 9 and not 8",
    ),
    "channels last": (
        lambda: torch.zeros(2, 8, 8, 1),
        RuntimeError,
        "2x8x8x1: the channels come last: `image.permute(0, 3, 1, 2)` moves them",
    ),
    "too few axes": (lambda: torch.zeros(8), RuntimeError, "8: it has 1 axis and not 4"),
    "another type": (
        lambda: torch.zeros(2, 1, 8, 8, dtype=torch.float64),
        RuntimeError,
        (
            "2x1x8x8: its type is torch.float64, and that of the weights torch.float32:"
            " `image.to(torch.float32)` fits"
        ),
    ),
    "an array": (
        lambda: np.zeros((2, 1, 8, 8), np.float32),
        TypeError,
        "a NumPy array: `torch.from_numpy(image)` makes it a tensor",
    ),
    "an array of another type and shape": (
        lambda: np.zeros((1, 8, 8)),
        TypeError,
        (
            "a NumPy array: `torch.from_numpy(image).float()` makes it a tensor; the batch is"
            " missing, and `image.unsqueeze(0)` adds it"
        ),
    ),
    "a list": (
        lambda: [[0.0]],
        TypeError,
        "a list: `torch.tensor(image)` makes a tensor of numbers",
    ),
    "a file": (lambda: "a.png", TypeError, "a str"),
}


@pytest.mark.parametrize("by", [None, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("case", CALLS)
def test_inputs_that_do_not_fit(case: str, by: Callable[[Any], Any] | None) -> None:
    """One error has the shape that the net takes, the one that is given, and what to write."""
    module = netdsl.loads(SMALL).torch()
    give, kind, found = CALLS[case]
    with pytest.raises(kind) as caught:
        (by or (lambda m: m))(module)(give())
    assert str(caught.value) == HEAD + found
    assert caught.value.__suppress_context__


def test_several_inputs() -> None:
    """The error is about the input that does not fit, which can be given by name."""
    module = netdsl.loads(WORDS).torch()
    tokens = torch.zeros(2, 5, dtype=torch.int64)
    assert module(tokens, mask=torch.zeros(2, 5, 4)).shape == (2, 5, 4)
    with pytest.raises(RuntimeError, match=r"`mask` as a tensor of NxTx4, .* axis 2 has 3 and"):
        module(tokens, mask=torch.zeros(2, 5, 3))
    with pytest.raises(RuntimeError, match=r"`tokens` as a tensor of NxT, .*`tokens\.long\(\)`"):
        module(tokens.float(), torch.zeros(2, 5, 4))


def test_other_errors_stay() -> None:
    """An error that is not about the inputs is that of PyTorch, and so is one of another class."""
    module: Any = netdsl.loads(SMALL).torch()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'image'"):
        module()
    module.y = torch.nn.Linear(5, 3)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        module(torch.zeros(2, 1, 8, 8))


def test_what_pytorch_accepts() -> None:
    """A call that PyTorch can compute is not refused: a net of convolutions takes one sample."""
    module = netdsl.loads("net A { input x: 3x8x8\n conv(2, 3) }").torch()
    assert module(torch.zeros(3, 9, 9)).shape == (2, 7, 7)
    mapped = torch.vmap(
        lambda x: torch.func.functional_call(module, dict(module.named_parameters()), x)
    )
    assert mapped(torch.zeros(4, 3, 8, 8)).shape == (4, 2, 6, 6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_one_compiled_graph() -> None:
    """`torch.compile` sees only the layers: nothing breaks its graph."""
    module = netdsl.loads(SMALL).torch()
    x = torch.rand(2, 1, 8, 8)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.equal(module(x), compiled(x))


def test_one_traced_graph() -> None:
    """`torch.fx` sees only the layers, also if the net is a part of another module."""
    module = netdsl.loads(SMALL).torch()
    x = torch.rand(2, 1, 8, 8)
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(module))
    assert torch.equal(module(x), traced(x))
    assert {node.op for node in traced.graph.nodes} == {"placeholder", "call_module", "output"}
