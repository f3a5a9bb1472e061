"""The site profile as a whole, and what follows from it."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from bridge import findings
from bridge.findings import Finding
from bridge.passwords.parameters import Argon2Parameters
from bridge.profile.axes import AxesProfile
from bridge.profile.passwords import HasherProfile
from bridge.profile.second_factors import SecondFactorProfile
from bridge.profile.sessions import CsrfProfile, SessionProfile
from bridge.profile.tokens import BearerProfile, SimpleJwtProfile
from bridge.profile.urls import UrlInventory
from bridge.profile.users import UserTable

__all__ = ["SCHEMA_VERSION", "SiteProfile", "fingerprint"]

SCHEMA_VERSION: Final = 4


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
        login_rules: dotted paths of its own code that decides who may log in by a password.
        second_factors: what it asks for beyond a password.
        axes: whom it locks out; None where django-axes is not installed.
        sessions: what decides over them.
        csrf: what decides over requests that come with their cookie.
        time_zone: TIME_ZONE where USE_TZ is off and the columns hold local times; None where they are aware.
        bearer: None where it was told by an earlier version of the app.
        simple_jwt: None where SimpleJWT is not in use.
        urls: what it answers.
    """

    published_at: datetime
    django_version: str
    user_table: UserTable = field(default_factory=UserTable)
    hashers: tuple[HasherProfile, ...] = ()
    validators: tuple[Mapping[str, Any], ...] = ()
    secret_key_fingerprint: str = ""
    secret_key_fallback_fingerprints: tuple[str, ...] = ()
    login_rules: tuple[str, ...] = ()
    second_factors: SecondFactorProfile = field(default_factory=SecondFactorProfile)
    axes: AxesProfile | None = None
    sessions: SessionProfile = field(default_factory=SessionProfile)
    csrf: CsrfProfile = field(default_factory=CsrfProfile)
    time_zone: str | None = None
    bearer: BearerProfile | None = None
    simple_jwt: SimpleJwtProfile | None = None
    urls: UrlInventory = field(default_factory=UrlInventory)

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
        return (
            *self._argon2_findings(),
            *self._column_findings(),
            *self._session_findings(),
            *self._token_findings(),
            *self._login_findings(),
            *self._second_factor_findings(),
            *self._url_findings(),
        )

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
        obstacle = self.sessions.obstacle
        return findings.holding(
            (not self.sessions.auth_hash_is_stock, findings.SESSION_HASH_CUSTOM),
            (not self.sessions.password_check_is_stock, findings.PASSWORD_CHECK_CUSTOM),
            (not self.sessions.middleware_keeps_keys, findings.SESSION_MIDDLEWARE),
            (self.sessions.outlive_logout, findings.SESSIONS_OUTLIVE_LOGOUT),
            (obstacle is not None, findings.SESSIONS_UNREADABLE.about(str(obstacle))),
        )

    def _token_findings(self) -> tuple[Finding, ...]:
        simple_jwt = self.simple_jwt
        if simple_jwt is None:
            return ()
        passes_by = self.second_factors.are_asked_for and not simple_jwt.asks_second_factor
        return findings.holding(
            (simple_jwt.check_revoke_token, findings.CHECK_REVOKE_TOKEN),
            (passes_by, findings.SIMPLE_JWT_UNASKED),
        )

    def _login_findings(self) -> tuple[Finding, ...]:
        return findings.holding(
            (bool(self.login_rules), findings.LOGIN_RULES_CUSTOM.about(", ".join(self.login_rules)))
        )

    def _second_factor_findings(self) -> tuple[Finding, ...]:
        shortcomings = [*self.second_factors.shortcomings(), *(self.axes.shortcomings() if self.axes else ())]
        return findings.holding((bool(shortcomings), findings.SECOND_FACTOR.about("; ".join(shortcomings))))

    def _url_findings(self) -> tuple[Finding, ...]:
        shortcoming = self.urls.shortcoming
        return findings.holding((bool(shortcoming), findings.URLS_UNLISTED.about(shortcoming)))

    def to_document(self) -> dict[str, Any]:
        """Give the JSON form that is stored."""
        document = asdict(replace(self, urls=UrlInventory()))
        document["published_at"] = self.published_at.isoformat()
        return {"schema_version": SCHEMA_VERSION, **document, "urls": self.urls.to_document()}

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
        simple_jwt, axes = document["simple_jwt"], document["axes"]
        bearer = document.get("bearer")  # a site of before tells none
        return cls(
            published_at=datetime.fromisoformat(document["published_at"]),
            django_version=document["django_version"],
            user_table=UserTable.from_document(document["user_table"]),
            hashers=tuple(HasherProfile(**each) for each in document["hashers"]),
            validators=tuple(document["validators"]),
            secret_key_fingerprint=document["secret_key_fingerprint"],
            secret_key_fallback_fingerprints=tuple(document["secret_key_fallback_fingerprints"]),
            login_rules=tuple(document.get("login_rules", ())),  # a site of before tells none
            second_factors=SecondFactorProfile.from_document(document["second_factors"]),
            axes=None if axes is None else AxesProfile.from_document(axes),
            sessions=SessionProfile.from_document(document["sessions"]),
            csrf=CsrfProfile.from_document(document["csrf"]),
            time_zone=document["time_zone"],
            bearer=None if bearer is None else BearerProfile.from_document(bearer),
            simple_jwt=None if simple_jwt is None else SimpleJwtProfile.from_document(simple_jwt),
            urls=UrlInventory.from_document(document["urls"]),
        )


def fingerprint(secret: str) -> str:
    """Fingerprint a secret under itself, so that two holders can compare and nobody else learns anything."""
    return hmac.new(secret.encode(), b"bridge.profile.fingerprint", hashlib.sha256).hexdigest()[:16]
