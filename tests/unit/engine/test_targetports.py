from typing import Any

import pytest

from regent_operator.engine.client import Listing
from regent_operator.engine.errors import ApiError
from regent_operator.engine.resources import ENDPOINT_SLICES, SERVICE_NAME_LABEL
from regent_operator.engine.targetports import MOST_REMEMBERED, TargetPorts, named_ports
from tests.unit.engine.fake_client import FakeClient, meta

Object = dict[str, Any]
SERVICE = ("n", "model")
PORTS = frozenset({"", "http", "admin"})
READY = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]


def endpoint_slice(name: str, *ports: tuple[str, int], service: str = "model", endpoints: Any = READY) -> Object:
    body = [{"name": port, "port": number, "protocol": "TCP"} for port, number in ports]
    return meta(name, 1, labels={SERVICE_NAME_LABEL: service}) | {"endpoints": endpoints, "ports": body}


class Scene:
    def __init__(self) -> None:
        self.client = FakeClient()
        self.changed: list[tuple[str, str]] = []
        self.ports = TargetPorts(
            self.client,  # type: ignore[arg-type]
            self.changed.append,
            lambda namespace: namespace == "n",
        )

    def seen(self, obj: Object) -> None:
        self.ports.seen(ENDPOINT_SLICES, obj, full=True)

    def gone(self, name: str) -> None:
        self.ports.gone(ENDPOINT_SLICES, "n", name, f"uid-{name}")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_nothing_is_known_before_an_endpoint(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000), endpoints=[]))
    assert await scene.ports.of(SERVICE, PORTS) == {}
    assert scene.changed == []


async def test_a_port_of_the_service_has_the_number_that_its_pods_listen_on(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000), ("admin", 9000)))
    assert await scene.ports.of(SERVICE, PORTS) == {"http": (8000,), "admin": (9000,)}
    assert scene.changed == [SERVICE]
    assert scene.client.calls == []


async def test_endpoints_that_come_and_go_on_the_same_port_are_no_news(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000)))
    scene.seen(endpoint_slice("a", ("http", 8000), endpoints=[*READY, *READY]))
    scene.seen(endpoint_slice("b", ("http", 8000)))
    scene.gone("b")
    assert scene.changed == [SERVICE]


async def test_during_a_rollout_to_another_number_both_hold_and_then_the_new_one(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000)))
    scene.seen(endpoint_slice("b", ("http", 9000)))
    assert await scene.ports.of(SERVICE, PORTS) == {"http": (8000, 9000)}
    scene.gone("a")
    assert await scene.ports.of(SERVICE, PORTS) == {"http": (9000,)}
    assert scene.changed == [SERVICE] * 3


async def test_a_service_without_endpoints_keeps_what_it_had(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000)))
    before = await scene.ports.of(SERVICE, PORTS)
    scene.gone("a")
    assert await scene.ports.of(SERVICE, PORTS) == before
    scene.seen(endpoint_slice("b", ("http", 9000)))
    assert await scene.ports.of(SERVICE, PORTS) == {"http": (9000,)}


async def test_a_port_that_the_service_has_no_more_is_forgotten(scene: Scene) -> None:
    """However often somebody names it anew."""
    for number in range(9):
        port = f"p{number}"
        scene.seen(endpoint_slice("a", (port, 8000)))
        assert await scene.ports.of(SERVICE, frozenset({port})) == {port: (8000,)}
    assert scene.ports._last == {SERVICE: {"p8": (8000,)}}


async def test_what_is_remembered_is_bounded(scene: Scene) -> None:
    for n in range(MOST_REMEMBERED + 2):
        scene.seen(endpoint_slice(f"s{n}", ("http", 8000), service=f"m{n}"))
        await scene.ports.of(("n", f"m{n}"), PORTS)
    assert len(scene.ports._last) == MOST_REMEMBERED


async def test_a_slice_that_is_given_to_another_service_counts_there(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000)))
    scene.seen(endpoint_slice("a", ("http", 8000), service="other"))
    assert scene.changed == [SERVICE, SERVICE, ("n", "other")]
    assert await scene.ports.of(SERVICE, PORTS) == {}
    assert await scene.ports.of(("n", "other"), PORTS) == {"http": (8000,)}


async def test_slices_are_forgotten_with_the_last_of_a_service(scene: Scene) -> None:
    scene.seen(endpoint_slice("a", ("http", 8000)))
    scene.gone("a")
    scene.gone("a")
    assert (dict(scene.ports._slices), scene.ports._service_of) == ({}, {})


async def test_where_nobody_watches_they_are_read(scene: Scene) -> None:
    scene.client.lists = [Listing([endpoint_slice("a", ("", 8000))], "1")]
    assert await scene.ports.of(("other", "model"), PORTS) == {"": (8000,)}
    scene.client.lists = [ApiError(403, "Forbidden", "no")]
    assert await scene.ports.of(("other", "third"), PORTS) == {}
    scene.client.lists = [ApiError(500, "InternalError", "later")]
    with pytest.raises(ApiError):
        await scene.ports.of(("other", "model"), PORTS)


def test_udp_ports_do_not_count() -> None:
    scene = Scene()
    udp = endpoint_slice("a", ("dns", 53))
    udp["ports"][0]["protocol"] = "UDP"
    scene.seen(udp)
    assert scene.changed == []


def test_which_services_have_a_named_port() -> None:
    ports = [{"name": "web", "port": 80, "targetPort": 80}, {"name": "api", "port": 81, "targetPort": "http"}]
    assert named_ports({"spec": {"ports": ports}}) == {"api"}
    assert named_ports({"spec": {"ports": [{"port": 81, "targetPort": "http"}]}}) == {""}
    assert not named_ports({"spec": {"ports": [{"port": 80, "targetPort": 80}, {"port": 81}]}})
    assert not named_ports(None)
