"""Add to sessions.json what the real Django of this environment writes for a user who has just logged in.

Keys and CSRF secrets are random, so that a second run gives other values. To run again, each Django on a Python of its
time::

    pip install django==2.2.28    # 3.2.25, 4.2.30, 5.2.*, 6.0.*
    python -W ignore tests/vectors/generate_sessions.py
    python -W ignore tests/vectors/generate_sessions.py sha1    # 3.2 only: as a site sets it while it upgrades from 3.0
"""

# ruff: noqa: PLC0415  # Django's models can be imported only once it is configured

import json
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.conf import settings

SECRET_KEY = "what the old sites signed with, which opens nothing anywhere else"
ENCODED = "pbkdf2_sha256$1$seasalt$YBwsf/yKxw1EIJHvxwy1lo6XfNIRudoL9Z7iITL3fGg="  # of "correct horse battery staple"
USER_ID = 4711
_ENGINES = ("db", "cached_db", "signed_cookies")
_FILE = Path(__file__).with_name("sessions.json")


def _configure(algorithm: "str | None") -> None:
    settings.configure(
        SECRET_KEY=SECRET_KEY,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        CSRF_USE_SESSIONS=True,
        USE_TZ=True,
        **({"DEFAULT_HASHING_ALGORITHM": algorithm} if algorithm else {}),
    )
    django.setup()


def _logged_in(engine: str) -> Any:
    """Log a user in as a view would, open a page with a form, and give the request."""
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse
    from django.middleware.csrf import CsrfViewMiddleware, get_token

    request: Any = HttpRequest()
    request.session = import_module("django.contrib.sessions.backends." + engine).SessionStore()
    login(request, User.objects.get(pk=USER_ID), backend="django.contrib.auth.backends.ModelBackend")
    request.csrf_token_of_the_page = get_token(request)
    CsrfViewMiddleware(lambda _: HttpResponse()).process_response(request, HttpResponse())
    request.session.save()
    return request


def _vector(engine: str, *, compress: bool) -> "dict[str, Any]":
    from django.contrib.sessions.models import Session
    from django.core import signing

    request = _logged_in(engine)
    session = request.session
    content = dict(session.items())
    if engine == "signed_cookies":
        salt: Any = "django.contrib.sessions.backends.signed_cookies"
        stored = session.session_key
    else:
        salt = getattr(session, "key_salt", None)
        stored = Session.objects.get(pk=session.session_key).session_data
    if not compress:  # Django always tries to; its own function, asked not to
        stored = signing.dumps(content, salt=salt, serializer=session.serializer, compress=False)
    return {
        "engine": engine,
        "compressed": stored.startswith("."),
        "session_key": None if engine == "signed_cookies" else session.session_key,
        "stored": stored,
        "content": content,
        "csrf_token": request.csrf_token_of_the_page,
    }


def _vectors() -> "list[dict[str, Any]]":
    plain = [engine for engine in _ENGINES if engine == "signed_cookies" or not _writes_legacy_rows()]
    return [_vector(engine, compress=True) for engine in _ENGINES] + [
        _vector(engine, compress=False) for engine in plain
    ]


def _writes_legacy_rows() -> bool:
    return django.VERSION < (3, 1) or getattr(settings, "DEFAULT_HASHING_ALGORITHM", None) == "sha1"


def main() -> None:
    """Write this Django's part of the file, and leave the others'."""
    algorithm = sys.argv[1] if len(sys.argv) > 1 else None
    _configure(algorithm)
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create(pk=USER_ID, username="ada", password=ENCODED)
    name = django.get_version() + ("-" + algorithm if algorithm else "")
    document = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    written = document.get("written_by", {})
    written[name] = {
        "python": platform.python_version(),
        "written_at": import_module("django.utils.timezone").now().isoformat(),
        "auth_hash": User.objects.get(pk=USER_ID).get_session_auth_hash(),
        "vectors": _vectors(),
    }
    document = {"secret_key": SECRET_KEY, "user": {"id": USER_ID, "encoded": ENCODED}, "written_by": written}
    _FILE.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
