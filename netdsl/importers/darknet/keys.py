"""The keys of each section of Darknet's `.cfg` files that can be imported.

They are those that the functions `parse_...` of parser.c read, in the versions of J. Redmon and of
A. Bochkovskiy. Darknet drops others silently; here they are errors.
"""

from __future__ import annotations

import re
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.importers.described import refused, wrong
from netdsl.source import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netdsl.importers.darknet.text import CfgSection, Option


class SectionKeys(NamedTuple):
    """The keys of a kind of section.

    `read` are those that decide what the net computes. `plain` are those that netdsl imports only
    with the value that is given here, or not at all if it is empty. `unused` are for training, for
    boxes at run time, or for the speed: they are ignored on purpose.
    """

    read: tuple[str, ...]
    plain: Mapping[str, str]
    unused: tuple[str, ...]

    @property
    def all(self) -> list[str]:
        """All keys that Darknet reads."""
        return [*self.read, *self.plain, *self.unused]


# What every layer has, apart from what its own kind has.
_ANY_LAYER = """
    burnin_update clip dontload dontloadscales dontsave dont_update learning_rate numload
    onlyforward smooth stopbackward stream train_only_bn truth wait_stream
"""
_NET = """
    adam adversarial_lr angle aspect attention augment_speed B1 B2 badlabels_rejection_percentage
    batch blur burn_in center clip contrastive contrastive_color contrastive_jit_flip cutmix decay
    dynamic_minibatch ema_alpha eps equidistant_point exposure flip gamma gaussian_noise hue
    label_smooth_eps learning_rate learning_rate_min letter_box loss_scale max_batches
    max_chart_loss max_crop max_ratio min_crop min_ratio mixup momentum mosaic mosaic_bound notruth
    num_sigmas_reject_badlabels optimized_memory policy power random resize_step saturation scale
    scales seen seq_scales sequential_subdivisions sgdr_cycle sgdr_mult show_receptive_field step
    steps subdivisions time_steps track try_fix_nan unsupervised use_cuda_graph weights_reject_freq
    workspace_size_limit_MB
"""
_BOXES = """
    absolute anchors background beta_nms bias_match class_scale classfix cls_normalizer
    coord_scale counters_per_class delta_normalizer dets_for_show dets_for_track embedding_layer
    focal_loss forced ignore_thresh iou_loss iou_normalizer iou_thresh iou_thresh_kind jitter
    label_smooth_eps log map mask_scale max max_delta new_coords nms_kind noobject_scale
    obj_normalizer object_scale objectness_smooth random reorg rescore resize scale_x_y
    show_details side sim_thresh softmax sqrt thresh track_ciou_norm track_history_size tree
    truth_thresh uc_normalizer yolo_point
"""


def _keys(
    read: str, unused: str = "", always: str = _ANY_LAYER, /, **plain: str | None
) -> SectionKeys:
    given = MappingProxyType({key: value or "" for key, value in plain.items()})
    return SectionKeys(tuple(read.split()), given, tuple(f"{unused} {always}".split()))


_ZERO = dict.fromkeys(
    """
    antialiasing bin_output binary coordconv flipped rotate stretch stretch_sway sway xnor
    """.split(),
    "0",
)
_CONVOLUTIONAL = _keys(
    "filters size stride stride_x stride_y dilation pad padding groups activation batch_normalize"
    " cbn",
    "angle assisted_excitation dot grad_centr reverse",
    share_index=None,
    **_ZERO,
)
_CONNECTED = _keys("output activation batch_normalize")
_MAXPOOL = _keys(
    "size stride stride_x stride_y padding",
    "out_channels",
    maxpool_depth="0",
    antialiasing="0",
    maxpool_zero_nonmax="0",
)
_SOFTMAX = _keys("groups temperature spatial tree", "noloss")
_NETWORK = _keys("channels height width inputs", "", _NET)
_NONE = _keys("")
KEYS: Mapping[str, SectionKeys] = MappingProxyType(
    {
        **dict.fromkeys(("net", "network"), _NETWORK),
        **dict.fromkeys(("convolutional", "conv"), _CONVOLUTIONAL),
        **dict.fromkeys(("connected", "conn"), _CONNECTED),
        **dict.fromkeys(("maxpool", "max"), _MAXPOOL),
        **dict.fromkeys(("softmax", "soft"), _SOFTMAX),
        **dict.fromkeys(("avgpool", "avg", "batchnorm", "logistic", "logxent"), _NONE),
        **dict.fromkeys(("empty", "silence"), _NONE),
        "activation": _keys("activation"),
        "cost": _keys("", "noobject ratio scale thresh type"),
        "crop": _keys("crop_height crop_width noadjust", "angle exposure flip saturation shift"),
        "dropout": _keys("probability", "dropblock dropblock_size_abs dropblock_size_rel"),
        "reorg": _keys("stride extra", reverse="0", flatten="0"),
        "route": _keys("layers groups group_id"),
        "shortcut": _keys(
            "from activation", "weights_normalization", alpha="1", beta="1", weights_type="none"
        ),
        "upsample": _keys("stride scale"),
        **dict.fromkeys(("yolo", "Gaussian_yolo"), _keys("mask num classes", _BOXES)),
        "region": _keys("num classes coords", _BOXES),
        "detection": _keys("", f"num classes coords {_BOXES}"),
        "iseg": _keys("", "classes ids"),
    }
)
LISTS = ("layers", "mask", "from")  # of integers with commas between them
NUMBERS = ("probability", "temperature", "scale", "alpha", "beta")  # that may be fractions
WORDS = ("activation", "tree", "weights_type", "weights_normalization")


def check_keys(sections: Sequence[CfgSection]) -> None:
    """Raise `NetdslError` for keys that Darknet does not have, and for values that are wrong.

    Sections that are not in `KEYS` are not checked.
    """
    errors = [error for section in sections for error in _errors(section)]
    if errors:
        raise NetdslError.of([error.diagnostic for error in errors])


def _errors(section: CfgSection) -> Iterator[NetdslError]:
    keys = KEYS.get(section.kind)
    if keys is None:
        return
    for key, option in section.options.items():
        if key not in keys.all:
            shown = f"Darknet's [{section.kind}] has no key `{printable(key)[:40]}`"
            yield wrong(shown, option.span, did_you_mean(key, keys.all))
        elif key not in keys.unused:
            fact = _fact(key, option)
            if fact is not None:
                yield wrong(f"`{key}` {fact}", option.span)
    for key, option in section.again:
        if key not in keys.unused:
            shown, line = printable(key)[:40], section.at(key).first.line
            advice = "delete one of the two lines; Darknet takes the first"
            yield wrong(f"`{shown}` is given twice, first on line {line}", option.span, advice)


def _fact(key: str, option: Option) -> str | None:
    """What is wrong with a value, or None; words are checked where they are used."""
    found = printable(option.text)[:40]
    if key in LISTS:
        if re.fullmatch(r"[+-]?\d{1,9}(,[+-]?\d{1,9})*,?", option.text) is None:
            return f"takes integers, found `{found}`"
    elif key in NUMBERS and not _is_number(option.text):
        return f"takes a number, found `{found}`"
    elif key not in (*NUMBERS, *WORDS) and re.fullmatch(r"[+-]?\d+", option.text) is None:
        return f"takes an integer, found `{found}`"
    return None


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def check_plain(section: CfgSection) -> None:
    """Raise `NetdslError` for a key with a value that the language cannot express."""
    for key, value in KEYS[section.kind].plain.items():
        option = section.options.get(key)
        if option is None or option.text == value:
            continue
        if not (_is_number(value) and float(option.text) == float(value)):
            fact = f"it has `{key}={printable(option.text)[:40]}`"
            raise refused(f"[{section.kind}]", fact, option.span)
