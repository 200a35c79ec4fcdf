"""Opens a trained net for a command: its text, its weights and the data of its training."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from netdsl.commands.common import load_one, warn_of_other_net
from netdsl.commands.output import printing, say
from netdsl.data.catalog import describe_dataset, open_dataset
from netdsl.errors import SettingError
from netdsl.train.fit import check_ends, check_scores, fitted
from netdsl.train.section import entry_of, placed, read_config
from netdsl.weights.checkpoints import fit, read_weights, report, tensors_of
from netdsl.weights.record import record_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from netdsl.data.dataset import Dataset
    from netdsl.driver import Compiled
    from netdsl.train.config import TrainConfig
    from netdsl.weights.record import RunRecord


class NetWithWeights(NamedTuple):
    """A net with weights that fit it, the record of its training, and its `train` section."""

    compiled: Compiled
    weights: Mapping[str, object]
    record: RunRecord | None
    config: TrainConfig
    data: str | None  # the data set that the user names, or else the record


class TestedNet(NamedTuple):
    """A net for the sizes of a data set; `output` is the number of the output that is tested."""

    compiled: Compiled
    dataset: Dataset
    output: int


def open_trained(arguments: argparse.Namespace) -> NetWithWeights:
    """The net that the arguments name, and its weights; raises `NetdslError`."""
    compiled = load_one(arguments, arguments.weights)
    read = read_weights(arguments.weights)
    record = record_of(read)
    data = arguments.data
    if data is None and record is not None:
        data = record.data
    config = read_config(compiled, data, _recorded(compiled, record))
    params = tensors_of(compiled.graph)
    weights = fit(params, read, allow_nonfinite=arguments.allow_nonfinite)
    say(f"{arguments.weights}: {report(params, read)}")
    return NetWithWeights(compiled, weights, record, config, data)


def _recorded(compiled: Compiled, record: RunRecord | None) -> dict[str, str]:
    """The settings of the training that a test needs: the loss, which has the outputs and targets.

    The metrics are those of the text, if it has any: the user may want others than in training.
    """
    if record is None:
        return {}
    names = ["loss"]
    if entry_of(compiled, "metrics") is None:
        names.append("metrics")
    return {name: record.settings[name] for name in names if name in record.settings}


@contextmanager
def placing(net: NetWithWeights) -> Iterator[None]:
    """Add the place in the text to an error about the data."""
    try:
        yield
    except SettingError as error:
        given = () if net.data is None else ("data",)
        raise placed(error, net.compiled, given) from None


def open_data(net: NetWithWeights, command: str) -> TestedNet:
    """The net for the data of its training; raises `NetdslError` unless they fit.

    The data are normalised as in the training. Call it inside `placing`.
    """
    check_ends(net.compiled.graph, net.config, command, describe_dataset(net.config.data))
    return tested_on(net, *open_samples(net))


def open_samples(net: NetWithWeights) -> tuple[Compiled, Dataset]:
    """The net for the sizes of its data, and the data; raises `NetdslError` unless these fit."""
    dataset = net.config.adapt(open_dataset(net.config.data, progress=not printing().quiet))
    warn_of_other_net(net.record, net.compiled.graph)
    say(dataset.note)
    return fitted(net.compiled, dataset)


def tested_on(net: NetWithWeights, sized: Compiled, dataset: Dataset) -> TestedNet:
    """The net with the targets of its data; raises `NetdslError` unless its outputs fit them."""
    output, target = check_scores(sized.graph, net.config, dataset)
    dataset = dataset.with_first(target)
    if net.record is not None:
        dataset = net.record.applied_to(dataset)
    return TestedNet(sized, dataset, output)
