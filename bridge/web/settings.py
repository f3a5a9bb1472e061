"""BRIDGE_* from the environment or ``.env``: no default for a secret, no unknown name."""

import difflib
import os
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from bridge.cutover.plan import Plan
from bridge.errors import ConfigurationError
from bridge.passwords.journal import JournalSealer
from bridge.passwords.rollout import RehashRollout
from bridge.services.keys import KeySource
from bridge.services.limiting import LimitRules
from bridge.services.token_pairs import GrantTimes
from bridge.services.upgrading import JournalKeeping
from bridge.store.rate_limits import Rates, parse_rates, refuse_unusable_storage
from bridge.tokens import KeySet, defaults
from bridge.tokens.keyset import PUBLICATION, KeyTimes
from bridge.web.proxy import UpstreamAddress

__all__ = ["CutoverSettings", "DatabaseSettings", "KeyDirectorySettings", "Settings"]

S = TypeVar("S", bound=BaseSettings)

_PREFIX: Final = "BRIDGE_"
_DOTENV: Final = Path(".env")
_READ_BY_TESTS: Final = frozenset({"BRIDGE_TEST_DATABASE_URL", "BRIDGE_REQUIRE_BROWSER"})
_MINIMUM_SECRET_LENGTH: Final = 32
_CURES: Final = {
    "database_url": "Set it to postgresql://user:password@host:5432/name or sqlite:////absolute/path.",
    "django_secret_key": "Set it to the Django site's SECRET_KEY.",
    "signing_key": "Set it to SIMPLE_JWT['SIGNING_KEY'] (SECRET_KEY where that is not set), to a PEM private key, "
    "or to a directory that `bridge keys new` made.",
    "upstream": "Set it to http://host:port, unix:/path/to/the.sock or wsgi:package.module:application.",
}


def _rollout(value: object) -> object:
    return RehashRollout.parse(value) if isinstance(value, str) else value


def _rates(value: object) -> object:
    return parse_rates(value) if isinstance(value, str) else value


RateSetting = Annotated[Rates, NoDecode, BeforeValidator(_rates)]


class DatabaseSettings(BaseSettings):
    """The one setting that commands like ``bridge report`` need."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_file=_DOTENV, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr

    @classmethod
    def load(cls) -> "DatabaseSettings":
        """Read the environment.

        Raises:
            ConfigurationError: the URL is missing, or a BRIDGE_ name is unknown.
        """
        return _loaded(cls)


class CutoverSettings(DatabaseSettings):
    """What ``bridge endpoints`` needs; the service's own are the same."""

    endpoints: tuple[str, ...] = ()
    cutover_file: Path | None = None

    @classmethod
    def load(cls) -> "CutoverSettings":
        """Read the environment.

        Raises:
            ConfigurationError: the URL is missing, something is malformed, or a BRIDGE_ name is unknown.
        """
        return _loaded(cls)

    def plan(self) -> Plan:
        """Read what each endpoint may be moved to; without a file, what a plan allows that says nothing.

        Raises:
            ConfigurationError: the file cannot be read, or says what it cannot mean.
        """
        if self.cutover_file is None:
            return Plan()
        try:
            return Plan.parse(self.cutover_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ConfigurationError(
                f"BRIDGE_CUTOVER_FILE: {self.cutover_file} cannot be read ({type(exc).__name__})",
                cure="Name a TOML file, in UTF-8, that the service may read.",
            ) from exc
        except ConfigurationError as exc:
            raise ConfigurationError(f"BRIDGE_CUTOVER_FILE: {self.cutover_file}: {exc.args[0]}", cure=exc.cure) from exc


class KeySettings(BaseSettings):
    """Those that say how long the signing keys live; the service's own are the same."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=_DOTENV, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    access_token_lifetime: Annotated[int, Field(ge=1, le=86_400)] = 900
    refresh_token_lifetime: Annotated[int, Field(ge=60, le=31_536_000)] = defaults.REFRESH_TOKEN_LIFETIME
    key_publication_seconds: Annotated[int, Field(ge=60, le=604_800)] = int(PUBLICATION.total_seconds())

    @property
    def key_times(self) -> KeyTimes:
        """What the keys of a directory live by."""
        longest = max(self.access_token_lifetime, self.refresh_token_lifetime)
        return KeyTimes(
            longest_token=timedelta(seconds=longest), publication=timedelta(seconds=self.key_publication_seconds)
        )


class KeyDirectorySettings(KeySettings):
    """What ``bridge keys`` needs, which has options in place of the two that are not set yet."""

    signing_key: SecretStr | None = None
    signing_algorithm: str | None = None

    @classmethod
    def load(cls) -> "KeyDirectorySettings":
        """Read the environment.

        Raises:
            ConfigurationError: something is malformed, or a BRIDGE_ name is unknown.
        """
        return _loaded(cls)


class Settings(KeySettings, CutoverSettings):
    """What the service needs. Lifetimes are in seconds; README says of each name what it means.

    Attributes:
        database_timeout: how long a statement may take that somebody waits for.
        rate_limit_storage: ``memory://``, or ``redis://…`` where there is more than one replica.
        limit_account: failed logins of one username, and wrong current passwords of one user: ``20/15 minutes``, for
            one; several separated by ``;``; or ``off``.
        limit_device: likewise, from one device that the user has logged in on, and three times as many from all of
            these; none of the others holds for them.
        limit_network: failed logins and codes of one IPv4 address or one /64 of IPv6.
        limit_everybody: failed logins of all clients together.
        limit_tokens: refused refreshes and introspections of one network.
        limit_registration: registrations of one network, successful ones as well.
        known_device_days: how long a device is known after a login; 0: none ever is.
        hsts_seconds: ``max-age`` of Strict-Transport-Security on the bridge's own answers over https; 0: none.
    """

    django_secret_key: SecretStr
    django_secret_key_fallbacks: tuple[SecretStr, ...] = ()
    signing_key: SecretStr
    signing_algorithm: str = "HS256"
    issuer: str = defaults.ISSUER
    audience: str = defaults.AUDIENCE
    grant_lifetime: Annotated[int, Field(ge=60, le=315_360_000)] = defaults.GRANT_LIFETIME
    refresh_grace: Annotated[int, Field(ge=0, le=60)] = defaults.REFRESH_GRACE
    introspection_clients: dict[str, SecretStr] = Field(default_factory=dict)
    rehash: Annotated[RehashRollout, NoDecode, BeforeValidator(_rollout)] = RehashRollout("auto")
    hashing_workers: Annotated[int, Field(ge=1, le=256)] | None = None
    rehash_journal_key: str | None = None
    rehash_journal_days: Annotated[int, Field(ge=1, le=3650)] = 30
    registration: Literal["on", "off"] = "off"
    trusted_proxies: tuple[str, ...] = ()
    database_timeout: Annotated[int, Field(ge=1, le=3600)] = 10
    upstream: str | None = None
    upstream_timeout: Annotated[int, Field(ge=1, le=86_400)] = 60
    password_validators: tuple[str, ...] = ()
    rate_limit_storage: SecretStr = SecretStr("memory://")
    limit_account: RateSetting = parse_rates("20/15 minutes")
    limit_device: RateSetting = parse_rates("20/15 minutes")
    limit_network: RateSetting = parse_rates("200/15 minutes")
    limit_everybody: RateSetting = parse_rates("20000/15 minutes")
    limit_tokens: RateSetting = parse_rates("600/15 minutes")
    limit_registration: RateSetting = parse_rates("20/hour")
    known_device_days: Annotated[int, Field(ge=0, le=730)] = 180
    hsts_seconds: Annotated[int, Field(ge=0, le=63_072_000)] = 0

    @field_validator("django_secret_key")
    @classmethod
    def _is_long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < _MINIMUM_SECRET_LENGTH:
            raise ValueError(f"it is weak: shorter than {_MINIMUM_SECRET_LENGTH} characters")
        return secret

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for each in proxies:
            try:
                ip_network(each)
            except ValueError as exc:
                raise ValueError(f"{each!r} is neither an address nor a network") from exc
        return proxies

    @field_validator("upstream")
    @classmethod
    def _is_an_address(cls, upstream: str | None) -> str | None:
        if upstream is not None:
            UpstreamAddress.parse(upstream)
        return upstream

    @field_validator("rate_limit_storage")
    @classmethod
    def _is_a_storage(cls, url: SecretStr) -> SecretStr:
        refuse_unusable_storage(url.get_secret_value())
        return url

    @field_validator("introspection_clients")
    @classmethod
    def _are_long_enough(cls, clients: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in clients.items():
            if len(secret.get_secret_value()) < _MINIMUM_SECRET_LENGTH or ":" in name:
                raise ValueError(f"each secret needs {_MINIMUM_SECRET_LENGTH} characters, and no name has a colon")
        return clients

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment.

        Raises:
            ConfigurationError: something is missing, weak, malformed or unknown; one line that names it and the cure.
        """
        settings = _loaded(cls)
        settings.key_source()
        settings.journal_keeping()
        settings.plan()
        return settings

    def key_source(self) -> KeySource:
        """Build what gives the signing keys, which change while the service runs.

        Raises:
            ConfigurationError: one is too weak, does not fit the algorithm, or cannot be read.
        """
        return KeySource(self.signing_key.get_secret_value(), algorithm=self.signing_algorithm, times=self.key_times)

    def keys(self) -> KeySet:
        """Give the signing keys as they are now.

        Raises:
            ConfigurationError: as ``key_source``.
        """
        return self.key_source().look()

    def journal_keeping(self) -> JournalKeeping | None:
        """Build what keeps replaced values; None where BRIDGE_REHASH_JOURNAL_KEY is not set.

        Raises:
            ConfigurationError: the key is no X25519 public key.
        """
        if self.rehash_journal_key is None:
            return None
        return JournalKeeping(
            sealer=JournalSealer.load(self.rehash_journal_key), keep=timedelta(days=self.rehash_journal_days)
        )

    @property
    def limit_rules(self) -> LimitRules:
        """How many failures each may have."""
        return LimitRules(
            account=self.limit_account,
            device=self.limit_device,
            network=self.limit_network,
            everybody=self.limit_everybody,
            tokens=self.limit_tokens,
            registration=self.limit_registration,
        )

    @property
    def django_secrets(self) -> tuple[str, ...]:
        """The site's SECRET_KEY and its fallbacks."""
        return tuple(
            secret.get_secret_value() for secret in (self.django_secret_key, *self.django_secret_key_fallbacks)
        )

    @property
    def grant_times(self) -> GrantTimes:
        """How long grants live, as durations."""
        return GrantTimes(
            idle=timedelta(seconds=self.refresh_token_lifetime),
            absolute=timedelta(seconds=self.grant_lifetime),
            grace=timedelta(seconds=self.refresh_grace),
        )

    @property
    def access_lifetime(self) -> timedelta:
        """BRIDGE_ACCESS_TOKEN_LIFETIME as a duration."""
        return timedelta(seconds=self.access_token_lifetime)


def _loaded(cls: type[S]) -> S:
    _refuse_unknown_names()
    try:
        return cls()
    except ValidationError as exc:
        raise _explained(exc) from None  # the cause may quote a secret
    except SettingsError as exc:
        named = next((name for name in cls.model_fields if f'"{name}"' in str(exc)), "")
        raise ConfigurationError(f"{_PREFIX}{named.upper()} is not JSON", cure='Write a list as ["…", "…"].') from None


def _refuse_unknown_names() -> None:
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    given = {name for name in (*os.environ, *_names_in_dotenv()) if name.upper().startswith(_PREFIX)}
    for name in sorted(given - known - _READ_BY_TESTS):
        close = difflib.get_close_matches(name, known, n=1)
        cure = f"Did you mean {close[0]}?" if close else f"The names are {', '.join(sorted(known))}."
        raise ConfigurationError(f"{name} is not a setting of the bridge", cure=cure)


def _names_in_dotenv() -> Iterable[str]:
    try:
        return dotenv_values(_DOTENV)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(
            f".env cannot be read ({type(exc).__name__})", cure="Write it in UTF-8, and let this user read it."
        ) from None  # the cause may quote a secret


def _explained(exc: ValidationError) -> ConfigurationError:
    first = exc.errors(include_input=False, include_url=False, include_context=False)[0]
    name = str(first["loc"][0])
    message = "it is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
    return ConfigurationError(
        f"{_PREFIX}{name.upper()}: {message}",
        cure=_CURES.get(name, "See the table of settings in README.md."),
    )
