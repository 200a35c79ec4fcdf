"""The nets of the library."""

from __future__ import annotations

from netdsl.driver import open_program
from netdsl.library import library_names

NETS = [f"{file}:{net}" for file in library_names() for net in open_program(file).nets()]
FIRST = {name.partition(":")[0]: name for name in reversed(NETS)}.values()  # of each file
