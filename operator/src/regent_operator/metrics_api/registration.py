"""Our place in the API: the APIService that the chart makes trusts the certificate that we serve with.

The group belongs to one provider in a cluster. Where another one has it, nothing is written, and it is said who it is.
"""

import base64
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from regent_operator.engine.client import ApiClient
from regent_operator.engine.resources import API_SERVICES
from regent_operator.metrics_api.discovery import GROUP, VERSION

log = logging.getLogger(__name__)
OURS = f"{VERSION}.{GROUP}"
SIBLINGS = (f"v1beta1.{GROUP}",)
"""Other versions of the group: one provider serves them all, or autoscalers ask the wrong one."""
MOST_CERTIFICATES = 8
END = "-----END CERTIFICATE-----"
Object = dict[str, Any]


class Registration:
    """`problem`: why we are not registered; empty: we are."""

    def __init__(self, client: ApiClient, namespace: str, service: str) -> None:
        self.host = f"{service}.{namespace}.svc"
        self.problem = "the APIService has not been looked at yet"
        self._client = client
        self._service = {"namespace": namespace, "name": service}

    async def present(self, certificates: Iterable[str], now: datetime) -> None:
        """Let the API server trust these certificates (PEM) beside those of our other replicas. Raises ApiError.

        What is no certificate for our host, or has expired, is left out.
        """
        problem, live = await self._look()
        if problem != self.problem and problem:
            log.error("%s", problem)
        if live is None:
            self.problem = problem
            return
        own = tuple(certificates)
        held = base64.b64decode(live["spec"].get("caBundle") or "").decode("ascii", errors="replace")
        wanted = bundle(own, _split(held), self.host, now)
        if wanted != held:
            if not any(each in held for each in own):
                self.problem = f"APIService {OURS} does not trust the certificate that is served with"
            encoded = base64.b64encode(wanted.encode()).decode()
            version = live["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "spec": {"caBundle": encoded}}
            await self._client.merge(API_SERVICES, None, OURS, patch)
        self.problem = ""

    async def _look(self) -> tuple[str, Object | None]:
        for name in (OURS, *SIBLINGS):
            found = await self._client.get(API_SERVICES, None, name)
            service = ((found or {}).get("spec") or {}).get("service") or {}
            if found is not None and {key: service.get(key) for key in self._service} != self._service:
                owner = f"{service.get('namespace', 'the API server itself')}/{service.get('name', '')}".rstrip("/")
                words = f"APIService {name} belongs to {owner}: that serves {GROUP}, and we do not"
                return f"{words}. Remove it, or install with autoscaling.provider=External.", None
            if name == OURS:
                live = found
        return ("", live) if live is not None else (f"there is no APIService {OURS}; the chart makes it", None)


def bundle(own: Iterable[str], others: Iterable[str], host: str, now: datetime) -> str:
    """Those that are for this host and in force, each once, the youngest first.

    At most so many, and `own` always. They take the place of those that our pod served with before: a replica that
    starts again and again pushes out no other that serves.
    """
    mine, found = _in_force(own, host, now), _in_force(others, host, now)
    pods = {each.subject for each in mine.values()}
    theirs = {pem: each for pem, each in found.items() if each.subject not in pods}
    kept = dict([*mine.items(), *theirs.items()][:MOST_CERTIFICATES])
    return "".join(sorted(kept, key=lambda pem: (kept[pem].not_valid_after_utc, pem), reverse=True))


def _in_force(certificates: Iterable[str], host: str, now: datetime) -> dict[str, x509.Certificate]:
    """By their PEM, the youngest first."""
    found: dict[str, x509.Certificate] = {}
    for pem in certificates:
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            continue
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [str(name.value) for name in names] == [host[:64]] and certificate.not_valid_after_utc > now:
            found.setdefault(pem.strip() + "\n", certificate)
    return dict(sorted(found.items(), key=lambda each: (each[1].not_valid_after_utc, each[0]), reverse=True))


def _split(pems: str) -> list[str]:
    return [f"{part.strip()}\n{END}\n" for part in pems.split(END) if part.strip()]
