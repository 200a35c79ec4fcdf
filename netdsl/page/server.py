"""The server of `netdsl view`: the playground for one file on this machine, which it saves.

It listens on the loopback address only. Every request about the file needs the token that is in the
address of the page, so that no other page and no other user can read or write the file.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.files import write_text
from netdsl.library import is_shipped, read
from netdsl.limits import limit
from netdsl.page.site import built, files

if TYPE_CHECKING:
    from netdsl.page.training import Training
    from netdsl.source import SourceFile

LOOPBACK = "127.0.0.1"
MOST_FILES = 200  # that a file of the page can import
PAUSE = 0.5  # seconds between two looks at the file and at the training
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}


def sum_of(text: str) -> str:
    """What tells two versions of a text apart."""
    return hashlib.sha256(text.encode()).hexdigest()


class OpenFile:
    """The file that the page shows; without one, the page has its examples."""

    def __init__(self, source: SourceFile | None) -> None:
        self.path = None if source is None else source.path
        self.name = "" if source is None else source.name
        self.can_save = source is not None and source.path is not None and not is_shipped(source)
        self._text = "" if source is None else source.text
        self._lock = threading.Lock()

    def text(self) -> str:
        """The text on the disk; raises `NetdslError` if it cannot be read."""
        if not self.can_save or self.path is None:
            return self._text
        return read(self.path, shown=self.name).text

    def beside(self) -> dict[str, str]:
        """The other `.net` files in its folder and below, which it can import, by their paths."""
        if not self.can_save or self.path is None:
            return {}
        folder = Path(self.path).parent
        found = {}
        for path in islice(folder.rglob("*.net"), MOST_FILES):
            with suppress(NetdslError):  # a file that cannot be read cannot be imported either
                found[path.relative_to(folder).as_posix()] = read(str(path)).text
        return found

    def save(self, text: str, known: str) -> bool:
        """Write the text, unless another program has changed the file that the page knows.

        Raises `NetdslError` and `OSError`.
        """
        if not self.can_save or self.path is None:
            raise NetdslError("cannot-write", f"`{self.name}` is part of netdsl")
        with self._lock:
            if sum_of(self.text()) != known:
                return False
            write_text(self.path, text)
        return True


class Server(ThreadingHTTPServer):
    """Serves the files of the page, and the interface to the open file and its training."""

    daemon_threads = True

    def __init__(
        self,
        source: SourceFile | None,
        training: Training,
        port: int = 0,
        net: str | None = None,
    ) -> None:
        self.folder: Path = built()
        self.names = frozenset(files(self.folder))
        self.file = OpenFile(source)
        self.net = net  # that the page shows first
        self.training = training
        self.token = secrets.token_urlsafe(24)
        self.closing = threading.Event()
        super().__init__((LOOPBACK, port), Handler)

    @property
    def address(self) -> str:
        """The address of the page, with the token in its fragment."""
        return f"http://{LOOPBACK}:{self.server_port}/#token={self.token}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the page shows what went wrong."""

    def do_GET(self) -> None:
        """Send a file of the page, the open file, or the stream of events."""
        if not self._is_local():
            return
        path = self.path.partition("?")[0]
        if not path.startswith("/api/"):
            self._send_file(path.removeprefix("/") or "index.html")
        elif self._is_allowed():
            if path == "/api/file":
                self._answer(self._file)
            elif path == "/api/events":
                self._stream()
            else:
                self._send(HTTPStatus.NOT_FOUND, {"error": "unknown request"})

    def do_PUT(self) -> None:
        """Save the open file."""
        if self._is_local() and self._is_allowed():
            self._answer(self._save)

    def do_POST(self) -> None:
        """Start a training."""
        if self._is_local() and self._is_allowed():
            self._answer(self._train)

    def do_DELETE(self) -> None:
        """Stop the training."""
        if self._is_local() and self._is_allowed():
            self._answer(self._stop)

    # ---- what is allowed

    def _is_local(self) -> bool:
        """Whether the request names this machine: a foreign name could be one that leads here."""
        hosts = {f"{name}:{self.server.server_port}" for name in (LOOPBACK, "localhost")}
        if self.headers.get("Host") in hosts:
            return True
        self._send(HTTPStatus.FORBIDDEN, {"error": "wrong host"})
        return False

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if secrets.compare_digest(given.encode(), self.server.token.encode()):
            return True
        self._send(HTTPStatus.FORBIDDEN, {"error": "wrong token"})
        return False

    # ---- answers

    def _answer(self, make: Any) -> None:
        """Send what a method makes, or its error as text for people."""
        try:
            self._send(*make())
        except NetdslError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except OSError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": error.strerror or str(error)})
        except (ValueError, KeyError, TypeError, AttributeError):
            self._send(HTTPStatus.BAD_REQUEST, {"error": "the request has the wrong form"})

    def _file(self) -> tuple[HTTPStatus, dict[str, object]]:
        file = self.server.file
        text = file.text()
        return HTTPStatus.OK, {
            "name": file.name,
            "net": self.server.net,
            "text": text,
            "sum": sum_of(text),
            "can_save": file.can_save,
            "beside": file.beside(),
        }

    def _save(self) -> tuple[HTTPStatus, dict[str, object]]:
        asked = self._body()
        if not self.server.file.save(str(asked["text"]), str(asked["sum"])):
            message = "another program has changed the file"
            return HTTPStatus.CONFLICT, {"error": message}
        return HTTPStatus.OK, {"sum": sum_of(str(asked["text"]))}

    def _train(self) -> tuple[HTTPStatus, dict[str, object]]:
        asked = self._body()
        file = self.server.file
        settings = {str(key): str(value) for key, value in asked.get("settings", {}).items()}
        self.server.training.start(file.path or file.name, str(asked["net"]), settings)
        return HTTPStatus.OK, {}

    def _stop(self) -> tuple[HTTPStatus, dict[str, object]]:
        self.server.training.stop()
        return HTTPStatus.OK, {}

    def _body(self) -> dict[str, Any]:
        """The JSON object of the request; raises `ValueError`."""
        length = int(self.headers.get("Content-Length", "0"))
        if length > 8 * limit("source_bytes"):
            raise ValueError("too long")
        asked = json.loads(self.rfile.read(length))
        if not isinstance(asked, dict):
            raise TypeError("not an object")
        return asked

    def _send_file(self, name: str) -> None:
        if name not in self.server.names:
            self._send(HTTPStatus.NOT_FOUND, {"error": "there is no such file"})
            return
        content = (self.server.folder / name).read_bytes()
        suffix = name[name.rfind(".") :]
        self._write(HTTPStatus.OK, content, TYPES.get(suffix, "application/octet-stream"))

    def _send(self, status: HTTPStatus, value: object) -> None:
        self._write(status, json.dumps(value).encode(), TYPES[".json"])

    def _write(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    # ---- events

    def _stream(self) -> None:
        """Send what happens, as server-sent events, until the page is closed."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        last_file: object = None
        seen = 0
        try:
            while not self.server.closing.is_set():
                file = self._file_event()
                if file != last_file:
                    last_file = file
                    self._event("file", file)
                events = self.server.training.events(seen)
                for event in events:
                    self._event("training", event)
                seen += len(events)
                self.wfile.write(b":\n\n")  # a comment, which fails once the page is closed
                self.wfile.flush()
                self.server.closing.wait(PAUSE)
        except (ConnectionError, BrokenPipeError):
            return

    def _file_event(self) -> dict[str, object]:
        try:
            return {"sum": sum_of(self.server.file.text())}
        except NetdslError as error:
            return {"error": str(error)}

    def _event(self, name: str, value: object) -> None:
        self.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())
