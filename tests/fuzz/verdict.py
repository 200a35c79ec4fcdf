"""Whether a program passes: its `expect` lines are true and `netdsl verify` finds no difference."""

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
    """A failure: a short name, the same for every failure of this kind, and the details."""

    name: str
    story: str


class Trial(NamedTuple):
    """How to compile a text."""

    net: str | None
    defines: dict[str, str]
    sizes: dict[str, int]
    seed: int  # the seed of the weights


class Wrong(Exception):
    """An `expect` of the text is false."""


def trial(text: str) -> Trial:
    """Read the comment lines at the top."""
    net, defines, sizes, seed = None, dict[str, str](), dict[str, int](), 0
    for line in text.split("\n"):
        match = _HEAD.fullmatch(line)
        if match is None:
            break
        key, value = match.groups()
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
    """Compile the chosen net and check its `expect` lines; raises `CompileError` or `Wrong`."""
    settings = trial(text)
    program = program_of(SourceFile(name, text), settings.defines)
    net = program.pick(settings.net)
    result = compile_net(program, net)
    facts: dict[object, Facts] = {None: Facts(result.graph, result.costs, result.labels)}
    first = result.graph.inputs[0].name
    for expectation in result.expects:
        at = expectation.statement.at
        size = evaluate(at, expectation.env) if at is not None else None
        size = (size,) if isinstance(size, int) else size
        assert size is None or isinstance(size, tuple)
        if size is not None and size not in facts:
            other = compile_net(program, net, {first: size})
            facts[size] = Facts(other.graph, other.costs, other.labels)
        broken = facts[size].check(expectation)
        if broken is not None:
            raise Wrong(f"{expectation.statement.span.text}: {broken.message}")
    return program, net, result


def tried_at(result: Compiled, sizes: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The sizes of the inputs, with numbers for the open sizes."""
    return {
        v.name: tuple(d if isinstance(d, int) else d.at(sizes) for d in v.type.shape)
        for v in result.graph.inputs
    }


def verdict(text: str, threads: int = 1) -> tuple[Failure | None, Compiled | None]:
    """How a program fails, or None if it passes, and the compiled net.

    `threads` is the number of threads of onnxruntime.
    """
    result, settings = None, trial(text)
    try:
        program, net, result = compiled(text)
        try:
            report = verify_graph(result.graph, seed=settings.seed, threads=threads)
        except NetdslError as error:
            if (
                error.diagnostics[-1].code not in ("no-valid-size", "open-size")
                or not settings.sizes
            ):
                raise
            report = verify_graph(
                compile_net(program, net, tried_at(result, settings.sizes)).graph,
                seed=settings.seed,
                threads=threads,
            )
        emit_dot(result.graph)
    except Wrong as wrong:
        return Failure("expect", str(wrong)), result
    except NetdslError as error:
        return Failure(f"error {error.diagnostics[0].code}", str(error)), result
    except OpError as error:
        return Failure(f"not lowered {error.code}", error.message), result
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
            result,
        )
    if report.ok:
        return None, result
    story = "\n".join(
        f"{d.message}\n" + "\n".join(f"  {k}: {v}" for k, v in d.values.items())
        for d in report.differences()
    )
    first = report.first
    claim = next(c.name for c in report.claims if c.difference is not None)
    return Failure(f"{claim}: {first.kind if first else ''}", story), result
