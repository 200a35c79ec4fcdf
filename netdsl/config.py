"""The calls that are values of a `train` section; its other values are plain Python values."""

from typing import NamedTuple


class SettingCall(NamedTuple):
    """A call such as `cifar10(root = "DIR")`, in a `train` section or after `--data`."""

    name: str
    args: tuple[object, ...] = ()
    kwargs: dict[str, object] = {}
