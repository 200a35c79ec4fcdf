"""Sessions of onnxruntime for models in memory."""

from __future__ import annotations

import onnx
import onnxruntime

from tests.fuzz.settings import chosen


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session on the CPU, with the threads that tests may use."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = chosen().threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
