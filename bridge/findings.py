"""Everything that can make re-hashing unsafe or noticed, in words: what is so, and its cure.

``bridge doctor`` and ``manage.py check`` say the same, because both say it from here.
"""

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Finding", "holding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that makes re-hashing unsafe, or noticed.

    Attributes:
        code: stable, such as ``argon2-not-first``.
        message: what is so.
        cure: what to do about it.
        blocking: whether ``BRIDGE_REHASH=auto`` waits until it is gone; else it is worth knowing.
    """

    code: str
    message: str
    cure: str
    blocking: bool = True

    def about(self, subject: str) -> "Finding":
        """Give the same finding with what was found."""
        return replace(self, message=f"{self.message}: {subject}")


def holding(*candidates: tuple[bool, Finding]) -> tuple[Finding, ...]:
    """Give the findings whose condition holds."""
    return tuple(finding for holds, finding in candidates if holds)


# The site profile

PROFILE_MISSING: Final = Finding(
    "profile-missing",
    "The Django site has not published its profile",
    "Add bridge.contrib.django to its INSTALLED_APPS and run `python manage.py migrate` there.",
)
PROFILE_STALE: Final = Finding(
    "profile-stale",
    "The Django site's profile is more than a week old, and the site may be another by now",
    "Run `python manage.py bridge_profile` at the site; with the app installed, logins there renew it daily.",
)

PROFILE_OF_BEFORE: Final = Finding(
    "profile-of-before",
    "The Django site's profile was published by an earlier version of the app, and tells less",
    "Install the same version in the site and run `python manage.py bridge_profile` there.",
    blocking=False,
)

# Password hashers

ARGON2_MISSING: Final = Finding(
    "argon2-missing",
    "PASSWORD_HASHERS has no argon2: upgraded users could not log in to Django",
    "Put django.contrib.auth.hashers.Argon2PasswordHasher first in PASSWORD_HASHERS.",
)
ARGON2_NOT_FIRST: Final = Finding(
    "argon2-not-first",
    "argon2 is not first in PASSWORD_HASHERS: each Django login would write the old algorithm back",
    "Put django.contrib.auth.hashers.Argon2PasswordHasher first in PASSWORD_HASHERS.",
)
ARGON2_NOT_INSTALLED: Final = Finding(
    "argon2-not-installed",
    "argon2-cffi is not installed in the site's environment: upgraded users' logins would raise there",
    "Install django[argon2] where Django runs.",
)
ARGON2_NOT_REPRODUCIBLE: Final = Finding(
    "argon2-other-parameters",
    "The site's argon2 hasher writes another variant, version or hash length than argon2id v19 with 32 bytes: "
    "each Django login would rewrite the value",
    "Let its params() differ in time_cost, memory_cost, parallelism and salt_entropy only; the bridge adopts those.",
)
WRAPPED_UNLISTED: Final = Finding(
    "wrapped-unlisted",
    "Wrapped passwords are stored whose hasher is not in PASSWORD_HASHERS: their users can log in to neither app",
    "List these hashers of bridge.contrib.django.hashers again, for as long as such a value is left.",
    blocking=False,
)

# The user table

PASSWORD_COLUMN: Final = Finding(
    "password-column",
    "The user table has no column `password` that holds an argon2 value",
    "Name the column `password` and give it at least 128 characters.",
)
ACTIVE_FLAG: Final = Finding(
    "active-flag",
    "The user model keeps is_active in another way than in a column of that name: the bridge lets nobody in",
    "Name the column `is_active`.",
)
USER_TABLE_DIFFERS: Final = Finding(
    "user-table-differs",
    "The database's user table is not as the site's profile has it",
    "Point both apps to the same database, run the site's migrations, and publish the profile again.",
)
TABLES_MISSING: Final = Finding(
    "tables-missing",
    "The site's migrations are of an earlier version than the bridge, whose tables are not all there",
    "Install the same version in the site and run `python manage.py migrate` there, or `bridge migrate`; "
    "then run what `bridge privileges` prints.",
)
PRIVILEGES_MISSING: Final = Finding(
    "privileges-missing",
    "The bridge's database role lacks rights",
    "Run what `bridge privileges` prints as the tables' owner.",
)
DATABASE_READ_ONLY: Final = Finding(
    "database-read-only",
    "The database can only be read: logins go on, upgrades, refreshes and logouts do not",
    "Name the primary in BRIDGE_DATABASE_URL, no standby; or look for default_transaction_read_only.",
    blocking=False,
)
USERNAMES_DIFFER_BY_CASE: Final = Finding(
    "usernames-differ-by-case",
    "Some usernames differ by case only, and their owners may type either",
    "Rename them; or accept it, as Django does, with BRIDGE_REHASH=on.",
)
USERNAMES_NOT_NORMALISED: Final = Finding(
    "usernames-not-nfkc",
    "Some usernames are not in NFKC form, which login forms turn typed names into: their owners cannot log in",
    "Rename them to their NFKC form; or accept it, as Django does, with BRIDGE_REHASH=on.",
)

# Sessions and tokens

SECRET_KEY_DIFFERS: Final = Finding(
    "secret-key-differs",
    "BRIDGE_DJANGO_SECRET_KEY is not the site's SECRET_KEY: a re-hash would end the user's Django sessions",
    "Give the bridge the SECRET_KEY that Django runs with.",
)
SESSION_HASH_CUSTOM: Final = Finding(
    "session-hash-custom",
    "The user model derives session hashes in a way of its own: a re-hash would end the user's Django sessions",
    "Keep AbstractBaseUser.get_session_auth_hash and get_session_auth_fallback_hash (Django 4.1.8 or newer).",
)
PASSWORD_CHECK_CUSTOM: Final = Finding(
    "password-check-custom",
    "The user model has a check_password of its own: Django's upgrade on login would end the user's other sessions",
    "Keep AbstractBaseUser.check_password; verify additional things in an authentication backend.",
    blocking=False,
)
SESSION_MIDDLEWARE: Final = Finding(
    "session-middleware",
    "Django's own AuthenticationMiddleware is in place: parallel requests after a re-hash can lose the session",
    "Put bridge.contrib.django.middleware.AuthenticationMiddleware in its place in MIDDLEWARE.",
    blocking=False,
)
SESSIONS_OUTLIVE_LOGOUT: Final = Finding(
    "sessions-outlive-logout",
    "A logout at the bridge does not end the site's session: nothing tells those in a cache or a cookie",
    "Put bridge.contrib.django.middleware.AuthenticationMiddleware in the place of Django's in MIDDLEWARE.",
    blocking=False,
)
SESSIONS_UNREADABLE: Final = Finding(
    "sessions-unreadable",
    "The site keeps its sessions where the bridge cannot read them: migrated endpoints take tokens alone",
    "Set SESSION_ENGINE to django.contrib.sessions.backends.cached_db or db, and SESSION_SERIALIZER to Django's own.",
    blocking=False,
)
CHECK_REVOKE_TOKEN: Final = Finding(
    "check-revoke-token",
    "SIMPLE_JWT has CHECK_REVOKE_TOKEN: a re-hash would void every token of the user",
    "Switch CHECK_REVOKE_TOKEN off.",
)
LOGIN_RULES_CUSTOM: Final = Finding(
    "login-rules-custom",
    "Code of the site's own decides who may log in by a password; the bridge asks for the password and is_active alone",
    "Let is_active say it, and list django.contrib.auth.backends.ModelBackend; or keep /auth/ from the public.",
    blocking=False,
)
SECOND_FACTOR: Final = Finding(
    "second-factor",
    "The site asks for more than a password in ways that the bridge cannot",
    "Send those logins to the site; see MIGRATION.md, second factors and lockout.",
    blocking=False,
)
USERNAMES_UNCHECKED: Final = Finding(
    "usernames-unchecked",
    "The usernames could not be looked at",
    "See why the query failed (a statement_timeout, perhaps); it is tried again within the hour.",
)
SIMPLE_JWT_REJECTS: Final = Finding(
    "simple-jwt-rejects",
    "The site's SimpleJWT would reject the bridge's tokens",
    "Let both sides agree: SIMPLE_JWT at the site, BRIDGE_SIGNING_KEY, _SIGNING_ALGORITHM, _ISSUER, _AUDIENCE here.",
)
APP_REJECTS: Final = Finding(
    "app-rejects",
    "The bridge's app at the site would reject the bridge's tokens",
    "If the site takes bearer tokens, let both agree: SIGNING_KEY (JWK_URL, VERIFYING_KEY), SIGNING_ALGORITHM, ISSUER "
    "and AUDIENCE of BRIDGE at the site, and the bridge's settings of these names.",
    blocking=False,
)
SIMPLE_JWT_REJECTS_ITS_OWN: Final = Finding(
    "simple-jwt-rejects-its-own",
    "The site's SimpleJWT has a JWK_URL, and then takes no token without a kid, which its own views never write",
    "Let clients log in at the bridge, whose tokens have one, and take SimpleJWT's token views out of the site's URLs.",
    blocking=False,
)

SIMPLE_JWT_UNASKED: Final = Finding(
    "simple-jwt-second-factor",
    "SimpleJWT's login asks nobody for a second factor: its access tokens open both apps for a password alone, as long "
    "as SimpleJWT's own refresh renews them",
    "Set TOKEN_OBTAIN_SERIALIZER in SIMPLE_JWT to bridge.contrib.rest_framework.TokenObtainPairSerializer, or to a "
    "serializer derived from it that takes the code.",
    blocking=False,
)

# What moves

URLS_UNLISTED: Final = Finding(
    "urls-unlisted",
    "The site could not list all that it answers",
    "Run `python manage.py bridge_profile` at the site, and see what its log says.",
    blocking=False,
)
HANDLER_DEMANDS_LESS: Final = Finding(
    "handler-demands-less",
    "A migrated endpoint lets in whom Django keeps out",
    "Give it the dependencies that Django's view has as decorators or permission classes; see `bridge endpoints list`.",
    blocking=False,
)
SITE_PATHS_HIDDEN: Final = Finding(
    "site-paths-hidden",
    "The site answers under paths that the bridge keeps for itself, and would not be reached through it",
    "Give them another path at the site, or let its clients ask it and not the bridge.",
    blocking=False,
)
HANDLER_HIDDEN: Final = Finding(
    "handler-hidden",
    "A migrated endpoint is never reached: the path of one before it in the routers takes its requests",
    "Put the narrower path first.",
    blocking=False,
)
HANDLER_FOR_SEVERAL_VIEWS: Final = Finding(
    "handler-for-several-views",
    "A migrated endpoint answers for several of Django's views, told apart there by the types of their parameters",
    "Give its path their types, {pk:int} for <int:pk>, or answer for all of them.",
    blocking=False,
)
PLAN_NAMES_UNKNOWN: Final = Finding(
    "plan-names-unknown",
    "The plan names operations that neither a router nor the site has",
    "Write them as `bridge endpoints list --all` does, slash at the end included: until then [defaults] hold for what "
    "was meant.",
    blocking=False,
)

# What runs

CLOCK_SKEW: Final = Finding(
    "clock-skew",
    "This machine's clock and the database server's differ",
    "Let both follow the same time source (NTP); tokens from the future are refused.",
)
UPSTREAM_UNREACHABLE: Final = Finding(
    "upstream-unreachable",
    "The Django site cannot be reached where BRIDGE_UPSTREAM says",
    "Start it, or correct the address; until it answers, what it is to answer is a 502.",
    blocking=False,
)
TRIES_NOT_SHARED: Final = Finding(
    "tries-not-shared",
    "The storage that BRIDGE_RATE_LIMIT_STORAGE names does not answer: each process counts tries for itself",
    "Start it, or correct the address and its password; it is asked again every second.",
    blocking=False,
)
PING_PONG: Final = Finding(
    "ping-pong",
    "Upgraded passwords were downgraded again",
    "Find the Django process that runs with old PASSWORD_HASHERS; see MIGRATION.md, ping-pong.",
)
