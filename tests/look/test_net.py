"""A net layer by layer gives what its module gives; pictures are spread over the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import netdsl
from netdsl.backends.torch.module import lower
from netdsl.data.dataset import Split
from netdsl.errors import NetdslError
from netdsl.look.backward import Passage
from netdsl.look.layers import choose, spread, title_of
from netdsl.look.net import LayeredNet, fetched
from netdsl.look.pictures import as_colours, of_dataset
from netdsl.look.survey import survey
from tests.support.looking import layered, pictures
from tests.support.training import tiny

MAP = "input image: 3x8x8\nconv(4, 3) -> relu\noutput classes: conv(5, 1)"


@pytest.mark.parametrize(
    "name", ["lenet5:LeNet5Original", "resnet:CifarResNet20", "vit:FashionViT"]
)
def test_scores_are_those_of_the_module(name: str) -> None:
    """The layers one by one give the scores of the whole module."""
    loaded = netdsl.load(name)
    module = loaded.torch().eval()
    shape = [int(str(size)) for size in loaded.graph.inputs[0].type.shape]
    images = torch.rand(2, *shape)
    with torch.no_grad():
        torch.testing.assert_close(module(images), LayeredNet(loaded.graph, module)(images))


def test_scores_of_a_map() -> None:
    """The scores of a map are its means over all places."""
    loaded = netdsl.loads(f"net N {{\n{MAP}\n}}")
    module = loaded.torch().eval()
    images = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        found = LayeredNet(loaded.graph, module)(images)
        torch.testing.assert_close(module(images).mean((2, 3)), found)


def test_survey_of_several_batches() -> None:
    """The lowest and the highest value of a unit are those of all batches."""
    net, shown = layered(MAP), pictures(150, (3, 8, 8))
    node = net.nodes[0]
    found = survey(net, shown, [node])
    with torch.inference_mode():
        (values,) = net.values(shown.prepared(slice(None)), [node.output])
    layer = found.layers[node.name]
    np.testing.assert_allclose(values.amin((0, 2, 3)).numpy(), layer.lowest, rtol=1e-5)
    np.testing.assert_allclose(values.amax((0, 2, 3)).numpy(), layer.highest, rtol=1e-5)
    assert (150, 5) == found.scores.shape


def test_pictures_of_a_data_set() -> None:
    """Some pictures of many are evenly spread over them, with their classes."""
    data = tiny(96)
    found = of_dataset(data, 10)
    assert "tiny" == found.name
    assert data.test.labels[np.arange(10) * 96 // 10].tolist() == found.labels.tolist()  # type: ignore[union-attr]
    np.testing.assert_array_equal(data.test.images[48], found.pixels[5])
    assert 96 == len(of_dataset(data, 2000))
    assert isinstance(data.test, Split)
    assert [0, 1, 2] == sorted(found.labels[found.of_each_class(9)].tolist())  # type: ignore[index]


def test_colours() -> None:
    """A picture of one channel is grey, and one of many channels has the first three."""
    values = np.linspace(0, 1, 12).reshape(3, 2, 2)
    np.testing.assert_array_equal(values.transpose(1, 2, 0), as_colours(values))
    grey = as_colours(values[:1])
    assert (2, 2, 3) == grey.shape
    assert (grey == values[0][..., None]).all()
    assert (2, 2, 3) == as_colours(np.concatenate([values, values])).shape


def test_choices() -> None:
    """A layer is named as in the table, or by its block; the names for people have its kind."""
    net = layered("resnet:CifarResNet20")
    block = choose(net.graph, "layer1.0", None, 0).layer
    assert block is not None
    assert "layer1.0.5 (add) → relu" == title_of(net.graph, block)
    with pytest.raises(NetdslError, match="`CifarResNet20` has no layer `conv9`"):
        choose(net.graph, "conv9", None, 0)
    assert [0, 4, 9] == spread(range(10), 3)
    assert [3] == spread([3], 3)
    assert [0] == spread(range(10), 1)


def test_auxiliary_heads() -> None:
    """A layer of a head that exists only in training cannot be chosen."""
    loaded = netdsl.load("googlenet:GoogLeNet")
    head = next(node for node in loaded.graph.nodes if node.aux is not None)
    with pytest.raises(NetdslError, match="belongs to an auxiliary head"):
        choose(loaded.graph, head.name, None, 0)


@pytest.mark.parametrize(
    "name", ["lenet5:LeNet5Original", "resnet:CifarResNet20", "swin:FashionSwin", "vit:FashionViT"]
)
def test_computes_on_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and signals move to the device of the net, and all layers compute there.

    The device `meta` has no numbers, and refuses to mix its tensors with those of the CPU.
    """
    graph = netdsl.load(name).graph
    results: list[torch.Tensor] = []

    def kept(values: torch.Tensor) -> torch.Tensor:
        results.append(values)
        return values

    monkeypatch.setattr("netdsl.look.net.fetched", kept)
    monkeypatch.setattr("netdsl.look.backward.fetched", kept)
    net = LayeredNet(graph, lower(graph), device=torch.device("meta"))
    images = torch.zeros(2, net.channels, *net.sizes)
    assert net(images).shape == (2, 10)
    passage = Passage(net, images, net.nodes[-1])
    assert passage.back(torch.zeros(2, 10)).shape == images.shape
    assert len(results) == 3 and all(values.device.type == "meta" for values in results)


def test_results_are_on_the_cpu() -> None:
    """What a net gives can be shown, wherever it computes."""
    values = torch.zeros(2)
    assert fetched(values) is values
