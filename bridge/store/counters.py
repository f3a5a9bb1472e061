"""Adds to the counters that all replicas share: a row for each kind of thing that is counted."""

from collections.abc import Mapping
from typing import Any, Final

from bridge.store.database import Executor

__all__ = ["add_counts"]

_ROWS_AT_ONCE: Final = 100
"""Few enough that seven parameters a row are within any SQLite's limit of 999."""


async def add_counts(table: str, counts: Mapping[Any, int], *, executor: Executor) -> None:
    """Add to a table's counters.

    Args:
        table: with ``count``, and unique by its other columns.
        counts: by named tuples, whose fields are those columns.
        executor: of the transaction that all of it holds in.
    """
    # In one order: of two replicas that add to the same rows, neither may hold what the other waits for.
    rows = sorted(counts.items())
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        piece = rows[start : start + _ROWS_AT_ONCE]
        names = type(piece[0][0])._fields
        values = {
            f"{name}_{number}": value
            for number, (key, count) in enumerate(piece)
            for name, value in zip((*names, "count"), (*key, count), strict=True)
        }
        slots = ", ".join(
            f"({', '.join(f':{name}_{number}' for name in (*names, 'count'))})" for number in range(len(piece))
        )
        await executor.execute(
            f"INSERT INTO {table} ({', '.join(names)}, count) VALUES {slots}"
            f" ON CONFLICT ({', '.join(names)}) DO UPDATE SET count = {table}.count + excluded.count",
            values,
        )
