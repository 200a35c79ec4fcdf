"""The options of the layer table, and which of them can be combined."""

from __future__ import annotations

import argparse
from types import MappingProxyType

from netdsl.analysis.figures import FIGURES, PARALLEL, SHOW, USUAL
from netdsl.commands.common import UsageError
from netdsl.commands.options import levels
from netdsl.diagnostics import did_you_mean

TABLE_OPTIONS = (
    *("depth", "only", "show", "columns"),
    *("sort", "tree", "flat", "csv", "markdown", "side_by_side"),
)
USED_OPTIONS = {"text": TABLE_OPTIONS, "json": ("depth", "only")}  # by format
JSON_HAS = {
    "show": "has every column",
    "columns": "has every column",
    "csv": "is another format",
    "markdown": "is another format",
}
OVERVIEW = ("params", "macs")  # the columns by which the nets of a file can be sorted

# What other programs call a column.
COLUMN_WORDS = MappingProxyType(
    {
        **dict.fromkeys(("flops", "gflops", "mult_adds", "multadds", "madds"), "macs"),
        **dict.fromkeys(("param", "parameters", "param_num", "num_params", "#params"), "params"),
        **dict.fromkeys(("shape", "shapes", "output_shape", "output_size", "outputs"), "output"),
        **dict.fromkeys(("type", "types", "op", "layer_type", "kinds"), "kind"),
        **dict.fromkeys(("kernel", "kernel_size", "stride", "filter"), "window"),
        **dict.fromkeys(("input", "inputs", "sources"), "from"),
        **dict.fromkeys(("rf", "receptive", "receptive_field", "receptive_fields"), "field"),
        **dict.fromkeys(("bytes", "mem", "activations"), "memory"),
        **dict.fromkeys(("neurons", "unit"), "units"),
        "weight": "weights",
        "buffer": "buffers",
    }
)
NAMES = ("name", "names", "layer", "layers")  # a column that every table has

# Pairs that make no sense, and the reason.
REFUSED = {
    ("tree", "flat"): "choose one of them",
    ("tree", "csv"): "CSV has one line for each layer",
    ("tree", "markdown"): "Markdown has one line for each layer",
    ("tree", "only"): "blocks would be without some of their layers",
    ("tree", "sort"): "a tree has the order of the text",
    ("csv", "markdown"): "choose one of them",
    **{
        ("side_by_side", other): "nets beside each other have a table of their own"
        for other in ("depth", "only", "show", "columns", "sort", "tree", "flat", "csv", "markdown")
    },
}


def add_table_options(command: argparse.ArgumentParser) -> None:
    """Declare the options."""
    command.add_argument(
        "--depth",
        type=levels,
        metavar="N",
        help="print blocks nested deeper than N levels as one row each; 0 prints one line for each"
        " net",
    )
    command.add_argument(
        "--side-by-side",
        action="store_true",
        help="print the layers of several nets beside each other, with the differences marked",
    )
    command.add_argument(
        "--show",
        type=_more_columns,
        default=(),
        metavar="COLUMNS",
        help=f"add columns to the table, separated by commas: {', '.join(SHOW)}; or all (field is"
        f" the receptive field); {PARALLEL} adds tables about training on several devices",
    )
    command.add_argument(
        "--columns",
        type=_only_columns,
        default=(),
        metavar="COLUMNS",
        help=f"print only these columns, separated by commas: {', '.join(USUAL + SHOW)}; or all",
    )
    command.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="KINDS",
        help="print only layers of these kinds, such as conv,dense",
    )
    _add_forms(command)


def _add_forms(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--sort",
        choices=FIGURES,
        default="",
        metavar="COLUMN",
        help=f"print the rows with the largest figures first: {', '.join(FIGURES)}",
    )
    command.add_argument(
        "--tree",
        action="store_true",
        help="print blocks with subtotals and indented layers, and equal blocks once; a terminal"
        " shows this form",
    )
    command.add_argument(
        "--flat",
        action="store_true",
        help="print one row for each layer, with its full name; files and pipes get this form",
    )
    command.add_argument(
        "--csv", action="store_true", help="print the table as CSV, with numbers for programs"
    )
    command.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def check_table_options(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for options without an effect, and for those that exclude each other."""
    given = [name for name in TABLE_OPTIONS if is_given(arguments, name)]
    if arguments.format == "json" and arguments.show == (PARALLEL,):
        given.remove("show")
    _refuse_unused(arguments.format, given)
    for (one, other), reason in REFUSED.items():
        if one in given and other in given:
            raise UsageError(
                f"--{one.replace('_', '-')} and --{other} cannot be combined: {reason}"
            )
    if arguments.depth == 0:
        _refuse_for_overview(arguments, given)


def is_given(arguments: argparse.Namespace, option: str) -> bool:
    """Whether an option has another value than its default; `--depth 0` has."""
    value = getattr(arguments, option)
    return value is not None and value is not False and value not in ("", ())


def _written(option: str) -> str:
    """An option as users write it."""
    return f"--{option.replace('_', '-')}"


def _refuse_unused(form: str, given: list[str]) -> None:
    """Raise `UsageError` for an option that has no effect on the chosen format.

    JSON output has rows to choose from and always every column. SARIF and GitHub's format have only
    diagnostics.
    """
    for option in given:
        if option not in USED_OPTIONS.get(form, ()):
            has = "has no table"
            if form == "json":
                has = JSON_HAS.get(option, "lists the layers in the order of the text")
            raise UsageError(f"{_written(option)} is for the table: --format {form} {has}")


def _refuse_for_overview(arguments: argparse.Namespace, given: list[str]) -> None:
    """Raise `UsageError` for what the table of nets, one line for each, does not have."""
    if arguments.format != "text":
        return
    for option in ("show", "columns", "tree"):
        if option in given:
            raise UsageError(
                f"--depth 0 and --{option} cannot be combined: nets have one line each"
            )
    if arguments.sort and arguments.sort not in OVERVIEW:
        raise UsageError(
            f"--depth 0 has no column {arguments.sort}: sort it by {' or '.join(OVERVIEW)}"
        )


def _more_columns(text: str) -> tuple[str, ...]:
    """The columns that are added, and `parallel` if its tables are."""
    names = text.split(",")
    if PARALLEL not in names or names == [PARALLEL]:
        return tuple(names) if names == [PARALLEL] else _columns(text, SHOW, always=USUAL)
    others = ",".join(name for name in names if name != PARALLEL)
    return (*_columns(others, SHOW, always=USUAL), PARALLEL)


def _only_columns(text: str) -> tuple[str, ...]:
    return _columns(text, USUAL + SHOW)


def _columns(text: str, known: tuple[str, ...], always: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The columns of a text; the table has those in `always` without being asked."""
    if text == "all":
        return known
    names = tuple(text.split(","))
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(_no_column(name, known, always))
    return names


def _no_column(name: str, known: tuple[str, ...], always: tuple[str, ...]) -> str:
    """The message about a column that cannot be chosen."""
    word = name.strip().lower().replace(" ", "_").replace("-", "_")
    if word in NAMES:
        return f"`{name}` cannot be chosen: the names of the layers are always printed"
    meant = COLUMN_WORDS.get(word, word)
    if name in always:
        return f"`{name}` cannot be added; the table has it already"
    if meant in always:
        return f"there is no column `{name}`; the table has `{meant}` already"
    if meant in known:
        return f"there is no column `{name}`; write `{meant}`"
    advice = did_you_mean(name, known) or f"the columns are {', '.join(known)}"
    return f"there is no column `{name}`; {advice}"
