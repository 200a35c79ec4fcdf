"""Lines of configuration files, of tables in papers, and numbers with units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import parts
from netdsl.habits.layers import find
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

_KIND = re.compile(r"(?i)(?:[a-z][a-z_]*(?:[ -]?pool(?:ing)?)?|global average pool\w*)")
_UNITS = {"k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "bn": 10**9, "million": 10**6,
          "thousand": 10**3, "billion": 10**9, "mio": 10**6}  # fmt: skip
_PHRASES = (
    (r"global (?:average|avg|mean)[ -]?pool\w*|global pool\w*", "gap"),
    (r"global max[ -]?pool\w*", "gmp"),
    (r"(?:max|maximum)[ _-]?pool\w*", "maxpool"),
    (r"(?:average|avg|mean)[ _-]?pool\w*", "avgpool"),
    (r"(?:depthwise|dw)[ _-]?conv\w*", "depthwise"),
    (r"(?:transposed|deconv|up)[ _-]?conv\w*|deconv\w*", "deconv"),
    (r"conv(?=\d)|conv[a-z_]*|filters|kernels|feature maps", "conv"),
    (r"(?:fully[ -]?connected|inner product|fc|dense|linear)(?:[ -]layers?)?", "dense"),
    (r"batch[ _-]?norm\w*|bn", "bn"),
    (r"layer[ _-]?norm\w*", "layernorm"),
    (r"soft[ -]?max", "softmax"),
    (r"dropout", "dropout"),
    (r"leaky[ _-]?relu", "leaky_relu"),
    (r"relu", "relu"),
    (r"pool\w*", "maxpool"),
)


def paper(matched: Matched) -> Fix:
    """The layer that a line such as `3x3 conv, 64, /2` or `FC-4096` describes."""
    return layer_of(matched.group("line"))


def layer_of(text: str) -> str | None:
    """The layer that a text such as `3x3 conv, 64, /2`, `conv3-64` or `fc4096` describes."""
    line = re.sub(r"\s*[×✕*]\s*", "x", re.sub("@", " ", text)).strip().rstrip(",.")
    if line in LAYERS:
        return None
    words = re.sub(r"(?<=[a-z])[123]d\b", "", line.lower())
    vgg = re.fullmatch(r"conv(\d+)[ -](\d+) ?", words)
    if vgg is not None:
        return f"conv({vgg[2]}, {vgg[1]})"
    for pattern, kind in _PHRASES:
        match = re.search(rf"(?<![a-z])(?:{pattern})(?![a-z_])", words)
        if match is not None:
            return _described(kind, words[: match.start()] + " " + words[match.end() :])
    return None


def _described(kind: str, rest: str) -> str | None:
    """The layer of a kind with the numbers of a line."""
    window = re.search(r"\b(\d+)\s*x\s*(\d+)\b", rest)
    if window is not None:
        rest = rest.replace(window[0], " ")
    stride = re.search(r"/\s*(\d+)|\bstride\s*[:=]?\s*(\d+)|\bs\s*=?\s*(\d+)\b", rest)
    if stride is not None:
        rest = rest.replace(stride[0], " ")
    pad = re.search(r"\bpad(?:ding)?\s*[:=]?\s*(\d+)|\bp\s*=\s*(\d+)\b", rest)
    if pad is not None:
        rest = rest.replace(pad[0], " ")
    if re.search(r"[a-z(){}]", rest):
        return None
    numbers = re.findall(r"\d+(?:\.\d+)?", rest)
    step = next((g for g in stride.groups() if g), None) if stride else None
    k = None
    if window is not None:
        k = window[1] if window[1] == window[2] else f"{window[1]}x{window[2]}"
    return _padded(_layer(kind, k, step, numbers), pad)


def _padded(layer: str | None, pad: re.Match[str] | None) -> str | None:
    if layer is None or pad is None:
        return layer
    return f"{layer.rstrip(')')}, pad = {pad[1] or pad[2]})"


def _layer(kind: str, k: str | None, stride: str | None, numbers: list[str]) -> str | None:
    if kind in ("conv", "deconv"):
        if k is None or len(numbers) != 1:
            return None
        return f"{kind}({numbers[0]}, {k}" + (f", stride = {stride})" if stride else ")")
    if kind in ("maxpool", "avgpool"):
        k = k or (numbers.pop(0) if numbers else stride)
        if k is None or numbers:
            return None
        return f"{kind}({k}" + (f", stride = {stride})" if stride and stride != k else ")")
    if k is not None or stride is not None:
        return None
    if kind == "dense":
        return f"dense({numbers[0]})" if len(numbers) == 1 else None
    if kind in ("dropout", "leaky_relu") and len(numbers) == 1:
        return f"{kind}({numbers[0]})"
    return kind if not numbers else None


def notation(matched: Matched) -> Fix:
    """The layers of `64C3-MP2-10`: 64 filters of 3x3, pooling by 2, and 10 units."""
    layers = []
    for word in re.split(r"\s*-\s*", matched.group("line").strip()):
        conv = re.fullmatch(r"(\d+)[cC](\d+)", word)
        pool = re.fullmatch(r"(?i)(?:max|m)?p(?:ool)?(\d*)", word)
        dense = re.fullmatch(r"(?i)(?:fc|f|n)?(\d+)(?:n|fc)?", word)
        if conv is not None:
            layers.append(f"conv({conv[1]}, {conv[2]})")
        elif pool is not None:
            layers.append(f"maxpool({pool[1] or 2})")
        elif dense is not None:
            layers.append(f"dense({dense[1]})")
        elif word.lower() in LAYERS:
            layers.append(word.lower())
        else:
            return None
    return " -> ".join(layers)


def window(matched: Matched) -> Fix:
    """`repeat 2 { conv(64, 3) }` for `[3x3, 64] x 2`, the cell of a table."""
    layer = f"conv({matched.group('out')}, {matched.group('k')})"
    rounds = matched.group("n")
    return Guess(f"repeat {rounds} {{ {layer} }}" if rounds else layer)


def yolo_row(matched: Matched) -> Fix:
    """`conv(64, 3, stride = 2, pad = 1, bias = false) -> bn -> silu` for a row with `Conv`."""
    kind, numbers = matched.group("kind"), re.findall(r"\d+", matched.group("arguments"))
    if kind.endswith("Upsample") and numbers:
        return Guess(f"upsample({numbers[0]})")
    if kind == "Concat":
        return Guess("concat(@label)")
    if kind != "Conv" or not numbers:
        numbers = ["64", "3", "2"]  # another module, which is several layers
    out, k, stride = (numbers + ["1", "1"][len(numbers) - 1 :])[:3]
    pad = (numbers[3:] or [str(int(k) // 2)])[0]
    given = {"stride": int(stride), "pad": int(pad)}
    further = [f", {name} = {n}" for name, n in given.items() if n != int(name == "stride")]
    return Guess(f"conv({out}, {k}{''.join(further)}, bias = false) -> bn -> silu")


def digits(matched: Matched) -> Fix:
    """`25_000_000` for `25M`; after `==`, a number with a decimal point is a rounded one."""
    if "." in matched.group("n") and "==" in matched.match.string:
        return None
    value = float(matched.group("n").replace("_", "")) * _UNITS[matched.group("unit").lower()]
    return f"{round(value):_}"


def rounded(matched: Matched) -> Fix:
    """`round(params / 1e6, 1) == 11.7` for `params == 11.7M`."""
    figure, number = matched.group("q"), matched.group("n")
    power = len(str(_UNITS[matched.group("unit").lower()])) - 1
    places = len(number.partition(".")[2])
    return f"round({figure} / 1e{power}, {places}) == {number}"


def mapping(matched: Matched) -> Fix:
    """`conv(out = 8, k = 3)` for `conv: {out: 8, k: 3}`."""
    kind, label = matched.group("kind"), ""
    pairs = [re.split(r"\s*[:=]\s*", part, maxsplit=1) for part in parts(matched.group("pairs"))]
    first = ""
    if kind not in LAYERS and find(kind) is None:  # `c1: {conv: 8, k: 3}`
        label, kind, first = f"{kind}: ", pairs[0][0].strip('"'), pairs.pop(0)[-1]
    row = find(kind)
    if kind not in LAYERS:
        if row is None:
            return None
        kind = row.ours
    known = {declared.name for declared in LAYERS[kind].args} if kind in LAYERS else set()
    pairs = [pair for pair in pairs if pair != [""]]
    if not all(len(pair) == 2 and pair[0].strip('"') in known for pair in pairs):
        return None
    arguments = [f"{name.strip(chr(34))} = {value}" for name, value in pairs]
    return f"{label}{kind}({', '.join([first, *arguments] if first else arguments)})"


_ROW = r"(?:\s*(?P<kind>[\w.]+)\s*,\s*\[(?P<arguments>[^\[\]]*)\])?"  # of a YOLO file
_DARKNET = (
    "write the layer as `conv(32, 3, pad = 1) -> bn -> leaky_relu(0.1)` in a `net`;"
    " `netdsl import FILE.cfg` reads a whole file"
)
_CAFFE = (
    "write the layer with its name: `conv1: conv(20, 5)`; its input is the value above;"
    " `netdsl import FILE.prototxt` reads a whole file"
)
_YAML = "write a net as `net Name { input image: 3x224x224 ... }`, with one layer on each line"

_PAPER = r"(?=[^#]*(?i:conv|filters|kernels|pool|fc|fully|norm|dense|max|drop|relu|bn|linear))"

HABITS = (
    Habit(
        rf"^\s*(?P<at>\[\[?\s*-?\d+\s*,\s*\d+\s*,{_ROW}.*)",
        "‹[-1, 1, Conv, [64, 3, 2]]›",
        "write the layer as `$fix`; a reference is `@label`",
        "this is a row of a YOLO file",
        yolo_row,
    ),
    Habit(
        rf"^\s*(?P<at>-\s*\[(?:(?:\[[^\[\]]*\]|[^,\[]*),\s*\d+\s*,{_ROW})?.*)",
        "‹- [-1, 1, Conv, [64, 3, 2]]›",
        "write the layer as `$fix`; a reference is `@label`",
        "this is a row of a YOLO file",
        yolo_row,
    ),
    Habit(
        r"^\s*(?P<at>\[\w+\])", "‹[convolutional]›", _DARKNET, "this is a section of a Darknet file"
    ),
    Habit(r"^\s*(?P<at>layers?\s*\{)", "‹layer {›", _CAFFE, "this is a Caffe layer", where="top"),
    Habit(
        r"^\s*(?P<at>(?:name|type|bottom|top)\s*:\s*\").*",
        '‹name: "›conv1"',
        _CAFFE,
        "this is a line of a Caffe file",
    ),
    Habit(
        r"^\s*(?P<at>layers?\s*\{)",
        "‹layer {› 3 }",
        _CAFFE,
        "this is a Caffe layer",
        where="body",
    ),
    Habit(r"^\s*(?P<at>\{\s*\"?\w*\"?.*)", '‹{"name": "N"}›', _YAML, "this is JSON", where="top"),
    Habit(r"^\s*(?P<at>[\w-]+\s*:)(?:\s|$).*", "‹layers:›", _YAML, "this is YAML", where="top"),
    Habit(
        r"^\s*\w+\s*:\s*\{\s*(?P<fix>(?P<at>[A-Za-z]\w*(?:-\w+)+))(?=\s*:\s*[a-z]\w*\s*\()",
        "stem: { ‹conv-a›: conv(3, 1) }",
        "a label without quotes is a name of letters, digits and `_`: write `$fix`",
        "`$at` is not a label",
        '"$at"',
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>[-*•+]\s+|\d+[.)]\s+)?(?P<kind>\w+)\s*:\s*\{(?P<pairs>[^{}]*)\})\s*$",
        "‹- ›conv: {out: 8, k: 3}",
        "write the layer as `$fix`",
        "this is a layer in YAML or JSON",
        mapping,
        "write the layer with its arguments in parentheses: `conv(8, 3)`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>-|[*•+]|\d+[.)])\s+)(?=[A-Za-z_@])",
        "‹-› conv(8, 3)",
        "write each layer on a line of its own, without a mark before it",
        "found `$at` before a layer, but a net is not a list",
        "",
        where="body",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<line>{_PAPER}\w[\w ,@/×✕*x.=:-]*?))\s*$",
        "‹3x3 conv, 64, /2›",
        "write the layer as `$fix`",
        "this is a layer as papers write it",
        paper,
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>(?P<line>\d+[cC]\d+(?:\s*-\s*\w+)*)))\s*$",
        "‹64C3-MP2-10›",
        "write the layers as `$fix`",
        "these are layers as papers write them",
        notation,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>\[?\s*(?P<k>\d+)\s*[x×]\s*(?P=k)\s*,\s*(?P<out>\d+)\s*\]?)(?:\s"
        r"*[x×*]\s*"
        r"(?P<n>\d+))?)\s*$",
        "‹3x3, 64›",
        "write the layer as `$fix`",
        "this is a layer as papers write it",
        window,
        where="body",
    ),
    Habit(
        r"(?:^|:|->)\s*(?P<at>[A-Za-z]{0,4}(?P<c>\d+)\s*@\s*(?P<h>\d+)\s*[x×]\s*(?P<w>\d+))",
        "‹C6@28x28›",
        "write the layer, such as `c: conv($c, 5)`, and state its size: `expect shape(c) =="
        " ${c}x${h}x${w}`",
        "this is the size of a result as papers write it, and no layer",
        where="body",
    ),
    Habit(
        r"\bexpect\s+(?P<fix>(?P<q>\w+)\s*==\s*(?P<at>(?P<n>\d+\.\d+)\s*(?P<unit>[kKmMgGbB])))\s*$",
        "expect params == ‹11.7M›",
        "compare a rounded figure: `$fix`",
        "numbers cannot have a unit such as `$unit`",
        rounded,
    ),
    *(
        Habit(
            rf"\bexpect\s+(?P<q>\w+)\s*==\s*(?P<fix>(?P<at>(?P<n>\d+)\s*(?P<unit>[{units}])))\s*$",
            f"expect params == ‹25{units[0]}›",
            f"write all digits, `$fix`, or compare a rounded figure: `round($q / {power}) == $n`",
            "numbers cannot have a unit such as `$unit`",
            digits,
        )
        for units, power in (("Kk", "1e3"), ("Mm", "1e6"), ("GgBb", "1e9"))
    ),
    Habit(
        r"(?P<fix>(?P<at>(?P<n>\b\d[\d_]*(?:\.\d+)?)\s*(?P<unit>[kKmMbBgG]|bn|million|thousand"
        r"|billion|Mio|mio)))\b",
        "expect params < ‹25M›",
        "write all digits, `$fix`; an `expect` is exact, and `<` and `>` give bounds",
        "numbers cannot have a unit such as `$unit`",
        digits,
        "write all digits, or compare a rounded figure: `round(params / 1e3, 1) == 1.8`",
    ),
    Habit(
        r"\bexpect\s+(?P<fix>(?P<n>\d[\d_]*)\s*(?P<at>(?P<figure>params|macs|weights|units"
        r"|depth)))\s*$",
        "expect 224 ‹params›",
        "write `expect $figure == $n`",
        "a comparison is missing",
        "$figure == $n",
    ),
    Habit(
        r"(?P<fix>\s*(?P<at>params|parameters|weights|macs|flops|px|pixels))(?=\s*$)",
        "expect params == 1e6 ‹params›",
        "leave out `$at`",
        "a number cannot have a unit",
        "",
    ),
)
