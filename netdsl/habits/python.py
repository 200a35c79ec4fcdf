"""Statements of Python, PyTorch, Keras and of languages with braces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.habits.base import Guess, Habit
from netdsl.habits.layers import ADVICE, key_of
from netdsl.habits.statements import (
    added,
    added_value,
    assignment,
    backwards,
    expression,
    net_or_block,
    returned,
    untyped,
)

if TYPE_CHECKING:
    from netdsl.habits.base import Matched

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
    r"local|set|define|dim|def|param|parameter|constant|hyperparameter)"
)
_TRAIN = "leave it out; how a net is trained is in its section `train Net { epochs = 3 }`"


def other_way(matched: Matched) -> Guess | None:
    """The advice for a function that is no single layer here, such as `torch.stack`."""
    advice = ADVICE.get(key_of(matched.group("name")))
    if advice is None or expression(matched) is not None:
        return None
    return Guess(advice)


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
        "this is a Python decorator",
        "",
    ),
    Habit(
        r"^\s*(?P<at>class\s+(?P<name>\w+)\s*\([^)]*\)\s*:).*",
        "‹class Net(nn.Module):›",
        "write the net as `net $name { input image: 3x224x224 ... }`, with its layers in order",
        "this is a Python class",
        where="top",
    ),
    Habit(
        r"^\s*(?P<at>def\s+(?:__init__|forward|call|build)\b.*|super\(\).*|super\b.*)",
        "‹def forward(self, x):›",
        "write the layers in the order of the data: `conv(8, 3) -> relu`, without methods",
        "this is a Python method, but a net has none",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>def|class|function|fn|func|fun|module|layer|component|macro|struct)"
        r"\s+(?P<name>\w+)\s*(?P<parameters>(?:\((?!\s*self\b)[^()]*\))?)\s*)(?=\{)",
        "‹def› B() { relu }",
        "write `$fix { ... }`",
        "found `$at`, but a named part begins with `block`, and a whole net with `net`",
        net_or_block,
        where="top",
    ),
    Habit(
        rf"^\s*(?P<fix>(?P<at>(?:let\s+)?{_WORDS})\s+(?P<name>\w+)(?:\s*(?::\s*\w+\s*)?:?=\s*|\s+"
        r"(?=[\d\"\[]))(?P<value>[^=].*?));*\s*$",
        "‹const› k = 3",
        "write `let $name = $value`",
        "found `$at`, but a value gets its name with `let`",
        "let $name = $value",
    ),
    Habit(
        r"^\s*(?P<at>def|class|function|fn|func|fun)\b.*",
        "‹def› B():",
        "write a part as `block Name(...) { ... }` and a net as `net Name { ... }`",
        "found `$at`, but a named part begins with `block`",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>Net|NET|network|Network|model|Model|graph|architecture|nets"
        r"|neural_net))\s+\w+",
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
        r"^\s*(?P<fix>(?P<name>\w+)\s*(?P<at>(?P<sign>[-+*])=)\s*(?P<value>.+?))\s*$",
        "x ‹+=› skip",
        "write `$fix`, where `@` begins a reference",
        "found `$at`, but values are joined by layers such as `add`",
        added_value,
        where="body",
    ),
    Habit(
        r"^\s*(?P<at>(?:model|net|network|optimizer|optim|criterion|loss|trainer|history|m)\s*\.\s*"
        r"(?:compile|fit|train|eval|evaluate|predict|backward|step|zero_grad|to|cuda|parameters"
        r"|build"
        r"|load_weights|save)\s*\(.*)",
        "‹model.compile(loss = 3)›",
        _TRAIN,
        "this is a Python call, which a net does not run",
        "",
    ),
    Habit(
        r"^\s*(?P<at>(?:\w+\.)?(?:summary|print|printf|println|console\.log|cout|puts|display)"
        r"\s*\(.*)",
        "‹model.summary()›",
        "leave it out: `netdsl check` prints the layers with their shapes and parameters",
        "this is a Python call, which a net does not run",
        "",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>\w+\s*\.\s*(?:add|append|add_module|push|insert|push_back)\s*)"
        r"(?P<open>\()).*",
        "‹model.add›(conv(32, 3))",
        "write only the layer: `$fix`",
        "this is a Python call, which adds nothing to a net",
        added,
        "write only the layer; layers follow each other in the order of the lines",
    ),
    Habit(
        r"^\s*(?P<at>\w+\s*=\s*.*\bself\.\w+\s*\().*",
        "‹x = F.relu(self.conv1(›x))",
        "write each layer once, in the order of the data: `conv1: conv(8, 3) -> relu`",
        "this calls PyTorch layers, but a layer takes the value above it without a call",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<a>[a-z_]\w*(?:\([^()]*\))?)\s*(?P<at><-+|<)\s*"
        r"(?P<b>[A-Za-z_@]\w*(?:\([^()]*\))?))\s*$",
        "relu ‹<-› conv(8, 3)",
        "data flows to the right: write `$fix`",
        "found `$at`, but arrows point to the right",
        backwards,
        where="body",
    ),
    Habit(
        r"^\s*(?P<fix>(?P<at>self\s*\.\s*(?P<name>\w+)\s*=)\s*(?P<value>.+?))\s*$",
        "‹self.conv1 =› nn.Conv2d(1, 32, 3)",
        "write the layer with its name: `$fix`",
        "this is a PyTorch assignment, but a layer gets its name with a colon",
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
        r"^\s*(?P<fix>(?P<name>(?!(?:let|net|block|import|train)\b)\w+)\s*(?P<at>:=|<-|=(?!=))\s*"
        r"(?P<value>.*))$",
        "k ‹:=› 3",
        "write `$fix`",
        "found `$at` after `$name`: a value gets its name with `let`",
        lambda matched: fix if str(fix := assignment(matched)).startswith("let") else None,
        "write a net as `net Name { input image: 3x224x224 ... }`, with its layers in order",
        where="top",
    ),
    Habit(
        rf"(?:^|->|\{{|:\s)\s*(?P<fix>(?P<at>(?:{_MODULES}\s*\.\s*)+(?P<name>\w+))\s*\(.*)",
        "‹torch.stack›([a, b])",
        "$fix",
        "`$at` is not a layer here: layers have short names without a module",
        other_way,
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
        r"(?:^|->)\s*(?P<fix>(?P<at>(?:x|out|h|y|input|image|net|model|feat|features)\s*\.\s*)\w+"
        r"\s*\(.*)",
        "‹x.›view(-1)",
        "write `$fix`",
        "found `$at`, but a layer takes the value above it",
        expression,
        "write only the layer, such as `flatten`",
        where="body",
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
        r"(?:^|->)\s*(?P<fix>(?P<value>[A-Za-z_]\w*\s*\([^=]*?\))(?P<at>\s*\.\s*(?=[A-Za-z_]\w*"
        r"\s*\()).*)",
        "conv(8, 3)‹.›relu()",
        "chain layers with `->`: `$fix`",
        "found `.` after a layer, but a layer has no methods",
        expression,
        "chain layers with `->`",
    ),
    Habit(
        r"(?:^|->|:\s)\s*(?P<fix>(?P<name>[A-Za-z_]\w*)\s*\([^()]*\)(?P<at>\s*\().*)",
        "Average()‹(›[a, b])",
        "$fix",
        "found a second pair of parentheses: a layer is not applied to a value",
        other_way,
    ),
    Habit(
        r"(?:^|->|:\s|^\s*output\s)\s*(?P<fix>(?P<value>[A-Za-z_]\w*\s*\([^()]*"
        r"(?:\([^()]*\)[^()]*)*\))(?P<at>\s*\().*)",
        "conv(8, 3)‹(›x)",
        "write `$fix`: the input of a layer is the value above, or before `->`",
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
        r"\{\s*(?P<fix>(?P<at>return)\b\s+)(?=[a-z@(])",
        "{ ‹return› relu }",
        "the result is the last value: leave out `return`",
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
        lambda matched: [(*matched.place("at"), "expect")],
    ),
    Habit(
        rf"\b(?:block|net)\s+\w+\s*\([^)]*?\w(?P<at>\s*:\s*{_TYPES}(?:\[[^\]]*\])?)",
        "block B(w‹: int›) {{ relu }}".replace("{{", "{").replace("}}", "}"),
        "leave it out: parameters have no types",
        "this parameter has a type",
        untyped,
    ),
    Habit(
        r"\b(?:block|net)\s+\w+\s*\([^)]*\)(?P<fix>\s*(?P<at>->\s*[\w.\[\], ]+?))\s*(?=[{:])",
        "block B() ‹-> Tensor› { relu }",
        "leave it out: the result is the last value of the body",
        "a type of the result follows these parameters",
        "",
    ),
    Habit(
        r"^\s*let\s+\w+\s*(?P<fix>(?P<at>:\s*\w+)\s*)=",
        "let k‹: int› = 3",
        "leave out the type: `let k = 3`",
        "this value has a type",
        " ",
    ),
    Habit(
        r"^\s*let\s+\w+(?P<fix>\s*(?P<at>:=|==|:|<-|->|=>|be\b|is\b)\s*)(?=\S)",
        "let k‹:› 3",
        "write `=`: `let k = 3`",
        "found `$at`, but `let` takes `=`",
        " = ",
    ),
    Habit(
        r"^\s*let\s+(?P<name>[A-Za-z_]\w*)\s+(?P<at>[\d\"\[])",
        "let k ‹3›",
        "write `=`: `let k = 3`",
        "`=` is missing after `let $name`",
        lambda matched: [(*(matched.place("at")[0],) * 2, "= ")],
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
        r"[=(,]\s*[^=(,]*?\S\s+(?P<at>if\b(?!.*\belse\b)).*",
        "let n = 3 ‹if› true",
        "write both values: `a if c else b`",
        "this `a if c` has no `else`",
    ),
    Habit(
        r"[(,]\s*(?P<at>\*\*?(?=[A-Za-z_]))\w+",
        "conv(‹*›args)",
        "write every argument",
        "found `$at`, but arguments cannot be unpacked",
    ),
)
