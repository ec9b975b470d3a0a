"""The numbers behind named target ports of Services, as EndpointSlices say them (discovery.k8s.io/v1).

A NetworkPolicy that names a port leaves it to each enforcer what that means; a number means one thing. While the pods
of a Service are replaced, one name may stand for two numbers; both are given. A Service that has lost its endpoints
keeps the numbers that it had: nobody answers there, and its pods come back on the same ports.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from regent_operator.engine.client import ApiClient
from regent_operator.engine.errors import ApiError
from regent_operator.engine.references import Name
from regent_operator.engine.resources import ENDPOINT_SLICES, SERVICE_NAME_LABEL, Resource

Object = dict[str, Any]
Numbers = Mapping[str, tuple[int, ...]]
"""Name of a Service's port (empty for an unnamed one) -> the pods' port numbers, in ascending order."""

MOST_REMEMBERED = 4096
"""Services whose last numbers are kept; the one asked for longest ago goes first."""


class TargetPorts:
    """Observer of the EndpointSlices. `changed` is called with the Service whose pods listen elsewhere now.

    Of each slice only the ports are kept: endpoints that come, go and get ready touch nobody.
    """

    def __init__(self, client: ApiClient, changed: Callable[[Name], None], watched: Callable[[str], bool]) -> None:
        self._client = client
        self._changed = changed
        self._watched = watched
        self._slices: dict[Name, dict[str, frozenset[tuple[str, int]]]] = defaultdict(dict)
        self._service_of: dict[Name, Name] = {}
        self._last: OrderedDict[Name, Numbers] = OrderedDict()

    async def of(self, service: Name, ports: frozenset[str]) -> Numbers:
        """Of these ports the numbers now, and the last ones of one that has no endpoint now. Raises ApiError."""
        found = self._now(service) if self._watched(service[0]) else await self._read(service)
        known = {port: numbers for port, numbers in {**self._last.pop(service, {}), **found}.items() if port in ports}
        if known:
            self._last[service] = known
            if len(self._last) > MOST_REMEMBERED:
                self._last.popitem(last=False)
        return known

    def seen(self, resource: Resource, obj: Object, *, full: bool) -> None:
        del resource
        if not full:
            raise ValueError("EndpointSlices are watched whole: their ports stand in the body")
        meta = obj["metadata"]
        where = (meta["namespace"], meta["name"])
        service = _service_of(obj)
        before = self._service_of.get(where)
        if before is not None and before != service:
            self._drop(where, before)
        if service is not None:
            held = self._now(service)
            self._service_of[where] = service
            self._slices[service][meta["name"]] = _ports(obj)
            self._tell(service, held)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        del resource, uid
        service = self._service_of.get((namespace, name))
        if service is not None:
            self._drop((namespace, name), service)

    def _drop(self, where: Name, service: Name) -> None:
        held = self._now(service)
        del self._service_of[where]
        del self._slices[service][where[1]]
        if not self._slices[service]:
            del self._slices[service]
        self._tell(service, held)

    def _tell(self, service: Name, held: Numbers) -> None:
        if self._now(service) != held:
            self._changed(service)

    def _now(self, service: Name) -> Numbers:
        return _numbers(self._slices.get(service, {}).values())

    async def _read(self, service: Name) -> Numbers:
        """In a namespace that is not watched; where we may not read, none are known."""
        namespace, name = service
        try:
            listing = await self._client.list(ENDPOINT_SLICES, namespace, labels=f"{SERVICE_NAME_LABEL}={name}")
        except ApiError as error:
            if error.status == 403:
                return {}
            raise
        return _numbers(map(_ports, listing.items))


def named_ports(service: Object | None) -> frozenset[str]:
    """The ports of a core/v1 Service of which it says only the name that they have in the pods."""
    ports = ((service or {}).get("spec") or {}).get("ports") or []
    return frozenset(port.get("name") or "" for port in ports if isinstance(port.get("targetPort"), str))


def _service_of(obj: Object) -> Name | None:
    meta = obj["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return (meta["namespace"], name) if name else None


def _ports(obj: Object) -> frozenset[tuple[str, int]]:
    """A slice without endpoints says nothing: it may be left from pods of before."""
    if not obj.get("endpoints"):
        return frozenset()
    return frozenset(
        (port.get("name") or "", port["port"])
        for port in obj.get("ports") or []
        if port.get("protocol", "TCP") == "TCP" and port.get("port")
    )


def _numbers(slices: Iterable[frozenset[tuple[str, int]]]) -> Numbers:
    found: dict[str, set[int]] = defaultdict(set)
    for name, number in frozenset().union(*slices):
        found[name].add(number)
    return {name: tuple(sorted(numbers)) for name, numbers in found.items()}
