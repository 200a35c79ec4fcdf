"""The server of `netdsl view`: who may ask, what is saved, and what is refused."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from netdsl.library import open_source, read
from netdsl.page import site
from netdsl.page.server import Server, sum_of
from netdsl.page.training import Training

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NET = "net A {\n    input x: 1x4x4\n    output y: conv(2, 3)\n}\n"


class Visitor:
    """Sends requests to a server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """The status, the content and the headers of an answer; with the token unless given."""
        port = self.server.server_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = {"Authorization": f"Bearer {self.server.token}", **headers}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.headers["Content-Type"] == "application/json":
            content = json.loads(content)
        return answer.status, content, answer.headers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file; the page is a small file in place of those that npm builds."""
    (tmp_path / "page").mkdir()
    for name in (site.MARK, "index.html", "main.js"):
        (tmp_path / "page" / name).write_text(name)
    monkeypatch.setattr(site, "BUILT", tmp_path / "page")
    (tmp_path / "a.net").write_text(NET)
    return tmp_path


def serving(server: Server) -> Iterator[Visitor]:
    """A visitor of the server, which ends afterwards."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Visitor(server)
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def visitor(folder: Path) -> Iterator[Visitor]:
    """A visitor of the server of the file."""
    source = read(str(folder / "a.net"))
    yield from serving(Server(source, Training(folder / "runs"), net="A"))


def test_files_of_the_page(visitor: Visitor) -> None:
    """The page needs no token; only its own files are sent, with their types."""
    status, content, headers = visitor.ask("GET", "/", Authorization="")
    assert (status, content) == (200, b"index.html")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert visitor.ask("GET", "/main.js")[2]["Content-Type"].startswith("text/javascript")
    for path in ("/../a.net", "/%2e%2e/a.net", "//etc/passwd", "/a.net"):
        assert visitor.ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/file"),
        ("PUT", "/api/file"),
        ("GET", "/api/events"),
        ("POST", "/api/train"),
        ("DELETE", "/api/train"),
    ],
)
def test_requests_need_the_token_and_the_host(visitor: Visitor, method: str, path: str) -> None:
    """Without the token, and under another name of the machine, nothing is answered."""
    assert visitor.ask(method, path, {}, Authorization="Bearer wrong")[0] == 403
    assert visitor.ask(method, path, {}, Host="example.com")[0] == 403


def test_save(visitor: Visitor, folder: Path) -> None:
    """The text is saved if the page knows the version on the disk, and refused otherwise."""
    _, file, _ = visitor.ask("GET", "/api/file")
    assert (file["name"], file["net"], file["text"]) == (str(folder / "a.net"), "A", NET)
    assert file["can_save"]
    text = NET.replace("conv(2", "conv(3")
    status, answer, _ = visitor.ask("PUT", "/api/file", {"text": text, "sum": file["sum"]})
    assert (status, answer["sum"]) == (200, sum_of(text))
    assert (folder / "a.net").read_text() == text
    status, answer, _ = visitor.ask("PUT", "/api/file", {"text": NET, "sum": file["sum"]})
    assert status == 409
    assert (folder / "a.net").read_text() == text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"text": 1}', b"\xff"])
def test_wrong_bodies(visitor: Visitor, folder: Path, body: bytes) -> None:
    """A request of the wrong form is refused, and the file stays."""
    assert visitor.ask("PUT", "/api/file", body)[0] == 400
    assert visitor.ask("POST", "/api/train", body)[0] == 400
    assert (folder / "a.net").read_text() == NET


def test_files_beside(visitor: Visitor, folder: Path) -> None:
    """The page gets the other nets of the folder, but no other files."""
    (folder / "parts").mkdir()
    (folder / "parts" / "b.net").write_text("block b() { relu }\n")
    (folder / "secret.txt").write_text("secret")
    beside = visitor.ask("GET", "/api/file")[1]["beside"]
    assert set(beside) == {"a.net", "parts/b.net"}


def test_deleted_file(visitor: Visitor, folder: Path) -> None:
    """A file that is gone is an error that says so."""
    (folder / "a.net").unlink()
    status, answer, _ = visitor.ask("GET", "/api/file")
    assert status == 400
    assert "there is no file" in answer["error"]


def test_library_is_not_saved(folder: Path) -> None:
    """A file of the library can be looked at, and is not written."""
    server = Server(open_source("lenet5"), Training(folder / "runs"))
    for visitor in serving(server):
        file = visitor.ask("GET", "/api/file")[1]
        assert not file["can_save"]
        status, answer, _ = visitor.ask("PUT", "/api/file", {"text": "", "sum": file["sum"]})
        assert status == 400
        assert "part of netdsl" in answer["error"]
