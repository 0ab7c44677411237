"""How much one client may ask for: token buckets, in a table that cannot grow without bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from opswatch import clock

CLIENTS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` requests at once, `per_s` more each second."""

    burst: float
    per_s: float


class Buckets:
    """One allowance for each client. For one thread. `monotonic_s` gives seconds on a clock that is never set back."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        clients_max: int = CLIENTS_MAX,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        self._allowance = allowance
        self._clients_max = clients_max
        self._monotonic_s = monotonic_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client → (left, at)

    def __len__(self) -> int:
        return len(self._left)

    def wait_s(self, client: str, cost: float = 1.0) -> float:
        """Take `cost` for this client: 0.0 when it may go on, else the seconds until it may, and nothing is taken. A
        cost of 0 only asks."""
        now = self._monotonic_s()
        allowance = self._allowance
        left, at = self._left.get(client, (allowance.burst, now))
        left = min(allowance.burst, left + (now - at) * allowance.per_s)
        needed = max(cost, 1.0)
        if left < needed:
            self._keep(client, left, now)
            return (needed - left) / allowance.per_s
        self._keep(client, left - cost, now)
        return 0.0

    def _keep(self, client: str, left: float, now: float) -> None:
        self._left[client] = (left, now)
        self._left.move_to_end(client)
        while len(self._left) > self._clients_max:  # Whoever asked longest ago has most of their allowance back.
            self._left.popitem(last=False)
