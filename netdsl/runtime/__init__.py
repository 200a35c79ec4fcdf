"""Models in onnxruntime: sessions, and the pictures and arrays that go into them."""
