"""Whether there is a GPU, and a stand-in for `torch.compile`."""

from __future__ import annotations

from typing import Any

from netdsl.runtime import gpu

GPU = gpu.obstacle("cuda")


def recording(made: list[Any]) -> Any:
    """What stands for `torch.compile`, and keeps how it was called."""

    def compiled(module: Any, **options: Any) -> Any:
        made.append(options)
        return module

    return compiled
