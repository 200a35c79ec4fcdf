"""Files of weights: the contents decide how a file is read, or why it is refused."""

from __future__ import annotations

import argparse
import gzip
import io
import pickle
import re
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch

import netdsl
from netdsl.weights.checkpoints import read_weights
from tests.support.archives import encrypted, unzipped, zip_file
from tests.support.weight_files import (
    KINDS,
    NET,
    State,
    arrays,
    below,
    export,
    old_file,
    state,
    torch_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LOADED = "7 tensors loaded"
Say = pytest.CaptureFixture[str]


def stored() -> State:
    """The weights in the exported model."""
    return {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("m.onnx").graph.initializer}


# ---- files that are read


NAMES = [
    "w.pth",
    "w.pt",
    "w.th",
    "w.bin",
    "w.ckpt",
    "model.pth.tar",
    "w.safetensors",
    "w.npz",
    "w",
    "w.PTH",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_name_does_not_matter(net_folder: Path, capsys: Say, kind: str, name: str) -> None:
    """A file loads under any name, and its numbers are those of the state dict."""
    (net_folder / name).write_bytes(KINDS[kind](state()))
    assert f"{name}: {LOADED}, none unused" in export(capsys, name)[0]
    loaded = stored()
    for tensor, numbers in arrays(state()).items():
        if not tensor.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(loaded[tensor], numbers)


WRAPPED: dict[str, tuple[Callable[[State], object], str]] = {
    "state_dict": (lambda t: {"state_dict": t, "epoch": 3, "best": 0.9}, ""),
    "model_state_dict": (lambda t: {"model_state_dict": t, "loss": 1.0}, ""),
    "model": (lambda t: {"model": t, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}, ""),
    "another name": (lambda t: {"params_ema": t}, ""),
    "averages beside": (lambda t: {"state_dict": t, "state_dict_ema": t}, ""),
    "two levels": (lambda t: {"model": {"state_dict": t}}, ""),
    "data parallel": (lambda t: below("module.", t), "module."),
    "compiled": (lambda t: below("_orig_mod.", t), "_orig_mod."),
    "both": (lambda t: {"model": below("module._orig_mod.", t)}, "module._orig_mod."),
    "Lightning": (
        lambda t: {"state_dict": below("model.", t), "pytorch-lightning_version": "2.5"},
        "model.",
    ),
    "a part": (lambda t: below("backbone.", t) | {"head.weight": torch.ones(2)}, "backbone."),
    "parameters": (
        lambda t: {
            n: torch.nn.Parameter(v, requires_grad=v.is_floating_point()) for n, v in t.items()
        },
        "",
    ),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_wrapped_state_dicts(net_folder: Path, capsys: Say, case: str) -> None:
    """The state dict is found inside other dicts, and below a prefix that the output names."""
    wrap, prefix = WRAPPED[case]
    torch.save(wrap(state()), "w.ckpt")
    under = f" from `{prefix}`" if prefix else ""
    assert f"w.ckpt: {LOADED}{under}, " in export(capsys, "w.ckpt")[0]
    np.testing.assert_array_equal(stored()["c.weight"], state()["c.weight"].numpy())


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_prefixes_in_other_formats(net_folder: Path, capsys: Say, suffix: str) -> None:
    """A prefix that all names share is removed in every format."""
    (net_folder / "w").write_bytes(KINDS[suffix](below("module.", state())))
    assert f"{LOADED} from `module.`, none unused" in export(capsys, "w")[0]


def test_counters_of_batches_are_not_reported(net_folder: Path, capsys: Say) -> None:
    """The output names unused tensors, except the counters that batch norm has in PyTorch."""
    torch.save(state() | {"fc.weight": torch.ones(2)}, "w.pt")
    assert "7 tensors loaded, 1 unused: fc.weight\n" in export(capsys, "w.pt")[0]
    bare = {n: t for n, t in state().items() if "tracked" not in n}
    torch.save(bare, "w.pt")
    assert "7 tensors loaded, none unused\n" in export(capsys, "w.pt")[0]


def test_the_net_twice_in_a_file(net_folder: Path, capsys: Say) -> None:
    """A file with the tensors of the net twice is refused, because the choice is unclear."""
    torch.save(below("model.", state()) | below("ema.", state()), "w.pt")
    err = export(capsys, "w.pt", code=1)[1]
    assert "w.pt has the tensors of the net 2 times, under `model.` and `ema.`" in err
    torch.save({"a": state(), "b": state()}, "w.pt")
    assert "w.pt contains several state dicts: `a`, `b`" in export(capsys, "w.pt", code=1)[1]


def test_a_checkpoint_of_another_net(net_folder: Path, capsys: Say) -> None:
    """The error names the missing tensor as the net does, without the prefix of the file."""
    tensors = below("module.", state())
    del tensors["module.y.bias"]
    torch.save(tensors, "w.pt")
    err = export(capsys, "w.pt", code=1)[1]
    assert "error[weights-mismatch]: w.pt does not fit: `y.bias` is missing\n" in err
    assert "6 of 7 tensors fit, 0 in the file are unused" in err


def test_a_state_dict_with_some_of_the_tensors(net_folder: Path) -> None:
    """The advice is to begin with all of them; not if the tensors have other names or shapes."""
    net = netdsl.load(net_folder / "tiny.net")
    tensors = dict(net.torch().state_dict())
    advice = "; begin with all of them, `net.torch().state_dict()`, and replace your own"
    bias = tensors.pop("y.bias")
    with pytest.raises(netdsl.CompileError, match=re.escape(advice)):
        net.onnx(weights=tensors)
    with pytest.raises(netdsl.CompileError, match="weights-mismatch") as caught:
        net.onnx(weights={**tensors, "bias_of_y": bias})
    assert "begin with all" not in str(caught.value)


def test_a_checkpoint_of_a_net_with_another_size(net_folder: Path, capsys: Say) -> None:
    """The help has the size in the file, if that is the only difference."""
    tensors = state()
    kept = tensors["y.bias"]
    for name in ("y.weight", "y.bias"):
        tensors[name] = np.concatenate([np.asarray(tensors[name])] * 2)
    np.savez("w.npz", **tensors)
    err = export(capsys, "w.npz", code=1)[1]
    assert f"if a parameter of the net sets this size, write `-D NAME={2 * len(kept)}`" in err


def test_no_size_explains_missing_tensors(net_folder: Path, capsys: Say) -> None:
    """Weights of another net have one tensor in common: the help has no size of it."""
    tensors = state()
    bias = np.asarray(tensors["y.bias"])
    np.savez("w.npz", **{"y.bias": np.concatenate([bias, bias]), "other.weight": bias})
    err = export(capsys, "w.npz", code=1)[1]
    assert "help: 0 of 7 tensors fit" in err
    assert "these are probably the weights of another net" in err
    assert "-D NAME=" not in err


def test_a_folder_of_a_run_that_is_missing(net_folder: Path, capsys: Say) -> None:
    """The help names the command that makes it."""
    err = export(capsys, "runs/Tiny", code=1)[1]
    assert "the folder of a training run, which `netdsl train` makes" in err


# ---- files that are not read


def script() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # TorchScript is deprecated
        trace: Any = torch.jit.trace
        torch.jit.save(trace(torch.nn.Linear(2, 3), torch.ones(1, 2)), buffer)
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("tensors"), io.BytesIO())
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


def model() -> bytes:
    content: bytes = netdsl.loads(NET).onnx().SerializeToString()
    return content


def packed() -> bytes:
    """A checkpoint whose parts are compressed."""
    members = {name: content + bytes(99) for name, content in unzipped(torch_file(state())).items()}
    return zip_file(members, zipfile.ZIP_DEFLATED)


NAMESPACE = {"state_dict": {}, "hyper_parameters": argparse.Namespace(lr=1)}
REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a whole module": (
        lambda: torch_file(torch.nn.Linear(2, 3)),
        "of `torch.nn.modules.linear.Linear`; they are not loaded",
        "state_dict()",
    ),
    "an old whole module": (
        lambda: old_file(torch.nn.Linear(2, 3)),
        "of `torch.nn.modules.linear.Linear`; they are not loaded",
        "state_dict()",
    ),
    "old settings beside": (
        lambda: old_file(NAMESPACE),
        "of `argparse.Namespace`; they are not loaded",
        "state_dict()",
    ),
    "a new protocol": (
        lambda: torch_file(state(), pickle_protocol=4),
        "is pickled with protocol 4; without running code, PyTorch reads only 2 and 3",
        "state_dict()",
    ),
    "a new protocol in an old file": (
        lambda: old_file(state(), pickle_protocol=5),
        "is pickled with protocol 5; without running code, PyTorch reads only 2 and 3",
        "state_dict()",
    ),
    "an encrypted checkpoint": (
        lambda: encrypted(torch_file(state())),
        "is an encrypted archive",
        "decrypt it",
    ),
    "a damaged archive": (
        lambda: zip_file({"x/data.pkl": b""})[:-10],
        "is a damaged archive\n",
        "copy it again",
    ),
    "a sparse tensor": (
        lambda: torch_file({"c.weight": torch.eye(3).to_sparse()}),
        "`c.weight` of w",
        "save it as a plain tensor",
    ),
    "settings beside": (
        lambda: torch_file(NAMESPACE),
        "of `argparse.Namespace`; they are not loaded",
        "state_dict()",
    ),
    "TorchScript": (script, "is a TorchScript archive, which is a program", "torch.jit.load"),
    "torch.export": (
        lambda: zip_file({"a/archive_format": b"pt2", "a/data.pkl": b""}),
        "is a program from torch.export",
        "torch.export.load",
    ),
    "ONNX": (model, "is an ONNX model, not weights", "netdsl run"),
    "Keras": (
        lambda: zip_file({"model.weights.h5": b"", "config.json": b"{}"}),
        "is a Keras model",
        "numpy.savez",
    ),
    "Keras, old": (
        lambda: b"\x89HDF\r\n\x1a\n" + bytes(99),
        "is an HDF5 file, as Keras writes them",
        "numpy.savez",
    ),
    "another zip": (
        lambda: zip_file({"a.txt": b""}),
        "is a zip archive without weights",
        "netdsl reads",
    ),
    "a tar": (tar, "is a tar archive", "unpack it"),
    "gzip": (lambda: gzip.compress(torch_file(state())), "is compressed with gzip", "unpack it"),
    "compressed parts": (packed, "is compressed: ", "save it again"),
    "one array": (npy, "is one array without a name", "numpy.savez"),
    "another pickle": (
        lambda: pickle.dumps({"a": np.ones(3)}, protocol=2),
        "_reconstruct`, `numpy.dtype`",
        "torch.save",
    ),
    "a pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\n",
        "is a Git LFS pointer",
        "git lfs pull",
    ),
    "a page": (lambda: b"<!DOCTYPE html><html>", "is a web page", "download"),
    "text": (lambda: b"hello", "is not a file of weights", "netdsl reads"),
    "nothing": (lambda: b"", "is empty", "netdsl reads"),
    "no tensors": (
        lambda: torch_file({"epoch": 1}),
        "contains no tensors, only `epoch`",
        "state_dict()",
    ),
    "a list": (
        lambda: torch_file([torch.ones(2)]),
        "contains an object of type list, not a state dict",
        "state_dict()",
    ),
}


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "w"])
@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_not_read(net_folder: Path, capsys: Say, case: str, name: str) -> None:
    """The message has the kind of file, and the help what to do, without PyTorch's own advice."""
    content, reason, help_ = REFUSED[case]
    (net_folder / name).write_bytes(content())
    fact, _, advice = export(capsys, name, code=1)[1].partition("help: ")
    assert fact.startswith("error[corrupt-weights]: ")
    assert reason in fact
    assert help_ in advice
    assert "weights_only" not in fact + advice


def test_a_tensor_larger_than_its_record(net_folder: Path, capsys: Say) -> None:
    """A tensor that would get numbers from outside its record is refused."""
    content = torch_file({n: t for n, t in state().items() if "tracked" not in n})
    members = unzipped(content)
    first = next(name for name in members if "/data/" in name)
    (net_folder / "w.pt").write_bytes(zip_file(members | {first: members[first][4:]}))
    assert (
        "error[corrupt-weights]: `c.weight` of w.pt takes 432 bytes"
        in export(capsys, "w.pt", code=1)[1]
    )


def test_unused_arrays_are_not_read(net_folder: Path, capsys: Say) -> None:
    """An array that the net does not use may be larger than the limit."""
    tensors = arrays(state()) | {"other": np.zeros((1 << 20, 4), np.float32)}
    np.savez_compressed("w.npz", **tensors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDSL_MAX_ARRAY_BYTES", "100000")
        assert "1 unused: other" in export(capsys, "w.npz")[0]


def test_checkpoints_are_loaded_as_weights_only(
    net_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's own reader gets `weights_only=True`, whatever the name of the file."""
    seen = []
    load = torch.load

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(options["weights_only"])
        return load(*arguments, **options)

    monkeypatch.setattr(torch, "load", watched)
    for name in ("w.pt", "w.ckpt", "w.safetensors", "model.pth.tar"):
        torch.save(state(), name)
        read_weights(name)
    assert seen == [True] * 4
