"""What the site asks for beyond a password: the devices of django-otp, the authenticators of allauth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["AllauthMfaProfile", "DjangoOtpProfile", "ForeignDevices", "SecondFactorProfile"]


@dataclass(frozen=True, slots=True)
class ForeignDevices:
    """A django-otp plugin's devices, whose codes only the site can verify.

    Attributes:
        model: its label, such as ``otp_email.emaildevice``.
        table: where they are.
        user: the column of the user's key.
        confirmed: the column that tells whether a device is in use.
    """

    model: str
    table: str
    user: str = "user_id"
    confirmed: str = "confirmed"


@dataclass(frozen=True, slots=True)
class DjangoOtpProfile:
    """django-otp.

    Attributes:
        totp: whether ``otp_totp`` is installed.
        static: whether ``otp_static`` is.
        synchronises: OTP_TOTP_SYNC: whether a device's drift follows the codes.
        totp_throttle_factor: OTP_TOTP_THROTTLE_FACTOR; 0 switches the devices' throttling off.
        static_throttle_factor: OTP_STATIC_THROTTLE_FACTOR.
        keeps_usage: whether devices have ``last_used_at`` (1.4 and newer).
        foreign: all other devices.
    """

    totp: bool = False
    static: bool = False
    synchronises: bool = True
    totp_throttle_factor: float = 1
    static_throttle_factor: float = 1
    keeps_usage: bool = True
    foreign: tuple[ForeignDevices, ...] = ()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(**{**document, "foreign": tuple(ForeignDevices(**each) for each in document["foreign"])})


@dataclass(frozen=True, slots=True)
class AllauthMfaProfile:
    """``allauth.mfa``; each field without a line of its own is the setting of its name.

    Attributes:
        codes_can_be_verified: whether the secrets are there to be read: MFA_ADAPTER may encrypt them. A length of codes
            that no generator has (RFC 4226) counts as no as well.
        enabling_is_stock: whether MFA_ADAPTER leaves it to the authenticators who has a second factor.
        failures: wrong codes of a user that ACCOUNT_RATE_LIMITS allows within ``failure_seconds``.
        keeps_usage: whether authenticators have ``last_used_at`` (0.58 and newer).
    """

    totp_period: int = 30
    totp_digits: int = 6
    totp_tolerance: int = 0
    recovery_code_count: int = 10
    recovery_code_digits: int = 8
    codes_can_be_verified: bool = True
    enabling_is_stock: bool = True
    failures: int = 5
    failure_seconds: int = 300
    keeps_usage: bool = True


@dataclass(frozen=True, slots=True)
class SecondFactorProfile:
    """All of it.

    Attributes:
        otp: None where django-otp is not installed.
        allauth: None where ``allauth.mfa`` is not.
        unknown_apps: installed apps that ask for more than a password in ways that the bridge does not know.
    """

    otp: DjangoOtpProfile | None = None
    allauth: AllauthMfaProfile | None = None
    unknown_apps: tuple[str, ...] = field(default=())

    @property
    def are_asked_for(self) -> bool:
        """Whether the bridge asks anybody for more than a password."""
        return self.otp is not None or self.allauth is not None

    def shortcomings(self) -> Iterator[str]:
        """Say what of it the bridge cannot honour, or can honour only by sending users to the site."""
        if self.otp is not None and self.otp.foreign:
            models = ", ".join(each.model for each in self.otp.foreign)
            yield f"users of {models} must log in at the site"
        if self.allauth is not None and not self.allauth.codes_can_be_verified:
            yield "users with a second factor of allauth must log in at the site, because their secrets cannot be read"
        if self.allauth is not None and not self.allauth.enabling_is_stock:
            yield "MFA_ADAPTER decides who needs a second factor, which only the site can ask"
        yield from (f"{name} is not known to the bridge" for name in self.unknown_apps)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        otp, allauth = document["otp"], document["allauth"]
        return cls(
            otp=None if otp is None else DjangoOtpProfile.from_document(otp),
            allauth=None if allauth is None else AllauthMfaProfile(**allauth),
            unknown_apps=tuple(document["unknown_apps"]),
        )
