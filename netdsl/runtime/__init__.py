"""Runs models in onnxruntime: sessions, and the pictures and arrays that they take."""
