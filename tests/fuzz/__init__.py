"""Random valid programs and arbitrary texts.

`python -m tests.fuzz` runs thousands of them; `test_fuzz.py` runs some hundreds.
"""
