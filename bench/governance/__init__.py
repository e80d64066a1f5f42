"""What governing costs: specifications, ledger, security. One module a part."""
