"""Everything that has not moved goes on to the Django site from here, and its answers come back as they are."""

from bridge.web.proxy.inprocess import load_application
from bridge.web.proxy.opening import Upstream, UpstreamAddress, open_upstream

__all__ = ["Upstream", "UpstreamAddress", "load_application", "open_upstream"]
