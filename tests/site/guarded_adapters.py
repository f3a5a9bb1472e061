"""Adapters and plugins that only this site's own code understands."""

from allauth.mfa.adapter import DefaultMFAAdapter
from axes.handlers.database import AxesDatabaseHandler


class EncryptingAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth may be untyped
    """Keeps secrets where the bridge cannot read them."""

    def encrypt(self, text: str) -> str:
        return text[::-1]

    def decrypt(self, encrypted_text: str) -> str:
        return encrypted_text[::-1]


class DecidingAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # likewise
    """Decides by itself who needs a second factor."""

    def is_mfa_enabled(self, user, types=None) -> bool:
        return bool(user.is_staff)


class OwnHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes is untyped
    """A handler of the site's own."""


def failure_limit(request, credentials) -> int:
    return 7


def whitelist(request, credentials) -> bool:
    return False


def cool_off(request):
    return None


def parameters(request, credentials):
    return ["username"]
