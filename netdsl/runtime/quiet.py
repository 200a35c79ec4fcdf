"""Options with which onnxruntime writes nothing to the terminal by itself."""

from __future__ import annotations

import onnxruntime

FATAL = 4  # onnxruntime's number for this severity; its exceptions report the errors


def silence() -> None:
    """Turn off the log messages that do not belong to a session."""
    onnxruntime.set_default_logger_severity(FATAL)


def quiet_options() -> onnxruntime.SessionOptions:
    """New options of a session, without log messages."""
    silence()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    return options
