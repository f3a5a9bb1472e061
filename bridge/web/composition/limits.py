"""Puts the limits together from the settings."""

from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from bridge.services.clock import Clock
from bridge.services.devices import KnownDevices
from bridge.services.limiting import Limits
from bridge.store.rate_limits import Windows
from bridge.web.settings import Settings

__all__ = ["limits_of"]


def limits_of(settings: Settings, registry: CollectorRegistry, clock: Clock) -> Limits:
    """Build them, with what the metrics say of their storage.

    Raises:
        ConfigurationError: BRIDGE_RATE_LIMIT_STORAGE is malformed.
    """
    shared = Gauge("bridge_rate_limits_shared", "1 while all replicas count tries together.", registry=registry)
    lost = Counter(
        "bridge_rate_limit_storage_lost", "How often the shared storage of tries went away.", registry=registry
    )
    url = settings.rate_limit_storage.get_secret_value()

    def tell(is_shared: bool) -> None:  # noqa: FBT001  # it says nothing else
        shared.set(is_shared)
        if not is_shared and has_begun:
            lost.inc()

    has_begun = False
    windows = Windows(url, on_change=tell)
    has_begun = True
    return Limits(
        windows=windows,
        rules=settings.limit_rules,
        devices=KnownDevices(
            secrets=settings.django_secrets, age=timedelta(days=settings.known_device_days), clock=clock
        ),
        secrets=settings.django_secrets,
    )
