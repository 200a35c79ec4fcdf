"""Turns models of other tools into `.net` texts.

`onnx` reads models as graphs, `patterns` and `rules` turn operators into layers, and `writing`
writes these as a text. `caffe` and `darknet` make an ONNX model from a description, `torch` from
a module. `importing.py` runs all of this, and `whole.py` does it for commands that take models.
"""
