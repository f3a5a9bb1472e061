"""What both apps go by where nothing is set: the bridge's settings, and BRIDGE at the site."""

from typing import Final

__all__ = ["AUDIENCE", "GRANT_LIFETIME", "ISSUER", "REFRESH_GRACE", "REFRESH_TOKEN_LIFETIME"]

ISSUER: Final = "bridge"
AUDIENCE: Final = "django"
REFRESH_TOKEN_LIFETIME: Final = 1_209_600
"""Seconds; GRANT_LIFETIME and REFRESH_GRACE likewise."""
GRANT_LIFETIME: Final = 7_776_000
REFRESH_GRACE: Final = 10
