"""The data that weights were trained on, from the metadata of their file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from netdsl.errors import NetdslError, SettingError

if TYPE_CHECKING:
    from netdsl.data.dataset import Constants, Dataset
    from netdsl.weights.checkpoints import Weights

SHOWN = 4  # classes in a message


class Trained(NamedTuple):
    """The data set as a `train` section names it, its classes, and the constants of its images.

    The constants are the mean and the deviation, by the name of the input.
    """

    data: str
    classes: tuple[str, ...]
    constants: dict[str, Constants]

    def applied_to(self, dataset: Dataset, weights: str) -> Dataset:
        """A data set with this normalisation; `weights` is their name for messages.

        Raises SettingError `data-mismatch` for a data set with other classes.
        """
        if self.classes != dataset.classes:
            message = (
                f"{weights} was trained on the classes {_listed(self.classes)}, and"
                f" {dataset.name} has {_listed(dataset.classes)}"
            )
            help_ = f"leave `--data` out: it was trained on `{self.data}`"
            raise SettingError("data-mismatch", message, "data", help_)
        if len(self.constants) == len(dataset.constants) == 1:
            return dataset.normalised_by(*next(iter(self.constants.values())))
        return dataset.with_constants(self.constants)


def trained_on(weights: Weights) -> Trained | None:
    """The data of weights that `netdsl train` wrote; None for those of other programs.

    Raises `NetdslError` for metadata that are not what it writes.
    """
    metadata = weights.metadata
    if "data" not in metadata or "settings" not in metadata:
        return None
    try:
        classes, constants = (json.loads(metadata[key]) for key in ("classes", "constants"))
        pairs = {name: (tuple(mean), tuple(std)) for name, (mean, std) in constants.items()}
        return Trained(metadata["data"], tuple(classes), pairs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the metadata of {weights.name} do not describe its data: {error}"
        raise NetdslError("bad-metadata", message) from None


def _listed(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
