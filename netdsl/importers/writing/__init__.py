"""Writes layers as a text: its structure, its blocks and loops, its names."""
