"""The keys that this process signs and verifies with, and what it tells others of them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bridge.errors import ConfigurationError
from bridge.services.clock import Clock
from bridge.store.keyfiles import KeyDirectory, keys_in
from bridge.tokens import KeySet, SigningKey
from bridge.tokens.keys import KEY_PAIR_ALGORITHMS
from bridge.tokens.keyset import DatedKey, KeyTimes

__all__ = ["Discovery", "KeySource", "key_directory"]

_BEGIN: Final = "-----BEGIN"


class KeySource:
    """Gives the key set as BRIDGE_SIGNING_KEY has it at the moment.

    Args:
        material: an HS256 secret, a PEM private key, or the path of a key directory.
        algorithm: the one that all keys must be of.
        times: what the keys of a directory live by.

    Raises:
        ConfigurationError: it is none of the three, or does not fit the algorithm.
    """

    def __init__(self, material: str, *, algorithm: str, times: KeyTimes) -> None:
        self._algorithm = algorithm
        self._times = times
        self._directory = key_directory(material)
        self._read: Mapping[str, bytes] = {}
        self._keys = self._first(material)

    def _first(self, material: str) -> KeySet:
        if self._directory is not None:
            return self._of_directory(self._directory)
        if self._algorithm == "HS256" and _is_meant_as_path(material):
            raise ConfigurationError(
                "BRIDGE_SIGNING_KEY is a path where nothing is, and anybody could guess it as a secret",
                cure="Make a key directory there with `bridge keys new`, or give the site's SIMPLE_JWT SIGNING_KEY.",
            )
        try:
            key = SigningKey.load(material, algorithm=self._algorithm)
            return KeySet((DatedKey(key),), times=self._times)
        except ConfigurationError as exc:
            if _BEGIN in material or self._algorithm not in KEY_PAIR_ALGORITHMS:
                raise
            raise ConfigurationError(
                f"BRIDGE_SIGNING_KEY is neither a PEM private key, which {self._algorithm} needs, nor a key directory",
                cure="Give the key's text, with its BEGIN and END lines, or what `bridge keys new --directory` made.",
            ) from exc

    def look(self) -> KeySet:
        """Give the keys as they are now; the same set where nothing changed.

        Raises:
            ConfigurationError: the directory cannot be read, or what it holds cannot be used.
        """
        if self._directory is not None:
            self._keys = self._of_directory(self._directory)
        return self._keys

    def _of_directory(self, directory: KeyDirectory) -> KeySet:
        texts = directory.texts()
        if not texts:
            raise ConfigurationError(
                f"BRIDGE_SIGNING_KEY is the directory {directory.path}, which holds no key",
                cure="Make one with `bridge keys new`.",
            )
        if texts == self._read:
            return self._keys  # checking an RSA key takes tens of milliseconds
        keys = KeySet(keys_in(directory, texts), times=self._times)
        if keys.algorithm != self._algorithm:
            raise ConfigurationError(
                f"The keys in {directory.path} are for {keys.algorithm}, not {self._algorithm}",
                cure=f"Set BRIDGE_SIGNING_ALGORITHM={keys.algorithm}, or BRIDGE_SIGNING_KEY to another directory.",
            )
        self._read = texts
        return keys


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document as it is served.

    Attributes:
        etag: the same for the same document (RFC 9110 section 8.8.3).
        max_age: how long it may be kept.
    """

    body: bytes
    etag: str
    max_age: timedelta

    @classmethod
    def of(cls, content: object, *, max_age: timedelta) -> "Document":
        """Write a document down."""
        body = json.dumps(content, separators=(",", ":")).encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:18]).decode()
        return cls(body=body, etag=f'"{digest}"', max_age=max_age)


@dataclass(frozen=True, slots=True)
class Discovery:
    """What anybody may know of how tokens are issued and verified."""

    keys: KeySet
    issuer: str
    clock: Clock

    def key_set(self) -> Document:
        """Give the JWK set (RFC 7517 section 5)."""
        return Document.of(self.keys.published(now=self.clock()), max_age=self.keys.times.max_age)

    def metadata(self, base_url: str) -> Document:
        """Describe the authorization server (RFC 8414 section 2).

        Args:
            base_url: where the request found us; used only where BRIDGE_ISSUER is no URL, and then nobody keeps it.
        """
        is_url = urlsplit(self.issuer).scheme in ("https", "http")
        base = (self.issuer if is_url else base_url).rstrip("/")
        content: dict[str, Any] = {
            "issuer": self.issuer,
            "token_endpoint": f"{base}/auth/token",
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint": f"{base}/auth/revoke",
            "revocation_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint": f"{base}/auth/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "grant_types_supported": ["password", "refresh_token"],
            "response_types_supported": [],
        }
        return Document.of(content, max_age=self.keys.times.max_age if is_url else timedelta(0))


def _is_meant_as_path(material: str) -> bool:
    """Tell a path from a secret that happens to begin with a slash, as one of base64 may."""
    path = Path(material)
    try:
        return path.is_absolute() and path.parent != path.parent.parent and path.parent.is_dir()
    except (OSError, ValueError):
        return False


def key_directory(material: str) -> KeyDirectory | None:
    """Take BRIDGE_SIGNING_KEY for the path of a directory, if there is one."""
    path = Path(material)
    try:
        return KeyDirectory(path) if material and path.is_dir() else None
    except (OSError, ValueError):  # too long for a path, or no path at all
        return None
