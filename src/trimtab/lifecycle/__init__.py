"""The lifecycle. Read `loop.py` first: the eight stages, the legal transitions and the one loop that runs them."""
