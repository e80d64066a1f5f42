"""The security of a server before and after a change: what it is, what became of it, and which of that may not be."""
