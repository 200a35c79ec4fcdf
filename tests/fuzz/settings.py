"""Settings for tests; each changes one aspect of how PyTorch or onnxruntime computes.

Processors and libraries differ in the order of their sums, in how they approximate functions, and
in whether they set numbers below 2^-126 to zero. Every test passes in every setting:

    NETDSL_TEST_SETTING="oneDNN for AVX2" pytest -n auto
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from netdsl.verify import Report
    from netdsl.verify.values import Executor


class Setting(NamedTuple):
    """Changes to the environment, which libraries read while they load, or to the process."""

    environment: dict[str, str] = {}
    threads: int = 1  # 0: PyTorch and onnxruntime choose
    flush: str = ""  # what sets numbers below 2^-126 to zero: "torch", "onnxruntime" or "outputs"


SETTINGS = {
    "default": Setting(threads=0),
    "oneDNN for SSE 4.1": Setting({"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "oneDNN for AVX2": Setting({"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "ATen without vectors": Setting({"ATEN_CPU_CAPABILITY": "default"}),
    "PyTorch flushes": Setting(flush="torch"),
    "onnxruntime flushes": Setting(flush="onnxruntime"),
    "one thread": Setting(threads=1),
    "four threads": Setting(threads=4),
    "outputs flushed": Setting(flush="outputs"),
}


def chosen() -> Setting:
    """The setting that the environment names; by default one thread, as tests run in parallel."""
    return SETTINGS[os.environ.get("NETDSL_TEST_SETTING", "one thread")]


@contextmanager
def applied(setting: Setting) -> Iterator[None]:
    """Apply a setting to this process, except for its environment variables."""
    import onnxruntime  # imported here, since environment variables must be set before
    import torch

    from netdsl.verify import verification

    threads, flushes = torch.get_num_threads(), bool((torch.tensor([1e-40]) * 1 == 0).all())
    options, compare = onnxruntime.SessionOptions, vars(verification)["compare_values"]
    torch.set_num_threads(setting.threads or threads)
    if setting.flush == "torch" and not torch.set_flush_denormal(True):
        raise RuntimeError("this processor cannot flush subnormal numbers")
    if setting.flush == "onnxruntime":
        onnxruntime.SessionOptions = _flushing(options)
    if setting.flush == "outputs":
        verification.compare_values = _flushing_outputs(compare)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushes)
        onnxruntime.SessionOptions = options
        verification.compare_values = compare  # type: ignore[attr-defined]


def _flushing(options: Any) -> Any:
    class Flushing(options):  # type: ignore[misc]
        """Session options that set subnormal numbers to zero."""

        def __init__(self) -> None:
            super().__init__()
            self.add_session_config_entry("session.set_denormal_as_zero", "1")

    return Flushing


def flushed(y: torch.Tensor) -> torch.Tensor:
    """A value as a processor without subnormal numbers would return it."""
    from netdsl.ir.rounding import TINY

    return y.where(y.abs() >= TINY, 0) if y.is_floating_point() else y


def _flushing_outputs(compare: Any) -> Any:
    from netdsl.verify.values import Executor

    def flush(step: Any, executors: list[Executor], report: Report) -> Any:
        """Compare the values after everything below 2^-126 is set to zero."""
        return compare(
            step, [Executor(e.name, e.xs, [*map(flushed, e.ys)]) for e in executors], report
        )

    return flush
