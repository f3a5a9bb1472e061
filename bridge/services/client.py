"""Who sends a request, as far as HTTP tells."""

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
    """

    address: str | None = None
    user_agent: str | None = None
    accept: str | None = None
    path: str = "/"
    device: str | None = field(default=None, repr=False)
