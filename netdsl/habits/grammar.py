"""Slips in the lines that declare something: nets, blocks, inputs, outputs and values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import moved_brace, parts
from netdsl.habits.statements import put_out, several
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched

TYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")


def declared_input(matched: Matched) -> Fix:
    """`input image: 3x32x32` for other ways to write it."""
    rest = re.sub(r"\b(?:shape|size|input|Input|tensor|sizes|dims)\b", " ", matched.group("rest"))
    dtype = next((word for word in re.findall(r"\w+", rest) if word in TYPES), "")
    rest = rest.replace(dtype, " ") if dtype else rest
    name = re.match(r"[\s:=]*(?P<name>[A-Za-z_]\w+|[a-wyz]\b|x(?=\s*[:=\[(]))", rest)
    if name is not None:
        rest = rest[name.end() :]
    else:
        name = re.search(r"(?<=\s)(?P<name>[a-z_]\w+)\s*$", rest)
        rest = rest if name is None else rest[: name.start()]
    sizes = re.findall(r"\d+|\b[A-Z]\b|(?<=x)[A-Z]\b", rest)
    if not sizes or re.search(r"[^\dA-Z\sxX×*,;:=()\[\]{}]", rest):
        return None
    written = "image" if name is None else name["name"]
    if name is None and re.search(r"^\s*input\s+image\b", matched.text, re.MULTILINE):
        return None
    return f"input {written}: {'x'.join(sizes)}" + (f" {dtype}" if dtype else "")


def called_input(matched: Matched) -> Fix:
    """`input image: 3x8x8` for `image = Input(3, 8, 8)`, with Keras' channels moved first."""
    sizes = re.findall(r"\d+|\b[A-Z]\b", matched.group("rest").replace("x", " "))
    if not sizes:
        return None
    written = f"input {matched.group('name')}: {'x'.join(sizes)}"
    if len(sizes) == 3 and len(sizes[2]) == 1 < len(sizes[0]):
        return Guess(f"input {matched.group('name')}: {sizes[2]}x{sizes[0]}x{sizes[1]}")
    return written


def trained_net(matched: Matched) -> Fix:
    """The name of the only net after `train`."""
    nets = re.findall(r"^\s*net\s+(\w+)", matched.text, re.MULTILINE)
    return f" {nets[0]} " if len(nets) == 1 else None


def identifier(matched: Matched) -> Fix:
    """A name of letters, digits and `_`."""
    name = re.sub(r"\W+", "_", matched.group("name").strip()).strip("_")
    if not name or name in LAYERS:
        return None
    if name[0].isdigit():
        name = f"_{name}"
    return name + matched.group("rest")


HABITS = (
    Habit(
        r"^\s*(?P<fix>(?P<name>\w+)\s*(?P<at>[=:])\s*[Ii]nput\w*\s*\((?P<rest>.*)\))\s*$",
        "image ‹=› Input(3, 8, 8)",
        "write an input as `$fix`",
        "an input is declared by a line that begins with `input`",
        called_input,
        "write an input as `input image: 3x224x224`",
        where="body",
    ),
    Habit(
        r"^\s*output\s+(?P<name>\w+)(?P<fix>\s*(?P<at>:=|=|<-)\s*)(?=\S)",
        "output y ‹=› relu",
        "write a colon: `output $name: dense(10)`",
        "found `$at` after the name of an output",
        ": ",
        where="body",
    ),
    Habit(
        r"^\s*(?:net|block)\b[^{]*?(?P<fix>\s*(?P<at>=>|->|:=|[=:]|\bis\b|\bbegin\b)\s*)(?=\{)",
        "net N ‹=› { input x: 3 }",
        "leave out `$at`: `net Name { ... }`, `block Name(...) { ... }`",
        "found `$at` before the `{`",
        " ",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+net|net)\s*(?P<at>=)\s*(?P<name>[A-Z]\w*)?\s*)(?=\{)",
        "net ‹=› N { input x: 3 }",
        "write `net Name { ... }`",
        "found `=` after `net`",
        lambda matched: f"net {matched.group('name') or 'Net'} ",
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block)\s+\w+(?P<fix>\s*(?P<at>[\[{])(?P<parameters>[\w\s,=.]*)[\]}]\s*)(?=\{)",
        "block B ‹{›w} { relu }",
        "write parameters in parentheses: `($parameters)`",
        "found `$at` before the parameters",
        "($parameters) ",
        where="top",
    ),
    Habit(
        r"^\s*net\s+\w+\s*\(\s*(?:inputs?|x|image)?\s*(?P<at>[:=]?\s*\(?\d.*)",
        "net N(‹3, 8, 8) { }›",
        "parameters have names, `net N(classes = 10)`; write the input as `input image: 3x8x8`",
        "a number stands where the name of a parameter is expected",
        where="top",
    ),
    Habit(
        r"^\s*train(?P<fix>(?P<at>\s*))(?=\{)",
        "net A {\n    input x: 3\n    relu\n}\ntrain‹ ›{ }",
        "name the net: `train $fix { ... }`",
        "a `train` section has no net",
        trained_net,
        "name the net: `train Net { ... }`",
        where="top",
    ),
    Habit(
        r"^\s*train\s+\w+(?P<fix>\s*(?P<at>\()(?P<entries>[^()]*(?:\([^()]*\)[^()]*)*)\))\s*$",
        "train N ‹(›epochs = 3)",
        "write the entries in braces: `train N { epochs = 3 }`, each on a line of its own",
        "found `(` after the name of the net",
        lambda matched: (
            None
            if len(parts(matched.group("entries"))) > 1
            else f" {{\n    {matched.group('entries')}\n}}"
        ),
        "write the entries in braces: `train N { epochs = 3 }`, each on a line of its own",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>train)\b[^\n]*\{.*",
        "‹train› { epochs = 3 }",
        "close the net first, and write `train Net { epochs = 3 }` after it",
        "a `train` section is in a net or block",
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>(?:data|augment|loss|optimizer|schedule|epochs|batch|batch_size|lr|metrics"
        r"|seed)\s*=).*",
        "‹epochs =› 3",
        "settings of the training are outside of the net, in `train Net { epochs = 3 }`",
        "an entry of a `train` section is in a net or block",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>[A-Za-z_]\w*)\s*(?P<at>:)\s*(?P<value>-?\d[\d_.]*|\"[^\"]*\"|true"
        r"|false))\s*$",
        "n‹:› 10",
        "write `let $name = $value`",
        "a number gets its name with `let`, not with a colon",
        "let $name = $value",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<at>[(\[{]?)(?P<names>\w+(?:\s*,\s*\w+)+)[)\]}]?\s*=\s*("
        r"?P<values>.*))$",
        "let ‹(›a, b) = (1, 2)",
        "write one `let` for each name",
        "a `let` has several names",
        several,
        "write one `let` for each name",
    ),
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
        lambda matched: [(matched.place("at")[1], matched.place("at")[1], " Net")],
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
        r"^\s*(?P<name>data|augment|loss|optimizer|schedule|epochs|batch|metrics|seed)(?P<at>"
        r"\s*:)\s*(?P<value>.*)",
        "epochs‹:› 3",
        "write an entry with `=`: `$name = $value`",
        "found `:` after the name of an entry",
        lambda matched: [(*matched.place("at"), " =")],
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
        r"\bfor\s+(?P<name>\w+)(?P<fix>\s+)(?!in\b)(?P<at>\w+)(?P<rest>[^{]*)",
        "for i ‹range›(3) { relu }",
        "write `for $name in $at$rest{ ... }`",
        "`in` is missing after `for`",
        " in ",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?P<at>(?!(?:repeat|if|for|let|net|block|expect|train|else)\b)"
        r"[\w\"'][\w@.\" '-]*?))(?P<rest>\s*:))(?=\s+[a-z@{])",
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
        r"expect\b.*?(?P<fix>\s*(?P<at>:|(?<![=<>!])=(?!=)))",
        "expect params ‹=› 80",
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
