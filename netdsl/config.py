"""The calls that are values of a `train` section; its other values are plain Python values."""

from typing import Any, NamedTuple


class SettingCall(NamedTuple):
    """A call such as `cifar10(root = "DIR")`, in a `train` section or after `--data`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
