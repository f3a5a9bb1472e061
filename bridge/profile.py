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

from bridge.passwords.parameters import Argon2Parameters

__all__ = ["Finding", "HasherProfile", "SimpleJwtProfile", "SiteProfile", "UserTable", "fingerprint"]

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


@dataclass(frozen=True, slots=True)
class HasherProfile:
    """One entry of PASSWORD_HASHERS.

    Attributes:
        algorithm: the name that its values start with.
        path: dotted path of the class.
        available: whether its library is installed in the site's environment.
        parameters: cost settings by name; for argon2 the fields of ``Argon2Parameters``.
    """

    algorithm: str
    path: str
    available: bool = True
    parameters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimpleJwtProfile:
    """The settings of SIMPLE_JWT that decide which tokens the site takes; none of them secret."""

    algorithm: str = "HS256"
    issuer: str | None = None
    audience: str | None = None
    user_id_claim: str = "user_id"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the site that makes re-hashing unsafe.

    Attributes:
        code: stable, such as ``argon2-not-first``.
        message: what is so.
        cure: what to do about it.
    """

    code: str
    message: str
    cure: str


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
        time_zone: TIME_ZONE where USE_TZ is off and the columns hold local times; None where they are aware.
        simple_jwt: None where SimpleJWT is not in use.
    """

    published_at: datetime
    django_version: str
    user_table: UserTable = field(default_factory=UserTable)
    hashers: tuple[HasherProfile, ...] = ()
    validators: tuple[Mapping[str, Any], ...] = ()
    secret_key_fingerprint: str = ""
    time_zone: str | None = None
    simple_jwt: SimpleJwtProfile | None = None

    @property
    def accepted_algorithms(self) -> frozenset[str]:
        """The algorithms that the site itself would verify."""
        return frozenset(each.algorithm for each in self.hashers if each.available)

    @property
    def argon2_parameters(self) -> Argon2Parameters:
        """What the site's argon2 hasher writes; stock Django's where it lists none."""
        listed = (each for each in self.hashers if each.algorithm == "argon2")
        return next((Argon2Parameters(**each.parameters) for each in listed), Argon2Parameters())

    def findings(self) -> tuple[Finding, ...]:
        """Name everything that would lock users out of the site, or undo the upgrade, if hashes were upgraded now."""
        listed = [each.algorithm for each in self.hashers]
        if "argon2" not in listed:
            return (_ARGON2_MISSING,)
        findings = []
        if listed[0] != "argon2":
            findings.append(_ARGON2_NOT_FIRST)
        if not all(each.available for each in self.hashers if each.algorithm == "argon2"):
            findings.append(_ARGON2_NOT_INSTALLED)
        return tuple(findings)

    @property
    def is_safe(self) -> bool:
        """Whether an upgraded user can still log in to the site, and the site leaves the value alone."""
        return not self.findings()

    def to_document(self) -> dict[str, Any]:
        """Give the JSON form that is stored."""
        document = asdict(self)
        document["published_at"] = self.published_at.isoformat()
        return {"schema_version": SCHEMA_VERSION, **document}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form.

        Raises:
            ValueError: it was written by a version of the app that this one does not know.
        """
        if document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"site profile of schema {document.get('schema_version')!r}, not {SCHEMA_VERSION}")
        simple_jwt = document["simple_jwt"]
        return cls(
            published_at=datetime.fromisoformat(document["published_at"]),
            django_version=document["django_version"],
            user_table=UserTable(**document["user_table"]),
            hashers=tuple(HasherProfile(**each) for each in document["hashers"]),
            validators=tuple(document["validators"]),
            secret_key_fingerprint=document["secret_key_fingerprint"],
            time_zone=document["time_zone"],
            simple_jwt=None if simple_jwt is None else SimpleJwtProfile(**simple_jwt),
        )


def fingerprint(secret: str) -> str:
    """Fingerprint a secret under itself, so that two holders can compare and nobody else learns anything."""
    return hmac.new(secret.encode(), b"bridge.profile.fingerprint", hashlib.sha256).hexdigest()[:16]


UNPUBLISHED: Final = Finding(
    code="profile-missing",
    message="The Django site has not published its profile",
    cure="Add bridge.contrib.django to its INSTALLED_APPS and run `python manage.py migrate` there.",
)
_ARGON2_MISSING: Final = Finding(
    code="argon2-missing",
    message="PASSWORD_HASHERS has no argon2: upgraded users could not log in to Django",
    cure="Put django.contrib.auth.hashers.Argon2PasswordHasher first in PASSWORD_HASHERS.",
)
_ARGON2_NOT_FIRST: Final = Finding(
    code="argon2-not-first",
    message="argon2 is not first in PASSWORD_HASHERS: each Django login would write the old algorithm back",
    cure="Put django.contrib.auth.hashers.Argon2PasswordHasher first in PASSWORD_HASHERS.",
)
_ARGON2_NOT_INSTALLED: Final = Finding(
    code="argon2-not-installed",
    message="argon2-cffi is not installed in the site's environment: upgraded users' logins would raise there",
    cure="Install django[argon2] where Django runs.",
)

