"""Recognises layers in several operators: what exporters decompose becomes one node again."""
