"""Expressions that depend on the net around them: references, sizes, formulas, layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, Proposal, did_you_mean, did_you_mean_path, respelled
from netdsl.elaborate.attributes import advise_shape, attribute
from netdsl.elaborate.evaluate import CURRENT, INPUT, UNKNOWN, Env, evaluate, name_span
from netdsl.elaborate.file_values import with_value
from netdsl.elaborate.formulas import applied, operate
from netdsl.elaborate.functions import FUNCTIONS, function_names
from netdsl.elaborate.loader import is_known, resolve
from netdsl.elaborate.module import IDENTITY, BlockValue, Elsewhere, KindValue, layer_of
from netdsl.errors import NetdslError
from netdsl.ir.graph import Value
from netdsl.ir.types import Sym
from netdsl.ops.args import show
from netdsl.ops.index import WORDS
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.source import Span

FINITE = "numbers are finite: write a large one in its place, such as `1e9`"
NAMED_AXES = {(2, 1): "in.length", (3, 1): "in.height", (3, 2): "in.width"}  # by number of axes


class Expressions:
    """The `Surroundings` of the expressions in a net."""

    def __init__(self, net: NetBuilder) -> None:
        self.net = net

    def operate(self, operator: str, a: object, b: object, span: Span) -> object:
        """The value of an operator with a tensor; raises `NetdslError`."""
        return operate(self.net, operator, a, b, span)

    def special(self, expr: ast.Expr, env: Env) -> object:
        """The value of an expression that depends on the net; raises `NetdslError`."""
        match expr:
            case ast.Reference():
                return self._reference(expr, env)
            case ast.Current():
                return _current(expr, env)
            case ast.Attribute(value=None):
                return attribute(expr, env.find(INPUT)[1])
            case ast.Attribute(value=ast.Expr() as owner):
                return attribute(expr, self._owner(expr, owner, env))
            case ast.Function() if expr.name == "shape" and len(expr.arguments) == 1:
                value = evaluate(expr.arguments[0].value, env)
                return attribute(ast.Attribute(expr.span, None, "shape"), value)
            case ast.Function():
                return self._function(expr, env)
            case ast.Name():
                return self._name(expr, env)
            case Elsewhere():
                return evaluate(expr.expression, Env(expr.home.env, self, self.net.meter))
        raise NetdslError("not-a-value", f"`{expr.span.text}` has no value here", expr.span)

    def _reference(self, expr: ast.Reference, env: Env) -> object:
        """The value at a label, or the weight of a layer: `@emb.weight`."""
        net = self.net
        weight = net.weights.named(net.pattern(expr.path, env), net.scope, net.aux, expr.span)
        return weight or net.reference(expr, env)

    # ---- functions of tensors, and blocks and layers with arguments

    def _function(self, expr: ast.Function, env: Env) -> object:
        target = self._target(expr, env)
        if target is UNKNOWN:
            return UNKNOWN
        arguments = tuple(with_value(argument, env) for argument in expr.arguments)
        values = [evaluate(a.value, env) for a in arguments]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        is_of_tensor = (
            bool(arguments) and arguments[0].name is None and isinstance(values[0], Value)
        )
        if isinstance(target, KindValue) and is_of_tensor:
            return applied(self.net, expr, target.cls, arguments, env)
        if isinstance(target, (KindValue, BlockValue)):
            return target.given(arguments)
        if target is IDENTITY:
            message = "`identity` takes no arguments"
            raise NetdslError("too-many-arguments", message, expr.span, help="write `identity`")
        error = NetdslError(
            "not-a-layer",
            f"`{expr.name}` is {show(target)}, not a layer, block or function",
            name_span(expr),
        )
        if isinstance(target, tuple) and len(arguments) == 1:
            written = f"{expr.name}[{arguments[0].span.text}]"
            error.diagnostic.help = f"an element of a list is written `{written}`"
            error.diagnostic.fix = (Edit(expr.span, written),)
        raise error

    def _target(self, expr: ast.Function, env: Env) -> object:
        """The block or layer that is written like a function; raises `NetdslError`."""
        known, found = env.find(expr.name, name_span(expr))
        if known:
            return layer_of(found)
        try:
            return resolve(self.net.loader, self.net.module, expr.name, name_span(expr))
        except NetdslError as fault:
            if fault.code != "unknown-layer":
                raise
        known_names = [*function_names(), "shape"]
        if expr.name in FUNCTIONS:
            message = f"`{expr.name}` computes with numbers and lists, not with tensors"
            raise NetdslError("unknown-function", message, expr.span)
        raise NetdslError(
            "unknown-function",
            f"there is no function `{expr.name}` here",
            expr.span,
            help=did_you_mean(expr.name, function_names())
            or f"the functions are {', '.join(function_names())} and shape(@label)",
            fix=respelled(name_span(expr), expr.name, known_names),
        )

    # ---- names

    def _owner(self, expr: ast.Attribute, owner: ast.Expr, env: Env) -> object:
        """The value that has an attribute; the error of a label advises `shape`."""
        try:
            return evaluate(owner, env)
        except NetdslError as fault:
            path = self.net.scope.path_to(owner.span.text)
            if expr.name == "inf":  # of Python's modules
                fault.diagnostic.help = FINITE
            if fault.code == "unknown-name" and path is not None:
                advise_shape(fault.diagnostic, expr.span, path, expr.name)
            raise

    def _name(self, expr: ast.Name, env: Env) -> object:
        module = self.net.module
        if expr.id in WORDS and not is_known(module, expr.id):
            return expr.id
        try:
            return resolve(self.net.loader, module, expr.id, expr.span)
        except NetdslError as fault:
            if fault.diagnostic.code != "unknown-layer":
                raise
            advice = self._name_advice(expr.id, expr.span, env)
            fix = respelled(expr.span, expr.id, self._values_like(expr.id, env))
            if (sizes := _as_sizes(expr.id, env)) is not None:
                fix = (Edit(expr.span, sizes),)
            other = fault.diagnostic.fix[0].text if fault.diagnostic.fix else ""
            if advice is None and other and not self._is_other_net(expr.id, other):
                advice, fix = fault.help, fault.diagnostic.fix
            message = f"there is no `{expr.id}`"
            raise NetdslError("unknown-name", message, expr.span, help=advice, fix=fix) from None

    def _values_like(self, name: str, env: Env) -> list[str]:
        """The names that a misspelt value may have; none if it is the name of a label."""
        if self.net.scope.path_to(name) is not None:
            return []
        return [*env.names(), *WORDS.intersection([name.lower()])]

    def _is_other_net(self, name: str, definition: str) -> bool:
        """Whether a definition is a net that `width` cannot mean, as nets begin with a capital."""
        found = self.net.module.definitions.get(definition)
        is_block = found is None or (isinstance(found, ast.Definition) and not found.is_net)
        return not is_block and name[0].islower() and definition[0].isupper()

    def _name_advice(self, name: str, place: Span, env: Env) -> str | None:
        if name.lower() in ("inf", "infinity"):
            return FINITE
        path = self.net.scope.path_to(name)
        if path is not None:
            text = f"write `@{path}` for the value at that label; `shape(@{path})` gives its sizes"
            return Proposal(text, "reference", [f"@{path}"])
        parts = self.net.open[-1].body.walk() if self.net.open else ()
        lets = [part for part in parts if isinstance(part, ast.Let) and part.name == name]
        if lets and all(let.span.end < place.start for let in lets):
            line = lets[0].span.first.line
            return (
                f"`{name}` exists only inside its braces (line {line}): write its `let` outside of"
                f" them, as in `let {name} = a if c else b`"
            )
        if lets:
            return f"`{name}` gets its value further down: move that `let` above this line"
        net = self.net.open[0] if len(self.net.open) > 1 else None
        if net is not None and any(p.name == name for p in net.parameters):
            return (
                f"`{name}` is a parameter of net `{net.name}`, which a block cannot use: give"
                f" `{self.net.open[-1].name}` a parameter `{name}` too, and pass it in the call"
            )
        if net is not None and (size := self._size_advice(name, env)) is not None:
            return size
        layers = [d for d in self.net.module.definitions if not self._is_other_net(name, d)]
        known = [*env.names(), *layers, *WORDS.intersection([name.lower()])]
        sizes = _as_sizes(name, env)
        if sizes is not None:
            return f"sizes begin with a digit or a capital letter: write `{sizes}`"
        return did_you_mean(name, known) or did_you_mean_path(
            name, [f"@{path}" for path in self.net.scope.first_paths()]
        )

    def _size_advice(self, name: str, env: Env) -> str | None:
        """Advice for an open size of the net's input in a block, which has its own input."""
        size, source = Sym.var(name), env.find(INPUT)[1]
        if not any(size in value.type.shape for value in self.net.graph.inputs):
            return None
        fact = f"`{name}` is a size of the net's input, which a block cannot use"
        block = self.net.open[-1].name
        if not isinstance(source, Value) or source.type is None or size not in source.type.shape:
            return f"{fact}: give `{block}` a parameter `{name}` too, and pass it in the call"
        axis = source.type.shape.index(size)
        written = NAMED_AXES.get((len(source.type.shape), axis), f"in.shape[{axis}]")
        return f"{fact}: write `{written}` for that of its own input"


def _current(expr: ast.Current, env: Env) -> object:
    value = env.find(CURRENT)[1]
    if value is None:
        raise NetdslError(
            "no-input",
            "`@` is the current value, and there is none here",
            expr.span,
            help="write an `input` or a layer above, or name a value: `@name`",
        )
    return value


def _as_sizes(name: str, env: Env) -> str | None:
    """The list for a name that looks like sizes but begins with a small letter."""
    parts = name.split("x")
    if len(parts) > 1 and all(p.isdigit() or (p and env.find(p)[0]) for p in parts):
        return f"[{', '.join(parts)}]"
    return None
