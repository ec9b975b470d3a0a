"""Which replica writes: leader election on a coordination.k8s.io Lease.

The standby is warm: it watches and plans nothing, and takes over within duration + two looks of a silent leader.
A leader that could not renew stops writing `RENEW_SECONDS` after its last renewal, well before anyone else may take
the Lease; a clean stop gives the Lease back, so the next one need not wait. Expiry is judged by when *we* saw the
Lease change, so clocks need not agree. (The algorithm of client-go's leaderelection.)
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import LEASES

log = logging.getLogger(__name__)
DURATION_SECONDS = 15
RENEW_SECONDS = 8.0
"""Writes stop this long after the last renewal; the last one has ended (WRITE_SECONDS) before the Lease can expire."""
RETRY_SECONDS = 2.0
STANDBY_SECONDS = 1.0
"""Between the looks of a replica that does not lead: a Lease that was given back is taken at the next of them."""
CALL_SECONDS = 4.0


Term = tuple[str, int]
"""Uid and transitions of the Lease: another's term in between changes one of them, also where our own write was carried
out and its answer lost, so that we find ourselves as the holder without having begun.
"""


@dataclass(frozen=True)
class Sighting:
    """What was read of the Lease, and when it was first read so."""

    holder: str
    renewed: str
    at: float
    seconds: float


class Leadership:
    """`held` is set while this replica may write; `holds()` is exact to the moment.

    `began` is called when it starts to lead, and not when it goes on after a pause in which nobody else has led: what
    it knows then is still so, and to learn all of it again would keep a busy machine from ever catching up.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        began: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.held = asyncio.Event()
        self.identity = identity
        self._began = began
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._now = now
        self._renewed_at = float("-inf")
        self._attempted_at = clock()
        self._seen: Sighting | None = None
        self._term: Term | None = None
        """In which we last heard that the Lease is ours."""
        self._led_last = False
        """Whether it was ours in the same term already when it was renewed."""
        self._complaint: tuple[int, str] | None = None

    def holds(self) -> bool:
        return self.held.is_set() and self._clock() - self._renewed_at < RENEW_SECONDS

    @property
    def seconds_since_attempt(self) -> float:
        """Large when the loop that keeps the Lease has stopped turning."""
        return self._clock() - self._attempted_at

    async def run(self) -> None:
        """Try to get the Lease and to keep it, until cancelled; then give it back."""
        try:
            while True:
                await self._attempt()
                await asyncio.sleep(RETRY_SECONDS if self.held.is_set() else STANDBY_SECONDS)
        finally:
            self._step_down("stopping")
            with suppress(ApiError, TimeoutError):
                await asyncio.shield(self._release())

    async def _attempt(self) -> None:
        """One look at the Lease; the outcome is in `held`."""
        asked = self._attempted_at = self._clock()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                won = await self._acquire_or_renew()
        except TimeoutError:
            won = None
        except ApiError as error:
            self._complain(error)
            won = False if error.status == 409 else None
        if won:
            self._renewed_at = asked
            self._complaint = None
            if not self.held.is_set():
                log.info("%s leads%s", self.identity, " again" if self._led_last else "")
                self.held.set()
            if not self._led_last:
                self._began()
        elif won is False or not self.holds():
            self._step_down("the Lease is another's" if won is False else "the Lease could not be renewed in time")

    def _complain(self, error: ApiError) -> None:
        """Once for each kind of refusal: it is tried every two seconds."""
        if (error.status, error.reason) != self._complaint:
            log.warning("the Lease %s/%s cannot be read or written: %s", self._namespace, self._name, error)
        self._complaint = (error.status, error.reason)

    def _step_down(self, why: str) -> None:
        if self.held.is_set():
            log.warning("%s stops leading: %s", self.identity, why)
        self.held.clear()

    async def _acquire_or_renew(self) -> bool:
        lease = await self._client.get(LEASES, self._namespace, self._name)
        if lease is None:
            made = await self._client.create(LEASES, self._body({}, transitions=0), gated=False)
            self._took((made["metadata"]["uid"], 0))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in {"", self.identity} and not self._expired(holder, spec):
            return False
        transitions = spec.get("leaseTransitions") or 0
        body = self._body(lease["metadata"], transitions=transitions if holder == self.identity else transitions + 1)
        if holder == self.identity:
            body["spec"]["acquireTime"] = spec.get("acquireTime")
        await self._client.replace(LEASES, body, gated=False)
        self._took((lease["metadata"]["uid"], body["spec"]["leaseTransitions"]))
        return True

    def _took(self, term: Term) -> None:
        self._led_last, self._term = term == self._term, term

    def _expired(self, holder: str, spec: dict[str, Any]) -> bool:
        renewed = spec.get("renewTime") or ""
        seconds = float(spec.get("leaseDurationSeconds") or DURATION_SECONDS)
        if self._seen is None or (self._seen.holder, self._seen.renewed) != (holder, renewed):
            self._seen = Sighting(holder, renewed, self._clock(), seconds)
        return self._clock() - self._seen.at > self._seen.seconds

    async def _release(self) -> None:
        async with asyncio.timeout(CALL_SECONDS):
            lease = await self._client.get(LEASES, self._namespace, self._name)
            if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self.identity:
                return
            transitions = lease["spec"].get("leaseTransitions") or 0
            body = self._body(lease["metadata"], transitions=transitions)
            body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            await self._client.replace(LEASES, body, gated=False)

    def _body(self, metadata: dict[str, Any], *, transitions: int) -> dict[str, Any]:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        kept = {name: metadata[name] for name in ("resourceVersion", "uid") if name in metadata}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"namespace": self._namespace, "name": self._name, **kept},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
