"""Argon2 for a pool of few threads: each hash on the thread that asks for it, in memory that the thread keeps.

argon2-cffi's ordinary calls start a thread for each lane of each quarter of a pass, 64 for one hash with Django's
settings, and have its 100 MiB faulted in and given back every time: two fifths of the CPU that a login takes, and
sixteen threads that compete with the event loop. Its ``low_level.core`` takes both from the caller. The value is the
same: lanes are a part of the algorithm (RFC 9106 section 3.1), the threads that fill them are not.
"""

import base64
import binascii
import hmac
import mmap
import re
import threading
from contextlib import suppress
from functools import cache
from typing import Any, Final

from argon2 import Parameters, Type
from argon2.exceptions import HashingError
from argon2.low_level import core, error_to_str, ffi

__all__ = ["encode", "verify"]

_VALUE: Final = re.compile(
    r"\$argon2(id|i|d)(?:\$v=(0|[1-9]\d*))?\$m=(0|[1-9]\d*),t=(0|[1-9]\d*),p=(0|[1-9]\d*)"
    r"\$([A-Za-z0-9+/]*)\$([A-Za-z0-9+/]*)",
    re.ASCII,
)
_VERSION_UNSAID: Final = 0x10
_KEPT: Final = 128 * 2**20
"""Bytes that a thread keeps at most; what only a costlier value needs is given back."""

_MAP: Final = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


def encode(secret: bytes, salt: bytes, parameters: Parameters) -> str:
    """Hash, and give the PHC string ``$argon2id$v=19$m=…,t=…,p=…$salt$hash``.

    Raises:
        HashingError: libargon2 does not take these parameters.
    """
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    head = f"$argon2{parameters.type.name.lower()}$v={parameters.version}${costs}"
    return f"{head}${_base64(salt)}${_base64(_derive(secret, salt, parameters))}"


def verify(secret: bytes, value: str) -> bool:
    """Tell whether a PHC string is of this secret, at the costs that it names, as ``argon2_verify`` of libargon2 does.

    Raises:
        ValueError: it is malformed.
        OverflowError: a cost is beyond 32 bits.
    """
    found = _VALUE.fullmatch(value)
    if found is None:
        raise ValueError("not a PHC string of argon2")
    kind, version, memory, passes, lanes, salt, digest = found.groups()
    salted = _from_base64(salt)
    parameters = Parameters(
        type=Type[kind.upper()],
        version=_VERSION_UNSAID if version is None else int(version),
        salt_len=len(salted),
        hash_len=len(digest) * 3 // 4,
        time_cost=int(passes),
        memory_cost=int(memory),
        parallelism=int(lanes),
    )
    try:
        derived = _derive(secret, salted, parameters)
    except HashingError:
        return False
    return hmac.compare_digest(digest.encode(), _base64(derived).encode())


def _derive(secret: bytes, salt: bytes, parameters: Parameters) -> bytes:
    derived = ffi.new("uint8_t[]", parameters.hash_len)
    lend, take_back = _lending()
    kept_alive = ffi.new("uint8_t[]", secret), ffi.new("uint8_t[]", salt)
    context = ffi.new(
        "argon2_context *",
        {
            "out": derived,
            "outlen": parameters.hash_len,
            "pwd": kept_alive[0],
            "pwdlen": len(secret),
            "salt": kept_alive[1],
            "saltlen": len(salt),
            "t_cost": parameters.time_cost,
            "m_cost": parameters.memory_cost,
            "lanes": parameters.parallelism,
            "threads": 1,
            "version": parameters.version,
            "allocate_cbk": lend,
            "free_cbk": take_back,
        },
    )
    if error := core(context, parameters.type.value):
        raise HashingError(error_to_str(error))
    return bytes(ffi.buffer(derived, parameters.hash_len))


class _Memory(threading.local):
    """What a hash works in, each thread's own."""

    region: mmap.mmap | None = None

    def lend(self, size: int) -> mmap.mmap:
        """Give memory of at least so many bytes, in pages as large as the system has."""
        if self.region is None or len(self.region) < size:
            self.region = None  # before there is another
            self.region = mmap.mmap(-1, size, **_MAP)
            _advise(self.region, "MADV_HUGEPAGE")
        return self.region

    def take_back(self) -> None:
        """Keep it for the next hash, unless the system needs it: libargon2 has wiped it."""
        if self.region is not None and len(self.region) <= _KEPT:
            _advise(self.region, "MADV_FREE")
        else:
            self.region = None


_memory: Final = _Memory()


@cache
def _lending() -> tuple[Any, Any]:
    """Make libargon2's calls for memory; none where the system forbids code that is made at run time."""

    def lend(memory: Any, size: int) -> int:
        # What is raised here would be printed and nothing else; without memory libargon2 says so itself.
        with suppress(OSError, MemoryError, OverflowError, ValueError):
            memory[0] = ffi.cast("uint8_t *", ffi.from_buffer(_memory.lend(size)))
        return 0

    def take_back(_memory_lent: Any, _size: int) -> None:
        _memory.take_back()

    try:
        return ffi.callback("int(uint8_t **, size_t)", lend), ffi.callback("void(uint8_t *, size_t)", take_back)
    except MemoryError:
        return ffi.NULL, ffi.NULL


def _advise(region: mmap.mmap, advice: str) -> None:
    """Tell the system, where it knows of such advice and takes it."""
    option = getattr(mmap, advice, None)
    if option is not None:
        with suppress(OSError):
            region.madvise(option)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    """Read base64 as libargon2 does: without padding, and nothing in the bits that are left over."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
    if _base64(raw) != text:
        raise ValueError("not canonical base64")
    return raw
