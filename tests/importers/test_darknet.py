"""Nets of Darknet: the files of its authors, each kind of layer, and weights."""

from __future__ import annotations

import struct
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.importers.darknet.read import read_darknet
from netdsl.importers.descriptions import import_darknet
from netdsl.verify.imported import prove
from tests.support.darknet import darknet_layers, weights_bytes
from tests.support.paths import ROOT
from tests.support.refusals import check_refusal

if TYPE_CHECKING:
    from pathlib import Path

    from netdsl.importers.importing import Imported
    from netdsl.importers.onnx.reader import OnnxModel

CORPUS = ROOT.parent / "shared" / "reference" / "corpora" / "pjreddie__darknet" / "cfg"
FILES = sorted(path.name for path in CORPUS.glob("*.cfg")) if CORPUS.is_dir() else ["none"]
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the files of Darknet are not beside the repository"
)
# The line of the section that cannot be imported.
REFUSED = {
    "darknet9000.cfg": (201, "its tree of classes"),
    "gru.cfg": (15, "it resets the state before the product"),
    "rnn.cfg": (14, "it applies its activation before the sum"),
    "rnn.train.cfg": (14, "it applies its activation before the sum"),
    "yolov1.cfg": (233, "no convolution whose weights differ"),
}
QUICK = {"cifar.cfg", "go.cfg", "rnn.cfg", "strided.cfg", "vgg-conv.cfg", "yolov3-tiny.cfg"}
# Darknet's kinds, and those of the language that have the same results.
SAME = {
    "convolutional": ("conv", "depthwise"),
    "connected": ("dense",),
    "upsample": ("upsample",),
    "dropout": ("dropout",),
    "softmax": ("softmax",),
}
HEAD = "[net]\nchannels={}\nheight={}\nwidth={}\n"


def marked(name: str) -> object:
    """A file, which is slow unless it is in `QUICK`."""
    return pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])


@needs_corpus
@pytest.mark.parametrize("name", [marked(n) for n in FILES])
def test_files_of_the_authors(name: str) -> None:
    """Every layer has the shape that Darknet computes, and the net as many numbers."""
    if name in REFUSED:
        line, fact = REFUSED[name]
        with pytest.raises(NetdslError) as caught:
            import_darknet(CORPUS / name, "n.net", {})
        assert ("unsupported-operator", line) == (caught.value.code, caught.value.line)
        assert fact in caught.value.message
        return
    layers = darknet_layers((CORPUS / name).read_text())
    result = import_darknet(CORPUS / name, "n.net", {})
    assert sum(x.learned for x in layers) == result.compiled.costs.totals().params
    nodes = result.compiled.graph.nodes
    for kind, own in SAME.items():
        theirs = sorted(prod(x.shape) for x in layers if x.kind == kind)
        found = sorted(prod(map(int, n.outputs[0].type.shape)) for n in nodes if n.op.kind in own)
        assert theirs == found, kind


@needs_corpus
def test_published_sizes_of_weights() -> None:
    """The reference agrees with the files that the authors of Darknet publish."""
    published = {"yolov3.cfg": 248_007_048, "yolov3-tiny.cfg": 35_434_956}
    assert published == {name: weights_bytes((CORPUS / name).read_text()) for name in published}


def described(text: str, folder: Path, *, partial: bool = False) -> Imported:
    """The import of a `.cfg` with this text."""
    path = folder / "small.cfg"
    path.write_text(text, encoding="utf-8")
    return import_darknet(path, "small.net", {}, partial=partial)


EVERY = (
    HEAD.format(3, 20, 16)
    + """
# Comments and white space have no meaning.
[crop]
crop_height = 16
crop_width = 16

[convolutional]
batch_normalize=1
filters=8
size=3
pad=1
activation=leaky   # as in later versions

[maxpool]
size=2
stride=2

[convolutional]
filters=8
size=3
pad=1
groups=2
activation=ramp

[shortcut]
from=-2
activation=relu

[convolutional]
filters=16
size=3
stride=2
pad=1
activation=mish

[shortcut]
from=-2
activation=linear

[upsample]
stride=2

[route]
layers=-1,-4

[reorg]
stride=2

[dropout]
probability=.3

[maxpool]
size=2
stride=1

[batchnorm]

[route]
layers=-1
groups=2
group_id=1

[connected]
output=12
batch_normalize=1
activation=loggy

[softmax]
groups=3
temperature=2

[cost]
type=sse
"""
)


def test_every_layer(tmp_path: Path) -> None:
    """A net of all kinds of layers: the text agrees with the graph, layer by layer."""
    result = described(EVERY, tmp_path)
    report = prove(result)
    assert report.comparisons == len(result.compiled.graph.nodes) > 30
    assert "softmax" in result.text
    assert "dropout(p = 0.3)" in result.text


def computed(text: str, folder: Path, x: np.ndarray) -> np.ndarray:
    """What onnxruntime computes for a `.cfg` in the place of Darknet."""
    path = folder / "c.cfg"
    path.write_text(text, encoding="utf-8")
    model = read_darknet(path, None, {})
    session = onnxruntime.InferenceSession(_whole(model))
    return session.run(None, {"image": x[None]})[0][0]  # type: ignore[no-any-return]


def _whole(model: OnnxModel) -> bytes:
    """The model with the numbers of its weights."""
    for name, stored in model.stored.items():
        model.model.graph.initializer.append(onnx.numpy_helper.from_array(stored.read(), name))
    return bytes(model.model.SerializeToString())


PICTURE = np.random.default_rng(0).standard_normal((4, 6, 6), np.float32)


@pytest.mark.parametrize(("k", "s"), [(2, 2), (2, 1), (3, 2), (3, 1), (5, 1), (3, 4)])
def test_maxpool(k: int, s: int, tmp_path: Path) -> None:
    """Windows begin `(k - 1) / 2` before the picture, as in `forward_maxpool_layer`."""
    y = computed(HEAD.format(4, 6, 6) + f"[maxpool]\nsize={k}\nstride={s}\n", tmp_path, PICTURE)
    n = (6 + k - 1 - k) // s + 1
    assert (4, n, n) == y.shape
    for i in range(n):
        for j in range(n):
            top, left = i * s - (k - 1) // 2, j * s - (k - 1) // 2
            window = PICTURE[:, max(top, 0) : top + k, max(left, 0) : left + k]
            assert np.array_equal(window.max((1, 2)), y[:, i, j])


def test_reorg(tmp_path: Path) -> None:
    """The numbers move as in `reorg_cpu`, which reads them as a picture of another shape."""
    c, h, w, s = 4, 6, 6, 2
    y = computed(HEAD.format(c, h, w) + "[reorg]\nstride=2\n", tmp_path, PICTURE)
    flat, out = PICTURE.reshape(-1), np.zeros(c * h * w, np.float32)
    inner = c // (s * s)
    for k in range(c):
        for j in range(h):
            for i in range(w):
                column, row = i * s + k // inner % s, j * s + k // inner // s
                out[i + w * (j + h * k)] = flat[column + w * s * (row + h * s * (k % inner))]
    assert (c * s * s, h // s, w // s) == y.shape
    assert np.array_equal(out, y.reshape(-1))


def test_shortcut_of_other_shapes(tmp_path: Path) -> None:
    """Every second position is added, and only to the channels that the layer before it has."""
    text = HEAD.format(4, 6, 6) + (
        "[activation]\nactivation=linear\n[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,-1\n"
        "[shortcut]\nfrom=0\nactivation=linear\n"
    )
    y = computed(text, tmp_path, PICTURE)
    pooled = PICTURE.reshape(4, 3, 2, 3, 2).max((2, 4))
    wanted = np.concatenate([pooled, pooled])
    wanted[:4] += PICTURE[:, ::2, ::2]
    assert np.array_equal(wanted, y)


WEIGHED = (
    HEAD.format(2, 4, 4)
    + "[convolutional]\nfilters=3\nsize=1\nbatch_normalize=1\nactivation=leaky\n"
    "[connected]\noutput=5\nactivation=linear\n"
)


def weights_file(path: Path, version: tuple[int, int], count: int) -> np.ndarray:
    """Write a `.weights` of random positive numbers, and return these."""
    numbers = np.random.default_rng(1).uniform(0.5, 1, count).astype(np.float32)
    seen = struct.pack("<q", 1) if version >= (0, 2) and version[1] < 1000 else b"\1\0\0\0"
    path.write_bytes(struct.pack("<3i", *version, 0) + seen + numbers.tobytes())
    return numbers


@pytest.mark.parametrize("version", [(0, 1), (0, 2), (0, 1001)])
def test_weights(version: tuple[int, int], folder: Path) -> None:
    """The numbers are those of the file, in Darknet's order; an old version is transposed."""
    (folder / "w.cfg").write_text(WEIGHED)
    n = weights_file(folder / "w.weights", version, 18 + 5 + 5 * 48)
    command = ["import", "w.cfg", "--from-weights", "w.weights", "-o", "w.net"]
    assert run([*command, "--weights", "w.safetensors"]) == 0
    assert run(["export", "w.net", "--weights", "w.safetensors", "-o", "w.onnx"]) == 0
    x = PICTURE[:2, :4, :4]
    session = onnxruntime.InferenceSession("w.onnx")
    y = session.run(None, {session.get_inputs()[0].name: x[None]})[0][0]
    shift, scale, mean, variance, kernel = n[:3], n[3:6], n[6:9], n[9:12], n[12:18].reshape(3, 2)
    z = np.einsum("oc,chw->ohw", kernel, x)
    z = (z - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    z = z * scale[:, None, None] + shift[:, None, None]
    z = np.where(z > 0, z, 0.1 * z).reshape(-1)
    matrix = n[23:].reshape(48, 5).T if version[1] > 1000 else n[23:].reshape(5, 48)
    assert np.allclose(matrix @ z + n[18:23], y, rtol=1e-4)


def test_weights_that_do_not_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with more or fewer numbers is refused, and nothing is written."""
    (folder / "w.cfg").write_text(WEIGHED)
    weights_file(folder / "w.weights", (0, 2), 100)
    command = ["import", "w.cfg", "--from-weights", "w.weights", "-o", "w.net"]
    assert run(command) == 1
    error = capsys.readouterr().err
    assert "error[weights-mismatch]: w.weights has 100 numbers, but the net takes 263" in error
    (folder / "w.weights").write_bytes(b"PK")
    assert run(command) == 1
    assert "error[corrupt-weights]" in capsys.readouterr().err
    assert not (folder / "w.net").exists()


@pytest.mark.parametrize(
    ("text", "code", "line", "part"),
    [
        ("", "bad-description", 1, "no section"),
        ("width=3\n", "bad-description", 1, "in no section"),
        ("[net]\nwidth\n", "bad-description", 2, "neither a section nor"),
        ("[net\n", "bad-description", 1, "is not a section"),
        ("[convolutional]\nfilters=1\n", "bad-description", 1, "the first section"),
        ("[net]\nwidth=8\nheight=8\n[cost]\n", "bad-description", 1, "has no `channels`"),
        ("[net]\nwidth=0\n[cost]\n", "bad-description", 1, "has no `channels`"),
        (HEAD.format(3, 8, 8), "bad-description", 1, "no layers"),
        (HEAD.format(3, 8, "a") + "[cost]\n", "bad-description", 4, "takes an integer, found `a`"),
        (HEAD.format(3, 8, 8) + "[sharpen]\n", "bad-description", 5, "no section [sharpen]"),
        (HEAD.format(3, 8, 8) + "[sam]\n", "unsupported-operator", 5, "[sam] cannot be imported"),
        (HEAD.format(3, 8, 8) + "[net]\n", "bad-description", 5, "only the first section"),
        (HEAD.format(3, 8, 8) + "[convolutional]\n", "bad-description", 5, "has no `filters`"),
        (
            HEAD.format(3, 8, 8) + "[convolutional]\nfilters=4\nsize=9\n",
            "bad-description",
            7,
            "a window of 9 does not fit into 3x8x8",
        ),
        (HEAD.format(3, 8, 8) + "[route]\nlayers=-1\n", "bad-description", 6, "names layer -1"),
        (HEAD.format(3, 8, 8) + "[route]\nlayers=4\n", "bad-description", 6, "names layer 4"),
        (
            HEAD.format(3, 8, 8) + "[convolutional]\nfilters=4\nactivation=fast\n",
            "bad-description",
            7,
            "no activation `fast`",
        ),
        (
            HEAD.format(3, 8, 8) + "[yolo]\nmask=0,1\nclasses=3\n",
            "bad-description",
            5,
            "takes 16 channels",
        ),
        (
            HEAD.format(3, 8, 8) + "[convolutional]\nfilters=999999999\nsize=999\npad=1\n",
            "bad-description",
            5,
            "more than 2^29",
        ),
        (HEAD.format(3, 8, 8) + "[avgpool]\n[softmax]\n[crop]\n", "bad-description", 7, "picture"),
    ],
)
def test_wrong_files(text: str, code: str, line: int, part: str, tmp_path: Path) -> None:
    """Each is one diagnostic with its line."""
    check_refusal(lambda: described(text, tmp_path), code, line, part)


CONVOLUTION = HEAD.format(3, 8, 8) + "[convolutional]\nfilters=4\n"


@pytest.mark.parametrize(
    ("line", "message", "advice"),
    [
        ("strid = 2", "Darknet's [convolutional] has no key `strid`", "did you mean `stride`?"),
        ("Filters=4", "has no key `Filters`", "did you mean `filters`?"),
        ("colour=4", "has no key `colour`", None),
        ("pad=yes", "`pad` takes an integer, found `yes`", None),
        ("size=nan", "`size` takes an integer, found `nan`", None),
        ("xnor=no", "`xnor` takes an integer, found `no`", None),
        ("[route]\nlayers=a,1", "`layers` takes integers, found `a,1`", None),
        ("filters=8", "`filters` is given twice, first on line 6", "the first"),
        ("[convolutonal]", "no section [convolutonal]", "did you mean `convolutional`"),
        (
            "[my_special]",
            "no section [my_special]",
            "these can be imported: [convolutional], [connected],",
        ),
        ("rotate=1", "[convolutional] cannot be imported: it has `rotate=1`", "--partial"),
        ("share_index=0", "cannot be imported: it has `share_index=0`", "--partial"),
        ("[shortcut]\nfrom=-1,-2", "[shortcut] cannot be imported: it adds several", "--partial"),
        ("[shortcut]\nfrom=-1\nweights_type=per_channel", "`weights_type=per_channel`", ""),
    ],
)
def test_lines_that_are_not_those_of_darknet(
    line: str, message: str, advice: str | None, tmp_path: Path
) -> None:
    """Each is one diagnostic at the last line."""
    code = "unsupported-operator" if "cannot be" in message or "weights_type" in message else ""
    error = check_refusal(
        lambda: described(CONVOLUTION + line + "\n", tmp_path),
        code or "bad-description",
        (CONVOLUTION + line).count("\n") + 1,
        message,
    )
    assert (error.help is None) if advice is None else (advice in (error.help or ""))


def test_all_wrong_keys_are_named(tmp_path: Path) -> None:
    """There is one diagnostic for each key, also for those of `[net]`."""
    text = "[net]\nheigth=3\n" + CONVOLUTION.partition("\n")[2] + "strid=2\nsiz=3\n"
    with pytest.raises(NetdslError) as caught:
        described(text, tmp_path)
    assert ["heigth", "strid", "siz"] == [
        each.message.split("`")[1] for each in caught.value.diagnostics
    ]


def test_keys_for_training_have_no_meaning(tmp_path: Path) -> None:
    """They may come twice, and change nothing; a value that Darknet supposes is accepted."""
    text = CONVOLUTION + "learning_rate=2\nlearning_rate=3\nxnor=0\nstream=1\n"
    training = text.replace("[net]", "[net]\nbatch=1\nbatch=64\nmosaic=1")
    assert described(CONVOLUTION, tmp_path).text == described(training, tmp_path).text


def test_a_norm_across_batches(tmp_path: Path) -> None:
    """`cbn` is a batch norm."""
    assert "bn" in described(CONVOLUTION + "cbn=1\n", tmp_path).text


@pytest.mark.parametrize(
    ("content", "code"), [(b"\x00\x01", "not-text"), (b"\xff\xfe[", "not-text")]
)
def test_files_that_are_no_text(content: bytes, code: str, tmp_path: Path) -> None:
    """Binary files are refused."""
    (tmp_path / "b.cfg").write_bytes(content)
    with pytest.raises(NetdslError) as caught:
        import_darknet(tmp_path / "b.cfg", "b.net", {})
    assert code == caught.value.code


def test_a_file_of_ten_gigabytes(tmp_path: Path) -> None:
    """The limit is tested before the file is in memory."""
    with (tmp_path / "b.cfg").open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(NetdslError) as caught:
        import_darknet(tmp_path / "b.cfg", "b.net", {})
    assert "file-too-large" == caught.value.code


def test_a_net_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of nodes has a limit, and so has the number of all weights."""
    monkeypatch.setenv("NETDSL_MAX_MODEL_NODES", "50")
    with pytest.raises(NetdslError, match="model-too-large"):
        described(HEAD.format(3, 8, 8) + "[dropout]\n" * 60, tmp_path)
    wide = "[connected]\noutput=20000\n" * 4
    with pytest.raises(NetdslError, match="the weights have more than 2\\^29 elements"):
        described(HEAD.format(1, 1, 1) + wide, tmp_path)


def test_partial(tmp_path: Path) -> None:
    """`--partial` writes the layers before a section that cannot be imported."""
    text = HEAD.format(3, 8, 8) + "[convolutional]\nfilters=4\n[local]\nfilters=2\n[softmax]\n"
    result = described(text, tmp_path, partial=True)
    assert "# not imported: line 7, [local] cannot be imported" in result.text
    assert "softmax" not in result.text


def test_another_size(tmp_path: Path) -> None:
    """`--input` replaces the size of the file, but not its channels."""
    (tmp_path / "a.cfg").write_text(HEAD.format(3, 8, 8) + "[convolutional]\nfilters=4\n")
    result = import_darknet(tmp_path / "a.cfg", "a.net", {"": (3, 5, 7)})
    assert "input image: 3x5x7" in result.text
    with pytest.raises(NetdslError, match="--input has 1x5x7"):
        import_darknet(tmp_path / "a.cfg", "a.net", {"image": (1, 5, 7)})


def test_detectors_are_outputs(tmp_path: Path) -> None:
    """Each detector makes an output of what it takes."""
    head = HEAD.format(3, 8, 8) + "[convolutional]\nfilters=8\nactivation=linear\n"
    yolo = "[yolo]\nmask=0\nclasses=3\n"
    assert "output yolo: conv(8, 1)" in described(head + yolo, tmp_path).text
    two = described(
        head + yolo + "[route]\nlayers=-2\n" + head[len(HEAD.format(3, 8, 8)) :] + yolo, tmp_path
    )
    assert ["yolo1", "yolo2"] == [name for name, _ in two.flat.outputs]
