"""The ``bridge_*`` tables. Users are named by their primary key's text form, so that any user model will do."""

from bridge.contrib.django.models.census import CensusSnapshot
from bridge.contrib.django.models.endpoints import (
    EndpointChange,
    EndpointDifference,
    EndpointParity,
    EndpointStage,
    EndpointTraffic,
)
from bridge.contrib.django.models.logins import (
    Activity,
    Grant,
    PasswordLineage,
    PasswordUpgrade,
    RehashJournal,
    RevokedToken,
    SecondFactor,
    SiteProfile,
)

__all__ = [
    "Activity",
    "CensusSnapshot",
    "EndpointChange",
    "EndpointDifference",
    "EndpointParity",
    "EndpointStage",
    "EndpointTraffic",
    "Grant",
    "PasswordLineage",
    "PasswordUpgrade",
    "RehashJournal",
    "RevokedToken",
    "SecondFactor",
    "SiteProfile",
]
