"""A made-up user table: every format that Django 1.0 to 6.0 wrote, and what no Django did."""

import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.passwords.encoded import WRAPPED
from bridge.store.database import Database

__all__ = ["NOW", "fill"]

NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_COPIED: Final = 20_000
"""So many users are made up; the others are these again under other names."""
_LETTERS: Final = string.ascii_letters + string.digits
_HEX: Final = string.hexdigits[:16]
_COLUMNS: Final = {
    "id": ("integer PRIMARY KEY", "bigint PRIMARY KEY"),
    "password": ("varchar(128)",) * 2,
    "last_login": ("datetime", "timestamptz"),
    "is_superuser": ("bool NOT NULL", "boolean NOT NULL"),
    "username": ("varchar(150) NOT NULL UNIQUE",) * 2,
    "first_name": ("varchar(150) NOT NULL",) * 2,
    "last_name": ("varchar(150) NOT NULL",) * 2,
    "email": ("varchar(254) NOT NULL",) * 2,
    "is_staff": ("bool NOT NULL", "boolean NOT NULL"),
    "is_active": ("bool NOT NULL", "boolean NOT NULL"),
    "date_joined": ("datetime NOT NULL", "timestamptz NOT NULL"),
}
_BORDERS: Final = tuple(
    timedelta(days=days, microseconds=more) for days in (0, 1, 7, 30, 90, 365) for more in (-1, 0, 1)
)
_MALFORMED: Final = (
    None,
    "",
    "$",
    "argon2",
    "argon2!",
    "argon2$argon2id$v=19$m=1,t=1",
    "argon2$argon2id$v=19$0123456789abcdef0123456789abcdef0123456789abcdef",
    "argon2$argon2i$m=512,t=2,p=2$c2FsdA$aGFzaA",
    "md5$$" + "0" * 31,
    "sha1$$" + "0" * 41,
    "pbkdf2_sha256$",
    "pbkdf2_sha256$$salt$digest",
    "pbkdf2_sha256$1000",
    "pbkdf2_sha256$" + "1" * 60,
    "pbkdf2_sha256$0123456789abcdef$0123456789abcdef",
    "pbkdf2_sha256$\u0661\u0662$salt$digest",
    "pbkdf2_sha2567$1$salt$digest",
    "pbkdf2_sha512$1000$salt$" + "0" * 64,
    "PBKDF2$1000$salt$" + "0" * 64,
    "scrypt$16384$",
    "bcrypt$$2b$1234567$" + "x" * 40,
    "bcrypt$$2y$12$" + "x" * 53,
    "pa$sw$ord",
    "a password as it is",
    "{SSHA}c2FsdA",
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA",
    "$6$salt$" + "x" * 86,
    " argon2$x",
    "ä" * 32,
    "🎩" * 31 + "$",
    "!",
    "!" + "0" * 31,
    "x" * 128,
)


async def fill(database: Database, users: int) -> None:
    """Make the table ``auth_user``, with so many."""
    kind = int(database.dialect == "postgresql")
    columns = ", ".join(f"{name} {kinds[kind]}" for name, kinds in _COLUMNS.items())
    await database.execute(f"CREATE TABLE auth_user ({columns})")
    slots = ", ".join(f":{name}" for name in _COLUMNS)
    made_up = min(users, _COPIED)
    async with database.transaction() as transaction:
        for user in _users(made_up):
            await transaction.execute(f"INSERT INTO auth_user VALUES ({slots})", user)  # noqa: S608  # our own names
        others = ", ".join(
            {"id": "id + :start", "username": "username || :start_text"}.get(name, name) for name in _COLUMNS
        )
        for start in range(made_up, users, made_up):
            await transaction.execute(
                f"INSERT INTO auth_user SELECT {others} FROM auth_user WHERE id < :more",  # noqa: S608  # likewise
                {"start": start, "start_text": f"_{start}", "more": min(made_up, users - start)},
            )
    await database.execute("VACUUM ANALYZE auth_user" if kind else "ANALYZE")


def _users(number: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(6)  # noqa: S311  # the same table each time
    for each in range(number):
        seen = rng.choice(_BORDERS) if rng.random() < 0.02 else timedelta(days=rng.expovariate(1 / 150))  # noqa: PLR2004  # a made-up share
        yield {
            "id": each,
            "password": rng.choice(_MALFORMED) if rng.random() < 0.01 else _password(rng),  # noqa: PLR2004  # likewise
            "last_login": None if rng.random() < 0.1 else NOW - seen,  # noqa: PLR2004  # likewise
            "is_superuser": rng.random() < 0.002,  # noqa: PLR2004  # likewise
            "username": f"user{each}",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "email": f"user{each}@example.com",
            "is_staff": rng.random() < 0.01,  # noqa: PLR2004  # likewise
            "is_active": rng.random() < 0.95,  # noqa: PLR2004  # likewise
            "date_joined": NOW - timedelta(days=900),
        }


def _password(rng: random.Random) -> str:
    def text(length: int, letters: str = _LETTERS) -> str:
        return "".join(rng.choices(letters, k=length))

    argon2 = "argon2id$v=19$m=102400,t=2,p=8$"
    formats: dict[Callable[[], str], int] = {
        lambda: f"pbkdf2_sha256${rng.choice((36_000, 260_000, 600_000, 1_000_000))}${text(22)}${text(43)}=": 110,
        lambda: f"argon2${argon2}{text(30)}${text(43)}": 55,
        lambda: f"argon2$argon2id$v=19$m=65536,t=3,p=4${text(22)}${text(43)}": 4,
        lambda: f"argon2$argon2i$v=19$m=512,t=2,p=2${text(16)}${text(22)}": 1,
        lambda: f"bcrypt_sha256$$2b$12${text(53)}": 5,
        lambda: f"bcrypt$$2{rng.choice('ab')}$12${text(53)}": 1,
        lambda: f"scrypt$16384${text(22)}$8$5${text(86)}==": 4,
        lambda: f"pbkdf2_sha1$20000${text(12)}${text(27)}=": 2,
        lambda: f"md5${text(12)}${text(32, _HEX)}": 3,
        lambda: f"sha1${text(12)}${text(40, _HEX)}": 3,
        lambda: text(32, _HEX): 2,
        lambda: f"md5$${text(32, _HEX)}": 1,
        lambda: f"sha1$${text(40, _HEX)}": 1,
        lambda: f"crypt$${text(13)}": 1,
        lambda: f"{rng.choice(tuple(WRAPPED))}$260000${text(12)}${argon2}{text(16)}${text(22)}": 2,
        lambda: f"!{text(40)}": 4,
        lambda: f"$2y$10${text(53)}": 1,
    }
    [chosen] = rng.choices(list(formats), weights=list(formats.values()))
    return chosen()
