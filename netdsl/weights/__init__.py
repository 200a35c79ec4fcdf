"""The numbers of a net's weights: fresh ones, and those of checkpoints."""
