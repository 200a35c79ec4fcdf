"""The Python API refuses wrong arguments before any work, with an error that names them."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import netdsl
from netdsl.api_arguments import KINDS
from netdsl.draw.formats import SUFFIXES
from tests.support.small_nets import TINY
from tests.support.weight_files import NET, state

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS: list[Callable[..., Any]] = [
    netdsl.load,
    netdsl.loads,
    netdsl.Net.summary,
    netdsl.Net.torch,
    netdsl.Net.onnx,
    netdsl.Net.save_onnx,
    netdsl.Net.draw,
    netdsl.Net.run,
    netdsl.Net.verify,
    netdsl.Net.train,
    netdsl.Net.figure,
    netdsl.Net.diff,
]
LOAD: Any = netdsl.load  # so that a call may have an argument of a wrong type
LOADS: Any = netdsl.loads
PARAMETRIC = "net T(classes = 3, on = true, sizes = [1, 2]) {\n input a: 4\n dense(classes)\n}"
OTHER = {  # parameters with their own checks
    "self",
    "weights",
    "parameters",
    "inputs",
    "arrays",
    "entries",
    "sizes",
    "other",
}


def test_every_public_function_is_checked() -> None:
    """Every public function with arguments is checked, and each argument has a kind."""
    methods = inspect.getmembers(netdsl.Net, inspect.isfunction)
    public = [f for name, f in methods if not name.startswith("_")]
    with_arguments = [f for f in public if len(inspect.signature(f).parameters) > 1]
    assert {f.__name__ for f in with_arguments} == {f.__name__ for f in FUNCTIONS[2:]}
    for function in FUNCTIONS:
        assert hasattr(function, "__wrapped__")
        assert set(inspect.signature(function).parameters) <= {*KINDS, *OTHER}


class Bytes(os.PathLike[bytes]):
    """A path that is given as bytes."""

    def __fspath__(self) -> bytes:
        return b"m.onnx"


LOGS = 'a list with "csv", "tensorboard", or both'
DEVICES = 'one of "cpu", "cuda", "tensorrt", "auto"'
WRONG_TYPES: list[tuple[Callable[[Any], object], str]] = [
    (lambda _: LOADS(b"net"), "text must be a str, not bytes"),
    (lambda _: LOADS(None), "text must be a str, not NoneType"),
    (lambda _: LOADS(TINY, 3), "net must be a str, or None, not int"),
    (lambda _: LOAD(3), "name must be a str or a Path, not int"),
    (lambda _: LOAD(b"lenet5"), "name must be a str or a Path, not bytes"),
    (lambda n: n.onnx(seed="x"), "seed must be an int of at least 0, not str"),
    (lambda n: n.onnx(seed=True), "seed must be an int of at least 0, not bool"),
    (lambda n: n.onnx(seed=1.0), "seed must be an int of at least 0, not float"),
    (lambda n: n.onnx(opset="20"), "opset must be an int, or None, not str"),
    (lambda n: n.onnx(fold="no"), "fold must be a bool, not str"),
    (lambda n: n.onnx(dtype=np.float32), "dtype must be a str, not type"),
    (lambda n: n.torch(allow_nonfinite=1), "allow_nonfinite must be a bool, not int"),
    (lambda _: LOAD("lenet5", 3), "net must be a str, or None, not int"),
    (lambda n: n.save_onnx(3), "path must be a str or a Path, not int"),
    (lambda n: n.save_onnx(Bytes()), "path must be a str or a Path, not Bytes"),
    (lambda n: n.save_onnx(None), "path must be a str or a Path, not NoneType"),
    (lambda n: n.draw(3), "path must be a str or a Path, or None, not int"),
    (lambda n: n.draw(dpi="300"), "dpi must be an int from 10 to 1200, not str"),
    (lambda n: n.draw(field=5), "field must be a str, or None, not int"),
    (lambda n: n.figure(3), "expression must be a str, not int"),
    (lambda n: n.train(resume=1), "resume must be a bool, not int"),
    (lambda n: n.train(quiet="yes"), "quiet must be a bool, not str"),
    (lambda n: n.train(log="csv"), f"log must be {LOGS}, not str"),
    (lambda n: n.train(log=[1]), f"log must be {LOGS}, not list"),
    (
        lambda n: n.train(data=3),
        (
            "data must be a str, or None, not int; for arrays, write"
            ' `numpy.savez("data.npz", x=images, y=labels)` and `data=\'npz("data.npz")\'`'
        ),
    ),
    (
        lambda n: n.train(optimizer=object),
        (
            "optimizer must be a text as in a `train` section, a number, a bool, a dict, or a list"
            ' or tuple of these, not type; as in optimizer="adam(lr = 0.001)"'
        ),
    ),
    (lambda n: n.diff(n.torch()), "other must be a Net, a str or a Path, not Tiny"),
    (
        lambda n: n.figure("macs", 224, 224),
        (
            "figure() takes only expression without a name; give the others by name:"
            ' figure("macs", H=224, W=224)'
        ),
    ),
    (
        lambda n: n.figure("params", "layer1"),
        (
            "figure() takes only expression without a name; for the figure of a part, write"
            ' `net.figure("params(layer1)")`'
        ),
    ),
    (
        lambda n: n.verify(None, 3),
        (
            "verify() takes only weights without a name; give the others by name: seed=...,"
            " allow_nonfinite=..."
        ),
    ),
    (lambda n: n.verify(seeds=3), "verify() has no argument 'seeds'; did you mean `seed`?"),
    (
        lambda n: n.torch(pretrained=True),
        (
            "torch() has no argument 'pretrained'; netdsl ships no trained weights: write"
            ' weights="FILE" for a file of your own'
        ),
    ),
    (
        lambda n: n.torch(num_classes=10),
        (
            "torch() has no argument 'num_classes'; a net gets its parameters and sizes as it is"
            " loaded: `netdsl.load(name, classes=10)`"
        ),
    ),
    (
        lambda n: n.torch(device="cuda"),
        "torch() has no argument 'device'; `net.torch().to(\"cuda\")` moves the module",
    ),
    (lambda n: n.onnx(opset_version=18), "onnx() has no argument 'opset_version'; write opset"),
    (lambda n: n.draw(filename="n.svg"), "draw() has no argument 'filename'; write path"),
    (
        lambda n: n.run(image=[1]),
        "run() has no argument 'image'; write run(array), or run({\"x\": array})",
    ),
    (lambda n: n.summary(device="cpu"), "summary() has no argument 'device'; it has depth"),
    (
        lambda n: n.train(np.zeros(3)),
        (
            "out must be a str or a Path, or None, not ndarray; for arrays, write"
            ' `numpy.savez("data.npz", x=images, y=labels)` and `data=\'npz("data.npz")\'`'
        ),
    ),
    (
        lambda _: netdsl.Net("lenet5"),  # type: ignore[arg-type]
        "a Net is made by `netdsl.load(name)` or `netdsl.loads(text)`",
    ),
    (lambda n: n.run(None, device=3), f"device must be {DEVICES}, not int"),
    (lambda n: n.verify(seed=None), "seed must be an int of at least 0, not NoneType"),
    (lambda n: n.draw("n.dot", "1"), "depth must be an int of at least 0, or None, not str"),
    (lambda n: n.summary(1.5), "depth must be an int of at least 0, or None, not float"),
]


@pytest.mark.parametrize(("call", "message"), WRONG_TYPES, ids=[m for _, m in WRONG_TYPES])
def test_wrong_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], object], message: str
) -> None:
    """A `TypeError` names the argument, its type and the accepted types; nothing is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call(netdsl.loads(TINY))
    assert not os.listdir()


OPSETS = "is not supported; it can be 18 to 23"
STYLES = '"layers", "blocks", "volumes", "neurons"'
MERMAID = "a .mmd file shows layers or blocks, and no field"
WRONG_VALUES: list[tuple[Callable[[Any], object], str]] = [
    (lambda n: n.onnx(seed=-1), "seed must be an int of at least 0, not -1"),
    (
        lambda n: n.onnx(seed=-(1 << 20_000)),
        "seed must be an int of at least 0, not a number of 20,001 bits",
    ),
    (lambda n: n.onnx(opset=0), f"opset 0 {OPSETS}"),
    (lambda n: n.save_onnx("m.onnx", opset=24), f"opset 24 {OPSETS}"),
    (
        lambda n: n.onnx(dtype="int8"),
        "dtype 'int8' is not supported; it can be float32, float16, bfloat16",
    ),
    (lambda n: n.summary(-1), "depth must be an int of at least 0, or None, not -1"),
    (
        lambda n: n.draw("a\0.dot"),
        r"path must be a str or a Path, or None, without zero bytes, not 'a\x00.dot'",
    ),
    (
        lambda n: n.save_onnx("a\0.onnx"),
        r"path must be a str or a Path, without zero bytes, not 'a\x00.onnx'",
    ),
    (
        lambda n: n.train(device="tensorrt"),
        'device must be one of "cpu", "cuda", "auto", not "tensorrt"',
    ),
    (
        lambda n: n.train("fashion_mnist"),
        "out is the folder of the results: write train(data='fashion_mnist')",
    ),
    (lambda n: n.train(device="gpu"), f"device must be {DEVICES}, not 'gpu'"),
    (
        lambda n: n.draw("a.bmp"),
        f"the name of a picture must end in {', '.join(SUFFIXES)}; found `a.bmp`",
    ),
    (lambda n: n.draw(style="volume"), f"style must be one of {STYLES}, not 'volume'"),
    (lambda n: n.draw(direction="left"), 'direction must be one of "down", "right", not \'left\''),
    (lambda n: n.draw(theme="pink"), 'theme must be one of "light", "dark", "print", not \'pink\''),
    (lambda n: n.draw(dpi=9), "dpi must be an int from 10 to 1200, not 9"),
    (lambda n: n.draw(units=2), "units must be an int from 3 to 64, or None, not 2"),
    (lambda n: n.draw("a.mmd", style="volumes"), MERMAID),
    (lambda n: n.draw("a.mmd", field="y:0"), MERMAID),
    (
        lambda n: n.draw(style="neurons", field="y:0"),
        "neurons have no field; choose another style",
    ),
]


@pytest.mark.parametrize(("call", "message"), WRONG_VALUES, ids=[m for _, m in WRONG_VALUES])
def test_wrong_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], object], message: str
) -> None:
    """A value of the right type that the argument does not accept is a `ValueError`."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(netdsl.loads(TINY))
    assert not os.listdir()


def test_numbers_of_numpy_are_ints() -> None:
    """NumPy integers are accepted as a seed, an opset and a parameter."""
    net = LOADS(TINY)
    assert net.onnx(seed=np.int64(3), opset=np.int32(19)) == net.onnx(seed=3, opset=19)
    assert netdsl.loads(PARAMETRIC, classes=np.int64(5)).params == 25


SIZES: list[tuple[object, type[Exception], str]] = [
    (
        (3, 8, 8),
        TypeError,
        'inputs must be a dict of sizes by input, such as {"image": (3, 224, 224)}, not tuple',
    ),
    ({3: (3, 8, 8)}, TypeError, "the names of inputs must be str, not int"),
    (
        {"a": "3x8x8"},
        TypeError,
        "the sizes of input a must be a tuple such as (3, 8, 8), not str",
    ),
    (
        {"a": "image"},
        TypeError,
        "the sizes of input a must be a tuple such as (3, 224, 224), not str",
    ),
    ({"a": (3, 8.0, 8)}, TypeError, "a size of input a must be an int, not float"),
    ({"a": (3, True, 8)}, TypeError, "a size of input a must be an int, not bool"),
    ({"a": (3, 0, 8)}, ValueError, "a size of input a must be from 1 to 2,147,483,647, not 0"),
    (
        {"a": (3, 1 << 70, 8)},
        ValueError,
        "a size of input a must be from 1 to 2,147,483,647, not a number of 71 bits",
    ),
]


@pytest.mark.parametrize(("inputs", "error", "message"), SIZES, ids=[m for _, _, m in SIZES])
def test_sizes_of_inputs(inputs: object, error: type[Exception], message: str) -> None:
    """Sizes that are not numbers are refused by the name of the input."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        LOADS("net T { input a: 3xHxW\n relu }", inputs=inputs)


@pytest.mark.parametrize("name", ["text", "self", "name", "path"])
def test_parameters_named_like_arguments(name: str) -> None:
    """A parameter of a net may have the name of an argument that is passed by position."""
    assert LOADS(f"net T({name}) {{ input a: 4\n dense({name}) }}", **{name: 3}).params == 15


WANTED = "must be a number, a bool, a str, or a list or tuple of these"
ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)
PARAMETERS = [
    (object(), TypeError, f"classes {WANTED}, not object"),
    (None, TypeError, f"classes {WANTED}, not NoneType"),
    ({3}, TypeError, f"classes {WANTED}, not set"),
    ([1, b"x"], TypeError, f"classes {WANTED}, not bytes"),
    (1j, TypeError, f"classes {WANTED}, not complex"),
    (float("nan"), ValueError, "classes must be a finite number, not nan"),
    (10**5000, ValueError, "classes must have at most 18 digits"),
    ('a"b', ValueError, "classes must be a str without quotes and line breaks"),
    (ENDLESS, ValueError, "a list in the parameters is nested too deeply"),
]


@pytest.mark.parametrize(
    ("value", "error", "message"), PARAMETERS, ids=[m for _, _, m in PARAMETERS]
)
def test_parameters(value: object, error: type[Exception], message: str) -> None:
    """A value that the language cannot express is refused with the name of the parameter."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        netdsl.loads(PARAMETRIC, classes=value)


TENSORS: dict[str, tuple[Callable[[], Any], str]] = {
    "sparse": (lambda: torch.eye(3).to_sparse(), "a sparse tensor"),
    "sparse rows": (lambda: torch.eye(3).to_sparse_csr(), "a sparse tensor"),
    "meta": (
        lambda: torch.ones(3, device="meta"),
        "a tensor without numbers, on the device `meta`",
    ),
    "complex32": (
        lambda: torch.ones(3, dtype=torch.complex32),
        "a Tensor of torch.complex32, which cannot be converted to an array",
    ),
    "lazy": (
        torch.nn.parameter.UninitializedParameter,
        "a UninitializedParameter of torch.float32, which cannot be converted to an array",
    ),
}


@pytest.mark.filterwarnings("ignore")  # PyTorch warns about sparse tensors and complex32
@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_not_arrays(case: str) -> None:
    """A tensor that is not a plain array of numbers is refused; the error names it and its kind."""
    make, description = TENSORS[case]
    net = netdsl.loads(NET)
    for call in (net.onnx, net.torch):
        message = f"weights['y.bias'] must be a plain tensor, not {description}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            call(state() | {"y.bias": make()})


@pytest.mark.filterwarnings("ignore")  # PyTorch calls its quantised tensors deprecated
def test_quantised_tensors() -> None:
    """Quantised tensors are refused, since their numbers mean nothing without the scale."""
    quantised = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)
    with pytest.raises(TypeError, match="must be a plain tensor, not a quantised tensor"):
        netdsl.loads(NET).onnx(state() | {"y.bias": quantised})


def test_names_of_weights() -> None:
    """The keys of a state dict must be strings."""
    with pytest.raises(TypeError, match=r"^the names of weights must be str, not int$"):
        LOADS(NET).torch({3: torch.ones(2)})


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_floats_of_8_bits(dtype: torch.dtype) -> None:
    """PyTorch's 8-bit floats are accepted as weights, as those of a safetensors file are."""
    net = netdsl.loads(NET)
    assert net.onnx(weights=state(dtype)) == net.onnx(weights=state())


# ---- the environment, and files


@pytest.mark.parametrize(
    ("variable", "value"), [("NETDSL_MAX_LAYERS", "many"), ("NETDSL_MAX_LAYER", "7")]
)
def test_a_wrong_limit_is_a_compile_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A wrong limit in the environment raises `CompileError`, which programs already catch."""
    monkeypatch.setenv(variable, value)
    calls: list[tuple[Callable[[str], netdsl.Net], str]] = [
        (netdsl.loads, TINY),
        (netdsl.load, "lenet5"),
    ]
    for call, argument in calls:
        with pytest.raises(netdsl.CompileError, match=variable) as caught:
            call(argument)
        assert caught.value.diagnostics[0].code == "wrong-limit"


def test_folders_are_not_created(tmp_path: Path) -> None:
    """A path in a folder that does not exist is refused, as by `open` and `torch.save`."""
    net = netdsl.loads(TINY)
    for call in (net.save_onnx, net.draw):
        path = tmp_path / "missing" / ("m.onnx" if call == net.save_onnx else "m.dot")
        with pytest.raises(OSError, match=re.escape(f"there is no folder {path.parent}")) as caught:
            call(path)
        assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_help_has_no_options_of_commands() -> None:
    """Advice for programs names arguments and formats, not options of commands."""
    with pytest.raises(netdsl.CompileError) as caught:
        netdsl.loads(TINY).onnx(weights="nowhere.npz")
    help_ = caught.value.diagnostics[0].help or ""
    assert "--weights" not in help_
    assert ".npz archive" in help_
    with pytest.raises(netdsl.CompileError, match=r"name one: A, B"):
        netdsl.loads("net A { input x: 4\n relu }\nnet B { input x: 4\n relu }")
