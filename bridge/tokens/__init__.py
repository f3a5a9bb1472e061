"""Tokens that the bridge and the Django site both honour (RFC 7519, RFC 9068). Pure: no I/O, no framework."""

from bridge.tokens.claims import AccessClaims, RefreshClaims, TokenClaims
from bridge.tokens.grants import LONGEST_DEVICE, EndedBy
from bridge.tokens.issuer import TokenIssuer, without_signature
from bridge.tokens.keys import SigningKey
from bridge.tokens.keyset import KeySet
from bridge.tokens.mfa import MfaClaims, MfaTokens
from bridge.tokens.rotation import Chain, Turn, turn_of
from bridge.tokens.scopes import LONGEST_SCOPE, is_scope_token
from bridge.tokens.verifier import TokenVerifier, is_of_bridge, unverified_session_id

__all__ = [
    "LONGEST_DEVICE",
    "LONGEST_SCOPE",
    "AccessClaims",
    "Chain",
    "EndedBy",
    "KeySet",
    "MfaClaims",
    "MfaTokens",
    "RefreshClaims",
    "SigningKey",
    "TokenClaims",
    "TokenIssuer",
    "TokenVerifier",
    "Turn",
    "is_of_bridge",
    "is_scope_token",
    "turn_of",
    "unverified_session_id",
    "without_signature",
]
