"""The settings of a `train` section besides its data; imports no torch."""
