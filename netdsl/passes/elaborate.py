"""Syntax tree to graph: parameters bound, blocks called, repeats unrolled, labels resolved, every value typed on the way.

An element with an error is reported and gives a value of unknown type; what depends on it stays silent, the rest goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdsl.diagnostics import Annotation, Fault, did_you_mean
from netdsl.ir.graph import AuxHead, Graph, Node, Output, Site, Value
from netdsl.ir.graph import Scope as GraphScope
from netdsl.ir.types import ITEM_BYTES, Sym, TensorType
from netdsl.limits import MAX_DIM, limit, raise_help
from netdsl.ops.args import show
from netdsl.ops.base import OpError
from netdsl.passes.evaluate import UNKNOWN, Env, evaluate, truth
from netdsl.passes.infer import Inference, as_fault, call_notes, new_equalities
from netdsl.passes.modules import WORDS, BlockValue, KindValue, resolve
from netdsl.passes.scope import Binding, Scope
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Reporter
    from netdsl.ops.base import Op
    from netdsl.passes.modules import Loader, Module
    from netdsl.source import Span


class Expectation:
    """An `expect` of the text, to be held against the finished graph."""

    __slots__ = ("env", "prefix", "statement")

    def __init__(self, statement: ast.Expect, env: Env, prefix: str) -> None:
        self.statement = statement
        self.env = env
        self.prefix = prefix


class Elaborator:
    """Builds the graph of one net."""

    def __init__(self, loader: Loader, reporter: Reporter, graph: Graph, overrides: dict[str, tuple[int, ...]]) -> None:
        self.loader = loader
        self.reporter = reporter
        self.graph = graph
        self.overrides = overrides
        self.expects: list[Expectation] = []
        self.labels: dict[str, Value] = {}
        self._inference = Inference()
        self._calls: list[ast.Definition] = []
        self._caller: Site | None = None
        self._scope = Scope()
        self._module: Module | None = None
        self._aux: str | None = None
        self._steps = 0
        self._least: dict[int, int] = {}
        self._max_layers = limit("layers")
        self._max_steps = limit("steps")

    def enter(self, home: Module) -> None:
        """Resolve names as the file `home` sees them."""
        self._module = home

    # ---- bodies and statements

    def net(self, definition: ast.Definition, home: Module, env: Env) -> None:
        """Unroll a net's body and settle its outputs."""
        self._module = home
        self._calls.append(definition)
        value = self._body(definition.body, env, None)
        self._calls.pop()
        if not self.graph.outputs and value is not None:
            self.graph.outputs.append(Output("output", value))
        if not self.graph.inputs:
            raise Fault("no-input", f"net `{definition.name}` has no `input`", definition.name_span, help="begin its body with `input image: 3x224x224`")
        if not self.graph.nodes:
            raise Fault("no-layers", f"net `{definition.name}` has no layers", definition.name_span)

    def _body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        if body.arms:
            raise Fault("arms-without-join", "arms stand in a join: `concat { | ... | ... }`, `add`, `mul` or `residual`", body.span)
        for statement in body.statements:
            self._step(statement.span)
            try:
                x = self._statement(statement, env, x)
            except Fault as fault:
                self._report(fault, statement.span)
                x = self._unknown(statement.span)
        return x

    def _step(self, span: Span) -> None:
        self._steps += 1
        if self._steps > self._max_steps:
            raise _Overrun("too-many-steps", f"more than {self._max_steps:,} statements to unroll", span, help=raise_help("steps"))

    def _report(self, fault: Fault, span: Span) -> None:
        if isinstance(fault, _Overrun):
            raise fault
        diagnostic = fault.diagnostic
        diagnostic.span = diagnostic.span or span
        diagnostic.notes += call_notes(Site(diagnostic.span, self._caller))
        self.reporter.add(diagnostic)

    def _unknown(self, span: Span) -> Value:
        return Value("?", None, Site(span, self._caller))

    def _statement(self, statement: ast.Statement, env: Env, x: Value | None) -> Value | None:
        match statement:
            case ast.Chain():
                return self._chain(statement, env, x)
            case ast.Let():
                env.values[statement.name] = UNKNOWN
                env.values[statement.name] = evaluate(statement.value, env)
            case ast.Input():
                value = self._input(statement, env)
                return x if x is not None else value
            case ast.Output():
                return self._output(statement, env, x)
            case ast.Aux():
                self._aux_head(statement, env, x)
            case ast.Expect():
                self.expects.append(Expectation(statement, env, self._scope.path))
        return x

    def _input(self, statement: ast.Input, env: Env) -> Value:
        if len(self._calls) > 1 or self._scope.outer is not None:
            raise Fault("misplaced-input", "`input` stands in the body of a net", statement.span)
        name = self._pattern(statement.label, env)
        dtype = statement.dtype or "float32"
        if dtype not in ITEM_BYTES:
            raise Fault("wrong-dtype", f"there is no element type `{dtype}`", statement.span, help=did_you_mean(dtype, ITEM_BYTES))
        shape = self._input_shape(statement, env)
        given = self.overrides.get(name)
        if given is not None:
            shape = self._override(name, statement, shape, given, env)
        value = Value(name, TensorType(shape, dtype), Site(statement.span, self._caller))
        self._bind(name, value, statement.label.span)
        self.graph.inputs.append(value)
        env.values.setdefault("in", value)
        return value

    def _input_shape(self, statement: ast.Input, env: Env) -> tuple[int | Sym, ...]:
        expr = statement.shape
        names: tuple[int | str, ...] = ()
        if isinstance(expr, ast.DimsLiteral):
            names = expr.parts
        elif isinstance(expr, ast.Name):
            names = (expr.id,)
        for name in names:
            if isinstance(name, str) and not env.find(name)[0]:
                env.values[name] = Sym.var(name)
        value = evaluate(expr, env)
        shape = value if isinstance(value, tuple) else (value,)
        for d in shape:
            if isinstance(d, bool) or not isinstance(d, (int, Sym)) or (isinstance(d, int) and not 1 <= d <= MAX_DIM):
                raise Fault("bad-size", f"a size of input `{expr.span.text}` is {show(d)}; sizes are integers from 1 to {MAX_DIM:,}", expr.span)
        return shape

    def _override(self, name: str, statement: ast.Input, shape: tuple[int | Sym, ...], given: tuple[int, ...], env: Env) -> tuple[int | Sym, ...]:
        if len(given) != len(shape):
            message = f"input `{name}` has {len(shape)} sizes ({TensorType(shape)}), {len(given)} are given ({TensorType(given)})"
            raise Fault("shape-mismatch", message, statement.span)
        for d, value in zip(shape, given, strict=True):
            if isinstance(d, Sym):
                for symbol in d.symbols():
                    env.values[symbol] = value
        return given

    def _output(self, statement: ast.Output, env: Env, x: Value | None) -> Value:
        if len(self._calls) > 1:
            raise Fault("misplaced-output", "`output` stands in the body of a net; a block's value is its last", statement.span)
        name = self._pattern(statement.label, env) if statement.label else None
        if statement.chain is not None:
            first = statement.chain.elements[0]
            inner = self._pattern(first.label, env) if first.label is not None else None
            value: Value | None = self._chain(statement.chain, env, x, fallback=statement.label)
            name = name or inner
        else:
            value = x
        if value is None:
            raise Fault("no-input", "there is no value to put out", statement.span)
        name = name or "output"
        if any(o.name == name for o in self.graph.outputs):
            raise Fault("duplicate-label", f"there are two outputs `{name}`", statement.span, help="name them: `output boxes: dense(4)`")
        self.graph.outputs.append(Output(name, value))
        return value

    def _aux_head(self, statement: ast.Aux, env: Env, x: Value | None) -> None:
        if len(self._calls) > 1 or self._aux is not None:
            raise Fault("misplaced-aux", "an auxiliary head stands in the body of a net", statement.span)
        weight = 1.0
        for argument in statement.arguments:
            if argument.name != "weight":
                raise Fault("unknown-argument", "`aux` takes `weight` alone", argument.span, help="write `aux name(weight = 0.3) { ... }`")
            value = evaluate(argument.value, env)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise Fault("wrong-type", f"`weight` must be a number, found {show(value)}", argument.span)
            weight = float(value)
        path, module = self._scope.join(self._scope.member(statement.name))
        self._aux = statement.name
        try:
            value = self._inside(Scope(path, module, self._scope), statement.body, env, x)
        finally:
            self._aux = None
        if value is None:
            raise Fault("no-input", "the head has no input", statement.span)
        self._bind(statement.name, value, statement.span)
        self.graph.scopes[path] = GraphScope(path, "aux", value.site)
        self.graph.aux.append(AuxHead(statement.name, weight, value))

    # ---- chains

    def _chain(self, chain: ast.Chain, env: Env, x: Value | None, fallback: ast.Pattern | None = None) -> Value:
        """Elements one after the other. A label before `@ref`, and an output's name, go to the chain's last layer."""
        elements = chain.elements
        label = fallback if elements[-1].label is None else None
        if isinstance(elements[0], ast.TakeUp) and elements[0].label is not None and len(elements) > 1:
            label = elements[0].label
        start = len(self.graph.nodes)
        for i, element in enumerate(elements):
            if isinstance(element, ast.Call) and element.name == "frozen":
                self._freeze(element, start, x)
                continue
            start = len(self.graph.nodes)
            own = element.label if not (i == 0 and label is element.label) else None
            if own is None and i == len(elements) - 1:
                own = label if fallback is not label or self._takes_label(element) else None
            try:
                x = self._element(element, own, env, x)
            except Fault as fault:
                self._report(fault, element.span)
                x = self._poison(own, env, element.span)
        assert x is not None
        return x

    def _takes_label(self, element: ast.Element) -> bool:
        return isinstance(element, (ast.Call, ast.Group)) and getattr(element, "name", "") != "identity"

    def _poison(self, label: ast.Pattern | None, env: Env, span: Span) -> Value:
        """The unknown value of an element with an error; its label still stands for something."""
        value = self._unknown(span)
        if label is not None and all(isinstance(p, str) for p in label.pieces):
            self._scope.labels.setdefault("".join(map(str, label.pieces)), Binding(value, label.span, "?"))
        return value

    def _freeze(self, element: ast.Call, start: int, x: Value | None) -> None:
        if x is None or start == len(self.graph.nodes):
            raise Fault("nothing-to-freeze", "`frozen` follows the layer that it holds fixed", element.span, help="write `conv(8, 3) -> frozen`")
        for node in self.graph.nodes[start:]:
            node.frozen = True

    def _element(self, element: ast.Element, label: ast.Pattern | None, env: Env, x: Value | None) -> Value:
        match element:
            case ast.Call():
                return self._call(element, label, env, x)
            case ast.Group():
                return self._group(element, label, env, x)
            case ast.TakeUp():
                value = self._reference(element.reference, env)
                if label is not None:
                    self._bind(self._pattern(label, env), value, label.span)
                return value
        if label is not None:
            raise Fault("misplaced-label", "a label names a layer, a block or a group in braces", label.span, help="write `name: { repeat ... }`")
        match element:
            case ast.If():
                condition = evaluate(element.condition, env)
                if condition is UNKNOWN:
                    return self._unknown(element.span)
                body = element.then if truth(condition, element.condition.span) else element.otherwise
                value = self._body(body, Env(env), x) if body is not None else x
            case ast.Repeat():
                value = self._repeat(element, env, x)
            case ast.For():
                value = self._for(element, env, x)
        return self._need(value, element.span)

    def _need(self, x: Value | None, span: Span) -> Value:
        if x is None:
            raise Fault("no-input", "no value flows into this", span, help="an `input` stands above the first layer")
        return x

    def _repeat(self, element: ast.Repeat, env: Env, x: Value | None) -> Value | None:
        count = evaluate(element.count, env)
        if count is UNKNOWN:
            return self._unknown(element.span)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Fault("wrong-type", f"`repeat` needs a number of times, found {show(count)}", element.count.span)
        self._charge(count * max(1, self._least_layers(element.body)), element.span)
        for i in range(count):
            self._step(element.span)
            frame = Env(env)
            if element.variable:
                frame.values[element.variable] = i
            x = self._body(element.body, frame, x)
        return x

    def _for(self, element: ast.For, env: Env, x: Value | None) -> Value | None:
        values = evaluate(element.values, env)
        if values is UNKNOWN:
            return self._unknown(element.span)
        if not isinstance(values, tuple):
            raise Fault("wrong-type", f"`for` needs a list, found {show(values)}", element.values.span)
        self._charge(len(values) * max(1, self._least_layers(element.body)), element.span)
        for value in values:
            self._step(element.span)
            frame = Env(env)
            parts = (value,) if len(element.targets) == 1 else value
            if not isinstance(parts, tuple) or len(parts) != len(element.targets):
                raise Fault("wrong-type", f"cannot spread {show(value)} over {len(element.targets)} names", element.values.span)
            frame.values.update(zip(element.targets, parts, strict=True))
            x = self._body(element.body, frame, x)
        return x

    def _charge(self, layers: int, span: Span) -> None:
        if len(self.graph.nodes) + layers > self._max_layers:
            raise _Overrun("too-many-layers", f"the net would have more than {self._max_layers:,} layers", span, help=raise_help("layers"))

    def _least_layers(self, body: ast.Body) -> int:
        """How many layers the body makes at the least, as far as the text alone says: charged before unrolling."""
        found = self._least.get(id(body))
        if found is None:
            found = sum(self._least_layers(arm) for arm in body.arms)
            for statement in body.statements:
                chain = statement if isinstance(statement, ast.Chain) else getattr(statement, "chain", None)
                for element in chain.elements if chain else ():
                    inner = getattr(element, "body", None)
                    factor = element.count.value if isinstance(element, ast.Repeat) and isinstance(element.count, ast.Literal) else 1
                    inside = self._least_layers(inner) if inner is not None and not isinstance(element, ast.For) else 0
                    found += (factor if isinstance(factor, int) else 1) * inside + isinstance(element, ast.Call)
            self._least[id(body)] = found
        return found

    # ---- groups, calls, joins

    def _group(self, element: ast.Group, label: ast.Pattern | None, env: Env, x: Value | None) -> Value:
        if label is None:
            return self._need(self._body(element.body, Env(env), x), element.span)
        name = self._pattern(label, env)
        path, module = self._scope.join(self._scope.member(name))
        scope = Scope(path, module, self._scope)
        value = self._need(self._inside(scope, element.body, env, x), element.span)
        self.graph.scopes[path] = GraphScope(path, None, Site(element.span, self._caller))
        self._remember(name, value, label, element, env, scope)
        return value

    def _inside(self, scope: Scope, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        outer, self._scope = self._scope, scope
        try:
            return self._body(body, Env(env), x)
        finally:
            self._scope = outer

    def _remember(self, name: str, value: Value, label: ast.Pattern, element: ast.Element, env: Env, inner: Scope | None = None) -> None:
        binding = self._bind(name, value, label.span)
        binding.element, binding.env, binding.inner = element, env, inner

    def _bind(self, name: str, value: Value, span: Span) -> Binding:
        binding = self._scope.bind(name, value, span)
        if binding.name not in self.labels:
            self.labels[binding.name] = value
        return binding

    def _call(self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None) -> Value:
        if call.name == "identity":
            value = self._need(x, call.span)
            if label is not None:
                self._bind(self._pattern(label, env), value, label.span)
            return value
        if call.name == "residual":
            return self._join(call, label, env, x)
        known, target = env.find(call.name)
        if not known:
            binding = self._scope.find([call.name])
            if binding is not None and binding.element is not None and not call.arguments:
                return self._again(binding, call, label, env, x)
            assert self._module is not None
            target = resolve(self.loader, self._module, call.name, call.name_span)
        if isinstance(target, KindValue):
            if call.body is not None:
                return self._join(call, label, env, x, target.cls)
            return self._layer(call, label, env, x, target.cls)
        if isinstance(target, BlockValue):
            if call.body is not None:
                raise Fault("unexpected-body", f"block `{call.name}` takes no braces", call.body.span)
            return self._block(call, label, env, x, target)
        if target is UNKNOWN:
            return self._unknown(call.span)
        raise Fault("not-a-layer", f"`{call.name}` is {show(target)}, not a layer or block", call.name_span)

    def _arguments(self, call: ast.Call, env: Env) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Value, ...]]:
        """Positional arguments, keywords, and the tensors among the positional ones."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        tensors: list[Value] = []
        for argument in call.arguments:
            value = evaluate(argument.value, env)
            if isinstance(value, KindValue) and value.cls.kind in WORDS:
                value = value if argument.name is None else value.cls.kind
            if argument.name is not None:
                if argument.name in keywords:
                    raise Fault("duplicate-argument", f"`{argument.name}` is given twice", argument.span)
                keywords[argument.name] = value
            elif isinstance(value, Value):
                tensors.append(value)
            elif keywords:
                raise Fault("misplaced-argument", "a positional argument after a named one", argument.span, help="name it too, or move it to the front")
            else:
                positional.append(value)
        return tuple(positional), keywords, tuple(tensors)

    def _layer(self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None, cls: type[Op]) -> Value:
        positional, keywords, tensors = self._arguments(call, env) if call.arguments else ((), {}, ())
        return self._make(call, label, env, cls, positional, keywords, (self._need(x, call.span), *tensors))

    def _make(self, call: ast.Call, label: ast.Pattern | None, env: Env, cls: type[Op], positional: tuple[Any, ...], keywords: dict[str, Any], xs: tuple[Value, ...]) -> Value:
        name = self._scope.member(None if label is None else self._pattern(label, env))
        unknown = UNKNOWN in positional or UNKNOWN in keywords.values() or any(v.type is None for v in xs)
        try:
            if any(v is UNKNOWN for v in (*positional, *keywords.values())):
                value = self._unknown(call.span)
            else:
                op = self._inference.op(cls, positional, keywords)
                if not cls.inputs[0] <= len(xs) <= cls.inputs[1]:
                    takes = f"{cls.inputs[0] - 1} to {cls.inputs[1] - 1}" if cls.inputs[0] != cls.inputs[1] else str(cls.inputs[0] - 1)
                    raise OpError("wrong-inputs", f"`{cls.kind}` takes {takes} references beside the current value, found {len(xs) - 1}")
                value = self._unknown(call.span) if unknown else self._node(call, op, xs, name)
        except OpError as error:
            raise as_fault(error, call, cls, tuple(v for v in xs if v.type is not None)) from None
        if label is not None:
            self._remember(name, value, label, call, env)
        return value

    def _node(self, call: ast.Call, op: Op, xs: tuple[Value, ...], name: str) -> Value:
        types = tuple(v.type for v in xs)
        type_ = self._inference.type(op, types)
        nodes = self.graph.nodes
        if len(nodes) >= self._max_layers:
            self._charge(1, call.span)
        site = Site(call.span, self._caller)
        path, module = self._scope.join(name)
        value = Value(path, type_, site)
        node = Node(path, module, op, xs, value, self._aux)
        value.producer = node
        nodes.append(node)
        if type_.symbolic or any(t.symbolic for t in types):
            self.graph.equalities += [(a, b, site) for a, b in new_equalities(op, types)]
        return value

    def _join(self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None, cls: type[Op] | None = None) -> Value:
        """`concat { | a | b }`; `residual { F }` is `add { | F | identity }`."""
        if cls is None or call.body is None:
            cls = KindValue(self.loader_kind("add")).cls
            if call.body is None:
                raise Fault("missing-body", "`residual` needs its layers in braces", call.span, help="write `residual { conv(64, 3, pad = 1) -> relu }`")
        elif cls.inputs[1] < 3:
            raise Fault("unexpected-body", f"`{call.name}` takes no braces", call.body.span, help="only joins do: concat, add, mul, sub, max, residual")
        arms = call.body.arms or ((call.body,) if call.name == "residual" else ())
        if not arms:
            raise Fault("missing-arms", f"`{call.name}` joins arms, each after a `|`", call.body.span, help=f"write `{call.name} {{ | conv(8, 1) | identity }}`")
        source = self._need(x, call.span)
        scope, name = self._scope, None
        if label is not None:
            name = self._pattern(label, env)
            scope = Scope(*self._scope.join(name), self._scope)
        outer, self._scope = self._scope, scope
        try:
            values = [self._need(self._body(arm, Env(env), source), arm.span) for arm in arms]
        finally:
            self._scope = outer
        if call.name == "residual" and len(values) == 1:
            values.append(source)
        positional, keywords, tensors = self._arguments(call, env)
        return self._make(call, label, env, cls, positional, keywords, (*values, *tensors))

    def loader_kind(self, name: str) -> type[Op]:
        """The registered layer kind of that name."""
        assert self._module is not None
        target = resolve(self.loader, self._module, name, self._module.source and self.graph.site.span)
        assert isinstance(target, KindValue)
        return target.cls

    def _block(self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None, target: BlockValue) -> Value:
        definition = target.definition
        if definition in self._calls:
            names = " calls ".join(f"`{d.name}`" for d in [*self._calls[self._calls.index(definition) :], definition])
            raise Fault("recursive-block", f"blocks cannot call themselves: {names}", call.span, help="use `repeat` for a pattern that repeats")
        source = self._need(x, call.span)
        frame = bind_parameters(call.name, definition.parameters, call.arguments, env, target.home.env, call.span, definition.name_span)
        frame.values["in"] = source
        name = self._scope.member(None if label is None else self._pattern(label, env))
        path, module = self._scope.join(name)
        inner = Scope(path, module)
        saved = self._scope, self._caller, self._module
        self._scope, self._caller, self._module = inner, Site(call.span, self._caller), target.home
        self._calls.append(definition)
        try:
            value = self._body(definition.body, frame, source)
        finally:
            self._calls.pop()
            self._scope, self._caller, self._module = saved
        self.graph.scopes[path] = GraphScope(path, definition.name, Site(call.span, self._caller))
        if label is not None:
            self._remember(name, self._need(value, call.span), label, call, env, inner)
        return self._need(value, call.span)

    def _again(self, binding: Binding, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None) -> Value:
        """A label used as a layer: the same module, with the same weights, on another value."""
        source = self._need(x, call.span)
        binding.uses += 1
        element, frame = binding.element, binding.env
        assert element is not None and frame is not None
        before = len(self.graph.nodes)
        outer = self._scope
        self._scope = Scope(f"{outer.path}.use{binding.uses}" if outer.path else f"use{binding.uses}", "@", outer.outer or outer)
        alone = ast.Pattern((binding.name.rpartition(".")[2],), call.span)
        try:
            value = self._element(element, alone, frame, source)
        finally:
            self._scope = outer
        self._share(binding, self.graph.nodes[before:], call)
        if label is not None:
            self._bind(self._pattern(label, env), value, label.span)
        return value

    def _share(self, binding: Binding, nodes: list[Node], call: ast.Call) -> None:
        first = {n.name: n for n in self.graph.nodes}
        base = f"@.{binding.name.rpartition('.')[2]}"
        for node in nodes:
            node.module = binding.name + node.module[len(base) :]
            original = first.get(node.module)
            if original is not None and original.params() != node.params():
                was, now = (str(n.inputs[0].type) for n in (original, node))
                raise Fault("shape-mismatch", f"`{call.name}` was made for an input of {was} and cannot take {now}: its weights would differ", call.span, notes=(Annotation("it is defined here", binding.span),))

    # ---- names

    def _reference(self, reference: ast.Reference, env: Env) -> Value:
        path = self._pattern(reference.path, env)
        binding = self._scope.find(path.split("."))
        if binding is not None:
            return binding.value
        known, value = env.find(path)
        if known and isinstance(value, Value):
            return value
        raise Fault("unknown-label", f"no label `{path}` stands above", reference.span, help=self._scope.suggest(path))

    def _pattern(self, pattern: ast.Pattern, env: Env) -> str:
        pieces = pattern.pieces
        if len(pieces) == 1 and isinstance(pieces[0], str):
            return pieces[0]
        text = ""
        for piece in pieces:
            value = piece if isinstance(piece, str) else evaluate(piece, env)
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                raise Fault("wrong-type", f"a label cannot hold {show(value)}", pattern.span)
            text += str(value)
        if len(text) > limit("name_length") or not text.replace(".", "_").isidentifier():
            raise Fault("bad-label", f"`{text[:40]}` is not a name", pattern.span)
        return text

    def special(self, expr: ast.Expr, env: Env) -> Any:
        """Names and forms that only the net knows: references, `in.channels`, blocks and layers as values."""
        match expr:
            case ast.Reference():
                return self._reference(expr, env)
            case ast.Attribute():
                return _attribute(expr, env.find("in")[1] if expr.value is None else evaluate(expr.value, env))
            case ast.Function() if expr.name == "shape" and len(expr.arguments) == 1:
                value = evaluate(expr.arguments[0].value, env)
                return _attribute(ast.Attribute(expr.span, None, "shape"), value)
            case ast.Name():
                return self._name(expr, env)
        raise Fault("unknown-function", f"there is no function `{expr.span.text.split('(')[0]}` here", expr.span)

    def _name(self, expr: ast.Name, env: Env) -> Any:
        module = self._module
        assert module is not None
        if expr.id in WORDS and expr.id not in module.definitions and expr.id not in ("max", "tanh"):
            return expr.id
        try:
            return resolve(self.loader, module, expr.id, expr.span)
        except Fault:
            binding = self._scope.find([expr.id])
            advice = f"write `@{expr.id}` for the value at that label" if binding else did_you_mean(expr.id, [*env.names(), *module.definitions])
            raise Fault("unknown-name", f"there is no `{expr.id}`", expr.span, help=advice) from None


class _Overrun(Fault):
    """A limit is reached: the net is given up."""


def bind_parameters(name: str, parameters: tuple[ast.Parameter, ...], arguments: tuple[ast.Argument, ...], env: Env, home: Env, span: Span, defined: Span) -> Env:
    """A frame with the parameters of a block or net; `env` is the caller's. Raises `Fault`."""
    frame = Env(home, env.special or home.special)
    positional = [a for a in arguments if a.name is None]
    declared = {p.name for p in parameters}
    here = (Annotation(f"`{name}` is defined here", defined),)
    if len(positional) > len(parameters):
        raise Fault("too-many-arguments", f"`{name}` takes {len(parameters)} arguments, found {len(positional)}", positional[len(parameters)].span, notes=here)
    for parameter, argument in zip(parameters, positional, strict=False):
        frame.values[parameter.name] = evaluate(argument.value, env)
    for argument in arguments:
        if argument.name is None:
            continue
        if argument.name not in declared:
            advice = did_you_mean(argument.name, declared) or f"it has {', '.join(sorted(declared)) or 'none'}"
            raise Fault("unknown-argument", f"`{name}` has no parameter `{argument.name}`", argument.span, notes=here, help=advice)
        if argument.name in frame.values:
            raise Fault("duplicate-argument", f"`{argument.name}` is given twice", argument.span)
        frame.values[argument.name] = evaluate(argument.value, env)
    for parameter in parameters:
        if parameter.name in frame.values:
            continue
        if parameter.default is None:
            raise Fault("missing-argument", f"`{name}` needs `{parameter.name}`", span, notes=here)
        frame.values[parameter.name] = evaluate(parameter.default, frame)
    return frame


_AXES = {"channels": 0, "height": -2, "width": -1, "length": -1}


def _attribute(expr: ast.Attribute, value: Any) -> Any:
    if value is UNKNOWN or (isinstance(value, Value) and value.type is None):
        return UNKNOWN
    if not isinstance(value, Value):
        raise Fault("wrong-type", f"`{expr.span.text}` needs a tensor", expr.span, help="`in` is the input of the enclosing block")
    shape = value.type.shape
    if expr.name == "shape":
        return shape
    if expr.name == "size":
        return value.type.size
    axis = _AXES.get(expr.name)
    if axis is None:
        raise Fault("unknown-attribute", f"a tensor has no `{expr.name}`", expr.span, help=did_you_mean(expr.name, [*_AXES, "shape", "size"]) or "it has shape, size, channels, height, width, length")
    if axis < 0 and len(shape) < 1 - axis:
        raise Fault("wrong-rank", f"a tensor of {value.type} has no {expr.name}", expr.span)
    return shape[axis]
