"""The reason why there is no GPU, and a stand-in for `torch.compile`."""

from __future__ import annotations

from typing import Any

from netdsl.runtime import gpu

GPU = gpu.obstacle("cuda")


def recording(calls: list[Any]) -> Any:
    """A stand-in for `torch.compile` that appends the options of each call to `calls`."""

    def compiled(module: Any, **options: Any) -> Any:
        calls.append(options)
        return module

    return compiled
