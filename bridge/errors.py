"""The whole exception tree.

An expected outcome (a wrong password, a taken username) is a value, not an exception; these are broken contracts
and refusals that end the work at hand. Nothing here knows HTTP: ``bridge.web.errors`` is the one table that does.

* BridgeError
    * ConfigurationError          the operator must change something; carries the cure
        * DatabaseUnreachable     nobody answers where BRIDGE_DATABASE_URL says, or lets us in; it may come back
    * DatabaseError
        * DatabaseUnavailable     it cannot be reached, or did not answer in time
        * WriteRefused            it answers, and refuses (the role lacks the right, a full disk)
            * ReadOnlyDatabase    nothing may be written at all: a read-only transaction or server
        * ConstraintViolated      the row breaks a rule of the table
        * SchemaMissing           a table or column is not there
    * HashingUnavailable          no hashing capacity within the deadline; carries ``retry_after``
        * HashingAbandoned        who asked has left before their turn; nobody sees the answer
    * InvalidToken                a token that is not to be believed, whatever the reason
    * MalformedRequest            input that no use case can take; carries a stable ``code``
"""

from datetime import timedelta

__all__ = [
    "BridgeError",
    "ConfigurationError",
    "ConstraintViolated",
    "DatabaseError",
    "DatabaseUnavailable",
    "DatabaseUnreachable",
    "HashingAbandoned",
    "HashingUnavailable",
    "InvalidToken",
    "MalformedRequest",
    "ReadOnlyDatabase",
    "SchemaMissing",
    "WriteRefused",
]


class BridgeError(Exception):
    """Base of everything that the bridge raises on purpose."""


class ConfigurationError(BridgeError):
    """The service cannot start, or a command cannot run, until the operator changes something.

    Attributes:
        cure: what to do about it, one sentence.
    """

    def __init__(self, message: str, *, cure: str) -> None:
        super().__init__(message)
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.args[0]}. {self.cure}"


class DatabaseUnreachable(ConfigurationError):
    """A command finds no database where the operator says that it is."""


class DatabaseError(BridgeError):
    """The database did not do what was asked."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or did not answer in time.

    Attributes:
        cure: what to do about it where nothing has answered yet, for an operator's eyes only.
    """

    def __init__(self, message: str, *, cure: str = "Check BRIDGE_DATABASE_URL, and that the server is up.") -> None:
        super().__init__(message)
        self.cure = cure


class WriteRefused(DatabaseError):
    """The database answers, and refuses: the role lacks the right, the server is read-only, the disk is full."""


class ReadOnlyDatabase(WriteRefused):
    """Nothing may be written at all: the transaction, or the whole server, is read-only."""


class ConstraintViolated(DatabaseError):
    """A row breaks one of the table's rules."""


class SchemaMissing(DatabaseError):
    """A table or column that the bridge relies on is not there."""


class HashingUnavailable(BridgeError):
    """No hashing capacity within the deadline.

    Attributes:
        retry_after: when it is worth trying again.
    """

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__("no hashing capacity")
        self.retry_after = retry_after


class HashingAbandoned(HashingUnavailable):
    """Whoever asked has left before their turn came; nothing was hashed."""


class InvalidToken(BridgeError):
    """A token that is not to be believed. The message never contains any part of the token."""


class MalformedRequest(BridgeError):
    """Input that no use case can take.

    Attributes:
        code: stable and machine-readable.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
