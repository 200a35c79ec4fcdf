"""Runs modules of PyTorch in a process of their own, which exports them to ONNX."""
