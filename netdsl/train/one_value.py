"""What a user means who writes several values without brackets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netdsl.errors import NetdslError


def tell_one_value(error: NetdslError, option: str, text: str) -> None:
    """Explain the error of a text that has several values without brackets."""
    if "," not in text or any(sign in text for sign in "[]()"):
        return
    key = option.rpartition(".")[2].partition("(")[0]
    error.diagnostic.message = f"`{text}` is neither one value nor a list in brackets"
    error.diagnostic.help = f"write {one_value(option, key, text)}"
    error.diagnostic.fix = ()


def one_value(option: str, key: str, text: str) -> str:
    """A list without brackets as one value: a call, `adam,lr=0.1`, or else a list."""
    name, *arguments = (part.strip() for part in text.split(","))
    value = f"[{', '.join([name, *arguments])}]"
    if name.isidentifier() and all(re.match(r"\w+\s*=", argument) for argument in arguments):
        pairs = (argument.partition("=") for argument in arguments)
        value = f"{name}({', '.join(f'{k.strip()} = {v.strip()}' for k, _, v in pairs)})"
    if option.startswith("--set"):
        return f"`--set 'train.{key}={value}'`"
    return f"`{value}`"
