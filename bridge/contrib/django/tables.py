"""Whether the app's tables are there yet: the site may be deployed before its ``migrate``."""

from django.db import connections
from django.db.models import Model

__all__ = ["is_there"]


def is_there(model: type[Model], *, using: str) -> bool:
    """Ask the database for a model's table.

    Raises:
        DatabaseError: it does not answer.
    """
    return model._meta.db_table in connections[using].introspection.table_names()  # noqa: SLF001  # Django documents it
