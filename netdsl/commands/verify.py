"""`netdsl verify`: compares all back ends on a net, or a model with its manifest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.analysis.sizes import two_settings
from netdsl.commands.common import UsageError, load_one, print_diagnostics, suffix_of
from netdsl.commands.foreign import open_model
from netdsl.commands.output import note, say, say_json
from netdsl.driver import values_claims
from netdsl.ir.types import subs
from netdsl.render import as_json
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.verify import Claim, Report

MAX_NAMES = 8  # layers that are named on one line
LARGE = 10**11  # multiply-accumulates, of more than about a minute
STYLES = {"agree": "green", "differ": "bold red"}  # of verdicts; the others are dim


def run(arguments: argparse.Namespace) -> int:
    """Verify a net, or compare a model with its manifest; returns the exit code."""
    if suffix_of(arguments.file) == ".onnx":
        return _verify_model(arguments)
    # The back ends are heavy: errors in the text are reported without importing them.
    compiled = load_one(arguments, arguments.weights)
    stated = values_claims(compiled)
    weights = _weights(arguments, compiled.graph) if arguments.weights else None
    from netdsl.verify import verify_graph

    _note_large(compiled)
    report = verify_graph(compiled.graph, weights=weights, seed=arguments.seed, stated=stated)
    if arguments.format == "json":
        nets = [_as_json(report, compiled.program.source.name)]
        diagnostics = [as_json(d) for d in report.differences()]
        say_json({"nets": nets, "diagnostics": diagnostics}, indent=2)
    else:
        _print(report, arguments.weights)
        sys.stdout.flush()
        print_diagnostics(list(report.differences()))
    return 0 if report.ok else 1


def _note_large(compiled: Compiled) -> None:
    """Say at which sizes a net with open sizes is verified, if that takes long."""
    from netdsl.verify.report import BATCHES

    if not compiled.graph.symbols:
        return
    settings, macs = two_settings(compiled.graph), compiled.costs.totals().macs
    work = sum(BATCHES) * sum(int(subs(macs, sizes)) for sizes in settings)
    if work > LARGE:
        sizes = " and for ".join(map(_setting, settings))
        note(
            f"note: verifying takes {work / 1e9:,.0f} billion multiply-accumulates, for {sizes};"
            " `--input` gives smaller sizes"
        )


def _verify_model(arguments: argparse.Namespace) -> int:
    if arguments.weights or arguments.define:
        raise UsageError("--weights and -D apply only to nets: a model contains its weights")
    from netdsl.backends.onnx.manifest import manifest_path, verify_model

    if not os.path.isfile(manifest_path(Path(arguments.file))):
        return _compare_model(arguments)
    if arguments.input:
        raise UsageError("--input does not apply to a model that is compared with its manifest")
    verified = verify_model(arguments.file)
    if arguments.format == "json":
        files = [str(f) for f in verified.files]
        say_json({"files": files, "notes": verified.notes, "diagnostics": []}, indent=2)
        return 0
    for text in verified.notes:
        say(f"note: {text}")
    names = ", ".join(f.name for f in verified.files)
    say(f"{arguments.file} matches its manifest: checked {names}")
    return 0


def _compare_model(arguments: argparse.Namespace) -> int:
    """Compare the layers of a model of another tool with what onnxruntime computes."""
    imported = open_model(arguments.file, arguments)
    # PyTorch is slow to import, so errors in the model come first.
    from netdsl.importers.rules.kept import is_kept
    from netdsl.verify.imported import prove

    report = prove(imported, arguments.seed)
    kept = [node for node in imported.compiled.graph.nodes if is_kept(node)]
    if arguments.format == "json":
        entry = {**_as_json(report, arguments.file), "operators": [node.name for node in kept]}
        say_json({"nets": [entry], "diagnostics": []}, indent=2)
        return 0
    layers = counted(report.comparisons, "layer")
    agree = "agrees" if report.comparisons == 1 else "agree"
    say(f"{arguments.file}: {layers} of {report.net} {agree} with onnxruntime; {_worst(report)}")
    if kept:
        kinds = ", ".join(dict.fromkeys(node.op.kind for node in kept))
        say(f"not compared: {counted(len(kept), 'operator')} without a layer: {kinds}")
    return 0


def _weights(arguments: argparse.Namespace, graph: Graph) -> Mapping[str, object]:
    from netdsl.weights.checkpoints import fit, read_weights, tensors_of

    read = read_weights(arguments.weights)
    return fit(tensors_of(graph), read, allow_nonfinite=arguments.allow_nonfinite)


def _as_json(report: Report, file: str) -> dict[str, object]:
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

    from netdsl.commands.consoles import Cell, listing

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold", show_edge=False)
    for head in ("claim", "verdict", "result", "witnesses"):
        table.add_column(head, overflow="fold")
    for claim in report.shown:
        verdict = Text(claim.verdict, style=STYLES.get(claim.verdict, "dim"))
        detail = _detail(claim, report) if claim.ok else ""
        table.add_row(claim.name, verdict, Cell(detail), Cell(", ".join(claim.witnesses)))
    out = listing()
    out.print(Cell(_title(report, weights)))
    out.print(table)
    out.print(Cell(_compared(report)))
    if report.beyond:
        out.print(_not_compared(report))


def _title(report: Report, weights: str | None) -> str:
    batches = ", ".join(map(str, report.batches))
    title = f"{report.net} with {weights or 'random weights'}, batches of {batches}"
    settings = " and for ".join(_setting(sizes) for sizes in report.sizes if sizes)
    return title + f"; for {settings}" * bool(settings)


def _setting(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())


def _detail(claim: Claim, report: Report) -> str:
    """What a claim covers, with its unit, and the sizes if it has a number for only these."""
    match claim.name:
        case "params":
            return f"{claim.detail} numbers"
        case "macs" if report.sizes and report.sizes[0]:
            return f"{claim.detail} for {_setting(report.sizes[0])}"
    return claim.detail


def _compared(report: Report) -> str:
    compared = counted(report.comparisons, "value") + " compared"
    if not report.worst_node:
        return compared
    return f"{compared}; {_worst(report)}"


def _worst(report: Report) -> str:
    """The largest error."""
    from netdsl.verify import LIMIT

    if not report.worst_node:
        return "no rounding errors"
    layer = f"layer `{report.worst_node}` ({report.worst_kind})"
    share = f"{report.worst:.2g} of the {LIMIT:g} units of rounding allowed"
    return f"largest error: {layer}, {share}"


def _not_compared(report: Report) -> str:
    layers = sorted(report.beyond)
    named = ", ".join(f"`{name}`" for name in layers[:MAX_NAMES])
    more = f" and {len(layers) - MAX_NAMES} more" if len(layers) > MAX_NAMES else ""
    count = f"{report.skipped:,} of {report.numbers:,} numbers"
    why = "their computation is not finite in float32, or may exceed it"
    return f"not compared: {count}, in {named}{more}: {why}"
