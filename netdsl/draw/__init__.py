"""Draws nets: as pictures, pages and text tables."""
