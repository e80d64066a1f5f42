"""Specifications: the versioned documents that say what Trimtab may do. Load, inherit by narrowing, refuse the rest."""
