"""Every view works for nets of the library, whatever their layers are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from netdsl.look import shift
from netdsl.look.figures import part_figure
from netdsl.look.layers import UnitChoice
from netdsl.look.maximise import Ascent, maximise
from netdsl.look.net import units_of
from netdsl.look.views import VIEWS, Looked
from tests.support.commands import run_command
from tests.support.looking import layered, pictures
from tests.support.paths import ROOT

SHARED = ROOT.parent / "shared" / "data"

# Each has something that the others lack; sizes that are open are small here.
NETS = {
    "perceptron:MLP": None,
    "lenet5:LeNet5Original": None,
    "resnet:CifarResNet20": None,
    "resnet:ResNet18": (3, 64, 64),
    "densenet:CifarDenseNet100": None,
    "googlenet:GoogLeNetBN": (3, 64, 64),
    "inception:InceptionNaive": None,
    "mobilenet:MobileNet25": (3, 64, 64),
    "neocognitron:Neocognitron": None,
    "senet:SEInception": (3, 64, 64),
    "squeezenet:SqueezeNet": (3, 64, 64),
    "swin:FashionSwin": None,
    "unet:PaddedUNet": (1, 16, 16),
    "vit:FashionViT": None,
    "yolo:YOLOv3Tiny": (3, 64, 64),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_every_view(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view of a net with random weights is made, and drawn."""
    monkeypatch.setattr(shift, "LEAST", 1)
    monkeypatch.setattr(shift, "PRODUCTS", 0)
    net = layered(name, size=NETS[name])
    assert net.scores.producer is not None
    shown = pictures(3, (net.channels, *net.sizes))
    classes = tuple(f"class {i}" for i in range(max(units_of(net.scores.producer), 2)))
    if name == "unet:PaddedUNet":
        masks = np.arange(3 * 16 * 16).reshape(3, 16, 16) % len(classes)
        shown = replace(shown, classes=classes, labels=None, masks=masks)
    else:
        shown = replace(shown, classes=classes, labels=np.arange(3) % len(classes))
    looked = Looked(net, shown, None, UnitChoice(), shown.given, shown.classes)
    for view, make in VIEWS.items():
        if view == "maximise":
            made = maximise(net, shown.given, UnitChoice(), (), Ascent(steps=2))
        else:
            made = make(looked)
        assert made.parts
        for part in made.parts:
            canvas: Any = FigureCanvasAgg(part_figure(part))
            canvas.draw()
            assert np.ptp(np.asarray(canvas.buffer_rgba())) > 0


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "cifar10").is_dir(), reason="needs CIFAR-10")
def test_third_party_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Published CIFAR-10 weights have their published accuracy, and a whole page."""
    subprocess.run([sys.executable, SHARED / "unpack_cifar10.py", folder / "cifar"], check=True)
    (weights,) = (SHARED / "cifar_resnet_weights").glob("resnet20-*.th")
    data = f'cifar10(root = "{folder / "cifar"}")'
    words = ["look", "resnet:CifarResNet20", "--weights", str(weights), "--data", data]
    run_command(capsys, *words, "errors", "--images", "10000", "-o", "errors.html")
    assert "91.73 %" in Path("errors.html").read_text(encoding="utf-8")
    run_command(capsys, *words, "--images", "200", "-o", "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    assert all(f'<h2 id="{view}">' in page for view in VIEWS)
    assert "ReLU passes back what is positive" in page
