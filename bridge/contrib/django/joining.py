"""Which grants a session is joined to: by its name, whatever engine keeps it."""

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db, signed_cookies
from django.contrib.sessions.backends.base import SessionBase

from bridge.contrib.django.liveness import database, fits_column, is_migrated
from bridge.contrib.django.models import Grant
from bridge.sessions.naming import NAME_KEY, is_name, new_name
from bridge.tokens import EndedBy

__all__ = ["ahas_ended", "begin_name", "has_ended", "session_name", "take_name"]

_LONGEST_NAME = 40


def session_name(session: SessionBase) -> str:
    """Give what grants know a session by: its key, or its name where the session is its own cookie; empty without."""
    if isinstance(session, signed_cookies.SessionStore):
        name = session.get(NAME_KEY)
        return name if is_name(name) else ""
    key = session.session_key or ""
    return key if fits_column(key, longest=_LONGEST_NAME) else ""


def begin_name(session: SessionBase) -> None:
    """See that a session which somebody logs in with has a name, and none that has ended.

    Django lets a login of the same user go on with the session that is open, without a look at whom it still lets in.
    Others than Django tell of logins that open no session (token views do); theirs is left alone.
    """
    if type(session) is db.SessionStore or SESSION_KEY not in session:
        return
    is_cookie = isinstance(session, signed_cookies.SessionStore)
    if is_cookie and (session_name(session) == "" or has_ended(session)):
        session[NAME_KEY] = new_name()
    elif has_ended(session):
        session.cycle_key()


def take_name(session: SessionBase, name: str) -> None:
    """Let a session that is its own cookie have the name of one whose place it takes, so that both end.

    The other cannot be deleted: it is in some browser.
    """
    if isinstance(session, signed_cookies.SessionStore) and is_name(name) and not _is_of_ended_grant(name):
        session[NAME_KEY] = name


def has_ended(session: SessionBase) -> bool:
    """Tell whether a grant that was joined to a session has ended, which ends the session.

    Of the engine ``db`` the row is gone with the grant, so that it costs nothing; of all others, one query.
    """
    name = _name_to_ask_for(session)
    return name != "" and _is_of_ended_grant(name)


async def ahas_ended(session: SessionBase) -> bool:
    """Tell the same on the event loop, of a session that was loaded."""
    name = _name_to_ask_for(session)
    return name != "" and await sync_to_async(_is_of_ended_grant)(name)


def _name_to_ask_for(session: SessionBase) -> str:
    return "" if type(session) is db.SessionStore else session_name(session)


def _is_of_ended_grant(name: str) -> bool:
    using = database()
    if not is_migrated(using):
        return False
    # Of a changed password the session's own hash tells; the one that changed it goes on, by Django's design.
    ended = Grant.objects.using(using).filter(session_key=name, ended_at__isnull=False)
    return ended.exclude(ended_by=EndedBy.PASSWORD).exists()
