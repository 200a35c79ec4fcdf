"""Training a net as its `train` section says.

`netdsl.train.config` reads the section without importing torch; `netdsl.train.loop` trains.
"""
