"""Controlled experiments: variants of nets are trained alike, and their errors compared."""
