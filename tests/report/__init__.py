"""Claims about the documents and pictures."""
