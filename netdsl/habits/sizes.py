"""The sizes of inputs as other tools write them: `(None, 3, 32, 32)`, `3*32*32`, `?x3x8x8`."""

from __future__ import annotations

import re

from netdsl.habits.words import TYPES

ELEMENT_TYPES = ("float32", "float16", "float64", "int64", "int32", "uint8", "bool")
_BATCH = ("none", "batch", "batch_size", "batchsize", "bs", "b", "n", "?", "-1", "*")
_OPEN = ("none", "?", "-1", "*")
_WORDS = {"channels": "C", "channel": "C", "height": "H", "width": "W", "length": "L", "depth": "D"}
_LETTERS = {1: "L", 2: "CL", 3: "CHW", 4: "CDHW"}  # the open sizes of so many
_TYPE = re.compile(rf"x?\b(?P<type>{'|'.join((*ELEMENT_TYPES, *TYPES))})\b")
_FILLERS = re.compile(
    r"(?:\b(?:shape|sizes?|dims?|[Ii]nput|[Tt]ensor|torch\.Size|dtype|as|of)\b|=)"
)
_COMPUTED = re.compile(  # a number, a name, or a name with a number
    r"\(?\s*(?P<size>\d+|[A-Za-z_]\w*)"
    r"(?:(?:(?<!\d)|(?=\s*\*\s*[a-z]))"
    r"\s*(?P<sign>//|[-/*+])\s*(?P<number>\d+|[a-z_]\w*))?\s*\)?"
)
_TOKEN = re.compile(
    r"\s*(?:(?P<token>\d+(?:\.0+(?!\d))?|-1|[?*](?=\s*(?:[xX×,)\]]|$))|[Nn]one"
    rf"|batch(?:_?size)?|bs|{'|'.join(_WORDS)}|[A-WYZa-wyz](?![a-wyz\d_]))"
    r"|(?P<separator>\s+|by\b|[xX×*,;()\[\]{}<>:-]))"
)


def meant_sizes(text: str) -> str | None:
    """`3x32x32 float16` for another way to write sizes and a type, or None if that is in doubt."""
    if re.search(r"[\w)]x\(|\)x", text):
        return None
    text, dtype = _without_type(text)
    tokens = _tokens(_FILLERS.sub(" ", text))
    if not tokens:
        return None
    if len(tokens) > 1 and any(re.fullmatch(r"0\d+", token) for token in tokens):
        return "".join(tokens) if all(map(str.isdigit, tokens)) else None  # 1,000
    if _has_batch(tokens):
        tokens = tokens[1:]
    elif tokens[0].lower() in _BATCH[:5] or tokens[0] == "-1":
        return None
    letters = _LETTERS.get(len(tokens), "")
    sizes = []
    for axis, token in enumerate(tokens):
        if token.lower() not in _OPEN:
            sizes.append(_WORDS.get(token, token))
        elif letters:
            sizes.append(letters[axis])
        else:
            return None
    if any(size in ("batch", "bs") or size == "0" for size in sizes):
        return None
    return "x".join(sizes) + dtype


def listed_sizes(text: str) -> str | None:
    """`[8, H // 2, W // 2]` for `8xH//2xW/2` and `8x(H//2)x(W//2)`, or None for other sizes."""
    found = [_COMPUTED.fullmatch(part) for part in re.split(r"\s*[x×]\s*", text.strip())]
    parts = [match for match in found if match is not None]
    if len(parts) < max(2, len(found)) or not any(match["sign"] for match in parts):
        return None
    sizes = []
    for match in parts:
        size = match["size"]
        if match["sign"]:
            size += f" {match['sign'].replace('//', '/').replace('/', '//')} {match['number']}"
        sizes.append(size)
    return f"[{', '.join(sizes)}]"


def open_sizes(text: str, known: set[str]) -> tuple[str, str]:
    """`3xHxW` for `3xH/4xW - 1`, and the first computed size that is not known, or ""."""
    found = [_COMPUTED.fullmatch(part) for part in re.split(r"\s*[x×]\s*", text.strip())]
    parts = [match for match in found if match is not None]
    unknown = [m["size"] for m in parts if m["sign"] and m["size"][0].isupper()]
    return "x".join(m["size"] for m in parts), next((n for n in unknown if n not in known), "")


def _without_type(text: str) -> tuple[str, str]:
    """The text without a type of elements, and the type as it is written here."""
    found = re.search(r"x(?P<type>f16|f32|f64|i32|i64)\b", text) or _TYPE.search(text)
    if found is None:
        return text, ""
    dtype = TYPES.get(found["type"], found["type"])
    return text[: found.start()] + " " + text[found.end() :], f" {dtype}" * (dtype != "float32")


def _tokens(text: str) -> list[str] | None:
    """The sizes between separators, or None if there is anything else."""
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        if match["token"]:
            tokens.append(match["token"].partition(".")[0])
        position = match.end()
    return tokens


def _has_batch(tokens: list[str]) -> bool:
    """Whether the first size is a batch: by its name, before three sizes or before numbers."""
    first, *rest = tokens
    if first.lower() not in _BATCH or not rest:
        return False
    if all(map(str.isdigit, rest)) or len(rest) == 3:
        return first.lower() not in ("b", "n") or first in ("B", "N")
    return False
