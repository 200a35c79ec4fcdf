"""The state of unrolling a net: its graph, the scope, the file, the limits and the names."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netdsl.diagnostics import Abandoned, Edit, Proposal, nearest_path
from netdsl.elaborate.attributes import advise_shape
from netdsl.elaborate.corrections import moved_line
from netdsl.elaborate.estimate import Estimate, Least, given
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.infer import Inference
from netdsl.elaborate.meter import Meter
from netdsl.elaborate.notes import call_notes, joined, results_help
from netdsl.elaborate.scope import Binding, Namespace
from netdsl.elaborate.weights import WeightNames
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import Site, Value
from netdsl.limits import limit, raise_help
from netdsl.ops.args import show
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diagnostics import Diagnostic, Reporter
    from netdsl.elaborate.evaluate import Surroundings
    from netdsl.elaborate.loader import Loader
    from netdsl.elaborate.module import Module
    from netdsl.elaborate.notes import Round, Use
    from netdsl.ir.graph import Graph, Node
    from netdsl.source import Span

_WORDS = re.compile(r"[^\W\d]\w*(\.\w+)*")  # a label, or a path
_IN_QUOTES = re.compile(r"[\w/-]+(\.[\w/-]+)*")
MAX_FAULTS = 1_000
VALUE_CODES = ("wrong-type", "bad-arithmetic")  # of errors that depend on values
MAX_ROUNDS = 4  # loops inside each other that an error names


class NetBuilder:
    """The state of unrolling one net, and everything that depends only on this state.

    `module` is the file whose names are in effect: that of the net, or of the innermost block call.
    `surroundings` evaluates the expressions that depend on the net.
    """

    surroundings: Surroundings

    def __init__(self, loader: Loader, reporter: Reporter, graph: Graph, module: Module) -> None:
        self.loader = loader
        self.reporter = reporter
        self.graph = graph
        self.labels: dict[str, Value] = {}
        self.owners: dict[str, Node] = {}  # the first node of each module, which owns its weights
        self.weights = WeightNames(self.owners)
        self.uses: Counter[str] = Counter()  # how often each label is used again, by its path
        self.inference = Inference()
        self.open: list[ast.Definition] = []  # the net, and the blocks that are being unrolled
        self.calls: list[Use] = []  # how each of them is called
        self.caller: Site | None = None
        self.scope = Namespace()
        self.module = module
        self.aux: str | None = None  # the auxiliary head that is being unrolled
        self.meter = Meter()
        self.estimate = Estimate()
        self._faults = 0
        self._rounds: list[Round] = []  # of the loops that are being unrolled
        self.max_layers = limit("layers")
        self.is_resized = False  # whether the user, or an `expect`, gives sizes of the inputs

    def charge(self, layers: int, span: Span) -> None:
        """Raise `Overrun` if the net would have too many layers."""
        if len(self.graph.nodes) + layers > self.max_layers:
            raise Overrun(
                "too-many-layers",
                f"the net would have more than {self.max_layers:,} layers",
                span,
                help=raise_help("layers"),
            )

    def charge_all(self, least: Least, times: int, span: Span) -> None:
        """Raise `Overrun` if `times` times `least` exceeds a limit."""
        self.charge(times * least.layers, span)
        self.meter.check(times * least.steps, span)

    def hidden(self, env: Env) -> frozenset[str]:
        """The names that have values here or further down, and are therefore not blocks."""
        inside = given(self.open[-1].body) if self.open else frozenset()
        return inside.union(env.names())

    def report(self, fault: NetdslError, part: ast.Statement | ast.Element) -> None:
        """Report an error, at the place of this part of the text if it has no place of its own.

        Raises `Overrun` if the error is one, and `Abandoned` after too many errors.
        """
        if isinstance(fault, Overrun):
            raise fault
        self._faults += 1
        if self._faults > MAX_FAULTS:
            raise Abandoned  # a loop may have the same error in each round
        from netdsl.elaborate import call_places  # only texts with errors need these
        from netdsl.elaborate.slips import advise

        for diagnostic in fault.diagnostics:
            diagnostic.span = diagnostic.span or part.span
            advise(diagnostic, part, self.scope.first_paths())
            calls = call_notes(Site(diagnostic.span, self.caller))
            diagnostic.notes += joined(self._rounds[: -MAX_ROUNDS - 1 : -1], calls, diagnostic.span)
            diagnostic.notes += self.calls[0].note()
            call_places.at_call(diagnostic, self.calls)
            if diagnostic.code in VALUE_CODES and self._has_other_values(diagnostic):
                diagnostic.fix = ()
            self.reporter.add(diagnostic)

    def _has_other_values(self, diagnostic: Diagnostic) -> bool:
        """Whether the names in the text of a fix may have other values where it is used again."""
        is_used_again = len(self.open) > 1 or any(r.variables for r in self._rounds)
        if not is_used_again and not self.open[-1].parameters:
            return False
        texts = [re.sub(r"^\w+ *=(?!=)", "", edit.span.text) for edit in diagnostic.fix]
        if diagnostic.code == "bad-arithmetic" and diagnostic.span is not None:
            texts.append(diagnostic.span.text)
        return any(re.search(r"[^\W\d]\w*", re.sub('"[^"]*"', "", text)) for text in texts)

    @property
    def is_only_use(self) -> bool:
        """Whether the text that is being unrolled has only one meaning.

        A block, a loop, and a net with parameters or with sizes that the user gives can have
        several.
        """
        if len(self.open) > 1 or self.open[0].parameters or self.is_resized:
            return False
        return all(r.total == 1 for r in self._rounds)

    @contextmanager
    def in_round(self, round_: Round) -> Iterator[None]:
        """Unroll a round of a loop: errors inside name it."""
        self._rounds.append(round_)
        try:
            yield
        finally:
            self._rounds.pop()

    @property
    def innermost(self) -> ast.Repeat | ast.For | None:
        """The innermost loop that is being unrolled."""
        return self._rounds[-1].loop if self._rounds else None

    @property
    def loops(self) -> list[Round]:
        """The rounds of the loops of several rounds that are being unrolled."""
        return [r for r in self._rounds if r.total > 1]

    def may_be_imported(self, fault: NetdslError, name: str) -> bool:
        """Whether an unknown name may be that of a block in a file whose import fails."""
        if fault.code != "unknown-layer" or not self.module.lacks_imports:
            return False
        from netdsl.habits.layers import find  # only texts with errors need it

        return not fault.diagnostic.fix and find(name) is None

    def unknown(self, span: Span) -> Value:
        """The value of an element with an error."""
        return Value("?", None, Site(span, self.caller))

    def need(self, x: Value | None, span: Span) -> Value:
        """The value itself; raises `NetdslError` if there is none."""
        if x is None:
            raise NetdslError(
                "no-input",
                "this has no input: nothing comes before it",
                span,
                help="write an `input` above the first layer",
                fix=self._input_moved_up(),
            )
        return x

    def _input_moved_up(self) -> tuple[Edit, ...]:
        """The fix for the only input of a net, if it is below the first layer."""
        inputs = self._inputs()
        layers = [s for s in self.open[-1].body.statements if not isinstance(s, ast.Let)]
        if len(inputs) != 1 or layers[0] is inputs[0]:
            return ()
        return moved_line(inputs[0].span, layers[0].span)

    def _inputs(self) -> list[ast.Input]:
        """The inputs in the body of the net, or of the block that is being unrolled."""
        return [s for s in self.open[-1].body.statements if isinstance(s, ast.Input)]

    def poison(self, label: ast.Pattern | None, span: Span) -> Value:
        """The value of an element with an error, to which its label is bound."""
        value = self.unknown(span)
        if label is not None and all(isinstance(p, str) for p in label.pieces):
            name = "".join(map(str, label.pieces))
            self.scope.labels.setdefault(name, Binding(value, label.span, name, self.scope))
        return value

    def remember(
        self,
        name: str,
        value: Value,
        label: ast.Pattern,
        element: ast.Element,
        env: Env,
        inner: Namespace | None = None,
        first: int = 0,
    ) -> None:
        """Bind the label of a layer, block, group or formula, so that it can be used again."""
        binding = self.bind(name, value, label.span)
        binding.element, binding.env, binding.inner = element, env, inner
        binding.first = first
        self.scope.reusable.append(binding)

    def member_name(self, label: ast.Pattern | None, env: Env) -> str:
        """The name of the next member of the scope: its label, or else its position."""
        return self.scope.member(self.label_name(label, env))

    def label_name(self, label: ast.Pattern | None, env: Env) -> str | None:
        """The name that a label gives, if there is one; raises `NetdslError`."""
        return None if label is None else self.pattern(label, env)

    def rename(self, node: Node, name: str) -> None:
        """Give the last layer, which has no label, the name of a label."""
        if self.owners.get(node.module) is node:
            del self.owners[node.module]
        node.name, node.module = self.scope.join(name)
        node.output.name = node.name
        self.owners.setdefault(node.module, node)

    def bind_label(self, label: ast.Pattern | None, env: Env, value: Value) -> None:
        """Bind the label of a value, if there is one; raises `NetdslError`."""
        if label is not None:
            self.bind(self.pattern(label, env), value, label.span)

    def bind(self, name: str, value: Value, span: Span) -> Binding:
        """Bind a label; raises `NetdslError` if the scope already has it."""
        try:
            binding = self.scope.bind(name, value, span)
        except NetdslError as fault:
            if fault.code == "duplicate-label" and value.producer is not None:
                self._rename(fault.diagnostic, name, span)
            raise
        self.labels.setdefault(self.scope.join(name)[0], value)
        return binding

    def _rename(self, diagnostic: Diagnostic, name: str, label: Span) -> None:
        """Add a fix to the error of a label that occurs twice, if nothing refers to it."""
        from netdsl.elaborate.renaming import (
            numbered,
            numbered_in,
            renamed,
            shared,
        )  # only such errors need it

        whole, first = self.open[-1].span, self.scope.labels[name]
        if first.span == label:
            diagnostic.fix = numbered(label, whole, self.loops)
            if self.loops:
                diagnostic.help = f"number it: {numbered_in(self.loops, label.text)}"
        elif (other := renamed(label, whole)) is not None and label.text == name:
            diagnostic.help = f"choose another label, such as `{other}`"
            diagnostic.fix = (Edit(label, other),)
        if first.span != label:
            diagnostic.help = f"{diagnostic.help}{shared(first, label)}"

    def reference(self, reference: ast.Reference, env: Env) -> Value:
        """The value of `@name`; raises `NetdslError`."""
        path = self.pattern(reference.path, env)
        value = self._referred(path, env, reference.span)
        label, _, name = path.rpartition(".")
        layer = self._referred(label, env, reference.span) if value is None and label else None
        if layer is not None:
            value = self.unknown(reference.span) if layer.type is None else layer.result(name)
        if value is not None:
            return value
        weight_fault = self.weights.fault(path, self.scope, reference.span)
        if weight_fault is not None:
            raise weight_fault
        message = f"there is no label `{path}` above"
        error = NetdslError("unknown-label", message, reference.span)
        if not self.open:  # in `net A = B(@x)`
            error.diagnostic.help = "a net gets numbers, lists, layers and blocks; labels are in it"
            raise error
        error.diagnostic.help = results_help(label, layer)
        if error.help is None:
            error.diagnostic.help = self._further_down(path, reference.span)
        if error.help is None:
            from netdsl.elaborate import elsewhere  # only texts with errors need it

            calls = elsewhere.unlabelled_calls(path, self.labels, self.caller)
            elsewhere.advise_other(error, path, env, self.open[-1].body, calls)
        if error.help is None:
            outer = self.caller if path in self.labels else None
            is_computed = "{" in reference.span.text
            help_ = elsewhere.advice(
                path, self.scope, self.open, outer, self.module, is_computed=is_computed
            )
            error.diagnostic.help = help_
            label, _, name = path.rpartition(".")
            if label == "in" or (label and self.scope.find(label.split(".")) is not None):
                advise_shape(error.diagnostic, reference.span, label, name)
            meant = nearest_path(path, self.scope.first_paths())
            group = None if meant is None else self.scope.find(meant.split("."))
            if group is not None and group.inner is not None and path.startswith(f"{meant}."):
                meant = None  # another member of that group may be meant
            if meant is not None and path == reference.span.text[1:]:
                error.diagnostic.fix = (Edit(reference.span, f"@{meant}"),)
            elsewhere.by_variable(error.diagnostic, reference.span, self.scope, self._rounds)
            elsewhere.count_down(error.diagnostic, path, self.scope, self._rounds)
        elif any(s.label.span.text == path for s in self._inputs()):
            error.diagnostic.fix = self._input_moved_up()
        raise error

    def _referred(self, path: str, env: Env, span: Span) -> Value | None:
        """The value of a label, of a name or of a position."""
        binding = self.scope.find(path.split("."))
        if binding is not None:
            return binding.value
        _, value = env.find(path)
        if isinstance(value, Value):
            return value
        if value is UNKNOWN:
            return self.unknown(span)
        return self._by_position(path, span)

    def _further_down(self, path: str, span: Span) -> str | None:
        """Advice for a label that occurs in the text below the reference, and not above it."""
        first = path.partition(".")[0]
        if self.scope.path_to(first) is not None:
            return None
        end = self.open[-1].span.end if self.open else None
        below = span.file.text[span.end : end]
        if not re.search(rf"(?<![\w.]){re.escape(first)}[ \t]*:", below):
            return None
        text = f"`{first}` is defined further down; a reference can only name a label above it"
        return Proposal(text, "known")

    def _by_position(self, path: str, span: Span) -> Value | None:
        """The value of a member that is named by its position, such as `layer1.0`."""
        scope: Namespace | None = self.scope
        while scope is not None and "." in path:
            # The search takes time, so it is charged like the statements of a loop.
            self.meter.charge(len(self.graph.nodes) // 10, span)
            nodes = self.graph.part(scope.join(path)[0])
            if nodes:
                return nodes[-1].output
            scope = scope.outer
        return None

    def pattern(self, pattern: ast.Pattern, env: Env) -> str:
        """The name that a label gives; raises `NetdslError`."""
        pieces = pattern.pieces
        if len(pieces) == 1 and isinstance(pieces[0], str):
            return pieces[0]
        text = ""
        for piece in pieces:
            value = piece if isinstance(piece, str) else evaluate(piece, env)
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                raise NetdslError(
                    "wrong-type", f"a label cannot contain {show(value)}", pattern.span
                )
            text += str(value)
        if len(text) > limit("name_length"):
            message = f"the name has {len(text):,} characters"
            raise NetdslError(
                "name-too-long", message, pattern.span, help=raise_help("name_length")
            )
        allowed = _IN_QUOTES if pattern.in_quotes else _WORDS
        if not allowed.fullmatch(text):
            raise NetdslError(
                "bad-label",
                f"`{text[:40]}` is not a valid name",
                pattern.span,
                help="names consist of letters, digits and `_`, and do not begin with a digit",
            )
        return text
