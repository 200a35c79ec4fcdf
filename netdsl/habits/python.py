"""Statements of Python, PyTorch, Keras and of languages with braces."""

from __future__ import annotations

from netdsl.habits.base import Habit
from netdsl.habits.brackets import braced, else_if
from netdsl.habits.statements import added, assignment, expression, returned, untyped

_PACKAGES = (
    r"(?:torch\w*|tensorflow|tf|keras|numpy|np|jax|flax|mxnet|paddle|netdsl|nn|os|sys|math|typing|"
    r"__future__|lasagne|theano|caffe|timm)"
)
_MODULES = r"(?:torch|nn|F|tf|keras|layers|L|K|tensorflow|functional|mx|gluon|flax|jax)"
_TYPES = (
    r"(?:int|float|str|bool|number|string|list|tuple|List|Tuple|Tensor|nn\.Module|torch\.Tensor|"
    r"Any|Callable|Optional)"
)
_WORDS = (
    r"(?:const|var|val|int|float|double|auto|final|static|mut|size_t|uint|long|char|string|bool|my|"
    r"local|set|define|dim)"
)
_BODY = "write the body in braces: `{ ... }`"
_BRACED = "write `$head {`, and `}` below the body"
_TRAIN = "leave it out; how a net is trained is in its section `train Net { epochs = 3 }`"

HABITS = (
    Habit(
        rf"^\s*(?P<at>import\s+{_PACKAGES}\b.*|from\s+[\w.]+\s+import\b.*)",
        "‹import torch.nn as nn›",
        "leave it out: the layers need no import",
        "this imports a Python package",
        "",
    ),
    Habit(
        r"^\s*(?P<at>@[\w.]+(?:\(.*\))?)\s*$",
        "‹@torch.no_grad()›",
        "leave it out: nothing is decorated here",
        "this is a decorator of Python",
        "",
    ),
    Habit(
        r"^\s*(?P<at>class\s+(?P<name>\w+)\s*\([^)]*\)\s*:).*",
        "‹class Net(nn.Module):›",
        "write the net as `net $name { input image: 3x224x224 ... }`, with its layers in order",
        "this is a class of Python",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>def\s+(?:__init__|forward|call|build)\b.*|super\(\).*|super\b.*)",
        "‹def forward(self, x):›",
        "write the layers in the order of the data: `conv(8, 3) -> relu`, without methods",
        "this is a method of Python, but a net has none",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>def|class|function|fn|func|fun|module|layer|component|macro|struct)\s+(?P<name>\w+))\s*\((?!\s*self\b)[^()]*\)\s*\{",
        "‹def› B() { relu }",
        "define a named part as a block: `block $name(...) { ... }`",
        "found `$at`, but a named part begins with `block`",
        "block $name",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>def|class|function|fn|func|fun|module|component|macro|struct)\s+(?P<name>\w+))\s*(?=\{)",
        "‹def› B { relu }",
        "define a named part as a block: `block $name() { ... }`",
        "found `$at`, but a named part begins with `block`",
        "block $name() ",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>def|class|function|fn|func|fun)\b.*",
        "‹def› B():",
        "write a part as `block Name(...) { ... }` and a net as `net Name { ... }`",
        "found `$at`, but a named part begins with `block`",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>Net|NET|network|Network|model|Model|graph|architecture|nets|neural_net))\s+\w+",
        "‹Net› N { input x: 3 }",
        "write `net`",
        "found `$at`, but a net begins with `net`",
        "net",
        where="top",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>Block|BLOCK|blk|blocks|subnet|submodule))\s+\w+",
        "‹Block› B() { relu }",
        "write `block`",
        "found `$at`, but a block begins with `block`",
        "block",
        where="top",
    ),
    Habit(
        r"^\s*(?P<word>elif|elseif|elsif|else\s+if)\s+(?P<c>[^:{}]+?)\s*(?P<at>:)\s*$",
        "elif true‹:›",
        "write `} else if $c {`, with the bodies in braces",
        "found `:`, but bodies are in braces",
        else_if,
        "write `} else if $c {`, with the bodies in braces",
    ),
    Habit(
        r"(?P<fix>(?P<at>\b(?:elif|elseif|elsif|elsf|elif)\b))",
        "if true { relu } ‹elif› false { tanh }",
        "write `else if`",
        "found `$at`",
        "else if",
    ),
    Habit(
        r"^\s*(?:\}\s*)?(?P<head>else)\b\s*(?P<at>:)\s*$",
        "else‹:›",
        _BRACED,
        "found `:`, but bodies are in braces",
        braced,
        _BODY,
    ),
    Habit(
        r"^\s*(?P<head>for\s+\w+(?:\s*,\s*\w+)*\s+in\s+[^{}]*?)\s*(?P<at>:)\s*$",
        "for i in range(3)‹:›",
        _BRACED,
        "found `:`, but bodies are in braces",
        braced,
        _BODY,
    ),
    Habit(
        r"^\s*(?P<head>(?:if|repeat|net|block)\b[^{}]*?)\s*(?P<at>:)\s*$",
        "if true‹:›",
        _BRACED,
        "found `:`, but bodies are in braces",
        braced,
        _BODY,
    ),
    Habit(
        r"^\s*(?:if|for|else|repeat)\b[^{}]*?(?P<at>:)\s*(?P<body>[^{}:\s][^{}:]*)$",
        "if true‹:› relu",
        "write the body in braces: `{ $body }`",
        "found `:`, but bodies are in braces",
        lambda found: [(*found.place("at"), " {"), (*(found.place("body")[1],) * 2, " }")],
    ),
    Habit(
        r"(?P<fix>(?P<at>while|until|loop|foreach|do)\b)",
        "‹while› true { relu }",
        "write a loop as `repeat 3 { ... }` or `for x in list { ... }`",
        "found `$at`, but the number of rounds of a loop must be known",
    ),
    Habit(
        r"^\s*(?P<fix>for\s*(?P<at>\()\s*(?:\w+\s+)?(?P<i>\w+)\s*=\s*0\s*;\s*(?P=i)\s*<\s*(?P<n>\w+)\s*;"
        r"\s*(?:\+\+(?P=i)|(?P=i)\s*(?:\+\+|\+=\s*1))\s*\))",
        "for ‹(›int i = 0; i < 3; i++) { relu }",
        "write `$fix { ... }`",
        "this is a loop of C",
        "for $i in range($n)",
    ),
    Habit(
        r"^\s*(?P<at>for\s*\([^{}]*;[^{}]*\))",
        "‹for (i = 1; i < 4; i += 2)› { relu }",
        "write `for i in range(1, 4) { ... }`",
        "this is a loop of C",
    ),
    Habit(
        r"\bfor\s+\w+\s+in\s+(?P<at>(?P<a>\w+)\s*\.\.+[=<]?\s*(?P<b>\w+))",
        "for i in ‹0..3› { relu }",
        "write `range($a, $b)`, which counts from $a up to, but not including, $b",
        "found `$at`, but a list of numbers is written with `range`",
    ),
    Habit(
        r"^\s*for\s+\w+\s*(?P<at>=|:=|:|of\b|from\b).*",
        "for i ‹=› 1:3 { relu }",
        "write `for x in list { ... }`, such as `for i in range(3) { ... }`",
        "found `$at`, but `for` needs the word `in`",
    ),
    Habit(
        r"^\s*repeat\s+\w+(?P<fix>\s+(?P<at>times|x|rounds|layers))\b",
        "repeat 3 ‹times› { relu }",
        "leave out `$at`: `repeat 3 { ... }`",
        "found `$at` after the number of rounds",
        "",
    ),
    Habit(
        r"^\s*(?P<at>switch|match|case|default|try|with|except|finally|raise|del|async|await|goto|unless)\b.*",
        "‹switch› k { relu }",
        "write a choice as `if k == 1 { ... } else { ... }`",
        "found `$at`, which the language does not have",
    ),
    Habit(
        r"\bif\b[^{}]*?(?P<at>\bthen\b)",
        "if true ‹then› relu end",
        _BODY,
        "found `then`, but bodies are in braces",
    ),
    Habit(
        r"^\s*(?P<at>(?:model|net|network|optimizer|optim|criterion|loss|trainer|history|m)\s*\.\s*"
        r"(?:compile|fit|train|eval|evaluate|predict|backward|step|zero_grad|to|cuda|parameters|build"
        r"|load_weights|save)\s*\(.*)",
        "‹model.compile(loss = 3)›",
        _TRAIN,
        "this is a call of Python, which a net does not run",
        "",
    ),
    Habit(
        r"^\s*(?P<at>(?:\w+\.)?(?:summary|print|printf|println|console\.log|cout|puts|display)\s*\(.*)",
        "‹model.summary()›",
        "leave it out: `netdsl check` prints the layers with their shapes and parameters",
        "this is a call of Python, which a net does not run",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>\w+\s*\.\s*(?:add|append|add_module|push|insert|push_back)\s*)(?P<open>\()).*",
        "‹model.add›(conv(32, 3))",
        "write only the layer: `$fix`",
        "this is a call of Python: nothing is added to a net by a call",
        added,
        "write only the layer; layers follow each other in the order of the lines",
    ),
    Habit(
        r"^\s*(?P<at>\w+\s*=\s*.*\bself\.\w+\s*\().*",
        "‹x = F.relu(self.conv1(›x))",
        "write each layer once, in the order of the data: `conv1: conv(8, 3) -> relu`",
        "this calls layers of PyTorch, but a layer takes the value above it without a call",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>self\s*\.\s*(?P<name>\w+)\s*=)\s*(?P<value>.+?))\s*$",
        "‹self.conv1 =› nn.Conv2d(1, 32, 3)",
        "write the layer with its name: `$fix`",
        "this is an assignment of PyTorch, but a layer gets its name with a colon",
        assignment,
        "write the layer with its name, where its input comes from the line above: `$name: relu`",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?!(?:let|output|input|expect|train|net|block|import|if|for)\b)\w+)"
        r"\s*(?P<at>:=|<-|=(?!=))\s*(?P<value>.+?))\s*$",
        "x ‹=› conv(4, 3)",
        "write `$fix`",
        "found `$at` after `$name`: a layer gets its name with a colon, and a number with `let`",
        assignment,
        "name a layer with a colon, `$name: conv(8, 3)`, and a number with `let $name = 3`",
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<name>(?!(?:let|net|block|import|train)\b)\w+)\s*(?P<at>:=|<-|=(?!=))\s*(?P<value>.*))$",
        "k ‹:=› 3",
        "write `$fix`",
        "found `$at` after `$name`: a value gets its name with `let`",
        lambda found: fix if str(fix := assignment(found)).startswith("let") else None,
        "write a net as `net Name { input image: 3x224x224 ... }`, with its layers in order",
        where="top",
    ),
    Habit(
        rf"(?:^|->|\{{|:\s)\s*(?P<fix>(?P<at>(?:{_MODULES}\s*\.\s*)+\w+)\s*(?:\(.*)?)",
        "‹nn.ReLU›()",
        "write `$fix`",
        "`$at` is not a layer here: layers have short names without a module",
        expression,
        "write a layer like `conv(64, 3)`: the channels of the input are inferred",
    ),
    Habit(
        r"(?:^|->)\s*(?P<fix>(?P<at>self\s*\.\s*)\w+\s*\(.*)",
        "‹self.›conv1(x)",
        "write the layer itself where its input is the value above: `conv(8, 3) -> relu`",
        "found `self`, but a net has no attributes",
        expression,
        "write the layer itself where its input is the value above: `conv(8, 3) -> relu`",
    ),
    Habit(
        r"(?:^|->)\s*(?P<fix>(?P<value>[A-Za-z_]\w*\s*\([^=]*?\))(?P<at>\s*\.\s*(?=[A-Za-z_]\w*\s*\()).*)",
        "conv(8, 3)‹.›relu()",
        "chain layers with `->`: `$fix`",
        "found `.` after a layer, but a layer has no methods",
        expression,
        "chain layers with `->`",
    ),
    Habit(
        r"(?:^|->)\s*(?P<fix>(?P<value>[A-Za-z_]\w*\s*\([^()]*(?:\([^()]*\)[^()]*)*\))(?P<at>\s*\().*)",
        "conv(8, 3)‹(›x)",
        "write only the layer, `$fix`: its input is the value above",
        "found a second pair of parentheses: a layer is not applied to a value",
        expression,
        "write only the layer: its input is the value above",
    ),
    Habit(
        r"^\s*(?P<at>return)\b\s*$",
        "‹return›",
        "leave it out: the result is the last value",
        "found `return`, but nothing is returned",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>return)\b\s*(?P<value>.*?))\s*$",
        "‹return› relu",
        "the result is the last value: leave out `return`; a net names its results with `output`",
        "found `return`, but nothing is returned",
        returned,
        "the result is the last value: leave out `return`; a net names its results with `output`",
    ),
    Habit(
        r"^\s*(?P<at>assert|require|ensure|check|verify)\s+(?=\w+\s*[=<>!(])",
        "‹assert› params == 80",
        "write `expect`",
        "found `$at`, but a fact about a net begins with `expect`",
        lambda found: [(*found.place("at"), "expect")],
    ),
    Habit(
        rf"\b(?:block|net)\s+\w+\s*\([^)]*?\w(?P<at>\s*:\s*{_TYPES}(?:\[[^\]]*\])?)",
        "block B(w‹: int›) {{ relu }}".replace("{{", "{").replace("}}", "}"),
        "leave it out: parameters have no types",
        "a parameter has a type",
        untyped,
    ),
    Habit(
        r"\b(?:block|net)\s+\w+\s*\([^)]*\)(?P<fix>\s*(?P<at>->\s*[\w.\[\], ]+?))\s*(?=[{:])",
        "block B() ‹-> Tensor› { relu }",
        "leave it out: the result is the last value of the body",
        "a type of the result follows the parameters",
        "",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<at>(?:let\s+)?{_WORDS})\s+(?P<name>\w+)\s*(?::\s*\w+\s*)?(?:=|:=)\s*(?P<value>[^=].*?));*\s*$",
        "‹const› k = 3",
        "write `let $name = $value`",
        "found `$at`, but a value gets its name with `let`",
        "let $name = $value",
    ),
    Habit(
        r"^\s*let\s+\w+\s*(?P<fix>(?P<at>:\s*\w+)\s*)=",
        "let k‹: int› = 3",
        "leave out the type: `let k = 3`",
        "a value has a type",
        " ",
    ),
    Habit(
        r"^\s*let\s+\w+\s*(?P<fix>(?P<at>:=|==|:|<-|->|=>|be\b|is\b)\s*)(?=\S)",
        "let k‹:› 3",
        "write `=`: `let k = 3`",
        "found `$at`, but `let` takes `=`",
        lambda found: [
            (*found.place("fix"), "= " if found.text[found.place("fix")[0] - 1] == " " else " = ")
        ],
    ),
    Habit(
        r"^\s*let\s+(?P<name>[A-Za-z_]\w*)\s+(?P<at>[\d\"\[])",
        "let k ‹3›",
        "write `=`: `let k = 3`",
        "`=` is missing after `let $name`",
        lambda found: [(*(found.place("at")[0],) * 2, "= ")],
    ),
    Habit(
        r"^\s*let\s+(?P<at>=)",
        "let ‹=› 3",
        "give the value a name: `let k = 3`",
        "a name is missing after `let`",
    ),
    Habit(
        r"(?P<at>\blambda\b).*",
        "let f = ‹lambda› x: x",
        "write a calculation where its value is needed, or a `block` with parameters",
        "found `lambda`, but there are no functions of your own",
    ),
    Habit(
        r"=\s*[^=]*?\S\s+(?P<at>if\b(?!.*\belse\b)).*",
        "let n = 3 ‹if› true",
        "write both values: `a if c else b`",
        "a choice has no `else`",
    ),
    Habit(
        r"[\[(][^\[\]]*(?P<at>\bfor\s+\w+\s+in\b)[^\[\]]*",
        "let a = [i ‹for i in› range(3)]",
        "write the list itself: `[8, 16, 32]`, or `for i in range(3) { ... }` around layers",
        "a list cannot contain a loop",
    ),
    Habit(
        r"[(,]\s*(?P<at>\*\*?(?=[A-Za-z_]))\w+",
        "conv(‹*›args)",
        "write every argument",
        "found `$at`, but arguments cannot be unpacked",
    ),
)
