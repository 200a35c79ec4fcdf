"""Turns the syntax tree into a typed graph."""
