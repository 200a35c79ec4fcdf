"""What other tools call the entries of a `train` section and their arguments.

The keys are squeezed by `squeezed`: small letters and digits only.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from netdsl.config import SettingCall

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
    **dict.fromkeys(
        ("accumulategradbatches", "gradientaccumulationsteps", "accumulation", "accumsteps"),
        "accumulate",
    ),
    **dict.fromkeys(
        ("gradientclipval", "maxgradnorm", "clipgradnorm", "clip", "gradclip", "clipnorm"),
        "clip_norm",
    ),
    **dict.fromkeys(("clipgradvalue", "clipvalue"), "clip_value"),
    **dict.fromkeys(("earlystop", "earlystopping"), "early_stopping"),
    **dict.fromkeys(("mixedprecision", "dtype"), "precision"),
    **dict.fromkeys(("pretrained", "initialweights", "loadweights", "finetune"), "weights"),
    **dict.fromkeys(("emadecay", "modelema", "averaging"), "ema"),
    **dict.fromkeys(("frozen", "freezelayers"), "freeze"),
    **dict.fromkeys(("numthreads", "nthreads"), "threads"),
    **dict.fromkeys(("torchcompile",), "compile"),
    **dict.fromkeys(("saveperiod", "saveevery", "checkpointevery"), "checkpoint_epochs"),
    **dict.fromkeys(("numworkers", "nworkers"), "workers"),
}
# Entries that are arguments here, and the entry whose call has them.
ARGUMENTS = {
    **dict.fromkeys(("lr", "momentum", "weight_decay", "nesterov", "no_decay"), "optimizer"),
    **dict.fromkeys(("betas", "eps"), "optimizer"),
    **dict.fromkeys(("warmup", "gamma", "every", "at", "power", "patience"), "schedule"),
    **dict.fromkeys(("root", "pad", "val", "limit"), "data"),
    "label_smoothing": "loss",
    "top": "metrics",
}
_AMP = "name the type: `precision = bf16`, or `precision = fp16`"
_NO_DEVICE = "leave it out, and name the device in the command: `netdsl train FILE --device cuda`"
_SHUFFLED = "leave it out: the samples are shuffled in every epoch"
# Entries that have no counterpart here, and what to do instead.
REMOVED_ENTRIES = {
    **dict.fromkeys(("amp", "half", "fp16", "bf16"), _AMP),
    **dict.fromkeys(("device", "gpu", "gpus", "cuda", "accelerator"), _NO_DEVICE),
    **dict.fromkeys(("shuffle", "pinmemory", "droplast"), _SHUFFLED),
    **dict.fromkeys(
        ("verbose", "progress", "logging"),
        "leave it out: `netdsl train` prints a line for each epoch, and none with `--quiet`",
    ),
    **dict.fromkeys(
        ("validationsplit", "valsplit", "validation", "validationdata", "testdata"),
        "write it in the parentheses of the data: `data = fashion_mnist(val = 0.1)`",
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
        ("train", "training"),
        "leave it out: `netdsl train` trains, and `netdsl test` only tests",
    ),
    **dict.fromkeys(
        ("resume",), "leave it out, and write in the command: `netdsl train FILE --resume`"
    ),
}
# Arguments, and their names here: the first that the call has is meant.
RENAMED_ARGUMENTS = {
    **dict.fromkeys(("learningrate", "rate", "initiallr", "baselr", "alpha", "eta"), ("lr",)),
    **dict.fromkeys(("weightdecay", "wd", "decay", "l2"), ("weight_decay",)),
    **dict.fromkeys(("mom", "beta", "mu"), ("momentum",)),
    **dict.fromkeys(("stepsize", "period", "epochs", "step"), ("every",)),
    **dict.fromkeys(("milestones", "steps", "boundaries", "every"), ("at",)),
    **dict.fromkeys(("epsilon",), ("eps",)),
    **dict.fromkeys(("padding", "pads", "border"), ("pad",)),
    **dict.fromkeys(("path", "dir", "folder", "datadir", "directory"), ("root",)),
    **dict.fromkeys(("root", "rootdir"), ("path",)),
    **dict.fromkeys(("warmupepochs", "warmupsteps"), ("warmup",)),
    **dict.fromkeys(("labelsmoothing", "smoothing"), ("label_smoothing",)),
    **dict.fromkeys(("angle", "degree", "rotation"), ("degrees",)),
    **dict.fromkeys(("prob", "probability"), ("p",)),
    **dict.fromkeys(("k", "topk"), ("top",)),
    **dict.fromkeys(("cropsize", "outputsize", "height", "width"), ("size",)),
    **dict.fromkeys(("factor", "decayrate", "lrdecay"), ("gamma",)),
    **dict.fromkeys(("weight", "classweight", "classweights", "posweight"), ("weights",)),
    **dict.fromkeys(("ignoreindex", "ignorelabel"), ("ignore",)),
    **dict.fromkeys(("pctstart",), ("rise",)),
    **dict.fromkeys(("divfactor",), ("start_divisor",)),
    **dict.fromkeys(("finaldivfactor",), ("end_divisor",)),
    **dict.fromkeys(("lrf",), ("end",)),
    **dict.fromkeys(("valsplit", "validationsplit", "validation", "valfraction"), ("val",)),
    **dict.fromkeys(("testsplit", "testsize", "testfraction"), ("test",)),
    **dict.fromkeys(("imagesize", "imgsize", "targetsize", "resize"), ("size",)),
    **dict.fromkeys(("nclasses", "numclasses"), ("classes",)),
}
_OF_ADAM = "leave it out: `adam` and `adamw` have `betas` and `eps`, and `rmsprop` has `eps`"
# Arguments that have no counterpart here, and what to do instead.
REMOVED_ARGUMENTS = {
    **dict.fromkeys(("betas", "eps", "epsilon"), _OF_ADAM),
    **dict.fromkeys(("beta1", "beta2"), "the two decays are a list: `betas = [0.9, 0.999]`"),
    "amsgrad": "leave it out: netdsl has Adam without this variant",
    "maxlr": "leave it out: the highest rate is the `lr` of the optimizer",
    **dict.fromkeys(
        ("etamin", "minlr"),
        "write the share of the rate at which it ends: `cosine(end = 0.01)`",
    ),
    **dict.fromkeys(("params", "parameters", "model"), "leave it out: all weights are trained"),
    **dict.fromkeys(
        ("tmax", "t0", "totalepochs", "totalsteps", "stepsperepoch", "lastepoch", "optimizer"),
        "leave it out: the rate follows the `epochs` of the section",
    ),
    **dict.fromkeys(
        ("download", "train", "split"),
        "leave it out: the training and the test images are read from the folder `root`",
    ),
    **dict.fromkeys(
        ("transform", "transforms", "augment"),
        "leave it out: the entry `augment` of the section changes the pictures",
    ),
    "size": "leave it out: pictures have the size of the data; those of your own have a `size`",
    **dict.fromkeys(
        ("reduction", "sizeaverage"),
        "leave it out: the loss is the mean over the images of a batch",
    ),
    "fromlogits": "leave it out: the loss takes the net's scores, without a softmax",
    **dict.fromkeys(("verbose", "mode", "annealstrategy"), "leave it out"),
}
# Values of these arguments that training has without them.
_USUAL_VALUES = {
    "beta1": r"0?\.90?",
    "beta2": r"0?\.999",
    "amsgrad": "[Ff]alse",
    "fromlogits": "[Tt]rue",
    "reduction": '"?mean"?',
}
# What training does without an entry, for users who write that there is none.
WITHOUT = {
    **dict.fromkeys(("clip_norm", "clip_value"), "gradients are not limited"),
    "ema": "no average of the weights is kept",
    "early_stopping": "all epochs are trained",
    **dict.fromkeys(
        ("checkpoint_epochs", "checkpoint_minutes"), "no more checkpoints are saved than usual"
    ),
    "weights": "training begins with fresh weights",
    **dict.fromkeys(("freeze", "unfreeze"), "all weights are trained"),
    **dict.fromkeys(("stages", "micro_batches"), "the net is not divided"),
    **dict.fromkeys(("workers", "threads"), "the number of cores decides"),
    "accumulate": "each batch is a step",
    "precision": "numbers have 32 bits",
    "seed": "it is 0",
    **dict.fromkeys(
        (
            *("compile", "channels_last", "deterministic", "train_metrics", "gradient_norms"),
            "sync_bn",
        ),
        "it is false",
    ),
}
_NONE = ("none", "null", "nil", "off", "no", "nothing", "false")
# Values that show how an argument or an entry is written.
EXAMPLES = {
    "lr": "0.1",
    "momentum": "0.9",
    "weight_decay": "1e-4",
    "nesterov": "true",
    "betas": "[0.9, 0.999]",
    "eps": "1e-8",
    "warmup": "5",
    "every": "30",
    "gamma": "0.1",
    "at": "[30, 60]",
    "size": "64",
    "pad": "2",
    "p": "0.5",
    "degrees": "10",
    "mean": "[0.5]",
    "std": "[0.25]",
    "label_smoothing": "0.1",
    "top": "5",
    "root": '"DIR"',
    "no_decay": "[bias, bn]",
    "power": "0.9",
    "patience": "5",
    "weights": "[1, 2, 1]",
    "ignore": "255",
    "freeze": "[layer1, layer2]",
    "unfreeze": "5",
    "stages": "[features, classifier]",
    "micro_batches": "8",
    "precision": "bf16",
    "path": '"DIR"',
    "images": '"DIR"',
    "masks": '"DIR"',
    "val": "0.1",
    "limit": "2000",
    "test": "0.2",
    "workers": "4",
    "range": "[0.8, 1.2]",
    "share": "0.1",
    "kernel": "3",
    "early_stopping": "5",
    "ema": "0.999",
    "clip_norm": "1",
    "clip_value": "0.5",
    "accumulate": "4",
    "checkpoint_epochs": "10",
    "checkpoint_minutes": "15",
    "threads": "4",
    "channels": "1",
    "unreadable": "0.05",
    "epochs": "10",
    "batch": "128",
    "train_metrics": "true",
    "scale": "[0.3, 1]",
    "seed": "0",
}


class TakenPictures(NamedTuple):
    """The pictures that a net takes, as advice writes them: the side, and the channels."""

    side: str = "64"
    channels: int | None = None

    @property
    def form(self) -> str:
        """The arguments of data of the user's own that make such pictures."""
        grey = ", channels = 1" if self.channels == 1 else ""
        return f"size = {self.side}{grey}"


TAKEN = TakenPictures()

# How the entries that name something are written.
CALLS = {
    "data": "fashion_mnist",
    "augment": "[random_crop(28, pad = 4), hflip]",
    "loss": "cross_entropy",
    "optimizer": "sgd(lr = 0.1, momentum = 0.9)",
    "schedule": "cosine(warmup = 5)",
    "metrics": "accuracy",
}


def means_none(value: object) -> bool:
    """Whether a value stands for nothing: 0, false, or a word such as `none`."""
    if isinstance(value, SettingCall):
        return squeezed(value.name) in _NONE and not value.args and not value.kwargs
    return value is False or (type(value) in (int, float) and value == 0)


def is_usual(name: str, value: str, text: str) -> bool:
    """Whether training has this value of an argument without it; `text` is the whole file."""
    if squeezed(name) == "tmax":
        lengths: list[str] = re.findall(r"\bepochs\s*=\s*(\w+)", text)
        return lengths == [value]
    return re.fullmatch(_USUAL_VALUES.get(squeezed(name), "(?!)"), value) is not None


def squeezed(name: str) -> str:
    """A name without capitals and everything else that tools spell differently."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
