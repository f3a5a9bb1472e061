"""Which algorithm and cost a stored password names, as SQL: what leaves the database is never part of a digest."""

import re
from typing import Final

from bridge.passwords.encoded import ALGORITHMS, UNUSABLE_PREFIX
from bridge.progress.census import UNKNOWN, UNUSABLE
from bridge.store.database import Dialect

__all__ = ["UNSALTED", "WITHOUT_COST", "algorithm_of", "cost_of", "head", "kind_of", "spans_of"]

_DIGITS: Final = "0123456789"
_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_"
_LONGEST_COST: Final = 32
_LONGEST_NAME: Final = 32
_SHORTEST_HASH: Final = 40
_MOST: Final = "pbkdf2_sha256"
"""Of whose values the head is the cost alone: a name before it would have to be made up and compared for most rows."""
_ARGON2: Final = "argon2$argon2id$v=19$"
_DJANGOS_ARGON2: Final = "m=102400,t=2,p=8"
"""What Django has asked for since 3.2: most values of most sites, sooner or later."""

_BEFORE_COST: Final = {
    "pbkdf2_sha1": ("pbkdf2_sha1$",),
    "scrypt": ("scrypt$",),
    "bcrypt_sha256": ("bcrypt_sha256$$2b$", "bcrypt_sha256$$2a$"),
    "bcrypt": ("bcrypt$$2b$", "bcrypt$$2a$"),
    "argon2_pbkdf2_sha256": ("argon2_pbkdf2_sha256$",),
    "argon2_pbkdf2_sha1": ("argon2_pbkdf2_sha1$",),
}
"""What the values of other algorithms begin with that name a cost; of wrapped ones, the rounds of the old hash."""
_UNSALTED_LENGTHS: Final = {"md5": 37, "sha1": 46}
"""Of values with an empty salt."""
_COST: Final = re.compile(r"[0-9]{1,9}|m=[0-9]{1,9},t=[0-9]{1,4},p=[0-9]{1,4}")

_LOOKS_LIKE: Final = {"$2": "bare_bcrypt", "$argon2": "bare_argon2", "$": "modular_crypt", "{": "ldap"}
"""What values that Django's hashers do not take begin with, the longer before the shorter, and what they are called."""
_WHOLE: Final = {
    f"{UNUSABLE}$": UNUSABLE_PREFIX,
    f"{UNKNOWN}$bare_bcrypt": "$2",
    f"{UNKNOWN}$bare_argon2": "$argon2",
    **{
        f"{name}$": f"{name}$"
        for name in ALGORITHMS
        if name not in {"argon2", _MOST, *_BEFORE_COST, *_UNSALTED_LENGTHS}
    },
}
"""What all values of these heads begin with, and no others, but for digests without a name."""
WITHOUT_COST: Final = (*_WHOLE, "argon2$", *(f"{name}$" for name in _UNSALTED_LENGTHS))
"""Heads without a cost that ``spans_of`` knows."""
_EMPTY: Final = "empty"
_OTHER: Final = "other"


def head(dialect: Dialect) -> str:
    """Give ``algorithm$cost`` of the column ``password``, or a cost alone; see ``algorithm_of`` and ``cost_of``.

    By the same rules as ``EncodedPassword.parse``, those first that most values meet; a test holds the two together.
    A value that no hasher takes is named by what it looks like: by what stands before its first ``$`` only where the
    rest is long enough for a hash, and never by anything of a bare word, which may be somebody's password.
    """
    return (
        f"CASE WHEN {_begins(dialect, f'{_MOST}$')} THEN {_part(dialect, f'{_MOST}$')}"
        f" WHEN {_begins(dialect, f'{_ARGON2}{_DJANGOS_ARGON2}$')} THEN 'argon2${_DJANGOS_ARGON2}'"
        f" WHEN {_begins(dialect, _ARGON2)} THEN 'argon2$' || {_part(dialect, _ARGON2)}"
        f" WHEN {_begins(dialect, UNUSABLE_PREFIX)} THEN '{UNUSABLE}$'"
        " WHEN length(password) = 32 AND replace(password, '$', '') = password THEN 'unsalted_md5$'"
        f" ELSE CASE {_name(dialect)} {_named(dialect)} ELSE {_unknown(dialect)} END END"
    )


def algorithm_of(dialect: Dialect) -> str:
    """Give the algorithm of a column ``head``."""
    dollar = f"{_position(dialect)}(head, '$')"
    return f"CASE {dollar} WHEN 0 THEN '{_MOST}' ELSE substr(head, 1, {dollar} - 1) END"


def cost_of(dialect: Dialect) -> str:
    """Give the cost of a column ``head``: nothing but what a cost is made of."""
    cost = f"substr(head, {_position(dialect)}(head, '$') + 1)"
    return (
        f"CASE WHEN length({cost}) <= {_LONGEST_COST} AND ltrim({cost},"
        f" CASE WHEN substr(head, 1, 7) = 'argon2$' THEN 'mtp=,{_DIGITS}'"
        f" WHEN substr(head, 1, {len(UNKNOWN) + 1}) = '{UNKNOWN}$' THEN '{_NAME}'"
        f" ELSE '{_DIGITS}' END) = '' THEN {cost} ELSE '' END"
    )


def kind_of(head: str) -> tuple[str, str]:
    """Give algorithm and cost of a head by the same rules as ``algorithm_of`` and ``cost_of``."""
    algorithm, dollar, cost = head.partition("$")
    if not dollar:
        algorithm, cost = _MOST, head
    allowed = {"argon2": f"mtp=,{_DIGITS}", UNKNOWN: _NAME}.get(algorithm, _DIGITS)
    return algorithm, cost if len(cost) <= _LONGEST_COST and not cost.strip(allowed) else ""


def spans_of(head: str) -> tuple[tuple[str, str], ...]:
    """Give ranges of the column ``password``, from and to before a text, in which every value has this head.

    None of them where more than the beginning decides. There may be other values with the same head.
    """
    name, _, cost = head.rpartition("$")
    if _COST.fullmatch(cost):
        before = {"": (f"{_MOST}$",), "argon2": (_ARGON2,), **_BEFORE_COST}.get(name, ())
        return tuple(_span(f"{each}{cost}$") for each in before)
    if head in _WHOLE:
        return (_span(_WHOLE[head]),)
    if head == "argon2$":
        return ((head, _ARGON2), (_after(_ARGON2), _after(head)))  # of another kind or version
    if name in _UNSALTED_LENGTHS and not cost:
        return ((f"{name}$%", f"{name}%"),)  # with a salt
    return ()


UNSALTED: Final = (
    ("length(password) = 32 AND instr(password, '$') = 0 AND substr(password, 1, 1) <> '!'", "unsalted_md5$"),
    *(
        (f"length(password) = {length} AND password >= '{name}$$' AND password < '{name}$%'", f"unsalted_{name}$")
        for name, length in _UNSALTED_LENGTHS.items()
    ),
)
"""Conditions of SQLite's, and the heads of the values that meet one: digests without a name."""


def _span(prefix: str) -> tuple[str, str]:
    return prefix, _after(prefix)


def _after(prefix: str) -> str:
    """Give the first text after all that begin so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _named(dialect: Dialect) -> str:
    """Go on after ``CASE`` and the name that a value starts with."""
    costs = {name: _cost_after(dialect, *prefixes) for name, prefixes in _BEFORE_COST.items()}
    unsalted = {
        name: f"CASE WHEN length(password) = {length} AND {_begins(dialect, f'{name}$$')} THEN 'unsalted_{name}$'"
        f" ELSE '{name}$' END"
        for name, length in _UNSALTED_LENGTHS.items()
    }
    heads = {name: f"'{name}$'" for name in ALGORITHMS} | unsalted
    heads |= {name: f"'{name}$' || {cost}" for name, cost in costs.items()}
    return " ".join(f"WHEN '{name}' THEN {found}" for name, found in heads.items())


def _unknown(dialect: Dialect) -> str:
    looks = " ".join(f"WHEN {_begins(dialect, prefix)} THEN '{kind}'" for prefix, kind in _LOOKS_LIKE.items())
    return f"'{UNKNOWN}$' || CASE WHEN password = '' THEN '{_EMPTY}' {looks} ELSE {_foreign_name(dialect)} END"


def _begins(dialect: Dialect, prefix: str) -> str:
    # What each of them does fastest: a pass over a million rows asks several times a row.
    if dialect == "postgresql":
        escaped = prefix.replace("_", r"\_")
        return f"password LIKE '{escaped}%'"
    return f"(password >= '{prefix}' AND password < '{_after(prefix)}')"


def _position(dialect: Dialect) -> str:
    return "strpos" if dialect == "postgresql" else "instr"


def _name(dialect: Dialect) -> str:
    """Give what stands before the first ``$``, or a value without any; what is too long for a name is cut."""
    return _until_dollar(0, _LONGEST_NAME) if dialect == "sqlite" else "split_part(password, '$', 1)"


def _part(dialect: Dialect, before: str) -> str:
    """Give what stands between a prefix and the next ``$``; it need not be a cost, nor end there."""
    if dialect == "postgresql":
        return f"split_part(password, '$', {before.count('$') + 1})"
    return _until_dollar(len(before), _LONGEST_COST)


def _until_dollar(start: int, longest: int) -> str:
    window = longest + 1
    # Where there is no dollar, instr gives 0, and so this the whole window: one character too long to be taken.
    length = f"(instr(substr(password, {start + 1}, {window}), '$') + {window}) % {window + 1}"
    return f"substr(password, {start + 1}, {length})"


def _cost_after(dialect: Dialect, *prefixes: str) -> str:
    cases = " ".join(f"WHEN {_begins(dialect, prefix)} THEN {_part(dialect, prefix)}" for prefix in prefixes)
    return f"CASE {cases} ELSE '' END"


def _foreign_name(dialect: Dialect) -> str:
    dollar = f"{_position(dialect)}(substr(password, 1, {_LONGEST_NAME + 1}), '$')"
    name = f"substr(password, 1, {dollar} - 1)"
    is_name = (
        f"length(password) >= {_SHORTEST_HASH} AND {dollar} > 2"
        f" AND length(password) - length(replace(password, '$', '')) > 1"
    )
    allowed = f"CASE WHEN ltrim({name}, '{_NAME}') = '' THEN {name} ELSE '{_OTHER}' END"
    return f"CASE WHEN {is_name} THEN {allowed} ELSE '{_OTHER}' END"
