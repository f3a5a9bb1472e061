"""Who is among the share of the users that a canary answers: the same ones each time, and more as it grows."""

import hashlib

from bridge.cutover.stages import WHOLE

__all__ = ["bucket_of"]


def bucket_of(subject: str, *, salt: str) -> int:
    """Give the bucket of whoever asks, from 0 to below ``WHOLE``; a canary answers those below its share.

    Args:
        subject: the user's key as text, which a token and a session name alike; ``cookie:<id>`` for the anonymous.
        salt: of the group of operations; one salt puts a user on one side for all of them.
    """
    digest = hashlib.sha256(f"{salt}\0{subject}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % WHOLE
