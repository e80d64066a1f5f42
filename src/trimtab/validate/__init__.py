"""Validation: a strategy against the effective specification and the facts. Pure: no server, no clock."""
