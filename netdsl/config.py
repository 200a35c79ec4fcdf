"""Values of a `train` section: plain Python values and calls such as `cifar10(root = "DIR")`."""

from typing import Any, NamedTuple


class SettingCall(NamedTuple):
    """A named thing with arguments, as written in a `train` section or after `--data`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
