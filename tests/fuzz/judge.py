"""Whether a program is right: it compiles, its shapes are those expected, and every back end computes the same."""

from __future__ import annotations

import re
from typing import NamedTuple

from netdsl.analysis.expect import Facts
from netdsl.driver import Compiled, Program, compile_net, program_of
from netdsl.passes.evaluate import evaluate
from netdsl.source import SourceFile

_HEAD = re.compile(r"# (net|define|sizes): (.*)")


class Trial(NamedTuple):
    """How a text says it is tried."""

    net: str | None
    defines: dict[str, str]
    sizes: dict[str, int]


def trial(text: str) -> Trial:
    """What the comment lines at the top say."""
    net, defines, sizes = None, {}, {}
    for line in text.split("\n"):
        found = _HEAD.fullmatch(line)
        if found is None:
            break
        key, value = found.groups()
        if key == "net":
            net = value
        elif key == "define":
            name, _, given = value.partition("=")
            defines[name] = given
        else:
            sizes = {n: int(v) for n, v in (part.split("=") for part in value.split(", "))}
    return Trial(net, defines, sizes)


def compiled(text: str, name: str = "fuzz.net") -> tuple[Program, Compiled]:
    """The net that is meant; raises `CompileError`. Its `expect` lines are held to."""
    how = trial(text)
    program = program_of(SourceFile(name, text), how.defines)
    net = program.pick(how.net)
    made = compile_net(program, net)
    facts: dict[object, Facts] = {None: Facts(made.graph, made.costs, made.labels)}
    first = made.graph.inputs[0].name
    for expectation in made.expects:
        at = expectation.statement.at
        size = evaluate(at, expectation.env) if at is not None else None
        if size is not None and size not in facts:
            other = compile_net(program, net, {first: size})
            facts[size] = Facts(other.graph, other.costs, other.labels)
        broken = facts[size].check(expectation)
        assert broken is None, f"expect: {broken.message if broken else ''}"
    return program, made
