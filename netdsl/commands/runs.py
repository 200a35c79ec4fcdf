"""`netdsl runs`: lists the training runs in a folder, and compares them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from rich.text import Text

from netdsl.commands.common import UsageError, print_diagnostics
from netdsl.commands.consoles import listing, plain_table
from netdsl.commands.output import say_always, say_json
from netdsl.render import as_json
from netdsl.train.records import shown, words
from netdsl.train.runs import differences, find_runs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from netdsl.train.runs import Listed

COMMON = ("net", "data")  # what the runs of a folder often have in common


def run(arguments: argparse.Namespace) -> int:
    """Print the runs, and what differs between them; returns the exit code."""
    if arguments.csv and arguments.format == "json":
        raise UsageError("--csv and --format json are different formats: give one of them")
    runs, errors = find_runs(arguments.folder, arguments.sort)
    if arguments.format == "json":
        diagnostics = [as_json(error) for error in errors]
        say_json({"runs": list(map(_json, runs)), "diagnostics": diagnostics}, indent=2)
        return int(bool(errors))
    if arguments.csv:
        say_always(*_csv(runs))
    elif arguments.quiet:
        say_always(*(one.folder for one in runs))
    else:
        _print(listing(), runs)
    print_diagnostics(errors)
    return int(bool(errors))


def _json(one: Listed) -> dict[str, object]:
    """A run under the keys of the JSON output: its folder, and those of its file."""
    best = one.best and one.best._asdict()
    return {"folder": one.folder, **one.file, "state": one.state, "best": best}


def _csv(runs: Sequence[Listed]) -> list[str]:
    """A line with heads, and one for each run with its figures and all its settings."""
    settings = list(dict.fromkeys(name for one in runs for name in one.file["settings"]))
    rows = [
        [
            *("folder", "state", "net", "data_set", "done", "started", "ended"),
            *("best_metric", "best_value", "best_epoch", *settings),
        ]
    ]
    for one in runs:
        file = one.file
        row = [one.folder, one.state, file["net"], file["data"]["name"], str(file["done"])]
        row += [file["started"], file["ended"], *map(str, one.best or ("", "", ""))]
        rows.append([*row, *(file["settings"].get(name, "") for name in settings)])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().splitlines()


def _print(out: Console, runs: list[Listed]) -> None:
    columns = [
        ("run", [one.folder for one in runs]),
        ("net", [one.file["net"] for one in runs]),
        ("data", [one.file["data"]["name"] for one in runs]),
        ("epochs", [f"{one.file['done']}/{one.file['epochs']}" for one in runs]),
        ("best", [_best(one) for one in runs]),
        ("epoch", ["-" if one.best is None else str(one.best.epoch) for one in runs]),
        ("started", [one.started for one in runs]),
        ("state", [one.state for one in runs]),
    ]
    # What all runs have in common is printed once, because a terminal has few columns.
    common = [head for head, cells in columns if head in COMMON and len(set(cells)) == 1]
    if common:
        texts = [f"{head} {cells[0]}" for head, cells in columns if head in common]
        out.print(Text(f"all runs: {', '.join(texts)}"))
    shown_columns = [column for column in columns if column[0] not in common]
    heads, cells = zip(*shown_columns, strict=True)
    out.print(plain_table(heads, list(zip(*cells, strict=True))))
    _print_reasons(out, runs)
    different = differences(runs)
    if different:
        out.print()
        out.print(_differences(different))


def _best(one: Listed) -> str:
    if one.best is None:
        return "-"
    return f"{words(one.best.key)} {shown(one.best.key, one.best.value)}"


def _print_reasons(out: Console, runs: Sequence[Listed]) -> None:
    """Why runs ended early."""
    for one in runs:
        if one.file["reason"]:
            out.print(Text(f"{one.folder}: {one.file['reason']}"), soft_wrap=True)


def _differences(different: Mapping[str, Mapping[str, Sequence[str]]]) -> Table:
    """A row for each value of what differs, with the runs that have it."""
    rows = []
    for name, folders in different.items():
        rows += [["", text, ", ".join(found)] for text, found in folders.items()]
        rows[-len(folders)][0] = name
    return plain_table(["difference", "value", "runs"], rows)
