"""The site profile: what the Django site told the bridge about itself, and what follows from it.

Django writes it (``manage.py bridge_profile``, and after each ``migrate``); the bridge configures itself from it.
It holds no secret, only a keyed fingerprint by which both sides can see that they share one.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from bridge import findings
from bridge.findings import Finding
from bridge.passwords.parameters import Argon2Parameters

__all__ = ["HasherProfile", "SessionProfile", "SimpleJwtProfile", "SiteProfile", "UserTable", "fingerprint"]

SCHEMA_VERSION: Final = 1

KeyType = Literal["integer", "uuid", "text"]


@dataclass(frozen=True, slots=True)
class UserTable:
    """Where the site keeps its users; the defaults are stock ``auth_user``.

    Attributes:
        name: the table.
        key: its primary key's column.
        key_type: of the primary key.
        username: the column of USERNAME_FIELD.
        columns: those of Django's own columns that the table has, with their maximal length in characters or None.
        always_active: whether the model knows no inactive users (``AbstractBaseUser.is_active``); only then may the
            column be missing.
    """

    name: str = "auth_user"
    key: str = "id"
    key_type: KeyType = "integer"
    username: str = "username"
    columns: Mapping[str, int | None] = field(
        default_factory=lambda: {
            "username": 150,
            "password": 128,
            "email": 254,
            "first_name": 150,
            "last_name": 150,
            "is_active": None,
            "is_staff": None,
            "is_superuser": None,
            "date_joined": None,
            "last_login": None,
        }
    )
    always_active: bool = False


@dataclass(frozen=True, slots=True)
class HasherProfile:
    """One entry of PASSWORD_HASHERS.

    Attributes:
        algorithm: the name that its values start with.
        path: dotted path of the class.
        available: whether its library is installed in the site's environment.
        parameters: cost settings by name; for argon2 the fields of ``Argon2Parameters``.
        reproducible: whether the bridge can write what this hasher would, given ``parameters``.
        stock: whether it encodes and verifies as Django's hasher of that name does; a pepper, say, is the site's alone.
    """

    algorithm: str
    path: str
    available: bool = True
    parameters: Mapping[str, int] = field(default_factory=dict)
    reproducible: bool = True
    stock: bool = True


@dataclass(frozen=True, slots=True)
class SimpleJwtProfile:
    """The settings of SIMPLE_JWT that decide which tokens the site takes; none of them secret.

    Attributes:
        key_fingerprint: of what verifies (``SigningKey.fingerprint``); None where a JWK_URL names the keys.
        user_id_field_is_key: whether USER_ID_FIELD is the user table's primary key.
        check_revoke_token: CHECK_REVOKE_TOKEN, which ties every token to the stored password.
    """

    algorithm: str = "HS256"
    key_fingerprint: str | None = None
    issuer: str | None = None
    audience: str | None = None
    user_id_claim: str = "user_id"
    user_id_field_is_key: bool = True
    token_type_claim: str | None = "token_type"  # noqa: S105  # a claim's name
    jti_claim: str | None = "jti"
    header_types: tuple[str, ...] = ("Bearer",)
    check_revoke_token: bool = False

    @property
    def tokens_can_be_read(self) -> bool:
        """Whether a token of the site says by itself, and to us as to the site, whose it is.

        With another USER_ID_FIELD, `user_id` is not a primary key, and would name another user here.
        """
        names = (self.user_id_claim, self.token_type_claim, self.jti_claim)
        is_named = names == ("user_id", "token_type", "jti")
        return is_named and self.user_id_field_is_key and not self.check_revoke_token


@dataclass(frozen=True, slots=True)
class SessionProfile:
    """What decides over the site's sessions.

    Attributes:
        cookie_age: SESSION_COOKIE_AGE in seconds.
        engine: SESSION_ENGINE.
        auth_hash_is_stock: whether the user model derives it as ``AbstractBaseUser`` does; lineage knows no other.
        password_check_is_stock: whether Django's own upgrade on login writes lineage.
        middleware_keeps_keys: whether the app's AuthenticationMiddleware is in place.
    """

    cookie_age: int = 1_209_600
    engine: str = "django.contrib.sessions.backends.db"
    auth_hash_is_stock: bool = True
    password_check_is_stock: bool = True
    middleware_keeps_keys: bool = True


@dataclass(frozen=True, slots=True)
class SiteProfile:
    """What the site told.

    Attributes:
        published_at: when.
        django_version: as in ``django.__version__``.
        user_table: where its users are.
        hashers: PASSWORD_HASHERS, in order.
        validators: AUTH_PASSWORD_VALIDATORS as in its settings.
        secret_key_fingerprint: of SECRET_KEY, see ``fingerprint``.
        secret_key_fallback_fingerprints: of SECRET_KEY_FALLBACKS.
        second_factor_apps: installed apps that ask for more than a password, which the bridge does not yet.
        sessions: what decides over them.
        time_zone: TIME_ZONE where USE_TZ is off and the columns hold local times; None where they are aware.
        simple_jwt: None where SimpleJWT is not in use.
    """

    published_at: datetime
    django_version: str
    user_table: UserTable = field(default_factory=UserTable)
    hashers: tuple[HasherProfile, ...] = ()
    validators: tuple[Mapping[str, Any], ...] = ()
    secret_key_fingerprint: str = ""
    secret_key_fallback_fingerprints: tuple[str, ...] = ()
    second_factor_apps: tuple[str, ...] = ()
    sessions: SessionProfile = field(default_factory=SessionProfile)
    time_zone: str | None = None
    simple_jwt: SimpleJwtProfile | None = None

    @property
    def accepted_algorithms(self) -> frozenset[str]:
        """The algorithms that the site itself would verify."""
        # Of several hashers of one name Django takes the last; whichever it is, all must be as we know them.
        foreign = {each.algorithm for each in self.hashers if not (each.available and each.stock)}
        return frozenset(each.algorithm for each in self.hashers) - foreign

    @property
    def argon2_parameters(self) -> Argon2Parameters:
        """What the site's argon2 hasher writes; stock Django's where it lists none."""
        listed = (each for each in self.hashers if each.algorithm == "argon2")
        return next((Argon2Parameters(**each.parameters) for each in listed), Argon2Parameters())

    @property
    def takes_argon2(self) -> bool:
        """Whether a value that the bridge writes can be used at the site, and stays."""
        return not self._argon2_findings()

    def findings(self) -> tuple[Finding, ...]:
        """Name everything in the site's own settings that makes re-hashing unsafe, or noticed."""
        return (*self._argon2_findings(), *self._column_findings(), *self._session_findings(), *self._token_findings())

    def _argon2_findings(self) -> tuple[Finding, ...]:
        listed = [each.algorithm for each in self.hashers]
        if "argon2" not in listed:
            return (findings.ARGON2_MISSING,)
        argon2 = self.hashers[listed.index("argon2")]
        return findings.holding(
            (listed[0] != "argon2", findings.ARGON2_NOT_FIRST),
            (not argon2.available, findings.ARGON2_NOT_INSTALLED),
            (not argon2.reproducible, findings.ARGON2_NOT_REPRODUCIBLE),
        )

    def _column_findings(self) -> tuple[Finding, ...]:
        length = self.user_table.columns.get("password", 0)
        is_short = length is not None and length < self.argon2_parameters.encoded_length
        knows_active = "is_active" in self.user_table.columns or self.user_table.always_active
        return findings.holding((is_short, findings.PASSWORD_COLUMN), (not knows_active, findings.ACTIVE_FLAG))

    def _session_findings(self) -> tuple[Finding, ...]:
        return findings.holding(
            (not self.sessions.auth_hash_is_stock, findings.SESSION_HASH_CUSTOM),
            (not self.sessions.password_check_is_stock, findings.PASSWORD_CHECK_CUSTOM),
            (not self.sessions.middleware_keeps_keys, findings.SESSION_MIDDLEWARE),
        )

    def _token_findings(self) -> tuple[Finding, ...]:
        revokes = self.simple_jwt is not None and self.simple_jwt.check_revoke_token
        apps = ", ".join(self.second_factor_apps)
        return findings.holding(
            (revokes, findings.CHECK_REVOKE_TOKEN), (bool(apps), findings.SECOND_FACTOR.about(apps))
        )

    def to_document(self) -> dict[str, Any]:
        """Give the JSON form that is stored."""
        document = asdict(self)
        document["published_at"] = self.published_at.isoformat()
        return {"schema_version": SCHEMA_VERSION, **document}

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read the JSON form.

        Raises:
            ValueError: it was written by a version of the app that this one does not know, or by no app at all.
        """
        version = document.get("schema_version") if isinstance(document, Mapping) else None
        if version != SCHEMA_VERSION:
            raise ValueError(f"site profile of schema {version!r}, not {SCHEMA_VERSION}")
        try:
            profile = cls._read(document)
            profile.findings()
            ZoneInfo(profile.time_zone or "UTC")
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError("not what a site publishes") from exc
        return profile

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            published_at=datetime.fromisoformat(document["published_at"]),
            django_version=document["django_version"],
            user_table=UserTable(**document["user_table"]),
            hashers=tuple(HasherProfile(**each) for each in document["hashers"]),
            validators=tuple(document["validators"]),
            secret_key_fingerprint=document["secret_key_fingerprint"],
            secret_key_fallback_fingerprints=tuple(document["secret_key_fallback_fingerprints"]),
            second_factor_apps=tuple(document["second_factor_apps"]),
            sessions=SessionProfile(**document["sessions"]),
            time_zone=document["time_zone"],
            simple_jwt=_simple_jwt(document["simple_jwt"]),
        )


def fingerprint(secret: str) -> str:
    """Fingerprint a secret under itself, so that two holders can compare and nobody else learns anything."""
    return hmac.new(secret.encode(), b"bridge.profile.fingerprint", hashlib.sha256).hexdigest()[:16]


def _simple_jwt(document: Mapping[str, Any] | None) -> SimpleJwtProfile | None:
    if document is None:
        return None
    return SimpleJwtProfile(**{**document, "header_types": tuple(document["header_types"])})
