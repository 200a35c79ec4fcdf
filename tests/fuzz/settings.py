"""The settings in which programs are verified: each changes one thing in how the executors compute.

Processors and libraries differ in the order of their sums, in the functions they approximate, and in
whether they set numbers below 2^-126 to zero. A program must pass in every setting.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from netdsl.verify import onnx_side, verification
from netdsl.verify.rounding import TINY
from netdsl.verify.values import Executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import onnxruntime

    from netdsl.verify import Report


class Setting(NamedTuple):
    """What is changed: environment variables, read when libraries load; or something in the process."""

    environment: dict[str, str] = {}
    threads: int = 1  # 0: as many as PyTorch and onnxruntime choose
    flush: str = ""  # who sets what is below 2^-126 to zero: torch, onnxruntime, or every output


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


@contextmanager
def applied(setting: Setting) -> Iterator[None]:
    """Use a setting in this process, apart from its environment variables."""
    threads, session, compare = (
        torch.get_num_threads(),
        onnx_side.session_options,
        verification.compare_values,
    )
    torch.set_num_threads(setting.threads or threads)
    if setting.flush == "torch" and not torch.set_flush_denormal(True):
        raise RuntimeError("this processor cannot flush subnormal numbers")
    if setting.flush == "onnxruntime":
        onnx_side.session_options = _flushing(session)  # type: ignore[assignment]
    if setting.flush == "outputs":
        verification.compare_values = flushing_outputs  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
        onnx_side.session_options = session
        verification.compare_values = compare  # type: ignore[attr-defined]


def _flushing(options: Callable[[int], onnxruntime.SessionOptions]) -> Callable[[int], Any]:
    def with_flush(threads: int) -> onnxruntime.SessionOptions:
        made = options(threads)
        made.add_session_config_entry("session.set_denormal_as_zero", "1")
        return made

    return with_flush


def flushed(y: torch.Tensor) -> torch.Tensor:
    """What a processor without subnormal numbers makes of a value."""
    return torch.where(y.abs() < TINY, 0, y) if y.is_floating_point() else y


_compare = verification.compare_values


def flushing_outputs(step: Any, executors: list[Executor], report: Report) -> Any:
    """Compare values in which everything below 2^-126 was set to zero."""
    return _compare(step, [Executor(e.name, e.xs, flushed(e.y)) for e in executors], report)
