"""Texts that would take forever, or all memory, if the compiler did not refuse them."""

from __future__ import annotations

import random
from typing import NamedTuple

HEAD = "net N {\n    input x: 3x8x8\n    "
FOOT = "\n}\n"


class Bomb(NamedTuple):
    """A text, and the code of the error that refuses it.

    `names` is the limit that the error names, and whose variable raises it, or a part of the
    message.
    """

    text: str
    code: str
    names: str
    files: tuple[tuple[str, str], ...] = ()


def _inside(text: str, code: str, names: str) -> Bomb:
    return Bomb(HEAD + text + FOOT, code, names)


def _nested(opening: str, inner: str, closing: str, n: int) -> str:
    return opening * n + inner + closing * n


def _doubling(n: int) -> str:
    """Blocks that each call the one before twice: 2^n layers in n lines."""
    blocks = [
        "block b0() { relu }",
        *(f"block b{i}() {{ b{i - 1} -> b{i - 1} }}" for i in range(1, n + 1)),
    ]
    return "\n".join(blocks) + f"\nnet N {{\n    input x: 3\n    b{n}\n}}\n"


def _arms(n: int) -> str:
    blocks = [
        "block b0() { relu }",
        *(
            f"block b{i}() {{ add {{ | b{i - 1} | b{i - 1} | b{i - 1} }} }}"
            for i in range(1, n + 1)
        ),
    ]
    return "\n".join(blocks) + f"\nnet N {{\n    input x: 3\n    b{n}\n}}\n"


def _doubling_lists(n: int) -> str:
    return "\n    ".join(
        ["let a0 = [1, 1]", *(f"let a{i} = [a{i - 1}, a{i - 1}]" for i in range(1, n + 1)), "relu"]
    )


def _doubling_words(n: int) -> str:
    return "\n    ".join(
        ['let a0 = "aa"', *(f"let a{i} = a{i - 1} + a{i - 1}" for i in range(1, n + 1)), "relu"]
    )


def bombs() -> dict[str, Bomb]:
    """All bombs, by name."""
    million = 10**6
    return {
        # the text
        "a text of more than a mebibyte": Bomb(
            "#" * (1 << 20) + "\n", "file-too-large", "source_bytes"
        ),
        "a text of one long line": Bomb(
            "net N { relu" + " -> relu" * 200_000, "file-too-large", "source_bytes"
        ),
        "a million blocks": Bomb(
            "".join(f"block b{i}() {{ }}\n" for i in range(million // 15)),
            "file-too-large",
            "source_bytes",
        ),
        "as many blocks as fit into a text": Bomb(
            "".join(f"block b{i}(){{}}\n" for i in range(55_000)), "file-too-large", "tokens"
        ),
        "a name of a million characters": _inside(
            "a" * million + ": relu", "name-too-long", "name_length"
        ),
        "a name of a million letters, called": _inside(
            "a" * million, "name-too-long", "name_length"
        ),
        "a string of a million characters": _inside(
            f'conv("{"a" * million}", 3)', "wrong-type", "integer"
        ),
        "a number of a million digits": _inside(
            f"conv({'9' * million}, 3)", "number-too-long", "18"
        ),
        "a size of many digits": _inside(f"conv(4, {'9' * 100_000}x3)", "number-too-long", "18"),
        "digits with underscores": _inside(f"conv({'1_' * 300_000}1, 3)", "number-too-long", "18"),
        "a hundred thousand errors": _inside(
            "\n    ".join(["qq(1)"] * 100_000), "file-too-large", "tokens"
        ),
        "forty thousand different errors": _inside(
            "\n    ".join(f"q{i}" for i in range(40_000)), "too-many-errors", "100"
        ),
        "a hundred thousand syntax errors": _inside(
            "\n    ".join(["conv(,)"] * 20_000), "syntax-error", "value"
        ),
        "a hundred thousand labels": _inside(
            "\n    ".join(f"a{i}: relu" for i in range(45_000)) + "\n    add(@b)",
            "file-too-large",
            "tokens",
        ),
        "closing braces": Bomb("}" * million, "file-too-large", "tokens"),
        "bars": _inside("add {" + "|" * 500_000 + "}", "file-too-large", "tokens"),
        "line breaks": Bomb("\n" * million, "no-net", "no net"),
        "comments": Bomb("#\n" * 500_000, "no-net", "no net"),
        "zero bytes": Bomb("\0" * million, "not-text", "zero byte"),
        # nesting: as deep as a text can have it, and just deep enough to be refused
        "70 braces": _inside(_nested("{", "relu", "}", 70), "nesting-too-deep", "nesting"),
        "20,000 braces": _inside(_nested("{", "relu", "}", 20_000), "nesting-too-deep", "nesting"),
        "20,000 parentheses": _inside(
            f"conv({_nested('(', '1', ')', 20_000)}, 1)", "nesting-too-deep", "nesting"
        ),
        "20,000 lists": _inside(
            f"let a = {_nested('[', '1', ']', 20_000)}\n    relu", "nesting-too-deep", "nesting"
        ),
        "20,000 indices": _inside(f"conv(a{'[0]' * 20_000}, 1)", "nesting-too-deep", "200"),
        "20,000 attributes": _inside(f"conv(a{'.b' * 20_000}, 1)", "nesting-too-deep", "200"),
        "90,000 minus signs": _inside(f"conv({'-' * 90_000}1, 1)", "nesting-too-deep", "200"),
        "45,000 powers": _inside(f"conv({'1 ** ' * 45_000}1, 1)", "nesting-too-deep", "200"),
        "15,000 conditions": _inside(
            f"conv({'1 if true else ' * 15_000}1, 1)", "nesting-too-deep", "200"
        ),
        "15,000 else if": _inside(
            "if false { relu }" + " else if false { relu }" * 15_000, "nesting-too-deep", "90"
        ),
        "19,000 errors": _inside("\n    ".join(["qq(1)"] * 19_000), "too-many-errors", "100"),
        "9,000 nets with an error": Bomb(
            "".join(f"net N{i} {{\n input x: 3\n q\n}}\n" for i in range(9_000)),
            "too-many-errors",
            "100",
        ),
        "40,000 numbers": _inside(
            f"conv(1, 300, pad = 150, weight = [{', '.join(['1'] * 40_000)}])",
            "shape-mismatch",
            "300x300",
        ),
        "20,000 arms": _inside(
            "concat { " + "| relu " * 20_000 + "| conv(4, 3) }", "wrong-inputs", "10,000 arms"
        ),
        "30,000 labels": _inside(
            "\n    ".join(f"a{i}: relu" for i in range(30_000)) + "\n    add(@b)",
            "unknown-label",
            "b",
        ),
        "braces": _inside(_nested("{", "relu", "}", 100_000), "file-too-large", "tokens"),
        "only opening braces": _inside("{" * 500_000, "file-too-large", "tokens"),
        "parentheses": _inside(
            f"conv({_nested('(', '1', ')', 100_000)}, 1)", "file-too-large", "tokens"
        ),
        "lists": _inside(
            f"let a = {_nested('[', '1', ']', 100_000)}\n    relu", "file-too-large", "tokens"
        ),
        "calls": _inside(
            f"conv({_nested('abs(', '1', ')', 100_000)}, 1)", "file-too-large", "tokens"
        ),
        "indices": _inside(f"conv(a{'[0]' * 100_000}, 1)", "file-too-large", "tokens"),
        "attributes": _inside(f"conv(a{'.b' * 100_000}, 1)", "file-too-large", "tokens"),
        "minus signs": _inside(f"conv({'-' * 200_000}1, 1)", "file-too-large", "tokens"),
        "nots": _inside(f"if {'not ' * 100_000}true {{ relu }}", "file-too-large", "tokens"),
        "powers": _inside(f"conv({'1 ** ' * 100_000}1, 1)", "file-too-large", "tokens"),
        "conditions": _inside(
            f"conv({'1 if true else ' * 60_000}1, 1)", "file-too-large", "tokens"
        ),
        "else if": _inside(
            "if false { relu }" + " else if false { relu }" * 40_000, "file-too-large", "tokens"
        ),
        "repeats": _inside(_nested("repeat 1 {", "relu", "}", 50_000), "file-too-large", "tokens"),
        "joins": _inside(_nested("add{|", "relu", "|relu}", 50_000), "file-too-large", "tokens"),
        "a long chain of blocks": Bomb(
            "block b0() { relu }\n"
            + "".join(f"block b{i}() {{ b{i - 1} }}\n" for i in range(1, 5000))
            + "net N {\n input x: 3\n b4999\n}\n",
            "nesting-too-deep",
            "depth",
        ),
        # expansion
        "ten repeats of ten": _inside(
            _nested("repeat 10 {", "relu", "}", 10), "too-many-layers", "layers"
        ),
        "a billion repeats": _inside("repeat 1_000_000_000 { relu }", "too-many-layers", "layers"),
        "10^17 repeats": _inside(
            "repeat 100_000_000_000_000_000 { relu }", "too-many-layers", "layers"
        ),
        "repeats whose count is a name": _inside(
            "let n = 999_999\n    repeat n { repeat n { relu } }", "too-many-steps", "steps"
        ),
        "for in for": _inside(
            "for i in range(1000) { for j in range(1000) { relu } }", "too-many-layers", "layers"
        ),
        "for in for, the list a name": _inside(
            "let r = range(1000)\n    for i in r { for j in r { for k in r { relu } } }",
            "too-many-layers",
            "layers",
        ),
        "blocks that double": Bomb(_doubling(60), "too-many-layers", "layers"),
        "arms that triple": Bomb(_arms(40), "too-many-layers", "layers"),
        "2^17 layers": Bomb(_doubling(17), "too-many-layers", "layers"),
        "blocks that double and have no layers": Bomb(
            _doubling(60).replace("{ relu }", "{ }"), "too-many-steps", "steps"
        ),
        "repeats of nothing": _inside("repeat 1_000_000_000 { }", "too-many-steps", "steps"),
        "repeats of repeats of nothing": _inside(
            "repeat 99_999 { repeat 99_999 { } }", "too-many-steps", "steps"
        ),
        "repeats of nothing, the count a name": _inside(
            "let n = 99_999\n    repeat n { repeat n { } }", "too-many-steps", "steps"
        ),
        "repeats of a branch that is not taken": _inside(
            "let n = 99_999\n    repeat n { repeat n { if false { relu } } }",
            "too-many-steps",
            "steps",
        ),
        "repeats of lets": _inside(
            "let n = 99_999\n    repeat n { repeat n { let a = 1 } }", "too-many-steps", "steps"
        ),
        "repeats of an empty block": Bomb(
            "block E() { }\n" + HEAD + "let n = 99_999\n    repeat n { repeat n { E } }" + FOOT,
            "too-many-steps",
            "steps",
        ),
        "for over nothing, often": _inside(
            "let r = range(99_999)\n    for i in r { for j in r { } }", "too-many-steps", "steps"
        ),
        "a group of nothing, often": _inside(
            "let n = 99_999\n    repeat n { repeat n { { { } } } }", "too-many-steps", "steps"
        ),
        "references by position in a loop": _inside(
            "a: { repeat 20_000 { relu } }\n    repeat 50_000 { @a.0 }", "too-many-steps", "steps"
        ),
        "sums in a loop": _inside(
            "let r = range(99_999)\n    let n = 20_000\n    repeat n { let s = sum(r)\n let t ="
            " max(r) }\n    relu",
            "too-many-steps",
            "steps",
        ),
        "lists in a loop": _inside(
            "let n = 20_000\n    repeat n { let s = 99_999 * [1] }\n    relu",
            "too-many-steps",
            "steps",
        ),
        "arguments in a loop": Bomb(
            "block B(a) { relu }\n" + HEAD + "repeat 20_000 { B(99_999 * [0]) }" + FOOT,
            "too-many-steps",
            "steps",
        ),
        "errors in a loop": _inside(
            "let n = 99_999\n    repeat n { repeat n { conv(4, 99) } }", "too-many-steps", "steps"
        ),
        # recursion
        "a block that calls itself": Bomb(
            "block B() { B -> B }\n" + HEAD + "B" + FOOT, "recursive-block", "`B` calls `B`"
        ),
        "blocks in a circle": Bomb(
            "".join(f"block b{i}() {{ b{(i + 1) % 3000} }}\n" for i in range(3000))
            + HEAD
            + "b0"
            + FOOT,
            "nesting-too-deep",
            "depth",
        ),
        "a block as its own argument": Bomb(
            "block A(F) { F(F) }\n" + HEAD + "A(A)" + FOOT, "recursive-block", "`A` calls `A`"
        ),
        "a file that imports itself": Bomb(
            'import "n.net"\n' + HEAD + "relu" + FOOT, "import-cycle", "n.net"
        ),
        "files in a circle": Bomb(
            'import "a0.net"\n' + HEAD + "relu" + FOOT,
            "import-cycle",
            "a0.net",
            tuple((f"a{i}.net", f'import "a{(i + 1) % 50}.net"\n') for i in range(50)),
        ),
        "a long chain of imports": Bomb(
            'import "a0.net"\n' + HEAD + "relu" + FOOT,
            "nesting-too-deep",
            "depth",
            tuple((f"a{i}.net", f'import "a{i + 1}.net"\n') for i in range(2000)),
        ),
        # values
        "10^12 in a range": _inside(
            "for i in range(10 ** 12) { relu }", "list-too-long", "list_length"
        ),
        "10^18 in a range": _inside(
            "conv(len(range(999_999_999_999_999_999)), 1)", "list-too-long", "list_length"
        ),
        "a list times a billion": _inside(
            "let a = [1] * 1_000_000_000\n    relu", "list-too-long", "list_length"
        ),
        "an empty list times 10^17": _inside(
            "let a = [] * 100_000_000_000_000_000\n    conv(a, 1)", "wrong-type", "integer"
        ),
        "a list of lists that doubles": _inside(
            _doubling_lists(60), "list-too-long", "list_length"
        ),
        "a word that doubles": _inside(_doubling_words(60), "list-too-long", "list_length"),
        "a word times a billion": _inside(
            'let a = "a" * 1_000_000_000\n    relu', "wrong-type", "numbers"
        ),
        "a tower of powers": _inside("conv(9 ** 9 ** 9 ** 9, 1)", "number-too-large", "2^63"),
        "a long power": _inside("conv(2 ** 999_999_999_999, 1)", "number-too-large", "2^63"),
        "a product": _inside(
            "conv(999_999_999_999_999_999 * 999_999_999_999_999_999, 1)", "number-too-large", "2^63"
        ),
        "a float beyond the largest": _inside("dropout(1e308 * 10)", "number-too-large", "float"),
        "a literal float beyond the largest": _inside(
            "dropout(1e999999)", "number-too-large", "largest float"
        ),
        "enumerating from a huge start": _inside(
            "conv(enumerate([1], 999_999_999_999_999_999)[0][0], 1)", "bad-size", "2,147,483,647"
        ),
        "a power of an open size": Bomb(
            "net N {\n    input x: 3xHxW\n    crop([in.height ** 999_999_999, 4])\n}\n",
            "formula-too-long",
            "10,000",
        ),
        "products of open sizes": Bomb(
            "net N {\n    input x: 3xHxW\n    let a0 = in.height * in.width + 1\n"
            + "".join(f"    let a{i} = a{i - 1} * a{i - 1}\n" for i in range(1, 40))
            + "    relu\n}\n",
            "formula-too-long",
            "10,000",
        ),
        # sizes
        "a size beyond 2^31": Bomb(
            "net N {\n    input x: 3x3_000_000_000x8\n    relu\n}\n", "bad-size", "2,147,483,647"
        ),
        "elements beyond 2^62": Bomb(
            "net N {\n    input x: 2000000000x2000000000x2000000000\n    relu\n}\n",
            "too-large",
            "2^62",
        ),
        "channels beyond 2^31": _inside("conv(2_147_483_648, 1)", "bad-size", "2,147,483,647"),
        "weights beyond 2^62": Bomb(
            "net N {\n    input x: 2000000000x8x8\n    conv(2000000000, 9, pad = 4)\n}\n",
            "too-large",
            "2^62",
        ),
        "a param beyond 2^62": _inside(
            "param(2000000000x2000000000x2000000000)", "too-large", "2^62"
        ),
        "an embedding beyond 2^31": Bomb(
            "net N {\n    input x: T int64\n    embedding(9_000_000_000, 8)\n}\n",
            "bad-size",
            "2,147,483,647",
        ),
        "an enlargement beyond 2^31": _inside(
            "upsample(1_000_000_000)", "bad-size", "2,147,483,647"
        ),
        "a border beyond 2^31": _inside("pad(2_000_000_000)", "bad-size", "2,147,483,647"),
        "a pyramid of many levels": _inside("spp(range(1, 99_999))", "bad-size", "2,147,483,647"),
        "recurrent layers on layers": Bomb(
            "net N {\n    input x: 4x3\n    lstm(8, layers = 1_000_000_000)\n}\n",
            "bad-argument",
            "1000",
        ),
        "polynomials": Bomb(
            "net N {\n    input x: 5x3\n    input e: 5x5\n    @x -> cheb(2, 1_000_000_000,"
            " @e)\n}\n",
            "bad-argument",
            "1000",
        ),
        "literal weights of another size": _inside(
            f"conv(1, 300, pad = 150, weight = [{', '.join(['1'] * 90_000)}])",
            "file-too-large",
            "tokens",
        ),
        "literal weights, many": _inside(
            f"conv(1, 3, weight = [{', '.join(['[1]'] * 120_000)}])", "file-too-large", "tokens"
        ),
        "connections, many": _inside(
            f"conv(60_000, 1, connections = [{', '.join(['[0]'] * 59_999)}])",
            "file-too-large",
            "tokens",
        ),
        "arguments, many": _inside(
            f"conv({', '.join(['1'] * 200_000)})", "file-too-large", "tokens"
        ),
        "keywords, many": _inside(
            f"conv({', '.join(f'a{i} = 1' for i in range(80_000))})", "file-too-large", "tokens"
        ),
        "parameters, many": Bomb(
            f"block B({', '.join(f'a{i}' for i in range(100_000))}) {{ relu }}\n"
            + HEAD
            + "B"
            + FOOT,
            "file-too-large",
            "tokens",
        ),
        "arms, many": _inside(
            "concat { " + "| conv(4, 1) " * 60_000 + "| conv(4, 3) }", "file-too-large", "tokens"
        ),
        "inputs, many": Bomb(
            "net N {\n"
            + "".join(f"    input i{i}: 3\n" for i in range(40_000))
            + "    add(@zz)\n}\n",
            "file-too-large",
            "tokens",
        ),
    }


def generated(count: int, seed: int = 0) -> list[tuple[str, Bomb]]:
    """Random bombs: a random kind of bomb, with random sizes."""
    draw = random.Random(seed)
    chosen: list[tuple[str, Bomb]] = []
    while len(chosen) < count:
        n = draw.randrange(65, 4000)
        big = draw.randrange(100_001, 10 ** draw.randrange(6, 18))
        word = draw.choice(["relu", "tanh", "conv(4, 1)", "bn", "dropout(0.1)", "a{i}: relu"])
        left, right = draw.choice(
            [
                ("{", "}"),
                ("repeat 1 {", "}"),
                ("residual {", "}"),
                ("add{|", "|relu}"),
                ("if true {", "}"),
            ]
        )
        opening, closing = draw.choice(
            [("(", ")"), ("[", "]"), ("abs(", ")"), ("[[", "]]"), ("max(1, ", ")")]
        )
        levels = draw.randrange(6, 20)
        family = [
            (
                "nesting of bodies",
                _inside(_nested(left, "relu", right, n), "nesting-too-deep", "nesting"),
            ),
            (
                "nesting of values",
                _inside(
                    f"let a = {_nested(opening, '1', closing, n)}\n    relu",
                    "nesting-too-deep",
                    "nesting",
                ),
            ),
            (
                "prefixes",
                _inside(
                    f"if {draw.choice(['not ', '- ', '--']) * (n + 200)}1 {{ relu }}",
                    "nesting-too-deep",
                    "200",
                ),
            ),
            ("repeats", _inside(f"repeat {big} as i {{ {word} }}", "too-many-layers", "layers")),
            (
                "repeats in repeats",
                _inside(
                    _nested(f"repeat {draw.randrange(10, 99)} {{", "relu", "}", levels),
                    "too-many-layers",
                    "layers",
                ),
            ),
            (
                "repeats of nothing",
                _inside(
                    f"let n = {draw.randrange(1000, 99_999)}\n    repeat n {{ repeat n {{"
                    f" {draw.choice(['', 'let a = 1', 'if false { relu }', '{ }'])} }} }}",
                    "too-many-steps",
                    "steps",
                ),
            ),
            ("doubling", Bomb(_doubling(levels + 17), "too-many-layers", "layers")),
            ("tripling", Bomb(_arms(levels + 11), "too-many-layers", "layers")),
            (
                "digits",
                _inside(
                    f"conv({draw.randrange(1, 9)}{'0' * (n + 18)}, 1)", "number-too-long", "18"
                ),
            ),
            (
                "names",
                _inside(
                    "b" * (n + 128) + draw.choice([": relu", "", "(4)"]),
                    "name-too-long",
                    "name_length",
                ),
            ),
            (
                "lists",
                _inside(
                    f"let a = {big} * [{draw.choice(['1', 'relu', '[2, 3]', 'true'])}]\n    relu",
                    "list-too-long",
                    "list_length",
                ),
            ),
            (
                "ranges",
                _inside(
                    f"for i in range({draw.choice(['', '1, ', '-5, '])}{big + 10}) {{"
                    f" {draw.choice(['', 'relu'])} }}",
                    "list-too-long",
                    "list_length",
                ),
            ),
            (
                "powers",
                _inside(
                    f"conv({draw.randrange(2, 99)} ** {draw.randrange(64, 10**9)}, 1)",
                    "number-too-large",
                    "2^63",
                ),
            ),
            (
                "sizes",
                Bomb(
                    f"net N {{\n    input x: 3x{2**31 + big}x{draw.randrange(1, 9)}\n   "
                    " relu\n}\n",
                    "bad-size",
                    "2,147,483,647",
                ),
            ),
            (
                "elements",
                Bomb(
                    "net N {\n    input x:"
                    f" {'x'.join(str(draw.randrange(2_097_152, 2**31)) for _ in range(3))}\n   "
                    " relu\n}\n",
                    "too-large",
                    "2^62",
                ),
            ),
            (
                "channels",
                _inside(
                    f"{draw.choice(['conv', 'deconv'])}({2**31 + big}, 1)",
                    "bad-size",
                    "2,147,483,647",
                ),
            ),
            (
                "enlargements",
                _inside(
                    f"{draw.choice(['upsample', 'pad'])}({draw.randrange(1_100_000_000, 2**31)})",
                    "bad-size",
                    "2,147,483,647",
                ),
            ),
            (
                "errors",
                _inside(
                    "\n    ".join(
                        f"{draw.choice(['convv', 'qq', 'add(@z)', 'relu(9)'])}"
                        for _ in range(n + 100)
                    ),
                    "too-many-errors",
                    "100",
                ),
            ),
            (
                "circles",
                Bomb(
                    "".join(f"block b{i}() {{ b{(i + 1) % levels} }}\n" for i in range(levels))
                    + HEAD
                    + "b0"
                    + FOOT,
                    "recursive-block",
                    "calls",
                ),
            ),
            (
                "depth",
                Bomb(
                    "block b0() { relu }\n"
                    + "".join(f"block b{i}() {{ b{i - 1} }}\n" for i in range(1, n + 60))
                    + HEAD
                    + f"b{n + 59}"
                    + FOOT,
                    "nesting-too-deep",
                    "depth",
                ),
            ),
        ]
        chosen.append(draw.choice(family))
    return chosen
