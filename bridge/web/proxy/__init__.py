"""Everything that has not moved goes on to the Django site from here, and its answers come back as they are."""

from bridge.web.proxy.opening import Upstream, UpstreamAddress, open_upstream, prepare_upstream
from bridge.web.proxy.reaching import why_unreached

__all__ = ["Upstream", "UpstreamAddress", "open_upstream", "prepare_upstream", "why_unreached"]
