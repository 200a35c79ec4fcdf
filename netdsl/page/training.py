"""A training that `netdsl view` starts: `netdsl train` in a process, and its progress."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from pathlib import Path

LOG = "log.jsonl"


class Training:
    """At most one training at a time, and what it has reported so far.

    An event has a `kind`: `started` with the `folder`, `epoch` with the record of the log, `line`
    with a line that the command prints, or `ended` with the exit `code`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._events: list[dict[str, Any]] = []

    def start(self, file: str, net: str, settings: dict[str, str]) -> None:
        """Start to train a net of a file; raises `NetdslError` if another training runs."""
        if not net.isidentifier() or not all(key.isidentifier() for key in settings):
            raise NetdslError("unknown-net", "the page names no net")
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise NetdslError("folder-in-use", "a training is running", help="stop it first")
            out = self._new_folder(net)
            words = ["train", f"{file}:{net}", "--out", str(out)]
            for key, value in settings.items():
                words += ["--set", f"train.{key}={value}"]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "netdsl", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self._add("started", folder=str(out))
            threading.Thread(target=self._follow, args=(self._process, out), daemon=True).start()

    def stop(self) -> None:
        """Ask the training to stop; it saves a checkpoint first."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Stop the training, and wait until it has saved its checkpoint."""
        self.stop()
        if self._process is not None:
            self._process.wait()

    def events(self, seen: int) -> list[dict[str, Any]]:
        """What has happened after the first `seen` events."""
        return self._events[seen:]

    def _new_folder(self, net: str) -> Path:
        number = 1
        while (self.folder / f"{net}-{number}").exists():
            number += 1
        return self.folder / f"{net}-{number}"

    def _follow(self, process: subprocess.Popen[str], out: Path) -> None:
        assert process.stdout is not None
        known = 0
        with process:
            for line in process.stdout:
                known = self._read_log(out, known)
                self._add("line", text=line.rstrip())
        self._read_log(out, known)
        self._add("ended", code=process.returncode)

    def _read_log(self, out: Path, known: int) -> int:
        """Report the epochs that the log has beyond the `known` ones; returns their number."""
        try:
            records = (out / LOG).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return known
        for record in records[known:]:
            self._add("epoch", record=json.loads(record))
        return len(records)

    def _add(self, kind: str, **values: Any) -> None:
        self._events.append({"kind": kind, **values})
