"""`netdsl verify`: every back end agrees on a net, or the first node that differs and its line; a
model matches its manifest.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from netdsl.commands.common import UsageError, load_one, print_diagnostics, suffix_of
from netdsl.commands.output import say, say_json
from netdsl.render import as_json
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse

    from netdsl.ir.graph import Graph
    from netdsl.verify import Report

NAMED = 8  # layers that one line of text lists


def run(arguments: argparse.Namespace) -> int:
    """Verify a net, or hold a model against its manifest; returns the exit code."""
    if suffix_of(arguments.file) == ".onnx":
        return _verify_model(arguments)
    # The witnesses are heavy: a wrong text is said without them.
    compiled = load_one(arguments)
    weights = _weights(arguments, compiled.graph) if arguments.weights else None
    from netdsl.verify import verify_graph

    report = verify_graph(compiled.graph, weights=weights, seed=arguments.seed)
    if arguments.format == "json":
        nets = [_as_json(report, compiled.program.source.name)]
        diagnostics = [as_json(d) for d in report.differences()]
        say_json({"nets": nets, "diagnostics": diagnostics}, indent=2)
    else:
        _print(report, arguments.weights)
        sys.stdout.flush()
        print_diagnostics(list(report.differences()))
    return 0 if report.ok else 1


def _verify_model(arguments: argparse.Namespace) -> int:
    if arguments.weights or arguments.define or arguments.input:
        raise UsageError(
            "--weights, --input and -D go with a net: a model is held against its manifest"
        )
    from netdsl.backends.onnx.manifest import verify_model

    found = verify_model(arguments.file)
    if arguments.format == "json":
        files = [str(f) for f in found.files]
        say_json({"files": files, "notes": found.notes, "diagnostics": []}, indent=2)
        return 0
    for note in found.notes:
        say(f"note: {note}")
    say(f"{arguments.file}: {', '.join(f.name for f in found.files)} as the manifest has it")
    return 0


def _weights(arguments: argparse.Namespace, graph: Graph) -> dict[str, Any]:
    from netdsl.weights.checkpoints import fit, read_weights, tensors_of

    found = read_weights(arguments.weights)
    return fit(tensors_of(graph), found, allow_nonfinite=arguments.allow_nonfinite)


def _as_json(report: Report, file: str) -> dict[str, Any]:
    claims = [
        {"name": c.name, "witnesses": list(c.witnesses), "verdict": c.verdict, "detail": c.detail}
        for c in report.claims
    ]
    worst = {"k": report.worst, "layer": report.worst_node, "kind": report.worst_kind}
    return {
        "name": report.net,
        "file": file,
        "ok": report.ok,
        "sizes": report.sizes,
        "comparisons": report.comparisons,
        "worst": worst,
        "beyond": sorted(report.beyond),
        "numbers": report.numbers,
        "not_compared": report.skipped,
        "claims": claims,
    }


def _print(report: Report, weights: str | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from netdsl.commands.consoles import listing

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold", show_edge=False)
    for head in ("claim", "verdict", "", "witnesses"):
        table.add_column(head, overflow="fold")
    for claim in report.claims:
        verdict = Text(
            claim.verdict, style={"agree": "green", "differ": "bold red"}.get(claim.verdict, "dim")
        )
        table.add_row(
            claim.name, verdict, claim.detail if claim.ok else "", ", ".join(claim.witnesses)
        )
    settings = [" ".join(f"{k} = {v}" for k, v in s.items()) for s in report.sizes if s]
    out = listing()
    out.print(
        f"{report.net} with {weights or 'random weights'}, batches of"
        f" {', '.join(map(str, report.batches))}{'; ' if settings else ''}{'; '.join(settings)}"
    )
    out.print(table)
    out.print(_compared(report))
    if report.beyond:
        out.print(_not_compared(report))


def _compared(report: Report) -> str:
    from netdsl.verify import LIMIT

    compared = counted(report.comparisons, "value") + " compared"
    if not report.worst_node:
        return compared
    layer = f"layer `{report.worst_node}` ({report.worst_kind})"
    return f"{compared}; largest error: {layer}, {report.worst:.2g} of the {LIMIT:g} units allowed"


def _not_compared(report: Report) -> str:
    layers = sorted(report.beyond)
    named = ", ".join(f"`{name}`" for name in layers[:NAMED])
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    count = f"{report.skipped:,} of {report.numbers:,} numbers"
    why = "their computation is not finite in float32, or may exceed it"
    return f"not compared: {count}, in {named}{more}: {why}"
