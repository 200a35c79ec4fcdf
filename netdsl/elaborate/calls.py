"""Calls: of layers, of joins, of blocks, and of labels whose layers are used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.diagnostics import Annotation, Edit, Proposal, did_you_mean
from netdsl.elaborate.arguments import Signature, bind_parameters, layer_arguments
from netdsl.elaborate.called_nets import RESULTS, check_callable
from netdsl.elaborate.evaluate import CURRENT, INPUT, UNKNOWN, Env
from netdsl.elaborate.invocation import (
    Invocation,
    refuse_arguments_and_body,
    refuse_body,
    refuse_condition,
)
from netdsl.elaborate.joins import join, only_tensor, residual
from netdsl.elaborate.layers import add_layer, check_values
from netdsl.elaborate.loader import is_known, layer_names, resolve
from netdsl.elaborate.module import (
    IDENTITY,
    BlockValue,
    BoundCall,
    Identity,
    KindValue,
    layer_of,
)
from netdsl.elaborate.notes import Use
from netdsl.elaborate.scope import Namespace
from netdsl.elaborate.used_again import as_reference, reusable, used_again, with_tensors
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import Site, Value
from netdsl.ops import LAYERS
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from netdsl.elaborate.builder import NetBuilder
    from netdsl.elaborate.invocation import Bodies
    from netdsl.elaborate.scope import Binding
    from netdsl.ir.graph import Node
    from netdsl.ir.op import Op


class Calls:
    """Adds the layers that calls make to the graph."""

    def __init__(self, net: NetBuilder, bodies: Bodies) -> None:
        self.net = net
        self.bodies = bodies

    def call(self, call: ast.Call, label: ast.Pattern | None, env: Env, x: Value | None) -> Value:
        """The value of a call with the input `x`; raises `NetdslError`."""
        invocation = Invocation(call, label, env, x)
        if isinstance(call, BoundCall):
            return self._layer_or_block(invocation, call.target)
        if call.name == "residual":
            return residual(self.net, self.bodies, invocation)
        refuse_condition(call)
        known, found = env.find(call.name, call.name_span)
        target = layer_of(found)
        if not known:
            binding = self._binding(call.name)
            if binding is not None:
                return self._again(binding, invocation)
            try:
                target = self._resolve(call)
            except NetdslError as fault:
                if not self.net.may_be_imported(fault, call.name):
                    raise
                target = UNKNOWN
        if target is IDENTITY:
            return self._identity(invocation)
        if isinstance(target, (KindValue, BlockValue)):
            return self._layer_or_block(invocation, target)
        if target is UNKNOWN:
            return self.net.unknown(call.span)
        advice = None
        if isinstance(target, str):
            advice = did_you_mean(target, layer_names(self.net.module, ()))
            if target in layer_names(self.net.module, ()):
                text = f"give it without quotes: `{call.name} = {target}`"
                advice = Proposal(text, "text", [target])
        message = f"`{call.name}` is {show(target)}, not a layer or block"
        error = NetdslError("not-a-layer", message, call.name_span, help=advice)
        if call.name in LAYERS:
            error.diagnostic.help = (
                f"a name of this text, `{call.name}`, hides the layer `{call.name}`: rename it"
            )
        if isinstance(target, Value):
            error.diagnostic.help = f"write `@{call.name}` for the tensor"
            error.diagnostic.fix = as_reference(call, call.name)
        if isinstance(target, str) and advice is not None and self.net.caller is not None:
            error.diagnostic.fix = _unquoted(self.net.caller.span, target)
        if error.help is None:
            from netdsl.elaborate.no_layer import advise_applied  # only errors need it

            advise_applied(error.diagnostic, call.name, self.net.calls)
        raise error

    def _layer_or_block(self, invocation: Invocation, target: KindValue | BlockValue) -> Value:
        """The value of a layer or block, which may have arguments already."""
        if target.arguments:
            invocation = invocation.bound_to(target)
        try:
            if isinstance(target, KindValue):
                return self._layer(invocation, target.cls)
            return self._block(invocation, target)
        except NetdslError as fault:
            if target.arguments:
                _explain_arguments(fault, target)
            raise

    def _binding(self, name: str) -> Binding | None:
        """What a label refers to, unless a layer or a block has the same name."""
        return None if is_known(self.net.module, name) else self.net.scope.find([name])

    def _resolve(self, call: ast.Call) -> BlockValue | KindValue | Identity:
        """The block or layer kind of a call; raises `NetdslError`."""
        net = self.net
        labels = () if call.arguments else net.scope.layers()
        try:
            return resolve(net.loader, net.module, call.name, call.name_span, labels)
        except NetdslError as fault:
            if fault.code == "unknown-layer" and _is_from_elsewhere(call, fault):
                fault.diagnostic.fix = ()
            if fault.code == "unknown-layer" and call.name in net.labels and len(net.open) > 1:
                advice = (
                    f"`{call.name}` is a label of the net, which a block cannot use: write it"
                    " before the call of the block, or make it a block"
                )
                fault.diagnostic.help = Proposal(advice, "known")
                fault.diagnostic.fix = ()
            elif fault.code == "unknown-layer" and not call.arguments:
                path = net.scope.path_to(call.name)
                if path is not None:
                    advice = f"write `@{path}` for the value at that label"
                    fault.diagnostic.help = Proposal(advice, "reference", [f"@{path}"])
                    fault.diagnostic.fix = as_reference(call, path)
            raise

    def _identity(self, invocation: Invocation) -> Value:
        refuse_arguments_and_body(invocation.call)
        call, label, env, x = invocation
        value = self.net.need(x, call.span)
        if label is not None and call.name != "identity":  # a parameter, which may be a layer too
            self.net.remember(self.net.pattern(label, env), value, label, call, env)
        else:
            self.net.bind_label(label, env, value)
        return value

    def _layer(self, invocation: Invocation, cls: type[Op]) -> Value:
        call, _, env, x = invocation
        if call.body is not None:
            return join(self.net, self.bodies, invocation, cls)
        arguments = layer_arguments(call, env, cls, self.net.meter)
        check_values(invocation, cls, arguments)
        xs = arguments.tensors
        if not arguments.is_list:
            xs = (self.net.need(x, call.span), *xs)
        elif len(xs) == 1:
            return only_tensor(self.net, invocation, xs[0])
        return add_layer(self.net, invocation, cls, arguments, xs)

    # ---- blocks

    def _block(self, invocation: Invocation, block: BlockValue) -> Value:
        net = self.net
        call, label, env, x = invocation
        refuse_body(call)
        if call.arguments and self._may_be_tensor(call.arguments[0].value, env):
            from netdsl.elaborate import tensor_arguments  # few texts need it

            tensor_arguments.refuse_tensor(call, block.definition, env)
        self._refuse_recursion(block.definition, call)
        if block.definition.is_net:
            check_callable(block.definition, call)
        source = net.need(x, call.span)
        net.charge_all(net.estimate.block(block.definition, block.home), 1, call.span)
        frame = self._frame(invocation, block, source)
        name = net.member_name(label, env)
        path, module = net.scope.join(name)
        inner = Namespace(path, module)
        results: list[Value] = []
        frame.values[RESULTS] = results
        value = self._block_body(block, call, inner, frame, source)
        value = results[0] if results else value
        net.graph.name_scope(path, block.definition.name, Site(call.span, net.caller))
        value = net.need(value, call.span)
        if label is not None:
            net.remember(name, value, label, call, env, inner)
        return value

    def _may_be_tensor(self, value: ast.Expr, env: Env) -> bool:
        """Whether an argument is a reference, `@`, or the name of a label without its `@`."""
        if isinstance(value, ast.Name) and not env.find(value.id)[0]:
            return self._binding(value.id) is not None
        return isinstance(value, ast.Reference | ast.Current)

    def _refuse_recursion(self, definition: ast.Definition, call: ast.Call) -> None:
        unfinished = self.net.open
        if definition not in unfinished:
            return
        circle = [*unfinished[unfinished.index(definition) :], definition]
        names = " calls ".join(f"`{d.name}`" for d in circle)
        raise NetdslError(
            "recursive-block",
            f"blocks cannot call themselves: {names}",
            call.span,
            help="write the levels as a loop: `for width in [64, 128] { ... }`, or"
            " `repeat 3 { ... }`",
        )

    def _frame(self, invocation: Invocation, block: BlockValue, source: Value) -> Env:
        """The names that a block sees: those of its own file, its parameters, and `in`."""
        call, definition = invocation.call, block.definition
        frame = Env(block.home.env, self.net.surroundings, self.net.meter)
        frame.values[INPUT] = frame.values[CURRENT] = source
        signature = Signature(call.name, definition)
        bind_parameters(frame, signature, call.arguments, invocation.env, call.span)
        return frame

    def _block_body(
        self, block: BlockValue, call: ast.Call, scope: Namespace, frame: Env, x: Value
    ) -> Value | None:
        """The value after the body of a block, in which the names of its own file are in effect."""
        net = self.net
        outside = net.scope, net.caller, net.module
        net.scope, net.caller, net.module = scope, Site(call.span, net.caller), block.home
        net.open.append(block.definition)
        net.calls.append(Use(call.name, block.definition, call.arguments, call.span))
        try:
            return self.bodies.body(block.definition.body, frame, x)
        finally:
            net.open.pop()
            net.calls.pop()
            net.scope, net.caller, net.module = outside

    # ---- labels used as layers

    def _again(self, binding: Binding, invocation: Invocation) -> Value:
        """The module of a label applied once more, with the same weights, to another value."""
        net = self.net
        call, label, env, x = invocation
        if binding.element is None and binding.value.type is None:  # its layer has an error
            value = net.unknown(call.span)
            net.bind_label(label, env, value)
            return value
        element = reusable(binding, call)
        if call.arguments:
            element = with_tensors(element, call, env)
        assert binding.env is not None
        source = net.need(x, call.span)
        first = len(net.graph.nodes)
        outer, caller = net.scope, net.caller
        net.caller = Site(call.span, caller)
        net.scope = self._scope_of_use(binding)
        pattern = ast.Pattern((binding.label,), False, call.span)
        try:
            value = self.bodies.element(element, pattern, binding.env, source)
        except Overrun:
            raise
        except NetdslError as fault:
            raise used_again(fault, call) from None
        finally:
            net.scope, net.caller = outer, caller
        for node in net.graph.nodes[first:]:
            self._check_shared(binding, node, call)
        net.bind_label(label, env, value)
        return value

    def _scope_of_use(self, binding: Binding) -> Namespace:
        """The scope for the members of a module that is used once more."""
        outer = self.net.scope
        path, _ = outer.join(binding.label)
        self.net.uses[path] += 1
        use = f"@{self.net.uses[path] + 1}"
        scope = Namespace(outer.path, binding.scope.module, binding.scope, use)
        scope.count = binding.first
        return scope

    def _check_shared(self, binding: Binding, node: Node, call: ast.Call) -> None:
        """Raise `NetdslError` if a node needs other weights than the first use of its module."""
        original = self.net.owners[node.module]
        if original.params() == node.params():
            return
        first, now = (", ".join(map(str, n.types)) for n in (original, node))
        inputs = "inputs"
        if len(node.types) == 1:
            inputs = "an input"
        from netdsl.elaborate import shared_advice  # only texts with errors need it

        error = NetdslError(
            "shape-mismatch",
            f"the weights of `{call.name}` are for {inputs} of {first} and do not fit {inputs} of"
            f" {now}",
            call.span,
            help=(
                f"write `@{call.name}` for its value; for other weights, write the layer"
                " again under another label"
            ),
            notes=(Annotation("it is defined here", binding.span),),
        )
        help_ = shared_advice.of_inputs(call.name, original, node)
        error.diagnostic.help = help_ or error.help
        if call.span.file.text[: call.span.start].rstrip().endswith("output"):
            error.diagnostic.help = (
                f"write `output @{call.name}` for its value; without `@`, the layer is applied"
                " again"
            )
            error.diagnostic.fix = as_reference(call, call.name)
        raise error


def _unquoted(call: Span, word: str) -> tuple[Edit, ...]:
    """The fix for the name of a layer that a call gives in quotes."""
    start = call.start + call.text.find(f'"{word}"')
    if word not in LAYERS or call.text.count(f'"{word}"') != 1:
        return ()
    return (Edit(Span(call.file, start, start + len(word) + 2), word),)


def _explain_arguments(fault: NetdslError, target: KindValue | BlockValue) -> None:
    """Add where a layer or block got its first arguments to the errors of its call.

    They have no fix, because the arguments are in two places.
    """
    place = Annotation(f"`{target}` gets these arguments here", target.arguments[0].span)
    for diagnostic in fault.diagnostics:
        diagnostic.fix = ()
        diagnostic.notes = (*diagnostic.notes, place)
        if diagnostic.code == "duplicate-argument":
            diagnostic.help = (
                f"this call adds its arguments to those of `{target}`: leave out the one that both"
                " give"
            )


def _is_from_elsewhere(call: ast.Call, fault: NetdslError) -> bool:
    """Whether a name looks like another tool's, whose arguments mean something else.

    `GroupNorm(32, 64)` is not `groupnorm(32, 64)`.
    """
    name = call.name
    meant = [edit.text for edit in fault.diagnostic.fix if edit.text in LAYERS]
    if not call.arguments or not meant:
        return False
    return name != name.lower() or name.replace("_", "") == meant[0].replace("_", "")
