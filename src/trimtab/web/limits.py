"""How often somebody may ask: buckets of tokens that fill again with time, by who asks. Bounded; it knows no page."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from trimtab.errors import RefusedError

_Found = TypeVar("_Found")
MOST_KEYS = 10_000
_HOST_BITS = 64
"""Of an IPv6 address so many are its network's, which is one client's: it may choose the rest as it likes."""


def client_key(address: Sequence[object] | None) -> str:
    """Return by what a client is counted: its address, of IPv6 its network. `address` is host and port, or nobody's."""
    host = str(address[0]) if address else ""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _HOST_BITS), strict=False))


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """`burst` requests at once, and `per_second` more each second, for every key. `clock` gives seconds."""

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float]) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_seconds(self, key: str) -> float:
        """Take a token of the key; return 0 where there was one, else in how many seconds there will be."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(self._burst, now)
                while len(self._buckets) > MOST_KEYS:
                    self._buckets.popitem(last=False)
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
            bucket.at = now
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0.0
            return (1 - bucket.tokens) / self._per_second

    def give_back(self, key: str) -> None:
        """Give the token of the key back that was taken for what need not be counted."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.tokens = min(self._burst, bucket.tokens + 1)


class Tries(RateLimit):
    """How often somebody may guess."""

    def made(self, keys: Sequence[str], attempt: Callable[[], _Found]) -> _Found:
        """Return what the attempt finds, None for nothing. It counts for each key, unless it finds: that is no guess.

        Raises RefusedError `web.tries`, without an attempt, where one of the keys has had too many.
        """
        wait = max(self.wait_seconds(key) for key in keys)
        if wait:
            raise RefusedError(
                "too many tries", code="web.tries", next_step=f"Wait {max(1, round(wait))} seconds, and try again."
            )
        found = attempt()
        if found is not None:
            for key in keys:
                self.give_back(key)
        return found
