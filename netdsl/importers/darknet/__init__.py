"""Reads nets of Darknet."""
