"""Settling: what was applied is measured where it now lives, and kept or taken back."""
