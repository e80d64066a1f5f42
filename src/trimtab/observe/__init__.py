"""What the source is and what runs on it: catalog, settings, workload -> Snapshot. Only ever reads."""
