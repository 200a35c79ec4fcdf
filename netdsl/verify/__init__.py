"""Every back end agrees on a net, or the first node that differs and its line: see
`docs/verify.md`.
"""

from netdsl.ir.rounding import LIMIT
from netdsl.verify.check import verify_graph
from netdsl.verify.report import Claim, Difference, Report

__all__ = ["LIMIT", "Claim", "Difference", "Report", "verify_graph"]
