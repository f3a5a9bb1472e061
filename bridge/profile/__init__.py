"""The site profile: what the Django site told the bridge about itself, and what follows from it.

Django writes it (``manage.py bridge_profile``, and after each ``migrate``); the bridge configures itself from it.
It holds no secret, only a keyed fingerprint by which both sides can see that they share one.
"""

from bridge.profile.axes import AxesProfile
from bridge.profile.passwords import HasherProfile
from bridge.profile.second_factors import (
    AllauthMfaProfile,
    DjangoOtpProfile,
    ForeignDevices,
    SecondFactorProfile,
)
from bridge.profile.sessions import CsrfProfile, SessionProfile
from bridge.profile.site import SCHEMA_VERSION, SiteProfile, fingerprint
from bridge.profile.tokens import BearerProfile, SimpleJwtProfile
from bridge.profile.urls import LegacyEndpoint, UrlInventory
from bridge.profile.users import KeyType, Membership, UserTable

__all__ = [
    "SCHEMA_VERSION",
    "AllauthMfaProfile",
    "AxesProfile",
    "BearerProfile",
    "CsrfProfile",
    "DjangoOtpProfile",
    "ForeignDevices",
    "HasherProfile",
    "KeyType",
    "LegacyEndpoint",
    "Membership",
    "SecondFactorProfile",
    "SessionProfile",
    "SimpleJwtProfile",
    "SiteProfile",
    "UrlInventory",
    "UserTable",
    "fingerprint",
]
