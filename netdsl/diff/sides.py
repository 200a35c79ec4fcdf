"""Which nets are compared: the files that the user names, and their nets, which are paired."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netdsl.diff.parts import NetParts
from netdsl.diff.words import is_committed, is_model
from netdsl.driver import compile_net, open_program, program_of
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netdsl.diagnostics import Diagnostic
    from netdsl.driver import Compiled
    from netdsl.elaborate.program import Program


class Side(NamedTuple):
    """A file that is compared, and the net that the user names, if any.

    `word` is the file as the user names it, and `inputs` are sizes for its nets, as in
    `compile_net`.
    """

    word: str
    program: Program
    net: str | None
    inputs: Mapping[str, tuple[int, ...]]


class Couple(NamedTuple):
    """Two nets that are compared; one is None if only one file has the net."""

    before: Compiled | None
    after: Compiled | None


def open_side(
    file: str,
    net: str | None,
    defines: Mapping[str, str],
    inputs: Mapping[str, tuple[int, ...]],
    others: Sequence[str] = (),
) -> Side:
    """The file that a user names; raises `NetdslError`, with advice that can name the `others`."""
    if is_committed(file) and is_model(file):
        raise NetdslError(
            "wrong-format",
            f"`{file}` is an ONNX model in git, and only texts are read from there",
            help="write the model into a file: `git show REVISION:FILE > old.onnx`",
        )
    if is_model(file):
        from netdsl.importers.whole import whole_model  # it needs onnx

        # `-D` is for the net on the other side.
        return Side(file, whole_model(file, inputs).compiled.program, net, {})
    if is_committed(file):
        from netdsl.diff.revisions import open_committed  # few runs need git

        source, files = open_committed(file)
        return Side(file, program_of(source, defines, files), net, inputs)
    try:
        return Side(file, open_program(file, defines), net, inputs)
    except NetdslError as error:
        if error.code == "file-not-found":
            _advise_prefix(error.diagnostic, file, net, others)
        raise


def _advise_prefix(
    diagnostic: Diagnostic, file: str, net: str | None, others: Sequence[str]
) -> None:
    """Set the advice for a word without `git:` that is a revision."""
    from netdsl.diff.revisions import without_prefix  # few words are revisions

    meant = without_prefix(file, others)
    if meant is not None:
        diagnostic.help = f"write `{meant}{f':{net}' * bool(net)}`"


def couples_of(before: Side, after: Side) -> list[Couple]:
    """The pairs of nets, in the order of the second file; raises `NetdslError`.

    A net that is named is compared with the one of the same name, unless the other is named too.
    Without names, all nets of the files are compared by name; a net that has another name but is
    the same is paired, too, and so are the only nets of two files.
    """
    names = before.program.nets(), after.program.nets()
    if before.net is not None or after.net is not None:
        return [_named(before, after)]
    if len(names[0]) == len(names[1]) == 1:
        return [Couple(_compiled(before, names[0][0]), _compiled(after, names[1][0]))]
    if not names[0] and not names[1]:
        after.program.pick(None)
    both = [name for name in names[1] if name in names[0]]
    gone = {n: _compiled(before, n) for n in names[0] if n not in both}
    couples = []
    for name in names[1]:
        net = _compiled(after, name)
        if name in both:
            couples.append(Couple(_compiled(before, name), net))
            continue
        same = next((n for n, other in gone.items() if _are_equal(other, net)), "")
        couples.append(Couple(gone.pop(same, None), net))
    return [*couples, *(Couple(net, None) for net in gone.values())]


def _named(before: Side, after: Side) -> Couple:
    """The pair of nets of which at least one is named."""
    return Couple(_picked(before, after.net), _picked(after, before.net))


def _picked(side: Side, other: str | None) -> Compiled:
    """The net that the user names, or the one with the other net's name, or the only one."""
    name = side.net
    if name is None and other in side.program.nets():
        name = other
    return _compiled(side, side.program.pick(name))


def _compiled(side: Side, name: str) -> Compiled:
    return compile_net(side.program, name, side.inputs)


def _are_equal(a: Compiled, b: Compiled) -> bool:
    """Whether two nets have the same layers and labels."""
    parts = NetParts()
    return parts.tree(a.graph).exact == parts.tree(b.graph).exact
