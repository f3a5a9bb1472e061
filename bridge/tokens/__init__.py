"""Access tokens that the bridge and the Django site both honour (RFC 7519, RFC 9068). Pure: no I/O, no framework."""

from bridge.tokens.claims import AccessClaims
from bridge.tokens.issuer import TokenIssuer
from bridge.tokens.keys import SigningKey
from bridge.tokens.verifier import TokenVerifier

__all__ = ["AccessClaims", "SigningKey", "TokenIssuer", "TokenVerifier"]
