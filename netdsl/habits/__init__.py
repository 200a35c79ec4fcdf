"""What people write out of habit from other tools, and what to write here.

`layers` has the names of layers, `statements` and the tables that it collects have the patterns of
lines, and `files` has the kinds of files. They are loaded only for a text with an error.
"""
