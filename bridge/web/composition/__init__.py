"""Puts the services together from settings, database and site profile."""

from bridge.web.composition.bridge import Bridge, bridge_of, compose
from bridge.web.composition.endpoints import cutover_reporting_of, listing_of, rules_of
from bridge.web.composition.neighbours import neighbour_findings
from bridge.web.composition.parts import Foundation
from bridge.web.composition.site import (
    identities_of,
    longest_unused,
    preconditions_of,
    reporting_of,
    site_profile,
    upgrading_of,
    users_of,
)

__all__ = [
    "Bridge",
    "Foundation",
    "bridge_of",
    "compose",
    "cutover_reporting_of",
    "identities_of",
    "listing_of",
    "longest_unused",
    "neighbour_findings",
    "preconditions_of",
    "reporting_of",
    "rules_of",
    "site_profile",
    "upgrading_of",
    "users_of",
]
