"""Whether a program is right: it compiles to the types that the text expects, and `netdsl verify`
finds every back end agreed.
"""

from __future__ import annotations

import os
import re
import traceback
from typing import TYPE_CHECKING, NamedTuple

from netdsl.analysis.expect import Facts
from netdsl.draw.dot import emit_dot
from netdsl.driver import compile_net, program_of
from netdsl.elaborate.evaluate import evaluate
from netdsl.errors import NetdslError, OpError
from netdsl.source import SourceFile
from netdsl.verify import verify_graph

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program

_HEAD = re.compile(r"# (net|define|sizes|seed): (.*)")


class Failure(NamedTuple):
    """What is wrong: a short name that is the same for the same fault, and the whole story."""

    name: str
    story: str


class Trial(NamedTuple):
    """How a text says that it is tried."""

    net: str | None
    defines: dict[str, str]
    sizes: dict[str, int]
    seed: int  # of the weights


class Wrong(Exception):
    """Something the text says of itself does not hold."""


def trial(text: str) -> Trial:
    """What the comment lines at the top say."""
    net, defines, sizes, seed = None, dict[str, str](), dict[str, int](), 0
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
        elif key == "seed":
            seed = int(value)
        else:
            sizes = {n: int(v) for n, v in (part.split("=") for part in value.split(", "))}
    return Trial(net, defines, sizes, seed)


def compiled(text: str, name: str = "fuzz.net") -> tuple[Program, str, Compiled]:
    """The net that is meant, its `expect` lines held; raises `CompileError` or `Wrong`."""
    how = trial(text)
    program = program_of(SourceFile(name, text), how.defines)
    net = program.pick(how.net)
    made = compile_net(program, net)
    facts: dict[object, Facts] = {None: Facts(made.graph, made.costs, made.labels)}
    first = made.graph.inputs[0].name
    for expectation in made.expects:
        at = expectation.statement.at
        size = evaluate(at, expectation.env) if at is not None else None
        size = (size,) if isinstance(size, int) else size
        if size is not None and size not in facts:
            other = compile_net(program, net, {first: size})
            facts[size] = Facts(other.graph, other.costs, other.labels)
        broken = facts[size].check(expectation)
        if broken is not None:
            raise Wrong(f"{expectation.statement.span.text}: {broken.message}")
    return program, net, made


def tried_at(made: Compiled, sizes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The inputs' sizes where the open ones are as the text says."""
    return {
        v.name: tuple(d if isinstance(d, int) else d.at(sizes) for d in v.type.shape)
        for v in made.graph.inputs
    }


def verdict(text: str, threads: int = 1) -> tuple[Failure | None, Compiled | None]:
    """What is wrong with a program, None where nothing is; and the net.

    The threads are onnxruntime's.
    """
    made, how = None, trial(text)
    try:
        program, net, made = compiled(text)
        try:
            report = verify_graph(made.graph, seed=how.seed, threads=threads)
        except NetdslError as error:
            if error.diagnostics[-1].code not in ("no-valid-size", "open-size") or not how.sizes:
                raise
            report = verify_graph(
                compile_net(program, net, tried_at(made, how.sizes)).graph,
                seed=how.seed,
                threads=threads,
            )
        emit_dot(made.graph)
    except Wrong as wrong:
        return Failure("expect", str(wrong)), made
    except NetdslError as error:
        return Failure(f"error {error.diagnostics[0].code}", str(error)), made
    except OpError as error:
        return Failure(f"not lowered {error.code}", error.message), made
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "netdsl" in f.filename]
        return (
            Failure(
                f"{type(error).__name__} in "
                + " < ".join(
                    f"{os.path.basename(f.filename)}:{f.name}" for f in reversed(frames[-2:])
                ),
                traceback.format_exc(),
            ),
            made,
        )
    if report.ok:
        return None, made
    story = "\n".join(
        f"{d.message}\n" + "\n".join(f"  {k}: {v}" for k, v in d.values.items())
        for d in report.differences()
    )
    first = report.first
    claim = next(c.name for c in report.claims if c.difference is not None)
    return Failure(f"{claim}: {first.kind if first else ''}", story), made
