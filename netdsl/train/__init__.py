"""Training of a net as its `train` section specifies.

`netdsl.train.section` reads the section without importing torch; `netdsl.train.loop` trains.
"""
