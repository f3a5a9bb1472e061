"""Who sends a request, as far as HTTP tells."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

__all__ = ["Client"]


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of the sender before anybody has logged in; none of it is to be believed but the address.

    Attributes:
        address: of the peer; None where there is none, as on a Unix socket.
        user_agent: ``User-Agent``; None without one.
        accept: ``Accept``; likewise.
        path: what was asked for.
        device: what a device that has logged in before carries (``services.devices``); None without.
        hung_up: returns once nobody waits for an answer any more; to be asked when the request has been read.
    """

    address: str | None = None
    user_agent: str | None = None
    accept: str | None = None
    path: str = "/"
    device: str | None = field(default=None, repr=False)
    hung_up: Callable[[], Awaitable[object]] | None = field(default=None, repr=False, compare=False)
