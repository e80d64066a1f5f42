"""The only door to PostgreSQL: connections, catalog queries, SQL texts, EXPLAIN, locks. Import from the modules."""
