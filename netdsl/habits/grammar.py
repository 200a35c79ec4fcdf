"""Slips in the syntax of the language itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netdsl.habits.base import Habit
from netdsl.habits.brackets import arms, body, moved_arrow, moved_brace, unclosed
from netdsl.habits.statements import put_out, summed
from netdsl.ops import LAYERS

if TYPE_CHECKING:
    from netdsl.habits.base import Fix, Found

START = (  # before a layer
    r"(?:^|->|:|[|{]\s)\s*(?!(?:repeat|if|for|let|expect|input|output|import|return|in)\b)"
)
JOINS = r"(?P<join>concat|add|mul|sub|max|residual)"
TYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")


def declared_input(found: Found) -> Fix:
    """`input image: 3x32x32` for other ways to write it."""
    rest = found["rest"]
    words = [word for word in re.findall(r"\b[A-Za-z_]\w*", rest) if not re.fullmatch(r"x|[A-Z]", word)]
    words = [w for w in words if w not in (*TYPES, "shape", "size", "input", "Input", "tensor", "float")]
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


def called(found: Found) -> Fix:
    """`conv(8, 3)` for `conv 8, 3`."""
    kind = found["name"]
    if kind not in LAYERS:
        return None
    arguments = ", ".join(re.findall(r"[^\s,]+", found["arguments"]))
    return f"{kind}({arguments})"


def chained(found: Found) -> Fix:
    """An arrow before the second of two layers."""
    name = found["second"]
    if name not in LAYERS and not re.search(rf"\bblock\s+{name}\b", found.text):
        return None
    return [(*found.place("fix"), " -> ")]


def last_output(found: Found) -> Fix:
    """`output x: a -> b` for `a -> output x: b`."""
    end = found.start + len(found.match.string.rstrip())
    if "->" in found.text[found.place("fix")[1] : end]:
        return None
    line = found.match.string
    start = found.start + len(line) - len(line.lstrip())
    label = f"output {found['label']}" if found["label"] else "output "
    if found["label"]:
        label += " "
    first, last = found.place("fix")
    return [(start, start, label), (first, last, found["arrow"] if found["more"] else "")]


def repeated(found: Found) -> Fix:
    """`repeat 3 { conv(8, 3) }` for `3 * conv(8, 3)`."""
    layer = found["layer"]
    if re.split(r"\W", layer)[0] not in LAYERS:
        return None
    return f"repeat {found['n']} {{ {layer} }}"


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
        "net ‹\"N\"› { input x: 3 }",
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
        r"^\s*(?:data|augment|loss|optimizer|schedule|epochs|batch|metrics|seed)(?P<at>\s*:)\s",
        "epochs‹:› 3",
        "write an entry with `=`: `epochs = 3`",
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
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>\())).*->.*",
        "residual‹(›conv(8, 3) -> relu)",
        "write `$fix`",
        "layers cannot be arguments: `$join` has them in braces",
        lambda found: body(found) if found["join"] == "residual" else arms(found),
        "write the arms in braces: `add { | conv(8, 3) | relu }`",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s*(?P<at>(?P<open>[\[{{]))).*",
        "concat ‹[›relu, tanh]",
        "write `$fix`",
        "the arms of `$join` are in braces, each after a `|`",
        arms,
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>{JOINS}\s+(?P<at>@(?P<name>[\w.]+)))\s*$",
        "add ‹@a›",
        "write references in parentheses: `$join(@$name)`",
        "found a reference after `$join`",
        "$join(@$name)",
    ),
    Habit(
        rf"(?:^|->|:)\s*(?P<fix>residual\s+(?P<at>(?P<layers>[a-z].*)))$",
        "residual ‹relu›",
        "write the layers in braces: `residual { $layers }`",
        "the layers of `residual` are in braces",
        "residual { $layers }",
    ),
    Habit(r"^\s*import\s+(?P<fix>(?P<at>(?P<path>\w[\w/]*\.\w+)))\s*$", "import ‹heads.net›",
          'write the path of a file in quotes: `import "$path"`',
          "the path of a file is not in quotes", '"$path"', where="top"),
    Habit(
        r"(?P<fix>(?P<a>\b[\w.]+)\s*(?P<s><=?|>=?)\s*(?P<b>[\w.]+)\s*(?P<at>(?P<t><=?|>=?))\s*(?P<c>[\w.]+))",
        "if 1 < in.channels ‹<› 4 { relu }",
        "comparisons cannot be chained: write `$fix`",
        "found a second comparison",
        "$a $s $b and $b $t $c",
    ),
    Habit(
        r"(?<![-=])[<>]=?[^<>=]*[^<>=-](?P<at>[<>]=?)",
        "if 1 + 1 < 2 + 2 ‹<› 4 { relu }",
        "comparisons cannot be chained: write `a < b and b < c`",
        "found a second comparison",
    ),
    Habit(
        r"\b(?P<at>\d{1,3}(?:,\d{3})+)\b",
        "expect params == ‹61,706›",
        "separate digits with underscores: `$fix`",
        "a number contains commas",
        lambda found: found["at"].replace(",", "_"),
    ),
    Habit(
        r"[(,]\s*[\w.\])]+(?P<fix>\s+)(?P<at>[\w.]+)\s*[),=]",
        "conv(4 ‹3›)",
        "a comma is missing between two arguments",
        fix=", ",
    ),
    Habit(
        r"(?<![\w)\]])(?P<fix>(?P<at>\.)(?P<n>\d+))",
        "dropout(‹.›5)",
        "a number needs digits on both sides of its decimal point: `0.$n`",
        "a number begins with its point",
        "0.$n",
    ),
    Habit(
        r"(?<!\w)(?P<fix>(?P<n>\d+)(?P<at>\.))(?!\w)",
        "dropout(1‹.›)",
        "a number needs digits on both sides of its decimal point: `$n.0`",
        "a number ends with its point",
        "$n.0",
    ),
    Habit(r",\s*(?P<fix>(?P<at>,))", "conv(8,‹,› 3)", "leave out one comma, or give the value between them",
          "a value is missing between two commas"),
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
    Habit(r"^\s+import\b", "import ‹resnet›", "imports belong at the top of the file, outside of nets", where="body"),
    Habit(r"^\s*(?P<at>else)\b", "‹else› { relu }", "write `else` after the `}` of its `if`",
          "an `else` has no `if`"),
    Habit(r"\brepeat\s*(?P<at>\{)", "repeat ‹{› relu }", "give the number of repetitions: `repeat 3 { ... }`",
          "`repeat` has no number"),
    Habit(r"\bfor\s+\w+\s+(?!in\b)(?P<at>\w+)", "for i ‹range›(3) { relu }", "write `for x in list { ... }`",
          "`in` is missing after `for`"),
    Habit(
        r"^\s*(?P<fix>(?P<name>\w+\.[\w.]+))\s*->",
        "a‹.›b -> relu",
        "refer to the value at a label with `@`: `@$name`",
        fix="@$name",
    ),
    Habit(r"^\s*(?P<at>\|)(?!>)", "‹|› relu", "begin every arm with `|`, and write nothing before the first one"),
    Habit(r"^\s*let\s+\w+\s*$", "let a‹\n›", "give it a value: `let k = 3`"),
    Habit(r"(?P<fix>\s*(?P<at>->))\s*$", "relu ->‹\n›", "a line cannot end with `->`; begin the next line with it instead",
          "", moved_arrow, "a line cannot end with `->`; begin the next line with it instead"),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?P<at>[\w\"'][\w@.\" '-]*?))(?P<rest>\s*:))(?=\s+[a-z@{])",
        "‹conv-1›: conv(8, 3)",
        "a label consists of letters, digits and `_`: `$fix`",
        "`$name` is not a label",
        identifier,
        where="body",
    ),
    Habit(
        r"(?:->\s*|^\s*|:\s*)(?P<fix>(?P<a>@?[A-Za-z_][\w.]*(?:\([^()]*\))?)\s*(?P<at>(?P<sign>[-+*]))\s*(?P<b>@?[A-Za-z_][\w.]*(?:\([^()]*\))?))\s*(?=->|$|\})",
        "conv(8, 3) ‹+› relu",
        "write `$fix`",
        "found `$sign` between values, but values are joined by `add`, `mul` and `sub`",
        summed,
        "add values with a join, `add { | conv(8, 3) | relu }`, or labels with `@a -> add(@b)`",
    ),
    Habit(
        START + r"@?[A-Za-z_][\w.]*(?:\s*\([^()]*\))?\s*(?P<at>\+)",
        "conv(8, 3) ‹+› relu + 3",
        "add values with a join: `add { | conv(8, 3) | relu }`",
        "found `+` between layers",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<n>\w+)\s*(?P<at>[*x×])\s*(?P<layer>[a-z]\w*(?:\([^()]*\))?))\s*$",
        "3 ‹*› conv(8, 3)",
        "repeat layers with `$fix`",
        "found `$at` before a layer",
        repeated,
    ),
    Habit(
        r"^\s*(?P<fix>(?P<layer>[a-z]\w*(?:\([^()]*\))?)\s*(?P<at>[*x×])\s*(?P<n>\d+))\s*$",
        "conv(8, 3) ‹x› 3",
        "repeat layers with `$fix`",
        "found `$at` after a layer",
        repeated,
    ),
    Habit(
        r"(?:^|->|:)\s*(?P<fix>(?P<name>[a-z]\w*)\s*(?P<at>[\[<{])\s*(?P<arguments>[\w\s,.]+)[\]>}])\s*$",
        "conv‹[›8, 3]",
        "write arguments in parentheses: `$fix`",
        "found `$at` after a layer",
        called,
    ),
    Habit(
        START + r"(?P<fix>(?P<name>[A-Za-z_]\w*)\s+(?P<at>-?\.?\d[\d.]*)(?P<arguments>[\w\s,.]*))\s*$",
        "conv ‹8›, 3",
        "write arguments in parentheses: `$fix`",
        "the arguments of `$name` are not in parentheses",
        lambda found: None if found["name"] not in LAYERS else f"{found['name']}({', '.join(re.findall(r'[^ ,]+', found['at'] + found['arguments']))})",
        "write arguments in parentheses: `conv(64, 3)`",
    ),
    Habit(
        START + r"[A-Za-z_]\w*(?P<at>\s*\[)",
        "conv‹[›8, 3",
        "write arguments in parentheses: `conv(64, 3)`",
    ),
    Habit(
        START + r"\w+\([^()]*\)(?P<fix>\s*(?P<at>[.,|])\s*)(?=[a-z@]|$)",
        "conv(8, 3)‹,› relu",
        "chain layers with `->`",
        "found `$at` after a layer",
        lambda found: None if not found.match.string[found.match.end("fix"):].strip() else " -> ",
        "leave out `$at`: a layer ends with its line",
    ),
    Habit(
        START + r"\w+\s*(?P<fix>\s(?P<at>[.,])\s|(?P<comma>,))\s*(?=[a-z@]|$)",
        "relu ‹.› tanh",
        "chain layers with `->`",
        "found `$at$comma` after a layer",
        lambda found: [(*found.place("at", "comma"), "->" if found["at"] else " ->")] if found.match.string[found.match.end():].strip() else [(*found.place("fix"), "")],
    ),
    Habit(
        START + r"\w+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?(?P<fix>\s+)(?P<at>(?P<second>[a-z_]\w*))",
        "conv(4, 3) ‹relu›",
        "write `->` between two layers",
        "`->` is missing before `$second`",
        chained,
    ),
    Habit(r"\brepeat\s+\w+\s+(?P<fix>(?P<at>[a-z]\w*)(?P<rest>.*))$", "repeat 3 ‹relu›",
          "write the repeated part in braces: `repeat 3 { $at$rest }`", "the repeated part is not in braces",
          "{ $at$rest }"),
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
        r"\((?:[^()]*,)?\s*(?P<at>in)\s*[,)]",
        "add(‹in›)",
        "only its sizes can be used, such as `in.channels`; to add the input, write `residual { ... }`",
        "`in` itself is not a value",
    ),
    Habit(
        r"\([^()]*(?P<at>->)",
        "conv(8, 3 ‹->› relu",
        "write `)` before the `->`",
        "a `(` is not closed before `->`",
        unclosed,
        "a `(` before this is not closed",
    ),
    Habit(
        r"[(,]\s*\w+(?P<at>\s*:)\s*(?=[\w\"(\[-])",
        "conv(8, 3, stride‹:› 2)",
        "write an argument with `=`: `stride = 2`",
        "found `:` after the name of an argument",
        lambda found: [(*found.place("at"), " =")],
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
)  # fmt: skip
