"""The access code of a server: comparing it, remembering who gave it, slowing down guesses."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import os
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

#: Wrong codes that one client, and that all clients together, may give in WINDOW seconds.
CLIENT_TRIES, ALL_TRIES = 5, 60
WINDOW = 60.0
#: Clients whose tries are remembered: the one that was quiet longest is forgotten first.
CLIENTS = 10_000
#: Seconds for which a browser need not give the code again.
VALID = 7 * 86_400
LONGEST = 200  # characters of a code that are looked at


class Access:
    """The code of a server, and tokens for browsers that gave it.

    secret: of this server, so that a token survives a restart but not another code.
    """

    def __init__(self, code: str, secret: bytes) -> None:
        self._code = _digest(code)
        self._key = hashlib.sha256(secret + self._code).digest()

    def matches(self, given: str) -> bool:
        """Whether a code is the right one; takes as long for any wrong one."""
        return hmac.compare_digest(_digest(given), self._code)

    def token(self, now: float | None = None) -> str:
        """What a browser shows instead of the code, for VALID seconds."""
        end = int((time.time() if now is None else now) + VALID)
        return f"{end}.{self._sign(end)}"

    def admits(self, token: str, now: float | None = None) -> bool:
        """Whether a token was given by this server for this code and has not expired."""
        end, _, signature = token[:100].partition(".")
        if not (end.isascii() and end.isdecimal() and signature.isascii() and len(end) < 15):
            return False
        genuine = hmac.compare_digest(signature, self._sign(int(end)))
        return genuine and int(end) > (time.time() if now is None else now)

    def _sign(self, end: int) -> str:
        return hmac.new(self._key, str(end).encode(), hashlib.sha256).hexdigest()


class Throttle:
    """Counts wrong codes by client and altogether; says how long the next try has to wait."""

    def __init__(
        self,
        each: int = CLIENT_TRIES,
        everybody: int = ALL_TRIES,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each, self._everybody, self._window, self._clock = each, everybody, window, clock
        self._clients: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()
        self._lock = threading.Lock()

    def wait(self, client: str) -> float:
        """Seconds until this client may try again, 0 if it may now."""
        with self._lock:
            now = self._clock()
            own = self._recent(self._clients.get(client, deque()), now)
            everybody = self._recent(self._all, now)
            waits = [
                tries[-most] + self._window - now
                for tries, most in ((own, self._each), (everybody, self._everybody))
                if len(tries) >= most
            ]
            return max(waits, default=0.0)

    def failed(self, client: str) -> None:
        """Note a wrong code."""
        with self._lock:
            now = self._clock()
            own = self._clients.pop(client, None) or deque(maxlen=self._each)
            own.append(now)
            self._clients[client] = own
            self._recent(self._all, now).append(now)
            while len(self._clients) > CLIENTS:
                self._clients.popitem(last=False)

    def _recent(self, tries: deque[float], now: float) -> deque[float]:
        while tries and tries[0] <= now - self._window:
            tries.popleft()
        return tries


def client_of(address: str) -> str:
    """Who is counted as one client: an address, of IPv6 the network that one customer gets."""
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(found, "ipv4_mapped", None)
        if mapped is not None:
            return str(mapped)
        if found.version == 6:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found)
    return address[:64]


def server_secret(folder: Path) -> bytes:
    """A random secret that is kept in a folder, readable by its owner alone."""
    path = folder / "secret"
    with contextlib.suppress(OSError):
        known = path.read_bytes()
        if len(known) == 32:
            return known
    made = secrets.token_bytes(32)
    with contextlib.suppress(OSError):  # a folder that cannot be written: until the next restart
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(made)
    return made


def _digest(code: str) -> bytes:
    return hashlib.sha256(code[:LONGEST].encode("utf-8", "replace")).digest()
