"""Arbitrary texts: random bytes, random tokens, and valid files with random changes.

`text(seed)` always gives the same text for a seed.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from netdsl.ops import LAYERS
from tests.support.paths import ROOT

from .generate import program

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = [
    "import",
    "let",
    "block",
    "net",
    "train",
    "input",
    "output",
    "aux",
    "expect",
    "repeat",
    "for",
    "if",
    "else",
    "as",
    "in",
    "at",
    "and",
    "or",
    "not",
    "true",
    "false",
    "identity",
    "residual",
    "frozen",
    "shape",
    "params",
    "macs",
    "min",
    "max",
    "range",
    "enumerate",
    "len",
    "sum",
    "sqrt",
    "round",
    "H",
    "W",
    "N",
    "x",
    "in.channels",
    "in.shape",
    "same",
    "int64",
    "resnet",
    "lenet5",
    "basicblock",
]
MARKS = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "->",
    "|",
    ":",
    ",",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "@",
    "@a",
    "@a.b",
    "@a{i}",
    ".",
    "\n",
    "\n",
    "\n",
    "#",
    "# note\n",
    '"',
    '"s"',
    "a:",
    "a{i}:",
    "a{",
    "\\",
    ";",
    "\t",
    "\r\n",
    "'",
]
NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "64",
    "1_000",
    "1.5",
    "5e-4",
    "1e400",
    "1e-400",
    "9" * 18,
    "9" * 19,
    "9" * 5000,
    "2147483647",
    "2147483648",
    "00",
    "1__0",
    "1_",
    "3x32x32",
    "3xHxW",
    "1x0",
    "0x1",
    "HxW",
    "1xk",
    "3x",
    "x3",
    "0.0",
    ".5",
    "1.",
    "1.e5",
    "2 ** 62",
    "2 ** 63",
    "10 ** 18",
    "1 / 0",
    "0 * H",
]
ODD = [
    "\x00",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x0b",
    "\x0c",
    "\x1c",
    "é",
    "größe",
    "名",
    "𝔸",
    "ﬁ",
    "\u202e",
    "\ud7ff",
    "\U0010ffff",
    "\u0301",
    "٣",
    "²",
    "½",
    "\xa0",
    "\x7f",
    "\x1b[31m",
]
_TOKEN = re.compile(r"\w+|->|\*\*|//|[=!<>]=|\s+|.", re.DOTALL)


@cache
def valid_files() -> tuple[str, ...]:
    """All files of the library, the examples, and the nets in the documentation."""
    files = [p.read_text() for p in sorted((ROOT / "nets").rglob("*.net"))] + [
        p.read_text() for p in sorted((ROOT / "examples").rglob("*.net"))
    ]
    for document in sorted((ROOT / "docs").glob("*.md")):
        for before, kind, body in re.findall(
            r"([^\n]*)\n\n```net([^\n]*)\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE
        ):
            if before == "Wrong:":
                continue
            shape = kind.split()[-1] if "fragment" in kind else ""
            files.append(f"net Example {{\n    input image: {shape}\n{body}}}\n" if shape else body)
    return tuple(files)


def text(seed: int) -> bytes:
    """The bytes of the text of a seed."""
    random = Random(f"text {seed}")
    return random.choices(list(_MAKERS), list(_MAKERS.values()))[0](random)


def _raw(random: Random) -> bytes:
    return random.randbytes(random.choice([0, 1, 3, 20, 200, 2000]))


def _characters(random: Random) -> bytes:
    ranges = random.choice(
        [
            [(32, 126)],
            [(0, 255)],
            [(9, 13), (32, 126), (0x80, 0x2FFF)],
            [(0, 0xD7FF), (0xE000, 0x10FFFF)],
        ]
    )
    characters = [
        chr(random.randint(*random.choice(ranges))) for _ in range(random.randint(0, 300))
    ]
    return "".join(characters).encode("utf-8", "surrogatepass")


def _soup(random: Random) -> bytes:
    pool = random.choice(
        [
            WORDS + MARKS * 2,
            WORDS + MARKS + NUMBERS + list(LAYERS),
            MARKS,
            NUMBERS + MARKS,
            [*LAYERS, "->", "\n", "{", "}", "(", ")", ",", "3"],
            ODD + WORDS + MARKS,
        ]
    )
    glue = random.choice([" ", " ", "", "\n"])
    inside = glue.join(random.choice(pool) for _ in range(random.randint(1, 120)))
    if random.random() < 0.6:
        inside = (
            f"net A{random.choice(['', '(n = 3)', '()'])} {{\n    input image:"
            f" {random.choice(['3x32x32', '3xHxW', 'T int64', '8', '4x6'])}\n{inside}\n}}\n"
        )
    return inside.encode("utf-8", "surrogatepass")


def _several(random: Random, names: list[str]) -> list[str]:
    return random.sample(names, random.randint(1, len(names)))


def _expression(random: Random) -> bytes:
    atoms = [
        *NUMBERS,
        "H",
        "in.channels",
        "in.shape",
        "[1, 2]",
        "(1, 2)",
        "[]",
        '"s"',
        "true",
        "range(3)",
        "@a",
        "conv",
        "n",
        "shape(@a)",
        "params",
        "same",
        "in.height",
    ]
    operators = [
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "==",
        "!=",
        "<",
        ">=",
        "and",
        "or",
        "if true else",
    ]
    functions = [
        "min",
        "max",
        "ceil",
        "floor",
        "round",
        "len",
        "range",
        "enumerate",
        "sum",
        "abs",
        "sqrt",
        "shape",
        "params",
        "unknown",
    ]

    def expression(depth: int) -> str:
        r = random.random()
        if depth == 0 or r < 0.25:
            return random.choice(atoms)
        inner = [expression(depth - 1) for _ in range(3)]
        if r < 0.55:
            return f"{inner[0]} {random.choice(operators)} {inner[1]}"
        if r < 0.7:
            return f"{random.choice(functions)}({', '.join(inner[: random.randint(0, 3)])})"
        return random.choice(
            [
                "({0})",
                "[{0}, {1}]",
                "{0}[{1}]",
                "-{0}",
                "not {0}",
                "{0} if {1} else {2}",
                "{0}.channels",
                "{0} ** {1}",
                "({0}, {1})",
                "3 * [{0}]",
            ]
        ).format(*inner)

    kind = random.choice(list(LAYERS))
    names = [a.name for a in LAYERS[kind].args] or ["out"]
    value = expression(random.randint(0, 4))
    lines = {
        "let": f"let v = {value}\nconv(3, 1)",
        "argument": f"{kind}({value})",
        "named": f"{kind}({random.choice(names)} = {value})",
        "two": f"{kind}({value}, {expression(2)})",
        "if": f"if {value} {{ relu }}",
        "repeat": f"repeat {value} {{ relu }}",
        "for": f"for i in {value} {{ relu }}",
        "expect": f"relu\nexpect {value}",
        "label": f"a{{{value}}}: relu",
        "both": f"{kind}({', '.join(f'{n} = {expression(1)}' for n in _several(random, names))})",
        "at": f"relu\nexpect params == 0 at {value}",
        "input": f"input b: {value}\nrelu",
        "example": f"input b: 2x3 = {value}\nrelu",
        "values": f"b: relu\nexpect values(b) == {value}",
    }
    shape = random.choice(["3x32x32", "3xHxW", "8", "4x6", "2x4x4x4", "T int64", "LxD", "V"])
    return (
        f"net A(n = 3) {{\n    input image: {shape}\n    a:"
        f" identity\n{random.choice(list(lines.values()))}\n}}\n".encode()
    )


def _tokens(whole: str) -> list[str]:
    return _TOKEN.findall(whole)


def _source(random: Random) -> str:
    return (
        random.choice(valid_files()) if random.random() < 0.7 else program(random.randrange(20_000))
    )


def _mutated(random: Random) -> bytes:
    return changed(random, _source(random))


def changed(random: Random, whole: str) -> bytes:
    """A text with some tokens removed, doubled, swapped, inserted or replaced."""
    tokens = _tokens(whole)
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        i, j = random.randrange(len(tokens)), random.randrange(len(tokens))
        match random.randrange(7):
            case 0:
                tokens[i] = ""
            case 1:
                tokens[i] += tokens[i]
            case 2:
                tokens[i], tokens[j] = tokens[j], tokens[i]
            case 3:
                tokens[i] = random.choice(WORDS + MARKS + NUMBERS + ODD + list(LAYERS))
            case 4:
                tokens.insert(i, random.choice(MARKS + WORDS + ODD))
            case 5:
                tokens[i] = random.choice(NUMBERS) if tokens[i][:1].isdigit() else tokens[j]
            case _:
                del tokens[i : i + random.randint(1, 12)]
                tokens = tokens or [""]
    return "".join(tokens).encode("utf-8", "surrogatepass")


def _numbers(random: Random) -> bytes:
    """A valid file with other numbers, so that its structure is right but its sizes are wrong."""
    tokens = _tokens(_source(random))
    places = [i for i, t in enumerate(tokens) if t[:1].isdigit()]
    for i in random.sample(places, min(len(places), random.choice([1, 1, 2, 5]))):
        tokens[i] = random.choice([*NUMBERS, "4", "5", "16", "33", "1x1", "[1, 2]", "same", "none"])
    return "".join(tokens).encode()


def _bytes_changed(random: Random) -> bytes:
    data = bytearray(_source(random).encode())
    for _ in range(random.choice([1, 2, 5, 20])):
        i = random.randrange(len(data))
        match random.randrange(3):
            case 0:
                data[i] = random.randrange(256)
            case 1:
                del data[i : i + random.randint(1, 30)]
            case _:
                data[i:i] = random.randbytes(random.randint(1, 4))
        data = data or bytearray(b" ")
    return bytes(data)


def _spliced(random: Random) -> bytes:
    first, second = _source(random), _source(random)
    return (
        first[: random.randrange(len(first) + 1)] + second[random.randrange(len(second) + 1) :]
    ).encode()


def _deep(random: Random) -> bytes:
    """Deep nesting and long chains, which could exhaust the stack or the memory."""
    n = random.choice([10, 60, 70, 100, 1000, 5000, 100_000])
    opened, closed = random.choice(
        [
            ("{ ", " }"),
            ("(", ")"),
            ("[", "]"),
            ("residual { ", " }"),
            ("-", ""),
            ("not ", ""),
            ("repeat 2 { ", " }"),
            ("if true { ", " } else { relu }"),
            ("concat { | ", " | relu }"),
            ("a: { ", " }"),
            ("1 + ", ""),
            ("min(", ")"),
            ("2 ** ", ""),
            ("relu -> ", ""),
            ("a.", ""),
            ("1x", ""),
            ("relu\n", ""),
        ]
    )
    inner = random.choice(["relu", "1", "conv(8, 3, pad = 1)", ""])
    n = min(n, 900_000 // (len(opened) + len(closed)))
    nested = opened * n + inner + closed * n
    where = random.choice(
        [
            "{0}",
            "conv({0}, 3)",
            "let v = {0}\nrelu",
            "repeat {0} {{ relu }}",
            "expect {0}",
            "input b: {0}",
            "input b: 3 = {0}",
            "a{{{0}}}: relu",
        ]
    )
    return f"net A {{\n    input image: 3x32x32\n{where.format(nested)}\n}}\n".encode()


def _growth(random: Random) -> bytes:
    """Short texts that describe something very large."""
    n = random.choice([3, 10, 30, 60])
    return random.choice(
        [
            "\n".join(
                [f"block b{i}() {{ b{i + 1} -> b{i + 1} }}" for i in range(n)]
                + [f"block b{n}() {{ relu }}", "net A { input x: 3x8x8", "b0 }"]
            ),
            "net A { input x: 3x8x8\n" + "repeat 99 { " * n + "relu" + " }" * n + " }",
            "let v0 = [1, 2]\n"
            + "\n".join(f"let v{i + 1} = v{i} + v{i}" for i in range(n))
            + f"\nnet A {{ input x: 3x8x8\nspp(v{n}) }}",
            "let v0 = [1, 2]\n"
            + "\n".join(f"let v{i + 1} = [v{i}, v{i}]" for i in range(n))
            + f"\nnet A {{ input x: 3x8x8\nconv(2, 1, weight = v{n}) }}",
            'let v0 = "ab"\n'
            + "\n".join(f"let v{i + 1} = v{i} + v{i}" for i in range(n))
            + f"\nnet A {{ input x: 3x8x8\nconv(2, 1, init = v{n}) }}",
            "net A { input x: 3xHxW\n" + "conv(3, 3, 2, pad = 1) -> upsample(3)\n" * n + "}",
            "net A { input x: 3xHxW\n"
            + "concat { | conv(3, 3, 2) | maxpool(3, 2) | upsample(2) -> maxpool(4) }\n" * n
            + "}",
            "net A { input x: HxWxS\ntokens -> permute([2, 1])\n"
            + "reshape([H, W * S]) -> tokens\n" * n
            + "}",
            f"net A {{ input x: 3x8x8\nrnn({10**n}, layers = {10 ** min(n, 9)}) }}",
            (
                f"net A {{ input x: {10 ** min(n, 17)}x8\n"
                "lstm(1000000, layers = 1000, bidirectional = true) -> attention(1) -> tokens }"
            ),
            "net A { input x: 3x8x8\n"
            + " ".join(f"a{i}: relu\n" for i in range(n * 100))
            + "nosuch }",
            "net A { input x: 3x8x8\nadd { " + "| relu " * (n * 50) + "} }",
            (
                "net A { input x: 3x8x8\n"
                f"for i in range({10 ** min(n, 6)}) {{ let w = {n} * [i] }} relu }}"
            ),
            (
                "net A { input x: 3x8x8\n"
                f"lrn({10 ** min(n, 17) + 1}) -> spp([{10 ** min(n, 9)}]) -> cheb(3, 1000) }}"
            ),
            f"net A {{ input x: 3x8x8\na: relu\nrepeat {10 ** min(n, 5)} {{ a -> add(@a) }} }}",
        ]
    ).encode()


_MAKERS: dict[Callable[[Random], bytes], int] = {  # with their relative frequency
    _raw: 4,
    _characters: 4,
    _soup: 12,
    _expression: 20,
    _mutated: 25,
    _numbers: 12,
    _bytes_changed: 10,
    _spliced: 9,
    _deep: 2,
    _growth: 2,
}
