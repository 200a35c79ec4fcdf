"""Names inside a net: positions and labels, as `nn.Sequential` and published checkpoints have them.

A block call, a labelled group and each unlabelled member get a name in their scope: the label, or
else the position. `repeat`, `if`, `for`, unlabelled groups and arms unroll into the scope around
them.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from netdsl.diagnostics import MANY, Annotation, did_you_mean_path
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.evaluate import Env
    from netdsl.ir.graph import Value
    from netdsl.source import Span
    from netdsl.syntax import ast


class Binding:
    """What a label stands for: a value, and where it is a layer, block or group the means to use it
    again.
    """

    __slots__ = ("element", "env", "inner", "label", "scope", "span", "value")

    def __init__(self, value: Value, span: Span, label: str, scope: Namespace) -> None:
        self.value = value
        self.span = span
        self.label = label
        self.scope = scope
        self.element: ast.Element | None = None
        self.env: Env | None = None
        self.inner: Namespace | None = None

    def paths(self, label: str) -> Iterator[str]:
        """The dotted paths that begin with this label."""
        yield label
        if self.inner is not None:
            for name, binding in self.inner.labels.items():
                yield from binding.paths(f"{label}.{name}")


class Namespace:
    """The members of one block call, labelled group or net.

    `path` prefixes the names of its nodes and `module` those of their weights: they differ where a
    labelled module is used again, whose members' names end in `use`. `outer` is the scope in which
    labels are looked up next; blocks have none.
    """

    __slots__ = ("count", "labels", "module", "outer", "path", "use")

    def __init__(
        self, path: str = "", module: str = "", outer: Namespace | None = None, use: str = ""
    ) -> None:
        self.path = path
        self.module = module
        self.outer = outer
        self.use = use
        self.count = 0
        self.labels: dict[str, Binding] = {}

    def member(self, label: str | None) -> str:
        """The next member's name in this scope: its label, or else its position."""
        position = self.count
        self.count += 1
        return str(position) if label is None else label

    def join(self, name: str) -> tuple[str, str]:
        """The member's full name, and that of its weights."""
        own = name + self.use
        return (f"{self.path}.{own}" if self.path else own), (
            f"{self.module}.{name}" if self.module else name
        )

    def bind(self, label: str, value: Value, span: Span) -> Binding:
        """Give a label its meaning; raises `NetdslError` where the scope has it already."""
        if label == "training":
            raise NetdslError(
                "reserved-name",
                "`training` cannot be a label: every PyTorch module has an attribute of that name",
                span,
                help="choose another label",
            )
        first = self.labels.get(label)
        if first is not None:
            notes = (Annotation("the first is here", first.span),) if first.span != span else ()
            advice = (
                "count it: `name{i}: ...` in `repeat n as i`"
                if first.span == span
                else "choose another label"
            )
            raise NetdslError(
                "duplicate-label",
                f"label `{label}` stands twice in one scope",
                span,
                notes=notes,
                help=advice,
            )
        binding = self.labels[label] = Binding(value, span, label, self)
        return binding

    def find(self, path: list[str]) -> Binding | None:
        """The binding of a dotted path, searched outwards."""
        scope: Namespace | None = self
        while scope is not None:
            binding = scope.labels.get(path[0])
            if binding is not None:
                for name in path[1:]:
                    binding = binding.inner.labels.get(name) if binding and binding.inner else None
                return binding
            scope = scope.outer
        return None

    def paths(self) -> Iterator[str]:
        """The dotted paths of all labels that can be reached from here, the nearest first."""
        seen: set[str] = set()
        scope: Namespace | None = self
        while scope is not None:
            for label, binding in scope.labels.items():
                if label not in seen:
                    yield from binding.paths(label)
            seen.update(scope.labels)
            scope = scope.outer

    def first_paths(self) -> list[str]:
        """Some paths for advice: a net may have many, and a loop with an error asks each time."""
        return list(islice(self.paths(), MANY))

    def path_to(self, name: str) -> str | None:
        """The path to a label of that name, which may be inside a group, block or join."""
        if self.find([name]) is not None:
            return name
        return next((p for p in self.first_paths() if p.endswith(f".{name}")), None)

    def layers(self) -> Iterator[str]:
        """The labels that can be used as layers from here."""
        yield from (label for label, bound in self.labels.items() if bound.element is not None)
        if self.outer is not None:
            yield from self.outer.layers()

    def suggest(self, path: str) -> str:
        """Advice for a label that is not there."""
        known = self.first_paths()
        listed = ", ".join(f"`{k}`" for k in sorted(known, key=lambda k: k.count("."))[:12])
        advice = f"labels so far: {listed}" if known else "no label stands above this line"
        return did_you_mean_path(path, [f"@{k}" for k in known]) or advice
