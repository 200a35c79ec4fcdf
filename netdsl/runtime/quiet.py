"""Options of onnxruntime under which it writes nothing to the terminal by itself."""

from __future__ import annotations

import onnxruntime

FATAL = 4  # what goes wrong is told once, by the exceptions


def quiet_options() -> onnxruntime.SessionOptions:
    """The options from which every session is made."""
    onnxruntime.set_default_logger_severity(FATAL)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    return options
