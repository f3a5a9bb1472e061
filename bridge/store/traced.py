"""A database whose statements are spans of the trace that they belong to, if they belong to one."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from bridge.errors import BridgeError
from bridge.store.database import Batch, Database, Dialect, Executor, KeptBatch, Parameters, Reading, Row

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["TracedDatabase"]


class _TracedExecutor:
    """Makes each statement a span, with the statement as it is written here; its parameters are in none."""

    def __init__(self, executor: Executor, tracer: "Tracer", system: Dialect) -> None:
        self._executor = executor
        self._tracer = tracer
        self._system = system

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """Give the first row, or None."""
        with self._span(statement):
            return await self._executor.fetch_one(statement, parameters)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        """Give every row."""
        with self._span(statement):
            return await self._executor.fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Give the number of rows changed."""
        with self._span(statement):
            return await self._executor.execute(statement, parameters)

    @contextmanager
    def _span(self, statement: str) -> Iterator[None]:
        from opentelemetry.trace import SpanKind, StatusCode, get_current_span  # noqa: PLC0415  # it may not be there

        if not get_current_span().is_recording():  # what runs in the background belongs to no request
            yield
            return
        with self._tracer.start_as_current_span(
            statement.partition(" ")[0],
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": self._system, "db.query.text": statement},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BridgeError as exc:
                span.set_attribute("error.type", type(exc).__name__)
                span.set_status(StatusCode.ERROR)
                raise


class TracedDatabase(_TracedExecutor):
    """Passes everything on to another database."""

    def __init__(self, database: Database, tracer: "Tracer") -> None:
        super().__init__(database, tracer, database.dialect)
        self._database = database
        self.dialect: Dialect = database.dialect

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """Run the statements inside as one."""
        async with self._database.transaction() as executor:
            yield _TracedExecutor(executor, self._tracer, self.dialect)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Batch]:
        """Run the statements inside as one, which is one span."""
        kept = KeptBatch()
        yield kept
        with self._span("; ".join(statement for statement, _ in kept.statements)):
            async with self._database.batch() as batch:
                for statement, parameters in kept.statements:
                    await batch.execute(statement, parameters)

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        """Let the work inside only read."""
        return self._database.read_only(statement_timeout=statement_timeout)

    def unhurried(self) -> "TracedDatabase":
        """Give the same for statements over whole tables."""
        return TracedDatabase(self._database.unhurried(), self._tracer)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._database.close()
