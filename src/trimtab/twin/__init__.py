"""The statistics twin: an embedded PostgreSQL with the source's schema and planner statistics, and none of its rows."""
