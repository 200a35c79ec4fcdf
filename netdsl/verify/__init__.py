"""Compares all back ends on a net and finds the first node that differs: see `docs/verify.md`."""

from netdsl.ir.rounding import LIMIT
from netdsl.verify.check import verify_graph
from netdsl.verify.report import Claim, Difference, Report

__all__ = ["LIMIT", "Claim", "Difference", "Report", "verify_graph"]
