"""Nets of Caffe: the text format, each kind of layer, phases and inputs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from netdsl.cli import run
from netdsl.errors import NetdslError
from netdsl.importers.caffe.names import layer_paths
from netdsl.importers.caffe.prototxt import read_message
from netdsl.importers.caffe.read import read_caffe
from netdsl.importers.descriptions import import_caffe
from netdsl.source import SourceFile
from netdsl.verify.imported import prove
from tests.support.refusals import check_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netdsl.importers.importing import Imported

HEAD = 'name: "Small" input: "data" input_shape { dim: 1 dim: 4 dim: 7 dim: 6 }\n'
PICTURE = np.random.default_rng(0).standard_normal((4, 7, 6), np.float32)


def layer(kind: str, bottom: str, top: str, rest: str = "", name: str = "") -> str:
    """A layer in the present version of the format."""
    bottoms = " ".join(f'bottom: "{each}"' for each in bottom.split())
    tops = " ".join(f'top: "{each}"' for each in top.split())
    return f'layer {{ name: "{name or top}" type: "{kind}" {bottoms} {tops} {rest} }}\n'


def described(
    text: str,
    folder: Path,
    *,
    inputs: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
    partial: bool = False,
) -> Imported:
    """The import of a `.prototxt` with this text."""
    path = folder / "small.prototxt"
    path.write_text(text, encoding="utf-8")
    return import_caffe(path, "small.net", inputs, partial=partial)


def computed(text: str, folder: Path, x: np.ndarray = PICTURE) -> list[np.ndarray]:
    """What onnxruntime computes for a net in the place of Caffe, and the weights as None."""
    path = folder / "c.prototxt"
    path.write_text(text, encoding="utf-8")
    model = read_caffe(path, {})
    for name, stored in model.stored.items():
        tensor = onnx.numpy_helper.from_array(stored.read(), name)
        model.model.graph.initializer.append(tensor)
    session = onnxruntime.InferenceSession(model.model.SerializeToString())
    return [y[0] for y in session.run(None, {"data": x[None]})]


WIDE = "convolution_param { num_output: 8 pad: 1 kernel_size: 3 }"
NARROW = "convolution_param { num_output: 8 kernel_size: 1 group: 4 }"
DOUBLE = "convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 bias_term: false }"
EVERY = HEAD + "".join(
    [
        layer("Convolution", "data", "c1", WIDE),
        layer("BatchNorm", "c1", "c1", "batch_norm_param { use_global_stats: true }", "c1/bn"),
        layer("Scale", "c1", "c1", "scale_param { bias_term: true }", "c1/scale"),
        layer("ReLU", "c1", "c1", "relu_param { negative_slope: 0.1 }", "relu1"),
        layer("LRN", "c1", "n1", "lrn_param { local_size: 3 alpha: 2 beta: .5 k: 2 }"),
        layer("LRN", "n1", "n2", "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }"),
        layer("Pooling", "n2", "p1", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
        layer("Slice", "p1", "s1 s2", "slice_param { slice_point: 3 }"),
        layer("PReLU", "s1", "s1"),
        layer("TanH", "s2", "t2"),
        layer("Concat", "s1 t2", "k"),
        layer("Convolution", "k", "c2", NARROW),
        layer("Eltwise", "c2 k", "sum", "eltwise_param { coeff: 1 coeff: -0.5 }"),
        layer("Eltwise", "sum c2 k", "m", "eltwise_param { operation: MAX }"),
        layer("Eltwise", "m k", "prod", "eltwise_param { operation: PROD }"),
        layer("Pooling", "prod", "g", "pooling_param { pool: AVE global_pooling: true }"),
        layer("Convolution", "g", "g1", "convolution_param { num_output: 8 kernel_size: 1 }"),
        layer("Sigmoid", "g1", "g1"),
        layer("Axpy", "g1 prod k", "se"),
        layer("Deconvolution", "se", "up", DOUBLE),
        layer("Crop", "up data", "cut", "crop_param { axis: 2 offset: 1 offset: 0 }"),
        layer("Power", "cut", "pw", "power_param { scale: 2 shift: 5 power: 1 }"),
        layer("Scale", "pw", "sc", "scale_param { bias_term: false }"),
        layer("Bias", "sc", "bi"),
        layer("ELU", "bi", "el"),
        layer("AbsVal", "el", "ab"),
        layer("Flatten", "ab", "fl"),
        layer("InnerProduct", "fl", "ip", "inner_product_param { num_output: 12 }"),
        layer("Dropout", "ip", "ip", "dropout_param { dropout_ratio: 0.3 }", "drop"),
        layer("Reshape", "ip", "re", "reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 2 } }"),
        layer("Softmax", "re", "prob"),
    ]
)


def test_every_layer(tmp_path: Path) -> None:
    """A net of all kinds of layers: the text agrees with the graph, layer by layer."""
    result = described(EVERY.replace("dim: 7 dim: 6", "dim: 8 dim: 8"), tmp_path)
    report = prove(result)
    assert report.comparisons > 35
    for part in (
        "c1_bn: bn -> leaky_relu",
        "lrn(n = 3, alpha = 2, beta = 0.5, k = 2)",
        "dropout(p = 0.3)",
    ):
        assert part in result.text
    assert "deconv(3, 4, stride = 2, pad = 1, bias = false)" in result.text
    assert "output prob: softmax" in result.text


@pytest.mark.parametrize(
    ("k", "s", "p"), [(3, 2, 0), (2, 2, 0), (3, 2, 1), (2, 3, 1), (5, 3, 2), (3, 1, 1)]
)
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_pooling(pool: str, k: int, s: int, p: int, tmp_path: Path) -> None:
    """Windows as in pooling_layer.cpp: sizes are rounded up, and a mean counts the padding."""
    rest = f"pooling_param {{ pool: {pool} kernel_size: {k} stride: {s} pad: {p} }}"
    text = HEAD + layer("Pooling", "data", "y", rest) + layer("Sigmoid", "y", "z")
    # The dense layer fails if its weights are of another size than the result of the pooling.
    text += layer("InnerProduct", "y", "d", "inner_product_param { num_output: 1 }")
    z, _ = computed(text, tmp_path)
    y = np.log(z / (1 - z))
    _, height, width = PICTURE.shape
    sizes = [-(-(n + 2 * p - k) // s) + 1 for n in (height, width)]
    sizes = [
        m - 1 if p and (m - 1) * s >= n + p else m
        for m, n in zip(sizes, (height, width), strict=True)
    ]
    assert (4, *sizes) == y.shape
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            top, left = i * s - p, j * s - p
            bottom, right = min(top + k, height + p), min(left + k, width + p)
            count = (bottom - top) * (right - left)
            window = PICTURE[:, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            wanted = window.max((1, 2)) if pool == "MAX" else window.sum((1, 2)) / count
            assert np.allclose(wanted, y[:, i, j], atol=1e-4)


@pytest.mark.parametrize("mode", ["round_mode: FLOOR", "ceil_mode: false"])
def test_pooling_that_rounds_down(mode: str, tmp_path: Path) -> None:
    """A window that does not fit is left out: 7 becomes 3, and not 4."""
    rest = f"pooling_param {{ pool: MAX kernel_size: 2 stride: 2 {mode} }}"
    result = described(HEAD + layer("Pooling", "data", "y", rest), tmp_path)
    assert "maxpool(2)" in result.text
    assert result.compiled.graph.outputs[0].value.type.shape == (4, 3, 3)


def test_local_norms(tmp_path: Path) -> None:
    """`alpha` is divided by the number of values, as in lrn_layer.cpp."""
    across = "lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 3 }"
    within = "lrn_param { local_size: 3 alpha: 2 beta: 0.5 norm_region: WITHIN_CHANNEL }"
    text = HEAD + layer("LRN", "data", "a", across) + layer("LRN", "data", "b", within)
    a, b = computed(text, tmp_path)
    squares = np.pad(PICTURE**2, ((1, 1), (0, 0), (0, 0)))
    sums = squares[:-2] + squares[1:-1] + squares[2:]
    assert np.allclose(PICTURE * (3 + 2 / 3 * sums) ** -0.5, a, atol=1e-5)
    padded = np.pad(PICTURE**2, ((0, 0), (1, 1), (1, 1)))
    around = sum(padded[:, i : i + 7, j : j + 6] for i in range(3) for j in range(3))
    assert np.allclose(PICTURE * (1 + 2 * around / 9) ** -0.5, b, atol=1e-5)


def test_joins(tmp_path: Path) -> None:
    """Coefficients, offsets and points of joins and cuts."""
    text = HEAD + "".join(
        [
            layer("Slice", "data", "a b", "slice_param { axis: 2 slice_point: 3 }"),
            layer("Crop", "data b", "c", "crop_param { axis: 2 offset: 2 offset: 0 }"),
            layer("Eltwise", "b c", "d", "eltwise_param { operation: SUM coeff: 2 coeff: -1 }"),
            layer("Pooling", "a", "g", "pooling_param { pool: MAX global_pooling: true }"),
            layer("Reshape", "g", "s", "reshape_param { shape { dim: 0 dim: 0 } }"),
            layer("Scale", "c s", "e", "scale_param { axis: 0 }"),
        ]
    )
    d, e = computed(text, tmp_path)
    assert np.allclose(2 * PICTURE[:, 3:] - PICTURE[:, 2:6], d)
    assert np.allclose(PICTURE[:, 2:6] * PICTURE[:, :3].max((1, 2))[:, None, None], e)


TRAINED = """
name: "Trained"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 30 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 20 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 } }
layer { name: "aux" type: "InnerProduct" bottom: "ip" top: "aux" include { phase: TRAIN }
  inner_product_param { num_output: 2 } }
layer { name: "late" type: "ReLU" bottom: "ip" top: "ip" exclude { phase: TEST } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def test_phases(tmp_path: Path) -> None:
    """The layers of TEST are taken, without losses; their crop gives the size."""
    text = described(TRAINED, tmp_path).text
    assert ["input data: 3x20x20", "", "flatten", "output ip: dense(4)"] == [
        line.strip() for line in text.splitlines()[2:6]
    ]


def test_sizes_that_the_file_does_not_have(tmp_path: Path) -> None:
    """`--input` gives them; without it, the error is at the layer for data."""
    text = TRAINED.replace("crop_size", "scale")
    with pytest.raises(NetdslError) as caught:
        described(text, tmp_path)
    assert ("open-size", 5) == (caught.value.code, caught.value.line)
    assert "--input data=3x224x224" in (caught.value.help or "")
    assert "input data: 1x28x28" in described(text, tmp_path, inputs={"": (1, 28, 28)}).text
    with pytest.raises(NetdslError, match="no input `label`"):
        described(text, tmp_path, inputs={"label": (1,)})


OLD = """
input: "data" input_dim: 10 input_dim: 1 input_dim: 8 input_dim: 8
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 param: "w"
  convolution_param { num_output: 4 kernel_size: 3 } }
layers { name: "twin" type: CONVOLUTION bottom: "data" top: "twin" param: "w"
  convolution_param { num_output: 4 kernel_size: 3 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "norm" type: LRN bottom: "conv" top: "norm" }
layers { name: "join" type: CONCAT bottom: "norm" bottom: "twin" top: "join"
  concat_param { concat_dim: 1 } }
"""


def test_the_older_version(tmp_path: Path) -> None:
    """`layers` with kinds in capitals, and `input_dim`."""
    result = described(OLD, tmp_path)
    assert prove(result).ok
    assert "conv: conv(4, 3)" in result.text
    assert "weight = @conv.weight" in result.text
    assert "input data: 1x8x8" in result.text


def test_shared_weights(tmp_path: Path) -> None:
    """Layers with the same names of parameters have one weight."""
    twin = 'param { name: "w" } param { name: "b" } inner_product_param { num_output: 3 }'
    text = (
        HEAD + layer("InnerProduct", "data", "a", twin) + layer("InnerProduct", "data", "b", twin)
    )
    result = described(text, tmp_path)
    assert "weight = @a.weight" in result.text
    assert 3 * 4 * 7 * 6 + 3 == result.compiled.costs.totals().params
    with pytest.raises(NetdslError, match="`w` has the shape 3x168, and here 5x168"):
        other = layer("InnerProduct", "data", "c", twin.replace("3", "5"))
        described(text + other, tmp_path)


def test_names_of_units() -> None:
    """Names that count units become positions; a batch norm stays beside its layer."""
    units = [
        f"{kind}2{unit}_branch2{part}" for unit in "ab" for part in "abc" for kind in ("res", "bn")
    ]
    paths = layer_paths(["conv1/7x7", "conv1/7x7/bn", *units, "fc8_flickr"])
    assert "res2.1.branch2c" == paths["res2b_branch2c"]
    assert "res2.1.bn_branch2c" == paths["bn2b_branch2c"]
    assert ("conv1.7x7", "conv1.7x7_bn") == (paths["conv1/7x7"], paths["conv1/7x7/bn"])
    assert "fc8_flickr" == paths["fc8_flickr"]
    more = layer_paths([f"conv3_{i}_1x1_{part}" for i in (1, 2) for part in ("a", "b", "c")])
    assert "conv3.1.1x1_a" == more["conv3_2_1x1_a"]


CONVOLUTION = "convolution_param { num_output: 2 kernel_size: 3 }"
WRONG = [
    ("", "bad-description", 1, "the file is empty"),
    ('name: "a"', "bad-description", 1, "no `layer`"),
    ("layer {", "bad-description", 1, "or `}` is expected, found the end of the file"),
    ("layer }", "bad-description", 1, "`:` is expected, found `}`"),
    ("name: }", "bad-description", 1, "a value is expected, found `}`"),
    ('name: "a', "bad-description", 1, "has no meaning here"),
    ("a: [1 2]", "bad-description", 1, "`,` is expected"),
    ("layer { " * 99, "bad-description", 1, "nested more than 64"),
    ("layer: 3", "bad-description", 1, "takes fields in braces, found `3`"),
    ("layer { type { } }", "bad-description", 1, "takes a value, found fields"),
    ('layer { name: "a" }', "bad-description", 1, "a layer has no `type`"),
    ('net: "a.prototxt" base_lr: 1', "bad-description", 1, "the settings of a training"),
    (HEAD + layer("ReLU", "x", "y"), "bad-description", 1, "no layer takes an input"),
    (HEAD + layer("ReLU", "data y", "y"), "bad-description", 2, "takes `y`, which no layer before"),
    (
        HEAD + layer("Sharpen", "data", "y"),
        "unsupported-operator",
        2,
        "not a layer that netdsl knows",
    ),
    (HEAD + layer("ROIPooling", "data", "y"), "unsupported-operator", 2, "rounds regions"),
    (HEAD + layer("Convolution", "data", "y"), "bad-description", 2, "has no `kernel_size`"),
    (
        HEAD + layer("Convolution", "data", "y", "convolution_param { kernel_size: 3 }"),
        "bad-description",
        2,
        "has no `num_output`",
    ),
    (
        HEAD + layer("Convolution", "data", "y", CONVOLUTION.replace("3", "9")),
        "bad-description",
        2,
        "a window of 9 does not fit into 4x7x6",
    ),
    (
        HEAD + layer("Convolution", "data", "y", CONVOLUTION.replace("3", '"a"')),
        "bad-description",
        2,
        "takes an integer, found `a`",
    ),
    (
        HEAD + layer("InnerProduct", "data", "y", "inner_product_param { num_output: 999999999 }"),
        "bad-description",
        2,
        "more than 2^29",
    ),
    (
        HEAD + layer("Pooling", "data", "y", "pooling_param { kernel_size: 2 strid: 2 }"),
        "bad-description",
        2,
        "`pooling_param` has no field `strid`",
    ),
    (
        HEAD + layer("Pooling", "data", "y", "pooling_param { kernel_h: 2 }"),
        "bad-description",
        2,
        "`kernel_h` is set, and `kernel_w` is not",
    ),
    (HEAD + layer("Eltwise", "data", "y"), "bad-description", 2, "takes two or more"),
    (
        HEAD + layer("Pooling", "data", "y", "pooling_param { kernel_size: 2 pool: STOCHASTIC }"),
        "unsupported-operator",
        2,
        "its pooling is STOCHASTIC",
    ),
    (
        HEAD
        + layer("Pooling", "data", "p", "pooling_param { kernel_size: 2 stride: 2 }")
        + layer("Concat", "data p", "y"),
        "bad-description",
        3,
        "its inputs do not fit: 4x7x6 and 4x4x3",
    ),
    (
        HEAD + layer("Softmax", "data", "y", "softmax_param { axis: 0 }"),
        "unsupported-operator",
        2,
        "it works along the batch",
    ),
]


@pytest.mark.parametrize(("text", "code", "line", "part"), WRONG)
def test_wrong_files(text: str, code: str, line: int, part: str, tmp_path: Path) -> None:
    """Each is one diagnostic with its line."""
    check_refusal(lambda: described(text, tmp_path), code, line, part)


def test_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be imported, or that has no text, leaves no file."""
    (folder / "a.prototxt").write_text(HEAD + layer("Sharpen", "data", "y"))
    (folder / "b.prototxt").write_bytes(b"\x08\x00\xff")
    for name in ("a.prototxt", "b.prototxt", "c.prototxt"):
        assert run(["import", name, "-o", "n.net"]) == 1
    error = capsys.readouterr().err
    assert "a.prototxt:2:" in error
    assert "error[not-text]" in error
    assert "error[file-not-found]" in error
    assert not (folder / "n.net").exists()


def test_partial(tmp_path: Path) -> None:
    """`--partial` writes the layers that can be imported, with a comment about the others."""
    text = HEAD + layer("ReLU", "data", "r") + layer("Sharpen", "r", "s") + layer("TanH", "s", "t")
    result = described(text + layer("Sigmoid", "r", "u"), tmp_path, partial=True)
    assert "# not imported: line 3, the layer `s` (Sharpen)" in result.text
    assert "sigmoid" in result.text
    assert "tanh" not in result.text


# A part of a layer on the third line, with ‹ › around the place of the error, and the advice.
FIELDS = [
    ("num_output: 2 num_output: ‹3›", "`num_output` is given twice, first on line 3", "delete one"),
    ("num_output: [2, ‹3›]", "`num_output` is given twice", "delete one"),
    ("} ‹convolution_param› { kernel_size: 3", "`convolution_param` is given twice", "delete one"),
    ("num_output: ‹-2›", "`num_output` is -2, it must be at least 0", ""),
    ("num_output: ‹2.5›", "`num_output` takes an integer, found `2.5`", ""),
    ("‹num_output› {}", "`num_output` takes a value, found fields in braces", ""),
    ("bias_term: ‹maybe›", "`bias_term` takes true or false, found `maybe`", ""),
    ("engine: ‹CUDA›", "`engine` is `CUDA`, it must be DEFAULT, CAFFE or CUDNN", "CUDNN"),
    ('engine: ‹"CAFFE"›', "`engine` is `CAFFE`, it must be", "without quotation marks"),
    ("weight_filler { type: ‹gaussian› }", "`type` takes a string in quotation", '"gaussian"'),
    ("weight_filler { std: ‹wide› }", "`std` takes a number, found `wide`", ""),
    ("weight_filler { ‹sdt›: 1 }", "`weight_filler` has no field `sdt`", "`std`"),
    ("weight_filler: ‹3›", "`weight_filler` takes fields in braces, found `3`", ""),
    ("axis: ‹2›", "its axis is not 1", "--partial"),
    ("kernel_size: ‹7›", "a window of 7 does not fit into 4x7x6", ""),
]


@pytest.mark.parametrize(("field", "message", "advice"), FIELDS)
def test_fields(field: str, message: str, advice: str, tmp_path: Path) -> None:
    """A value that protobuf's parser would refuse is an error at its place."""
    before, rest = field.split("‹")
    place, after = rest.split("›")
    plain = before + place + after
    rest = "" if "num_output" in plain else "num_output: 2 "
    rest += "" if "kernel" in plain else "kernel_size: 3 "
    start = 'layer { name: "y" type: "Convolution" bottom: "data" top: "y"\n'
    line = f"convolution_param {{ {rest}{plain} }} }}"
    code = "unsupported-operator" if "--partial" in advice else "bad-description"
    error = check_refusal(lambda: described(f"{HEAD}{start}{line}\n", tmp_path), code, 3, message)
    assert advice in (error.help or "")
    assert error.diagnostic.span is not None
    assert place == error.diagnostic.span.text


def test_places_of_values(tmp_path: Path) -> None:
    """An error about one of several inputs or results is at its name."""
    pool = "pooling_param { kernel_size: 2 stride: 2 }"
    for text, message, place in (
        (layer("Eltwise", "data dat", "y"), "takes `dat`, which no", '"dat"'),
        (layer("ReLU", "data data", "y"), "it has 2 inputs, and takes 1", '"data"'),
        (layer("ReLU", "data", "y z"), "has 2 tops for 1 results", '"z"'),
        (layer("Pooling", "data", "p", pool) + layer("Concat", "data p", "y"), "do not fit", '"p"'),
    ):
        with pytest.raises(NetdslError) as caught:
            described(HEAD + text, tmp_path)
        span = caught.value.diagnostic.span
        assert message in caught.value.message
        assert span is not None
        assert span.text == place
        assert span.start > (HEAD + text).rindex("{ name")


def test_parameters_of_copies_of_caffe(tmp_path: Path) -> None:
    """A layer that Caffe does not have may have parameters that Caffe does not have."""
    text = HEAD + layer("ReLU", "data", "r") + layer("Odd", "r", "s", "odd_param { a: 1 }")
    text += layer("TanH", "r", "t")
    result = described(text, tmp_path, partial=True)
    assert "# not imported: line 3, the layer `s` (Odd)" in result.text
    with pytest.raises(NetdslError, match="a layer has no field `relu_parm`"):
        described(HEAD + layer("ReLU", "data", "r", "relu_parm { }"), tmp_path)
    with pytest.raises(NetdslError) as caught:
        described(HEAD + layer("Convolutoin", "data", "r"), tmp_path)
    assert "did you mean `Convolution`?" == caught.value.help


def test_sizes_that_do_not_fit(tmp_path: Path) -> None:
    """There is advice about `--input`."""
    text = HEAD + layer("ReLU", "data", "r")
    for sizes, advice in (((1, 4, 7, 6), "without the batch: `--input 4x7x6`"), ((3,), "3 sizes")):
        with pytest.raises(NetdslError, match="`data` has the sizes 4x7x6, --input has") as caught:
            described(text, tmp_path, inputs={"": sizes})
        assert advice in (caught.value.help or "")


def test_the_text_format() -> None:
    """Strings, lists, both brackets, comments and separators, as protobuf writes them."""
    text = """
    a: 1, a: 2; a: [3, 4]  # a comment
    b < c: "x\\"y" 'z' >
    b { d: true e: -1.5e-3 f: WORD }
    """
    message = read_message(SourceFile("m", text))
    assert [1, 2, 3, 4] == message.integers("a")
    inner = message.message("b")
    assert ('x"yz', True, -0.0015, "WORD") == (
        inner.text("c"),
        inner.flag("d", default=False),
        inner.number("e", 0),
        inner.text("f"),
    )
