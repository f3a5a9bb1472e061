"""What the database itself saw: every change of a stored password, and every record of an upgrade, by transaction.

Triggers write it, in the transaction that they look at: what is rolled back leaves nothing here either. They do so with
their owner's rights, whatever the role may do that changes a password.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import class_row

__all__ = ["Change", "Record", "Seen", "install", "logins", "read"]

_INSTALL: Final = """
CREATE SCHEMA soak;
CREATE TABLE soak.change (
    number bigserial PRIMARY KEY, transaction text, app text, user_id text, old text, new text
);
CREATE TABLE soak.record (
    number bigserial PRIMARY KEY, transaction text, app text, user_id text, kind text, told text
);
CREATE FUNCTION soak.on_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO soak.change (transaction, app, user_id, old, new)
    VALUES (pg_current_xact_id()::text, current_setting('application_name'), NEW.id::text,
        CASE TG_OP WHEN 'UPDATE' THEN OLD.password END, NEW.password);
    RETURN NULL;
END $$;
CREATE FUNCTION soak.on_upgrade() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO soak.record (transaction, app, user_id, kind, told)
    VALUES (pg_current_xact_id()::text, NEW.app, NEW.user_id, 'upgrade', NEW.old_algorithm);
    RETURN NULL;
END $$;
CREATE FUNCTION soak.on_lineage() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO soak.record (transaction, app, user_id, kind, told)
    VALUES (pg_current_xact_id()::text, current_setting('application_name'), NEW.user_id, 'lineage',
        NEW.old_auth_hash || ' ' || NEW.new_digest);
    RETURN NULL;
END $$;
CREATE TRIGGER soak_insert AFTER INSERT ON auth_user FOR EACH ROW EXECUTE FUNCTION soak.on_user();
CREATE TRIGGER soak_update AFTER UPDATE ON auth_user FOR EACH ROW
    WHEN (OLD.password IS DISTINCT FROM NEW.password) EXECUTE FUNCTION soak.on_user();
CREATE TRIGGER soak_upgrade AFTER INSERT OR UPDATE ON bridge_password_upgrade FOR EACH ROW
    EXECUTE FUNCTION soak.on_upgrade();
CREATE TRIGGER soak_lineage AFTER INSERT OR UPDATE ON bridge_password_lineage FOR EACH ROW
    EXECUTE FUNCTION soak.on_lineage();
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A stored password that was written, in the order of the writes to its row.

    Attributes:
        old: None where the user was new.
    """

    transaction: str
    user_id: str
    old: str | None
    new: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A row of lineage, or of who was upgraded, that was written.

    Attributes:
        kind: ``upgrade`` or ``lineage``.
        told: from which algorithm; or the old value's auth hash and the new value's digest.
    """

    transaction: str
    user_id: str
    kind: str
    told: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it, and how things stand at the end.

    Attributes:
        usernames: by user.
        stands: the stored value, by user.
        upgraded: who has a row in the table of upgrades.
        counted: how many upgrades the counters of both apps tell of.
    """

    changes: Sequence[Change]
    records: Sequence[Record]
    usernames: dict[str, str]
    stands: dict[str, str]
    upgraded: frozenset[str]
    counted: int


def install(url: str) -> None:
    """Set the triggers up, on a migrated database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_INSTALL)


def logins(url: str, usernames: Collection[str]) -> list[str]:
    """Say in words what the database tells of some users' logins and of their values, without what is secret."""
    with psycopg.connect(url) as connection:
        return [
            " ".join(map(str, row))
            for row in connection.execute(
                "SELECT username, 'grant', left(g.id, 6), left(g.auth_hash, 6), created_at, rotated_at, ended_at,"
                " ended_by FROM auth_user u JOIN bridge_grant g ON g.user_id = u.id::text WHERE username = ANY(%(of)s)"
                " UNION ALL SELECT username, 'value', left(password, position('$' in password)), NULL, last_login,"
                " NULL, NULL, NULL FROM auth_user WHERE username = ANY(%(of)s)"
                " UNION ALL SELECT username, 'lineage', left(old_auth_hash, 6), left(new_digest, 6), l.expires_at,"
                " NULL, NULL, NULL FROM auth_user u JOIN bridge_password_lineage l ON l.user_id = u.id::text"
                " WHERE username = ANY(%(of)s) ORDER BY 1, 2, 5",
                {"of": list(usernames)},
            )
        ]


def read(url: str) -> Seen:
    """Give what was seen."""
    with psycopg.connect(url) as connection:
        changes = connection.cursor(row_factory=class_row(Change)).execute(
            "SELECT transaction, user_id, old, new, app FROM soak.change ORDER BY number"
        )
        records = connection.cursor(row_factory=class_row(Record)).execute(
            "SELECT transaction, user_id, kind, told, app FROM soak.record ORDER BY number"
        )
        users = connection.execute("SELECT id::text, username, password FROM auth_user").fetchall()
        upgraded = connection.execute("SELECT user_id FROM bridge_password_upgrade").fetchall()
        counted = connection.execute(
            "SELECT coalesce(sum(count), 0)::int FROM bridge_activity WHERE event = 'upgrade_written'"
        ).fetchone()
        return Seen(
            changes=changes.fetchall(),
            records=records.fetchall(),
            usernames={user_id: username for user_id, username, _ in users},
            stands={user_id: password for user_id, _, password in users},
            upgraded=frozenset(user_id for (user_id,) in upgraded),
            counted=counted[0] if counted else 0,
        )
