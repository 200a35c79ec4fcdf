"""Random valid programs.

`program(seed)` is the text of a program, always the same for a seed.

Comment lines at the top tell `verdict` how to compile it: `# sizes: H=17, W=13` sets open sizes,
`# define: p1=3` sets a parameter as `-D` does, and `# net: Name` chooses the net.
"""

from __future__ import annotations

import re

from . import arithmetic as arithmetic  # noqa: PLC0414
from . import shapes as shapes  # noqa: PLC0414
from . import windows as windows  # noqa: PLC0414
from .body import Bodies, indent
from .layers import MAKERS
from .shape import Skip, Type
from .write import Frame

SPATIAL = (1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 16, 17)


def program(seed: int) -> str:
    """The text of the program of a seed, which is also the seed of its weights."""
    for attempt in range(50):
        try:
            return f"# seed: {seed}\n{_Program(seed * 50 + attempt).text()}"
        except Skip:
            continue
    raise AssertionError(f"no program for seed {seed}")


class _Program(Bodies):
    def first_input(self) -> Type:
        """The type of the first input, which is an image most often."""
        kind = self.pick(
            ["image"] * 8
            + [
                "volume",
                "line",
                "line",
                "sequence",
                "sequence",
                "sequence",
                "vector",
                "tokens",
                "tokens",
                "vertices",
            ]
        )
        size = [self.pick(SPATIAL) for _ in range(3)]
        channels = self.pick([1, 2, 3, 3, 4, 6, 8])
        opened = self.chance(0.25)
        match kind:
            case "image":
                if self.chance(0.3):
                    size[1] = size[0]
                return Type(
                    (channels, *size[:2]),
                    (False, *((opened, opened) if self.chance(0.7) else (opened, False))),
                )
            case "volume":
                return Type((channels, *(min(s, 6) for s in size)), (False, opened, opened, opened))
            case "line":
                return Type((channels, size[0] + self.pick([0, 10])), (False, opened))
            case "sequence" | "vertices":
                return Type((size[0], channels), (opened, False))
            case "vector":
                return Type.of(size[0])
        dtype = self.pick(["int64", "int64", "int32"])
        return (
            Type((size[0],), (opened,), dtype)
            if self.chance(0.7)
            else Type.of(min(5, size[0]), min(4, size[1]), dtype=dtype)
        )

    def text(self) -> str:
        """The whole file."""
        net = Frame(self.file, scope=True)
        self.frame = net
        first = self.first_input()
        net.entry = first
        self.input(first)
        lines, t = self.body(first, self.pick([2, 4, 6, 8, 12, 16]))
        if self.chance(0.5):
            lines.append(self._last(t))
        if not any(re.search(rf"\b{kind}\b", line) for line in lines for kind in MAKERS):
            # All layers may be in blocks that are not called or branches that are not taken.
            lines.append("tanh" if t.floats else "flatten")
        for _ in range(self.pick([0, 0, 0, 1, 2])):
            label = self.pick(list(net.visible()))
            lines.append(
                f"output {self.fresh('out')}: @{label}"
                + (f" -> {self.layer(net.labels[label].type)[0]}" if self.chance(0.7) else "")
            )
        expects = [text for text in (self._try_expect() for _ in range(3)) if text]
        return self._file(lines + expects)

    def _last(self, t: Type) -> str:
        if self.chance(0.3):
            return "output"
        return self._output(t, 2)[0]

    def _try_expect(self) -> str | None:
        try:
            return self._expect()
        except Skip:
            return None

    def _example(self, t: Type, text: str) -> str:
        """The example of an input, in some nets: one number, repeated for each axis.

        A first size of 1 can be left out, unless it is that of an open one in the text.
        """
        if not self.chance(0.2):
            return ""
        value = self.pick(["0", "1"])
        if t.floats:
            value = self.pick(["-0.5", "1 / 3", "1e-3", "7"])
        shape = t.shape
        if text.startswith("1x") and self.chance(0.5):
            shape = shape[1:]
        for size in reversed(shape):
            value = f"{size} * [{value}]"
        return f" = {value}"

    def _file(self, lines: list[str]) -> str:
        name = self.pick(["Main", "Net1", "net_", "M2"])
        inputs = [f"input {n}: {text}{self._example(t, text)}" for n, t, text in self.inputs]
        parameters = ", ".join(f"{n} = {v}" for n, v in self.net_parameters)
        net = (
            f"net {name}"
            + (f"({parameters})" if parameters or self.chance(0.1) else "")
            + " {\n"
            + indent("\n".join(inputs + lines))
            + "\n}"
        )
        head, parts = [], [net, *self.blocks]
        if self.defines and self.chance(0.5):
            parts.append(f"net Other = {name}({', '.join(f'{n} = {v}' for n, v in self.defines)})")
            head.append("# net: Other")
        else:
            head += [f"# net: {name}", *(f"# define: {n}={v}" for n, v in self.defines)]
        if self.symbols:
            head.append("# sizes: " + ", ".join(f"{n}={v}" for n, v in self.symbols.items()))
        self.random.shuffle(parts)
        return "\n".join([*head, "", *self.lets, *parts]) + "\n"
