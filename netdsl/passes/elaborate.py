"""Syntax tree to graph: parameters bound, blocks called, repeats unrolled, labels resolved, every value typed on the way.

An element with an error is reported and gives a value of unknown type; what depends on it stays silent, the rest goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Fault, did_you_mean
from netdsl.ir.graph import AuxHead, Output, Site, Value
from netdsl.ir.graph import Scope as GraphScope
from netdsl.ir.types import ITEM_BYTES, Sym, TensorType, subs
from netdsl.limits import MAX_DIM, raise_help
from netdsl.ops.args import show
from netdsl.passes.calls import Calls, bare
from netdsl.passes.evaluate import UNKNOWN, Env, evaluate, truth
from netdsl.passes.infer import check_input
from netdsl.passes.meter import Overrun
from netdsl.passes.scope import Binding, Scope
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.diagnostics import Reporter
    from netdsl.ir.graph import Graph
    from netdsl.passes.modules import Loader, Module


class Expectation:
    """An `expect` of the text, to be held against the finished graph."""

    __slots__ = ("env", "prefix", "statement")

    def __init__(self, statement: ast.Expect, env: Env, prefix: str) -> None:
        self.statement = statement
        self.env = env
        self.prefix = prefix


class Elaborator(Calls):
    """Builds the graph of one net. `overrides` are sizes of inputs by name, the first's also by "", that stand in for those of the text."""

    def __init__(self, loader: Loader, reporter: Reporter, graph: Graph, overrides: dict[str, tuple[int, ...]]) -> None:
        super().__init__(loader, reporter, graph)
        self.overrides = overrides
        self.expects: list[Expectation] = []
        self._sizes: dict[str, int] = {}  # of open sizes, as given from outside

    def net(self, definition: ast.Definition, home: Module, env: Env) -> None:
        """Unroll a net's body and settle its outputs."""
        self._module = home
        self._calls.append(definition)
        value = self._body(definition.body, env, None)
        self._calls.pop()
        if not self.graph.outputs and value is not None:
            self._put_out("output", value, value.site.span)
        if not self.graph.inputs and not self.reporter.errors:
            raise Fault("no-input", f"net `{definition.name}` has no `input`", definition.name_span, help="begin its body with `input image: 3x224x224`")
        names = [v.name for v in self.graph.inputs]
        for name in sorted(self.overrides.keys() - names) if not self.reporter.errors else ():
            raise Fault("unknown-input", f"net `{definition.name}` has no input `{name}`", definition.name_span, help=did_you_mean(name, names) or "it has " + ", ".join(names))
        if not self.graph.nodes and not self.reporter.errors:
            raise Fault("no-layers", f"net `{definition.name}` has no layers", definition.name_span)

    def _body(self, body: ast.Body, env: Env, x: Value | None) -> Value | None:
        if body.arms:
            raise Fault("arms-without-join", "arms stand in a join: `concat { | ... | ... }`, `add`, `mul` or `residual`", body.span)
        self._depth += 1
        if self._depth > self._max_depth:
            raise Overrun("nesting-too-deep", f"bodies and block calls more than {self._max_depth} levels deep", body.span, help=raise_help("depth"))
        for statement in body.statements:
            self.meter.charge(1, statement.span)
            try:
                x = self._statement(statement, env, x)
            except Fault as fault:
                self._report(fault, statement.span)
                x = self._unknown(statement.span)
        self._depth -= 1
        return x

    def _statement(self, statement: ast.Statement, env: Env, x: Value | None) -> Value | None:
        match statement:
            case ast.Chain():
                return self._chain(statement, env, x)
            case ast.Let():
                try:
                    env.values[statement.name] = evaluate(statement.value, env)
                except Fault:
                    env.values[statement.name] = UNKNOWN
                    raise
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
        if any(o.name == name for o in self.graph.outputs):
            raise _two_ways(name, statement.span)
        dtype = statement.dtype or "float32"
        if dtype not in ITEM_BYTES:
            end = statement.span.end
            raise Fault("wrong-dtype", f"there is no element type `{dtype}`", Span(statement.span.file, end - len(dtype), end), help=did_you_mean(dtype, ITEM_BYTES) or "there are " + ", ".join(ITEM_BYTES))
        try:
            shape = self._input_shape(name, statement.shape, env)
        except Fault:
            self._poison(statement.label, env, statement.span)
            raise
        value = Value(name, TensorType(shape, dtype), Site(statement.span, self._caller))
        check_input(name, value.type, statement.span)
        self._bind(name, value, statement.label.span)
        self.graph.inputs.append(value)
        env.values.setdefault("in", value)
        return value

    def _input_shape(self, name: str, expr: ast.Expr, env: Env) -> tuple[int | Sym, ...]:
        if "" in self.overrides:
            self.overrides.setdefault(name, self.overrides.pop(""))
        declared = self._declared_shape(expr, env)
        _check_sizes(declared, expr.span)
        given = self.overrides.get(name)
        if given is not None:
            self._take_sizes(name, declared, given, expr.span, env)
        shape: tuple[int | Sym, ...] = given or tuple(subs(d, self._sizes) for d in declared)
        _check_sizes(shape, expr.span)
        return shape

    def _declared_shape(self, expr: ast.Expr, env: Env) -> tuple[int | Sym, ...]:
        """The sizes as the text has them: those given from outside are letters still."""
        names: tuple[int | str, ...] = ()
        if isinstance(expr, ast.DimsLiteral) or (isinstance(expr, ast.NameOrDims) and not env.find(expr.id)[0]):
            names = expr.parts
        elif isinstance(expr, ast.Name):
            names = (expr.id,)
        for name in names:
            if name == "N" and not env.find(name)[0]:
                raise Fault("reserved-name", "`N` is the batch, which comes before the sizes written here", expr.span, help="choose another letter")
            if isinstance(name, str) and not env.find(name)[0]:
                env.values[name] = Sym.var(name)
        frame = Env(env)
        frame.values = {s: Sym.var(s) for s, n in self._sizes.items() if env.find(s)[1] == n}
        value = evaluate(expr, frame)
        return value if isinstance(value, tuple) else (value,)

    def _take_sizes(self, name: str, declared: tuple[int | Sym, ...], given: tuple[int, ...], span: Span, env: Env) -> None:
        """Settle the open sizes of an input by those given: one name is one size."""
        text, sizes = TensorType(declared), TensorType(given)
        if len(given) != len(declared):
            raise Fault("shape-mismatch", f"input `{name}` has {len(declared)} sizes ({text}), {len(given)} are given ({sizes})", span)
        symbols = {s for d in declared if isinstance(d, Sym) for s in d.symbols()}
        for value in self.graph.inputs:
            if any(isinstance(d, Sym) and d.symbols() & symbols for d in value.type.shape):
                raise Fault("open-size", f"input `{name}` is given as {sizes}, and `{value.name}`, which has sizes in common with it, is open", span, help=f"give the sizes of `{value.name}` too: `--input {value.name}=...`")
        for d, n in zip(declared, given, strict=True):
            if isinstance(d, Sym) and str(d) in symbols:
                env.values[str(d)] = self._sizes.setdefault(str(d), n)
        for d, n in zip(declared, given, strict=True):
            want = subs(d, self._sizes)
            if isinstance(d, Sym) and want != n:
                told = ", ".join(f"{s} = {self._sizes[s]}" for s in sorted(d.symbols()))
                raise Fault("shape-mismatch", f"input `{name}` is {text}, and is given as {sizes}: with {told} there are to be {want}, not {n}", span, help="one name is one size")

    def _output(self, statement: ast.Output, env: Env, x: Value | None) -> Value:
        if len(self._calls) > 1:
            raise Fault("misplaced-output", "`output` stands in the body of a net; a block's value is its last", statement.span)
        name = self._pattern(statement.label, env) if statement.label else None
        self._check_output(name, statement.span)
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
        self._put_out(name, value, statement.span)
        return value

    def _put_out(self, name: str, value: Value, span: Span) -> None:
        self._check_output(name, span)
        self.graph.outputs.append(Output(name, value))

    def _check_output(self, name: str | None, span: Span) -> None:
        if any(o.name == name for o in self.graph.outputs):
            raise Fault("duplicate-label", f"there are two outputs `{name}`", span, help="name them: `output boxes: dense(4)`")
        if any(v.name == name for v in self.graph.inputs):
            raise _two_ways(str(name), span)

    def _aux_head(self, statement: ast.Aux, env: Env, x: Value | None) -> None:
        if len(self._calls) > 1 or self._aux is not None:
            raise Fault("misplaced-aux", "an auxiliary head stands in the body of a net", statement.span)
        weight = _aux_weight(statement, env)
        path, module = self._scope.join(self._scope.member(statement.name))
        self._aux = path
        try:
            value = self._inside(Scope(path, module, self._scope), statement.body, env, x)
        finally:
            self._aux = None
        if value is None:
            raise Fault("no-input", "the head has no input", statement.span)
        self._bind(statement.name, value, statement.span)
        self.graph.scopes[path] = GraphScope(path, "aux", value.site)
        self.graph.aux.append(AuxHead(path, weight, value))

    def _chain(self, chain: ast.Chain, env: Env, x: Value | None, fallback: ast.Pattern | None = None) -> Value:
        """Elements one after the other. A label before `@ref`, and an output's name, go to the chain's last layer."""
        elements = chain.elements
        first = elements[0]
        label = first.label if isinstance(first, ast.TakeUp) and len(elements) > 1 else None
        label = fallback or label
        last = max((i for i, e in enumerate(elements) if self._takes_label(e)), default=-1)
        if last >= 0 and elements[last].label not in (None, label):
            last = -1  # it has a name of its own: the chain's label names the value alone
        start = len(self.graph.nodes)
        for i, element in enumerate(elements):
            if isinstance(element, ast.Call) and element.name == "frozen":
                self._freeze(element, start, x)
                continue
            start = len(self.graph.nodes)
            own = label if i == last and label is not None else element.label if element.label is not label else None
            try:
                x = self._element(element, own, env, x)
            except Fault as fault:
                self._report(fault, element.span)
                x = self._poison(own, env, element.span)
        assert x is not None
        if label is not None and last < 0:
            self._name_value(label, env, x)
        return x

    def _takes_label(self, element: ast.Element) -> bool:
        return isinstance(element, (ast.Call, ast.Group)) and getattr(element, "name", "") not in ("identity", "frozen")

    def _name_value(self, label: ast.Pattern, env: Env, x: Value) -> None:
        """A label for the value of a chain; an output may repeat the name of the layer that it puts out."""
        name = self._pattern(label, env)
        bound = self._scope.labels.get(name)
        if bound is None or bound.value is not x:
            self._bind(name, x, label.span)

    def _poison(self, label: ast.Pattern | None, env: Env, span: Span) -> Value:
        """The unknown value of an element with an error; its label still stands for something."""
        value = self._unknown(span)
        if label is not None and all(isinstance(p, str) for p in label.pieces):
            name = "".join(map(str, label.pieces))
            self._scope.labels.setdefault(name, Binding(value, label.span, name, self._scope))
        return value

    def _freeze(self, element: ast.Call, start: int, x: Value | None) -> None:
        bare(element)
        if element.label is not None:
            raise Fault("misplaced-label", "`frozen` is no layer: it cannot have a label", element.label.span, help="label the layer before it")
        if x is not None and x.type is None:
            return  # the layer before has an error of its own
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
                taken = self._reference(element.reference, env)
                if label is not None:
                    self._bind(self._pattern(label, env), taken, label.span)
                return taken
        if label is not None:
            raise Fault("misplaced-label", "a label names a layer, a block or a group in braces", label.span, help=f"write `name: {{ {element.span.text.split(maxsplit=1)[0]} ... }}`")
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

    def _repeat(self, element: ast.Repeat, env: Env, x: Value | None) -> Value | None:
        count = evaluate(element.count, env)
        if count is UNKNOWN:
            return self._unknown(element.span)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Fault("wrong-type", f"`repeat` needs a number of times, found {show(count)}", element.count.span)
        self._charge_rounds(count, element, env)
        for i in range(count):
            self.meter.charge(1, element.span)
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
        twice = next((t for i, t in enumerate(element.targets) if t in element.targets[:i]), None)
        if twice is not None:
            raise Fault("duplicate-name", f"`for` has two variables `{twice}`", element.span, help="choose another name")
        self._charge_rounds(len(values), element, env)
        for value in values:
            self.meter.charge(1, element.span)
            frame = Env(env)
            parts = (value,) if len(element.targets) == 1 else value
            if not isinstance(parts, tuple) or len(parts) != len(element.targets):
                raise Fault("wrong-type", f"cannot spread {show(value)} over {len(element.targets)} names", element.values.span)
            frame.values.update(zip(element.targets, parts, strict=True))
            x = self._body(element.body, frame, x)
        return x

    def _charge_rounds(self, count: int, element: ast.Repeat | ast.For, env: Env) -> None:
        assert self._module is not None
        least = self._estimate.body(element.body, self._module, self._hidden(env))
        self._charge_all(least._replace(steps=least.steps + 1), count, element.span)

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


def _two_ways(name: str, span: Span) -> Fault:
    return Fault("duplicate-label", f"`{name}` is an input and an output", span, help="give the output a name of its own: `output logits: ...`")


def _check_sizes(shape: tuple[int | Sym, ...], span: Span) -> None:
    """Whether an input can have these sizes; raises `Fault`."""
    for d in shape:
        if isinstance(d, bool) or not isinstance(d, (int, Sym)) or (isinstance(d, int) and not 1 <= d <= MAX_DIM):
            raise Fault("bad-size", f"a size of input `{span.text}` is {show(d)}; sizes are integers from 1 to {MAX_DIM:,}", span)


def _aux_weight(statement: ast.Aux, env: Env) -> float:
    """What the loss of an auxiliary head is multiplied by."""
    weight: float | None = None
    for argument in statement.arguments:
        if argument.name != "weight":
            raise Fault("unknown-argument", "`aux` takes `weight` alone", argument.span, help="write `aux name(weight = 0.3) { ... }`")
        if weight is not None:
            raise Fault("duplicate-argument", "`weight` is given twice", argument.span, help="leave one out")
        value = evaluate(argument.value, env)
        if value is UNKNOWN:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Fault("wrong-type", f"`weight` must be a number, found {show(value)}", argument.span)
        weight = float(value)
    return 1.0 if weight is None else weight
