"""Random bodies: chains, groups, arms, loops, conditions, blocks, references, outputs."""

from __future__ import annotations

from .calls import JOINS, Layer
from .composites import composite
from .constructs import Constructs
from .layers import MAKERS
from .shape import Skip, Type
from .write import Block, Frame, Label, Weight

LOOP = ("i", "j", "n_", "step")


def indent(text: str) -> str:
    """Indent each line by one level."""
    return "\n".join("    " + line for line in text.split("\n"))


def _has_layer(lines: list[str]) -> bool:
    """Whether a line begins with a layer, which `frozen` can apply to."""
    return any(line.split(": ")[-1].split("(")[0].split(" ")[0] in MAKERS for line in lines)


class Bodies(Constructs):
    """Writes bodies that contain layers."""

    def body(self, t: Type, budget: int, *, keep: bool = False) -> tuple[list[str], Type]:
        """Statements for an input of type `t`, and the type that they give.

        With `keep`, that is `t` again.
        """
        start, lines = t, []
        while budget > 0:
            text, t, cost = self.statement(t, budget)
            lines.append(text)
            budget -= cost
        if keep and t != start:
            lines.append(" -> ".join(self.coerce(t, start)))
            t = start
        return lines, t

    def braces(self, lines: list[str]) -> str:
        """A body in braces, on one line or several."""
        plain = not any(
            "\n" in line
            or line.startswith(("let ", "expect ", "aux ", "output "))
            or line.split(": ")[-1].startswith("@")
            for line in lines
        )
        if plain and sum(map(len, lines)) < 70 and self.chance(0.7):
            return "{ " + " -> ".join(lines) + " }"
        return "{\n" + indent("\n".join(lines)) + "\n}"

    def statement(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """One statement, the type after it, and its cost."""
        r = self.random.random()
        mark = self.mark()
        try:
            if r < 0.08:
                return self._from_reference()
            if r < 0.12 and self.frame.can_name:
                return self._let(), t, 0
            if r < 0.17:
                return self._expect(), t, 0
            if r < 0.22 and self.frame.outer is self.file and self.frame.block is None:
                return self._output(t, budget) if self.chance(0.3) else (self._aux(t), t, 2)
        except Skip:
            self.back(mark)
        return self._chain(t, budget)

    def _chain(self, t: Type, budget: int) -> tuple[str, Type, int]:
        parts: list[str] = []
        cost = 0
        for _ in range(self.random.randint(1, min(4, budget))):
            text, t, spent = self.element(t, budget - cost)
            parts.append(text)
            cost += spent
            if cost >= budget:
                break
        text = parts[0]
        for part in parts[1:]:
            text += self.pick([" -> ", " -> ", " -> ", "\n    -> "]) + part
        return text, t, max(1, cost)

    def _from_reference(self) -> tuple[str, Type, int]:
        labels = {n: label.type for n, label in self.frame.visible().items()}
        name = self.pick(list(labels))
        t = labels[name]
        if self.chance(0.3):
            return f"@{name}", t, 1
        call, result = self.layer(t)
        if self.frame.can_name and self.chance(0.5):
            label = self.label(result, None, self.weight)
            return f"{label}: @{name} -> {call}", result, 2
        return f"@{name} -> {call}", result, 2

    def _let(self) -> str:
        name, value = self.fresh("v"), self.pick([1, 2, 3, 4, 5, 8])
        text = f"let {name} = {self.whole(value)}"
        self._know(self.frame.values, name, value)
        return text

    def _expect(self) -> str:
        """An `expect` of a shape that the generator computed.

        If the shape has open sizes, `at` gives the sizes of the first input, which must have all
        of the net's symbols.
        """
        labels = [(n, label.type) for n, label in self.frame.labels.items() if not self.frame.loops]
        first = self.inputs[0][1]
        name, t = self.pick(
            [(n, t) for n, t in labels if self.frame.block is None and self.frame.begins_scope]
        )
        shape = "x".join(map(str, t.shape)) if t.rank > 1 else f"[{t.shape[0]}]"
        at = (
            ""
            if t.closed
            else " at "
            + ("x".join(map(str, first.shape)) if first.rank > 1 else f"[{first.shape[0]}]")
        )
        if at and set(self.symbols) - set(self.inputs[0][2].split()[0].split("x")):
            raise Skip
        mark = "@" if '"' in name else ""
        return f"expect shape({mark}{name}) == {shape}{at}"

    def _output(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """An output before the end of the body.

        Its name applies to the last element of the chain, which therefore is a layer.
        """
        text, result, cost = self._chain(t, budget)
        last, result = self.layer(result)
        return f"output {self.fresh('out')}: {text} -> {last}", result, cost + 1

    def _aux(self, t: Type) -> str:
        name = self.fresh("aux")
        frame = Frame(self.frame, scope=True)
        frame.in_aux = True
        with self.inside(frame):
            lines, _ = self.body(t, self.random.randint(1, 3))
        weight = self.pick(["", f"(weight = {self.real(self.pick([0.3, 1.0, 0.0]))})"])
        return f"aux {name}{weight} {{\n" + indent("\n".join(lines)) + "\n}"

    # ---- elements

    def element(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """One element of a chain."""
        options = [self._layer] * 9 + [self._labelled] * 3 + [self._confident, self._positive]
        options += [self._formula] * 2
        if budget > 2 and self.frame.depth < 6:
            options += [
                self._group,
                self._arms,
                self._residual,
                self._repeat,
                self._for,
                self._if,
                self._block,
                self._block,
                self._composite,
                self._again,
                self._bound_twice,
                self._growing,
                self._carrying,
                self._made_arms,
            ]
        for _ in range(20):
            mark = self.mark()
            try:
                return self.pick(options)(t, budget)
            except Skip:
                self.back(mark)
        return "identity", t, 1

    def _layer(self, t: Type, budget: int) -> tuple[str, Type, int]:
        if self.chance(0.03):
            return "identity", t, 1
        text, result = self.layer(t)
        if self.chance(0.04):
            text += " -> frozen"
        return text, result, 1

    def _confident(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A softmax so sure of one class that float32 cannot represent the other probabilities."""
        if not t.floats or t.rank > 2 or t.open[-1] or t.shape[-1] > 8:
            raise Skip
        classes = self.pick([2, 3, 4])
        rows = (("0", "0.5"), ("-100", "-40"), ("80", "100"), ("3", "-300"))
        weight = ", ".join(
            "[" + ", ".join(self.pick(rows[i]) for _ in range(t.shape[-1])) + "]"
            for i in range(classes)
        )
        axis = f"(axis = {t.rank})" if t.rank > 1 else ""
        text = f"dense({classes}, weight = [{weight}]) -> softmax{axis}"
        return text, t.at(t.rank - 1, classes), 2

    def _positive(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A logarithm or a root of numbers that are not negative."""
        if not t.floats:
            raise Skip
        inner = self.pick(["abs", "square", "sigmoid", "exp", "clamp(min = 0.1)"])
        return f"{inner} -> {self.pick(['log', 'sqrt'])}", t, 2

    def label(self, t: Type, entry: Type | None, weight: Weight | None = None) -> str:
        """A new label for a value of that type; in a loop it contains the counters."""
        if not self.frame.can_name:
            raise Skip
        name = self.fresh("c")
        if self.frame.loops:
            return name + "".join(
                "_{"
                + self.pick([v, v, f"{v} + 1", f"10 - {v}", f'["a", "b", "c", "d"][{v}]'])
                + "}"
                for v, _ in self.frame.loops
            )
        if self.chance(0.05):
            name = f'"{name}-{self.pick(["0", "a", "1/b"])}"'
        self._bind(name, Label(t, entry, weight))
        return name

    def _bind(self, name: str, label: Label) -> None:
        labels = self.frame.labels
        labels[name] = label
        self._undo.append(lambda: labels.pop(name, None))

    def _labelled(self, t: Type, budget: int) -> tuple[str, Type, int]:
        text, result = self.layer(t)
        results, name = self.results, self.label(result, t, self.weight)
        if "{" not in name:
            for further, type_ in results.items():
                self._bind(f"{name}.{further}", Label(type_))
        return f"{name}: {text}", result, 1

    def _group(self, t: Type, budget: int) -> tuple[str, Type, int]:
        size = self.random.randint(1, min(4, budget))
        if not self.frame.can_name or self.chance(0.3):
            with self.inside(Frame(self.frame)):
                lines, result = self.body(t, size)
            return "{\n" + indent("\n".join(lines)) + "\n}", result, size
        with self.inside(Frame(self.frame, scope=True)) as frame:
            lines, result = self.body(t, size)
        name = self._name_scope(result, t, frame)
        return (
            f"{name}: {self.braces(lines)}"
            + (" -> frozen" if self.chance(0.06) and _has_layer(lines) else ""),
            result,
            size,
        )

    def _name_scope(self, result: Type, t: Type, frame: Frame) -> str:
        """A new label for a group or block; the labels inside become reachable as paths."""
        name = self.label(result, t)
        if "{" not in name:
            for inner, label in frame.labels.items():
                self._bind(f"{name}.{inner}", Label(label.type, weight=label.weight))
        return name

    def _arms(self, t: Type, budget: int) -> tuple[str, Type, int]:
        kind = self.pick(JOINS)
        if not t.floats:
            raise Skip
        arms, first, total = [], None, 0
        for _ in range(self.pick([2, 2, 3, 4])):
            with self.inside(Frame(self.frame)):
                lines, result = (
                    self.body(t, self.random.randint(1, 2))
                    if self.chance(0.85)
                    else (self.pick([[], ["identity"]]), t)
                )
                if first is None:
                    first = result
                if not first.floats:  # an arm can be a reference to integers
                    raise Skip
                want = self.bounded(first) if kind == "concat" and self.chance(0.6) else first
                tail = self.coerce(result, want)
                lines = [*lines, " -> ".join(tail)] if tail else lines
            total += want.channels
            arms.append(
                "| " + "\n  ".join(indent("\n".join(lines)).lstrip().split("\n")) if lines else "|"
            )
        assert first is not None
        joined = first
        if kind == "concat":
            if first.open[0]:
                raise Skip
            joined = first.with_(total)
        call = f"{kind}{self.pick(['', '', '', '()'])} {{\n" + indent("\n".join(arms)) + "\n}"
        if joined.size > 8000:
            raise Skip
        return call, joined, 3

    def _residual(self, t: Type, budget: int) -> tuple[str, Type, int]:
        if not t.floats:
            raise Skip
        with self.inside(Frame(self.frame)):
            lines, _ = self.body(t, self.random.randint(1, min(3, budget)), keep=True)
        condition = self.pick(["", "", f"if {self.truth(self.chance(0.5))} "])
        return f"residual {condition}{self.braces(lines)}", t, 3

    def _loop(
        self, t: Type, budget: int, rounds: int, names: list[str], *, counts: bool
    ) -> list[str]:
        """The body of a loop, whose output has the type of its input."""
        frame = Frame(self.frame)
        if counts:
            frame.loops = [*self.frame.loops, (names[0], rounds)]
        frame.can_name = self.frame.can_name and counts
        with self.inside(frame):
            return self.body(t, self.random.randint(1, min(3, budget)), keep=True)[0]

    def _repeat(self, t: Type, budget: int) -> tuple[str, Type, int]:
        rounds = self.pick([1, 2, 2, 3, 4])
        counts = self.chance(0.6)
        name = self.fresh(self.pick(LOOP))
        lines = self._loop(t, budget // 2, rounds, [name], counts=counts)
        return (
            f"repeat {self._count_text(rounds)}{f' as {name}' if counts else ''} "
            "{\n" + indent("\n".join(lines)) + "\n}",
            t,
            2 + rounds,
        )

    def _count_text(self, rounds: int) -> str:
        return self.whole(rounds)

    def _for(self, t: Type, budget: int) -> tuple[str, Type, int]:
        rounds = self.pick([1, 2, 3])
        name, other = self.fresh(self.pick(LOOP)), self.fresh("w")
        lines = self._loop(t, budget // 2, rounds, [name], counts=True)
        values = [self.pick([1, 2, 3, 5]) for _ in range(rounds)]
        head = self.pick(
            [
                f"for {name} in range({rounds})",
                f"for ({name}, {other}) in enumerate({self.ints(values)})",
                f"for {name}, {other} in enumerate({rounds} * [{self.whole(7)}])",
                (
                    f"for ({name}, {other}, {other}a) in"
                    f" [{', '.join(f'({i}, true, 1.5)' for i in range(rounds))}]"
                ),
            ]
        )
        return f"{head} " + "{\n" + indent("\n".join(lines)) + "\n}", t, 2 + rounds

    def _growing(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A loop in which the number of channels depends on the counter."""
        if not t.floats or t.open[0] or not 2 <= t.rank <= 4:
            raise Skip
        rounds, name, k = self.pick([2, 3]), self.fresh("i"), self.pick([1, 3])
        label = (
            f"{self.fresh('b')}_{{{name} + 1}}: "
            if self.frame.can_name and not self.frame.loops and self.chance(0.6)
            else ""
        )
        width = self.pick(
            [
                (f"2 ** {name}", 2 ** (rounds - 1)),
                (f"2 * {name} + 1", 2 * rounds - 1),
                (f"{self.ints([3, 1, 4])}[{name}]", [3, 1, 4][rounds - 1]),
            ]
        )
        act = self.pick(
            [
                "relu",
                "tanh",
                "bn",
                "leaky_relu",
                "identity",
                f"if {name} == 0 {{ relu }} else if {name} > 1 {{ tanh }} else {{ bn }}",
            ]
        )
        return (
            (
                f"repeat {rounds} as {name} {{ {label}conv({width[0]}, {k}, pad ="
                f" {self.pick(['same', str(k // 2)])}) -> {act} }}"
            ),
            t.with_(width[1]),
            3,
        )

    def _if(self, t: Type, budget: int) -> tuple[str, Type, int]:
        holds = self.chance(0.6)
        condition = (
            self.truth(holds)
            if self.chance(0.5)
            else f"{self.whole(3)} {'==' if holds else '!='} {self.whole(3)}"
        )
        with self.inside(Frame(self.frame)):
            taken, result = self.body(t, self.random.randint(1, min(3, budget)))
        with self.inside(Frame(self.frame)) as frame:
            frame.can_name = False
            other, _ = self.body(t, 1)
        then, rest = (taken, other) if holds else (other, taken)
        text = f"if {condition} {self.braces(then)}"
        if not holds or self.chance(0.6):
            text += f" else {self.braces(rest)}"
        return text, result, 3

    # ---- blocks

    def _block(self, t: Type, budget: int) -> tuple[str, Type, int]:
        usable = [(b, result) for b, entry, result in self.reusable if entry == t]
        if usable and self.chance(0.5):
            block, result = self.pick(usable)
            return self._name_call(self._call_block(block), result, t), result, 2
        if len(self.blocks) >= 4 or self.frame.depth > 3:
            raise Skip
        block = Block(self.fresh(self.pick(["Unit", "stage_", "B"])), caller=self.frame)
        frame = Frame(self.file, block=block, scope=True)
        frame.entry, frame.depth, frame.can_name = t, self.frame.depth + 1, True
        with self.inside(frame):
            lines, result = self.body(t, self.random.randint(2, min(6, max(2, budget))))
        head = f"block {block.name}({', '.join(block.parameters)})"
        if self.chance(0.2):  # a net that is called like a block
            head = head.replace("block", "net", 1)
            lines = [f"input {self.fresh('in_')}: {self._declared(t)}", *lines]
        self._add(self.blocks, f"{head} {{\n" + indent("\n".join(lines)) + "\n}")
        if not block.tensors:
            self._add(self.reusable, (block, t, result))
        return self._name_call(self._call_block(block), result, t, frame), result, 4

    def _declared(self, t: Type) -> str:
        """The sizes and the type of the input of a net that is called: some of them open."""
        names = iter("ABCDEFG")
        opened = [o or self.chance(0.3) for o in t.open]
        sizes = [next(names) if o else str(d) for d, o in zip(t.shape, opened, strict=True)]
        text = "x".join(sizes)
        return text if t.dtype == "float32" else f"{text} {t.dtype}"

    def _name_call(self, call: str, result: Type, t: Type, frame: Frame | None = None) -> str:
        if not self.frame.can_name or self.chance(0.4):
            return call
        return (
            f"{self._name_scope(result, t, frame) if frame is not None else self.label(result, t)}:"
            f" {call}"
        )

    def _call_block(self, block: Block) -> str:
        given = [(n, v) for n, v in block.arguments if v is not None]
        needed = {p for p in block.parameters if " " not in p}
        by_position = [p for p in block.parameters if p in needed]
        values = dict(given)
        count = self.random.randint(0, len(by_position))
        front = [values.pop(n) for n in by_position[:count]]
        rest = [f"{n} = {v}" for n, v in values.items()]
        self.random.shuffle(rest)
        inside = ", ".join(front + rest)
        return f"{block.name}({inside})" if inside or self.chance(0.3) else block.name

    def _composite(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A block of the library."""
        call, result = composite(self, t)
        return self._name_call(call, result, t), result, 4

    def _again(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A label that is used as a layer, which shares its weights."""
        usable = {
            n: label
            for n, label in self.frame.visible().items()
            if label.entry == t and "." not in n and '"' not in n
        }
        name = self.pick(list(usable))
        return name, usable[name].type, 2

    def _bound_twice(self, t: Type, budget: int) -> tuple[str, Type, int]:
        """A parameter of a block, with a layer that has arguments, under a label used again."""
        block = self.frame.block
        if block is None or not t.floats or t.open[0] or not 1 <= t.rank <= 4:
            raise Skip
        name = self.label(t, t)
        if not name.isidentifier():
            raise Skip
        text = f"dense({t.channels})"
        if t.rank > 1:
            text = f"conv({t.channels}, {self.pick(['3', 'k = 3'])}, pad = 1)"
        return f"{name}: {self._parameter(block, Layer(text), text)} -> {name}", t, 2
