"""`netdsl look`: shows what a trained net has learned, as one page or as one picture."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import torch

from netdsl.commands.common import UsageError
from netdsl.commands.destinations import destination, format_of
from netdsl.commands.looked import RANDOM, open_subject
from netdsl.commands.output import note, printing, say
from netdsl.data.source import PROGRESS
from netdsl.files import check_replaceable, replacing
from netdsl.look.attribution import is_installed
from netdsl.look.figures import write_figure
from netdsl.look.page import About, page_of
from netdsl.look.saliency import NO_CAPTUM
from netdsl.look.views import OF_CLASSES, VIEWS, all_views
from netdsl.version import __version__
from netdsl.words import counted

if TYPE_CHECKING:
    import argparse

    from netdsl.commands.looked import Opened

SUFFIXES = (".html", ".png", ".svg", ".pdf")


def run(arguments: argparse.Namespace) -> int:
    """Write the page or the picture that `-o` names."""
    suffix = format_of(arguments.output, arguments.to, SUFFIXES)
    if arguments.view is None and suffix != ".html":
        raise UsageError(
            f"all views are on one page, which is .html; for {suffix}, name one of"
            f" {', '.join(VIEWS)}"
        )
    if arguments.view in OF_CLASSES and arguments.layer is not None:
        raise UsageError(f"`{arguments.view}` is about the whole net: leave --layer out")
    PROGRESS.set(not printing().quiet)
    with destination(arguments.output, suffix) as path:
        check_replaceable(path)
        names = list(VIEWS) if arguments.view is None else [arguments.view]
        opened = open_subject(arguments, names)
        names = [name for name in names if name not in opened.left_out]
        if arguments.view is None:
            views = all_views(opened.looked, names)
        else:
            views = [VIEWS[arguments.view](opened.looked)]
        if "saliency" in names and not is_installed():
            note(f"note: {NO_CAPTUM}")
        if suffix == ".html":
            page = page_of(_about(arguments, opened), views)
            with replacing(path) as temporary:
                temporary.write_text(page, encoding="utf-8")
        else:
            write_figure(views[0], path)
    say(f"{', '.join(view.name for view in views)}: {arguments.output}")
    return 0


def _about(arguments: argparse.Namespace, opened: Opened) -> About:
    """The head of the page, and the command that writes it again."""
    looked = opened.looked
    name = looked.net.graph.name
    facts = {"net": name, "weights": arguments.weights or "in the text"}
    if arguments.weights == RANDOM:
        facts["weights"] = f"random, from the seed {arguments.seed}: the net is untrained"
    if looked.pictures is not None:
        facts["pictures"] = f"{counted(len(looked.pictures), 'test picture')} of"
        facts["pictures"] += f" {looked.pictures.name}"
    if looked.own is not None:
        facts["own picture"] = looked.own.name
    if opened.notes:
        facts["note"] = "; ".join(opened.notes)
    if opened.left_out:
        facts["left out"] = f"{', '.join(opened.left_out)}: {opened.reason}"
    facts["seed"] = str(looked.choice.seed)
    facts["versions"] = f"netdsl {__version__}, PyTorch {torch.__version__}"
    if looked.net.device.type != "cpu":
        facts["device"] = torch.cuda.get_device_name(looked.net.device)
    command = shlex.join(["netdsl", *arguments.words])
    return About(f"What {name} has learned", facts, command)
