"""The options of a `train` section: how steps are computed, and what is saved; imports no torch."""

from typing import Annotated

from netdsl.config import BareWord
from netdsl.data.arguments import (
    Constraint,
    Count,
    Names,
    Natural,
    Pairs,
    Positive,
    Workers,
    one_of,
)

FP32, TF32, BF16, FP16 = map(BareWord, ("fp32", "tf32", "bf16", "fp16"))
DATA, SHARDED = map(BareWord, ("data", "sharded"))
Strategy = Annotated[BareWord, one_of(DATA, SHARDED)]
# Each stage is a label of the net, or several of them.
Stages = Annotated[
    tuple[BareWord | Names, ...],
    Constraint(
        "a list of at least two stages, such as [features, classifier]",
        lambda v: len(v) != 1 and all(v),
    ),
]
Precision = Annotated[BareWord, one_of(FP32, TF32, BF16, FP16)]
Decay = Annotated[float, Constraint("a number of at least 0 and below 1", lambda v: 0 <= v < 1)]
Threads = Annotated[int, Constraint("an integer from 1 to 1,024", lambda v: 1 <= v <= 1024)]


def _are_epochs(value: int | Pairs) -> bool:
    numbers = (value,) if isinstance(value, int) else [number for _, number in value]
    return bool(numbers) and all(number >= 1 and number == int(number) for number in numbers)


Epochs = Annotated[
    int | Pairs,
    Constraint(
        "a number of epochs from 1, or a list of pairs such as [(layer4, 2), (layer3, 4)]",
        _are_epochs,
    ),
]

# The entries that are plain values, with their types.
PLAIN: dict[str, object] = {
    "epochs": Count,
    "batch": Count,
    "seed": Natural,
    "workers": Workers,
    "accumulate": Count,
    "clip_norm": Positive,
    "clip_value": Positive,
    "ema": Decay,
    "early_stopping": Count,
    "checkpoint_epochs": Count,
    "checkpoint_minutes": Positive,
    "precision": Precision,
    "compile": bool,
    "channels_last": bool,
    "threads": Threads,
    "deterministic": bool,
    "weights": str,
    "freeze": Names,
    "unfreeze": Epochs,
    "train_metrics": bool,
    "gradient_norms": bool,
    "strategy": Strategy,
    "stages": Stages,
    "micro_batches": Count,
    "sync_bn": bool,
}
