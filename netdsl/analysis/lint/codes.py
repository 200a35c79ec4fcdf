"""The codes that a comment `# allow: CODE` can silence."""

from __future__ import annotations

WARNINGS = (
    "activation-on-logits",
    "all-dropped",
    "argument-order",
    "batch-in-input",
    "batch-in-reshape",
    "channels-last",
    "constant-result",
    "default-axis",
    "default-data",
    "double-activation",
    "empty-range",
    "hidden-figure",
    "input-channels",
    "joined-twice",
    "large-scale",
    "large-setting",
    "late-schedule",
    "mixed-axes",
    "nothing-frozen",
    "output-from-scores",
    "pinned-size",
    "repeated-layer",
    "shadowed-let",
    "skipped-input",
    "softmax-before-loss",
    "unused-block",
    "unused-import",
    "unused-let",
    "unused-parameter",
    "unused-value",
    "unused-variable",
    "vectors-as-channels",
)
HINTS = ("bias-before-norm", "dominant-layer", "dropout-before-norm", "large-receptive-field")
