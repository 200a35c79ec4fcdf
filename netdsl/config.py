"""The calls that are values of a `train` section; its other values are plain Python values."""

from typing import Any, NamedTuple


class BareWord(str):
    """A name that is not in quotes, such as that of a layer or one of a few choices."""

    __slots__ = ()


class SettingCall(NamedTuple):
    """A call such as `cifar10(root = "DIR")`, in a `train` section or after `--data`."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}

    def __str__(self) -> str:
        """The call as a section has it."""
        texts = [*map(text_of, self.args), *(f"{n} = {text_of(v)}" for n, v in self.kwargs.items())]
        return f"{self.name}({', '.join(texts)})" if texts else self.name


def text_of(value: object) -> str:
    """A value as a `train` section has it."""
    match value:
        case SettingCall():
            return str(value)
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(text_of, value))}]"
        case BareWord():
            return str(value)
        case str():
            return f'"{value}"'  # the language has no escapes, so a text contains no quotes
    return str(value)
