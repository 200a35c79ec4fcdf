"""Syntax tree to graph: parameters bound, blocks called, repeats unrolled, labels resolved, every
value typed on the way.

An element with an error is reported and gives a value of unknown type; what depends on it stays
silent, the rest goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.elaborate.calls import Calls, bare
from netdsl.elaborate.ends import Ends
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate, truth
from netdsl.elaborate.scope import Namespace
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import AuxHead, Site, Value
from netdsl.limits import limit, raise_help
from netdsl.ops.args import show
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.loader import Module


class Expectation:
    """An `expect` of the text, to be held against the finished graph."""

    __slots__ = ("env", "prefix", "statement")

    def __init__(self, statement: ast.Expect, env: Env, prefix: str) -> None:
        self.statement = statement
        self.env = env
        self.prefix = prefix


class Elaborator:
    """Unrolls the bodies of one net. `overrides` are as `Ends` has them."""

    def __init__(self, net: NetBuilder, overrides: dict[str, tuple[int, ...]]) -> None:
        self.net = net
        self.ends = Ends(net, overrides)
        self.calls = Calls(net)
        self.expects: list[Expectation] = []
        self._depth = 0
        self._max_depth = limit("depth")

    def elaborate(self, definition: ast.Definition, home: Module, env: Env) -> None:
        """Unroll a net's body and settle its outputs."""
        self.net.module = home
        self.net.open.append(definition)
        value = self.body(definition.body, env, None)
        self.net.open.pop()
        if not self.net.graph.outputs and value is not None:
            self.ends.put_out("output", value, value.site.span)
        if not self.net.graph.inputs and not self.net.reporter.errors:
            raise NetdslError(
                "no-input",
                f"net `{definition.name}` has no `input`",
                definition.name_span,
                help="begin its body with `input image: 3x224x224`",
            )
        names = [v.name for v in self.net.graph.inputs]
        for name in (
            sorted(self.ends.overrides.keys() - names) if not self.net.reporter.errors else ()
        ):
            raise NetdslError(
                "unknown-input",
                f"net `{definition.name}` has no input `{name}`",
                definition.name_span,
                help=did_you_mean(name, names) or "it has " + ", ".join(names),
            )
        if not self.net.graph.nodes and not self.net.reporter.errors:
            raise NetdslError(
                "no-layers", f"net `{definition.name}` has no layers", definition.name_span
            )

    def body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body's statements; what is wrong with one is reported.

        Raises `Overrun`, and `NetdslError` where arms stand alone.
        """
        if body.arms:
            raise NetdslError(
                "arms-without-join",
                "arms stand in a join: `concat { | ... | ... }`, `add`, `mul` or `residual`",
                body.span,
            )
        self._depth += 1
        if self._depth > self._max_depth:
            raise Overrun(
                "nesting-too-deep",
                f"bodies and block calls more than {self._max_depth} levels deep",
                body.span,
                help=raise_help("depth"),
            )
        for statement in body.statements:
            self.net.meter.charge(1, statement.span)
            try:
                x = self._statement(statement, env, x)
            except NetdslError as fault:
                self.net.report(fault, statement.span)
                x = self.net.unknown(statement.span)
        self._depth -= 1
        return x

    def _statement(self, statement: ast.Statement, env: Env, x: Value | None) -> Value | None:
        match statement:
            case ast.Chain():
                return self._chain(statement, env, x)
            case ast.Let():
                try:
                    env.values[statement.name] = evaluate(statement.value, env)
                except NetdslError:
                    env.values[statement.name] = UNKNOWN
                    raise
            case ast.Input():
                try:
                    value = self.ends.input(statement, env)
                except NetdslError:
                    self.net.poison(statement.label, statement.span)
                    raise
                return x if x is not None else value
            case ast.Output():
                return self._output(statement, env, x)
            case ast.Aux():
                self._aux_head(statement, env, x)
            case ast.Expect():
                self.expects.append(Expectation(statement, env, self.net.scope.path))
        return x

    def _output(self, statement: ast.Output, env: Env, x: Value | None) -> Value:
        if len(self.net.open) > 1:
            raise NetdslError(
                "misplaced-output",
                "`output` stands in the body of a net; a block's value is its last",
                statement.span,
            )
        name = self.net.pattern(statement.label, env) if statement.label else None
        self.ends.check_output(name, statement.span)
        if statement.chain is not None:
            first = statement.chain.elements[0]
            inner = self.net.pattern(first.label, env) if first.label is not None else None
            value: Value | None = self._chain(statement.chain, env, x, fallback=statement.label)
            name = name or inner
        else:
            value = x
        if value is None:
            raise NetdslError("no-input", "there is no value to put out", statement.span)
        name = name or "output"
        self.ends.put_out(name, value, statement.span)
        return value

    def _aux_head(self, statement: ast.Aux, env: Env, x: Value | None) -> None:
        if len(self.net.open) > 1 or self.net.aux is not None:
            raise NetdslError(
                "misplaced-aux", "an auxiliary head stands in the body of a net", statement.span
            )
        weight = _aux_weight(statement, env)
        path, module = self.net.scope.join(self.net.scope.member(statement.name))
        self.net.aux = path
        try:
            value = self._inside(Namespace(path, module, self.net.scope), statement.body, env, x)
        finally:
            self.net.aux = None
        if value is None:
            raise NetdslError("no-input", "the head has no input", statement.span)
        self.net.bind(statement.name, value, statement.span)
        self.net.graph.name_scope(path, "aux", value.site)
        self.net.graph.aux.append(AuxHead(path, weight, value))

    def _chain(
        self, chain: ast.Chain, env: Env, x: Value | None, fallback: ast.Pattern | None = None
    ) -> Value:
        """Elements one after the other.

        A label before `@ref`, and an output's name, go to the chain's last layer.
        """
        elements = chain.elements
        first = elements[0]
        label = first.label if isinstance(first, ast.TakeUp) and len(elements) > 1 else None
        label = fallback or label
        last = max((i for i, e in enumerate(elements) if _takes_label(e)), default=-1)
        if last >= 0 and elements[last].label not in (None, label):
            last = -1  # it has a name of its own: the chain's label names the value alone
        start = len(self.net.graph.nodes)
        for i, element in enumerate(elements):
            if isinstance(element, ast.Call) and element.name == "frozen":
                self._freeze(element, start, x)
                continue
            start = len(self.net.graph.nodes)
            own = (
                label
                if i == last and label is not None
                else element.label
                if element.label is not label
                else None
            )
            try:
                x = self.element(element, own, env, x)
            except NetdslError as fault:
                self.net.report(fault, element.span)
                x = self.net.poison(own, element.span)
        assert x is not None
        if label is not None and last < 0:
            self._name_value(label, env, x)
        return x

    def _name_value(self, label: ast.Pattern, env: Env, x: Value) -> None:
        """A label for the value of a chain; an output may repeat the name of the layer that it puts
        out.
        """
        name = self.net.pattern(label, env)
        bound = self.net.scope.labels.get(name)
        if bound is None or bound.value is not x:
            self.net.bind(name, x, label.span)

    def _freeze(self, element: ast.Call, start: int, x: Value | None) -> None:
        bare(element)
        if element.label is not None:
            raise NetdslError(
                "misplaced-label",
                "`frozen` is no layer: it cannot have a label",
                element.label.span,
                help="label the layer before it",
            )
        if x is not None and x.type is None:
            return  # the layer before has an error of its own
        if x is None or start == len(self.net.graph.nodes):
            raise NetdslError(
                "nothing-to-freeze",
                "`frozen` follows the layer that it holds fixed",
                element.span,
                help="write `conv(8, 3) -> frozen`",
            )
        for node in self.net.graph.nodes[start:]:
            node.frozen = True

    def element(
        self, element: ast.Element, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        """The value after one element of a chain; raises `NetdslError`."""
        match element:
            case ast.Call():
                return self.calls.call(element, label, env, x, self)
            case ast.Group():
                return self._group(element, label, env, x)
            case ast.TakeUp():
                taken = self.net.reference(element.reference, env)
                if label is not None:
                    self.net.bind(self.net.pattern(label, env), taken, label.span)
                return taken
        if label is not None:
            raise NetdslError(
                "misplaced-label",
                "a label names a layer, a block or a group in braces",
                label.span,
                help=f"write `name: {{ {element.span.text.split(maxsplit=1)[0]} ... }}`",
            )
        match element:
            case ast.If():
                condition = evaluate(element.condition, env)
                if condition is UNKNOWN:
                    return self.net.unknown(element.span)
                body = (
                    element.then if truth(condition, element.condition.span) else element.otherwise
                )
                value = self.body(body, Env(env), x) if body is not None else x
            case ast.Repeat():
                value = self._repeat(element, env, x)
            case ast.For():
                value = self._for(element, env, x)
        return self.net.need(value, element.span)

    def _repeat(self, element: ast.Repeat, env: Env, x: Value | None) -> Value | None:
        count = evaluate(element.count, env)
        if count is UNKNOWN:
            return self.net.unknown(element.span)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise NetdslError(
                "wrong-type",
                f"`repeat` needs a number of times, found {show(count)}",
                element.count.span,
            )
        self._charge_rounds(count, element, env)
        for i in range(count):
            self.net.meter.charge(1, element.span)
            frame = Env(env)
            if element.variable:
                frame.values[element.variable] = i
            x = self.body(element.body, frame, x)
        return x

    def _for(self, element: ast.For, env: Env, x: Value | None) -> Value | None:
        values = evaluate(element.values, env)
        if values is UNKNOWN:
            return self.net.unknown(element.span)
        if not isinstance(values, tuple):
            raise NetdslError(
                "wrong-type",
                f"`for` needs a list, found {show(values)}",
                element.values.span,
                help="`for i in range(3)` goes from 0 to 2; `repeat 3 { ... }` needs no name",
            )
        twice = next((t for i, t in enumerate(element.targets) if t in element.targets[:i]), None)
        if twice is not None:
            raise NetdslError(
                "duplicate-name",
                f"`for` has two variables `{twice}`",
                element.span,
                help="choose another name",
            )
        self._charge_rounds(len(values), element, env)
        for value in values:
            self.net.meter.charge(1, element.span)
            frame = Env(env)
            parts = (value,) if len(element.targets) == 1 else value
            if not isinstance(parts, tuple) or len(parts) != len(element.targets):
                raise NetdslError(
                    "wrong-type",
                    f"cannot spread {show(value)} over {len(element.targets)} names",
                    element.values.span,
                )
            frame.values.update(zip(element.targets, parts, strict=True))
            x = self.body(element.body, frame, x)
        return x

    def _charge_rounds(self, count: int, element: ast.Repeat | ast.For, env: Env) -> None:
        least = self.net.estimate.body(element.body, self.net.module, self.net.hidden(env))
        self.net.charge_all(least._replace(steps=least.steps + 1), count, element.span)

    def _group(
        self, element: ast.Group, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        if label is None:
            return self.net.need(self.body(element.body, Env(env), x), element.span)
        name = self.net.pattern(label, env)
        path, module = self.net.scope.join(self.net.scope.member(name))
        scope = Namespace(path, module, self.net.scope)
        value = self.net.need(self._inside(scope, element.body, env, x), element.span)
        self.net.graph.name_scope(path, None, Site(element.span, self.net.caller))
        self.net.remember(name, value, label, element, env, scope)
        return value

    def _inside(self, scope: Namespace, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        outer, self.net.scope = self.net.scope, scope
        try:
            return self.body(body, Env(env), x)
        finally:
            self.net.scope = outer


def _takes_label(element: ast.Element) -> bool:
    return isinstance(element, (ast.Call, ast.Group)) and getattr(element, "name", "") not in (
        "identity",
        "frozen",
    )


def _aux_weight(statement: ast.Aux, env: Env) -> float:
    """What the loss of an auxiliary head is multiplied by."""
    weight: float | None = None
    for argument in statement.arguments:
        if argument.name != "weight":
            raise NetdslError(
                "unknown-argument",
                "`aux` takes `weight` alone",
                argument.span,
                help="write `aux name(weight = 0.3) { ... }`",
            )
        if weight is not None:
            raise NetdslError(
                "duplicate-argument", "`weight` is given twice", argument.span, help="leave one out"
            )
        value = evaluate(argument.value, env)
        if value is UNKNOWN:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise NetdslError(
                "wrong-type", f"`weight` must be a number, found {show(value)}", argument.span
            )
        weight = float(value)
    return 1.0 if weight is None else weight
