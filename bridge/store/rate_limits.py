"""Counts in windows of time: in Redis for all replicas, or in this process (the ``limits`` library)."""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from limits import RateLimitItem, parse_many
from limits.aio.storage import Storage
from limits.storage import storage_from_string
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bridge.errors import ConfigurationError

__all__ = ["Rates", "Windows", "parse_rates", "refuse_unusable_storage", "times"]

Rates = tuple[RateLimitItem, ...]
"""Each of them holds; none: unlimited."""

_logger: Final = logging.getLogger(__name__)
_IN_MEMORY: Final = "memory://"
_NETWORKED: Final = ("redis://", "rediss://", "redis+unix://", "redis+sentinel://", "redis+cluster://")
_OFF: Final = "off"
_PREFIX: Final = "bridge"
_PORT: Final = 6379
_PATIENCE: Final = timedelta(milliseconds=250)
_AGAIN_AFTER: Final = timedelta(seconds=1)
_MOST_WINDOWS: Final = 100_000
_MOST_CONNECTIONS: Final = 32


def parse_rates(text: str) -> Rates:
    """Read ``20/15 minutes``, several of them separated by ``;``, or ``off``.

    Raises:
        ValueError: it is none of these.
    """
    return () if text.strip() == _OFF else tuple(parse_many(text))


def times(rates: Rates, factor: int) -> Rates:
    """Give limits of so many times as many."""
    return tuple(type(each)(each.amount * factor, each.multiples, each.namespace) for each in rates)


def refuse_unusable_storage(url: str) -> None:
    """Accept what ``Windows`` takes.

    Raises:
        ValueError: it is anything else. The message repeats nothing: it may hold a password.
    """
    if url != _IN_MEMORY and not url.startswith(_NETWORKED):
        raise ValueError("it is neither memory:// nor redis://…")


class Windows:
    """Fixed windows: the first count opens one, and it ends by itself.

    Where the shared storage does not answer at once, this process counts for itself until it does again; nobody waits
    for it meanwhile but one background task, which asks it once a second.

    Args:
        url: ``memory://``, or what ``limits`` takes for Redis: ``redis://…``, ``rediss://…``, ``redis+unix://…``,
            ``redis+sentinel://…``, ``redis+cluster://…``.
        on_change: told whether all replicas count together: at the start, and whenever that changes.
        patience: how long to wait for an answer.
        again_after: how long to leave a storage alone that gave none.

    Raises:
        ConfigurationError: the URL is malformed.
    """

    def __init__(
        self,
        url: str = _IN_MEMORY,
        *,
        on_change: Callable[[bool], None] = lambda _: None,
        patience: timedelta = _PATIENCE,
        again_after: timedelta = _AGAIN_AFTER,
    ) -> None:
        self._local: Storage = BoundedMemory()
        self._patience = patience.total_seconds()
        self._again_after = again_after.total_seconds()
        self._shared: Any = None if url == _IN_MEMORY else _opened(url, self._patience)
        self._on_change = on_change
        self._return: asyncio.Task[None] | None = None
        on_change(self._shared is not None)

    async def hit(self, rates: Rates, key: str) -> timedelta | None:
        """Count one more; None where that is within all rates, else until when it will not be."""
        waits = [await self._hit(rate, key) for rate in rates]
        return max((wait for wait in waits if wait is not None), default=None)

    async def forgive(self, rates: Rates, key: str) -> None:
        """Take one count back."""
        for rate in rates:
            await self._add(rate, key, -1)

    async def is_lost(self) -> bool:
        """Ask the shared storage, if there is one, and say whether it does not answer."""
        return self._shared is not None and not await self._probe()

    async def close(self) -> None:
        """Ask no more."""
        if self._return is not None:
            self._return.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._return
        if self._shared is not None:
            client = self._shared.bridge.get_connection()
            with contextlib.suppress(self._shared.base_exceptions, OSError):
                await client.aclose()

    @property
    def _is_away(self) -> bool:
        return self._return is not None and not self._return.done()

    async def _hit(self, rate: RateLimitItem, key: str) -> timedelta | None:
        storage, count = await self._add(rate, key, 1)
        if count <= rate.amount:
            return None
        ends = await self._ask(storage, storage.get_expiry, rate.key_for(key))
        length = rate.get_expiry()
        return timedelta(seconds=length if ends is None else min(max(1.0, ends - time.time()), length))

    async def _add(self, rate: RateLimitItem, key: str, amount: int) -> tuple[Any, int]:
        """Give where it was counted, and the count."""
        named = rate.key_for(key)
        if self._shared is not None and not self._is_away:
            count = await self._ask(self._shared, self._shared.incr, named, rate.get_expiry(), amount)
            if count is not None:
                return self._shared, count
        return self._local, await self._local.incr(named, rate.get_expiry(), amount)

    async def _ask(self, storage: Any, ask: Callable[..., Any], *given: Any) -> Any:
        """Give the storage's answer; None where it gave none in time, and is left alone from now on."""
        try:
            async with asyncio.timeout(self._patience):
                return await ask(*given)
        except _errors(storage) as exc:
            self._go_local(exc)
            return None

    def _go_local(self, why: Exception) -> None:
        if self._is_away:
            return
        _logger.warning("rate limits: the storage is away (%s), each process counts for itself", type(why).__name__)
        self._on_change(False)  # noqa: FBT003  # whether they are shared is all that it says
        self._return = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        while True:
            await asyncio.sleep(self._again_after)
            if await self._probe():
                break
        _logger.warning("rate limits: the storage is back, all processes count together")
        self._on_change(True)  # noqa: FBT003  # as above

    async def _probe(self) -> bool:
        """Ask by writing: a replica that is read-only answers a mere question."""
        try:
            async with asyncio.timeout(self._patience):
                await self._shared.incr(f"{_PREFIX}/probe", 60, 1)
        except _errors(self._shared):
            return False
        return True


class BoundedMemory(Storage):
    """This process's own windows; of too many, the one counted in longest ago is forgotten. ``limits``' own keeps all.

    They end when their time has passed, whatever becomes of the machine's clock.
    """

    STORAGE_SCHEME = None

    def __init__(self, *, most: int = _MOST_WINDOWS, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._monotonic = monotonic
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What it raises: nothing."""
        return ()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in a window that opens with the first count."""
        count, ends = self._window(key)
        if not count:
            ends = self._monotonic() + expiry
        self._windows[key] = (max(0, count + amount), ends)
        self._windows.move_to_end(key)  # what is tried at this moment outlasts what somebody makes many of
        while len(self._windows) > self._most:
            self._windows.popitem(last=False)
        return max(0, count + amount)

    async def get(self, key: str) -> int:
        """Give the count."""
        return self._window(key)[0]

    async def get_expiry(self, key: str) -> float:
        """Give when the window ends, in seconds since the epoch."""
        return time.time() + self._window(key)[1] - self._monotonic()

    async def check(self) -> bool:
        """Say that it is there."""
        return True

    async def reset(self) -> int | None:
        """Forget all windows."""
        self._windows.clear()
        return None

    async def clear(self, key: str) -> None:
        """Forget a window."""
        self._windows.pop(key, None)

    def _window(self, key: str) -> tuple[int, float]:
        count, ends = self._windows.get(key, (0, 0.0))
        now = self._monotonic()
        return (count, ends) if ends > now else (0, now)


def _opened(url: str, patience: float) -> Any:
    """Build the client; it connects when it is first asked."""
    options: dict[str, Any] = {
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "retry": Retry(NoBackoff(), 0),  # who waits for it is waiting for a login
        "max_connections": _MOST_CONNECTIONS,
    }
    try:
        return storage_from_string(f"async+{_with_port(url)}", implementation="redispy", key_prefix=_PREFIX, **options)
    except Exception as exc:  # noqa: BLE001  # whatever a client says of a URL that it cannot read
        raise ConfigurationError(
            f"BRIDGE_RATE_LIMIT_STORAGE cannot be used ({type(exc).__name__})",
            cure="Set it to memory:// or redis://[:password@]host:port/0.",
        ) from None  # it may quote a password


def _with_port(url: str) -> str:
    """Give Redis' own port where none is named; ``limits`` asks for one."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.port is not None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{_PORT}"))


def _errors(storage: Storage) -> tuple[type[Exception], ...]:
    known = storage.base_exceptions
    return (TimeoutError, OSError, *(known if isinstance(known, tuple) else (known,)))
