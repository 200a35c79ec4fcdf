"""Reads ONNX models as graphs, and builds such models from descriptions of nets."""
