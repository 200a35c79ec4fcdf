"""Lowers a graph to ONNX."""
