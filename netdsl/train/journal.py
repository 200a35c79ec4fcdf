"""The reports of a run in its folder: its description, text, logs, curves and page."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from netdsl.errors import SettingError
from netdsl.files import make_folder, replacing
from netdsl.train import confusion
from netdsl.train.confusion import ConfusionMatrix
from netdsl.train.curves import draw_curves, svg_of, write_png
from netdsl.train.folder import CONFUSION, CURVES, REPORT, RUN, TEXT
from netdsl.train.logs import kinds_in, open_logs
from netdsl.train.machine import machine, versions
from netdsl.train.page import Contents, page_of, picture_text
from netdsl.train.records import best_of
from netdsl.train.run_file import FORMAT, RUNNING, read_run, write_run
from netdsl.train.written import texts_of_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from netdsl.ir.graph import Graph
    from netdsl.train.records import Record
    from netdsl.train.run import Run
    from netdsl.train.run_file import RunFile

SHARE = 0.03  # of the time may be spent on drawing
FIRST = 1.0  # seconds that the first drawing is expected to take


@dataclass(frozen=True)
class Subject:
    """What is trained, for the reports, and which logs to write besides JSON lines.

    `texts` are the contents of the net's files by their paths, the net's own first, under `TEXT`.
    `defines` are the parameters that the user gives, and `graph` is the net.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)
    graph: Graph | None = None
    logs: tuple[str, ...] = ()


class Pace:
    """Limits the time that is spent on drawing to a share of the whole time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last, self._cost = clock, clock(), FIRST

    def is_due(self) -> bool:
        """Whether the last drawing is so long ago that another one may be made."""
        return SHARE * (self._clock() - self._last) >= self._cost

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure a drawing."""
        start = self._clock()
        yield
        self._last = self._clock()
        self._cost = self._last - start


def check_foreign(folder: Path, texts: Mapping[str, str]) -> None:
    """Raise SettingError `run-exists` if a text would replace a file that is not of a run."""
    ours: list[str] = []
    if (folder / RUN).exists():
        ours = read_run(folder)["texts"]
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or name in ours:
            continue
        if not path.is_file() or path.read_bytes() != text.encode():
            message = f"{path} exists and is not of a run; the text of the net would replace it"
            raise SettingError("run-exists", message, None, "give another folder: `--out DIR`")


class Journal:
    """Writes the reports of a run to its folder."""

    def __init__(self, out: Path, run: Run, subject: Subject, name: str, data_sum: str) -> None:
        self._out, self._run, self._subject = out, run, subject
        self._metrics = run.keys
        self._file = self._described(name, data_sum)
        self._pace = Pace()
        self._confusion: ConfusionMatrix | None = None
        self._picture: str | None = None  # drawn once

    def begin(self, history: Sequence[Record], *, resumed: bool) -> None:
        """Write the texts, the description and the logs, also of the epochs that are done."""
        if resumed and (self._out / RUN).exists():
            self._file["started"] = read_run(self._out)["started"]
        for name, text in self._subject.texts.items():
            make_folder((self._out / name).parent)
            with replacing(self._out / name) as temporary:
                temporary.write_bytes(text.encode())
        kinds = list(self._subject.logs)
        if resumed:
            classes = self._run.dataset.classes
            self._confusion = confusion.read_csv(self._out / CONFUSION, classes)
            kinds += kinds_in(self._out)
        started = datetime.fromisoformat(self._file["started"]).timestamp()
        self._logs = open_logs(self._out, kinds, started)
        for log in self._logs:
            log.begin(history)
        self._write_file(history)

    def add(self, history: Sequence[Record]) -> None:
        """Report an epoch that was just tested, the last record of `history`."""
        run = self._run
        if run.tester.confusion is not None:
            epoch, classes = int(history[-1]["epoch"]), run.dataset.classes
            self._confusion = ConfusionMatrix(epoch, classes, run.tester.confusion)
        for log in self._logs:
            log.add(history)
        self._write_file(history)
        if self._pace.is_due():
            self._draw(history)

    def end(self, history: Sequence[Record], state: str, reason: str = "") -> None:
        """Report how the run ended: a state of `run_file`, and the reason in words."""
        self._file |= {"state": state, "reason": reason, "ended": _now()}
        for log in self._logs:
            log.close()
        self._write_file(history)
        self._draw(history)

    def _write_file(self, history: Sequence[Record]) -> None:
        last: Record = {}
        if history:
            last = history[-1]
        best = best_of(history, self._metrics)
        self._file |= {"done": len(history), "best": best, "last": last}
        write_run(self._out, self._file)

    def _draw(self, history: Sequence[Record]) -> None:
        """Draw the curves, and write the page."""
        if not history:
            return
        with self._pace.timed():
            title = f"{self._file['net']} on {self._file['data']['name']}"
            figure = draw_curves(history, self._metrics, title)
            write_png(figure, self._out / CURVES)
            if self._confusion is not None:
                confusion.write_csv(self._out / CONFUSION, self._confusion)
            graph = self._subject.graph
            if self._picture is None:
                self._picture = picture_text(graph)
            contents = Contents(
                self._file, history, self._metrics, self._confusion, graph, self._picture
            )
            with replacing(self._out / REPORT) as temporary:
                temporary.write_text(page_of(contents, svg_of(figure)), encoding="utf-8")

    def _described(self, name: str, data_sum: str) -> RunFile:
        run, dataset = self._run, self._run.dataset
        settings = texts_of_config(run.config)
        return {
            "format": FORMAT,
            "net": name,
            "state": RUNNING,
            "reason": "",
            "epochs": run.config.epochs,
            "done": 0,
            "best": None,
            "last": {},
            "started": _now(),
            "ended": "",
            "texts": list(self._subject.texts),
            "text_sum": sha256("\0".join(self._subject.texts.values()).encode()).hexdigest(),
            "defines": dict(self._subject.defines),
            "settings": settings,
            "data": {
                "name": dataset.name,
                "note": dataset.note,
                "sum": data_sum,
                "classes": list(dataset.classes),
                "train": len(dataset.train),
                "validation": 0 if dataset.val is None else len(dataset.val),
                "test": len(dataset.test),
            },
            "command": self._command(name, settings),
            "directory": os.getcwd(),
            "device": run.device.type,
            "machine": machine(run.device, run.processes.count),
            "versions": versions(),
        }

    def _command(self, name: str, settings: Mapping[str, str]) -> list[str]:
        """The words that repeat the run, except for the folder of its results."""
        text = next(iter(self._subject.texts), TEXT)
        words = ["netdsl", "train", f"{self._out / text}:{name}"]
        for parameter, value in self._subject.defines.items():
            words += ["-D", f"{parameter}={value}"]
        others = dict(settings)
        words += ["--data", others.pop("data")]
        for key, value in others.items():
            words += ["--set", f"train.{key}={value}"]
        words += ["--device", self._run.device.type]
        if self._run.processes.are_many:
            words += ["--nproc", str(self._run.processes.count)]
        return words


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
