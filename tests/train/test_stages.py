"""Nets in stages: how they are divided, and training them in several real processes."""

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import netdsl
from netdsl.cli import run
from netdsl.config import SettingCall
from netdsl.errors import SettingError
from netdsl.train.finite import Watch
from netdsl.train.fit import errors_of_section
from netdsl.train.identity import RunIdentity, check_equal, settings_of
from netdsl.train.launched import check_processes
from netdsl.train.pipeline import passes_of
from netdsl.train.processes import Processes
from netdsl.train.staged import module_of
from netdsl.train.stages import Stage, check_stages, micro_batches_of, said_of, stages_of
from tests.support.together import Started, together
from tests.support.training import config

NET = """net Small {
    input image: 1x28x28
    features: { conv(4, 5, stride = 2) -> relu -> conv(6, 3, stride = 2) -> relu }
    flatten
    middle: { dense(20) -> relu }
    classifier: dense(10)
    output logits: identity
}
train Small {
    data = npz("small.npz", test = 0.02)
    augment = [random_crop(28, pad = 2), hflip]
    optimizer = sgd(lr = [(classifier, 0.05), (rest, 0.1)], momentum = 0.9, weight_decay = 1e-4)
    schedule = cosine
    clip_norm = 0.1
    gradient_norms = true
    epochs = 1
    batch = 40
}
"""
SKIP = """net Small {
    input image: 1x28x28
    stem: conv(4, 5, stride = 4) -> relu
    a: { conv(4, 3, pad = 1) -> relu }
    b: { conv(4, 3, pad = 1) -> relu }
    add(@stem) -> relu -> add(@a) -> flatten
    head: dense(10)
    output logits: identity
}
train Small {
    data = npz("small.npz", test = 0.8)
    accumulate = 2
    epochs = 3
    batch = 50
}
"""
TWO, THREE = "[features, (middle, classifier)]", "[features, middle, classifier]"


def fill(folder: Path) -> None:
    """Write the net, and images whose class is the position of a bright column."""
    rng = np.random.default_rng(0)
    labels = np.arange(2040) % 10
    images = rng.integers(0, 100, (len(labels), 1, 28, 28), np.uint8)
    images[np.arange(len(labels)), :, :, 2 * labels + 4] += 120
    np.savez(folder / "small.npz", x=images, y=labels)
    (folder / "small.net").write_text(NET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, float]], Path]:
    """The records of the run in one process, and its checkpoint."""
    folder = tmp_path_factory.mktemp("one")
    fill(folder)
    return trained(folder, "out", "[]"), folder / "out" / "checkpoint.safetensors"


def words(out: str, stages: str, *more: str, **settings: object) -> list[str]:
    """The command that trains the net of the folder."""
    given = {"stages": stages, **settings}
    pairs = [word for name, value in given.items() for word in ("--set", f"train.{name}={value}")]
    return ["train", "small.net", "--out", out, "--timeout", "30", *pairs, *more]


def trained(
    folder: Path, out: str, stages: str, *more: str, **settings: object
) -> list[dict[str, float]]:
    """The records of the epochs of a run in a process for each stage."""
    count = max(1, len(re.sub(r"\([^)]*\)", "x", stages).split(",")))
    for rank, own in enumerate(together(folder, count, *words(out, stages, *more, **settings))):
        assert own.code == 0, f"process {rank}: {own.messages}"
    return [json.loads(line) for line in (folder / out / "log.jsonl").read_text().splitlines()]


def assert_equal(expected: list[dict[str, float]], actual: list[dict[str, float]]) -> None:
    """Two runs have the same results, except for the order of sums."""
    for one, other in zip(expected, actual, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            if key not in ("seconds", "images_per_second"):
                assert other[key] == pytest.approx(one[key], rel=1e-4, abs=1e-6), key


@pytest.mark.parametrize(
    ("stages", "settings"),
    [(TWO, {"micro_batches": 4}), (THREE, {"micro_batches": 7})],
    ids=["two", "three"],
)
def test_several_stages_have_the_losses_of_one_process(
    folder: Path,
    one: tuple[list[dict[str, float]], Path],
    stages: str,
    settings: dict[str, object],
) -> None:
    """After 50 steps, also in the checkpoint, and with batches that cannot be divided evenly."""
    expected, path = one
    assert_equal(expected, trained(folder, "out", stages, **settings))
    whole, own = load_file(path), load_file(folder / "out" / "checkpoint.safetensors")
    assert own.keys() == whole.keys()
    for name, value in whole.items():
        torch.testing.assert_close(own[name], value, rtol=1e-3, atol=1e-5, msg=name)
    output = (folder / "0.out").read_text()
    assert "process 0: stage `features`, 326 parameters" in output
    assert f"in {settings['micro_batches']} micro-batches" in output


def test_a_run_goes_on_in_other_stages(folder: Path) -> None:
    """Two stages, then one process, then three stages: as in one process from the start.

    Values skip a stage, and the averages, frozen weights and Adam's state move along.
    """
    (folder / "small.net").write_text(SKIP)
    settings = {"ema": 0.9, "freeze": "[b]", "schedule": "constant", "optimizer": "adam"}
    expected = trained(folder, "whole", "[]", **settings, epochs=3)
    stages = "[(stem, a), (b, head)]", "[]", "[stem, a, (b, head)]"
    for epoch, own in enumerate(stages, start=1):
        found = trained(folder, "out", own, "--resume", **settings, epochs=epoch)
    assert_equal(expected, found)
    whole, own = (load_file(folder / out / "weights.safetensors") for out in ("whole", "out"))
    for name, value in whole.items():
        torch.testing.assert_close(own[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_a_signal_to_any_stage_ends_the_run_with_a_checkpoint(folder: Path) -> None:
    started = Started(folder, 2, words("out", TWO, epochs=100))
    end = time.monotonic() + 60
    while "epoch   1/100" not in started.output() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(started.processes[1].pid or 0, signal.SIGTERM)
    first, second = started.ended()
    assert (first.code, second.code) == (143, 143), first.messages + second.messages
    assert (folder / "out" / "checkpoint.safetensors").exists()


def test_a_loss_that_is_not_finite_is_told_once(folder: Path) -> None:
    """All processes say the same, which is what one process says."""
    rates = "[(features, 1e-5), (rest, 1e30)]"
    ended = together(folder, 2, *words("out", TWO, **{"optimizer.lr": rates}))
    assert [own.code for own in ended] == [1, 1]
    messages = "".join(own.messages for own in ended)
    assert messages.count("error[diverged]: the training loss is nan in step 2") == 1, messages
    assert "come from layer `classifier`" in messages


def test_nproc_has_the_number_of_the_stages(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any process starts, at the place of the stages."""
    text = (
        (folder / "small.net").read_text().replace("epochs = 1", f"epochs = 1\n    stages = {TWO}")
    )
    (folder / "small.net").write_text(text)
    monkeypatch.chdir(folder)
    assert run(["train", "small.net", "--nproc", "3"]) == 1
    message = capsys.readouterr().err
    assert "`stages` has 2 stages, but there are 3 processes\n  --> small.net:" in message
    assert "--nproc 2" in message


def test_the_processes_are_as_many_as_the_stages(folder: Path) -> None:
    """In processes that have met, the error is printed once."""
    ended = together(folder, 2, *words("out", THREE))
    messages = "".join(own.messages for own in ended)
    assert [own.code for own in ended] == [1, 1]
    assert messages.count("`stages` has 3 stages, but there are 2 processes") == 1, messages


# ---- without processes


def labels(text: str) -> list[object]:
    """A list of stages as the reader of a section gives it: `a b+c`."""
    own = [[SettingCall(name) for name in stage.split("+")] for stage in text.split()]
    return [stage[0] if len(stage) == 1 else stage for stage in own]


def divided(text: str, stages: str, **settings: object) -> list[Stage]:
    """The stages of a net; raises what `check` reports."""
    graph = netdsl.loads(text).graph
    setup = config(stages=labels(stages), **settings)
    check_stages(graph, setup)
    return stages_of(graph, setup)


def test_layers_without_weights_belong_to_the_stage_before_them() -> None:
    """A value that skips a stage passes through it."""
    stages = divided(SKIP, "stem a b+head")
    names = [[node.name for node in stage.nodes] for stage in stages]
    assert names == [["stem", "1"], ["a.0", "a.1"], ["b.0", "b.1", "4", "5", "6", "7", "head"]]
    assert [[value.name for value in stage.gives] for stage in stages] == [
        ["stem", "1"],
        ["stem", "a.1"],
        ["head"],
    ]
    assert stages[1].takes == stages[0].gives


def test_the_stages_of_a_net_compute_what_it_computes() -> None:
    """AlexNet of the library, with a small input, in the stages of its two forms."""
    for name, size, stages in (
        ("AlexNetOneTower", 63, "features classifier"),
        ("AlexNet", 67, "conv1+conv2+conv3+conv4+conv5 fc6+fc7+fc8"),
    ):
        net = netdsl.load(f"alexnet:{name}", size=size, classes=3)
        whole = net.torch().eval()
        values = (torch.rand(2, 3, size, size),)
        expected = whole(*values)
        names = []
        for stage in stages_of(net.graph, config(stages=labels(stages))):
            module = module_of(whole, net.graph, stage).eval()
            names += module.state_dict()
            result = module(*values)
            values = result if isinstance(result, tuple) else (result,)
        assert names == list(whole.state_dict())
        assert torch.equal(values[0], expected)


def test_a_frozen_layer_stays_frozen_in_its_stage() -> None:
    net = netdsl.loads(
        NET.replace("relu -> conv", "relu -> frozen -> conv").replace(
            "conv(4, 5, stride = 2) -> relu -> frozen", "conv(4, 5, stride = 2) -> frozen -> relu"
        )
    )
    stage = stages_of(net.graph, config(stages=labels("features middle+classifier")))[0]
    module = module_of(net.torch(), net.graph, stage)
    assert [p.requires_grad for p in module.parameters()] == [False, False, True, True]


TIED = """net Tied {
    input words: 12 int64
    emb: embedding(20, 8)
    body: { dense(8) -> relu }
    head: dense(20, weight = @emb.weight)
    output y: identity
}"""
TWICE = """net Twice {
    input x: 3x8x8
    a: conv(3, 3, pad = 1)
    b: conv(3, 3, pad = 1)
    a -> gap -> flatten
    output y: dense(3)
}"""
HEAD = """net Head {
    input x: 3x8x8
    a: conv(3, 3, pad = 1)
    aux side { gap -> flatten -> dense(3) }
    gap -> flatten
    output y: dense(3)
}"""
WORDS = """net Words {
    input words: 12 int64
    emb: embedding(20, 8)
    b: dense(8)
    @words -> more: embedding(20, 8) -> add(@b)
    output y: dense(3)
}"""
FROZEN = NET.replace("relu -> conv(6, 3, stride = 2)", "frozen -> relu -> conv(6, 3) -> frozen")


@pytest.mark.parametrize(
    ("text", "stages", "code", "message"),
    [
        (NET, "feature middle classifier", "unknown-layer", "no label `feature` at its top level"),
        (NET, "features features", "bad-stages", "`stages` has `features` twice"),
        (NET, "features.0 classifier", "bad-stages", "`features.0` is inside `features`"),
        (NET, "features classifier", "bad-stages", "leaves out `middle`, which has weights"),
        (NET, "middle+classifier features", "bad-stages", "has `features` after `classifier`, but"),
        (FROZEN, "features middle+classifier", "bad-stages", "`features` has no weights that are"),
        (TIED, "emb body+head", "bad-stages", "uses `emb.weight` of stage `emb`"),
        (TWICE, "a b+y", "bad-stages", "`a@2` in stage `b` to `y` uses `a.weight` of stage `a`"),
        (HEAD, "a y", "bad-stages", "`Head` has the auxiliary head `side`, which"),
        (WORDS, "emb b+more+y", "bad-stages", "`words` of stage `emb` is used in a later stage"),
    ],
)
def test_wrong_stages_are_refused(text: str, stages: str, code: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        divided(text, stages)
    assert message in caught.value.message
    assert (caught.value.code, caught.value.key) == (code, "stages")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strategy", SettingCall("sharded")),
        ("sync_bn", True),
        ("precision", SettingCall("fp16")),
        ("compile", True),
        ("micro_batches", 17),
    ],
)
def test_settings_that_stages_do_not_permit_are_named(key: str, value: object) -> None:
    """The batch has 32 samples, so 17 micro-batches would have less than 2."""
    with pytest.raises(SettingError) as caught:
        divided(SKIP, "stem a+b+head", **{key: value})
    assert (caught.value.code, caught.value.key) == ("bad-argument", key)
    assert f"`{key}` is " in caught.value.message


def test_a_stage_with_only_frozen_weights_is_refused() -> None:
    with pytest.raises(SettingError, match="stage `stem` has no weights that are trained"):
        divided(SKIP, "stem a+b+head", freeze=[SettingCall("stem")])
    divided(SKIP, "stem a+b+head", freeze=[SettingCall("bias")])


class Second(Processes):
    """The second of three processes; the others find nothing, or find a later layer."""

    def texts(self, text: str) -> list[str]:
        return ["", text, "late.weight"]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values


@pytest.mark.parametrize(("wrong", "named"), [(True, "weight"), (False, "late.weight")])
def test_all_processes_name_the_first_number_that_is_not_finite(wrong: bool, named: str) -> None:
    """A process whose own weights are finite ends with the others, for the same reason."""
    module = torch.nn.Linear(2, 2)
    if wrong:
        torch.nn.init.constant_(module.weight, torch.nan)
    watch = Watch(module, 1.0, Second(1, 3))
    with pytest.raises(SettingError, match=f"`{named}` has numbers that are not finite in"):
        watch.check_stored("in a test")
    if wrong:
        module.weight.grad = torch.full_like(module.weight, torch.nan)
        # Gradients go backwards: that of the last stage was wrong first.
        with pytest.raises(SettingError, match=r"gradient of `late\.weight` has numbers that are"):
            watch.check(torch.ones(()), "here")


class Both(Processes):
    """Two processes, of which the first has said what is asked first."""

    first = ""

    def texts(self, text: str) -> list[str]:
        self.first = self.first or text
        return [self.first, text]


@pytest.mark.parametrize(
    ("settings", "may_differ"), [({"micro_batches": 5}, False), ({"workers": 2}, True)]
)
def test_processes_have_the_same_stages(settings: dict[str, object], may_differ: bool) -> None:
    """Otherwise they would wait for each other; a checkpoint, however, fits other stages."""
    one, other = config(stages=labels("a b")), config(stages=labels("a b"), **settings)
    assert settings_of(one) == settings_of(other) == settings_of(config())
    identity: RunIdentity = {"net": {}, "settings": settings_of(one), "data": ""}
    processes = Both(0, 2)
    check_equal(processes, identity, one)
    expected = contextlib.nullcontext()
    if not may_differ:
        expected = pytest.raises(SettingError, match="the settings of process 1 of 2")
    with expected:
        check_equal(processes, identity, other)


def test_each_stage_needs_a_process() -> None:
    setup = config(stages=labels("a b+c"))
    for count, found in ((1, "there is 1 process"), (3, "there are 3 processes")):
        with pytest.raises(SettingError, match=f"`stages` has 2 stages, but {found}") as caught:
            check_processes(setup, count)
        assert "--nproc 2" in str(caught.value.help)
    check_processes(setup, 2)


def test_check_finds_wrong_stages_at_their_place() -> None:
    """`netdsl check` reports them in the list of the section."""
    text = NET.replace("batch = 40", "batch = 40\n    stages = [features, midle, classifier]")
    [error] = errors_of_section(netdsl.loads(text)._compiled)
    assert error.code == "unknown-layer"
    assert error.span is not None
    assert error.span.text == "midle"
    assert error.help == "did you mean `middle`?"


def test_micro_batches_have_nearly_the_same_size() -> None:
    """Every sample is in one of them, and none has a single sample."""
    for samples in range(1, 50):
        for most in range(1, 20):
            passes = list(passes_of(samples, most))
            assert [own.end for own in passes[:-1]] == [own.start for own in passes[1:]]
            assert (passes[0].start, passes[-1].end) == (0, samples)
            sizes = [(own.end - own.start) / own.micro_batches for own in passes]
            assert all(size == int(size) >= min(2, samples) for size in sizes)
            assert max(sizes) - min(sizes) <= 1
            assert sum(own.micro_batches for own in passes) == max(1, min(most, samples // 2))


def test_four_micro_batches_for_each_stage_unless_the_batch_is_small() -> None:
    assert micro_batches_of(config(stages=labels("a b c"), batch=128)) == 12
    assert micro_batches_of(config(stages=labels("a b c"), batch=9)) == 4
    assert micro_batches_of(config(stages=labels("a b c"), batch=1)) == 1
    assert micro_batches_of(config(stages=labels("a b c"), micro_batches=5)) == 5


def test_a_run_in_stages_says_what_differs_from_one_process() -> None:
    text = SKIP.replace("stride = 4) -> relu", "stride = 4) -> bn -> dropout").replace(
        "stem: conv", "stem: { conv"
    )
    text = text.replace("dropout\n", "dropout }\n")
    setup = config(stages=labels("stem a+b+head"))
    graph = netdsl.loads(text).graph
    assert said_of(graph, stages_of(graph, setup), setup) == [
        "process 0: stage `stem`, 112 parameters",
        "process 1: stage `a` to `head`, 1,746 parameters",
        "each batch of 32 passes through the stages in 8 micro-batches",
        "batch norms use the statistics of a micro-batch, not of the whole batch",
        "dropout draws other numbers than in one process",
    ]
