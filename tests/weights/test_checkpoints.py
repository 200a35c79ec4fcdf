"""Files of weights: read for what they hold, whatever their names, or refused with what to do."""

from __future__ import annotations

import argparse
import gzip
import io
import pickle
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

LINE = "7 tensors loaded"
Say = pytest.CaptureFixture[str]


def stored() -> State:
    return {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("m.onnx").graph.initializer}


# ---- a file is what it holds


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
    """The same bytes load under every name, and their numbers are those of the state dict."""
    (net_folder / name).write_bytes(KINDS[kind](state()))
    assert f"{name}: {LINE}, none left" in export(capsys, name)[0]
    found = stored()
    for tensor, numbers in arrays(state()).items():
        if not tensor.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(found[tensor], numbers)


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
def test_where_checkpoints_keep_the_tensors(net_folder: Path, capsys: Say, case: str) -> None:
    """In a dict with other things, and below a scope that the report names."""
    wrap, prefix = WRAPPED[case]
    torch.save(wrap(state()), "w.ckpt")
    under = f" from `{prefix}`" if prefix else ""
    assert f"w.ckpt: {LINE}{under}, " in export(capsys, "w.ckpt")[0]
    np.testing.assert_array_equal(stored()["c.weight"], state()["c.weight"].numpy())


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_scopes_in_other_formats(net_folder: Path, capsys: Say, suffix: str) -> None:
    """A scope before all names is taken off in every format."""
    (net_folder / "w").write_bytes(KINDS[suffix](below("module.", state())))
    assert f"{LINE} from `module.`, none left" in export(capsys, "w")[0]


def test_counters_of_batches_are_not_reported(net_folder: Path, capsys: Say) -> None:
    """They are in every checkpoint of PyTorch and no net uses them; others left are named."""
    torch.save(state() | {"fc.weight": torch.ones(2)}, "w.pt")
    assert "7 tensors loaded, 1 of the file left: fc.weight\n" in export(capsys, "w.pt")[0]
    bare = {n: t for n, t in state().items() if "tracked" not in n}
    torch.save(bare, "w.pt")
    assert "7 tensors loaded, none left\n" in export(capsys, "w.pt")[0]


def test_the_net_twice_in_a_file(net_folder: Path, capsys: Say) -> None:
    """Which of the two is meant is not guessed."""
    torch.save(below("model.", state()) | below("ema.", state()), "w.pt")
    err = export(capsys, "w.pt", code=1)[1]
    assert "w.pt has the tensors of the net 2 times, under `model.` and `ema.`" in err
    torch.save({"a": state(), "b": state()}, "w.pt")
    assert "w.pt holds several state dicts: `a`, `b`" in export(capsys, "w.pt", code=1)[1]


def test_a_checkpoint_of_another_net(net_folder: Path, capsys: Say) -> None:
    """What is missing is named by the net's own name below the scope that fits best."""
    tensors = below("module.", state())
    del tensors["module.y.bias"]
    torch.save(tensors, "w.pt")
    err = export(capsys, "w.pt", code=1)[1]
    assert "error[weights-mismatch]: w.pt does not fit: `y.bias` is missing\n" in err
    assert "6 of 7 tensors fit, 0 of the file are not used" in err


# ---- what is not read


def script() -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # PyTorch would rather not have them any more
        trace: Any = torch.jit.trace
        torch.jit.save(trace(torch.nn.Linear(2, 3), torch.ones(1, 2)), made)
    return made.getvalue()


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("tensors"), io.BytesIO())
    return made.getvalue()


def npy() -> bytes:
    made = io.BytesIO()
    np.save(made, np.ones(3))
    return made.getvalue()


def model() -> bytes:
    made: bytes = netdsl.loads(NET).onnx().SerializeToString()
    return made


def packed() -> bytes:
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
        "is pickled by protocol 4, and PyTorch reads only 2 and 3 without running code",
        "state_dict()",
    ),
    "a new protocol in an old file": (
        lambda: old_file(state(), pickle_protocol=5),
        "is pickled by protocol 5, and PyTorch reads only 2 and 3 without running code",
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
        "is a program of torch.export",
        "torch.export.load",
    ),
    "ONNX": (model, "is an ONNX model, not weights", "netdsl run"),
    "Keras": (
        lambda: zip_file({"model.weights.h5": b"", "config.json": b"{}"}),
        "is a model of Keras",
        "numpy.savez",
    ),
    "Keras, old": (
        lambda: b"\x89HDF\r\n\x1a\n" + bytes(99),
        "is an HDF5 file, as Keras writes",
        "numpy.savez",
    ),
    "another zip": (
        lambda: zip_file({"a.txt": b""}),
        "is a zip archive without weights",
        "are read",
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
        "is a pointer of Git LFS",
        "git lfs pull",
    ),
    "a page": (lambda: b"<!DOCTYPE html><html>", "is a web page", "download"),
    "text": (lambda: b"hello", "is not a file of weights", "are read"),
    "nothing": (lambda: b"", "is empty", "are read"),
    "no tensors": (
        lambda: torch_file({"epoch": 1}),
        "holds no tensors; it has `epoch`",
        "state_dict()",
    ),
    "a list": (lambda: torch_file([torch.ones(2)]), "holds no state dict but list", "state_dict()"),
}


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "w"])
@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_not_read(net_folder: Path, capsys: Say, case: str, name: str) -> None:
    """The message has what the file is, and the help what to do, without PyTorch's own advice."""
    content, reason, help_ = REFUSED[case]
    (net_folder / name).write_bytes(content())
    fact, _, advice = export(capsys, name, code=1)[1].partition("help: ")
    assert fact.startswith("error[corrupt-weights]: ")
    assert reason in fact
    assert help_ in advice
    assert "weights_only" not in fact + advice


def test_sizes_that_lie(net_folder: Path, capsys: Say) -> None:
    """A tensor in more bytes than its record has would get the numbers of another, or of none."""
    content = torch_file({n: t for n, t in state().items() if "tracked" not in n})
    members = unzipped(content)
    first = next(name for name in members if "/data/" in name)
    (net_folder / "w.pt").write_bytes(zip_file(members | {first: members[first][4:]}))
    assert (
        "error[corrupt-weights]: `c.weight` of w.pt takes 432 bytes"
        in export(capsys, "w.pt", code=1)[1]
    )


def test_what_is_not_used_is_not_read(net_folder: Path, capsys: Say) -> None:
    """Arrays of an archive that the net has no use for are not read, whatever their size."""
    made = arrays(state()) | {"other": np.zeros((1 << 20, 4), np.float32)}
    np.savez_compressed("w.npz", **made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETDSL_MAX_ARRAY_BYTES", "100000")
        assert "1 of the file left: other" in export(capsys, "w.npz")[0]


def test_a_checkpoint_is_never_loaded_otherwise(
    net_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's own reader gets `weights_only=True` for every file, by whatever name."""
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
