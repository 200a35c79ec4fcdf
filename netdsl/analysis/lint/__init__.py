"""Finds what is valid but almost certainly wrong (warnings), and weaker signs (hints)."""
