"""Proposers: each sees a Context and returns Strategies. Their order is the tuple `proposers.PROPOSERS`."""
