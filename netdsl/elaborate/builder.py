"""The state of unrolling a net: its graph, the scope, the file, the limits and the names."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from netdsl.diagnostics import Abandoned, Annotation, did_you_mean, did_you_mean_path
from netdsl.elaborate.estimate import Estimate, Least, given
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.functions import function_names
from netdsl.elaborate.infer import Inference, call_notes
from netdsl.elaborate.loader import WORDS, is_known, resolve
from netdsl.elaborate.meter import Meter
from netdsl.elaborate.scope import Binding, Namespace
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import Site, Value
from netdsl.limits import limit, raise_help
from netdsl.ops.args import show
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.diagnostics import Reporter
    from netdsl.elaborate.loader import Loader
    from netdsl.elaborate.module import Module
    from netdsl.ir.graph import Graph, Node
    from netdsl.ir.types import Sym, TensorType

MAX_FAULTS = 1_000
MAX_ROUNDS = 4  # loops inside each other that an error names
_AXES = {"channels": 0, "height": -2, "width": -1, "length": -1}


class Round(NamedTuple):
    """A round of a loop that is being unrolled; the first has the number 1."""

    number: int
    total: int
    variables: dict[str, object]  # with their values in this round
    loop: ast.Repeat | ast.For

    def note(self, span: Span | None) -> Annotation | None:
        """A note that an error at `span` is in this round.

        It is None in the first round, unless the error is in a text that uses the loop's variables.
        """
        words = set() if span is None else set(re.findall(r"\w+", span.text))
        if self.total == 1 or (self.number == 1 and words.isdisjoint(self.variables)):
            return None
        whole = self.loop.span
        head = whole.file.text[whole.start : self.loop.body.span.start].rstrip()
        place = Span(whole.file, whole.start, whole.start + len(head))
        values = "".join(f", with {name} = {show(v)}" for name, v in self.variables.items())
        return Annotation(f"this is in round {self.number} of {self.total}{values}", place)


class NetBuilder:
    """The state of unrolling one net, and everything that depends only on this state.

    `module` is the file whose names are in effect: that of the net, or of the innermost block call.
    """

    def __init__(self, loader: Loader, reporter: Reporter, graph: Graph, module: Module) -> None:
        self.loader = loader
        self.reporter = reporter
        self.graph = graph
        self.labels: dict[str, Value] = {}
        self.owners: dict[str, Node] = {}  # the first node of each module, which owns its weights
        self.uses: Counter[str] = Counter()  # how often each label is used again, by its path
        self.inference = Inference()
        self.open: list[ast.Definition] = []  # the net, and the blocks that are being unrolled
        self.caller: Site | None = None
        self.scope = Namespace()
        self.module = module
        self.aux: str | None = None  # the auxiliary head that is being unrolled
        self.meter = Meter()
        self.estimate = Estimate()
        self._faults = 0
        self._rounds: list[Round] = []  # of the loops that are being unrolled
        self.max_layers = limit("layers")

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
        from netdsl.elaborate.slips import advise  # only texts with errors need it

        for diagnostic in fault.diagnostics:
            diagnostic.span = diagnostic.span or part.span
            advise(diagnostic, part, self.scope.first_paths())
            rounds = [r.note(diagnostic.span) for r in reversed(self._rounds[-MAX_ROUNDS:])]
            diagnostic.notes += tuple(note for note in rounds if note is not None)
            diagnostic.notes += call_notes(Site(diagnostic.span, self.caller))
            self.reporter.add(diagnostic)

    @contextmanager
    def in_round(self, round_: Round) -> Iterator[None]:
        """Unroll a round of a loop: errors inside name it."""
        self._rounds.append(round_)
        try:
            yield
        finally:
            self._rounds.pop()

    def unknown(self, span: Span) -> Value:
        """The value of an element with an error."""
        return Value("?", None, Site(span, self.caller))

    def need(self, x: Value | None, span: Span) -> Value:
        """The value itself; raises `NetdslError` if there is none."""
        if x is None:
            raise NetdslError(
                "no-input",
                "this has no input",
                span,
                help="write an `input` above the first layer",
            )
        return x

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
    ) -> None:
        """Bind the label of a layer, block or group, so that it can be used again."""
        binding = self.bind(name, value, label.span)
        binding.element, binding.env, binding.inner = element, env, inner

    def member_name(self, label: ast.Pattern | None, env: Env) -> str:
        """The name of the next member of the scope: its label, or else its position."""
        return self.scope.member(self.label_name(label, env))

    def label_name(self, label: ast.Pattern | None, env: Env) -> str | None:
        """The name that a label gives, if there is one; raises `NetdslError`."""
        return None if label is None else self.pattern(label, env)

    def bind_label(self, label: ast.Pattern | None, env: Env, value: Value) -> None:
        """Bind the label of a value, if there is one; raises `NetdslError`."""
        if label is not None:
            self.bind(self.pattern(label, env), value, label.span)

    def bind(self, name: str, value: Value, span: Span) -> Binding:
        """Bind a label; raises `NetdslError` if the scope already has it."""
        binding = self.scope.bind(name, value, span)
        self.labels.setdefault(self.scope.join(name)[0], value)
        return binding

    def reference(self, reference: ast.Reference, env: Env) -> Value:
        """The value of `@name`; raises `NetdslError`."""
        path = self.pattern(reference.path, env)
        binding = self.scope.find(path.split("."))
        if binding is not None:
            return binding.value
        known, value = env.find(path)
        if known and isinstance(value, Value):
            return value
        unlabelled = self._by_position(path, reference.span)
        if unlabelled is not None:
            return unlabelled
        advice = self._further_down(path, reference.span) or self.scope.suggest(path)
        raise NetdslError(
            "unknown-label", f"there is no label `{path}` above", reference.span, help=advice
        )

    def _further_down(self, path: str, span: Span) -> str | None:
        """Advice for a label that occurs in the text below the reference, and not above it."""
        first = path.partition(".")[0]
        if self.scope.path_to(first) is not None:
            return None
        end = self.open[-1].span.end if self.open else None
        below = span.file.text[span.end : end]
        if not re.search(rf"(?<![\w.]){re.escape(first)}[ \t]*:", below):
            return None
        return f"`{first}` is defined further down; a reference can only name a label above it"

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
        if not text.replace(".", "_").isidentifier():
            raise NetdslError(
                "bad-label",
                f"`{text[:40]}` is not a valid name",
                pattern.span,
                help="names consist of letters, digits and `_`, and do not begin with a digit",
            )
        return text

    def special(self, expr: ast.Expr, env: Env) -> object:
        """The value of an expression that depends on the net; raises `NetdslError`.

        These are references, `in.channels` and `shape(@label)`, and blocks and layers as values.
        """
        match expr:
            case ast.Reference():
                return self.reference(expr, env)
            case ast.Attribute(value=None):
                return _attribute(expr, env.find("in")[1])
            case ast.Attribute(value=ast.Expr() as owner):
                return _attribute(expr, evaluate(owner, env))
            case ast.Function() if expr.name == "shape" and len(expr.arguments) == 1:
                value = evaluate(expr.arguments[0].value, env)
                return _attribute(ast.Attribute(expr.span, None, "shape"), value)
            case ast.Name():
                return self._name(expr, env)
        name = expr.span.text.split("(")[0][:40]
        raise NetdslError(
            "unknown-function",
            f"there is no function `{name}` here",
            expr.span,
            help=did_you_mean(name, function_names())
            or f"the functions are {', '.join(function_names())} and shape(@label)",
        )

    def _name(self, expr: ast.Name, env: Env) -> object:
        module = self.module
        if expr.id in WORDS and not is_known(module, expr.id):
            return expr.id
        try:
            return resolve(self.loader, module, expr.id, expr.span)
        except NetdslError as fault:
            if fault.diagnostic.code != "unknown-layer":
                raise
            advice = self._name_advice(expr.id, env)
            raise NetdslError(
                "unknown-name", f"there is no `{expr.id}`", expr.span, help=advice
            ) from None

    def _name_advice(self, name: str, env: Env) -> str | None:
        path = self.scope.path_to(name)
        if path is not None:
            return f"write `@{path}` for the value at that label; `shape(@{path})` gives its sizes"
        known = [*env.names(), *self.module.definitions, *WORDS.intersection([name.lower()])]
        return (
            _as_sizes(name, env)
            or did_you_mean(name, known)
            or did_you_mean_path(name, [f"@{path}" for path in self.scope.first_paths()])
        )


def _as_sizes(name: str, env: Env) -> str | None:
    """Advice for a name that looks like sizes but begins with a small letter."""
    parts = name.split("x")
    if len(parts) > 1 and all(p.isdigit() or (p and env.find(p)[0]) for p in parts):
        return f"sizes begin with a digit or a capital letter: write `[{', '.join(parts)}]`"
    return None


def _attribute(expr: ast.Attribute, value: object) -> object:
    """The value of `value.name` for a tensor; raises `NetdslError`."""
    if value is UNKNOWN or (isinstance(value, Value) and value.type is None):
        return UNKNOWN
    if not isinstance(value, Value):
        raise NetdslError(
            "wrong-type",
            f"`{expr.span.text}` needs a tensor",
            expr.span,
            help="tensors are `in`, the input of the block, and the values at labels, `@label`",
        )
    if expr.name == "shape":
        return value.type.shape
    if expr.name == "size":
        return value.type.size
    if expr.name in _AXES:
        return _axis_size(expr, value.type)
    advice = did_you_mean(expr.name, [*_AXES, "shape", "size"])
    raise NetdslError(
        "unknown-attribute",
        f"a tensor has no `{expr.name}`",
        expr.span,
        help=advice or "it has shape, size, channels, height, width, length",
    )


def _axis_size(expr: ast.Attribute, type_: TensorType) -> int | Sym:
    """One size of a tensor, such as its height; raises `NetdslError`."""
    axis = _AXES[expr.name]
    if axis < 0 and len(type_.shape) < 1 - axis:
        raise NetdslError(
            "wrong-rank",
            f"a tensor of shape {type_} has no {expr.name}",
            expr.span,
            help="`in.shape` gives all its sizes, `in.size` the number of elements",
        )
    return type_.shape[axis]
