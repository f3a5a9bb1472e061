"""django-ninja: bearer tokens of the bridge and of the site, as ``NinjaAPI(auth=BearerAuth())``.

django-ninja 1.5 and newer run a synchronous class in a thread for asynchronous views; ``AsyncBearerAuth`` is for those
before, which call it on the event loop, where the ORM refuses to work. Tokens of the bridge that are limited to a scope
are refused: Django's views know nothing of scopes.
"""

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.functional import cached_property
from ninja.security import HttpBearer

from bridge.contrib.django.bearer import holder_of
from bridge.contrib.django.conf import token_verifier
from bridge.tokens import TokenVerifier

__all__ = ["AsyncBearerAuth", "BearerAuth"]


class _Bearer(HttpBearer):
    @cached_property
    def _verifier(self) -> TokenVerifier:
        return token_verifier()

    def _holder(self, request: HttpRequest, token: str) -> AbstractBaseUser | None:
        holder = holder_of(token, verifier=self._verifier)
        if holder is None:
            return None
        request.user = holder.user  # type: ignore[assignment]  # django-stubs wants the concrete user model
        return holder.user


class BearerAuth(_Bearer):
    """Lets the holder of a token in, who is then ``request.user`` and ``request.auth``; 401 for anybody else."""

    def authenticate(self, request: HttpRequest, token: str) -> AbstractBaseUser | None:
        """Give the token's active user; None where it is not to be believed, or was taken back."""
        return self._holder(request, token)


class AsyncBearerAuth(_Bearer):
    """The same for asynchronous views."""

    async def authenticate(self, request: HttpRequest, token: str) -> AbstractBaseUser | None:
        """Give the token's active user; None where it is not to be believed, or was taken back."""
        return await sync_to_async(self._holder)(request, token)
