"""Random valid programs and arbitrary texts:

`python -m tests.fuzz` runs them by the thousand, `test_fuzz.py` a few hundred.
"""
