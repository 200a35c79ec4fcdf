"""Turns operators of ONNX into layers, each by the rule of its kind."""
