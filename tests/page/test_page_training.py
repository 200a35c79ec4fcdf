"""Training in the page: `cd page && npm ci && npm run build` first."""

from __future__ import annotations

import json
import re
from shutil import which
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from tests.support.commands import run_command
from tests.support.playground import PATIENCE, Playground

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

SMALL = """net Small {
    input image: 1x28x28
    C1: conv(4, 5, stride = 3) -> relu -> P1: maxpool(2)
    flatten
    output scores: dense(10)
}
train Small {
    epochs    = 1
    batch     = 100
    optimizer = sgd(lr = 0.1, momentum = 0.9)
}
"""
TWO = """net Two {
    input image: 3x16x16
    C1: conv(4, 3) -> relu -> gap -> flatten
    output scores: dense(2)
}
train Two {    # allow: default-data
    epochs    = 20
    batch     = 8
    optimizer = adam(lr = 0.02)
}
"""
PLANE = """net Plane {
    input x: 2
    dense(8) -> tanh
    output y: dense(2)
}
train Plane {    # allow: default-data
    batch     = 50
    optimizer = adam(lr = 0.05)
}
"""


class Training(Playground):
    """The view in which a net trains."""

    def begin(self, text: str, *, is_fresh: bool = True) -> None:
        """Show a text in the view, with fresh weights."""
        self.page.click("#tab-train")
        if self.page.inner_text("#lab-run") == "Pause":
            self.page.click("#lab-run")
        self.write(text)
        self.wait("no errors")
        if is_fresh:
            self.page.click("#lab-reset")
            self.until("#lab-state", "fresh")

    def until(self, selector: str, words: str) -> str:
        """Wait until an element has these words; returns its text."""
        self.page.wait_for_selector(f"{selector}:has-text('{words}')", timeout=PATIENCE)
        return str(self.page.inner_text(selector))

    def set(self, selector: str, value: str) -> None:
        """Write a number into a field."""
        self.page.fill(selector, value)
        self.page.dispatch_event(selector, "change")


@pytest.fixture(scope="module")
def shared(browser: Any, address: str) -> Iterator[Training]:
    """One page for many tests."""
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    training = Training(page, address)
    training.open()
    yield training
    page.close()


@pytest.fixture
def lab(shared: Training) -> Iterator[Training]:
    """The shared page, in which nothing may go wrong."""
    shared.faults.clear()
    yield shared
    assert shared.faults == []


def test_an_epoch(lab: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After an epoch, the saved weights have the accuracy in `netdsl test` that the page shows."""
    lab.begin(SMALL)
    lab.page.click("#lab-run")
    lab.until("#lab-state", "paused; 1 epoch is complete")
    text = lab.page.inner_text("#test-text")
    found = re.fullmatch(r"After epoch 1: (\d+\.\d\d) % of 2000 test pictures are right\.", text)
    assert found is not None
    assert float(found[1]) > 60
    with lab.page.expect_download() as waiting:
        lab.page.click("#lab-save")
    path, net = tmp_path / "w.safetensors", tmp_path / "small.net"
    waiting.value.save_as(path)
    net.write_text(SMALL)
    with safe_open(path, "numpy") as file:
        about = file.metadata()
    assert json.loads(about["net"]) == "Small"
    assert json.loads(about["mean"]) == [0.286]
    assert len(json.loads(about["classes"])) == 10
    out, _ = run_command(
        capsys, "test", str(net), "--weights", str(path), "--engine", "onnxruntime"
    )
    assert f"accuracy {found[1]} %" in out


def test_what_is_seen(lab: Training) -> None:
    """The board has the curve, the test pictures, maps, filters and gradients of the net."""
    lab.begin(SMALL)
    lab.page.click("#lab-run")
    lab.until("#lab-state", "1 epoch is complete")
    assert lab.page.locator("#curve canvas").count() == 1
    assert lab.page.locator("#test-pictures button").count() == 24
    rights = lab.page.locator("#test-pictures .right").count()
    assert rights + lab.page.locator("#test-pictures .wrong").count() == 24
    assert rights > 10
    lab.until("#maps-text", "4 maps of 8 x 8")
    layers = lab.page.locator("#maps-layer option").all_inner_texts()
    assert layers == ["C1 conv", "1 relu", "P1 maxpool"]
    lab.page.select_option("#maps-layer", "P1")
    lab.until("#maps-text", "4 maps of 4 x 4")
    lab.until("#filters-text", "4 of 5 x 5")
    names = lab.page.locator("#norms label span:first-child").all_inner_texts()
    assert names == ["C1.weight", "C1.bias", "scores.weight", "scores.bias"]
    assert all(float(t) > 0 for t in lab.page.locator("#norms .n").all_inner_texts())
    lab.page.click("#test-pictures button >> nth=3")
    lab.until("#shares", "It is: ")
    shares = re.findall(r"(\d+\.\d) %", lab.page.inner_text("#shares"))
    assert sorted(map(float, shares), reverse=True) == [*map(float, shares)]


def test_single_steps(lab: Training) -> None:
    """A step changes the weights once; starting over makes them fresh again."""
    lab.begin(SMALL)
    for count in (1, 2, 3):
        lab.page.click("#lab-step")
        lab.until("#lab-state", f"step {count},")
    lab.page.click("#lab-reset")
    lab.until("#lab-state", "The weights are fresh.")
    lab.page.click("#lab-step")
    lab.until("#lab-state", "step 1,")


def test_rate_and_batch_while_it_runs(lab: Training) -> None:
    """A rate of 0 keeps the loss; another batch keeps the weights and the number of steps."""
    lab.begin(SMALL.replace("epochs    = 1\n", "epochs    = 90\n"))
    lab.page.click("#lab-run")
    lab.until("#test-text", "After epoch 1")
    before = lab.page.inner_text("#test-text").split(": ")[1]
    lab.set("#lab-rate", "0")
    lab.until("#test-text", "After epoch 3")
    still = lab.page.inner_text("#test-text").split(": ")[1]
    lab.until("#test-text", "After epoch 4")
    assert lab.page.inner_text("#test-text").split(": ")[1] == still
    assert before.endswith(" right.")
    lab.set("#lab-batch", "50")
    lab.page.click("#lab-run")
    lab.until("#lab-state", "paused")
    lab.page.click("#lab-step")
    step = int(re.search(r"step (\d+)", lab.until("#lab-state", "step "))[1])  # type: ignore[index]
    assert step > 300
    assert lab.page.inner_text("#test-text").split(": ")[1] == still
    lab.page.click("#lab-run")
    lab.until("#lab-state", "samples in a second")
    lab.set("#lab-batch", "0")
    lab.until("#lab-state.error", "The batch is a whole number")
    lab.page.wait_for_timeout(500)
    assert lab.page.inner_text("#lab-run") == "Go on"
    lab.until("#lab-state.error", "The batch is a whole number")


def test_a_rate_that_is_too_large(lab: Training) -> None:
    """A loss that is infinite stops the training with advice."""
    lab.begin(SMALL)
    lab.set("#lab-rate", "1e30")
    lab.page.click("#lab-run")
    lab.until("#lab-state.error", "try a smaller rate")
    assert lab.page.inner_text("#lab-run") != "Pause"


NETS = [
    (
        SMALL.replace("dense(10)", "dense(3)"),
        "have 10 classes, but the net gives 3 scores",
    ),
    (SMALL.replace("1x28x28", "2x28x28"), "the net takes 2 channels, the pictures have 1"),
    ("net A { input x: 3\n output y: dense(2) }", "the input of the net is 3, not 2 numbers"),
    ("net A { input x: 1x28x28\n output y: conv(2, 1) }", "has 3 axes, not one of scores"),
    (
        "net A { input x: 1xHxW\n gap -> flatten\n output y: dense(10) }",
        "write sizes into the",
    ),
    ("net A { input x: 1x64x64\n flatten\n output y: dense(4000) }", "trains at most 10,000,000"),
]


@pytest.mark.parametrize(("text", "words"), NETS, ids=[words for _, words in NETS])
def test_nets_that_do_not_train(lab: Training, text: str, words: str) -> None:
    """The page says why it cannot train a net, and goes on working."""
    lab.page.click("#tab-train")
    lab.write(text)
    lab.page.wait_for_timeout(300)
    lab.page.click("#lab-run")
    lab.until("#lab-state.error", words)
    assert lab.page.inner_text("#lab-run") != "Pause"


def test_points(lab: Training) -> None:
    """Two clouds are separated; the colours of the plane are the classes; a click adds a point."""
    lab.begin(PLANE)
    assert lab.page.locator("#lab-data option").all_inner_texts() == ["points of a plane"]
    lab.page.select_option("#plane-pattern", "two clouds")
    lab.page.click("#lab-run")
    lab.until("#curve-text", "training accuracy 100.0 %")
    lab.page.wait_for_timeout(1500)
    lab.page.click("#lab-run")
    lab.until("#lab-state", "paused after step")
    lab.page.wait_for_timeout(500)
    pixel = """([x, y]) => {
        const c = document.querySelector('#plane');
        return [...c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data];
    }"""
    red, _, blue, _ = lab.page.evaluate(pixel, [0.02, 0.98])  # class 1 is orange
    assert red > blue
    red, _, blue, _ = lab.page.evaluate(pixel, [0.98, 0.02])  # class 2 is blue
    assert blue > red
    lab.page.click("#plane-clear")
    lab.page.click("#lab-step")
    lab.until("#lab-state.error", "no samples to train with")
    lab.page.select_option("#plane-class", "1")
    lab.page.click("#plane", position={"x": 50, "y": 60})
    lab.page.click("#lab-step")
    lab.until("#lab-state", "step ")


def test_folders_of_pictures(lab: Training, tmp_path: Path) -> None:
    """A folder for each class is data: red and green pictures are told apart."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("green", "red")):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 60, (40, 30, 3)).astype(np.uint8)
            pixels[..., 1 - number] += 150
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{i}.png")
    lab.begin(TWO, is_fresh=False)
    lab.page.evaluate("document.querySelector('#lab-data').value = 'files'")
    lab.page.set_input_files("#lab-files", tmp_path / "own")
    lab.until("#lab-state", "20 pictures in 2 classes: 16 for training and 4 for tests")
    lab.page.click("#lab-run")
    lab.until("#lab-state", "20 epochs are complete")
    assert "100.00 % of 4 test pictures" in lab.page.inner_text("#test-text")
    assert {*lab.page.locator("#test-pictures span").all_inner_texts()} == {"green", "red"}


DROP = """files => {
    const data = new DataTransfer();
    for (const [name, bytes] of Object.entries(files)) {
        data.items.add(new File([new Uint8Array(bytes)], name));
    }
    const drop = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
    document.querySelector('#train').dispatchEvent(drop);
}"""


def idx(values: np.ndarray) -> list[int]:
    """The bytes of an IDX file."""
    head = [0, 0, 8, values.ndim, *b"".join(size.to_bytes(4, "big") for size in values.shape)]
    return [*head, *values.ravel().tolist()]


def test_dropped_files(lab: Training) -> None:
    """The files of MNIST can be dropped; damaged ones are refused."""
    rng = np.random.default_rng(0)
    files = {}
    for split, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = rng.integers(0, 99, (count, 28, 28)).astype(np.uint8) + labels[:, None, None]
        files[f"{split}-images-idx3-ubyte"] = idx(pixels)
        files[f"{split}-labels-idx1-ubyte"] = idx(labels)
    lab.begin(SMALL.replace("= 100", "= 10"))
    lab.page.evaluate(DROP, files)
    lab.until("#lab-state", "IDX files in 10 classes: 60 for training and 20 for tests")
    lab.page.click("#lab-run")
    lab.until("#test-text", "of 20 test pictures")
    lab.page.evaluate(DROP, {**files, "t10k-labels-idx1-ubyte": [1, 2, 3]})
    lab.until("#lab-state.error", "the file is not an IDX file of bytes")
    lab.page.evaluate(DROP, {"a.txt": [65]})
    lab.until("#lab-state.error", "there are no pictures")
    records = rng.integers(0, 10, (20, 3073)).astype(np.uint8)
    both = {f"{s}_batch.bin": records.ravel().tolist() for s in ("test", "data")}
    lab.page.evaluate(DROP, both)
    lab.until("#lab-state", "CIFAR-10 in 10 classes: 20 for training and 20 for tests")


def test_drawings(lab: Training) -> None:
    """What the visitor draws is classified at once, and can be data to train with."""
    lab.begin(SMALL)
    lab.page.click("#lab-step")
    lab.until("#lab-state", "step 1")
    for digit in range(4):
        lab.page.click("#pad-clear")
        box = lab.page.locator("#pad").bounding_box()
        lab.page.mouse.move(box["x"] + 30, box["y"] + 30 + 20 * digit)
        lab.page.mouse.down()
        lab.page.mouse.move(box["x"] + 130, box["y"] + 40 + 20 * digit)
        lab.page.mouse.up()
        lab.page.wait_for_timeout(200)
        lab.page.select_option("#pad-class", str(digit))
        lab.page.click("#pad-add")
    assert lab.page.inner_text("#pad-count") == "4 drawings"
    lab.page.select_option("#lab-data", "drawings")
    lab.page.click("#lab-step")
    lab.until("#lab-state", "step 2")
    lab.page.select_option("#lab-data", "sample")


def test_schedule(lab: Training) -> None:
    """The rate follows the schedule of the section; the field has the rate of the optimizer."""
    lab.begin(SMALL.replace("epochs    = 1", "epochs    = 2\n    schedule  = cosine(warmup = 1)"))
    lab.page.click("#lab-step")
    lab.until("#lab-state", "rate 0.00100")
    lab.page.click("#lab-step")
    lab.until("#lab-state", "rate 0.00200")
    assert lab.page.input_value("#lab-rate") == "0.1"
    assert "schedule" not in lab.page.inner_text("#curve-note")


@pytest.mark.parametrize(
    ("example", "net"),
    [("lenet5", "LeNet5"), ("convnetjs", "ConvNetJS"), ("perceptron", "Perceptron")],
)
def test_presets(lab: Training, example: str, net: str) -> None:
    """The examples for training take steps, and the loss falls."""
    lab.page.click("#tab-train")
    lab.page.select_option("#examples", example)
    lab.page.wait_for_selector(f"#net option:text-is('{net}')", state="attached", timeout=PATIENCE)
    lab.page.wait_for_timeout(600)
    lab.page.click("#lab-reset")
    lab.until("#lab-state", "fresh")
    losses = []
    for step in range(1, 6):
        lab.page.click("#lab-step")
        lab.until("#lab-state", f"step {step},")
        losses.append(float(lab.page.inner_text("#curve-text").split()[1].rstrip(",")))
    assert min(losses[1:]) < losses[0]


def test_training_offline(browser: Any, address: str) -> None:
    """What a training has loaded is kept: the next visit trains without a network."""
    context = browser.new_context()
    training = Training(context.new_page(), address)
    training.open()
    training.page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    training.page.click("#tab-train")
    training.page.click("#lab-step")
    training.until("#lab-state", "step 1")
    context.set_offline(True)
    training.page.reload()
    training.page.wait_for_selector("#table tbody tr", timeout=PATIENCE)
    training.page.click("#tab-train")
    training.page.click("#lab-step")
    training.until("#lab-state", "step 1")
    context.close()


@pytest.mark.slow  # SwiftShader computes on the processor, and compiles each operator
def test_graphics_processor(browser: Any, address: str) -> None:
    """LeNet-5 trains with WebGPU after one step agrees with that on the processor."""
    switches = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    other = browser.browser_type.launch(executable_path=which("chromium"), args=switches)
    training = Training(other.new_page(), address)
    training.open()
    assert training.page.input_value("#net") == "LeNet5"
    training.page.click("#tab-train")
    training.page.wait_for_selector("#lab-device", timeout=PATIENCE)
    training.page.select_option("#lab-device", "webgpu")
    state = training.until("#lab-state", "the largest difference of a step is")
    found = re.match(r"the largest difference of a step is (\S+) of", state)
    assert found is not None
    assert float(found[1]) < 1e-3
    training.page.click("#lab-step")
    training.until("#lab-state", "step 1")
    assert float(training.page.inner_text("#curve-text").split()[1].rstrip(",")) > 0
    other.close()
