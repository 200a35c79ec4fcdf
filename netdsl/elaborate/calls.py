"""Calls of layers, joins and blocks, and labelled modules used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from netdsl.diagnostics import Annotation
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.infer import as_fault
from netdsl.elaborate.loader import BlockValue, KindValue, is_known, resolve
from netdsl.elaborate.meter import ELEMENTS
from netdsl.elaborate.parameters import bind_parameters
from netdsl.elaborate.scope import Binding, Namespace
from netdsl.elaborate.shortcut import unlike
from netdsl.errors import NetdslError, OpError, Overrun
from netdsl.ir.graph import Node, Site, Value
from netdsl.ops import LAYERS
from netdsl.ops.args import show
from netdsl.ops.base import advice
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.ir.op import Op


_BRACES = "only joins do: concat, add, mul, sub, max, residual"


class Bodies(Protocol):
    """What unrolls the bodies that calls lead to."""

    def body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        """The value after a body's statements."""

    def element(
        self, element: ast.Element, label: ast.Pattern | None, env: Env, x: Value | None
    ) -> Value:
        """The value after one element of a chain."""


class Calls:
    """Adds to the graph what calls make."""

    def __init__(self, net: NetBuilder) -> None:
        self.net = net

    def call(
        self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None, bodies: Bodies
    ) -> Value:
        """The value after a layer, a join, a block, or a label that is used again."""
        if call.name == "identity":
            bare(call)
            value = self.net.need(x, call.span)
            if label is not None:
                self.net.bind(self.net.pattern(label, env), value, label.span)
            return value
        if call.name == "residual":
            return self._join(call, label, env, x, bodies)
        known, target = env.find(call.name, call.name_span)
        if not known:
            if not is_known(self.net.module, call.name):
                binding = self.net.scope.find([call.name])
                if binding is not None and binding.element is not None:
                    if call.arguments:
                        message = (
                            f"`{call.name}` is the layer of that label again, and takes no"
                            " arguments"
                        )
                        advice = (
                            f"write `{call.name}` to apply it once more, or the layer's kind for"
                            " another layer"
                        )
                        raise NetdslError(
                            "too-many-arguments", message, call.arguments[0].span, help=advice
                        )
                    bare(call)
                    return self._again(binding, call, label, env, x, bodies)
                if binding is not None:
                    raise NetdslError(
                        "unknown-layer",
                        f"`{call.name}` is the label of a value, not a layer",
                        call.name_span,
                        help=f"write `@{call.name}` to take the value up",
                    )
            target = self._resolve(call)
        if isinstance(target, KindValue):
            if call.body is not None:
                return self._join(call, label, env, x, bodies, target.cls)
            return self._layer(call, label, env, x, target.cls)
        if isinstance(target, BlockValue):
            if call.body is not None:
                raise NetdslError(
                    "unexpected-body",
                    f"block `{call.name}` takes no braces",
                    call.body.span,
                    help=_BRACES,
                )
            return self._block(call, label, env, x, bodies, target)
        if target is UNKNOWN:
            return self.net.unknown(call.span)
        raise NetdslError(
            "not-a-layer", f"`{call.name}` is {show(target)}, not a layer or block", call.name_span
        )

    def _resolve(self, call: ast.Call) -> BlockValue | KindValue:
        """The block or layer kind of a call; raises `NetdslError`."""
        net = self.net
        labels = () if call.arguments else net.scope.layers()
        try:
            return resolve(net.loader, net.module, call.name, call.name_span, labels)
        except NetdslError as fault:
            if fault.diagnostic.code == "unknown-layer" and not call.arguments:
                path = net.scope.path_to(call.name)
                if path is not None:
                    fault.diagnostic.help = f"write `@{path}` to take up the value at that label"
            raise

    def _arguments(
        self, call: ast.Call, env: Env, cls: type[Op]
    ) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Value, ...]]:
        """Positional arguments, keywords, and the tensors among the positional ones."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        tensors: list[Value] = []
        for argument in call.arguments:
            try:
                value = evaluate(argument.value, env)
            except NetdslError as fault:
                if fault.diagnostic.code == "unknown-name":
                    _advise_word(fault, argument, cls, len(positional))
                raise
            if isinstance(value, tuple):
                self.net.meter.charge(len(value) // ELEMENTS, argument.span)
            if argument.name is not None:
                if argument.name in keywords:
                    raise NetdslError(
                        "duplicate-argument", f"`{argument.name}` is given twice", argument.span
                    )
                keywords[argument.name] = value
            elif isinstance(value, Value):
                tensors.append(value)
            elif keywords:
                raise NetdslError(
                    "misplaced-argument",
                    "a positional argument after a named one",
                    argument.span,
                    help="name it too, or move it to the front",
                )
            else:
                positional.append(value)
        return tuple(positional), keywords, tuple(tensors)

    def _layer(
        self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None, cls: type[Op]
    ) -> Value:
        positional, keywords, tensors = (
            self._arguments(call, env, cls) if call.arguments else ((), {}, ())
        )
        return self._make(
            call, label, env, cls, positional, keywords, (self.net.need(x, call.span), *tensors)
        )

    def _make(
        self,
        call: ast.Call,
        label: ast.Pattern | None,
        env: Env,
        cls: type[Op],
        positional: tuple[Any, ...],
        keywords: dict[str, Any],
        xs: tuple[Value, ...],
    ) -> Value:
        name = self.net.scope.member(None if label is None else self.net.pattern(label, env))
        if any(v is UNKNOWN for v in (*positional, *keywords.values())):
            value = self.net.unknown(call.span)
        else:
            try:
                op = self.net.inference.op(cls, positional, keywords)
                _check_inputs(cls, len(xs), call)
            except OpError as error:
                raise as_fault(error, call, cls, ()) from None
            try:
                value = (
                    self._node(call, op, xs, name)
                    if all(v.type is not None for v in xs)
                    else self.net.unknown(call.span)
                )
            except OpError as error:
                wrong = (
                    unlike(xs[0].type, xs[1].type, error)
                    if call.name == "residual" and len(arms(call)) == 1
                    else error
                )
                raise as_fault(wrong, call, cls, xs) from None
        if label is not None:
            self.net.remember(name, value, label, call, env)
        return value

    def _node(self, call: ast.Call, op: Op, xs: tuple[Value, ...], name: str) -> Value:
        types = tuple(v.type for v in xs)
        type_, needs = self.net.inference.type(op, types)
        if len(self.net.graph.nodes) >= self.net.max_layers:
            self.net.charge(1, call.span)
        site = Site(call.span, self.net.caller)
        path, module = self.net.scope.join(name)
        value = Value(path, type_, site)
        node = Node(path, module, op, xs, value, self.net.aux)
        value.producer = node
        self.net.graph.add(node)
        self.net.owners.setdefault(module, node)
        self.net.graph.equalities += [(a, b, site) for a, b in needs.equal]
        return value

    def _join(
        self,
        call: ast.Call,
        label: ast.Pattern | None,
        env: Env,
        x: Value | None,
        bodies: Bodies,
        cls: type[Op] | None = None,
    ) -> Value:
        """`concat { | a | b }`; `residual { F }` is `add { | F | identity }`."""
        if cls is None or call.body is None:
            cls = LAYERS["add"]
            if call.body is None:
                raise NetdslError(
                    "missing-body",
                    "`residual` needs its layers in braces",
                    call.span,
                    help="write `residual { conv(64, 3, pad = 1) -> relu }`",
                )
        elif cls.inputs[1] < 3:
            raise NetdslError(
                "unexpected-body", f"`{call.name}` takes no braces", call.body.span, help=_BRACES
            )
        if not arms(call):
            raise NetdslError(
                "missing-arms",
                f"`{call.name}` joins arms, each after a `|`",
                call.body.span,
                help=f"write `{call.name} {{ | conv(8, 1) | identity }}`",
            )
        source = self.net.need(x, call.span)
        scope, name = self.net.scope, None
        if label is not None:
            name = self.net.pattern(label, env)
            scope = Namespace(*self.net.scope.join(name), self.net.scope)
        outer, self.net.scope = self.net.scope, scope
        try:
            values = [
                self.net.need(bodies.body(arm, Env(env), source), arm.span) for arm in arms(call)
            ]
        finally:
            self.net.scope = outer
        if call.name == "residual" and len(values) == 1:
            values.append(source)
        if call.name == "residual" and call.arguments:
            raise NetdslError(
                "too-many-arguments",
                "`residual` takes no arguments, its layers stand in its braces",
                call.arguments[0].span,
            )
        positional, keywords, tensors = self._arguments(call, env, cls)
        made = self._make(call, label, env, cls, positional, keywords, (*values, *tensors))
        if name is not None:
            self.net.scope.labels[name].inner = scope
        return made

    def _block(
        self,
        call: ast.Call,
        label: ast.Pattern | None,
        env: Env,
        x: Value | None,
        bodies: Bodies,
        target: BlockValue,
    ) -> Value:
        definition = target.definition
        if definition in self.net.open:
            names = " calls ".join(
                f"`{d.name}`"
                for d in [*self.net.open[self.net.open.index(definition) :], definition]
            )
            raise NetdslError(
                "recursive-block",
                f"blocks cannot call themselves: {names}",
                call.span,
                help="use `repeat` for a pattern that repeats",
            )
        source = self.net.need(x, call.span)
        self.net.charge_all(self.net.estimate.block(definition, target.home), 1, call.span)
        frame = Env(target.home.env, self.net.special, self.net.meter)
        frame.values["in"] = source
        bind_parameters(
            frame,
            call.name,
            definition.parameters,
            call.arguments,
            env,
            call.span,
            definition.name_span,
        )
        name = self.net.scope.member(None if label is None else self.net.pattern(label, env))
        path, module = self.net.scope.join(name)
        inner = Namespace(path, module)
        saved = self.net.scope, self.net.caller, self.net.module
        self.net.scope, self.net.caller, self.net.module = (
            inner,
            Site(call.span, self.net.caller),
            target.home,
        )
        self.net.open.append(definition)
        try:
            value = bodies.body(definition.body, frame, source)
        finally:
            self.net.open.pop()
            self.net.scope, self.net.caller, self.net.module = saved
        self.net.graph.name_scope(path, definition.name, Site(call.span, self.net.caller))
        if label is not None:
            self.net.remember(name, self.net.need(value, call.span), label, call, env, inner)
        return self.net.need(value, call.span)

    def _again(
        self,
        binding: Binding,
        call: ast.Call,
        label: ast.Pattern | None,
        env: Env,
        x: Value | None,
        bodies: Bodies,
    ) -> Value:
        """A label used as a layer: the same module, with the same weights, on another value."""
        source = self.net.need(x, call.span)
        element, frame = binding.element, binding.env
        assert element is not None
        assert frame is not None
        before = len(self.net.graph.nodes)
        outer, caller = self.net.scope, self.net.caller
        self.net.caller = Site(call.span, caller)
        place = outer.join(binding.label)[0]
        self.net.uses[place] += 1
        self.net.scope = Namespace(
            outer.path, binding.scope.module, binding.scope, f"@{self.net.uses[place] + 1}"
        )
        alone = ast.Pattern((binding.label,), call.span)
        try:
            value = bodies.element(element, alone, frame, source)
        except NetdslError as fault:
            if not isinstance(fault, Overrun):
                raise _used_again(fault, call) from None
            raise
        finally:
            self.net.scope, self.net.caller = outer, caller
        for node in self.net.graph.nodes[before:]:
            self._check_shared(binding, node, call)
        if label is not None:
            self.net.bind(self.net.pattern(label, env), value, label.span)
        return value

    def _check_shared(self, binding: Binding, node: Node, call: ast.Call) -> None:
        original = self.net.owners[node.module]
        if original.params() == node.params():
            return
        was, now = (str(n.inputs[0].type) for n in (original, node))
        raise NetdslError(
            "shape-mismatch",
            f"`{call.name}` was made for an input of {was} and cannot take {now}: its weights would"
            " differ",
            call.span,
            help=(
                f"write `@{call.name}` to take the value up; for other weights, write the layer"
                " again under another label"
            ),
            notes=(Annotation("it is defined here", binding.span),),
        )


def _advise_word(fault: NetdslError, argument: ast.Argument, cls: type[Op], position: int) -> None:
    """Replace the help where an argument is a word that is not known."""
    if not isinstance(argument.value, ast.Name):
        return
    declared = next((a for a in cls.args if a.name == argument.name), None)
    if argument.name is None and position < len(cls.args):
        declared = cls.args[position]
    if declared is None:
        return
    help_ = advice(declared, argument.value.id)
    if declared.choices:
        help_ = f"`{declared.name}` of `{cls.kind}` can be {', '.join(declared.choices)}"
    fault.diagnostic.help = help_ or fault.diagnostic.help


def _used_again(fault: NetdslError, call: ast.Call) -> NetdslError:
    """The error of a layer that is applied a second time, placed at the second use."""
    found = fault.diagnostic
    place = () if found.span is None else (Annotation("it is defined here", found.span),)
    advice = f"`{call.name}` applies that layer again; write `@{call.name}` to take the value up"
    return NetdslError(
        found.code, found.message, call.span, help=advice, notes=(*place, *found.notes)
    )


def bare(call: ast.Call) -> None:
    """Refuse what stands behind a word that takes nothing; raises `NetdslError`."""
    if call.arguments:
        raise NetdslError("too-many-arguments", f"`{call.name}` takes no arguments", call.span)
    if call.body is not None:
        raise NetdslError(
            "unexpected-body", f"`{call.name}` takes no braces", call.body.span, help=_BRACES
        )


def arms(call: ast.Call) -> tuple[ast.Body, ...]:
    """The arms of a join; the body of a `residual` without arms is its only one."""
    if call.body is None:
        return ()
    return call.body.arms or ((call.body,) if call.name == "residual" else ())


def _check_inputs(cls: type[Op], found: int, call: ast.Call) -> None:
    """Whether a layer takes so many tensors; raises `OpError`."""
    least, most = cls.inputs
    if least <= found <= most:
        return
    if found > most > 100:
        raise OpError(
            "wrong-inputs",
            f"`{cls.kind}` joins at most {most:,} arms or references, found {found:,}",
            help="join some of them first",
        )
    if most > 100 and call.body is not None:
        message = f"`{cls.kind}` joins two arms or more, found {found}"
        advice = (
            f"an arm that passes the input on is `| identity`: `{cls.kind} {{ | ... | identity }}`"
        )
        raise OpError("wrong-inputs", message, help=advice)
    if most > 100:
        raise OpError(
            "wrong-inputs",
            f"`{cls.kind}` joins arms or references, and there are none",
            help=f"write `{cls.kind} {{ | ... | ... }}` or `{cls.kind}(@label)`",
        )
    takes = (
        "no reference"
        if most == 1
        else (
            "one reference"
            if (least, most) == (2, 2)
            else "at most one reference"
            if most == 2
            else f"{least - 1} to {most - 1} references"
        )
    )
    advice = (
        f"references are written `@label`: `{cls.kind}(..., @label)`"
        if found < least
        else f"a layer works on the current value; `@label -> {cls.kind}` takes another one up"
    )
    raise OpError(
        "wrong-inputs",
        f"`{cls.kind}` takes {takes} beside the current value, found {found - 1}",
        help=advice,
    )
