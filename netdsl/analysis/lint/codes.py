"""The codes that a comment `# allow: CODE` can silence."""

from __future__ import annotations

WARNINGS = (
    "activation-on-logits",
    "argument-order",
    "batch-in-input",
    "channels-last",
    "data-without-root",
    "double-activation",
    "output-from-scores",
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
)
HINTS = ("bias-before-norm", "dominant-layer", "dropout-before-norm", "large-receptive-field")
