"""The configuration that a `train` section gives, with its defaults and its errors."""

import math

import pytest

from netdsl.config import SettingCall
from netdsl.data.metrics import Accuracy
from netdsl.train import settings
from netdsl.train.config import TrainConfig
from netdsl.train.recipe.losses import CrossEntropy
from netdsl.train.recipe.optimizers import SGD
from netdsl.train.recipe.schedules import Cosine, MultiStep
from tests.support.training import checked, fails

AUGMENT = [
    SettingCall("random_crop", (8, 1)),
    SettingCall("hflip"),
    SettingCall("rotation", (10,)),
    SettingCall("random_erasing"),
]


def test_empty_section_has_the_defaults() -> None:
    setup = TrainConfig()
    assert setup.data == SettingCall("fashion_mnist_sample")
    assert setup.optimizer == SGD(lr=0.05, momentum=0.9)
    assert setup.schedule == Cosine(warmup=0)
    assert (setup.epochs, setup.batch, setup.metrics) == (10, 128, (Accuracy(top=1),))


def test_section_is_read() -> None:
    section: dict[str, object] = {
        "data": SettingCall("cifar10", (), {"root": "x"}),
        "augment": AUGMENT,
        "loss": SettingCall("cross_entropy", (), {"label_smoothing": 0.1}),
        "optimizer": SettingCall("sgd", (1,), {"nesterov": True, "momentum": 0.9}),
        "schedule": SettingCall("multistep", (), {"at": [2, 4]}),
        "metrics": [SettingCall("accuracy"), SettingCall("accuracy", (), {"top": 5})],
        "epochs": 3,
        "seed": 1,
    }
    setup = checked(section)
    assert setup.optimizer == SGD(1.0, 0.9, 0.0, True)
    assert setup.schedule == MultiStep((2, 4), 0.1)
    assert setup.augment[0] == settings.RandomCrop(8, 1)
    assert setup.loss == CrossEntropy(0.1)
    assert [m.key for m in setup.metrics] == ["accuracy", "top5_accuracy"]
    assert (setup.epochs, setup.seed, setup.batch) == (3, 1, 128)


@pytest.mark.parametrize(
    ("section", "code", "text"),
    [
        ({"epoch": 3}, "unknown-entry", "it is called `epochs` here"),
        (
            {"epochs": 0},
            "bad-argument",
            "`epochs` is 0; it must be an integer from 1 to 1,000,000,000",
        ),
        ({"epochs": 2.5}, "wrong-type", "2.5"),
        ({"batch": "many"}, "wrong-type", '"many"'),
        ({"data": 10}, "wrong-type", "for example"),
        ({"data": "cifar10"}, "wrong-type", "leave out the quotes: `cifar10`"),
        ({"optimizer": SettingCall("sdg", (0.1,))}, "unknown-optimizer", "did you mean `sgd`?"),
        ({"optimizer": SettingCall("sgd")}, "missing-argument", "needs the argument `lr`"),
        (
            {"optimizer": SettingCall("sgd", (0.1,), {"nesterov": True})},
            "bad-argument",
            "`momentum` is 0",
        ),
        (
            {"optimizer": SettingCall("adam", (), {"lr": 0})},
            "bad-argument",
            "0; it must be a number above 0",
        ),
        ({"optimizer": SettingCall("adam", (), {"lr": math.nan})}, "wrong-type", "nan"),
        (
            {"schedule": SettingCall("multistep", ([4, 2],))},
            "bad-argument",
            "[4, 2]; it must be a list of increasing integers",
        ),
        (
            {"loss": SettingCall("mse", (), {"gamma": 1})},
            "unknown-argument",
            "takes no arguments",
        ),
        ({"augment": SettingCall("hflip")}, "wrong-type", "must be a list"),
        ({"clip_norm": 0}, "bad-argument", "leave it out: gradients are not limited"),
        ({"accumulate": 0}, "bad-argument", "leave it out: each batch is a step"),
        ({"schedule": SettingCall("reduce_on_plateau")}, "unknown-schedule", "called `plateau`"),
        ({"weights": SettingCall("imagenet")}, "wrong-type", "netdsl has no trained weights"),
        ({"augment": [SettingCall("flip")]}, "unknown-augmentation", "`hflip`"),
        (
            {"augment": [SettingCall("flip"), SettingCall("hflip"), SettingCall("ToTensor")]},
            "unknown-augmentation",
            "; `ToTensor`: leave it out",
        ),
        ({"augment": [SettingCall("normalize", ([0.5], [0]))]}, "bad-argument", "above 0"),
        ({"metrics": [SettingCall("accuracy", (0,))]}, "bad-argument", "from 1 to"),
        ({"loss": SettingCall("cross_entropy", (1.5,))}, "bad-argument", "at least 0 and below 1"),
        (
            {"loss": SettingCall("cross_entropy", (), {"weights": [0, 0]})},
            "bad-argument",
            "[0, 0]; it must be `balanced`, or a list of numbers of at least 0, one",
        ),
        ({"loss": SettingCall("bce", (1, 2))}, "wrong-type", "write a list: `bce([1, 2])`"),
        (
            {"loss": SettingCall("bce", (), {"weights": SettingCall("equal")})},
            "bad-argument",
            "`equal`; it must be `balanced`",
        ),
        (
            {"optimizer": SettingCall("adam", (), {"betas": [0.9, 1]})},
            "bad-argument",
            "[0.9, 1]; it must be a list of two numbers of at least 0 and below 1",
        ),
        ({"optimizer": SettingCall("adam", (), {"betas": [0.9]})}, "wrong-type", "[0.9]; it must"),
        (
            {"optimizer": SettingCall("adam", (), {"beta1": 0.9})},
            "unknown-argument",
            "[0.9, 0.999]",
        ),
        ({"optimizer": SettingCall("adamw", (), {"epsilon": 1})}, "unknown-argument", "`eps` here"),
        ({"optimizer": SettingCall("sgd", (0.1,), {"eps": 1})}, "unknown-argument", "leave it out"),
        ({"ema": SettingCall("none")}, "wrong-type", "no average of the weights is kept"),
        ({"stages": [SettingCall("none")]}, "bad-argument", "leave it out: the net is not divided"),
        ({"freeze": [False]}, "wrong-type", "leave it out: all weights are trained"),
        ({"schedule": False}, "unknown-schedule", "it is called `constant` here"),
        (
            {"optimizer": SettingCall("sgd", (0.1,), {"momentum": SettingCall("none")})},
            "wrong-type",
            "leave it out for none",
        ),
        (
            {"schedule": SettingCall("ReduceLROnPlateau", (), {"factor": 0.5, "patience": 3})},
            "unknown-schedule",
            "it is called `plateau` here: write `plateau(gamma = 0.5, patience = 3)`",
        ),
        (
            {"schedule": SettingCall("StepLR", (SettingCall("optimizer"), 30, 0.1))},
            "unknown-schedule",
            "write `step(30, 0.1)`",
        ),
        (
            {"schedule": SettingCall("StepLR", (), {"gamma": 0.5})},
            "unknown-schedule",
            "write `step(every = 30, gamma = 0.5)`",
        ),
        (
            {"schedule": SettingCall("OneCycleLR", (), {"max_lr": 0.1, "pct_start": 0.2})},
            "unknown-schedule",
            "write `one_cycle(rise = 0.2)`; `max_lr`: leave it out: the highest rate is the `lr`",
        ),
        (
            {"optimizer": SettingCall("SGD", (), {"learning_rate": 0.1, "mom": 0.9})},
            "unknown-optimizer",
            "write `sgd(lr = 0.1, momentum = 0.9)`",
        ),
        (
            {"optimizer": SettingCall("adam", (), {"learning_rate": 0.1, "epsilon": 1e-7})},
            "unknown-argument",
            "write `adam(lr = 0.1, eps = 1e-07)`",
        ),
        (
            {"loss": SettingCall("MSELoss", (), {"reduction": "mean"})},
            "unknown-loss",
            "write `mse`; `mse` takes no arguments",
        ),
        ({"loss": SettingCall("CTCLoss")}, "unknown-loss", "netdsl has no such loss"),
        (
            {"augment": [SettingCall("resize", (256,)), SettingCall("grayscale")]},
            "unknown-augmentation",
            'as they are read: `folder("DIR", size = 64)`; `grayscale`: leave it out: `folder(',
        ),
        (
            {"augment": [SettingCall("to_tensor"), SettingCall("rescale")]},
            "unknown-augmentation",
            "`to_tensor` and `rescale`: leave it out",
        ),
    ],
)
def test_wrong_sections_are_explained(section: dict[str, object], code: str, text: str) -> None:
    error = fails(code, section)
    assert text in f"{error.message} {error.help}"
