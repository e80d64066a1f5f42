"""What was seen of the servers of a fleet over time: its store, its roll-up, and how it is read."""
