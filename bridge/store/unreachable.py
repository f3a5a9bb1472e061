"""Why PostgreSQL cannot be reached, in words of our own.

The driver's stay behind: they quote parts of the URL, and where a password holds an ``@`` that is not encoded, a piece
of it is read as the host.
"""

import re
from typing import Final

from bridge.errors import DatabaseUnavailable

__all__ = ["URL_CURE", "why_unreachable"]

_ADDRESS: Final = "Check host and port in BRIDGE_DATABASE_URL, and that the server is up."
_ENCODE: Final = "In a password, write @ as %40, / as %2F, ? as %3F and % as %25."
URL_CURE: Final = f"Use postgresql://user:password@host:5432/name. {_ENCODE}"
_REASONS: Final = (
    (
        r"connection is bad: invalid",
        "BRIDGE_DATABASE_URL has a port or an option that is none",
        URL_CURE,
    ),
    (
        r"password authentication failed|SASL authentication failed",  # the latter is PgBouncer's
        "the server does not take this user and password",
        f"Check both in BRIDGE_DATABASE_URL. {_ENCODE}",
    ),
    (r"no password supplied", "the server wants a password", "Write user:password@ in BRIDGE_DATABASE_URL."),
    (
        r'role ".*" (does not exist|is not permitted to log in)',
        "the server has no such user, or none that may log in",
        "Check the user in BRIDGE_DATABASE_URL; CREATE ROLE … LOGIN makes one.",
    ),
    (
        r"pg_hba\.conf",
        "the server's pg_hba.conf does not let this user in from here",
        "Add a line to it; one for encrypted connections needs sslmode=require in BRIDGE_DATABASE_URL.",
    ),
    (
        r'database ".*" does not exist|no such database',
        "the server has no such database",
        "Check its name in BRIDGE_DATABASE_URL.",
    ),
    (
        r"permission denied for database",
        "this user may not connect to this database",
        "Run GRANT CONNECT ON DATABASE … TO the user in BRIDGE_DATABASE_URL, as the database's owner.",
    ),
    (
        r"too many c|remaining connection slots",
        "all of the server's connections are taken",
        "Raise its max_connections, or put a pooler such as PgBouncer in between.",
    ),
    (
        r"database system is|not (yet|currently) accepting connections",
        "the server is starting or stopping",
        "Try again in a moment.",
    ),
    (
        r"\bSSL\b|certificate",
        "no encrypted connection came about",
        "Check sslmode and sslrootcert in BRIDGE_DATABASE_URL.",
    ),
    (
        r"failed to resolve host|'idna' codec",
        "nobody knows its host",
        f"Check the host in BRIDGE_DATABASE_URL. {_ENCODE}",
    ),
    (r"Connection refused|No such file or directory\s+Is the server", "nobody listens there", _ADDRESS),
    (r"No route to host|Network is unreachable", "no way leads there", _ADDRESS),
    (r"timeout expired", "nothing answers there in time", f"{_ADDRESS} A firewall may be in between."),
    (r"received invalid response|expected authentication request", "what answers there is no PostgreSQL", _ADDRESS),
)
"""What the driver's words have in them; ours; and the cure. The first that fits.

A host may have several addresses, and the driver tells of all: what a server has said comes before where none is. There
is nothing else to go by: libpq keeps no SQLSTATE of a connection that did not come about.
"""


def why_unreachable(exc: Exception) -> DatabaseUnavailable:
    """Give what to tell an operator: of a server that speaks another language (``lc_messages``), the driver's class."""
    for words, reason, cure in _REASONS:
        if re.search(words, str(exc)):
            return DatabaseUnavailable(reason, cure=cure)
    return DatabaseUnavailable(type(exc).__name__)
