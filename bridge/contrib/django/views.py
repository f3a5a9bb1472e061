"""Exchanges a bearer token for a session of this site."""

from typing import Any, Final

from django.conf import settings
from django.contrib.auth import load_backend, login
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bridge.contrib.django.bearer import Holder, holder_of, token_of
from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.ending import delete_session
from bridge.contrib.django.grants import locked_live_grant
from bridge.contrib.django.joining import session_name, take_name
from bridge.contrib.django.liveness import database
from bridge.contrib.django.models import Grant

__all__ = ["session"]

_NO_STORE: Final = {"Cache-Control": "no-store"}


# Nothing here listens to a cookie or a form, so that no other site can log its visitors in or out (login CSRF); a
# browser sends an Authorization header only where a script of an origin that CORS admits asks it to.
@csrf_exempt
@require_POST
def session(request: HttpRequest) -> HttpResponse:
    """Open a session for the holder of a token, who is logged in: its grant and the session end together.

    204 with the session's cookie; 401 for a token that opens nothing, is limited to a scope, or belongs to no grant.
    """
    token = token_of(request)
    if token is None:
        return _refused("Bearer", detail="Not authenticated")
    holder = holder_of(token, verifier=token_verifier())
    if holder is None or not _open_session(request, holder):
        return _refused('Bearer error="invalid_token"', detail="The token is invalid, expired or revoked")
    return HttpResponse(status=204, headers=_NO_STORE)


def _open_session(request: HttpRequest, holder: Holder) -> bool:
    user: Any = holder.user  # django-stubs wants the concrete user model
    backend = _backend_of(user)
    # A session is limited to nothing, whoever has limited the token.
    if holder.claims.session_id is None or holder.claims.is_scoped or backend is None:
        return False
    # Under the lock: a logout at the same moment comes before, and there is no session, or after, and finds its name.
    with transaction.atomic(using=database()):
        grant = locked_live_grant(user, holder.claims.session_id)
        if grant is None:
            return False
        login(request, user, backend=backend)
        former = grant.session_key
        take_name(request.session, former)
        request.session.save()
        name = session_name(request.session)
        # What else the user has exchanged the former session for goes along, and so ends with its successor.
        joined = Q(session_key=former) & ~Q(session_key="")
        live = Grant.objects.using(database()).filter(user_id=grant.user_id, ended_at=None)
        live.filter(Q(pk=grant.pk) | joined).update(session_key=name)
    if former != name:
        delete_session(former)
    return True


def _backend_of(user: Any) -> str | None:
    """Name the first of AUTHENTICATION_BACKENDS that would find the session's user again."""
    for path in settings.AUTHENTICATION_BACKENDS:
        if load_backend(path).get_user(user.pk) is not None:
            return path
    return None


def _refused(challenge: str, *, detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=401, headers={"WWW-Authenticate": challenge, **_NO_STORE})
