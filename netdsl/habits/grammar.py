"""Slips in the lines that declare something: nets, blocks, inputs, outputs and values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.brackets import moved_brace
from netdsl.habits.sizes import ELEMENT_TYPES, meant_sizes
from netdsl.habits.statements import assigned_output, put_out, several
from netdsl.habits.words import TYPES
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Matched


def frozen(matched: Matched) -> Fix:
    """`stem: conv(8, 3) -> frozen`; the end of braces of several lines is further down."""
    rest = matched.group("rest")
    if rest.count("{") != rest.count("}") or "->" in re.sub(r"\{.*\}", "", rest):
        return None
    return f"{matched.group('name')}: {rest} -> frozen"


def declared_input(matched: Matched) -> Fix:
    """`input image: 3x32x32` for other ways to write it, and for several inputs on a line."""
    rest = matched.group("rest").replace('"', "")
    sizes, _, layers = rest.partition("->")
    if layers and re.fullmatch(r"\s*\w+\s*:\s*[\dxA-Z]+\s*", sizes):
        declared = _declared(sizes, matched)
        return f"{declared}\n{_indentation(matched)}{layers.strip()}" if declared else None
    pairs = re.findall(r"([A-Za-z_]\w*)\s*:\s*([\dxA-Z]+)\s*(?=,|$)", rest)
    names = re.fullmatch(r"\s*((?:[A-Za-z_]\w*\s*,\s*)+[A-Za-z_]\w*)\s*:\s*(\w+)\s*", rest)
    if names is not None:
        pairs = [(name.strip(), names[2]) for name in names[1].split(",")]
    if len(pairs) > 1:
        return f"\n{_indentation(matched)}".join(f"input {n}: {sizes}" for n, sizes in pairs)
    return _declared(rest.replace("->", ":"), matched)


def _declared(text: str, matched: Matched) -> str | None:
    """One input; its name is before or after its sizes."""
    words = r"shape|sizes?|dims?|[Ii]nput|[Tt]ensor|batch|by|channels?|height|width|torch|None|none"
    types = "|".join((*ELEMENT_TYPES, *TYPES))
    name = rf"(?P<name>(?!(?:{words}|{types})\b)[A-Za-z_][\w-]*?)"
    found = re.match(rf"[\s:=(]*{name}(?=\s*[:=\[(,]|\s+(?:as|is|of|with)\b|\s+[\d(\[])", text)
    if found is not None:
        text = text[found.end() :]
    else:
        found = re.search(rf"(?<=[\d\s\])])\s+{name}\s*$", text)
        text = text if found is None else text[: found.start()]
    sizes = meant_sizes(re.sub(r"\b(?:is|with)\b", " ", text))
    if sizes is None or not sizes.strip():
        return None
    if found is None and re.search(r"^\s*input\s+image\b", matched.text, re.MULTILINE):
        return None
    written = "image" if found is None else found["name"].replace("-", "_")
    return f"input {written}: {sizes}"


def _indentation(matched: Matched) -> str:
    line = matched.match.string
    return line[: len(line) - len(line.lstrip())]


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


def quoted_label(matched: Matched) -> Fix:
    """A label in quotes if it can be written in quotes, and else a name."""
    label = matched.group("name").strip()
    if re.fullmatch(r"[\w/-]+", label):
        return f'"{label}"{matched.group("rest")}'
    return identifier(matched)


HABITS = (
    Habit(
        r"^\s*net\s+\w+\s*=\s*(?P<name>[A-Za-z_]\w*)(?P<fix>\s*(?P<at>\{))",
        "net B = A ‹{› }",
        "write the parentheses of `$name`: `$name() {`",
        "found `{` after the name of a net, whose arguments are in parentheses",
        "() {",
        where="top",
    ),
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
        r"^\s*(?P<fix>output\s+(?P<name>\w+)\s*(?P<at>:=|=(?!=)|<-)\s*(?P<value>\S.*?))\s*$",
        "output y ‹=› relu",
        "write a colon: `$fix`",
        "found `$at` after the name of an output",
        assigned_output,
        where="body",
    ),
    Habit(
        r"^\s*(?:net|block|train)\b[^{]*?(?P<fix>\s*(?P<at>=>|->|:=|[=:]|\bis\b|\bbegin\b)\s*)"
        r"(?=\{)",
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
        "found a number where the name of a parameter is expected",
        where="top",
    ),
    Habit(
        r"^\s*train(?P<fix>(?P<at>\s*))(?=\{|$)",
        "net A {\n    input x: 3\n    relu\n}\ntrain‹ ›{ }",
        "name the net: `train $fix { ... }`",
        "this `train` section does not name its net",
        trained_net,
        "name the net: `train Net { ... }`",
        where="top",
    ),
    Habit(
        r"^\s*(?P<entry>(?P<at>(?:data|augment|loss|optimizer|schedule|epochs|batch|batch_size|lr"
        r"|metrics|seed)\s*=).*)",
        "‹epochs =› 3",
        "write a section after the `}` of the net: `train $net { $entry }`",
        "this entry of a `train` section is inside a net or block",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>[A-Za-z_]\w*)\s*(?P<at>:)\s*(?P<value>-?\d[\d_.]*|\"[^\"]*\"|true"
        r"|false|\[[\s\d_.,-]*\]))\s*$",
        "n‹:› 10",
        "write `let $name = $value`",
        "a value such as `$value` gets its name with `let`, not with a colon",
        "let $name = $value",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:let\s+)?(?P<at>[(\[{]?)(?P<names>\w+(?:\s*,\s*\w+)+)[)\]}]?\s*=\s*("
        r"?P<values>.*))$",
        "let ‹(›a, b) = (1, 2)",
        "write one `let` for each name: `$fix`",
        "this `let` has several names",
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
        r"^\s*(?P<fix>input\b(?P<rest>[^=]*:[^=]*?)\s*=)\s*$",
        "‹input image: 3x8x8 =›",
        "write the example, or leave out the `=`: `$fix`",
        "the example after `=` is missing",
        declared_input,
        "write an example such as `[1, 2]`, or leave out the `=`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?:[Ii]nputs?\b|INPUT\b|in(?=\s+\w+\s*:))(?P<rest>.*))",
        "‹input image = 3x8x8›",
        "write an input as `$fix`",
        "this is not how an input is written",
        declared_input,
        "write an input as `input image: 3x224x224`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>inputs?\b.*)",
        "‹input image: 3x8x8›",
        "write it in the braces of a net, above its layers: `net Net { ... }`",
        "this input is outside a net",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>net\b)\s*(?P<fix>)(?=[({:]|$)",
        "‹net› { input x: 3 }",
        "give the net a name: `net Net { ... }`",
        "this net has no name",
        lambda matched: [(matched.place("at")[1], matched.place("at")[1], " Net")],
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>block\b)\s*(?=[({:]|$)",
        "‹block› (w) { relu }",
        "give the block a name: `block Name(...) { ... }`",
        "this block has no name",
        where="top",
    ),
    Habit(
        r"^\s*(?:net|block|train)\s+(?P<fix>(?P<at>\"(?P<text>\w+)\"))",
        'net ‹"N"› { input x: 3 }',
        "write the name without quotes: `$text`",
        "this name is in quotes",
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
        r"(?:^|->|:|\{)\s*residual\s+(?P<if>if\b[^{}]*?)\s*\{\s*(?P<layers>[^{}|]*?)\s*\}\s*"
        r"(?P<at>else)\s*\{\s*(?P<others>[^{}]*?)\s*\}",
        "residual if true { relu } ‹else› { tanh }",
        "write the residual in its branch: `$if { residual { $layers } } else { $others }`",
        "`residual if` has no `else`",
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>residual\s+(?P<at>(?P<layers>(?!if\b)[a-z].*)))$",
        "residual ‹relu›",
        "write the layers in braces: `residual { $layers }`",
        "the layers of this `residual` are not in braces",
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
        "this block has no parentheses",
        "() ",
    ),
    Habit(
        r"\bnet\s+\w+(?P<fix>\s+(?P<at>(?P<parameters>\w+\s*=[^{(]*?))\s*)(?=\{)",
        "net N ‹c = 3› { input x: 3 }",
        "write parameters in parentheses: `net Name($parameters) { ... }`",
        "these parameters are not in parentheses",
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
        "this `else` has no `if`",
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
        r"^\s*(?P<fix>(?P<at>frozen)\s+(?P<name>\w+)\s*:\s*(?P<rest>.+?))\s*$",
        "‹frozen› stem: conv(8, 3)",
        "write `$fix`",
        "`frozen` follows the layers that it freezes",
        frozen,
        "write `$name: { ... } -> frozen`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?P<at>(?!(?:repeat|if|for|let|net|block|expect|train|else)\b)"
        r"[\w\"'][\w@.\" '/-]*?))(?P<rest>\s*:))(?=\s+[a-z@{])",
        "‹conv-1›: conv(8, 3)",
        "a label without quotes is a name of letters, digits and `_`: write `$fix`",
        "`$name` is not a label",
        quoted_label,
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
        r"expect\s+(?P<a>\w+(?:\([^()]*\))?)\s+(?P<fix>)(?P<at>\d[\w_]*)\s*$",
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
