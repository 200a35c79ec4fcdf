"""Commands write and print the same bytes in another process, except for times."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

TEXT = """# Convolution, batch norm, blocks, a head.
block unit(width) { conv(width, 3, pad = 1) -> bn -> relu }
net Small(classes = 10) {
    input image: 1x28x28
    unit(4)
    maxpool(4)
    b: unit(6)
    aux early(weight = 0.3) { gap -> flatten -> dense(classes) }
    lrn(3)
    gap -> flatten
    output logits: dense(classes)
    output map: @b -> upsample(2, mode = bilinear)
}
net Flat {
    input image: 1x28x28
    flatten
    output logits: dense(10)
}
train Flat {
    data = fashion_mnist_sample()
    epochs = 2
}
"""
PICTURES = ("svg", "png", "pdf", "html")
TIMES = ("seconds", "images_per_second")
# Dates, lengths of time, and columns of figures with one digit after the point, which are times.
CLOCK = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d\+00:00)?|in \d+:\d\d|>[\d,]+(?:\.\d)?</(?:td|dd)>"
)
EXPORTS = {
    "plain": [],
    "half": ["--fp16"],
    "brain": ["--bf16"],
    "unfolded": ["--no-fold"],
    "functions": ["--functions"],
    "bytes": ["--with-preprocess", "--mean", "0.5", "--std", "0.25"],
    "labels": ["--labels", "names.txt"],
}


def commands() -> list[list[str]]:
    """Every command that writes or prints, except `bench`, whose results are times."""
    drawn = [*(PICTURES if shutil.which("dot") else ()), "dot", "mmd"]
    flat = ["--weights", "out/run"]
    return [
        ["train", "net.net:Flat", "--out", "out/run", "--device", "cpu", "--log", "csv"],
        ["test", "net.net:Flat", *flat, "--device", "cpu"],
        ["runs", "out"],
        ["check", "net.net", "--show", "all"],
        *(["check", "net.net", "--format", f] for f in ("text", "json", "sarif", "github")),
        *(["check", "wrong.net", "--format", f] for f in ("text", "json", "sarif", "github")),
        *(["draw", "net.net:Small", "-o", f"out/net.{kind}"] for kind in drawn),
        ["fmt", "net.net"],
        *(
            ["export", "net.net:Small", "-o", f"out/{name}.onnx", *options]
            for name, options in EXPORTS.items()
        ),
        *(
            ["export", "net.net:Flat", "-o", f"out/trained-{name}.onnx", *flat, *options]
            for name, options in EXPORTS.items()
        ),
        ["export", "net.net:Small", "-o", "out/seven.onnx", "--seed", "7", "--verify"],
        ["export", "net.net:Small", "-o", "out/net.py"],
        ["verify", "net.net:Small"],
        ["verify", "net.net:Flat", *flat, "--format", "json"],
        ["verify", "out/plain.onnx"],
        ["run", "out/plain.onnx", "pictures", "x.npy", "-o", "out/all.npz"],
        ["run", "out/labels.onnx", "pictures", "x.npz", "--json", "-o", "out/two.npz"],
        ["run", "net.net:Flat", "pictures", *flat, "--json"],
        ["layers", "conv"],
        ["nets"],
    ]


SCRIPT = """
import contextlib, json, sys
from pathlib import Path
from netdsl.backends.onnx import write as onnx_file
from netdsl.cli import run
for number, command in enumerate(json.loads(sys.argv[1])):
    if "--no-fold" in command:
        onnx_file.LIMIT = 10  # with weights in a file of their own
    with Path(f"out/{number:02}-{command[0]}.txt").open("w") as file:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            code = run(command)
    onnx_file.LIMIT = 2_000_000_000
    if code != ("wrong.net" in command):
        sys.exit(f"{command} ended with {code}: " + Path(file.name).read_text()[-1000:])
"""


def write_inputs(folder: Path) -> Path:
    (folder / "out").mkdir(parents=True)
    (folder / "pictures").mkdir()
    stream = np.random.default_rng(0)
    for i in range(3):
        picture = stream.integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "pictures" / f"{i}.png")
    array = stream.random((2, 1, 28, 28), dtype=np.float32)
    np.save(folder / "x.npy", array)
    np.savez(folder / "x.npz", image=array)
    (folder / "names.txt").write_text("\n".join("abcdefghij"))
    (folder / "net.net").write_text(TEXT)
    (folder / "wrong.net").write_text(
        TEXT.replace("maxpool(4)", "conv(3, 99)").replace("lrn(3)", "lrm(3)")
    )
    return folder


def without_times(path: Path) -> bytes:
    """The content of a file without the times in it."""
    content = path.read_bytes()
    if path.name == "log.csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return repr([{k: v for k, v in row.items() if k not in TIMES} for row in rows]).encode()
    if path.name == "log.jsonl":
        records = [json.loads(line) for line in content.splitlines()]
        return json.dumps(
            [{k: v for k, v in r.items() if k not in TIMES} for r in records]
        ).encode()
    if path.name == "checkpoint.safetensors":
        with safe_open(path, "numpy") as file:
            state = json.loads(file.metadata()["state"])
            names = file.keys()
            tensors = {name: file.get_tensor(name).tobytes() for name in names}
        for record in state["history"]:
            for key in TIMES:
                del record[key]
        return repr((state, tensors)).encode()
    if path.name == "run.json":
        run = json.loads(content)
        for times, keys in ((run, ("started", "ended", "directory")), (run["last"], TIMES)):
            for key in keys:
                del times[key]
        return json.dumps(run).encode()
    if path.name == "report.html" or path.name.endswith("-runs.txt"):
        return CLOCK.sub(b"", content.replace(os.fsencode(path.parents[2]), b""))
    if path.name.endswith("-train.txt"):
        return re.sub(rb"[\d.,]+ (s|images/s)\b", rb"", content)
    return content


def files_after(folder: Path, hash_seed: str) -> dict[str, bytes]:
    """The contents of all files in a folder after a new process has run all commands there."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands())],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): without_times(p) for p in files}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one process, in its own folder."""
    return files_after(write_inputs(tmp_path_factory.mktemp("a") / "same"), "1")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a process with another hash seed, in a folder of its own."""
    return files_after(write_inputs(tmp_path_factory.mktemp("b") / "same"), "2")


@pytest.mark.slow
def test_every_file_is_the_same(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    """The files and printed lines of every command are the same in both processes."""
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_every_kind_of_file_is_compared(first: dict[str, bytes]) -> None:
    """The compared files include every kind of file that netdsl writes."""
    kinds = {
        "onnx",
        "data",
        "json",
        "py",
        "npz",
        "safetensors",
        "jsonl",
        "csv",
        "html",
        "png",
        "dot",
        "mmd",
        "net",
        "txt",
    }
    assert kinds <= {name.rpartition(".")[2] for name in first}
    assert "out/run/curves.png" in first


def test_metadata_of_weights_are_in_order(tmp_path: Path) -> None:
    """The metadata of weights are sorted by name; metadata and tensors are read back unchanged."""
    import torch

    from netdsl.weights.write import write_tensors

    metadata = {key: f'ü "{key}" \\ \u2028 \x01' for key in "hgfedcba"}
    tensors = {n: torch.arange(7.0) + i for i, n in enumerate(["ö", "b", "a"])}
    for i in range(4):
        write_tensors(tmp_path / f"{i}", tensors, metadata)
    assert len({(tmp_path / f"{i}").read_bytes() for i in range(4)}) == 1
    head = (tmp_path / "0").read_bytes()[8:].partition(b"}")[0]
    assert re.findall(rb'"([a-h])":', head) == [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]
    with safe_open(tmp_path / "0", "pt") as file:
        assert metadata.items() <= file.metadata().items()
        assert all(torch.equal(file.get_tensor(n), t) for n, t in tensors.items())
