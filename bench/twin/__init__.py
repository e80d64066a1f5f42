"""What the statistics twin promises, measured: fidelity, hypothetical indexes, sizes, building, speed.

`python -m bench.twin` runs all parts over the same servers; `python -m bench.twin.NAME` runs one of them.
"""
