"""What is handed over: documents made from a Report. Nothing here reads a database."""
