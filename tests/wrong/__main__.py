"""Write into the catalogue what the compiler says now:

`python -m tests.wrong`, then read the diff.
"""

from __future__ import annotations

from tests.wrong.catalogue import accept

accept()
