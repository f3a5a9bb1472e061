"""The bridge beside what a team would otherwise put there, on one PostgreSQL with the same 100,000 users."""
