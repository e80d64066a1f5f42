"""Benchmarks: one command each (`make bench-NAME`), a table on stdout and `bench/results/NAME.json`."""
