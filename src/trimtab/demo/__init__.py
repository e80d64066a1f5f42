"""The demo: a generated shop, its workload, and the traps planted in them."""
