"""Other index advisers, asked in the same run for what Trimtab is asked; none is a dependency, nothing of them is here.

`asking.py` finds and asks them. The other files are adapters: each is run by its peer's own Python, and imports nothing
of Trimtab.
"""
