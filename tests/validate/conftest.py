"""The grammar is loaded before the first test is timed."""

from trimtab.db.parser import parse

parse("SELECT 1")
