"""The training step of a recipe as one ONNX graph; imports no torch."""
