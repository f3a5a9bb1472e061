"""What the log says of a database's errors: PostgreSQL's own words quote the row that it refuses, hashes and all."""

from django.db import DatabaseError

__all__ = ["kind_of"]


def kind_of(error: DatabaseError) -> str:
    """Name an error as the driver does, which tells more kinds apart than Django."""
    return type(error.__cause__ or error).__name__
