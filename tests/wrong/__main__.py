"""Updates the diagnostics in the catalogue.

Run `python -m tests.wrong`, then read the diff.
"""

from __future__ import annotations

from tests.wrong.catalogue import accept

accept()
