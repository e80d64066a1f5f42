"""Trimtab: find, prove, apply and hold the few changes that make a PostgreSQL workload faster."""

from __future__ import annotations

__version__ = "0.1.0"
