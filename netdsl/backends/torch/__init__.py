"""Lowers a graph to PyTorch."""
