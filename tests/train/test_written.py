"""Settings as texts: what is written for a run gives the same settings again."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import netdsl
from netdsl.config import SettingCall, text_of
from netdsl.driver import compile_net, program_of
from netdsl.source import SourceFile
from netdsl.train.config import KINDS, LISTS, TrainConfig
from netdsl.train.section import read_config
from netdsl.train.written import section_text, texts_of_config
from tests.support.training import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

NET = "net A { input image: 1x28x28\nflatten\noutput logits: dense(10) }\n"
# A value for each argument that has no default.
NEEDED = {
    "lr": 1e-05,
    "every": 3,
    "gamma": 0.5,
    "range": [0.8, 1.2],
    "share": 0.1,
    "kernel": 3,
    "at": [2, 5],
    "size": 28,
    "degrees": 7.5,
    "mean": [0.1],
    "std": [0.25],
    "momentum": 0.9,
    "nesterov": True,
}


def calls(key: str) -> Iterator[SettingCall]:
    """Each name that an entry takes, with the arguments that it needs."""
    for name, target in KINDS[key][1].items():
        parameters = inspect.signature(target).parameters.values()
        yield SettingCall(
            name, (), {p.name: NEEDED[p.name] for p in parameters if p.name in NEEDED}
        )


def again(config: TrainConfig) -> TrainConfig:
    """The settings that a section with the texts of a configuration has."""
    texts = texts_of_config(config)
    program = program_of(SourceFile("a.net", NET + section_text("A", texts)))
    of_section = read_config(compile_net(program, "A"))
    bare = compile_net(program_of(SourceFile("a.net", NET)), "A")
    data = texts.pop("data")
    assert read_config(bare, data, texts) == of_section
    return of_section


def test_defaults_are_written_too() -> None:
    """A text has every argument, so that it means the same when a default changes."""
    texts = texts_of_config(TrainConfig())
    config = TrainConfig()
    assert list(texts) == [n for n in config.__dataclass_fields__ if getattr(config, n) is not None]
    assert texts["optimizer"].startswith("sgd(lr = 0.05, momentum = 0.9, weight_decay = 0.0, ")
    assert texts["schedule"] == "cosine(warmup = 0.0, end = 0.0, by = step)"
    assert again(TrainConfig()) == TrainConfig()


def test_every_name_is_written_as_it_is_read() -> None:
    """Every loss, optimizer, schedule, augmentation and metric gives the same setting again, in a
    section and as an option.
    """
    count = 0
    for key in KINDS:
        for call in calls(key):
            config = checked({key: [call] if key in LISTS else call})
            assert again(config) == config, call
            count += 1
    assert count >= 14


def test_data_and_lists() -> None:
    """Folders with blanks and backslashes, and lists, are written as they are read."""
    root = "my data\\ä\\'new' # 1"
    config = checked(
        {
            "data": SettingCall("mnist", (), {"root": root, "pad": 2}),
            "augment": [SettingCall("hflip"), SettingCall("random_crop", (28, 2))],
            "metrics": [SettingCall("accuracy"), SettingCall("accuracy", (5,))],
            "epochs": 3,
        }
    )
    assert again(config) == config


def test_pairs() -> None:
    """Losses of outputs, rates of layers, and plain words are written as they are read."""
    config = checked(
        {
            "loss": [[SettingCall("logits"), SettingCall("cross_entropy"), 0.5]],
            "optimizer": SettingCall("adam", (), {"lr": [[SettingCall("d1"), 0.1]]}),
            "precision": SettingCall("bf16"),
            "freeze": [SettingCall("d1")],
            "unfreeze": [[SettingCall("d1"), 2]],
        }
    )
    texts = texts_of_config(config)
    assert texts["loss"] == ("[(logits, cross_entropy(label_smoothing = 0.0, weights = []), 0.5)]")
    assert texts["unfreeze"] == "[(d1, 2.0)]"
    assert again(config) == config


def test_a_call_inside_a_call() -> None:
    """A call is a named tuple, and is not written as a list."""
    inner = SettingCall("inner", (1, True), {"c": [0.5, "x"]})
    assert text_of([inner]) == '[inner(1, true, c = [0.5, "x"])]'
    assert str(SettingCall("outer", (inner,))) == 'outer(inner(1, true, c = [0.5, "x"]))'


def test_the_library_is_written_as_it_is_read() -> None:
    """The section of a library's net gives the same settings again."""
    config = read_config(netdsl.load("resnet:CifarResNet20")._compiled)
    assert again(config) == config
