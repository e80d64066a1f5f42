"""Signatures of two kinds on what must not be forged: Ed25519, and ML-DSA-65 against quantum computers."""
