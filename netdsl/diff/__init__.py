"""What changed between two nets: their layers, their figures, and the weights that still load."""
