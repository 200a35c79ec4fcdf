"""Updates the diagnostics in the catalogue, and prints how many wrong programs it has.

Run `python -m tests.wrong`, then read the diff.
"""

from __future__ import annotations

from tests.wrong.catalogue import accept, load

accept()
cases = load()
kinds = set[tuple[str, str]]().union(*(case.kinds for case in cases))
print(f"{len(cases):,} wrong programs with errors of {len(kinds)} kinds")
