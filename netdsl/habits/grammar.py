"""Slips in the lines that declare something: nets, blocks, inputs, outputs and values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import moved_brace
from netdsl.habits.statements import put_out
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Found

TYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")


def declared_input(found: Found) -> Fix:
    """`input image: 3x32x32` for other ways to write it."""
    rest = found["rest"]
    words = [
        word for word in re.findall(r"\b[A-Za-z_]\w*", rest) if not re.fullmatch(r"x|[A-Z]", word)
    ]
    words = [
        w for w in words if w not in (*TYPES, "shape", "size", "input", "Input", "tensor", "float")
    ]
    dtype = next((word for word in re.findall(r"\w+", rest) if word in TYPES), None)
    sizes = re.search(r"(?:\d+|[A-Z]\b)(?:\s*[xX×*,]\s*(?:\d+|[A-Z]\b))*", rest)
    if sizes is None or len(words) > 1:
        return None
    name = words[0] if words else "image"
    if re.search(rf"\b{name}\s*:", found.text) and not words:
        return None
    written = "x".join(re.findall(r"\d+|[A-Z]", sizes[0]))
    return f"input {name}: {written}" + (f" {dtype}" if dtype else "")


def identifier(found: Found) -> Fix:
    """A name of letters, digits and `_`."""
    name = re.sub(r"\W+", "_", found["name"].strip()).strip("_")
    if not name or name in LAYERS:
        return None
    if name[0].isdigit():
        name = f"_{name}"
    return name + found["rest"]


HABITS = (
    Habit(
        r"^\s*input\s+(?P<name>[A-Za-z_]\w*)\s*(?P<at>:?)\s*$",
        "input image‹:›",
        "give its sizes: `input $name: 3x224x224`",
        "input `$name` has no sizes",
        where="body",
    ),
    Habit(
        r"^(?P<fix>inputs?\b(?P<rest>.*))".replace("^", r"^\s*"),
        "‹input image = 3x8x8›",
        "write an input as `$fix`",
        "an input has a name, a colon and its sizes",
        declared_input,
        "write an input as `input image: 3x224x224`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>net\b)\s*(?P<fix>)(?=[({:]|$)",
        "‹net› { input x: 3 }",
        "give the net a name: `net Net { ... }`",
        "a net has no name",
        lambda found: [(found.place("at")[1], found.place("at")[1], " Net")],
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>block\b)\s*(?=[({:]|$)",
        "‹block› (w) { relu }",
        "give the block a name: `block Name(...) { ... }`",
        "a block has no name",
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block|train)\s+(?P<fix>(?P<at>\"(?P<text>\w+)\"))",
        'net ‹"N"› { input x: 3 }',
        "write the name without quotes: `$text`",
        "the name is in quotes",
        "$text",
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block|train)\s+(?P<fix>(?P<at>(?P<name>\w+(?:[-.@]\w+)+)))(?P<rest>)",
        "net ‹my-net› { input x: 3 }",
        "names consist of letters, digits and `_`: `$fix`",
        "`$name` is not a name",
        identifier,
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block)\s+(?P<fix>(?P<at>(?P<name>\d\w*)))(?P<rest>)",
        "net ‹3d› { input x: 3 }",
        "a name begins with a letter: `$fix`",
        "`$name` is not a name",
        identifier,
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block|train|repeat|if|for|else|aux|residual|concat|add|mul)\b[^{]*$",
        "net N‹\n›{ input x: 3 }",
        "write the `{` at the end of the line before",
        fix=moved_brace,
    ),
    Habit(
        r"^\s*train\s*(?P<fix>(?P<at>\()\s*(?P<name>\w+)\s*\))",
        "train‹(›N) { epochs = 3 }",
        "write the name of the net without parentheses: `train $name { ... }`",
        "found `(` after `train`",
        " $name",
        where="top",
    ),
    Habit(
        r"^\s*(?P<name>data|augment|loss|optimizer|schedule|epochs|batch|metrics|seed)(?P<at>\s*:)\s*(?P<value>.*)",
        "epochs‹:› 3",
        "write an entry with `=`: `$name = $value`",
        "found `:` after the name of an entry",
        lambda found: [(*found.place("at"), " =")],
    ),
    Habit(
        r"^\s*\w+\s*=.*?(?P<fix>(?P<at>,))\s*$",
        "epochs = 3‹,›",
        "leave out the comma: each entry has a line of its own",
        "found `,` at the end of an entry",
        "",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>residual\s+(?P<at>(?P<layers>[a-z].*)))$",
        "residual ‹relu›",
        "write the layers in braces: `residual { $layers }`",
        "the layers of `residual` are in braces",
        "residual { $layers }",
    ),
    Habit(
        r"^\s*import\s+(?P<fix>(?P<at>(?P<path>\w[\w/]*\.\w+)))\s*$",
        "import ‹heads.net›",
        'write the path of a file in quotes: `import "$path"`',
        "the path of a file is not in quotes",
        '"$path"',
        where="top",
    ),
    Habit(
        r"\bblock\s+\w+(?P<fix>\s*)(?P<at>\{)",
        "block B ‹{› relu }",
        "a block needs parentheses, even without parameters: `block Name() { ... }`",
        "a block has no parentheses",
        "() ",
    ),
    Habit(
        r"\bnet\s+\w+(?P<fix>\s+(?P<at>(?P<parameters>\w+\s*=[^{(]*?))\s*)(?=\{)",
        "net N ‹c = 3› { input x: 3 }",
        "write parameters in parentheses: `net Name($parameters) { ... }`",
        "the parameters are not in parentheses",
        "($parameters) ",
    ),
    Habit(
        r"^\s+import\b",
        "import ‹resnet›",
        "imports belong at the top of the file, outside of nets",
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>else)\b",
        "‹else› { relu }",
        "write `else` after the `}` of its `if`",
        "an `else` has no `if`",
    ),
    Habit(
        r"\brepeat\s*(?P<at>\{)",
        "repeat ‹{› relu }",
        "give the number of repetitions: `repeat 3 { ... }`",
        "`repeat` has no number",
    ),
    Habit(
        r"\bfor\s+\w+\s+(?!in\b)(?P<at>\w+)",
        "for i ‹range›(3) { relu }",
        "write `for x in list { ... }`",
        "`in` is missing after `for`",
    ),
    Habit(r"^\s*let\s+\w+\s*$", "let a‹\n›", "give it a value: `let k = 3`"),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?P<at>[\w\"'][\w@.\" '-]*?))(?P<rest>\s*:))(?=\s+[a-z@{])",
        "‹conv-1›: conv(8, 3)",
        "a label consists of letters, digits and `_`: `$fix`",
        "`$name` is not a label",
        identifier,
        where="body",
    ),
    Habit(
        r"->\s*(?P<at>output)\b.*",
        "relu -> ‹output› x: tanh -> relu",
        "name an output at the beginning of a line: `output x: conv(8, 3) -> relu`",
        "found `output` in the middle of a chain",
    ),
    Habit(
        r"^\s*(?P<fix>output\s*(?P<at>[=:])\s*(?P<value>.*?))\s*$",
        "output ‹=› relu",
        "write `$fix`; a name can follow: `output logits: dense(10)`",
        "found `$at` after `output`",
        put_out,
        "write `output @label`, or `output logits: dense(10)`",
    ),
    Habit(
        r"expect\s+(?P<a>\w+)\s+(?P<fix>)(?P<at>\d[\w_]*)\s*$",
        "expect params ‹80›",
        "write `==` between them: `expect $a == $at`",
        "a comparison is missing",
        "== ",
    ),
    Habit(
        r"expect\b.*?(?P<fix>\s*(?P<at>\bis\b|\bequals\b|:|(?<![=<>!])=(?!=)))",
        "expect params ‹is› 80",
        "compare with `==`",
        "found `$at`, but values are compared with `==`",
        " ==",
    ),
    Habit(
        r"\bif\b[^{}]*?(?P<fix>(?P<at>(?<![=<>!])=(?!=)))",
        "if 3 ‹=› 3 { relu }",
        "compare with `==`",
        "found `=`, but values are compared with `==`",
        "==",
    ),
)
