"""The append-only, hash-chained journal of everything that Trimtab thought, intended, did and took back."""
