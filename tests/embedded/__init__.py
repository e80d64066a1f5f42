"""Claims about `trimtab.embedded`."""
