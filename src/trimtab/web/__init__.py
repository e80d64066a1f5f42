"""`trimtab serve`: the web face. It shows what the ledger and the history hold, and decides nothing by itself."""
