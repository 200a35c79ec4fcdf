"""Divides a net into the stages of a pipeline, one for each process; imports no torch.

A stage is one or several labels at the top level of the net. A layer without weights that has no
label belongs to the stage before it, or else to the first one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from netdsl.data.calls import respelled, suggest
from netdsl.errors import EntryPart, SettingError
from netdsl.ir.graph import Graph, NetOutput
from netdsl.ops.dropout import TrainingOnly
from netdsl.train.freezing import frozen_until
from netdsl.train.recipe.options import FP16, SHARDED
from netdsl.train.selection import Selection, kinds_of
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.ir.graph import Node, Value
    from netdsl.train.config import TrainConfig

KEY = "stages"
PER_STAGE = 4  # micro-batches; then at most a fifth of the time of a step is spent on waiting


class Stage(NamedTuple):
    """The layers that one process of a run with so many `stages` has.

    It takes the values of the stage before it, and gives what later stages use. The first stage
    takes the inputs of the net, and the last one gives its outputs.
    """

    number: int
    stages: int
    title: str
    nodes: list[Node]
    takes: list[Value]
    gives: list[Value]

    @property
    def is_first(self) -> bool:
        """Whether it takes the inputs of the net."""
        return self.number == 0

    @property
    def is_last(self) -> bool:
        """Whether it gives the outputs of the net."""
        return self.number + 1 == self.stages

    @property
    def reads(self) -> bool:
        """Whether it needs samples: their inputs or their targets."""
        return self.is_first or self.is_last


def micro_batches_of(config: TrainConfig) -> int:
    """The number of micro-batches into which a batch is divided."""
    if config.micro_batches is not None:
        return config.micro_batches
    return max(1, min(PER_STAGE * len(config.stages), config.batch // 2))


def check_stages(graph: Graph, config: TrainConfig) -> None:
    """Raise SettingError unless the net and the recipe can be trained in the stages of the recipe.

    It is `bad-stages` or `unknown-layer` for the stages, and `bad-argument` for other settings.
    """
    for key, is_used, help_ in (
        ("strategy", config.strategy == SHARDED, "leave one of the two out"),
        ("sync_bn", config.sync_bn, "leave it out: a stage has the samples of all processes"),
        ("precision", config.precision == FP16, "write `precision = bf16`"),
        ("compile", config.compile, "leave it out"),
    ):
        if is_used:
            value = str(getattr(config, key)).lower()
            message = f"`{key}` is {value}, which `stages` does not permit"
            raise SettingError("bad-argument", message, key, help_)
    count = micro_batches_of(config)
    if count > 1 and 2 * count > config.batch:
        message = f"`micro_batches` is {count}, but `batch` is {config.batch}"
        most = max(1, config.batch // 2)
        help_ = f"each needs 2 samples: write at most `micro_batches = {most}`, or a larger batch"
        raise SettingError("bad-argument", message, "micro_batches", help_)
    stages = stages_of(graph, config)
    trained = Selection(kinds_of(graph))
    frozen = {name for part in frozen_until(config, trained).values() for name in part}
    for stage in stages:
        own = {n.tensor_name(key) for n in stage.nodes if not n.frozen for key in n.params()}
        if not own & (trained.kinds.keys() - frozen):
            message = f"stage {stage.title} has no weights that are trained from the first epoch"
            help_ = "make it a part of another stage, or train one of its layers"
            raise SettingError("bad-stages", message, KEY, help_)


def stages_of(graph: Graph, config: TrainConfig) -> list[Stage]:
    """The stages of a net, in order; raises SettingError as `check_stages` does."""
    labels = _labels(config)
    if graph.aux:
        name = graph.aux[0].name
        message = f"`{graph.name}` has the auxiliary head `{name}`, which `stages` does not permit"
        raise SettingError(
            "bad-stages", message, KEY, "train it in one process, or without the head"
        )
    _check_labels(graph, labels)
    numbers = {label: number for number, own in enumerate(labels) for label in own}
    groups: list[list[Node]] = [[] for _ in labels]
    current = 0
    for node in graph.nodes:
        label = node.at_depth(1).label
        if label not in numbers and _has_weights(node):
            raise _left_out(label, graph, labels[current])
        number = numbers.get(label, current)
        if number < current:
            raise _disordered(label, labels)
        current = number
        groups[number].append(node)
    _check_shared(groups, labels)
    return _joined(graph, groups, labels)


def graph_of(graph: Graph, stage: Stage) -> Graph:
    """The layers of a stage as a net of their own, whose weights have the names of the whole."""
    part = Graph(f"{graph.name}_{stage.number}", "", graph.site)
    part.inputs, part.nodes, part.root = stage.takes, stage.nodes, graph.root
    part.outputs = [NetOutput(value.name, value) for value in stage.gives]
    return part


def _labels(config: TrainConfig) -> list[tuple[str, ...]]:
    return [(own,) if isinstance(own, str) else tuple(own) for own in config.stages]


def _title(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return f"`{labels[0]}`"
    return f"`{labels[0]}` to `{labels[-1]}`"


def _check_labels(graph: Graph, labels: list[tuple[str, ...]]) -> None:
    """Raise SettingError unless each label is at the top level, and they have its order."""
    places: dict[str, int] = {}
    for place, node in enumerate(graph.nodes):
        places.setdefault(node.at_depth(1).label, place)
    given = [label for own in labels for label in own]
    for number, label in enumerate(given):
        part = EntryPart(label)
        if label in given[:number]:
            raise SettingError(
                "bad-stages", f"`stages` has `{label}` twice", KEY, "keep one", part=part
            )
        if label in places:
            continue
        names = [name for name in places if not name.isdigit()]
        inside = _inside(graph, label)
        if inside is not None:
            message = f"`{label}` is inside `{inside}`, so it cannot be a stage"
            help_ = f"a stage is at the top level of the net: {suggest(label, names)}"
            raise SettingError("bad-stages", message, KEY, help_, part=part)
        message = f"`{graph.name}` has no label `{label}` at its top level"
        help_, fix = suggest(label, names), respelled(label, names)
        raise SettingError("unknown-layer", message, KEY, help_, fix, part)
    for before, after in pairwise(given):
        if places[before] > places[after]:
            raise _disordered(after, labels, before)


def _inside(graph: Graph, label: str) -> str | None:
    """The part of the net that has a label inside, if there is one."""
    for node in graph.nodes:
        path = node.name.split(".")
        steps = label.split(".")
        inner = [path[i : i + len(steps)] for i in range(1, len(path))]
        if path[: len(steps)] == steps or steps in inner:
            return path[0]
    return None


def _disordered(label: str, labels: list[tuple[str, ...]], before: str = "") -> SettingError:
    """The error about a label whose layers are not after those of the stages before it."""
    before = before or next(own[-1] for own in reversed(labels) if label not in own)
    message = f"`stages` has `{label}` after `{before}`, but its layers come before those"
    help_ = "write the stages in the order of the net"
    return SettingError("bad-stages", message, KEY, help_, part=EntryPart(label))


def _left_out(label: str, graph: Graph, own: tuple[str, ...]) -> SettingError:
    """The error about a part with weights that no stage has; the help adds it to stage `own`."""
    order = dict.fromkeys(node.at_depth(1).label for node in graph.nodes)
    with_it = [name for name in order if name == label or name in own]
    quoted = [name if name.isidentifier() else f'"{name}"' for name in with_it]
    message = f"`stages` leaves out `{label}`, which has weights"
    return SettingError("bad-stages", message, KEY, f"add it to a stage: `({', '.join(quoted)})`")


def _has_weights(node: Node) -> bool:
    """Whether a layer has weights or moving averages of its own."""
    own = [*node.params().values(), *node.buffers().values()]
    return not node.shared and any(not param.tied and not param.is_constant for param in own)


def _check_shared(groups: list[list[Node]], labels: list[tuple[str, ...]]) -> None:
    """Raise SettingError if layers of two stages share a weight."""
    owners: dict[str, int] = {}
    for number, nodes in enumerate(groups):
        for node in nodes:
            for key, param in (node.params() | node.buffers()).items():
                name = param.tied or node.tensor_name(key)
                first = owners.setdefault(name, number)
                if first != number:
                    own, other = _title(labels[number]), _title(labels[first])
                    message = f"`{node.name}` in stage {own} uses `{name}` of stage {other}"
                    help_ = "layers that share weights must be in one stage"
                    raise SettingError("bad-stages", message, KEY, help_)


def _joined(graph: Graph, groups: list[list[Node]], labels: list[tuple[str, ...]]) -> list[Stage]:
    """The stages with the values that cross from one to the next."""
    last: dict[int, int] = {}  # the last stage that uses a value, by its id
    for number, nodes in enumerate(groups):
        last |= {id(value): number for node in nodes for value in node.taken}
    last |= {id(output.value): len(groups) for output in graph.outputs}
    stages: list[Stage] = []
    known, takes = list(graph.inputs), list(graph.inputs)
    for number, nodes in enumerate(groups):
        known += [value for node in nodes for value in node.outputs]
        gives = [value for value in known if last.get(id(value), -1) > number]
        title = _title(labels[number])
        if number + 1 == len(groups):
            gives = [output.value for output in graph.outputs]
        else:
            for value in gives:
                _check_crossing(value, title)
            if not gives:
                message = f"the stages after {title} use nothing of it"
                raise SettingError("bad-stages", message, KEY, "leave the stage out")
        stages.append(Stage(number, len(groups), title, nodes, takes, gives))
        takes = gives
    return stages


def _check_crossing(value: Value, title: str) -> None:
    """Raise SettingError for a value that cannot be passed on to another process."""
    if value.type.dtype != "float32":
        used = f"`{value.name}` of stage {title} is used in a later stage"
        message = f"{used}, but its numbers are {value.type.dtype}"
        help_ = "only float32 can be passed on: put the layers that use it into the same stage"
        raise SettingError("bad-stages", message, KEY, help_)


def said_of(graph: Graph, stages: Sequence[Stage], config: TrainConfig) -> list[str]:
    """What a user has to know of a run in stages, as lines."""
    count, lines = micro_batches_of(config), []
    drops = any(
        isinstance(node.op, TrainingOnly) or getattr(node.op, "dropout", 0) for node in graph.nodes
    )
    for stage in stages:
        size = sum(
            param.size
            for node in stage.nodes
            if not node.shared
            for param in node.params().values()
            if not param.tied and not param.is_constant
        )
        lines.append(f"process {stage.number}: stage {stage.title}, {counted(size, 'parameter')}")
    batches = "1 piece" if count == 1 else f"{count} micro-batches"
    lines.append(f"each batch of {config.batch} passes through the stages in {batches}")
    if any("running_mean" in node.buffers() and not node.frozen for node in graph.nodes):
        lines.append("batch norms use the statistics of a micro-batch, not of the whole batch")
    if drops:
        lines.append("dropout draws other numbers than in one process")
    return lines
