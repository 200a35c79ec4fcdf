"""Turns models of other tools into `.net` texts: reading, recognising layers, folding, naming."""
