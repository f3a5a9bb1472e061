"""django-axes: after how many failures the site locks whom out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

__all__ = ["LOCKOUT_PARAMETERS", "AxesProfile"]

LOCKOUT_PARAMETERS: Final = frozenset({"username", "ip_address", "user_agent"})
"""What of a client axes can count by."""


@dataclass(frozen=True, slots=True)
class AxesProfile:
    """The settings of axes; each field without a line of its own is the one of its name.

    Attributes:
        failure_limit: from how many failures on somebody is locked out.
        cool_off_seconds: for how long; None for good.
        lockout_parameters: what is counted together, each a combination.
        has_expirations: whether there is a table of expiry times (8.1 and newer).
        not_honoured: settings whose meaning only the site's own code knows, or cannot be acted upon here.
    """

    enabled: bool = True
    failure_limit: int = 3
    cool_off_seconds: float | None = None
    lockout_parameters: tuple[tuple[str, ...], ...] = (("ip_address",),)
    lock_out_at_failure: bool = True
    reset_on_success: bool = False
    reset_cool_off_on_failure_during_lockout: bool = True
    disable_access_log: bool = False
    enable_access_failure_log: bool = False
    access_failure_log_per_user_limit: int | None = 1000
    use_attempt_expiration: bool = False
    only_admin_site: bool = False
    never_lockout_whitelist: bool = False
    only_whitelist: bool = False
    ip_whitelist: tuple[str, ...] = ()
    ip_blacklist: tuple[str, ...] = ()
    has_expirations: bool = True
    not_honoured: tuple[str, ...] = ()

    @property
    def is_honoured(self) -> bool:
        """Whether the bridge locks out as the site does, and tells it of failures."""
        return self.enabled and not self.not_honoured

    def shortcomings(self) -> Iterator[str]:
        """Say what of it the bridge cannot honour."""
        if self.enabled and self.not_honoured:
            yield f"the lockout of axes is not honoured ({', '.join(self.not_honoured)})"

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises:
            KeyError: something else than a client's username, address or browser is counted.
        """
        parameters = tuple(tuple(each) for each in document["lockout_parameters"])
        if any(name not in LOCKOUT_PARAMETERS for each in parameters for name in each):
            raise KeyError("lockout_parameters")
        return cls(
            **{
                **document,
                "lockout_parameters": parameters,
                **{name: tuple(document[name]) for name in ("ip_whitelist", "ip_blacklist", "not_honoured")},
            }
        )
