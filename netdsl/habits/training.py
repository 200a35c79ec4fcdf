"""What other tools call the entries of a `train` section, their values and arguments.

The keys are squeezed by `squeezed`: small letters and digits only.
"""

from __future__ import annotations

import re

# Entries, and their names here.
ENTRIES = {
    **dict.fromkeys(("batchsize", "bs", "batches", "minibatch"), "batch"),
    **dict.fromkeys(("numepochs", "nepochs", "maxepochs", "epoch", "ep", "niter"), "epochs"),
    **dict.fromkeys(("dataset", "traindata", "trainset"), "data"),
    **dict.fromkeys(("criterion", "lossfn", "lossfunction", "objective"), "loss"),
    **dict.fromkeys(("scheduler", "lrscheduler", "lrschedule", "lrpolicy"), "schedule"),
    **dict.fromkeys(("augmentation", "augmentations", "transforms", "transform"), "augment"),
    **dict.fromkeys(("optim", "opt", "solver"), "optimizer"),
    **dict.fromkeys(("randomseed", "manualseed", "rng", "randomstate"), "seed"),
    **dict.fromkeys(("metric",), "metrics"),
}
# Entries that are arguments here, and the entry whose call has them.
ARGUMENTS = {
    **dict.fromkeys(("lr", "momentum", "weight_decay", "nesterov"), "optimizer"),
    **dict.fromkeys(("warmup", "gamma", "every", "at"), "schedule"),
    **dict.fromkeys(("root", "pad"), "data"),
    "label_smoothing": "loss",
    "top": "metrics",
}
_NO_DEVICE = "leave it out, and name the device in the command: `netdsl train FILE --device cuda`"
_SHUFFLED = "leave it out: the images are in memory, and shuffled in every epoch"
# Entries that have no counterpart here, and what to do instead.
REMOVED_ENTRIES = {
    **dict.fromkeys(("device", "gpu", "gpus", "cuda", "accelerator"), _NO_DEVICE),
    **dict.fromkeys(("shuffle", "workers", "numworkers", "pinmemory", "droplast"), _SHUFFLED),
    **dict.fromkeys(
        ("verbose", "progress", "logging"),
        "leave it out: `netdsl train` prints a line for each epoch, and none with `--quiet`",
    ),
    **dict.fromkeys(
        ("validationsplit", "valsplit", "validation", "val", "validationdata", "testdata"),
        "leave it out: every epoch ends with a test on the test images of the data",
    ),
    **dict.fromkeys(
        ("numclasses", "classes", "nclasses"),
        "leave it out: the net's output has one number for each class, `dense(10)`",
    ),
    **dict.fromkeys(
        ("input", "inputshape", "inputsize", "imagesize", "imgsize"),
        "leave it out: the sizes are in the net's `input`, such as `input image: 1x28x28`",
    ),
    **dict.fromkeys(
        ("out", "output", "outputdir", "savedir", "logdir", "checkpoint"),
        "leave it out, and name the folder in the command: `netdsl train FILE --out DIR`",
    ),
    **dict.fromkeys(
        ("resume",), "leave it out, and write in the command: `netdsl train FILE --resume`"
    ),
}
# Values by the kind of entry, and their names here.
VALUES: dict[str, dict[str, str]] = {
    "loss": {
        **dict.fromkeys(
            (
                *("crossentropyloss", "categoricalcrossentropy", "sparsecategoricalcrossentropy"),
                *("crossentropy", "softmaxcrossentropy", "softmaxcrossentropywithlogits", "xent"),
                *("softmaxloss", "softmaxwithloss", "ce", "celoss"),
            ),
            "cross_entropy",
        ),
        **dict.fromkeys(("mseloss", "meansquarederror", "l2", "l2loss", "euclidean"), "mse"),
    },
    "optimizer": {
        **dict.fromkeys(("stochasticgradientdescent", "gradientdescent", "gd"), "sgd"),
        "adamoptimizer": "adam",
    },
    "schedule": {
        **dict.fromkeys(("cosineannealinglr", "cosineannealing", "cosinedecay", "cos"), "cosine"),
        **dict.fromkeys(("steplr", "stepdecay"), "step"),
        **dict.fromkeys(("multisteplr", "multistepdecay", "piecewiseconstantdecay"), "multistep"),
        **dict.fromkeys(("constantlr", "none", "fixed", "const"), "constant"),
    },
    "metric": dict.fromkeys(("acc", "accuracies", "categoricalaccuracy", "top1"), "accuracy"),
    "augmentation": {
        **dict.fromkeys(
            ("randomhorizontalflip", "horizontalflip", "fliplr", "flip", "mirror"), "hflip"
        ),
        **dict.fromkeys(("crop", "randomresizedcrop"), "random_crop"),
        **dict.fromkeys(("cutout", "erasing"), "random_erasing"),
        **dict.fromkeys(("rotate", "randomrotation", "randomrotate"), "rotation"),
        **dict.fromkeys(("normalise", "normalization"), "normalize"),
    },
    "dataset": {"fmnist": "fashion_mnist", "cifar": "cifar10"},
}
_SCORES = "a classifier is trained with `loss = cross_entropy`, whose input is the net's scores"
_BINARY = (
    "no loss is for a single score: end the net with a score for each class, without `sigmoid`, and"
    " write `loss = cross_entropy`"
)
_ADAPTIVE = "write `optimizer = adam(lr = 0.001)`, which also adapts the rate of every weight"
_NO_TENSORS = "leave it out: images are scaled to 0..1, and normalised after the augmentations"
# Values by the kind of entry that have no counterpart here, and what to write instead.
REMOVED_VALUES: dict[str, dict[str, str]] = {
    "loss": dict.fromkeys(
        ("bce", "bceloss", "bcewithlogits", "bcewithlogitsloss", "binarycrossentropy"), _BINARY
    )
    | dict.fromkeys(
        (*("nll", "nllloss", "hinge", "focal", "focalloss", "kldivloss", "kldivergence"),),
        _SCORES,
    ),
    "optimizer": dict.fromkeys(
        ("rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "lamb", "lion"), _ADAPTIVE
    )
    | {
        "momentum": "it is an argument of `sgd`: `optimizer = sgd(lr = 0.1, momentum = 0.9)`",
        "nesterov": "it is an argument of `sgd`: `sgd(lr = 0.1, momentum = 0.9, nesterov = true)`",
    },
    "schedule": {
        **dict.fromkeys(
            ("exponential", "exponentiallr", "exponentialdecay"),
            "write `step(every = 1, gamma = 0.9)`, which multiplies the rate in every epoch",
        ),
        **dict.fromkeys(
            ("onecycle", "onecyclelr", "warmup", "linearwarmup", "cosinewarmup", "linear"),
            "write `cosine(warmup = 5)`: the rate rises for 5 epochs, then falls to 0",
        ),
        **dict.fromkeys(
            ("reducelronplateau", "plateau"),
            "name the epochs: `multistep(at = [30, 60], gamma = 0.1)`",
        ),
    },
    "metric": {
        **dict.fromkeys(
            ("top5", "top5accuracy", "topkaccuracy", "topk", "topkcategoricalaccuracy"),
            "write `accuracy(top = 5)`",
        ),
        **dict.fromkeys(
            ("loss", "crossentropy"), "leave it out: the loss is printed after every epoch"
        ),
    },
    "augmentation": {
        **dict.fromkeys(("totensor", "tofloat", "rescale", "resize"), _NO_TENSORS),
        **dict.fromkeys(("none", "no", "identity"), "leave out the entry `augment`"),
        **dict.fromkeys(
            ("compose", "sequential"), "write a list: `augment = [random_crop(28, pad = 4), hflip]`"
        ),
    },
}
# Arguments, and their names here: the first that the call has is meant.
RENAMED_ARGUMENTS = {
    **dict.fromkeys(("learningrate", "rate", "initiallr", "baselr", "alpha", "eta"), ("lr",)),
    **dict.fromkeys(("weightdecay", "wd", "decay", "l2"), ("weight_decay",)),
    **dict.fromkeys(("mom", "beta", "mu"), ("momentum",)),
    **dict.fromkeys(("stepsize", "period", "epochs", "step"), ("every",)),
    **dict.fromkeys(("milestones", "steps", "boundaries", "every"), ("at",)),
    **dict.fromkeys(("padding", "pads", "border"), ("pad",)),
    **dict.fromkeys(("path", "dir", "folder", "datadir", "directory"), ("root",)),
    **dict.fromkeys(("warmupepochs", "warmupsteps"), ("warmup",)),
    **dict.fromkeys(("labelsmoothing", "smoothing"), ("label_smoothing",)),
    **dict.fromkeys(("angle", "degree", "rotation"), ("degrees",)),
    **dict.fromkeys(("prob", "probability"), ("p",)),
    **dict.fromkeys(("k", "topk"), ("top",)),
    **dict.fromkeys(("cropsize", "outputsize", "height", "width"), ("size",)),
    **dict.fromkeys(("factor", "decayrate", "lrdecay"), ("gamma",)),
}
_USUAL = "leave it out: the usual numbers are used, 0.9 and 0.999, and 1e-8 for `eps`"
# Arguments that have no counterpart here, and what to do instead.
REMOVED_ARGUMENTS = {
    **dict.fromkeys(("betas", "beta1", "beta2", "eps", "epsilon", "amsgrad"), _USUAL),
    **dict.fromkeys(("params", "parameters", "model"), "leave it out: all weights are trained"),
    **dict.fromkeys(
        ("tmax", "totalepochs", "etamin", "lastepoch", "optimizer"),
        "leave it out: the rate follows the `epochs` of the section",
    ),
    **dict.fromkeys(
        ("download", "train", "transform", "split"),
        "leave it out: the training and the test images are read from the folder `root`",
    ),
    **dict.fromkeys(
        ("reduction", "fromlogits", "weight"),
        "leave it out: the loss is the mean over the images of a batch",
    ),
}
# Values of these arguments that training has without them.
_USUAL_VALUES = {
    "betas": r"[(\[]0?\.9, *0?\.999[)\]]",
    "beta1": r"0?\.90?",
    "beta2": r"0?\.999",
    "eps": "1e-0?8",
    "epsilon": "1e-0?8",
    "amsgrad": "[Ff]alse",
    "fromlogits": "[Tt]rue",
    "reduction": '"?mean"?',
}
# Values that show how an argument or an entry is written.
EXAMPLES = {
    "lr": "0.1",
    "momentum": "0.9",
    "weight_decay": "1e-4",
    "nesterov": "true",
    "warmup": "5",
    "every": "30",
    "gamma": "0.1",
    "at": "[30, 60]",
    "size": "28",
    "pad": "2",
    "p": "0.5",
    "degrees": "10",
    "mean": "[0.5]",
    "std": "[0.25]",
    "label_smoothing": "0.1",
    "top": "5",
    "root": '"DIR"',
    "epochs": "10",
    "batch": "128",
    "seed": "0",
}

# How the entries that name something are written.
CALLS = {
    "data": "fashion_mnist",
    "augment": "[random_crop(28, pad = 4), hflip]",
    "loss": "cross_entropy",
    "optimizer": "sgd(lr = 0.1, momentum = 0.9)",
    "schedule": "cosine(warmup = 5)",
    "metrics": "accuracy",
}


def is_usual(name: str, value: str, text: str) -> bool:
    """Whether training has this value of an argument without it; `text` is the whole file."""
    if squeezed(name) == "tmax":
        lengths: list[str] = re.findall(r"\bepochs\s*=\s*(\w+)", text)
        return lengths == [value]
    return re.fullmatch(_USUAL_VALUES.get(squeezed(name), "(?!)"), value) is not None


def squeezed(name: str) -> str:
    """A name without capitals and everything else that tools spell differently."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
