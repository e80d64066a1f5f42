"""Trials: a clone or a named lab, paired measurement inside one transaction, a sequential test with a stated error."""
