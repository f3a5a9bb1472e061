"""The driver's errors, as ours."""

from types import TracebackType
from typing import Final

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from bridge.errors import (
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    ReadOnlyDatabase,
    SchemaMissing,
    WriteRefused,
)

__all__ = ["TRANSLATED"]

_OURS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[DatabaseError]], ...]] = (
    (psycopg.errors.ReadOnlySqlTransaction, ReadOnlyDatabase),
    ((psycopg.errors.InsufficientPrivilege, psycopg.errors.DiskFull), WriteRefused),
    (psycopg.IntegrityError, ConstraintViolated),
    ((psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn), SchemaMissing),
    (psycopg.errors.TriggeredDataChangeViolation, DatabaseError),  # to the driver an operational one
    ((psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TimeoutError), DatabaseUnavailable),
    (psycopg.Error, DatabaseError),
)
"""What each of the driver's errors is here: the first that fits."""


class _TranslatedErrors:
    """Turns the driver's errors into ours. Their messages stay behind: they may quote a row's content.

    No generator: it is around every statement, and twice around most.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        for theirs, ours in _OURS if exc is not None else ():
            if isinstance(exc, theirs):
                raise ours(type(exc).__name__) from exc


TRANSLATED: Final = _TranslatedErrors()
