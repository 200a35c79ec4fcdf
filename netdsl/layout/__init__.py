"""Puts a text into its canonical layout."""
