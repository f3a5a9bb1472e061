"""The bridge's public keys, fetched from where it publishes them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http.client import HTTPException
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bridge.errors import ConfigurationError
from bridge.tokens.jwk import read_key_set
from bridge.tokens.keyset import PublicKeys

__all__ = ["FetchedKeys", "fetch", "fetched_keys"]

_logger: Final = logging.getLogger(__name__)
_FRESH_SECONDS: Final = 300.0
_USABLE_SECONDS: Final = 3600.0
_COOLDOWN_SECONDS: Final = 10.0
_TIMEOUT_SECONDS: Final = 3.0
_LIMIT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    keys: PublicKeys
    since: float


class FetchedKeys:
    """The key set at a URL.

    It is fetched when the first token comes, again once it is five minutes old, and for a ``kid`` that it lacks;
    however many tokens come, every ten seconds at most. While the URL does not answer, what was fetched last is good
    for an hour; without it no token is.

    Args:
        url: of the JWK set; http or https.
        algorithm: the one that its keys are taken for.
        get: fetches a document, or raises OSError.
        monotonic: seconds that only grow.
    """

    def __init__(
        self,
        url: str,
        *,
        algorithm: str,
        get: Callable[[str], bytes],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.algorithm = algorithm
        self._url = url
        self._get = get
        self._monotonic = monotonic
        self._held: _Held | None = None
        self._tried_at: float | None = None
        self._fetching = Lock()

    def verifying(self, kid: str | None, *, now: datetime) -> Sequence[Any]:
        """Give the keys that a token with this ``kid`` may be signed by; blocks while the URL is asked."""
        found = self._known(kid, now=now)
        if found and self._age() < _FRESH_SECONDS:
            return found
        # Whoever has keys to go on with does not wait for another thread that fetches newer ones.
        if self._fetching.acquire(blocking=not found):
            try:
                self._fetch_if_due()
            finally:
                self._fetching.release()
        return self._known(kid, now=now)

    def verifies_until(self, key: Any) -> datetime:  # noqa: ARG002  # none is sure to be there with the next fetch
        """Say that it is sure of none."""
        return datetime.min.replace(tzinfo=UTC)

    @property
    def fingerprints(self) -> None:
        """Say that whoever publishes them knows."""
        return

    def _known(self, kid: str | None, *, now: datetime) -> Sequence[Any]:
        held = self._held
        if held is None or self._monotonic() - held.since >= _USABLE_SECONDS:
            return ()
        return held.keys.verifying(kid, now=now)

    def _age(self) -> float:
        return self._monotonic() - self._held.since if self._held else _USABLE_SECONDS

    def _fetch_if_due(self) -> None:
        if self._tried_at is not None and self._monotonic() - self._tried_at < _COOLDOWN_SECONDS:
            return
        self._tried_at = self._monotonic()
        try:
            keys = read_key_set(self._get(self._url), algorithm=self.algorithm)
        except (OSError, HTTPException, ValueError, RecursionError) as exc:
            _logger.warning("%s gave no key set, what it gave last stays: %s", self._url, type(exc).__name__)
            return
        self._held = _Held(PublicKeys(algorithm=self.algorithm, keys=keys), self._monotonic())


class _NoRedirect(HTTPRedirectHandler):
    """Keys come from where the site says, and from nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def fetch(url: str) -> bytes:
    """Get a document of at most 64 KiB within three seconds.

    Raises:
        OSError: there is none.
    """
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310  # FetchedKeys are made for http(s) only
    with build_opener(_NoRedirect()).open(request, timeout=_TIMEOUT_SECONDS) as response:
        document: bytes = response.read(_LIMIT_BYTES + 1)
    if len(document) > _LIMIT_BYTES:
        raise OSError("too large")
    return document


@lru_cache(maxsize=8)
def fetched_keys(url: str, *, algorithm: str) -> FetchedKeys:
    """Give the key set at a URL; the same to everybody in this process. Asks nobody yet.

    Raises:
        ConfigurationError: it is no URL of http or https.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigurationError(
            "JWK_URL is no URL of http or https", cure="Give the bridge's: https://…/.well-known/jwks.json."
        )
    return FetchedKeys(url, algorithm=algorithm, get=fetch)
