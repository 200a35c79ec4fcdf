"""Fixtures that tests of several folders use, and the settings of all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest

from tests.fuzz.settings import applied, chosen

# Modules and tests stay until the end, so looking for garbage among them takes a third of the time
# to collect the tests; `pytest_collection_finish` turns it on again.
gc.disable()

pytest.register_assert_rewrite("tests.support")

# Tests run in parallel, so more threads would only wait for one another. PyTorch reads these
# variables while it is imported.
if chosen().threads:
    os.environ.setdefault("OMP_NUM_THREADS", str(chosen().threads))
os.environ.update(chosen().environment)
# The workers of pytest-xdist set it; what tests print goes to files, which have no width.
os.environ.pop("COLUMNS", None)

import numpy as np
import torch
from hypothesis import settings
from PIL import Image
from safetensors.torch import save_file

import netdsl
from netdsl.commands import nets
from netdsl.runtime import measure
from tests.support.back_ends import randomise
from tests.support.paths import SLOW
from tests.support.small_nets import OPEN, TINY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netdsl.elaborate.program import Program

settings.register_profile("house", deadline=None, derandomize=True, max_examples=200)
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `slow.txt`, which a run of the whole suite leaves to `pytest -m slow`."""
    slow = set(SLOW.read_text().splitlines())
    for item in items:
        if item.nodeid in slow:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what stays until the end out of the garbage collection, and turn it on."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _setting() -> Iterator[None]:
    """Apply the setting that NETDSL_TEST_SETTING names to all tests."""
    with applied(chosen()):
        yield


@pytest.fixture(autouse=True, scope="session")
def _figures_of_the_library() -> Iterator[None]:
    """Let `nets`, which compiles the whole library, do so only once in a process."""
    found: dict[str, list[nets.NetLine]] = {}
    net_lines = nets.net_lines

    def remembered(file: str, program: Program) -> list[nets.NetLine]:
        if file not in found:
            found[file] = net_lines(file, program)
        return found[file]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets, "net_lines", remembered)
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Restore PyTorch's number of threads, which `bench` sets.

    With more threads than cores, the tests that follow in the same process take ten times as long.
    """
    threads = chosen().threads
    if threads and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def net_folder(folder: Path, request: pytest.FixtureRequest) -> Path:
    """The current folder, with the net that the test file defines as `NET`."""
    (folder / "tiny.net").write_text(request.module.NET)
    return folder


@pytest.fixture
def model_folder(folder: Path) -> Path:
    """The current folder, with a model, an input of ones, and a picture."""
    netdsl.loads(TINY).save_onnx("m.onnx")
    np.save("one.npy", np.ones((1, 4, 4), np.float32))
    Image.fromarray(np.full((8, 6, 3), 51, np.uint8)).save("ok.png")
    return folder


@pytest.fixture
def bench_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a net, its weights and its model.

    The peak of the machine is measured quickly, and so less exactly.
    """
    monkeypatch.setattr(measure, "SIDES", dict.fromkeys(measure.SIDES, (64, 4096)))
    monkeypatch.setattr(measure, "PAUSE", 0)
    (folder / "tiny.net").write_text(OPEN)
    net = netdsl.loads(OPEN)
    module = randomise(net.torch())
    save_file(module.state_dict(), "w.safetensors")
    net.save_onnx("m.onnx", module.state_dict())
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window."""
    api = pytest.importorskip("playwright.sync_api")
    path = which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()
