"""Benchmarks: one command each (`make bench-NAME`), a table on stdout and `bench/results/NAME.json`."""

import os

# Their servers are their own, reached as their superusers.
os.environ["TRIMTAB_ALLOW_OVERPRIVILEGED"] = "1"
