"""Frozen values without I/O: the nouns of the lifecycle. Import them from the module that defines them."""
