"""Opens the pages of nets in a browser."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netdsl.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def page_of(browser: Any, folder: Path, *words: str) -> Iterator[Any]:
    """The page that `netdsl draw` with those words writes.

    No request may leave the page, and its console must be empty at the end.
    """
    path = folder / "net.html"
    assert run(["draw", *words, "-o", str(path)]) == 0
    shown = browser.new_page(viewport={"width": 1200, "height": 900})
    problems: list[str] = []
    requests: list[str] = []
    shown.on("console", lambda message: problems.append(message.text))
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.on("request", lambda request: requests.append(request.url))
    shown.goto(path.as_uri())
    yield shown
    assert problems == []
    assert requests == [path.as_uri()]
    shown.close()
