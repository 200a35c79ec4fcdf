"""Values of a `train` section: plain Python values and calls such as `cifar10(root = "DIR")`."""

from typing import Any, NamedTuple


class Call(NamedTuple):
    """A named thing with arguments, as written in a `train` section or after `--data`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}


class ConfigError(Exception):
    """A value of a `train` section, or the data it names, is wrong.

    `key` is the entry it stands in, `help` the advice.
    """

    def __init__(self, code: str, message: str, key: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.key = key
        self.help = help
