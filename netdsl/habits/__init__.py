"""What people write out of habit from other tools, and what to write here.

`layers` has the names of layers, and `words` other names. The patterns of lines are rows in
`values`, `control`, `symbols`, `grammar`, `python`, `formats` and `chains`; `tables` has them all,
in the order in which they are tried. `files` has the kinds of files. All of this is loaded only
for a text with an error.
"""
