"""Files of Caffe, ResNet, SENet, Fast R-CNN and FCN, as their authors wrote them."""

from __future__ import annotations

from collections import Counter
from math import prod

import pytest

from netdsl.errors import NetdslError
from netdsl.importers.descriptions import import_caffe
from tests.support.caffe import Caffe
from tests.support.paths import ROOT

CORPORA = ROOT.parent / "shared" / "reference" / "corpora"
FILES = sorted(str(path.relative_to(CORPORA)) for path in CORPORA.rglob("*.prototxt")) or ["none"]
needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the files of Caffe are not beside the repository"
)
SCENE = (3, 500, 375)
# The sizes of the inputs, by a part of the path; the first part that fits counts.
SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    "voc-fcn8s/deploy": {"data": (3, 500, 500)},
    "nyud-fcn32s-color-d/": {"color": (3, 425, 560), "depth": (1, 425, 560)},
    "nyud-fcn32s-color-hha/": {"color": (3, 425, 560), "hha": (3, 425, 560)},
    "fcn.berkeley": {"data": SCENE},
    "/cifar10/": {"data": (3, 32, 32)},
    "mnist_siamese_train": {"pair_data": (2, 28, 28)},
    "/siamese/": {"data": (1, 28, 28)},
    "/mnist/": {"data": (1, 28, 28)},
    "/hdf5_class": {"data": (4,)},
    "full_conv": {"data": (3, 451, 451)},
    "net_surgery/conv": {"data": (1, 100, 100)},
    "googlenet": {"data": (3, 224, 224)},
    "BVLC": {"data": (3, 227, 227)},
    "fast-rcnn": {"data": (3, 600, 800), "rois": (5,)},
    "": {"data": (3, 224, 224)},
}
QUICK = ("cifar10/", "mnist", "hdf5", "fast-rcnn", "linreg", "solver", "bvlc_alexnet/")


def refusal(name: str) -> tuple[str, str] | None:
    """The code and a part of the message of a file that cannot be imported."""
    if "solver" in name:
        return "bad-description", "the settings of a training"
    if "fast-rcnn" in name:
        return "unsupported-operator", "`roi_pool5` (ROIPooling)"
    if "linreg" in name:
        return "unsupported-operator", "`loss` (Python)"
    return None


def marked(name: str) -> object:
    """A file, which is slow unless it is one of the quick ones."""
    is_quick = any(part in name for part in QUICK)
    return pytest.param(name, marks=[] if is_quick else [pytest.mark.slow])


@needs_corpora
@pytest.mark.parametrize("name", [marked(n) for n in FILES])
def test_files_of_the_authors(name: str) -> None:
    """Layers have the shapes and weights that Caffe computes, or a line is refused."""
    sizes = next(value for part, value in SIZES.items() if part in name)
    expected = refusal(name)
    if expected is not None:
        with pytest.raises(NetdslError) as caught:
            import_caffe(CORPORA / name, "n.net", sizes if "train" in name else {})
        code, part = expected
        assert code == caught.value.code
        assert part in caught.value.message
        assert caught.value.line
        return
    theirs = Caffe(CORPORA / name, **sizes)
    result = import_caffe(CORPORA / name, "n.net", sizes)
    rows = list(result.compiled.costs.rows())
    ours = Counter((prod(map(int, n.type.shape)), c.params) for n, c in rows if c.params)
    assert Counter((prod(shape), params) for shape, params in theirs.rows) == ours
    pools = Counter(
        tuple(map(int, n.type.shape)) for n, _ in rows if n.op.kind in ("maxpool", "avgpool", "gap")
    )
    assert not Counter(theirs.pools) - pools
    outputs = [tuple(map(int, out.value.type.shape)) for out in result.compiled.graph.outputs]
    assert set(outputs) <= set(theirs.ends.values())
