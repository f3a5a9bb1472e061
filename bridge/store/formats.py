"""Which algorithm and cost a stored password names, as SQL: what leaves the database is never part of a digest."""

from functools import partial
from typing import Final

from bridge.passwords.encoded import ALGORITHMS, UNUSABLE_PREFIX
from bridge.progress.census import UNKNOWN, UNUSABLE
from bridge.store.database import Dialect

__all__ = ["algorithm_of", "cost_of", "head"]

_DIGITS: Final = "0123456789"
_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_"
_LONGEST_COST: Final = 32
_LONGEST_NAME: Final = 32
_SHORTEST_HASH: Final = 40
_ARGON2: Final = "argon2$argon2id$v=19$"

_LOOKS_LIKE: Final = {"$2": "bare_bcrypt", "$argon2": "bare_argon2", "$": "modular_crypt", "{": "ldap"}
"""What values that Django's hashers do not take begin with, the longer before the shorter, and what they are called."""
_EMPTY: Final = "empty"
_OTHER: Final = "other"


def head(dialect: Dialect) -> str:
    """Give ``algorithm$cost`` of the column ``password``, which ``algorithm_of`` and ``cost_of`` take apart.

    By the same rules as ``EncodedPassword.parse``, those first that most values meet; a test holds the two together.
    A value that no hasher takes is named by what it looks like: by what stands before its first ``$`` only where the
    rest is long enough for a hash, and never by anything of a bare word, which may be somebody's password.
    """
    begins, part = partial(_begins, dialect), partial(_part, dialect)
    bare_names = ", ".join(f"'{name}'" for name in ALGORITHMS)
    named = [
        f"WHEN {begins('pbkdf2_sha256$')} THEN 'pbkdf2_sha256$' || {part('pbkdf2_sha256$')}",
        f"WHEN {begins(_ARGON2)} THEN 'argon2$' || {part(_ARGON2)}",
        f"WHEN {begins(UNUSABLE_PREFIX)} THEN '{UNUSABLE}$'",
        f"WHEN {begins('pbkdf2_sha1$')} THEN 'pbkdf2_sha1$' || {part('pbkdf2_sha1$')}",
        f"WHEN {begins('scrypt$')} THEN 'scrypt$' || {part('scrypt$')}",
        *(
            f"WHEN {begins(f'{name}$$2{minor}$')} THEN '{name}$' || {part(f'{name}$$2{minor}$')}"
            for name in ("bcrypt_sha256", "bcrypt")
            for minor in "ba"
        ),
        f"WHEN {begins('md5$$')} AND length(password) = 37 THEN 'unsalted_md5$'",
        f"WHEN {begins('sha1$$')} AND length(password) = 46 THEN 'unsalted_sha1$'",
        *(f"WHEN {begins(name + '$')} THEN '{name}$'" for name in ALGORITHMS),
        f"WHEN password IN ({bare_names}) THEN password || '$'",
        "WHEN length(password) = 32 AND replace(password, '$', '') = password THEN 'unsalted_md5$'",
        f"WHEN password = '' THEN '{UNKNOWN}${_EMPTY}'",
        *(f"WHEN {begins(prefix)} THEN '{UNKNOWN}${kind}'" for prefix, kind in _LOOKS_LIKE.items()),
    ]
    return f"CASE {' '.join(named)} ELSE '{UNKNOWN}$' || {_foreign_name(dialect)} END"


def algorithm_of(dialect: Dialect) -> str:
    """Give the algorithm of a column ``head``."""
    return f"substr(head, 1, {_position(dialect)}(head, '$') - 1)"


def cost_of(dialect: Dialect) -> str:
    """Give the cost of a column ``head``: nothing but what a cost is made of."""
    cost = f"substr(head, {_position(dialect)}(head, '$') + 1)"
    return (
        f"CASE WHEN length({cost}) <= {_LONGEST_COST} AND ltrim({cost},"
        f" CASE WHEN substr(head, 1, 7) = 'argon2$' THEN 'mtp=,{_DIGITS}'"
        f" WHEN substr(head, 1, {len(UNKNOWN) + 1}) = '{UNKNOWN}$' THEN '{_NAME}'"
        f" ELSE '{_DIGITS}' END) = '' THEN {cost} ELSE '' END"
    )


def _begins(dialect: Dialect, prefix: str) -> str:
    # What each of them does fastest: a pass over a million rows asks several times a row.
    if dialect == "postgresql":
        escaped = prefix.replace("_", r"\_")
        return f"password LIKE '{escaped}%'"
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return f"(password >= '{prefix}' AND password < '{after}')"


def _position(dialect: Dialect) -> str:
    return "strpos" if dialect == "postgresql" else "instr"


def _part(dialect: Dialect, before: str) -> str:
    """Give what stands between a prefix and the next ``$``; it need not be a cost, nor end there."""
    if dialect == "postgresql":
        return f"split_part(password, '$', {before.count('$') + 1})"
    window = f"substr(password, {len(before) + 1}, {_LONGEST_COST + 1})"
    return f"substr({window}, 1, instr({window} || '$', '$') - 1)"


def _foreign_name(dialect: Dialect) -> str:
    dollar = f"{_position(dialect)}(substr(password, 1, {_LONGEST_NAME + 1}), '$')"
    name = f"substr(password, 1, {dollar} - 1)"
    is_name = (
        f"length(password) >= {_SHORTEST_HASH} AND {dollar} > 2"
        f" AND length(password) - length(replace(password, '$', '')) > 1"
    )
    allowed = f"CASE WHEN ltrim({name}, '{_NAME}') = '' THEN {name} ELSE '{_OTHER}' END"
    return f"CASE WHEN {is_name} THEN {allowed} ELSE '{_OTHER}' END"
