"""JSON-RPC over a pair of streams, as the Language Server Protocol frames it."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    Json = dict[str, Any]

MOST = 64_000_000  # bytes of a message
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
REQUEST_CANCELLED, REQUEST_FAILED = -32800, -32803


class EndOfStreamError(Exception):
    """The other side has closed the stream, or what it sends is no message."""


class RefusedError(Exception):
    """What an editor asks for cannot be done; the words tell the user why."""


def read_message(stream: IO[bytes]) -> Json:
    """The next message; raises `EndOfStreamError`."""
    length = None
    while True:
        line = stream.readline(1000)
        if not line:
            raise EndOfStreamError
        if line == b"\r\n":
            break
        name, _, value = line.decode("ascii", "replace").partition(":")
        if name.strip().lower() == "content-length" and value.strip().isdecimal():
            length = int(value)
    if length is None or length > MOST:
        raise EndOfStreamError
    content = stream.read(length)
    try:
        message = json.loads(content)
    except ValueError:
        return {"invalid": True}
    return message if isinstance(message, dict) else {"invalid": True}


def write_message(stream: IO[bytes], message: Json) -> None:
    """Send a message."""
    content = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
    stream.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
    stream.flush()
