"""Names inside a net: positions and labels, as in `nn.Sequential` and in published checkpoints.

Each layer, block call and labelled group has a name in its scope: its label, or else its position.
`repeat`, `if`, `for`, unlabelled groups and arms unroll into the scope around them.
"""

from __future__ import annotations

import re
from itertools import count, islice
from typing import TYPE_CHECKING

from netdsl.diagnostics import MANY, Annotation, Proposal, did_you_mean_path, proposal_of
from netdsl.elaborate.evaluate import Env
from netdsl.elaborate.meter import ELEMENTS
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.ir.graph import Value
    from netdsl.source import Span
    from netdsl.syntax import ast

MOST_MEMBERS = 6  # of a group, in a message
OF_RESULT = ("output", "out", "outputs", "result", "value", "last", "end")  # members elsewhere


def written(label: str) -> str:
    """A label as it is written: in quotes if it is not a word."""
    return label if label.isidentifier() else f'"{label}"'


class Binding:
    """The value of a label.

    For a layer, block or group, `element` and `env` make it possible to use it again, and `inner`
    is the scope of its members. `scope` is the scope that the label itself belongs to. The layers
    of a formula are members of that scope too: `first` is the position of the first one.
    """

    __slots__ = ("element", "env", "first", "inner", "label", "scope", "span", "value")

    def __init__(self, value: Value, span: Span, label: str, scope: Namespace) -> None:
        self.value = value
        self.span = span
        self.label = label
        self.scope = scope
        self.element: ast.Element | None = None
        self.env: Env | None = None
        self.inner: Namespace | None = None
        self.first = 0

    def inside(self, path: list[str]) -> Binding | None:
        """The binding of a dotted path within the members, if there is one."""
        binding: Binding | None = self
        for name in path:
            if binding is None or binding.inner is None:
                return None
            binding = binding.inner.labels.get(name)
        return binding

    def advise_members(self, label: str, name: str) -> str:
        """Advice for a path to a member of that name, which does not exist."""
        members: list[str] = []
        if self.inner is not None:
            positions = sorted(map(int, self.inner.positions))
            members = [*map(str, positions), *map(written, self.inner.labels)]
        if not members:
            return Proposal(f"`{label}` has no members: its value is `@{label}`", "no-members")
        if name in OF_RESULT:
            return f"write `@{label}`: the value of a label is that of its last layer"
        kinds, kind = self._kinds(), name.rstrip("0123456789_")
        alike = [member for member in members if kinds.get(member) == kind]
        if len(alike) == 1:
            return f"its `{kind}` is `@{label}.{alike[0]}`: write that"
        shown = ", ".join(
            f"`@{label}.{member}`" + f" ({kinds.get(member)})" * (member in kinds)
            for member in members[:MOST_MEMBERS]
        )
        more = ", ..." * (len(members) > MOST_MEMBERS)
        return f"the members of `{label}` are {shown}{more}; `@{label}` is the result of the last"

    def _kinds(self) -> dict[str, str]:
        """The kinds of the layers among the members that lead to the value, by their names."""
        kinds: dict[str, str] = {}
        node = self.value.producer
        for _ in range(MANY):
            if self.inner is None or node is None or not node.name.startswith(self.inner.path):
                break
            member = node.name.rpartition(".")[2]
            if node.name == self.inner.join(member)[0]:
                kinds[member] = node.op.kind
            node = node.inputs[0].producer
        return kinds

    def explains(self, name: str) -> bool:
        """Whether a name that no member has is that of the result or of the kind of a member."""
        return self.inner is not None and (name in OF_RESULT or name in self._kinds().values())

    def paths(self, label: str) -> Iterator[str]:
        """The dotted paths that begin with this label, as they are written."""
        yield label
        if self.inner is not None:
            for name, binding in self.inner.labels.items():
                yield from binding.paths(f"{label}.{written(name)}")


class Namespace:
    """The names of the members of one net, block call or labelled group.

    `path` is the prefix of the names of its nodes, and `module` that of the names of their weights.
    They differ if a labelled module is used again; `use` is then the suffix of its members' names.
    `outer` is the scope in which labels are looked up next; the scope of a block has none.
    """

    __slots__ = ("count", "labels", "module", "outer", "path", "positions", "reusable", "use")

    def __init__(
        self, path: str = "", module: str = "", outer: Namespace | None = None, use: str = ""
    ) -> None:
        self.path = path
        self.module = module
        self.outer = outer
        self.use = use
        self.count = 0
        self.positions: set[str] = set()  # the names of the members without a label
        self.labels: dict[str, Binding] = {}
        self.reusable: list[Binding] = []  # those whose layers can be used again

    def member(self, label: str | None) -> str:
        """The name of the next member: its label, or else its position.

        Raises `NetdslError` if a label in quotes, such as `"0"`, is also a position.
        """
        name = str(self.count) if label is None else label
        self.count += 1
        if label is None:
            self.positions.add(name)
        if name in self.positions and (label is not None or name in self.labels):
            raise NetdslError(
                "duplicate-label",
                f"label `{name}` is also the position of a layer without a label",
                help="give that layer a label too",
            )
        return name

    def join(self, name: str) -> tuple[str, str]:
        """The full name of a member, and that of its weights."""
        path, module = name + self.use, name
        if self.path:
            path = f"{self.path}.{path}"
        if self.module:
            module = f"{self.module}.{module}"
        return path, module

    def bind(self, label: str, value: Value, span: Span) -> Binding:
        """Bind a label to a value; raises `NetdslError` if the scope already has the label."""
        if label == "training":
            raise NetdslError(
                "reserved-name",
                "`training` cannot be a label: every PyTorch module has an attribute of that name",
                span,
                help="choose another label",
            )
        first = self.labels.get(label)
        if first is not None:
            raise _duplicate(label, first.span, span, list(self.labels))
        binding = self.labels[label] = Binding(value, span, label, self)
        return binding

    def keep_values(self, frame: Env, span: Span) -> None:
        """Keep the values of `frame` for its labels: a statement is about to change one of them.

        The layers of these labels, which are the last ones of the scope, may be used again. The
        copy is charged like a long list, at `span`.
        """
        kept = Env(frame.parent, frame.net, frame.meter)
        for binding in reversed(self.reusable):
            env = binding.env
            inner: list[Env] = []
            while env is not None and env is not frame:
                inner.append(env)
                env = env.parent
            if env is None:
                return
            if not kept.values:
                kept.values = dict(frame.values)
                if frame.meter is not None:
                    frame.meter.charge(len(kept.values) // ELEMENTS, span)
            binding.env = kept
            for other in reversed(inner):
                binding.env = Env(binding.env)
                binding.env.values = other.values

    def find(self, path: list[str]) -> Binding | None:
        """The binding of a dotted path, in the innermost scope that has its first label."""
        scope: Namespace | None = self
        while scope is not None:
            binding = scope.labels.get(path[0])
            if binding is not None:
                return binding.inside(path[1:])
            scope = scope.outer
        return None

    def paths(self) -> Iterator[str]:
        """The dotted paths of all labels that can be reached from here, the nearest first."""
        seen: set[str] = set()
        scope: Namespace | None = self
        while scope is not None:
            for label, binding in scope.labels.items():
                if label not in seen:
                    yield from binding.paths(written(label))
            seen.update(scope.labels)
            scope = scope.outer

    def first_paths(self) -> list[str]:
        """Some of the paths, for advice: a net may have many, and a loop may ask in each round."""
        return list(islice(self.paths(), MANY))

    def path_to(self, name: str) -> str | None:
        """The path to a label of that name, also inside a group, block or join."""
        if self.find([name]) is not None:
            return name
        return next((p for p in self.first_paths() if p.endswith(f".{name}")), None)

    def layers(self) -> Iterator[str]:
        """The labels that can be used as layers from here."""
        for label, binding in self.labels.items():
            if binding.element is not None:
                yield label
        if self.outer is not None:
            yield from self.outer.layers()

    def suggest(self, path: str) -> str:
        """Advice for a label that does not exist."""
        known = self.first_paths()
        if not known:
            return "there are no labels above this line"
        if path.isdigit() and path in self.positions:
            return "the layer at this position has no label: give it one, as in `a: relu`"
        stem = re.fullmatch(r"(\w*?)\d+", path)
        if stem is not None:
            found = (re.fullmatch(rf'"?{stem[1]}(\d+)"?', label) for label in known)
            numbers = sorted({int(match[1]) for match in found if match is not None})
            if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
                first, last = (written(f"{stem[1]}{n}") for n in (numbers[0], numbers[-1]))
                ends = f"`{first}` to `{last}`"
                listed = f"range({numbers[0]}, {numbers[-1] + 1})".replace("(0, ", "(")
                return f"the labels are {ends}: their numbers are `{listed}`"
        advice = did_you_mean_path(path, [f"@{label}" for label in known])
        parent, _, _ = path.rpartition(".")
        binding = self.find(parent.split(".")) if parent else None
        name = path.rpartition(".")[2]
        is_near = advice is not None and proposal_of(advice).names != (f"@{parent}",)
        if binding is not None and (not is_near or name.isdecimal() or binding.explains(name)):
            return binding.advise_members(parent, name)
        if advice is not None:
            return advice
        shortest = sorted(known, key=lambda label: label.count("."))[:12]
        return "labels so far: " + ", ".join(f"`{label}`" for label in shortest)


def _numbered(label: str, labels: list[str]) -> str:
    """A label that is free: the one after its neighbour, such as `conv2_2` after `conv2_1`."""
    shape = re.sub(r"\d+", "#", label)
    near = next((other for other in reversed(labels) if re.sub(r"\d+", "#", other) == shape), label)
    stem, number = re.fullmatch(r"(.*?)(\d*)", near).groups()  # type: ignore[union-attr]
    free = (f"{stem}{n}" for n in count(int(number or 1) + 1))
    return next(name for name in free if name not in labels)


def _duplicate(label: str, first: Span, span: Span, labels: list[str]) -> NetdslError:
    """The error of a label that is bound a second time, at the same place if it is in a loop."""
    message = f"label `{label}` occurs twice in one scope"
    if first == span:
        advice = "number it: `name{i}: ...` in `repeat n as i`"
        return NetdslError("duplicate-label", message, span, help=advice)
    notes = (Annotation("the first is here", first),)
    help_ = f"choose another label, such as `{written(_numbered(label, labels))}`"
    return NetdslError("duplicate-label", message, span, notes=notes, help=help_)
