"""The only SQL, written once for PostgreSQL and SQLite."""
