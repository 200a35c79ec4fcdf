"""Works one output of a layer by hand, as a lecturer does at the board."""
