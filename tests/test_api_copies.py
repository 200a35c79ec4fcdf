"""Nets, modules and errors are copied, pickled, and sent to spawned processes."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import netdsl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

BLOCKS = """
block part(n) { c: conv(n, 3, pad = 1) -> relu }
net Blocks {
    input x: 3xHxW
    a: part(4) -> b: part(5)
    aux helper(weight = 0.3) { gap -> flatten -> dense(2) }
    output y: gap -> flatten -> dense(2)
}
"""
BY: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "pickle, protocol 0": lambda value: pickle.loads(pickle.dumps(value, protocol=0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def saved(module: nn.Module) -> nn.Module:
    """A module that PyTorch has saved and loaded."""
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    loaded: nn.Module = torch.load(file, weights_only=False)
    return loaded


# ---- modules


@pytest.mark.parametrize("by", [*BY, "torch.save"])
def test_modules(by: str) -> None:
    """A copy has the same weights, mode, heads and source, and computes the same."""
    module: Any = netdsl.loads(BLOCKS).torch()
    twin = (BY | {"torch.save": saved})[by](module)
    x = torch.rand(2, 3, 8, 9)
    for ours, theirs in zip(module(x), twin(x), strict=True):
        assert torch.equal(ours, theirs)
    assert type(module) is type(twin)
    assert ([0.3], module.source) == (twin.aux_weights, twin.source)
    assert torch.equal(module.eval()(x), twin.eval()(x))


@pytest.mark.parametrize("by", [*BY, "torch.save"])
def test_parts_of_modules(by: str) -> None:
    """A block of a net can be copied by itself."""
    part: Any = netdsl.loads(BLOCKS).torch().a
    twin = (BY | {"torch.save": saved})[by](part)
    x = torch.rand(2, 3, 8, 9)
    assert torch.equal(part(x), twin(x))


def test_copies_are_independent() -> None:
    """Training a deep copy does not change the original."""
    module = netdsl.loads(BLOCKS).torch()
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.zero_()
    assert any(weight.any() for weight in module.parameters())


def test_modules_of_two_nets_of_one_name() -> None:
    """Each has the class of its own text."""
    texts = [f"net A {{ input x: 4\n dense({n}) }}" for n in (2, 3)]
    modules = [netdsl.loads(text).torch() for text in texts]
    twins = pickle.loads(pickle.dumps(modules))
    assert type(modules[0]) is not type(modules[1])
    assert [(1, 2), (1, 3)] == [tuple(twin(torch.ones(1, 4)).shape) for twin in twins]


def test_a_class_of_the_user() -> None:
    """A class that inherits from the class of a net is pickled as that of the user."""
    twin = pickle.loads(pickle.dumps(Inheriting()))
    assert isinstance(twin, Inheriting)


OPEN_LINE = "net Open { input x: 3xHxW\n conv(3, 3, stride = 2) }"
LINE = "net Line { input x: 4\n dense(3) }"
Inherited: Any = type(netdsl.loads(LINE).torch())


class Inheriting(Inherited):  # type: ignore[misc]
    """A class that inherits from the class of a net."""


@pytest.mark.filterwarnings("ignore")  # PyTorch calls some of these deprecated
@pytest.mark.parametrize("name", ["resnet:ResNet18", "lenet5"])
@pytest.mark.parametrize("tool", ["compile", "export", "trace", "script"])
def test_tools_of_pytorch(name: str, tool: str) -> None:
    """PyTorch's tools take a module and a copy of it, and give the same results."""
    net = netdsl.load(name)
    module = pickle.loads(pickle.dumps(net.torch().eval()))
    sizes = [size if isinstance(size, int) else 64 for size in net.inputs[0].shape]
    x = torch.rand(2, *sizes)
    tools: dict[str, Callable[[], Any]] = {
        "compile": lambda: torch.compile(module, backend="eager"),
        "export": lambda: torch.export.export(module, (x,)).module(),
        "trace": lambda: torch.jit.trace(module, x),  # type: ignore[no-untyped-call]
        "script": lambda: torch.jit.script(module),
    }
    with torch.no_grad():
        assert torch.allclose(module(x), tools[tool]()(x), atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # PyTorch calls `script` deprecated
def test_nets_of_one_name_are_compiled() -> None:
    """PyTorch's compiler reads the source of each net, also after another one of that name."""
    first, second = (
        netdsl.loads(f"net Same {{ input x: 4\n {layers}\n last: dense(3) }}").torch()
        for layers in ("wide: dense(8) -> act: tanh", "act: relu")
    )
    x = torch.ones(1, 4)
    for module in (first, second, first):
        assert torch.equal(torch.jit.script(module)(x), module(x))


# ---- nets


@pytest.mark.parametrize("by", BY)
def test_nets(by: str) -> None:
    """A copy of a net has its figures, parameters and sizes."""
    for net in (
        netdsl.load("resnet", "ResNet", Block="basicblock", layers=[1, 1, 1, 1]),
        netdsl.load("resnet:ResNet18", inputs={"image": (3, 64, 65)}),
        netdsl.loads(BLOCKS),
    ):
        twin = BY[by](net)
        assert (net.name, net.params, net.macs) == (twin.name, twin.params, twin.macs)
        assert repr(net.layers) == repr(twin.layers)
        assert net.torch().source == twin.torch().source


def test_a_pickled_net_needs_no_files(folder: Path) -> None:
    """A pickle has the texts of all files, so that their changes do not matter."""
    (folder / "part.net").write_text('import "deep/inner.net"\nblock part() { inner -> relu }')
    (folder / "deep").mkdir()
    (folder / "deep" / "inner.net").write_text("block inner() { dense(3) }")
    (folder / "whole.net").write_text(
        'import "part.net"\nimport lenet5\nnet A { input x: 4\n part -> wide }'
        "\nblock wide() { dense(7) }"
    )
    data = pickle.dumps(netdsl.load("whole.net"))
    for path in folder.rglob("*.net"):
        path.unlink()
    net = pickle.loads(data)
    assert 15 + 28 == net.params
    assert net.layers["0.0.0"].line == 1
    again = pickle.loads(pickle.dumps(net))
    assert again.params == net.params


def test_expects_of_a_copy() -> None:
    """The lines of a copy are checked as those of the original."""
    net = netdsl.load("resnet:ResNet50")
    twin = pickle.loads(pickle.dumps(net))
    assert [True, True, True] == [expect.holds for expect in twin.expects]


def test_deep_nets() -> None:
    """A net with some thousand layers can be pickled: its graph is not."""
    net = netdsl.loads("net A { input x: 4\n repeat 3000 { dense(4) -> relu } }")
    assert len(pickle.dumps(net)) < 2000
    assert copy.deepcopy(net).params == net.params


@pytest.mark.parametrize("by", ["pickle", "deepcopy"])
def test_what_a_net_gives(by: str) -> None:
    """Its formulas, layers, ends and checks can be copied without the net."""
    net = netdsl.load("resnet:ResNet18")
    given: Any = [net.macs, net.layers, net.inputs, net.outputs, net.memory, net.warnings]
    twins = BY[by](given)
    assert repr(given) == repr(twins)
    assert given[:2] == twins[:2]
    assert [True, True, True] == [expect.holds for expect in BY[by](net.expects)]
    assert BY[by](netdsl.loads(LINE).verify()).ok


# ---- other processes


def formulas(text: str) -> list[object]:
    """The MACs of a net and the shape of its output, both formulas."""
    net = netdsl.loads(text)
    return [net.macs, net.outputs[0].shape]


def width_of(value: Any) -> int:
    """The length of the output of a net or a module for one sample."""
    module = value.torch() if isinstance(value, netdsl.Net) else value
    output: torch.Tensor = module.eval()(torch.ones(1, 4))
    return output.shape[1]


def failing(text: str) -> netdsl.Net:
    """The net of a text."""
    return netdsl.loads(text)


def test_spawned_workers() -> None:
    """A new process gets nets and modules, and returns nets and errors."""
    context = multiprocessing.get_context("spawn")
    net = netdsl.loads(LINE)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert [3, 3] == list(pool.map(width_of, [net, net.torch()]))
        expected = formulas(OPEN_LINE)
        assert expected == pool.submit(formulas, OPEN_LINE).result()
        assert hash(expected[0]) == hash(pool.submit(formulas, OPEN_LINE).result()[0])
        assert net.params == pool.submit(failing, LINE).result().params
        with pytest.raises(netdsl.CompileError, match="there is no layer or block `dens`") as found:
            pool.submit(failing, "net A { input x: 4\n dens(3) }").result()
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.span is not None
    assert (2, 2) == diagnostic.span.first
    assert "^^^^" in str(found.value)
