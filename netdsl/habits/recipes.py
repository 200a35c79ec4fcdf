"""What other tools call optimizers, schedules, losses, metrics and augmentations.

The keys are squeezed by `netdsl.habits.training.squeezed`: small letters and digits only.
"""

from __future__ import annotations

from netdsl.diagnostics import Proposal


def _written(text: str) -> Proposal:
    return Proposal(f"write `{text}`", "text", [text])


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
        **dict.fromkeys(
            (
                *("bceloss", "bcewithlogits", "bcewithlogitsloss", "binarycrossentropy"),
                *("sigmoidcrossentropy", "multilabelsoftmarginloss"),
            ),
            "bce",
        ),
        **dict.fromkeys(("l1loss", "mae", "meanabsoluteerror"), "l1"),
        **dict.fromkeys(("smoothl1loss", "huber", "huberloss"), "smooth_l1"),
        **dict.fromkeys(("diceloss", "softdice"), "dice"),
    },
    "optimizer": {
        **dict.fromkeys(("stochasticgradientdescent", "gradientdescent", "gd"), "sgd"),
        "rmspropoptimizer": "rmsprop",
        "adamoptimizer": "adam",
    },
    "schedule": {
        **dict.fromkeys(
            ("cosineannealinglr", "cosineannealing", "cosinedecay", "cos", "cosinelr"), "cosine"
        ),
        **dict.fromkeys(("steplr", "stepdecay"), "step"),
        **dict.fromkeys(("multisteplr", "multistepdecay", "piecewiseconstantdecay"), "multistep"),
        **dict.fromkeys(("constantlr", "none", "false", "fixed", "const"), "constant"),
        **dict.fromkeys(("exponentiallr", "exponentialdecay", "exp"), "exponential"),
        **dict.fromkeys(("onecycle", "onecyclelr"), "one_cycle"),
        **dict.fromkeys(("polynomiallr", "poly", "polynomialdecay", "linear"), "polynomial"),
        **dict.fromkeys(("reducelronplateau", "reduceonplateau"), "plateau"),
    },
    "metric": {
        **dict.fromkeys(("acc", "accuracies", "categoricalaccuracy", "top1"), "accuracy"),
        **dict.fromkeys(("f1score", "fscore"), "f1"),
        **dict.fromkeys(("auroc", "rocauc"), "auc"),
        **dict.fromkeys(("iou", "miou", "jaccard", "jaccardindex"), "mean_iou"),
        **dict.fromkeys(("meansquarederror",), "mse"),
        **dict.fromkeys(("meanabsoluteerror",), "mae"),
        **dict.fromkeys(("confusionmatrix",), "confusion"),
    },
    "augmentation": {
        **dict.fromkeys(
            (
                *("randomhorizontalflip", "horizontalflip", "fliplr", "flip", "mirror"),
                *("randomflip", "flipleftright", "randomflipleftright"),
            ),
            "hflip",
        ),
        "crop": "random_crop",
        **dict.fromkeys(("resizedcrop", "rrc"), "random_resized_crop"),
        **dict.fromkeys(
            ("randomverticalflip", "verticalflip", "flipud", "flipupdown", "randomflipupdown"),
            "vflip",
        ),
        **dict.fromkeys(("cutout", "erasing", "coarsedropout"), "random_erasing"),
        **dict.fromkeys(
            ("colorjitter", "colourjitter", "jitter", "color", "colour"), "color_jitter"
        ),
        **dict.fromkeys(("gaussianblur", "blur"), "gaussian_blur"),
        **dict.fromkeys(("randaugment", "randaug"), "rand_augment"),
        **dict.fromkeys(
            ("translate", "translation", "randomtranslate", "randomtranslation"), "shift"
        ),
        **dict.fromkeys(("zoom", "randomzoom", "randomscale"), "scale"),
        **dict.fromkeys(("randomshear",), "shear"),
        **dict.fromkeys(("rotate", "randomrotation", "randomrotate"), "rotation"),
        **dict.fromkeys(("normalise", "normalization"), "normalize"),
    },
    "dataset": {"fmnist": "fashion_mnist", "cifar": "cifar10", "imagefolder": "folder"},
}
_SCORES = "a classifier is trained with `loss = cross_entropy`, whose input is the net's scores"
_OWN_LOOP = (
    "netdsl has no such loss: `net.torch()` is a PyTorch module, for a training loop of your own"
)
_ADAPTIVE = "write `optimizer = adam(lr = 0.001)`, which also adapts the rate of every weight"
_BY_SGD = _written("optimizer = sgd(lr = 0.1, momentum = 0.9)")
_NO_CURVE = (
    "a rate follows one of the named curves, such as `cosine`, or `multistep(at = [30, 60])`, which"
    " lowers it after the epochs that you choose"
)
_WITH_WARMUP = "write `cosine(warmup = 5)`: the rate rises for 5 epochs, then falls to 0"
_NO_TENSORS = "leave it out: images are scaled to 0..1, and normalised after the augmentations"
_RESIZED = (
    'leave it out: pictures of your own are resized as they are read: `folder("DIR", {form})`'
)
_UNCUT = (
    "leave it out: the net is tested on whole pictures, which are resized as they are read:"
    ' `folder("DIR", {form})`'
)
_GREY = 'leave it out: `folder("DIR", size = {side}, channels = 1)` reads grey pictures'
_FEW = "write `rand_augment(n = 2, m = 9)`, which makes such changes at random"
# Values by the kind of entry that have no counterpart here, and what to write instead. `{side}` and
# `{form}` stand for those of `TakenPictures`.
REMOVED_VALUES: dict[str, dict[str, str]] = {
    "loss": {
        **dict.fromkeys(
            (
                *("nll", "nllloss", "hinge", "focal", "focalloss", "kldivloss", "kldivergence"),
                *("hingeloss", "categoricalhinge", "squaredhinge", "multimarginloss", "kldiv"),
                *("categoricalfocalcrossentropy",),
            ),
            _SCORES,
        ),
        **dict.fromkeys(
            (
                *("ctc", "ctcloss", "triplet", "tripletloss", "tripletmarginloss", "contrastive"),
                *("contrastiveloss", "infonce", "cosineembeddingloss", "cosinesimilarity"),
                *("marginrankingloss", "poisson", "poissonnllloss", "gaussiannllloss", "arcface"),
                *("hingeembeddingloss", "perceptual", "ssim", "adversarial", "custom"),
            ),
            _OWN_LOOP,
        ),
        **dict.fromkeys(
            ("iou", "iouloss", "jaccard", "jaccardloss", "tversky", "lovasz", "f1"),
            "write `loss = dice`, which also measures the overlap of masks",
        ),
        "logcosh": "write `loss = smooth_l1`, which is almost the same",
    },
    "optimizer": {
        **dict.fromkeys(
            (
                *("adagrad", "adadelta", "adamax", "nadam", "radam", "lamb", "lion", "ftrl"),
                *("adafactor", "sparseadam", "rprop", "adabelief", "novograd", "ranger"),
            ),
            _ADAPTIVE,
        ),
        **dict.fromkeys(("lbfgs", "asgd", "lars", "sam", "newton"), _BY_SGD),
        "momentum": "it is an argument of `sgd`: `optimizer = sgd(lr = 0.1, momentum = 0.9)`",
        "nesterov": "it is an argument of `sgd`: `sgd(lr = 0.1, momentum = 0.9, nesterov = true)`",
    },
    "schedule": {
        **dict.fromkeys(
            ("warmup", "linearwarmup", "cosinewarmup", "linearlr", "sequentiallr", "chainedlr"),
            _WITH_WARMUP,
        ),
        **dict.fromkeys(
            (
                *("lambdalr", "multiplicativelr", "learningratescheduler", "learningrateschedule"),
                *("inversetimedecay", "inversesqrt", "noam"),
            ),
            _NO_CURVE,
        ),
        **dict.fromkeys(
            (
                *("cosineannealingwarmrestarts", "cosinewarmrestarts", "cosinedecayrestarts"),
                *("sgdr", "warmrestarts", "cosinerestarts"),
            ),
            "write `cosine`: the rate falls once, in all epochs, without restarts",
        ),
        **dict.fromkeys(
            ("cycliclr", "cyclic", "triangular"),
            "write `one_cycle`: the rate rises and falls once, in all epochs",
        ),
    },
    "metric": {
        **dict.fromkeys(
            ("top5", "top5accuracy", "topkaccuracy", "topk", "topkcategoricalaccuracy"),
            _written("accuracy(top = 5)"),
        ),
        **dict.fromkeys(
            ("loss", "crossentropy"), "leave it out: the loss is printed after every epoch"
        ),
        **dict.fromkeys(
            ("none", "false"),
            "leave out the entry `metrics`: the loss and the accuracy are printed",
        ),
    },
    "dataset": {
        "none": "leave out the entry `data`, and name them in the command: `--data NAME`",
    },
    "augmentation": {
        **dict.fromkeys(
            (
                *("totensor", "tofloat", "rescale", "rescaling", "todtype", "toimage"),
                *("piltotensor", "convertimagedtype"),
            ),
            _NO_TENSORS,
        ),
        **dict.fromkeys(("resize", "resizing", "smallestmaxsize", "longestmaxsize"), _RESIZED),
        **dict.fromkeys(("centercrop", "fivecrop", "tencrop"), _UNCUT),
        **dict.fromkeys(("grayscale", "greyscale", "togray", "rgbtograyscale"), _GREY),
        **dict.fromkeys(
            ("randomgrayscale", "saturation", "randomsaturation"),
            _written("color_jitter(saturation = 0.5)"),
        ),
        **dict.fromkeys(
            ("randombrightness", "brightness", "contrast", "randomcontrast"),
            _written("color_jitter(brightness = 0.2, contrast = 0.2)"),
        ),
        **dict.fromkeys(
            ("pad", "padding", "zeropad"),
            "write it in the crop: `random_crop({side}, pad = 4)`",
        ),
        **dict.fromkeys(
            ("randomaffine", "affine", "shiftscalerotate"),
            "write its parts: `rotation(10) -> shift(0.1) -> scale([0.9, 1.1]) -> shear(5)`",
        ),
        **dict.fromkeys(
            ("randomperspective", "perspective", "elastictransform", "elastic"),
            "leave it out, or write `shear(10)`, which also slants the pictures",
        ),
        **dict.fromkeys(
            (
                *("autoaugment", "trivialaugment", "trivialaugmentwide", "augmix"),
                *("randominvert", "randomposterize", "randomsolarize", "randomautocontrast"),
                *("randomequalize", "randomadjustsharpness"),
            ),
            _FEW,
        ),
        **dict.fromkeys(
            ("randomapply", "randomchoice", "randomorder", "oneof", "someof"),
            "write the augmentations themselves; `random_erasing`, for example, has an argument `p`"
            " for how often it is applied",
        ),
        **dict.fromkeys(("none", "false", "no", "identity"), "leave out the entry `augment`"),
        **dict.fromkeys(
            ("compose", "sequential"),
            "write a list: `augment = [random_crop({side}, pad = 4), hflip]`",
        ),
    },
}
