"""Unrolls the bodies of a net into its graph.

Parameters are bound, blocks called, loops unrolled and labels resolved, and every value is typed on
the way. An element with an error is reported, and its value has an unknown type; what depends on
the value causes no further errors, and the other elements are still checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Edit, did_you_mean
from netdsl.elaborate.aux_weight import aux_weight
from netdsl.elaborate.called_nets import put_out, take_input
from netdsl.elaborate.calls import Calls
from netdsl.elaborate.conditions import truth
from netdsl.elaborate.corrections import inserted
from netdsl.elaborate.ends import Ends, refuse_quotes
from netdsl.elaborate.evaluate import CURRENT, UNKNOWN, Env, evaluate
from netdsl.elaborate.examples import Examples
from netdsl.elaborate.formulas import formula
from netdsl.elaborate.frozen import freeze
from netdsl.elaborate.loops import UnknownRoundsError, pass_on, rounds
from netdsl.elaborate.scope import Namespace
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import AuxHead, Site, Value
from netdsl.limits import limit, raise_help
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.module import Module


class Expectation:
    """An `expect` line, to be checked when the graph is finished.

    `env` has the names that it sees, and `prefix` is the path of the scope that it is in.
    """

    __slots__ = ("env", "prefix", "statement")

    def __init__(self, statement: ast.Expect, env: Env, prefix: str) -> None:
        self.statement = statement
        self.env = env
        self.prefix = prefix


class Elaborator:
    """Unrolls the bodies of one net; `overrides` are those of `Ends`."""

    def __init__(self, net: NetBuilder, overrides: dict[str, tuple[int, ...]]) -> None:
        self.net = net
        self.ends = Ends(net, overrides)
        self.examples = Examples(net)
        net.is_resized = bool(overrides)
        self.calls = Calls(net, self)
        self.expects: list[Expectation] = []
        self._depth = 0
        self._max_depth = limit("depth")

    def elaborate(self, definition: ast.Definition, home: Module, env: Env) -> None:
        """Unroll the body of a net and add its outputs; raises `NetdslError`."""
        self.net.module = home
        self.net.open.append(definition)
        value = self.body(definition.body, env, None)
        self.net.open.pop()
        if not self.net.graph.outputs and value is not None:
            self.ends.put_out("output", value, value.site.span)
        self.net.graph.drop_unused_results()
        if not self.net.reporter.errors:
            self._check_graph(definition)

    def _check_graph(self, definition: ast.Definition) -> None:
        """Raise `NetdslError` if the net lacks an input, layers, or an input for given sizes."""
        names = [value.name for value in self.net.graph.inputs]
        if not names:
            raise NetdslError(
                "no-input",
                f"net `{definition.name}` has no `input`",
                definition.name_span,
                help="begin its body with `input image: 3x224x224`",
            )
        for name in sorted(self.ends.overrides.keys() - names):
            raise NetdslError(
                "unknown-input",
                f"net `{self.net.graph.name}` has no input `{name}`",
                definition.name_span,
                help=self._size_advice(name)
                or did_you_mean(name, names)
                or "it has " + ", ".join(names),
            )
        if not self.net.graph.nodes:
            message = f"net `{definition.name}` has no layers"
            help_ = "write a layer below the input, such as `conv(16, 3, pad = 1)` or `dense(10)`"
            raise NetdslError("no-layers", message, definition.name_span, help=help_)

    def _size_advice(self, name: str) -> str | None:
        """Advice for `--input H=224`, where `H` is an open size of an input."""
        given = self.ends.overrides[name]
        for value in self.net.graph.inputs:
            sizes = [str(size) for size in value.type.shape]
            if name in sizes and len(given) == 1:
                written = "x".join(str(given[0]) if size == name else size for size in sizes)
                which = "" if value is self.net.graph.inputs[0] else f"{value.name}="
                advice = f"`{name}` is a size of `{value.name}`: write all its sizes"
                others = [f"`{size}`" for size in sizes if size != name and not size.isdigit()]
                numbers = f", with numbers for {' and '.join(others)}" if others else ""
                return f"{advice}, `--input {which}{written}`{numbers}"
        return None

    def body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body's statements, whose errors are reported.

        Raises `Overrun`, and `NetdslError` if the body has arms.
        """
        if body.arms:
            raise NetdslError(
                "arms-without-join",
                "arms can only be in a join",
                body.span,
                help="write a join before the braces: `concat { | ... | ... }`, `add`, `mul`, ...",
            )
        self._depth += 1
        if self._depth > self._max_depth:
            raise Overrun(
                "nesting-too-deep",
                f"bodies and block calls are nested more than {self._max_depth} levels deep",
                body.span,
                help=raise_help("depth"),
            )
        for statement in body.statements:
            self.net.meter.charge(1, statement.span)
            try:
                x = self._statement(statement, env, x)
            except NetdslError as fault:
                self.net.report(fault, statement)
                x = self.net.unknown(statement.span)
        self._depth -= 1
        return x

    def inside(self, scope: Namespace, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body whose members and labels belong to `scope`."""
        outer, self.net.scope = self.net.scope, scope
        try:
            return self.body(body, Env(env), x)
        finally:
            self.net.scope = outer

    # ---- statements

    def _statement(self, statement: ast.Statement, env: Env, x: Value | None) -> Value | None:
        env.values[CURRENT] = x
        match statement:
            case ast.Chain():
                return self._chain(statement, env, x)
            case ast.Let():
                self.net.scope.keep_values(env, statement.span)
                try:
                    env.values[statement.name] = evaluate(statement.value, env)
                except NetdslError:
                    env.values[statement.name] = UNKNOWN
                    raise
            case ast.Input() if self._is_called_net:
                return take_input(self.net, statement, env)
            case ast.Input():
                try:
                    value = self.ends.input(statement, env)
                except NetdslError:
                    self.net.poison(statement.label, statement.span)
                    raise
                self._example(statement, value, env)
                return x if x is not None else value
            case ast.Output():
                return self._output(statement, env, x)
            case ast.Aux():
                self._aux_head(statement, env, x)
            case ast.Next():
                pass_on(statement, env, self.net.innermost)
            case ast.Expect() if not any(d.is_net for d in self.net.open[1:]):
                self.expects.append(Expectation(statement, env.kept(), self.net.scope.path))
        return x

    def _example(self, statement: ast.Input, value: Value, env: Env) -> None:
        """Take the example of an input; an error in it leaves the input as it is."""
        try:
            self.examples.take(statement, value, env)
        except NetdslError as fault:
            self.net.report(fault, statement)

    @property
    def _is_called_net(self) -> bool:
        """Whether the innermost body belongs to a net that is called like a block."""
        return len(self.net.open) > 1 and self.net.open[-1].is_net

    def _output(self, statement: ast.Output, env: Env, x: Value | None) -> Value:
        if len(self.net.open) > 1 and not self._is_called_net:
            from netdsl.elaborate import misplaced_output  # only texts with errors need it

            raise misplaced_output.error(statement, self.net)
        name = self.net.label_name(statement.label, env)
        refuse_quotes(statement.label, "an output")
        if not self._is_called_net:
            self.ends.check_output(name, statement.span)
        value = x
        if statement.chain is not None:
            first = self.net.label_name(statement.chain.elements[0].label, env)
            value = self._chain(statement.chain, env, x, fallback=statement.label)
            name = name or first
        if value is None:
            raise NetdslError("no-input", "there is no value to output", statement.span)
        if self._is_called_net:
            put_out(self.net, value, env)
        else:
            self.ends.put_out(name or "output", value, statement.span)
        return value

    def _aux_head(self, statement: ast.Aux, env: Env, x: Value | None) -> None:
        if len(self.net.open) > 1 or self.net.aux is not None:
            raise _misplaced_aux(statement, self.net)
        weight = aux_weight(statement, env)
        path, module = self.net.scope.join(self.net.scope.member(statement.name))
        self.net.aux = path
        try:
            value = self.inside(Namespace(path, module, self.net.scope), statement.body, env, x)
        finally:
            self.net.aux = None
        if value is None:
            raise NetdslError("no-input", "the auxiliary head has no input", statement.span)
        self.net.bind(statement.name, value, statement.span)
        self.net.graph.name_scope(path, "aux", value.site)
        self.net.graph.aux.append(AuxHead(path, weight, value))

    # ---- chains and their elements

    def _chain(
        self, chain: ast.Chain, env: Env, x: Value | None, fallback: ast.Pattern | None = None
    ) -> Value:
        """The value after the elements of a chain.

        A label before `@ref` belongs to the last layer of the chain, and so does `fallback`, the
        name of an output, if there is no such label.
        """
        elements = chain.elements
        first = elements[0]
        label = fallback
        if isinstance(first, ast.TakeUp) and first.label is not None and len(elements) > 1:
            label = first.label
        labelled = None if label is None else _last_layer(elements, label)
        start = len(self.net.graph.nodes)
        for element in elements:
            if isinstance(element, ast.Call) and element.name == "frozen":
                freeze(element, chain, self.net.graph.nodes[start:], x)
                continue
            start = len(self.net.graph.nodes)
            own = element.label
            if element is labelled:
                own = label
            elif own is label:
                own = None
            position = self.net.scope.count
            try:
                x = self.element(element, own, env, x)
            except NetdslError as fault:
                self.net.report(fault, element)
                x = self.net.poison(own, element.span)
                if isinstance(element, ast.Call):  # the next layer has the next position
                    self.net.scope.count = position + 1
        assert x is not None
        if label is not None and labelled is None:
            self._name_value(label, env, x)
        return x

    def _name_value(self, label: ast.Pattern, env: Env, x: Value) -> None:
        """Bind a label to the value of a chain.

        It may be bound to the value already: an output may have the name of its layer.
        """
        name = self.net.pattern(label, env)
        bound = self.net.scope.labels.get(name)
        if bound is None or bound.value is not x:
            self.net.bind(name, x, label.span)

    def element(
        self, element: ast.Element, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        """The value after one element of a chain; raises `NetdslError`."""
        env.values[CURRENT] = x
        match element:
            case ast.Call():
                return self.calls.call(element, label, env, x)
            case ast.Group():
                return self._group(element, label, env, x)
            case ast.TakeUp():
                value = self.net.reference(element.reference, env)
                self.net.bind_label(label, env, value)
                return value
            case ast.Formula():
                try:
                    return formula(self.net, element, label, env)
                except NetdslError as error:
                    from netdsl.elaborate import layer_slips  # only errors need it

                    layer_slips.advise_formula(error, element, self.net.module.definitions)
                    raise
        if label is not None:
            end = Span(element.span.file, element.span.end, element.span.end)
            braces = (inserted(element.span, "{ "), Edit(end, " }"))
            raise NetdslError(
                "misplaced-label",
                "a label can only name a layer, a block or a group in braces",
                label.span,
                help=f"use braces: `name: {{ {element.span.text.split(maxsplit=1)[0]} ... }}`",
                fix=braces if element.label is label else (),
            )
        result: Value | None = None
        match element:
            case ast.If():
                result = self._if(element, env, x)
            case ast.Repeat() | ast.For():
                result = self._loop(element, env, x)
        return self.net.need(result, element.span)

    def _loop(self, loop: ast.Repeat | ast.For, env: Env, x: Value | None) -> Value | None:
        try:
            with rounds(self.net, loop, env) as frames:
                for frame in frames:
                    x = self.body(loop.body, frame, x)
        except UnknownRoundsError:
            return self.net.unknown(loop.span)
        return x

    def _if(self, element: ast.If, env: Env, x: Value | None) -> Value | None:
        condition = evaluate(element.condition, env)
        if condition is UNKNOWN:
            return self.net.unknown(element.span)
        body = element.otherwise
        if truth(condition, element.condition.span):
            body = element.then
        return x if body is None else self.body(body, Env(env), x)

    def _group(
        self, element: ast.Group, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        if label is None:
            return self.net.need(self.body(element.body, Env(env), x), element.span)
        name = self.net.pattern(label, env)
        path, module = self.net.scope.join(self.net.scope.member(name))
        scope = Namespace(path, module, self.net.scope)
        value = self.net.need(self.inside(scope, element.body, env, x), element.span)
        self.net.graph.name_scope(path, None, Site(element.span, self.net.caller))
        self.net.remember(name, value, label, element, env, scope)
        return value


def _misplaced_aux(aux: ast.Aux, net: NetBuilder) -> NetdslError:
    """The error of an auxiliary head in a block, or in another one."""
    message = "an auxiliary head can only be in the body of a net"
    help_ = "move it behind the `}` of the head around it"
    if net.caller is not None and net.aux is None:
        help_ = f"move it to the net, into the line after `{net.caller.span.text}`"
    return NetdslError("misplaced-aux", message, aux.span, help=help_)


def _last_layer(elements: tuple[ast.Element, ...], label: ast.Pattern) -> ast.Element | None:
    """The last element that can have a label; None if it has a label other than `label`."""
    for element in reversed(elements):
        if _takes_label(element):
            return element if element.label in (None, label) else None
    return None


def _takes_label(element: ast.Element) -> bool:
    if isinstance(element, ast.Call):
        return element.name not in ("identity", "frozen")
    return isinstance(element, ast.Group | ast.Formula)
