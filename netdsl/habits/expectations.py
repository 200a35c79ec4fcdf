"""Slips in `expect` lines, and the figures of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.training import squeezed

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

# Figures of other tools, squeezed to small letters and digits, and the formulas that they can mean
# here, the usual one first. A unit before or after the name, as in `gflops` or `size_mb`, divides.
FORMULAS = {
    **{name.replace("_", ""): (name,) for name in ("params", "trainable", "buffers", "macs")},
    **{name.replace("_", ""): (name,) for name in ("depth", "units", "activation_bytes")},
    **dict.fromkeys(
        ("param", "parameters", "parameter", "numparams", "nparams", "paramcount"), ("params",)
    ),
    **dict.fromkeys(("numparameters", "countparams"), ("params",)),
    **dict.fromkeys(("totalparams", "totalparameters"), ("params", "params + buffers")),
    **dict.fromkeys(
        ("trainableparams", "trainableparameters", "numtrainable", "trainableweights"),
        ("trainable",),
    ),
    **dict.fromkeys(
        ("nontrainable", "nontrainableparams", "nontrainableparameters", "nontrainableweights"),
        ("params - trainable", "buffers", "params + buffers - trainable"),
    ),
    **dict.fromkeys(("frozen", "frozenparams"), ("params - trainable",)),
    **dict.fromkeys(("numbuffers", "buffercount", "runningstats"), ("buffers",)),
    **dict.fromkeys(
        ("mac", "madd", "madds", "multadds", "maccs", "multiplyadds", "totalmacs", "multadd"),
        ("macs",),
    ),
    **dict.fromkeys(
        ("flop", "flops", "totalflops", "ops", "operations", "multiplications"),
        ("2 * macs", "macs"),
    ),
    **dict.fromkeys(
        ("size", "modelsize", "filesize", "weightsize", "weightssize", "paramsize", "paramssize"),
        ("4 * params", "4 * params + 4 * buffers"),
    ),
    "parambytes": ("4 * params",),
    **dict.fromkeys(("memory", "ram", "bytes"), ("peak_bytes", "activation_bytes", "4 * params")),
    **dict.fromkeys(("peakmemory", "peak", "peakbytes", "maxmemory"), ("peak_bytes",)),
    **dict.fromkeys(("activations", "activationmemory", "activationsize"), ("activation_bytes",)),
}
# What other tools count under the name of a figure, the likeliest first.
OTHER_COUNTS = {
    "params": ("params + buffers", "weights"),
    "macs": ("2 * macs",),
    "trainable": ("params",),
}
REASONS = {
    "macs": "it is the number of multiply-accumulates",
    "params": "it is the number of parameters",
    "2 * macs": "a multiply-accumulate is two operations",
    "4 * params": "a parameter has 4 bytes",
    "4 * params + 4 * buffers": "a stored number has 4 bytes",
    "params + buffers": "other tools count stored numbers, such as moving means, as parameters",
    "params - trainable": "frozen weights are not trained",
    "buffers": "moving means and variances are not parameters here",
    "weights": "that is the number without biases",
    "depth": "the number of layers with weights on the longest path",
    "peak_bytes": "the memory of the values that are in use at once",
    "activation_bytes": "the memory of all values",
}
# What else a count of another tool can mean: the net may differ from the one that was counted.
UNCERTAIN = {"weights": "leave the biases out with `bias = false`"}
# The numbers by which a unit divides a figure.
_THOUSANDS = {"k": "1e3", "m": "1e6", "g": "1e9"}
SCALES = {
    **{unit: (power,) for unit, power in _THOUSANDS.items()},
    "b": ("1e9",),
    "bytes": ("",),
    **dict.fromkeys(("kilo", "thousands"), ("1e3",)),
    **dict.fromkeys(("mega", "million", "millions"), ("1e6",)),
    **dict.fromkeys(("giga", "billions"), ("1e9",)),
    **{
        f"{unit}b": (power, f"2 ** {10 * number}")
        for number, (unit, power) in enumerate(_THOUSANDS.items(), start=1)
    },
    **{f"{unit}ib": (f"2 ** {10 * number}",) for number, unit in enumerate("kmg", start=1)},
}
_SPEED = "`expect` checks the net itself, not its speed: `netdsl bench` measures that"
_PRINTED = "not a figure of the net: {} prints it in each epoch, and `netdsl test` measures it"
_ACCURACY = f"accuracy is {_PRINTED.format('`metrics = accuracy` in its `train` section')}"
_LOSS = f"the loss is {_PRINTED.format('`netdsl train`')}"
# What is measured after training, by names without `_`.
MEASURED = {
    **{f"{of}{name}": _ACCURACY for of in ("", "test", "val") for name in ("accuracy", "acc")},
    **dict.fromkeys(("top1", "top5", "error"), _ACCURACY),
    **{f"{of}loss": _LOSS for of in ("", "test", "val", "train")},
}
# Figures that have no counterpart here, and what to write or do instead.
REMOVED_FIGURES = {
    **MEASURED,
    **dict.fromkeys(
        ("layers", "numlayers", "nlayers", "layercount"),
        "`depth` is the number of layers with weights on the longest path",
    ),
    **dict.fromkeys(("latency", "time", "speed", "fps", "throughput", "runtime"), _SPEED),
}


def bounds(matched: Matched) -> Fix:
    """Two bounds for a number and what it may differ by."""
    number, by = (int(matched.group(name).replace("_", "")) for name in ("n", "d"))
    if matched.group("percent"):
        by = number * by // 100
    name = matched.group("a").strip()
    return f"{name} >= {number - by:_} and {name} <= {number + by:_}"


def joined(matched: Matched) -> Fix:
    """Sizes with `x` between them."""
    return "x".join(size.strip() for size in matched.group("at").split(","))


def rounded(matched: Matched) -> Fix:
    """`round(params / 1e6, 1) == 25.6` for `params ~= 25.6e6`."""
    figure, digits = matched.group("a").strip(), len(matched.group("digits"))
    places = f", {digits}" if digits else ""
    return f"round({figure} / 1e{matched.group('power')}{places}) == {matched.group('n')}"


def in_units(matched: Matched) -> Fix:
    """All digits of a number with a unit such as `Mparams`."""
    power = 3 * (" kMGT".index(matched.group("unit").replace("K", "k") or " "))
    return f"{round(float(matched.group('n').replace('_', '')) * 10**power):_}"


def measured(matched: Matched) -> Fix:
    """How to see a figure of a trained net, which no `expect` line is about."""
    advice = MEASURED.get(squeezed(matched.group("figure")))
    return None if advice is None else Guess(advice)


def in_operations(matched: Matched) -> Fix:
    """`2 * macs < 2_000_000_000` for `macs < 2 GFLOPs`, which may be meant as MACs."""
    return Guess(f"2 * {matched.group('figure')} {matched.group('sign')} {in_units(matched)}")


def in_bytes(matched: Matched) -> Fix:
    """A number of bytes without its unit."""
    factor = 1000 ** ("KMG".index(matched.group("unit")[0].upper()) + 1)
    if "i" in matched.group("unit"):
        factor = 1024 ** ("KMG".index(matched.group("unit")[0].upper()) + 1)
    return f"{round(float(matched.group('n').replace('_', '')) * factor):_}"


_FIGURE = r"(?P<a>[A-Za-z_]\w*(?:\([^()]*\))?)"
_BETWEEN = "write `$a >= $x and $a <= $y`"

HABITS = (
    Habit(
        r"\bexpect\s+(?P<fix>(?P<at>(?P<figure>[a-z]\w*)))\b[^%]*%",
        "expect ‹accuracy› > 80%",
        "$fix",
        "found `$figure` in an `expect` line, which is about the net before it is trained",
        measured,
    ),
    Habit(
        r"\bexpect\b.*?\b\w+\s*\(\s*(?P<fix>(?P<path>[a-z_][\w.]*(?P<at>\{)[^{}()]*\}[\w.]*))",
        "expect shape(c‹{›3}) == 3x8x8",
        "a computed label is a reference: write `@$path`",
        "found `{` in a label",
        "@$path",
    ),
    Habit(
        r"\bexpect\s+\w+\s*\(\s*(?P<fix>(?P<at>(?P<path>(?!@)\w+(?:\.\w+)*\.\d+(?:\.\w+)*)))",
        "expect params(‹a.0›) == 224",
        "a path with a number is a reference: write `@$path`",
        "found a number in a path",
        "@$path",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[Ee]xpect(?:s|ed)\s*:?|Expect\s*:?|EXPECT))\s.*",
        "‹expects:› params == 3",
        "write `expect`, without a colon: `expect params == 3`",
        "found `$at`, but a fact about a net begins with `expect`",
        "expect",
        where="body",
    ),
    Habit(
        r"^\s*expect\s*$",
        "expect‹\n›",
        "write what is expected: `expect params == 1_000`, or `expect shape(label) == 8x30x30`",
        where="body",
    ),
    Habit(
        r"^\s*expect\s*(?P<at>==|!=|<=|>=|<|>)",
        "expect ‹==› 80",
        "name a figure before it: `expect params $at 1_000`",
        "found `$at`, but nothing to compare",
        where="body",
    ),
    Habit(
        r"\bexpect\s+(?P<figure>shape|params|macs|weights|units|buffers)"
        r"(?P<fix>\s+(?P<at>@?[A-Za-z_][\w.]*))\s*(?=[=<>!])",
        "expect params ‹c› == 80",
        "write the label in parentheses: `$figure($at)`",
        "the label after `$figure` is not in parentheses",
        "($at)",
        where="body",
    ),
    Habit(
        rf"\bexpect\s+(?:.*\band\s+)?(?P<fix>{_FIGURE}\s*(?:==?|~=?|≈)?\s*(?P<n>\d[\d_]*)\s*"
        r"(?P<at>±|\+/-)\s*(?P<d>\d[\d_]*)(?P<percent>\s*%)?)",
        "expect params == 224 ‹±› 1",
        "write two bounds: `$fix`",
        "found `$at`, but an `expect` is exact",
        bounds,
    ),
    Habit(
        rf"\bexpect\s+{_FIGURE}\s+(?P<at>approx\w*|about|around|near|roughly)\s+(?P<n>\d[\d_]*)",
        "expect params ‹about› 224",
        "an `expect` is exact: write `$a == $n`, or two bounds: `$a > 200 and $a < 300`",
        "found `$at`, but there is no comparison of nearly equal values",
    ),
    Habit(
        rf"\bexpect\s+(?P<fix>(?!shape){_FIGURE}\s+(?P<at>between|in)\s*[\[(]?\s*(?P<x>\d[\d_]*)"
        r"\s*(?:and|to|,|-|\.\.+)\s*(?P<y>\d[\d_]*)\s*[\])]?)\s*$",
        "expect params ‹between› 100 and 300",
        _BETWEEN,
        "found `$at`, but a range is written as two comparisons",
        "$a >= $x and $a <= $y",
    ),
    Habit(
        rf"\bexpect\s+(?P<fix>{_FIGURE}\s*==\s*(?P<at>(?P<x>\d[\d_]*)\s*\.\.+\s*(?P<y>\d[\d_]*)))",
        "expect params == ‹100..300›",
        _BETWEEN,
        "found `$at`, but a range is written as two comparisons",
        "$a >= $x and $a <= $y",
    ),
    Habit(
        rf"\bexpect\s+(?P<fix>{_FIGURE}\s*(?P<at>~==?|~|≈|≃|=~)\s*"
        r"(?P<n>\d+(?:\.(?P<digits>\d+))?)e(?P<power>\d+))\s*$",
        "expect params ‹~=› 0.2e3",
        "an `expect` is exact: write `$fix`",
        "found `$at`, but there is no comparison of nearly equal values",
        rounded,
    ),
    Habit(
        r"\bexpect\b.*?(?P<fix>\s*,?\s*(?P<at>\"[^\"]*\"))\s*$",
        'expect params == 224 ‹"message"›',
        "leave it out: the error of an `expect` line has both values",
        "found a message after the condition",
        "",
    ),
    Habit(
        r"\bexpect\b.*?(?P<fix>\s+(?P<at>for|with|@|when|given|on)\s*(?:\w+\s*[:=]\s*)?"
        r"(?P<sizes>\d+(?:x\w+)+))\s*$",
        "expect macs == 80 ‹for› 3x8x8",
        "write `at` before the sizes of the input: `at $sizes`",
        "found `$at` before the sizes of the input",
        " at $sizes",
    ),
    Habit(
        r"\bexpect\b.*\bat\s+(?P<fix>(?P<at>\w+\s*[:=]\s*))(?=\d)",
        "expect macs == 80 at ‹image: ›3x8x8",
        "write only the sizes: they are those of the first input",
        "found the name of an input after `at`",
        "",
    ),
    Habit(
        r"\bexpect\b.*\bat\s+(?P<fix>(?P<at>\d+(?:\s*,\s*\d+)+))",
        "expect macs == 80 at ‹3, 8, 8›",
        "write the letter `x` between sizes: `$fix`",
        "found `,` between sizes",
        joined,
    ),
    Habit(
        r"\bexpect\s+(?P<figure>macs)\s*(?P<sign>[<>=!]=?)\s*(?P<n>\d[\d_.]*)\s*"
        r"(?P<at>(?P<unit>[kKMGT]?)(?i:flops?|ops))\b",
        "expect macs < 2 ‹GFLOPs›",
        "write all digits, and no unit: `$fix` if a FLOP is a sum or a product, of which a"
        " multiply-accumulate has two",
        "numbers cannot have a unit such as `$at`",
        in_operations,
    ),
    Habit(
        r"\bexpect\b.*?(?P<fix>(?P<n>\d[\d_.]*)\s*(?P<at>(?P<unit>[kKMGT])"
        r"(?i:macs?|madds?|params?|parameters|weights|flops?|ops)))\b",
        "expect params < 2 ‹Mparams›",
        "write all digits, and no unit: `$fix`",
        "numbers cannot have a unit such as `$at`",
        in_units,
    ),
    Habit(
        r"\bexpect\b.*?(?P<fix>(?P<at>(?P<n>\d[\d_.]*)\s*(?P<unit>[kKMG]i?B)))\b",
        "expect peak_bytes < ‹3MB›",
        "write all digits of the bytes: `$fix`",
        "numbers cannot have a unit such as `$unit`",
        in_bytes,
    ),
)
